//! Parses data from other programs as analyses: conversations in the JSON Lines format of OpenAI's tools, and
//! exports of Quire's predecessor. Guesses nothing: an unnamed model becomes `imported/unknown`, and costs stay
//! unknown.

use serde_json::Value;

use crate::crypto::sha256;
use crate::domain::analysis::{
    Arrangement, CacheUse, Depth, Member, Plan, RunDeadlines, Stage, StageAnswer, StageRole,
};
use crate::domain::chat::{Finish, Message, MessageRole, Task, Usage, estimate_tokens};
use crate::domain::parameters::Parameters;
use crate::domain::request::{Request, RunContext};
use crate::domain::time::Timestamp;
use crate::store::imported::IMPORTED_TOPIC;

/// Maximum length of a model name, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Maximum number of models per analysis.
const MAX_MODELS: usize = 64;

/// A question asked in another program, with its answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ExternalTurn {
    pub question: String,
    pub turns: Vec<Message>,
    /// Model and text of each member's answer.
    pub drafts: Vec<(String, String)>,
    pub writer: String,
    pub answer: String,
    pub created: Option<Timestamp>,
}

/// Parses a conversation with an OpenAI-style `messages` array, or an export from Quire's predecessor. Returns `None`
/// for anything else, or if the question or the answer is missing.
pub(super) fn parse_conversation(value: &Value) -> Option<ExternalTurn> {
    let conversation = match value["messages"].is_array() {
        true => conversation(value)?,
        false => predecessor_conversation(value)?,
    };
    let is_complete =
        !conversation.question.trim().is_empty() && !conversation.answer.trim().is_empty();
    is_complete.then_some(conversation)
}

fn find_text(value: &Value, names: &[&str]) -> Option<String> {
    let mut texts = names.iter().filter_map(|name| message_text(&value[*name]));
    texts.find(|text| !text.trim().is_empty())
}

// Extracts the text from a string, a list of parts, or an object that contains one.
fn message_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let parts = parts.iter().filter_map(|part| part["text"].as_str());
            Some(parts.collect::<Vec<_>>().join("\n\n"))
        }
        Value::Object(_) => find_text(
            value,
            &["content", "text", "generated_text", "response", "synthesis"],
        ),
        _ => None,
    }
}

pub(super) fn model_name(name: Option<&str>) -> String {
    let name: String = name
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .take(MAX_NAME_CHARS)
        .collect();
    match name {
        name if name.is_empty() => "imported/unknown".to_owned(),
        name if name.contains('/') => name,
        name => format!("imported/{name}"),
    }
}

fn created_at(value: &Value) -> Option<Timestamp> {
    let names = ["created", "created_at", "timestamp", "create_time"];
    names.iter().find_map(|name| match &value[*name] {
        // Some exports omit the Z for UTC.
        Value::String(text) => {
            Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")))
        }
        Value::Number(number) => {
            let seconds = number
                .as_f64()
                .filter(|seconds| (0.0..4e9).contains(seconds))?;
            Some(Timestamp::from_millis((seconds * 1_000.0) as i64))
        }
        _ => None,
    })
}

fn conversation(value: &Value) -> Option<ExternalTurn> {
    let mut turns = Vec::new();
    for message in value["messages"].as_array()? {
        let role = match message["role"].as_str()? {
            "system" | "developer" => MessageRole::System,
            "user" => MessageRole::User,
            "assistant" => MessageRole::Assistant,
            // Tool calls and their results are not part of the conversation.
            _ => continue,
        };
        let text = message_text(&message["content"]).unwrap_or_default();
        if !text.is_empty() {
            turns.push(Message::new(role, text));
        }
    }
    let last = turns
        .iter()
        .rposition(|turn| turn.role == MessageRole::Assistant)?;
    let answer = turns[last].text.clone();
    turns.truncate(last);
    let question = turns
        .iter()
        .rposition(|turn| turn.role == MessageRole::User)?;
    turns.truncate(question + 1);
    let question = turns[question].text.clone();
    let writer = model_name(value["model"].as_str());
    Some(ExternalTurn {
        question,
        // A single question does not need the list of turns.
        turns: if turns.len() > 1 { turns } else { Vec::new() },
        drafts: Vec::new(),
        writer,
        answer,
        created: created_at(value),
    })
}

