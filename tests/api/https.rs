//! Tests TLS without a proxy: requests, streams, and cookies over HTTPS, clients that send plain HTTP, and the renewal
//! of a certificate while connections are open.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::server::{Folder, rest};
use crate::support::{Client, Server};

const TICKS_PATH: &str = "/api/internal/ticks";

fn certificate_authority() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Writes the key and the certificate chain of a certificate for this machine, which an intermediate authority has
/// issued. Returns the root certificate.
fn write_certificate(folder: &Path) -> String {
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(certificate_authority(), key()).unwrap();
    let middle = CertifiedIssuer::signed_by(certificate_authority(), key(), &root).unwrap();
    let own_key = key();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&own_key, &middle).unwrap();
    let chain = format!("{}{}", leaf.pem(), middle.pem());
    std::fs::write(folder.join("chain.pem"), chain).unwrap();
    std::fs::write(folder.join("key.pem"), own_key.serialize_pem()).unwrap();
    root.pem()
}

fn start(settings: &[(&str, &str)]) -> (Server, String) {
    let folder = Folder::new();
    let root = write_certificate(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let mut all = vec![
        ("QUIRE_TLS_CERT", chain.as_str()),
        ("QUIRE_TLS_KEY", key.as_str()),
    ];
    all.extend(settings);
    (Server::in_folder(folder, &all), root)
}

#[test]
fn sign_in_over_https_sets_secure_cookies() {
    let (server, root) = start(&[("UI_PORT", "0")]);
    for address in [server.address, server.pages.unwrap()] {
        let mut client = Client::over_tls(address, &root);
        let health = client.get("/health");
        assert_eq!(
            (health.status, &health.json()["status"] != "error"),
            (200, true)
        );
        let age = health.header("strict-transport-security");
        assert!(age.starts_with("max-age="), "{age}");
    }
    let mut client = Client::over_tls(server.address, &root).registered("sealed@example.com");
    let login = serde_json::json!({"email": "sealed@example.com", "password": crate::support::client::PASSWORD});
    let answer = client.post("/api/auth/login", login);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.to_str().unwrap().contains("; Secure"), "{cookie:?}");
    }
    // The upload is larger than a TLS record, and larger than the buffer.
    let text = "All of this is sealed on its way. ".repeat(20_000);
    let uploaded = client.upload("/api/upload-document", "long.txt", text.as_bytes());
    assert!(uploaded.status < 300, "{}", uploaded.text());
    let page = client.get("/");
    assert_eq!(page.status, 200);
}

#[test]
fn plain_http_clients_get_an_error_and_do_not_block_others() {
    let (server, root) = start(&[("MAX_CONNECTIONS", "1"), ("HEADER_TIMEOUT", "1")]);
    let plain = server.raw(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 400 "), "{plain}");
    assert!(plain.contains("https://"), "{plain}");

    // The only slot is free again when the handshake has timed out.
    for first_bytes in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = server.connect();
        silent.write_all(first_bytes).unwrap();
        assert_eq!(rest(&mut silent).len(), 0, "it is closed without a word");
        let has_answered = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            Client::over_tls(server.address, &root).try_status("/health") == Ok(200)
        });
        assert!(has_answered, "its place is free again");
    }
}

#[test]
fn certificate_renewal_keeps_open_streams() {
    let (server, root) = start(&[]);
    let mut client = Client::over_tls(server.address, &root);
    let mut stream = client.events(TICKS_PATH, None);
    let first = stream.next();
    assert!(first.is_some(), "the stream has begun");

    let newer = write_certificate(server.folder());
    let body = server.tls.as_ref().unwrap();
    let until = body.refresh(true, quire::clock::now()).unwrap();
    assert!(until.is_some());

    let status = |root: &str| Client::over_tls(server.address, root).try_status("/health");
    assert_eq!(status(&newer), Ok(200));
    let old = status(&root).expect_err("it is not shown any more");
    assert!(old.contains("invalid peer certificate"), "{old}");
    // The stream continues under the certificate with which it started.
    assert!(stream.count() >= 3, "it goes on to its end");
}
