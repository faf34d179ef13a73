//! Tests limits that two servers share through Redis, and what remains of them while Redis is unavailable.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::json;

use super::cluster::Cluster;
use super::members::{SECRET, known, wait_for};
use super::redis_server::{RedisServer, free_port};
use super::support::executable::Executable;
use super::support::line::on;
use super::support::provider::Provider;
use super::support::script::{begin, providers};
use super::support::server::Folder;
use super::support::{Answer, Client, Server};

/// Two servers on one database and one Redis server, with a client of each.
struct SharedPair {
    servers: [Server; 2],
    client: Client,
    elsewhere: Client,
}

impl SharedPair {
    fn start(cluster: &Cluster, redis: &RedisServer, settings: &[(&str, &str)]) -> Self {
        let (database, address) = (cluster.address("postgres"), redis.address(""));
        let mut all = vec![
            ("DATABASE_URL", database.as_str()),
            ("REDIS_URL", address.as_str()),
            ("QUIRE_SECRET", SECRET),
            ("USE_MOCK", "true"),
        ];
        all.extend_from_slice(settings);
        let servers = [Server::with(&all), Server::with(&all)];
        for server in &servers {
            wait_for("they share the limits and know each other", || {
                server.app.limits().is_shared() && server.app.server_count() == 2
            });
        }
        let client = servers[0].user("ada@example.com");
        Self {
            elsewhere: known(&servers[1], &client),
            client,
            servers,
        }
    }

    fn wait_until_both_count(&self) {
        for server in &self.servers {
            wait_for("they know each other", || server.app.server_count() == 2);
        }
    }

    fn wait_until_shared(&self, is_shared: bool) {
        for server in &self.servers {
            wait_for("whether Redis is used", || {
                server.app.limits().is_shared() == is_shared
            });
        }
    }
}

fn limited(provider: &Provider, concurrency: usize) -> String {
    let field = format!("{{\"concurrency\":{concurrency},");
    providers(provider).replacen('{', &field, 1)
}

/// Calls a single model through the OpenAI-compatible API.
fn ask(client: &mut Client, model: &str, prompt: &str) -> Answer {
    let messages = json!([{"role": "user", "content": prompt}]);
    let body = json!({"model": model, "messages": messages});
    client.post("/v1/chat/completions", body)
}

fn running_and_waiting(server: &Server) -> (usize, usize) {
    let load = server.app.health().activity();
    (load.calls, load.calls_waiting)
}

#[test]
fn two_servers_share_a_rate_limit_exactly() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let mut pair = SharedPair::start(&cluster, &redis, &[("RATE_LIMIT", "5")]);
    let started = Instant::now();
    // One server admits four requests, which is more than its share would be if the limit were divided.
    let mut passed = 0;
    for _ in 0..4 {
        passed += usize::from(pair.client.get("/api/models").status == 200);
    }
    assert_eq!(passed, 4);
    let answer = pair.elsewhere.get("/api/models");
    assert_eq!(
        (answer.status, answer.header("x-ratelimit-remaining")),
        (200, "0")
    );
    let refused = [
        pair.client.get("/api/models"),
        pair.elsewhere.get("/api/models"),
    ];
    let refused = refused.iter().filter(|answer| answer.status == 429);
    // A token is added every 12 s, which matters if the machine is slow.
    let refilled = started.elapsed().as_secs() as usize / 12;
    assert!(refused.count() + refilled >= 2, "{:?}", started.elapsed());
    // A key does not reveal to whom it belongs, and it expires.
    let keys = redis.command(&["KEYS", "*"]);
    for key in keys.lines() {
        assert!(
            key.starts_with("quire:rate:") && key.len() == 11 + 32,
            "{key}"
        );
        assert_ne!(redis.command(&["PTTL", key]), "-1", "{key}");
    }
}

#[test]
fn two_servers_share_sign_in_attempts() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let pair = SharedPair::start(&cluster, &redis, &[("LOGIN_LIMIT", "2")]);
    let sign_in = |server: usize, password: &str| {
        let body = json!({"email": "bob@example.com", "password": password});
        pair.servers[server]
            .client()
            .post("/api/auth/login", body)
            .status
    };
    assert_eq!([sign_in(0, "one"), sign_in(0, "two")], [401, 401]);
    assert_eq!(sign_in(1, "three"), 429);
}

