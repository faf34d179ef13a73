//! Parses the exports of ChatGPT, Claude, and Open WebUI: a conversation becomes a thread with one turn per
//! question. Only the current branch of a branched conversation is imported.

use serde_json::Value;

use super::foreign::{ExternalTurn, model_name};
use crate::domain::time::Timestamp;

/// Maximum number of messages per conversation.
const MAX_MESSAGES: usize = 10_000;

/// A conversation exported by another program.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ExternalConversation {
    /// Identifier of the conversation in the exporting program; empty if there is none.
    pub source_id: String,
    /// Title of the conversation. May be empty.
    pub title: String,
    /// Questions with their answers, oldest first. Never empty.
    pub turns: Vec<ExternalTurn>,
}

struct ForeignMessage {
    is_user: bool,
    text: String,
    model: Option<String>,
    sent_at: Option<Timestamp>,
}

/// Parses a conversation; `None` if it is in another format or has no answer.
pub(super) fn parse_thread(value: &Value) -> Option<ExternalConversation> {
    let (source, title, messages) = if value["mapping"].is_object() {
        let id = value["conversation_id"].as_str().or(value["id"].as_str());
        (id, &value["title"], chatgpt_messages(value))
    } else if value["chat_messages"].is_array() {
        (
            value["uuid"].as_str(),
            &value["name"],
            claude_messages(value),
        )
    } else if value["chat"].is_object() {
        let title = [&value["title"], &value["chat"]["title"]];
        let title = title.into_iter().find(|title| title.is_string());
        (
            value["id"].as_str(),
            title.unwrap_or(&Value::Null),
            open_webui_messages(&value["chat"]),
        )
    } else {
        return None;
    };
    let started = ["create_time", "created_at"];
    let started = started.iter().find_map(|name| timestamp(&value[*name]));
    let turns = pair_turns(messages, started);
    (!turns.is_empty()).then(|| ExternalConversation {
        source_id: source.unwrap_or_default().to_owned(),
        title: title.as_str().unwrap_or_default().trim().to_owned(),
        turns,
    })
}

// Returns the messages of the current branch. Messages form a tree, which is walked from the branch's leaf to the root.
fn chatgpt_messages(value: &Value) -> Vec<ForeignMessage> {
    let nodes = &value["mapping"];
    let path = path_to_leaf(value["current_node"].as_str(), |id| {
        let node = &nodes[id];
        node.is_object().then(|| (node, node["parent"].as_str()))
    });
    let messages = path.into_iter().filter_map(|node| {
        let message = &node["message"];
        let is_hidden = message["metadata"]["is_visually_hidden_from_conversation"] == true;
        let is_user = match message["author"]["role"].as_str()? {
            _ if is_hidden => return None,
            "user" => true,
            "assistant" => false,
            _ => return None,
        };
        // A message to a tool is a tool call, not part of the conversation.
        if message["recipient"].as_str().is_some_and(|to| to != "all") {
            return None;
        }
        let parts = message["content"]["parts"].as_array()?;
        let texts = parts
            .iter()
            .filter_map(|part| part.as_str().or(part["text"].as_str()));
        Some(ForeignMessage {
            is_user,
            text: texts.collect::<Vec<_>>().join("\n\n"),
            model: message["metadata"]["model_slug"]
                .as_str()
                .map(str::to_owned),
            sent_at: timestamp(&message["create_time"]),
        })
    });
    messages.collect()
}

fn claude_messages(value: &Value) -> Vec<ForeignMessage> {
    let messages = value["chat_messages"].as_array().into_iter().flatten();
    let parsed = messages.take(MAX_MESSAGES).filter_map(|message| {
        let is_user = match message["sender"].as_str()? {
            "human" => true,
            "assistant" => false,
            _ => return None,
        };
        let parts = message["content"].as_array().into_iter().flatten();
        let parts = parts.filter(|part| part["type"].as_str().is_none_or(|kind| kind == "text"));
        let parts: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
        let text = match parts.is_empty() {
            true => message["text"].as_str().unwrap_or_default().to_owned(),
            false => parts.join("\n\n"),
        };
        Some(ForeignMessage {
            is_user,
            text,
            model: None,
            sent_at: timestamp(&message["created_at"]),
        })
    });
    parsed.collect()
}

