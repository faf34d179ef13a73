//! Recognizes statements that do not answer anything: "I cannot answer this", "<number>".

use super::markup;

/// Phrases that begin a refusal.
const REFUSAL_PHRASES: &[&str] = &[
    "i cannot",
    "i can't",
    "i can not",
    "i could not",
    "i couldn't",
    "i am unable",
    "i'm unable",
    "i am not able",
    "i'm not able",
    "i do not know",
    "i don't know",
    "i do not have",
    "i don't have",
    "i am not sure",
    "i'm not sure",
    "i am sorry",
    "i'm sorry",
    "sorry",
    "ich weiß nicht",
    "ich weiß es nicht",
    "ich kann nicht",
    "ich kann das nicht",
    "ich kann es nicht",
    "es tut mir leid",
    "tut mir leid",
    "je ne sais pas",
    "je ne peux pas",
    "no lo sé",
    "no puedo",
    "lo siento",
];
/// Words that may follow a refusal phrase. Before any other word, the phrase may belong to a title: "I Can't Get No".
const REFUSAL_CONTINUATIONS: &[&str] = &[
    "answer",
    "say",
    "determine",
    "tell",
    "help",
    "provide",
    "give",
    "solve",
    "find",
    "calculate",
    "compute",
    "read",
    "see",
    "access",
    "assist",
    "do",
    "know",
    "decide",
    "verify",
    "the",
    "this",
    "that",
    "it",
    "what",
    "which",
    "enough",
    "sure",
    "to",
    "but",
    "because",
    "i",
    "beantworten",
    "sagen",
    "répondre",
    "responder",
];
/// Words that occur in placeholders such as "<number>", which models copy from their instructions.
const PLACEHOLDER_WORDS: &[&str] = &[
    "number", "answer", "your", "final", "the", "value", "letter", "result", "option", "choice",
    "text", "name", "date", "here", "single", "word", "insert", "zahl", "antwort",
];

/// Whether a statement is blank, a placeholder, or a refusal to answer.
pub fn is_non_answer(statement: &str) -> bool {
    let plain = markup::to_plain_text(statement).to_lowercase();
    is_blank(&plain) || is_placeholder(&plain) || is_refusal(&plain)
}

fn is_blank(plain: &str) -> bool {
    plain.chars().all(|c| "._-–—?*… ".contains(c))
}

fn is_placeholder(plain: &str) -> bool {
    let inner = ["<>", "[]", "{}"].iter().find_map(|pair| {
        let (open, close) = pair.split_at(1);
        plain.strip_prefix(open)?.strip_suffix(close)
    });
    inner.is_some_and(|inner| {
        let mut words = inner.split([' ', '_']).peekable();
        words.peek().is_some() && words.all(|word| PLACEHOLDER_WORDS.contains(&word))
    })
}

fn is_refusal(plain: &str) -> bool {
    REFUSAL_PHRASES.iter().any(|start| {
        plain.strip_prefix(start).is_some_and(|rest| {
            let next = rest.trim_start();
            let word = next.split(|c: char| !c.is_alphabetic()).next();
            rest.is_empty()
                || rest.starts_with([',', '.', ';', ':', '!'])
                || (rest.starts_with(' ')
                    && REFUSAL_CONTINUATIONS.contains(&word.unwrap_or_default()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_placeholders_are_no_answers() {
        for statement in [
            "I cannot answer this.",
            "I can’t determine that",
            "I do not know.",
            "I'm sorry, but I can't help with that.",
            "Sorry, I don't know",
            "Ich weiß es nicht.",
            "<number>",
            "**<your answer>**",
            "[answer]",
            "[Your Answer Here]",
            "...",
            "___",
        ] {
            assert!(is_non_answer(statement), "{statement}");
        }
        for statement in [
            "5",
            "B",
            "<b>",
            "[B]",
            "[5]",
            "number",
            "No",
            "Sorry Seems to Be the Hardest Word",
            "I Don't Know How to Love Him",
            "I Can't Get No Satisfaction",
            "not enough information",
            "I",
            "∞",
        ] {
            assert!(!is_non_answer(statement), "{statement}");
        }
    }
}
