//! Demo models, which need no network: deterministic algorithms, bounded in time and memory, that work on the question
//! and the sources. They have no knowledge of their own and say so, and they quote instead of asserting. No I/O, no
//! clock, no randomness.

mod asks;
mod check;
mod claims;
mod differ;
mod draft;
mod numbers;
mod phrases;
mod rank;
mod reading;
mod review;
mod revise;
mod sentences;
mod skeptic;
mod stop;
mod synthesis;
mod text;
mod verdict;
mod weave;

use crate::domain::chat::{
    Answer, Brief, CallError, CallErrorKind, Finish, ModelRequest, Peer, Task, Usage,
    estimate_tokens,
};
use crate::domain::citation::{with_marks, with_numbers};
use crate::domain::model::{Model, Structured, Thinking};
use crate::domain::money::Price;

use reading::ParsedPrompt;
use review::ReviewFocus;

/// A demo algorithm, offered as a model.
struct Algorithm {
    name: &'static str,
    title: &'static str,
    aliases: &'static [&'static str],
    /// Description that begins the model's answers.
    description: &'static str,
    strength: u32,
    answer: fn(&ParsedPrompt) -> String,
    focus: ReviewFocus,
}

const ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        name: "extract",
        title: "Extractive summarizer (demo)",
        aliases: &["mock"],
        description: "extractive summary",
        strength: 2,
        answer: rank::answer,
        focus: ReviewFocus::Relevance,
    },
    Algorithm {
        name: "phrases",
        title: "Key-phrase and question analyst (demo)",
        aliases: &[],
        description: "key phrases and coverage of the question",
        strength: 1,
        answer: phrases::answer,
        focus: ReviewFocus::Words,
    },
    Algorithm {
        name: "sceptic",
        title: "Sceptic (demo)",
        aliases: &[],
        description: "figures, hedges, and absolute words",
        strength: 1,
        answer: skeptic::answer,
        focus: ReviewFocus::Figures,
    },
    Algorithm {
        name: "merge",
        title: "Consensus weaver (demo)",
        aliases: &[],
        description: "alignment of statements",
        strength: 3,
        answer: weave::answer,
        focus: ReviewFocus::Shared,
    },
];

/// Returns the demo models as entries of the model catalog.
pub fn models() -> Vec<Model> {
    let model = |algorithm: &Algorithm| Model {
        id: format!("demo/{}", algorithm.name),
        name: algorithm.title.to_owned(),
        provider: "demo".to_owned(),
        aliases: algorithm
            .aliases
            .iter()
            .map(|alias| (*alias).to_owned())
            .collect(),
        context_window: 200_000,
        price: Some(Price {
            input: 0.0,
            output: 0.0,
            cached_input: None,
            long: None,
        }),
        price_of: String::new(),
        family: "demo".to_owned(),
        vision: Some(false),
        structured: Structured::default(),
        thinking: Thinking::default(),
        efforts: Vec::new(),
        max_output: 0,
        parameters: vec!["max_tokens".to_owned(), "stop".to_owned()],
        tags: vec!["offline".to_owned(), "demo".to_owned()],
        mock: true,
        strength: algorithm.strength,
    };
    ALGORITHMS.iter().map(model).collect()
}

/// Answers a request with the demo model of this ID.
///
/// # Errors
/// Returns `Unavailable` for an unknown model, or `Empty` if a stop sequence cuts off the whole answer.
pub fn answer(model_id: &str, request: &ModelRequest) -> Result<Answer, CallError> {
    let name = model_id.strip_prefix("demo/").unwrap_or(model_id);
    let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.name == name) else {
        return Err(CallError::new(
            CallErrorKind::Unavailable,
            "there is no such demo model",
        ));
    };
    // The algorithms cite passages by number, but users and other models cite them by marker.
    let brief = number_sources(&request.brief);
    let full_answer = with_marks(&write_answer(algorithm, &brief), &brief.sources);
    let (text, finish) = truncate(full_answer, request);
    if text.trim().is_empty() {
        return Err(CallError::new(
            CallErrorKind::Empty,
            "a stop sequence cut off the whole answer",
        ));
    }
    let input = request.tokens();
    let usage = Usage {
        input,
        output: estimate_tokens(&text),
        estimated: true,
        ..Usage::default()
    };
    Ok(Answer {
        text,
        reasoning: String::new(),
        usage,
        finish,
        calls: Vec::new(),
        extras: Default::default(),
    })
}

