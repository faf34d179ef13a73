//! Model Context Protocol, server side: parses a JSON-RPC message into a request, and encodes the response. Knows
//! nothing about pipes, HTTP, or analyses. Refuses batches, which the protocol no longer supports.

use serde_json::{Map, Value, json};

/// Supported protocol versions, newest first.
const PROTOCOL_VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The version offered to a client that requests a version not in `PROTOCOL_VERSIONS`.
const DEFAULT_VERSION: &str = "2025-06-18";
/// Default timeout of a tool call, in seconds.
const DEFAULT_TIMEOUT: f64 = 240.0;
/// Maximum timeout of a tool call, in seconds.
const MAX_TIMEOUT: f64 = 3_600.0;
/// Default number of search results.
const DEFAULT_HITS: usize = 10;
/// Maximum number of search results, which is the most that the index returns.
const MAX_HITS: usize = 50;

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum McpMessage {
    /// A request, which requires a response.
    Request {
        /// The request's ID, repeated in the response.
        id: Value,
        /// The requested method.
        ask: McpRequest,
    },
    /// The client cancels its request with this ID.
    Cancelled(Value),
    /// A message that requires no response, such as a notification.
    Notification,
}

/// A method of the protocol, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum McpRequest {
    /// Introduces the server and negotiates the protocol version.
    Initialize(&'static str),
    /// Checks that the server responds.
    Ping,
    /// Lists the tools.
    Tools,
    /// Calls a tool, with a timeout in seconds.
    Call(McpTool, f64),
}

/// A tool with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum McpTool {
    /// Asks a panel a question.
    AskPanel(PanelQuestion),
    /// Lists the patterns.
    ListPatterns,
    /// Searches the user's documents.
    SearchDocuments {
        /// Words to search for.
        query: String,
        /// Maximum number of passages.
        limit: usize,
    },
    /// Returns the state of the analysis with this ID.
    AnalysisStatus(String),
}

/// The arguments of a question for a panel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PanelQuestion {
    /// The question itself.
    pub question: String,
    /// The panel's models; empty for the default panel.
    pub models: Vec<String>,
    /// Pattern named by the client; `None` for the default one.
    pub pattern: Option<String>,
    /// IDs of the documents that the panel reads.
    pub documents: Vec<String>,
    /// How much work to put into the answer: `quick`, `standard`, or `full`.
    pub depth: Option<String>,
    /// Maximum cost, in US dollars.
    pub budget_usd: Option<f64>,
}

/// A protocol error: a JSON-RPC code and a message.
#[derive(Debug, Clone, PartialEq)]
pub struct McpError {
    /// ID of the request; null if it has none.
    pub id: Value,
    /// JSON-RPC error code, such as -32602 for invalid parameters.
    pub code: i64,
    /// Error message.
    pub text: String,
}

/// Parses a message.
///
/// # Errors
///
/// Returns an error when the message is not valid JSON-RPC, is a batch, or names an unknown method, tool, or
/// argument.
pub fn parse_message(text: &str) -> Result<McpMessage, McpError> {
    let error = |id: &Value, code, text: &str| McpError {
        id: id.clone(),
        code,
        text: text.to_owned(),
    };
    let message: Value = crate::domain::json::parse(text)
        .map_err(|why| error(&Value::Null, -32700, &format!("this is not JSON: {why}")))?;
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    let is_answer = message.get("result").is_some() || message.get("error").is_some();
    let Some(method) = message["method"].as_str() else {
        // A response to a request that was never sent is ignored.
        return match is_answer {
            true => Ok(McpMessage::Notification),
            false => Err(error(&id, -32600, "this is not a JSON-RPC 2.0 request")),
        };
    };
    let params = &message["params"];
    if message.get("id").is_none() {
        return Ok(match method {
            "notifications/cancelled" => McpMessage::Cancelled(params["requestId"].clone()),
            _ => McpMessage::Notification,
        });
    }
    if !(id.is_string() || id.is_number()) {
        return Err(error(&Value::Null, -32600, "an id is a string or a number"));
    }
    let ask = match method {
        "initialize" => {
            McpRequest::Initialize(negotiate_version(params["protocolVersion"].as_str()))
        }
        "ping" => McpRequest::Ping,
        "tools/list" => McpRequest::Tools,
        "tools/call" => {
            let (tool, deadline) = parse_call(params).map_err(|why| error(&id, -32602, &why))?;
            McpRequest::Call(tool, deadline)
        }
        _ => return Err(error(&id, -32601, &format!("there is no method {method}"))),
    };
    Ok(McpMessage::Request { id, ask })
}

fn negotiate_version(requested: Option<&str>) -> &'static str {
    let supported = PROTOCOL_VERSIONS
        .iter()
        .find(|version| Some(**version) == requested);
    supported.copied().unwrap_or(DEFAULT_VERSION)
}

