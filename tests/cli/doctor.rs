//! Tests `quire doctor`: its findings about the folder, the port, the public address, and a proxy that buffers
//! responses, and the health check of a container.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use super::{CommandOutput, Running, Workspace};

fn port_of(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// Starts a proxy that forwards one request per connection and sends each response only when it is complete. Returns
/// its address.
fn start_buffering_proxy(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let to = to.clone();
            std::thread::spawn(move || forward_request(client, &to));
        }
    });
    address
}

fn forward_request(mut client: TcpStream, to: &str) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match client.read(&mut piece).unwrap() {
            0 => return,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8(head).unwrap();
    let text = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut server = TcpStream::connect(to).unwrap();
    server.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    client.write_all(&answer).unwrap();
}

#[test]
fn health_option_reports_whether_the_server_answers() {
    let workspace = Workspace::new();
    let server = Running::start(workspace.quire(&["--port", "0"]));
    let ask = ["doctor", "--health", "--port", port_of(&server.address)];
    assert_eq!(workspace.run(&ask).expect_success(), "ok\n");
    server.signal("-TERM");
    let ask: Vec<String> = ask.map(str::to_owned).into();
    server.wait_for_exit();
    let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
    let error = workspace.run(&ask).expect_refusal(1);
    assert!(error.contains("no answer from 127.0.0.1"), "{error}");
    let command_output = workspace
        .run(&["doctor", "--health", "--port", "0"])
        .expect_refusal(1);
    assert!(command_output.contains("set PORT"), "{command_output}");
}

