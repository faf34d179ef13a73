//! Tests third-party clients with Quire: answers, streams, panels, refusals, interrupted streams, and disconnects by
//! the client. The scripts in `clients/` print what they have received, and the expected output is here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::mock::find_program;
use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::line::{ScriptLine, on};
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, tool_call_stream, unfinished_stream};
use crate::support::server::Folder;

/// A client: its command, and the expected result of each check.
struct Program {
    /// The interpreter or program, relative to target/interop.
    runs: &'static str,
    script: &'static str,
    seen: &'static [(&'static str, &'static str)],
}

const OPENAI: [(&str, &str); 14] = [
    ("models", "true"),
    ("whole", "It is thin. stop 18"),
    ("stream", "It is thin. 18"),
    ("panel", "true"),
    ("panel stream", "true"),
    ("unknown model", "NotFoundError 404 after 1"),
    ("wrong key", "AuthenticationError 401 after 1"),
    ("wrong field", "BadRequestError 400 after 1"),
    ("provider refuses", "BadRequestError 400 after 1"),
    ("provider busy", "RateLimitError 429 after 2"),
    ("provider down", "InternalServerError 503 after 2"),
    ("cut", "APIError"),
    ("responses", "It is thin. completed"),
    ("left", "true"),
];

fn provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| -> ScriptLine {
        match request.model().as_str() {
            "broken" => on("").cut(&unfinished_stream("It is ")),
            "busy" => on("")
                .header("retry-after", "1")
                .status(429, "application/json", "{}"),
            "down" => on("").status(503, "application/json", "{}"),
            "refused" => {
                let why = json!({ "error": { "message": "too hot" } });
                on("").status(400, "application/json", &why.to_string())
            }
            "tools" => {
                let messages = request.body["messages"].as_array().unwrap();
                let has_result = messages.iter().any(|message| message["role"] == "tool");
                on("").sse(&match has_result {
                    true => answer_stream("It is warm."),
                    false => tool_call_stream(),
                })
            }
            "shaped" => on("").sse(&answer_stream("{\"thin\": true}")),
            "vectors" => {
                let row = |at: u32| json!({ "index": at, "embedding": [at, 0.5] });
                let body = json!({ "data": [row(0), row(1)], "usage": { "prompt_tokens": 2 } });
                on("").status(200, "application/json", &body.to_string())
            }
            slow if slow.starts_with("slow") => on("").stall(&unfinished_stream("It ")),
            _ => on("").sse(&answer_stream("It is thin.")),
        }
    })
}

/// Runs a client and checks its results. Returns the provider that was called, or `None` if the client is not
/// installed.
fn run_client(program: &Program) -> Option<Provider> {
    let runs = find_program(program.runs)?;
    let provider = provider();
    let folder = Folder::new();
    let server = Executable::start(
        &folder,
        &provider,
        &[
            ("CACHE_TTL", "0"),
            ("RETRIES", "0"),
            ("RATE_LIMIT", "100000"),
            // With this key, a model is available that is known to accept images.
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_BASE_URL", &provider.base_url()),
        ],
    );
    let mut client = Client::new(server.address).registered("ada@example.com");
    let created = client.post("/api/users/me/api-keys", json!({ "name": "sdk" }));
    let new_one = created.json();
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop/clients")
        .join(program.script);
    let mut command = match script.extension().and_then(|one| one.to_str()) {
        Some("sh") => {
            let mut command = Command::new("sh");
            command.arg(&script).arg(&runs);
            command
        }
        Some("mjs") => {
            // Modules are searched for relative to the script, so the script is copied next to them.
            let beside = runs.parent().unwrap().join(program.script);
            std::fs::copy(&script, &beside).unwrap();
            let mut command = Command::new("node");
            command.arg(&beside);
            command
        }
        _ => {
            let mut command = Command::new(&runs);
            command.arg(&script);
            command
        }
    };
    let out = command
        .env("QUIRE_URL", format!("http://{}", server.address))
        .env("QUIRE_KEY", new_one["key"].as_str().unwrap())
        .env("QUIRE_PROGRAM", env!("CARGO_BIN_EXE_quire"))
        .env("QUIRE_DATA", folder.path().join("other"))
        .env("USE_MOCK", "true")
        .output()
        .unwrap();
    let (said, complaint) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(out.status.success(), "{said}\n{complaint}");
    let facts: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(check, seen)| (check, seen.trim()))
        .collect();
    let expected: BTreeMap<&str, &str> = program.seen.iter().copied().collect();
    assert_eq!(facts, expected, "{}\n{complaint}", program.script);
    eprintln!("{}: {} checks", program.script, facts.len());
    Some(provider)
}

fn check_client(program: &Program, slow: &str) {
    if let Some(provider) = run_client(program) {
        provider.wait_for_disconnect(slow);
    }
}