fn number_sources(brief: &Brief) -> Brief {
    let plain = |text: &str| with_numbers(text, &brief.sources);
    let peer = |peer: &Peer| Peer {
        letter: peer.letter,
        text: plain(&peer.text),
    };
    Brief {
        own_text: brief.own_text.as_deref().map(plain),
        peers: brief.peers.iter().map(peer).collect(),
        reviews: brief.reviews.iter().map(peer).collect(),
        ..brief.clone()
    }
}

fn write_answer(algorithm: &Algorithm, brief: &Brief) -> String {
    let reading = ParsedPrompt::of(brief);
    let body = match brief.task {
        Task::Answer | Task::Read => first_answer(algorithm, &reading),
        Task::Review => review::review(brief, &reading, algorithm.focus),
        Task::Revise => revise::revise(
            brief,
            &reading,
            algorithm.focus,
            &first_answer(algorithm, &reading),
        ),
        Task::Synthesize => synthesis::synthesize(brief, &reading, algorithm.focus),
    };
    format!(
        "*Local demo algorithm ({}), not a language model.*\n\n{}\n\n{body}",
        algorithm.description,
        claims::REVIEW_MARK
    )
}

/// Returns the algorithm's first answer to the question, written without knowledge of any other answer.
fn first_answer(algorithm: &Algorithm, reading: &ParsedPrompt) -> String {
    if !reading.has_no_sources {
        return (algorithm.answer)(reading);
    }
    let mut draft = draft::DraftWriter::new();
    draft.paragraph("*There is no document, and a demo algorithm knows no facts: it can only look at the wording of the question. Upload a document, or add a language model.*");
    // A long prompt may itself contain the text to summarize, because users paste it there.
    if reading.lines.len() >= 4 {
        draft.paragraph(&(algorithm.answer)(reading));
        return draft.finish();
    }
    let words: Vec<&str> = reading
        .question_terms
        .iter()
        .map(|asked| asked.word.as_str())
        .collect();
    let mut about = Vec::new();
    if !words.is_empty() {
        about.push(format!(
            "Words that name its subject: {}.",
            words.join(", ")
        ));
    }
    if let Some((word, kind)) = reading.kind {
        about.push(format!("“{word}” asks for {}.", kind.name()));
    }
    about.push(match words.len() {
        0 => "It names no subject that could be looked up.".to_owned(),
        1 | 2 => "It is short: a document or a narrower question would help any model.".to_owned(),
        _ => "An answer needs a text that uses these words.".to_owned(),
    });
    draft.list("The question's wording", about);
    draft.finish()
}

/// Truncates a text before the first stop sequence, and then after the last whole word within the token limit.
fn truncate(mut text: String, request: &ModelRequest) -> (String, Finish) {
    let stops = request
        .parameters
        .stop
        .iter()
        .filter(|stop| !stop.is_empty());
    if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(at);
    }
    let Some(max_tokens) = request.parameters.max_tokens.map(u64::from) else {
        return (text, Finish::Stop);
    };
    if estimate_tokens(&text) <= max_tokens {
        return (text, Finish::Stop);
    }
    let (mut ascii, mut other, mut end, mut word_end) = (0u64, 0u64, 0, 0);
    for (at, character) in text.char_indices() {
        if character.is_whitespace() && at > 0 {
            word_end = at;
        }
        if character.is_ascii() {
            ascii += 1;
        } else {
            other += 1;
        }
        if ascii.div_ceil(4) + other > max_tokens {
            break;
        }
        end = at + character.len_utf8();
    }
    text.truncate(if word_end > 0 { word_end } else { end });
    (text, Finish::Length)
}

#[cfg(test)]
mod tests;