#[test]
fn the_doctor_looks_through_the_public_address() {
    let workspace = Workspace::new();
    let server = Running::start(workspace.quire(&["--port", "0"]));
    let look = |public: &str| {
        let url = format!("http://{public}");
        workspace.run(&[
            "doctor",
            "--port",
            port_of(&server.address),
            "--public-url",
            &url,
        ])
    };
    let message = look(&server.address).expect_success();
    for line in [
        "ok       port: Quire",
        "ok       clock",
        "ok       authorities",
        "reaches Quire",
        "ok       streaming: events arrive as soon as they are sent",
    ] {
        assert!(message.contains(line), "{line} in {message}");
    }
    let text = look(&start_buffering_proxy(server.address.clone()));
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(
        text.stdout.contains("broken   streaming") && text.stdout.contains("proxy_buffering off"),
        "{text:?}"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap().to_string();
    drop(listener);
    let command_output = look(&other);
    assert!(
        command_output.stdout.contains("broken   public address"),
        "{command_output:?}"
    );
}

#[test]
fn the_doctor_reports_another_program_on_the_port() {
    let workspace = Workspace::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut client in other.incoming().flatten() {
            let _ = client.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    let output = workspace.run(&["doctor", "--port", port_of(&address)]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stdout.contains("used by another program"),
        "{output:?}"
    );
}

#[test]
fn the_doctor_finds_settings_errors() {
    let workspace = Workspace::new();
    let look = |name: &str, value: &str, code: i32, line: &str| {
        let mut command = workspace.quire(&["doctor", "--port", "0"]);
        let command_output = CommandOutput::from_output(command.env(name, value).output().unwrap());
        assert_eq!(
            command_output.code,
            Some(code),
            "{name}: {command_output:?}"
        );
        assert!(
            command_output.stdout.contains(line),
            "{line} in {command_output:?}"
        );
        assert!(
            !command_output.stdout.contains("os error"),
            "{command_output:?}"
        );
    };
    let wrong = "warning  settings: OPENAI_KEY (environment) has no effect";
    look("OPENAI_KEY", "sk-1", 0, wrong);
    look(
        "QUIRE_DATA",
        "/proc/quire",
        1,
        "broken   data folder: /proc/quire cannot be used",
    );
    look(
        "QUIRE_DATA",
        "/etc/passwd",
        1,
        "cannot be used: it is a file; choose",
    );
    look(
        "USE_MOCK",
        "false",
        1,
        "broken   providers: no provider is configured, and the demo",
    );
    look(
        "QUIRE_SECRET",
        "changeme-changeme",
        0,
        "warning  secret: QUIRE_SECRET is easy to guess",
    );
    look(
        "QUIRE_SETUP_TOKEN",
        "aaaaaaaaaaaaaaaa",
        0,
        "QUIRE_SETUP_TOKEN is easy to guess",
    );
    look(
        "QUIRE_BACKUP_DIR",
        "/proc/backups",
        1,
        "set QUIRE_BACKUP_DIR to a folder",
    );
    look(
        "QUIRE_REPLICA",
        "file:///proc/replica",
        1,
        "broken   replica: ",
    );
    look(
        "QUIRE_SERVER",
        "http://127.0.0.1:1",
        1,
        "http://127.0.0.1:1 cannot be reached",
    );
}

#[test]
fn the_doctor_reports_data_folder_problems() {
    let workspace = Workspace::new();
    let output = workspace.run(&["doctor", "--port", "0"]).expect_success();
    assert!(output.contains("does not exist yet"), "{output}");
    assert!(!workspace.data_folder().exists(), "looking makes nothing");
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let command_output = workspace.run(&["doctor", "--port", "0"]).expect_success();
    for line in [
        "ok       data folder",
        "ok       secret",
        "ok       database: it is sound",
        "warning  providers",
    ] {
        assert!(command_output.contains(line), "{line} in {command_output}");
    }
    set_mode(&workspace.data_folder().join("secret"), 0o644);
    let said_text = workspace.run(&["doctor", "--port", "0"]);
    assert_eq!(said_text.code, Some(1), "{said_text:?}");
    assert!(
        said_text.stdout.contains("broken   secret") && said_text.err.contains("one check failed"),
        "{said_text:?}"
    );
    set_mode(&workspace.data_folder().join("secret"), 0o600);
    std::fs::write(
        workspace.data_folder().join("quire.db"),
        "this is not a database",
    )
    .unwrap();
    let said = workspace.run(&["doctor", "--port", "0"]);
    assert!(
        said.code == Some(1) && said.stdout.contains("broken   database"),
        "{said:?}"
    );
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `quire doctor` with these settings.
fn run_doctor(workspace: &Workspace, settings: &[(&str, &str)]) -> CommandOutput {
    let mut command = workspace.quire(&["doctor", "--port", "0"]);
    command.envs(settings.iter().copied());
    CommandOutput::from_output(command.output().unwrap())
}

#[test]
fn the_doctor_finds_setup_problems() {
    let workspace = Workspace::new();
    // This creates a data folder in which no one has registered.
    let server = Running::start(workspace.quire(&["--port", "0"]));
    server.signal("-TERM");
    server.wait_for_exit();
    let output = run_doctor(&workspace, &[]);
    assert!(
        output
            .stdout
            .contains("warning  accounts: there is no administrator yet"),
        "{output:?}"
    );
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let file = workspace.0.join("file");
    std::fs::write(&file, "x").unwrap();
    let file = file.display().to_string();
    let folder = workspace.0.join("backups");
    std::fs::create_dir(&folder).unwrap();
    let folder_text = folder.display().to_string();
    for (settings, found) in [
        (&[][..], "ok       accounts: there is an administrator"),
        (&[("OPENAI_KEY", "sk-x")], "warning  settings: "),
        (
            &[("OPENAI_BASE_URL", "http://nowhere.invalid/v1")],
            "broken   names: nowhere.invalid cannot be resolved",
        ),
        (&[("QUIRE_BACKUP_DIR", &file)], "broken   backups: "),
        (
            &[("QUIRE_BACKUP_DIR", &folder_text)],
            "warning  backups: there is no backup in ",
        ),
        (&[("QUIRE_DATA", &file)], "broken   data folder: "),
        (
            &[("QUIRE_DATA", "nowhere")],
            "warning  data folder: nowhere does not exist yet",
        ),
    ] {
        let command_output = run_doctor(&workspace, settings);
        assert!(
            command_output.stdout.contains(found),
            "{settings:?}: {command_output:?}"
        );
        let is_broken = command_output.stdout.contains("broken ");
        assert_eq!(
            command_output.code,
            Some(i32::from(is_broken)),
            "{command_output:?}"
        );
    }
    workspace.run(&["backup", &folder_text]).expect_success();
    let said_text = run_doctor(&workspace, &[("QUIRE_BACKUP_DIR", &folder_text)]);
    assert!(
        said_text.stdout.contains("ok       backups: "),
        "{said_text:?}"
    );
    let copy = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    std::fs::write(copy.path(), "this is not a database").unwrap();
    let said = run_doctor(&workspace, &[("QUIRE_BACKUP_DIR", &folder_text)]);
    assert!(said.stdout.contains("broken   backups: "), "{said:?}");
}

#[test]
fn a_server_elsewhere_is_examined() {
    let (home, workspace) = (Workspace::new(), Workspace::new());
    let server = Running::start(home.quire(&["--port", "0", "--use-mock"]));
    home.run(&["user", "add", "a@b.co"]).expect_success();
    let key = home.run(&["key", "add", "a@b.co"]).expect_success();
    let key = key.trim();
    let key_for_keys = home
        .run(&["key", "add", "a@b.co", "--scope", "keys"])
        .expect_success();
    let address = format!("http://{}", server.address);
    for (address, key, found) in [
        (&*address, key, "ok       QUIRE_SERVER: "),
        (&*address, "quire_wrong", "broken   QUIRE_SERVER: "),
        (&*address, key_for_keys.trim(), "warning  QUIRE_SERVER: "),
        ("http://127.0.0.1:1", key, "cannot be reached"),
    ] {
        let settings = [("QUIRE_SERVER", address), ("QUIRE_API_KEY", key)];
        let output = run_doctor(&workspace, &settings);
        assert!(output.stdout.contains(found), "{found}: {output:?}");
    }
    assert!(!workspace.data_folder().exists());
}

#[test]
fn a_provider_that_refuses_its_key_is_found() {
    let workspace = Workspace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut piece = [0; 4096];
            let _ = client.read(&mut piece);
            let body = "{\"error\":{\"message\":\"incorrect key\"}}";
            let _ = write!(
                client,
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
                 close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let settings = [("OPENAI_BASE_URL", &*base), ("OPENAI_API_KEY", "sk-wrong")];
    let output = run_doctor(&workspace, &settings);
    assert!(
        output.stdout.contains("warning  provider: openai: "),
        "{output:?}"
    );
}
