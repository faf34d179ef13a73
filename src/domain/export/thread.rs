//! Exports a thread as a file for reading: the question and the answer of each turn, oldest first.

use std::fmt::Write;

use super::html::STYLE;
use super::inline::escape;
use super::prose::render_prose;
use crate::domain::analysis::{Analysis, Member};
use crate::domain::citation;

/// Exports the thread as Markdown.
pub fn thread_markdown<'a>(title: &str, turns: impl Iterator<Item = &'a Analysis>) -> String {
    let mut out = format!("# {}\n\n", one_line(title));
    for turn in turns {
        let question = turn.request.prompt.trim().replace('\n', "\n> ");
        let _ = write!(
            out,
            "> {question}\n\n{}\n\n*{}*\n\n---\n\n",
            answer(turn).trim(),
            facts_line(turn)
        );
    }
    out
}

/// Exports the thread as one self-contained HTML file.
pub fn thread_html<'a>(title: &str, turns: impl Iterator<Item = &'a Analysis>) -> String {
    let title = escape(&one_line(title));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for turn in turns {
        let question = escape(turn.request.prompt.trim()).replace('\n', "<br>\n");
        let _ = write!(
            out,
            "<section>\n<h2>{question}</h2>\n{}\n<p><small>{}</small></p>\n</section>\n",
            render_prose(&answer(turn), 3, &|_| None),
            escape(&facts_line(turn))
        );
    }
    out.push_str("</main>\n<footer><p>Exported from Quire. Agreement between models is a hint, not a proof: check what matters against the sources.</p></footer>\n</body>\n</html>\n");
    out
}

fn answer(turn: &Analysis) -> String {
    match (&turn.synthesis, &turn.error) {
        (Some(text), _) => match &turn.citations {
            Some(found) => citation::strike_out_unknown_marks(text, found),
            None => text.clone(),
        },
        (None, Some(reason)) => format!("No answer: {reason}"),
        (None, None) => format!("No answer yet: {}", turn.status.as_str()),
    }
}

fn facts_line(turn: &Analysis) -> String {
    let models: Vec<String> = turn.plan.members.iter().map(Member::name).collect();
    format!(
        "{} · {} · {}",
        models.join(", "),
        turn.plan.pattern,
        turn.created
    )
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}