fn parse_call(params: &Value) -> Result<(McpTool, f64), String> {
    let empty = Map::new();
    let name = params["name"]
        .as_str()
        .ok_or("the name of the tool is missing")?;
    let arguments = match &params["arguments"] {
        Value::Null => &empty,
        Value::Object(arguments) => arguments,
        _ => return Err("arguments must be an object".to_owned()),
    };
    let known_arguments: &[&str] = match name {
        "consult" => &[
            "question",
            "models",
            "pattern",
            "documents",
            "depth",
            "budget_usd",
        ],
        "list_patterns" => &[],
        "search_documents" => &["query", "limit"],
        "analysis_status" => &["analysis_id"],
        _ => return Err(format!("there is no tool {name}")),
    };
    let stray = |key: &&String| *key != "deadline_s" && !known_arguments.contains(&key.as_str());
    if let Some(stray) = arguments.keys().find(stray) {
        return Err(format!("{name} has no argument {stray}"));
    }
    let tool = match name {
        "consult" => McpTool::AskPanel(PanelQuestion {
            question: text_argument(arguments, "question")?.ok_or("question is missing")?,
            models: string_list_argument(arguments, "models")?,
            pattern: text_argument(arguments, "pattern")?,
            documents: string_list_argument(arguments, "documents")?,
            depth: text_argument(arguments, "depth")?,
            budget_usd: number_argument(arguments, "budget_usd", 0.0, 1e6)?,
        }),
        "search_documents" => McpTool::SearchDocuments {
            query: text_argument(arguments, "query")?.ok_or("query is missing")?,
            limit: number_argument(arguments, "limit", 1.0, MAX_HITS as f64)?
                .map_or(DEFAULT_HITS, |n| n as usize),
        },
        "analysis_status" => McpTool::AnalysisStatus(
            text_argument(arguments, "analysis_id")?.ok_or("analysis_id is missing")?,
        ),
        _ => McpTool::ListPatterns,
    };
    let deadline =
        number_argument(arguments, "deadline_s", 1.0, MAX_TIMEOUT)?.unwrap_or(DEFAULT_TIMEOUT);
    Ok((tool, deadline))
}

fn text_argument(arguments: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match arguments.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a non-empty string")),
    }
}

fn string_list_argument(arguments: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{key} must be a list of strings");
    let item = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
    match arguments.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(item).collect(),
        Some(_) => Err(wrong()),
    }
}

fn number_argument(
    arguments: &Map<String, Value>,
    key: &str,
    min: f64,
    max: f64,
) -> Result<Option<f64>, String> {
    match arguments.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|n| (min..=max).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{key} must be a number from {min} to {max}")),
        },
    }
}

/// Encodes a successful response to the request with this ID.
pub fn success_response(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// Encodes an error as a response.
pub fn error_response(error: &McpError) -> Value {
    json!({"jsonrpc": "2.0", "id": error.id, "error": {"code": error.code, "message": error.text}})
}

/// Encodes the result of a tool: text for the model, and structured content for programs.
pub fn tool_result(text: &str, structured: Value) -> Value {
    json!({"content": [{"type": "text", "text": text}], "structuredContent": structured, "isError": false})
}

/// Encodes the error of a tool. The model sees it, and can try something else.
pub fn tool_error(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true})
}

/// Encodes the response to `initialize`.
pub fn initialize_result(version: &str, release: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": {"name": "quire", "title": "Quire", "version": release},
        "instructions": "Quire puts a question to a panel of language models and joins their answers into one. \
            Use consult where one model's answer is not enough; list_patterns says how a panel may work.",
    })
}

