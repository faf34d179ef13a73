//! Tests the health, the metrics, and the shutdown of the server.

use super::*;

#[test]
fn health_has_its_documented_fields() {
    let server = Server::with(&[("SERVICE_NAME", "desk"), ("APP_TYPE", "x")]);
    let answer = server.client().get("/health");
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["status"]),
        (200, &"ok".into()),
        "{body}"
    );
    assert_eq!(
        (&body["service"], &body["app_type"]),
        (&"desk".into(), &"x".into())
    );
    assert_eq!(body["dependencies"]["sqlalchemy"]["available"], true);
    assert_eq!(body["dependencies"]["redis"]["required"], false);
    assert!(body["resources"]["rss_mb"].as_f64().unwrap() > 1.0);
    assert!(
        body["dependencies"]["sqlalchemy"]["served_by"]
            .as_str()
            .unwrap()
            .contains("SQLite 3.")
    );

    std::fs::remove_file(server.folder().join("quire.db")).unwrap();
    let broken = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let answer = server.client().get("/api/health");
        (answer.status != 200).then_some(answer)
    });
    let answer = broken.expect("a database without its file is broken");
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["status"]),
        (503, &"error".into()),
        "{body}"
    );
    assert_eq!(body["error_code"], "DEPENDENCY_MISSING");
    assert_eq!(body["dependencies"]["sqlalchemy"]["available"], false);
}

#[test]
fn metrics_for_people_and_programs() {
    let token = "0123456789abcdef";
    let server = Server::with(&[
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("QUIRE_SETUP_TOKEN", token),
    ]);
    let before =
        server.client().get("/api/metrics").json()["metrics"]["requests_processed"].as_u64();
    let body = server.client().get("/api/metrics").json();
    assert_eq!(
        body["metrics"]["requests_processed"].as_u64(),
        before.map(|count| count + 1)
    );
    assert_eq!(body["metrics"]["prometheus_endpoint"], "/metrics");
    let resources = server.client().get("/api/internal/resources").json();
    for name in [
        "memory_mb",
        "cpu_percent",
        "open_files",
        "connections",
        "threads",
    ] {
        assert!(resources[name].is_number(), "{name}");
    }
    let text = server.client().get("/metrics");
    assert!(
        text.text()
            .contains("quire_requests_total{area=\"health\",class=\"2xx\"} "),
        "{}",
        text.text()
    );
    let elsewhere = || server.client().with("x-forwarded-for", "192.0.2.1");
    elsewhere().get("/metrics").refused(401, "UNAUTHENTICATED");
    let root = json!({ "email": "root@example.org", "password": PASSWORD, "setup_token": token });
    assert_eq!(elsewhere().post("/api/auth/register", root).status, 200);
    let mut root = elsewhere().signed_in("root@example.org");
    assert_eq!(root.get("/metrics").status, 200);
    for header in ["forwarded", "via", "x-real-ip", "x-forwarded-host"] {
        let mut passed_on = server.client().with(header, "x");
        passed_on.get("/metrics").refused(401, "UNAUTHENTICATED");
    }
    elsewhere()
        .registered("other@example.org")
        .get("/metrics")
        .refused(403, "FORBIDDEN");
}

#[test]
fn shutdown_does_not_wait_for_idle_connections() {
    let server = Server::with(&[("SHUTDOWN_TIMEOUT", "3600")]);
    let mut idle = server.connect();
    idle.write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut piece = [0; 4096];
    assert!(idle.read(&mut piece).unwrap() > 0);
    let silent = server.connect();
    let address = server.address;
    drop(server.stop());
    assert_eq!(rest(&mut idle), "");
    drop(silent);
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}