fn predecessor_conversation(value: &Value) -> Option<ExternalTurn> {
    let inner = if value["results"]["ultra_synthesis"].is_null() && value["data"].is_object() {
        &value["data"]
    } else {
        value
    };
    let question = find_text(inner, &["prompt", "query", "question"])?;
    let answers = [
        "model_responses",
        "initial_responses",
        "responses",
        "results",
    ];
    let answers = answers.iter().map(|name| &inner[*name]);
    let mut drafts: Vec<(String, String)> = Vec::new();
    for responses in answers {
        let rows: Vec<(Option<&str>, &Value)> = match responses {
            Value::Object(map) => map
                .iter()
                .map(|(name, response)| (Some(name.as_str()), response))
                .collect(),
            Value::Array(list) => list
                .iter()
                .map(|response| {
                    (
                        response["model"]
                            .as_str()
                            .or(response["model_name"].as_str()),
                        response,
                    )
                })
                .collect(),
            _ => continue,
        };
        for (name, response) in rows {
            if let Some(text) = message_text(response).filter(|text| !text.trim().is_empty()) {
                drafts.push((model_name(name), text));
            }
        }
        if !drafts.is_empty() {
            break;
        }
    }
    drafts.truncate(MAX_MODELS);
    let answer = find_text(
        inner,
        &[
            "ultra_response",
            "ultra_synthesis",
            "synthesis",
            "ultra",
            "final_response",
        ],
    );
    let answer = answer.or_else(|| drafts.first().map(|(_, text)| text.clone()))?;
    let writer = ["ultra_model", "lead_model", "synthesizer"];
    let writer = writer.iter().find_map(|name| inner[*name].as_str());
    let writer = writer.or(inner["metadata"]["ultra_model"].as_str());
    Some(ExternalTurn {
        question,
        turns: Vec::new(),
        writer: model_name(writer.or(drafts.first().map(|(model, _)| model.as_str()))),
        drafts,
        answer,
        created: created_at(inner).or_else(|| created_at(&inner["metadata"])),
    })
}

pub(super) fn plan_and_answers(chat: &ExternalTurn) -> (Plan, Vec<StageAnswer>) {
    let member_for = |model: &str| Member {
        model: model.to_owned(),
        parameters: Parameters::default(),
        price: None,
        fallbacks: Vec::new(),
        sample: 0,
        reads: 0,
    };
    let stage = |name: &str, role, task| Stage {
        name: name.to_owned(),
        role,
        task,
        prompt: "{question}".to_owned(),
    };
    let is_panel = !chat.drafts.is_empty();
    let mut stages = Vec::new();
    if is_panel {
        stages.push(stage("initial", StageRole::Members, Task::Answer));
    }
    stages.push(stage("ultra", StageRole::Synthesizer, Task::Synthesize));
    let last = stages.len() - 1;
    let mut answers: Vec<StageAnswer> = chat
        .drafts
        .iter()
        .enumerate()
        .map(|(member, (model, text))| draft_answer(0, member, model, text))
        .collect();
    answers.push(self::draft_answer(last, 0, &chat.writer, &chat.answer));
    let members = match is_panel {
        true => chat
            .drafts
            .iter()
            .map(|(model, _)| member_for(model))
            .collect(),
        false => vec![member_for(&chat.writer)],
    };
    let hash = sha256::hash(chat.answer.as_bytes());
    let plan = Plan {
        pattern: if is_panel { "imported" } else { "plain" }.to_owned(),
        question: chat.question.clone(),
        members,
        synthesizer: member_for(&chat.writer),
        stages,
        sources: Vec::new(),
        readings: Vec::new(),
        parts: Vec::new(),
        fits: Vec::new(),
        retrieval: None,
        readers: Vec::new(),
        nonce: crate::crypto::hex(&hash[..8]),
        seed: 0,
        cache: CacheUse::Off,
        cache_max_age_s: None,
        budget: None,
        pictures: Vec::new(),
        times: RunDeadlines::default(),
        format: None,
        arrangement: if is_panel {
            Arrangement::Staged
        } else {
            Arrangement::Single
        },
        agreement: None,
        evidence: Default::default(),
        canary: String::new(),
        notes: vec!["imported: cost and time are unknown".to_owned()],
        turns: chat.turns.clone(),
        history_budgets: Default::default(),
        answer_prefix: String::new(),
        tools: None,
        passthrough: None,
        bare: !chat.turns.is_empty(),
        standings: Vec::new(),
        is_adaptive: false,
        is_live: false,
    };
    (plan, answers)
}