#[test]
fn a_provider_gets_no_more_calls_from_two_servers_than_it_allows() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let provider = Provider::script([on("slow").times(4).optional().stall("")]);
    let listed = limited(&provider, 2);
    let mut pair = SharedPair::start(&cluster, &redis, &[("QUIRE_PROVIDERS", &listed)]);
    // Both slots go to one server, which would have only one if the limit were divided.
    let first = begin(&mut pair.client, &["p/slow"]);
    begin(&mut pair.client, &["p/slow"]);
    provider.wait_hanging(2);
    begin(&mut pair.elsewhere, &["p/slow"]);
    wait_for("the other server waits", || {
        running_and_waiting(&pair.servers[1]).1 == 1
    });
    assert_eq!((provider.requests().len(), redis.slots()), (2, 2));
    // Redis loses all its data, including the scripts. The servers register their slots again.
    redis.command(&["FLUSHALL"]);
    redis.command(&["SCRIPT", "FLUSH"]);
    wait_for("the slots are back", || redis.slots() >= 2);
    // A slot that one server frees is used by the other.
    let path = format!("/api/analyses/{first}/cancel");
    let answer = pair.elsewhere.post(&path, json!({}));
    assert!(answer.status < 300, "{}", answer.text());
    wait_for("its call runs", || {
        running_and_waiting(&pair.servers[1]) == (1, 0)
    });
}

#[test]
fn a_killed_server_frees_its_slots() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let listed = r#"{"data":[{"id":"slow"}]}"#;
    let list = on("GET models").times(9).optional();
    let provider = Provider::script([
        list.status(200, "application/json", listed),
        on("slow").times(9).optional().stall(""),
    ]);
    let (database, address) = (cluster.address("postgres"), redis.address(""));
    let listed = limited(&provider, 2);
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", &address),
        ("QUIRE_SECRET", SECRET),
        ("QUIRE_PROVIDERS", &listed),
        ("USE_MOCK", "true"),
    ];
    let folder = Folder::new();
    let first = Executable::with(&folder, &settings);
    let other = Server::with(&settings);
    wait_for("it shares the limits", || other.app.limits().is_shared());
    let mut client = Client::new(first.address).registered("ada@example.com");
    let mut elsewhere = known(&other, &client);
    begin(&mut client, &["p/slow"]);
    begin(&mut client, &["p/slow"]);
    provider.wait_hanging(2);
    wait_for("they are slots in Redis", || redis.slots() == 2);
    begin(&mut elsewhere, &["p/slow"]);
    first.kill();
    wait_for("the other server has both slots", || {
        running_and_waiting(&other).0 == 2 && redis.slots() == 2
    });
}

#[test]
fn a_user_has_no_more_streams_on_two_servers_than_on_one() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let provider = Provider::script([on("slow").times(4).optional().stall("")]);
    let listed = providers(&provider);
    let settings = [
        ("QUIRE_PROVIDERS", listed.as_str()),
        ("MAX_STREAMS_PER_USER", "2"),
    ];
    let mut pair = SharedPair::start(&cluster, &redis, &settings);
    let open = |prompt: &'static str| {
        let mut client = pair.client.clone();
        std::thread::spawn(move || ask(&mut client, "p/slow", prompt).status)
    };
    let streams = [open("first"), open("second")];
    provider.wait_hanging(2);
    assert_eq!(ask(&mut pair.elsewhere, "p/slow", "third").status, 429);
    assert_eq!(provider.requests().len(), 2);
    drop(provider);
    for stream in streams {
        stream.join().unwrap();
    }
    wait_for("the slots are free", || redis.slots() == 0);
}