/// Describes the tools and their arguments.
pub fn tools() -> Value {
    let words = |about: &str| json!({"type": "string", "description": about});
    let list =
        |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    let tool = |name: &str, about: &str, mut takes: Value, needs: &[&str], reads: bool| {
        takes["deadline_s"] = json!({
            "type": "number", "minimum": 1, "maximum": MAX_TIMEOUT, "default": DEFAULT_TIMEOUT,
            "description": "seconds after which the call is abandoned",
        });
        json!({
            "name": name, "description": about,
            "inputSchema": {"type": "object", "properties": takes, "required": needs, "additionalProperties": false},
            "annotations": {"readOnlyHint": reads, "destructiveHint": false, "openWorldHint": !reads},
        })
    };
    let consult = json!({
        "question": words("the question, with everything that the panel needs to know"),
        "models": list("the members of the panel; the default panel when absent"),
        "pattern": words("how the panel works, as list_patterns names it"),
        "documents": list("ids of uploaded documents that the panel reads"),
        "depth": {"type": "string", "enum": ["quick", "standard", "full"], "description": "how much of the pattern is run"},
        "budget_usd": {"type": "number", "minimum": 0, "description": "maximum cost in dollars"},
    });
    let search = json!({
        "query": words("words to search for"),
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "default": DEFAULT_HITS, "description": "passages at most"},
    });
    let status = json!({"analysis_id": words("as returned by consult")});
    json!({"tools": [
        tool("consult", "Put a question to a panel of language models and get one joined answer. Costs money.",
            consult, &["question"], false),
        tool("list_patterns", "The ways in which a panel can work, with what each is good for.", json!({}), &[], true),
        tool("search_documents", "Find passages in the documents that the person has uploaded.",
            search, &["query"], true),
        tool("analysis_status", "Get the state, cost, and answer of an analysis.",
            status, &["analysis_id"], true),
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_and_respond(text: &str) -> String {
        match parse_message(text) {
            Ok(McpMessage::Request { id, ask }) => format!("{id} {ask:?}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{} {} {}", error.id, error.code, error.text),
        }
    }

    #[test]
    fn messages_are_parsed() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05"}}"#,
                r#"1 Initialize("2024-11-05")"#,
            ),
            (
                r#"{"id":"a","method":"initialize","params":{"protocolVersion":"1999-01-01"}}"#,
                r#""a" Initialize("2025-06-18")"#,
            ),
            (r#"{"id":0,"method":"ping"}"#, "0 Ping"),
            (r#"{"id":2,"method":"tools/list","params":{}}"#, "2 Tools"),
            (
                r#"{"id":2,"method":"tools/call","params":{"name":"list_patterns"}}"#,
                "2 Call(ListPatterns, 240.0)",
            ),
            (
                r#"{"id":2,"method":"tools/call","params":{"name":"analysis_status","arguments":{"analysis_id":"x","deadline_s":5}}}"#,
                r#"2 Call(AnalysisStatus("x"), 5.0)"#,
            ),
            (
                r#"{"id":2,"method":"tools/call","params":{"name":"search_documents","arguments":{"query":"q"}}}"#,
                r#"2 Call(SearchDocuments { query: "q", limit: 10 }, 240.0)"#,
            ),
            (r#"{"method":"notifications/initialized"}"#, "Notification"),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#,
                "Cancelled(Number(7))",
            ),
            (r#"{"id":3,"result":{}}"#, "Notification"),
        ] {
            assert_eq!(parse_and_respond(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_have_the_protocols_codes() {
        let call = |arguments: &str| {
            format!(
                r#"{{"id":1,"method":"tools/call","params":{{"name":"consult","arguments":{arguments}}}}}"#
            )
        };
        for (text, expected) in [
            ("{".to_owned(), "null -32700"),
            ("[]".to_owned(), "null -32600"),
            ("7".to_owned(), "null -32600"),
            (r#"{"id":1}"#.to_owned(), "1 -32600"),
            (r#"{"id":null,"method":"ping"}"#.to_owned(), "null -32600"),
            (
                r#"{"id":1,"method":"resources/list"}"#.to_owned(),
                "1 -32601",
            ),
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#.to_owned(),
                "1 -32602 there is no tool x",
            ),
            (call("[]"), "1 -32602 arguments must be an object"),
            (call("{}"), "1 -32602 question is missing"),
            (
                call(r#"{"question":""}"#),
                "1 -32602 question must be a non-empty string",
            ),
            (
                call(r#"{"question":"q","models":[1]}"#),
                "1 -32602 models must be a list",
            ),
            (
                call(r#"{"question":"q","budget_usd":-1}"#),
                "1 -32602 budget_usd must be a number",
            ),
            (
                call(r#"{"question":"q","deadline_s":0}"#),
                "1 -32602 deadline_s must be a number",
            ),
            (
                call(r#"{"question":"q","sudo":1}"#),
                "1 -32602 consult has no argument sudo",
            ),
        ] {
            assert!(
                parse_and_respond(&text).starts_with(expected),
                "{text}: {}",
                parse_and_respond(&text)
            );
        }
    }

    #[test]
    fn tool_schemas_match_the_parsed_arguments() {
        let all = tools();
        for tool in all["tools"].as_array().into_iter().flatten() {
            let name = tool["name"].as_str().unwrap_or_default();
            let mut arguments = Map::new();
            for (key, of) in tool["inputSchema"]["properties"]
                .as_object()
                .into_iter()
                .flatten()
            {
                let value = match of["type"].as_str() {
                    Some("string") => json!("quick"),
                    Some("array") => json!(["x"]),
                    _ => json!(2),
                };
                arguments.insert(key.clone(), value);
            }
            let read = parse_call(&json!({"name": name, "arguments": arguments}));
            assert!(read.is_ok(), "{name}: {read:?}");
        }
    }
}