fn draft_answer(stage: usize, member: usize, model: &str, text: &str) -> StageAnswer {
    StageAnswer {
        stage,
        member,
        model: model.to_owned(),
        text: text.to_owned(),
        reasoning: String::new(),
        usage: Usage {
            output: estimate_tokens(text),
            estimated: true,
            ..Usage::default()
        },
        cost: None,
        latency_ms: 0,
        first_token_ms: None,
        finish: Some(Finish::Stop),
        error: None,
        cached: false,
        tries: 0,
        dropped: Vec::new(),
        fallback_for: None,
        earlier: Vec::new(),
        calls: Vec::new(),
        extras: Default::default(),
    }
}

pub(super) fn request_and_context(
    conversation: &ExternalTurn,
    plan: &Plan,
) -> (Request, RunContext) {
    let models = plan.members.iter().map(|member| member.model.clone());
    let request = Request {
        prompt: conversation.question.clone(),
        models: models.collect(),
        pattern: Some(plan.pattern.clone()),
        ultra_model: Some(conversation.writer.clone()),
        cache: CacheUse::Off,
        detached: true,
        topic: Some(IMPORTED_TOPIC.to_owned()),
        depth: Some(Depth::Full),
        ..Request::default()
    };
    let context = RunContext {
        turns: conversation.turns.clone(),
        ..RunContext::default()
    };
    (request, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(piece: &[u8]) -> Option<ExternalTurn> {
        parse_conversation(&serde_json::from_slice(piece).ok()?)
    }

    #[test]
    fn parses_conversations_and_the_predecessors_exports() {
        let lines = r#"{"model":"gpt-4o","created":1700000000,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"},{"role":"assistant","content":[{"type":"text","text":"So."}]}]}

not json
{"messages":[{"role":"user","content":"Alone"}]}
{"prompt":"Which?","model_responses":{"gpt-4":"One.","claude":{"text":"Two."}},"ultra_response":"Both.","timestamp":"2024-05-01T10:00:00Z","ultra_model":"gpt-4"}"#;
        let conversations: Vec<Option<ExternalTurn>> =
            lines.lines().map(|line| read(line.as_bytes())).collect();
        let refused_count = conversations
            .iter()
            .filter(|conversation| conversation.is_none())
            .count();
        let conversations: Vec<ExternalTurn> = conversations.into_iter().flatten().collect();
        // Refused: a blank line, one that is not JSON, and a question without an answer.
        assert_eq!((conversations.len(), refused_count), (2, 3));
        let conversation = &conversations[0];
        assert_eq!(
            (
                conversation.question.as_str(),
                conversation.answer.as_str(),
                conversation.writer.as_str()
            ),
            ("Why?", "So.", "imported/gpt-4o")
        );
        assert_eq!(
            (
                conversation.turns.len(),
                conversation.created.map(Timestamp::millis)
            ),
            (2, Some(1_700_000_000_000))
        );
        let other = &conversations[1];
        assert_eq!(other.drafts.len(), 2);
        assert_eq!(
            (other.answer.as_str(), other.writer.as_str()),
            ("Both.", "imported/gpt-4")
        );
        assert!(other.created.is_some());
        for line in [
            "",
            "7",
            "{}",
            "[[]]",
            "{\"messages\":7}",
            "{\"prompt\":\"a\"}",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_imported_plan_keeps_the_conversation() {
        let conversation = ExternalTurn {
            question: "Why?".into(),
            drafts: vec![("a/b".into(), "One.".into()), ("c/d".into(), "Two.".into())],
            writer: "a/b".into(),
            answer: "Both.".into(),
            ..ExternalTurn::default()
        };
        let (plan, answers) = plan_and_answers(&conversation);
        assert_eq!(
            (plan.stages.len(), plan.members.len(), answers.len()),
            (2, 2, 3)
        );
        assert_eq!(answers[2].text, "Both.");
    }
}