#[test]
fn openai_python_library_works() {
    let mut expected_facts = OPENAI.to_vec();
    expected_facts.extend([
        ("responses stream", "It is thin. 18"),
        ("tools", "{\"place\":\"Rome\"} 2 It is warm."),
        ("responses tools", "function_call weather"),
        ("shape", "thin=True"),
        ("picture", "It is thin."),
        ("embeddings", "[1.0, 0.5]"),
    ]);
    let program = Program {
        runs: "clients/bin/python",
        script: "openai_python.py",
        seen: expected_facts.leak(),
    };
    check_client(&program, "slow-openai");
}

#[test]
fn openai_node_library_works() {
    let program = Program {
        runs: "node/node_modules",
        script: "openai_node.mjs",
        seen: &OPENAI,
    };
    check_client(&program, "slow-node");
}

#[test]
fn anthropic_python_library_works() {
    let program = Program {
        runs: "clients/bin/python",
        script: "anthropic_python.py",
        seen: &[
            ("whole", "It is thin. end_turn 7"),
            ("stream", "It is thin. end_turn 7"),
            ("panel", "true"),
            ("panel stream", "true"),
            ("count", "true"),
            ("unknown model", "NotFoundError 404 after 1"),
            ("wrong key", "AuthenticationError 401 after 1"),
            ("wrong field", "BadRequestError 400 after 1"),
            ("provider refuses", "BadRequestError 400 after 1"),
            ("provider busy", "RateLimitError 429 after 2"),
            ("provider down", "ServiceUnavailableError 503 after 2"),
            ("cut", "an error"),
            ("tools", "tool_use Rome 2 It is warm."),
            ("left", "true"),
        ],
    };
    check_client(&program, "slow-anthropic");
}

#[test]
fn vercel_ai_sdk_works() {
    let program = Program {
        runs: "node/node_modules",
        script: "ai_sdk.mjs",
        seen: &[
            ("whole", "It is thin. stop 18"),
            ("stream", "It is thin. stop 18"),
            ("panel", "true"),
            ("panel stream", "true"),
            ("unknown model", "AI_APICallError 404 final"),
            ("wrong key", "AI_APICallError 401 final"),
            ("provider refuses", "AI_APICallError 400 final"),
            ("provider busy", "AI_APICallError 429 to be tried again"),
            ("provider down", "AI_APICallError 503 to be tried again"),
            ("cut", "an error"),
            ("left", "true"),
        ],
    };
    check_client(&program, "slow-ai");
}

#[test]
fn langchain_works() {
    let program = Program {
        runs: "clients/bin/python",
        script: "langchain_chat.py",
        seen: &[
            ("whole", "It is thin. 18"),
            ("stream", "It is thin. 18"),
            ("panel", "true"),
            ("panel stream", "true"),
            ("responses", "It is thin."),
            ("unknown model", "404"),
            ("wrong key", "401"),
            ("provider refuses", "400"),
            ("provider busy", "429"),
            ("provider down", "503"),
            ("cut", "an error"),
            ("left", "true"),
        ],
    };
    check_client(&program, "slow-langchain");
}

#[test]
fn llm_command_works() {
    let program = Program {
        runs: "clients/bin/llm",
        script: "llm_cli.sh",
        seen: &[
            ("whole", "It is thin."),
            ("stream", "It is thin."),
            ("panel", "true"),
            ("panel stream", "true"),
            ("unknown model", "Error: Error code: 404 (exit 1)"),
            ("wrong key", "Error: Error code: 401 (exit 1)"),
            ("provider refuses", "Error: Error code: 400 (exit 1)"),
            (
                "cut",
                "the connection broke in the middle of the answer (exit 1)",
            ),
        ],
    };
    run_client(&program);
}

#[test]
fn aichat_command_works() {
    let program = Program {
        runs: "aichat/bin/aichat",
        script: "aichat.sh",
        seen: &[
            ("whole", "It is thin."),
            ("stream", "It is thin."),
            ("panel", "true"),
            ("panel stream", "true"),
            ("unknown model", "does not exist (exit 1)"),
            ("provider refuses", "refused the request (exit 1)"),
            // aichat prints the text that it has received, and ignores the error after it.
            ("cut", "exit 0"),
        ],
    };
    run_client(&program);
}

#[test]
fn official_mcp_client_works() {
    let program = Program {
        runs: "clients/bin/python",
        script: "mcp_python.py",
        seen: &[
            ("http server", "quire"),
            ("http tools", TOOLS),
            ("http consult", "true"),
            ("http patterns", "true"),
            ("http unknown model", "true"),
            ("stdio server", "quire"),
            ("stdio tools", TOOLS),
            ("stdio consult", "true"),
            ("stdio patterns", "true"),
            ("stdio unknown model", "true"),
        ],
    };
    run_client(&program);
}

const TOOLS: &str = "analysis_status consult list_patterns search_documents";