fn open_webui_messages(chat: &Value) -> Vec<ForeignMessage> {
    let parse_message = |message: &Value| {
        Some(ForeignMessage {
            is_user: match message["role"].as_str()? {
                "user" => true,
                "assistant" => false,
                _ => return None,
            },
            text: message["content"].as_str().unwrap_or_default().to_owned(),
            model: message["model"].as_str().map(str::to_owned),
            sent_at: timestamp(&message["timestamp"]),
        })
    };
    let messages = &chat["history"]["messages"];
    let path = path_to_leaf(chat["history"]["currentId"].as_str(), |id| {
        let message = &messages[id];
        message
            .is_object()
            .then(|| (message, message["parentId"].as_str()))
    });
    if !path.is_empty() {
        return path.into_iter().filter_map(parse_message).collect();
    }
    let list = chat["messages"].as_array().into_iter().flatten();
    list.take(MAX_MESSAGES).filter_map(parse_message).collect()
}

/// Returns the last nodes on the path from the root to `end`, at most `MAX_MESSAGES`. `find` returns a node and the ID
/// of its parent.
fn path_to_leaf<'a>(
    end: Option<&'a str>,
    find: impl Fn(&str) -> Option<(&'a Value, Option<&'a str>)>,
) -> Vec<&'a Value> {
    let mut nodes = Vec::new();
    let mut next = end;
    // The limit also ends a walk around a cycle.
    while let Some((node, parent)) = next.and_then(&find)
        && nodes.len() < MAX_MESSAGES
    {
        nodes.push(node);
        next = parent;
    }
    nodes.reverse();
    nodes
}

/// Pairs every question with the answer that follows it. Consecutive messages of one side are joined; a question
/// without an answer is dropped.
fn pair_turns(messages: Vec<ForeignMessage>, started: Option<Timestamp>) -> Vec<ExternalTurn> {
    let mut turns: Vec<ExternalTurn> = Vec::new();
    let mut last_was_user = false;
    for message in messages {
        let text = message.text.trim();
        if text.is_empty() {
            continue;
        }
        match (message.is_user, turns.last_mut()) {
            (true, Some(turn)) if last_was_user => append_paragraph(&mut turn.question, text),
            (true, _) => turns.push(ExternalTurn {
                question: text.to_owned(),
                writer: model_name(None),
                created: message.sent_at.or(started),
                ..ExternalTurn::default()
            }),
            (false, Some(turn)) => {
                append_paragraph(&mut turn.answer, text);
                if message.model.is_some() {
                    turn.writer = model_name(message.model.as_deref());
                }
            }
            // This is a greeting before the first question.
            (false, None) => continue,
        }
        last_was_user = message.is_user;
    }
    turns.retain(|turn| !turn.answer.is_empty());
    turns
}

fn append_paragraph(to: &mut String, text: &str) {
    if !to.is_empty() {
        to.push_str("\n\n");
    }
    to.push_str(text);
}

