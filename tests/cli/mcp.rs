//! Tests `quire mcp` as a program that starts it uses it: messages on stdin, and answers and nothing else on stdout.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use super::Workspace;

/// Sends `input` to `quire mcp` and returns its answers. As with a real client, stdin stays open until `count` answers
/// have arrived.
fn mcp_answers(workspace: &Workspace, input: &str, count: usize) -> Vec<Value> {
    let mut command = workspace.quire(&["mcp"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer_lines = lines.by_ref().take(count);
    let answer_lines = answer_lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    drop(stdin);
    assert!(lines.next().is_none(), "there is nothing else on stdout");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    answer_lines
}

#[test]
fn tools_are_served_over_stdin() {
    let workspace = Workspace::new();
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "consult",
            "arguments": {"question": "What is a covenant?", "models": ["demo/extract"], "depth": "quick"}}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "list_patterns"}}),
        json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "search_documents",
            "arguments": {"query": "nothing"}}}),
        json!({"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": {"name": "analysis_status",
            "arguments": {"analysis_id": "an_nowhere"}}}),
        json!({"jsonrpc": "2.0", "id": 7, "method": "nonsense"}),
    ];
    let input: String = messages
        .iter()
        .map(|message| format!("{message}\n"))
        .collect();
    let answers = mcp_answers(&workspace, &(input + "{\n"), 8);
    let of = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(answers.len(), 8, "{answers:?}");
    assert_eq!(of(json!(1))["result"]["serverInfo"]["name"], "quire");
    assert_eq!(of(json!(2))["result"]["tools"].as_array().unwrap().len(), 4);
    let panel_result = &of(json!(3))["result"];
    assert_eq!(panel_result["isError"], false, "{panel_result}");
    assert_eq!(panel_result["structuredContent"]["status"], "completed");
    let patterns = &of(json!(4))["result"]["structuredContent"]["patterns"];
    assert!(patterns.as_array().unwrap().len() > 10);
    assert_eq!(of(json!(5))["result"]["content"][0]["text"], "no results");
    assert_eq!(of(json!(6))["result"]["isError"], true);
    assert_eq!(of(json!(7))["error"]["code"], -32601);
    assert_eq!(of(Value::Null)["error"]["code"], -32700);
}