#[test]
fn a_circuit_that_opened_on_one_server_is_open_on_the_other_and_so_is_a_pause() {
    let (cluster, redis) = (Cluster::start(), RedisServer::start(&[]));
    let broken = on("broken").times(9).optional();
    let broken = broken.status(503, "application/json", "{}");
    let busy = on("busy").times(9).optional().header("retry-after", "3600");
    let busy = busy.status(429, "application/json", "{}");
    let provider = Provider::script([broken, busy]);
    let listed = providers(&provider);
    let settings = [("QUIRE_PROVIDERS", listed.as_str()), ("RETRIES", "0")];
    let mut pair = SharedPair::start(&cluster, &redis, &settings);
    for number in 0..5 {
        let answer = ask(&mut pair.client, "p/broken", &format!("question {number}"));
        assert!(answer.status >= 500, "{}", answer.text());
    }
    assert_eq!(provider.requests().len(), 5);
    let answer = ask(&mut pair.elsewhere, "p/broken", "another");
    assert!(
        answer.text().contains("several times in a row"),
        "{}",
        answer.text()
    );
    ask(&mut pair.client, "p/busy", "question");
    let answer = ask(&mut pair.elsewhere, "p/busy", "another");
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(
        provider.requests().len(),
        6,
        "the other server made no call"
    );
    // Resetting a model on one server also ends the model's block on the other.
    let names = ["p/broken", "p/busy"];
    for name in names {
        pair.servers[0].app.models().reset(Some(name));
    }
    wait_for("the call is made", || {
        ask(&mut pair.elsewhere, "p/broken", "again");
        provider.requests().len() > 6
    });
}

#[test]
fn without_redis_the_limits_are_divided_until_it_is_back() {
    let (cluster, mut redis) = (Cluster::start(), RedisServer::start(&[]));
    let provider = Provider::script([on("slow").times(9).optional().stall("")]);
    let listed = limited(&provider, 2);
    let mut pair = SharedPair::start(&cluster, &redis, &[("QUIRE_PROVIDERS", &listed)]);
    let health =
        |client: &mut Client| client.get("/api/health").json()["dependencies"]["redis"].clone();
    assert_eq!(health(&mut pair.client)["available"], true);
    begin(&mut pair.client, &["p/slow"]);
    provider.wait_hanging(1);

    redis.kill();
    pair.wait_until_shared(false);
    // On a busy machine, a server may have renewed its row too late.
    pair.wait_until_both_count();
    // Each server has one of the two slots, and no request fails.
    begin(&mut pair.client, &["p/slow"]);
    begin(&mut pair.elsewhere, &["p/slow"]);
    provider.wait_hanging(2);
    wait_for("one call runs at each", || {
        let both = pair.servers.each_ref().map(running_and_waiting);
        both == [(1, 1), (1, 0)]
    });
    wait_for("health says so", || {
        health(&mut pair.client)["available"] == false
    });
    let shown = pair.client.get("/api/admin/database").json();
    let redis_shown = &shown["redis"];
    assert_eq!(redis_shown["status"], "error", "{shown}");
    assert!(redis_shown["away_since"].is_string(), "{shown}");

    redis.begin();
    pair.wait_until_shared(true);
    // Redis has lost all its data, and the slots of running calls are registered again.
    wait_for("the slots are back", || redis.slots() == 2);
    assert_eq!(provider.requests().len(), 2, "none is free");

    // A server that does not reply counts as unavailable.
    redis.signal("-STOP");
    assert_eq!(pair.client.get("/api/models").status, 200);
    pair.wait_until_shared(false);
    redis.signal("-CONT");
    pair.wait_until_shared(true);
    let version = &pair.client.get("/api/admin/database").json()["redis"]["version"];
    assert!(
        version
            .as_str()
            .is_some_and(|version| version.starts_with("Redis "))
    );
}

#[test]
fn old_data_that_is_restored_in_redis_blocks_calls_only_until_its_leases_end() {
    let (cluster, mut redis) = (Cluster::start(), RedisServer::start(&[]));
    let provider = Provider::script([on("slow").times(9).optional().stall("")]);
    let listed = limited(&provider, 2);
    let mut pair = SharedPair::start(&cluster, &redis, &[("QUIRE_PROVIDERS", &listed)]);
    let running = [0, 1].map(|_| begin(&mut pair.client, &["p/slow"]));
    provider.wait_hanging(2);
    wait_for("they are slots in Redis", || redis.slots() == 2);
    assert_eq!(redis.command(&["SAVE"]), "OK");
    for id in running {
        let cancel = format!("/api/analyses/{id}/cancel");
        let answer = pair.client.post(&cancel, json!({}));
        assert!(answer.status < 300, "{}", answer.text());
    }
    wait_for("they are free", || redis.slots() == 0);
    redis.kill();
    pair.wait_until_shared(false);
    // Redis starts with what it saved: both slots, although their calls have ended.
    redis.begin();
    pair.wait_until_shared(true);
    begin(&mut pair.elsewhere, &["p/slow"]);
    wait_for("its call runs", || {
        running_and_waiting(&pair.servers[1]) == (1, 0)
    });
}