/// Parses a time in seconds, milliseconds, or nanoseconds since 1970, or in RFC 3339.
fn timestamp(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        return Timestamp::parse(text).or_else(|| Timestamp::parse(&text.replace("+00:00", "Z")));
    }
    let number = value.as_f64().filter(|number| *number > 0.0)?;
    let seconds = match number {
        number if number > 1e17 => number / 1e9,
        number if number > 1e11 => number / 1e3,
        number => number,
    };
    (seconds < 4e9).then(|| Timestamp::from_millis((seconds * 1_000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages_of(thread: &ExternalConversation) -> Vec<(&str, &str, &str)> {
        let turns = thread.turns.iter();
        turns
            .map(|turn| {
                (
                    turn.question.as_str(),
                    turn.answer.as_str(),
                    turn.writer.as_str(),
                )
            })
            .collect()
    }

    #[test]
    fn chatgpts_current_branch_is_taken() {
        let node = |id: &str, parent: Value, role: &str, text: &str| {
            json!({"id": id, "parent": parent, "message": {
                "author": {"role": role}, "create_time": 1_700_000_000.5, "recipient": "all",
                "content": {"content_type": "text", "parts": [text]}, "metadata": {"model_slug": "gpt-4o"},
            }})
        };
        let value = json!({
            "title": "Paper", "create_time": 1_700_000_000.0, "id": "c-1", "current_node": "e",
            "mapping": {
                "a": {"id": "a", "parent": null, "message": null},
                "b": node("b", json!("a"), "user", "What is a quire?"),
                "c": node("c", json!("b"), "assistant", "An old branch."),
                "d": node("d", json!("b"), "assistant", "24 sheets."),
                "x": node("x", json!("d"), "tool", "ignored"),
                "e": node("e", json!("x"), "assistant", "Or 25."),
            },
        });
        let thread = parse_thread(&value).expect("a thread");
        assert_eq!(
            (thread.title.as_str(), thread.source_id.as_str()),
            ("Paper", "c-1")
        );
        assert_eq!(
            messages_of(&thread),
            [(
                "What is a quire?",
                "24 sheets.\n\nOr 25.",
                "imported/gpt-4o"
            )]
        );
        let created = thread.turns[0].created.map(Timestamp::millis);
        assert_eq!(created, Some(1_700_000_000_500));
    }

    #[test]
    fn claudes_messages_are_paired() {
        let value = json!({
            "uuid": "u-1", "name": "Ink", "created_at": "2025-01-02T03:04:05.123456Z",
            "chat_messages": [
                {"sender": "human", "text": "Why?", "created_at": "2025-01-02T03:04:05Z"},
                {"sender": "assistant", "text": "x", "content": [
                    {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "So."},
                ]},
                {"sender": "human", "text": "And?"},
                {"sender": "assistant", "text": "Thus."},
                {"sender": "human", "text": "Unanswered"},
            ],
        });
        let thread = parse_thread(&value).expect("a thread");
        assert_eq!(
            messages_of(&thread),
            [
                ("Why?", "So.", "imported/unknown"),
                ("And?", "Thus.", "imported/unknown")
            ]
        );
    }

    #[test]
    fn open_webuis_tree_and_list_are_read() {
        let message = |role: &str, text: &str, parent: Value| json!({"role": role, "content": text, "parentId": parent, "model": "llama3:8b", "timestamp": 1_700_000_000});
        let tree = json!({"id": "w-1", "title": "Glue", "chat": {"history": {"currentId": "2", "messages": {
            "1": message("user", "What?", Value::Null), "2": message("assistant", "That.", json!("1")),
        }}}});
        let thread = parse_thread(&tree).expect("a thread");
        assert_eq!(
            messages_of(&thread),
            [("What?", "That.", "imported/llama3:8b")]
        );
        let list = json!({"chat": {"title": "Glue", "messages": [
            message("user", "What?", Value::Null), message("assistant", "That.", Value::Null),
        ]}});
        assert_eq!(
            parse_thread(&list).map(|thread| thread.title),
            Some("Glue".to_owned())
        );
    }

    #[test]
    fn malformed_and_cyclic_exports_yield_no_threads() {
        let circle =
            json!({"current_node": "a", "mapping": {"a": {"parent": "a", "message": null}}});
        for value in [
            json!({}),
            json!([]),
            json!({"mapping": {}}),
            json!({"chat": {}}),
            circle,
        ] {
            assert_eq!(parse_thread(&value), None, "{value}");
        }
    }
}