#[test]
fn the_certificate_of_redis_is_verified() {
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = rcgen::generate_simple_self_signed(names).unwrap();
    let folder = Folder::new();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let authority = write("cert.pem", certificate.cert.pem());
    let key = write("key.pem", certificate.signing_key.serialize_pem());
    let port = free_port().to_string();
    let _redis = RedisServer::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &authority,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &authority,
    ]);
    let examine = |settings: &[(&str, &str)]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["doctor"])
            .env_clear()
            .env("REDIS_URL", format!("rediss://127.0.0.1:{port}"))
            .env("USE_MOCK", "true")
            .env("QUIRE_DATA", folder.path().join("data"))
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = examine(&[("QUIRE_CA_FILE", authority.as_str())]);
    assert!(text.contains("accepts this server"), "{text}");
    let text = examine(&[]);
    assert!(text.contains("certificate"), "{text}");
}

#[test]
fn a_wrong_password_is_reported_at_the_start() {
    let redis = RedisServer::start(&["--requirepass", "right"]);
    let folder = Folder::new();
    let start = |credentials: &str, command: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .args([command])
            .env_clear()
            .env("REDIS_URL", redis.address(credentials))
            .env("USE_MOCK", "true")
            .env("QUIRE_DATA", folder.path().join("data"))
            .env("PORT", "0")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    for credentials in ["", ":wrong@"] {
        let (code, text) = start(credentials, "serve");
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("refuses this server") && text.contains("REDIS_URL"),
            "{text}"
        );
        assert!(!text.contains("wrong@"), "{text}");
    }
    let (_, text) = start(":right@", "doctor");
    assert!(text.contains("accepts this server"), "{text}");
    let (_, text) = start(":wrong@", "doctor");
    assert!(text.contains("broken   Redis:"), "{text}");
}

#[test]
fn only_a_wrong_setting_is_refused_for_good() {
    let redis = RedisServer::start(&[]);
    let folder = Folder::new();
    let examine = |credentials: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["doctor"])
            .env_clear()
            .env("REDIS_URL", redis.address(credentials))
            .env("USE_MOCK", "true")
            .env("QUIRE_DATA", folder.path().join("data"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut user = vec!["ACL", "SETUSER", "quire", "on", ">geheim", "~quire:*"];
    // The user has only the permissions that the manual lists.
    let commands = "+PING +SELECT +INFO +SCRIPT|LOAD +EVAL +EVALSHA +TIME +HGET +HMGET +HSET +SET +DEL +PTTL +PEXPIRE \
                    +ZADD +ZCARD +ZREM +ZREMRANGEBYSCORE";
    user.extend(commands.split(' '));
    assert_eq!(redis.command(&user), "OK");
    let text = examine("quire:geheim@");
    assert!(text.contains("accepts this server"), "{text}");

    let forbid = ["ACL", "SETUSER", "quire", "-EVALSHA"];
    assert_eq!(redis.command(&forbid), "OK");
    let text = examine("quire:geheim@");
    assert!(text.contains("broken   Redis:"), "{text}");
    assert!(text.contains("NOPERM"), "{text}");

    // A server without free connections may accept this one later.
    let full = ["CONFIG", "SET", "maxclients", "1"];
    assert_eq!(redis.command(&full), "OK");
    let mut client = None;
    wait_for("it is the only client", || {
        let mut socket = TcpStream::connect(redis.socket()).unwrap();
        let mut answer = [0; 5];
        let is_in = socket.write_all(b"PING\r\n").is_ok()
            && socket.read_exact(&mut answer).is_ok()
            && &answer == b"+PONG";
        client = is_in.then_some(socket);
        is_in
    });
    let text = examine(":geheim@");
    assert!(text.contains("cannot be reached"), "{text}");
    drop(client);
}
