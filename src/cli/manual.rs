//! Prints the manual. `quire man` prints a man page in roff, about all commands and settings or about one topic. `quire
//! help TOPIC` prints a topic as text. The topics are the same as on the `/manual` page.

use std::io::IsTerminal as _;

use super::args::CommandCall;
use super::markdown::Markdown;
use super::{COMMANDS, CommandFailure, Outcome, print, screen, usage};
use crate::config::options;
use crate::domain::closest::closest;
use crate::http::manual::{self, Topic};

/// Prints the man page of `quire` or of the named topic, for use as `quire man | man -l -`.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    let Some(name) = call.words.first() else {
        return print(manual_page(&all_topics()?).trim_end());
    };
    match find_topic(name)? {
        Some(topic) => print(topic_page(&topic).trim_end()),
        None => {
            let topics = all_topics()?;
            let hint = match closest(name, topics.iter().map(|topic| topic.id.as_str())) {
                Some(word) => format!("did you mean {word}?"),
                None => "`quire help` lists them".to_owned(),
            };
            usage(format!("the manual has no topic \"{name}\"; {hint}"))
        }
    }
}

/// Returns all topics in reading order.
///
/// # Errors
/// Returns an error if the manual in the binary is damaged.
pub(super) fn all_topics() -> Result<Vec<Topic>, CommandFailure> {
    manual::topics().or_else(|_| super::failed("the manual in this binary is damaged"))
}

/// Returns the topic with this ID, or `None` if there is no such topic.
///
/// # Errors
/// Returns an error if the manual in the binary is damaged.
pub(super) fn find_topic(id: &str) -> Result<Option<Topic>, CommandFailure> {
    Ok(all_topics()?.into_iter().find(|topic| topic.id == id))
}

/// Renders a topic for a terminal of `width` columns, with styles only if stdout is a terminal.
pub(super) fn render_topic(topic: &Topic, width: usize) -> String {
    let mut markdown = match std::io::stdout().is_terminal() {
        true => screen::markdown_renderer(width),
        false => Markdown::new(width, false),
    };
    let text = format!("# {}\n\n{}", topic.title, without_links(&topic.text));
    markdown.push(&text) + &markdown.finish()
}

/// Replaces each link with its text, followed in parentheses by the address, or by the command that prints the linked
/// topic.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let opening = before.rfind('[');
        let (Some(open_bracket), Some((target, tail))) = (opening, after.split_once(')')) else {
            out.push_str(before);
            out.push_str("](");
            rest = after;
            continue;
        };
        out.push_str(&before[..open_bracket]);
        let label = &before[open_bracket + 1..];
        let target = match target.strip_prefix("/manual/") {
            Some(id) => format!("`quire help {id}`"),
            None => target.to_owned(),
        };
        out.push_str(&format!("{label} ({target})"));
        rest = tail;
    }
    out + rest
}

/// Renders a topic as a separate man page.
fn topic_page(topic: &Topic) -> String {
    let title = escape_roff(&topic.title);
    let mut out = format!(
        ".TH QUIRE-{} 7 \"\" \"quire {}\" \"Quire's manual\"\n.SH NAME\nquire-{} \\- {title}\n.SH DESCRIPTION\n",
        topic.id.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        escape_roff(&topic.id),
    );
    let mut in_code = false;
    for line in without_links(&topic.text).lines() {
        let text = line.trim_start();
        if text.starts_with("```") {
            out += if in_code {
                ".fi\n.RE\n"
            } else {
                ".PP\n.RS 4\n.nf\n"
            };
            in_code = !in_code;
        } else if in_code {
            out += &format!("{}\n", escape_roff(line));
        } else if let Some(heading) = text.strip_prefix("## ") {
            out += &format!(".SH {}\n", escape_roff(&heading.to_uppercase()));
        } else if let Some(heading) = text.strip_prefix("### ") {
            out += &format!(".SS {}\n", to_roff(heading));
        } else if let Some(item) = text.strip_prefix("- ") {
            out += &format!(".IP \\(bu 2\n{}\n", to_roff(item));
        } else if !text.is_empty() {
            out += &format!(".PP\n{}\n", to_roff(text));
        }
    }
    out
}

/// Converts a line of Markdown to roff. Code is rendered in bold, like bold text.
fn to_roff(text: &str) -> String {
    let mut out = String::new();
    let mut is_bold = false;
    for piece in text.replace("**", "`").split('`') {
        out.push_str(&escape_roff(piece));
        is_bold = !is_bold;
        out.push_str(if is_bold { "\\fB" } else { "\\fR" });
    }
    out.truncate(out.len() - 3);
    out
}

fn manual_page(topics: &[Topic]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(
        ".TH QUIRE 1 \"\" \"quire {version}\" \"User Commands\"\n.SH NAME\nquire \\- many models, one answer, one file\n\
         .SH SYNOPSIS\n.B quire\n[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n\
         Quire asks a panel of language models and combines their answers into one.\n.SH COMMANDS\n"
    );
    for command in COMMANDS {
        let usage = escape_roff(command.usage);
        out += &format!(
            ".SS \"quire {} {}\"\n",
            command.name,
            usage.replace('"', "\\(dq")
        );
        out += &format!("{}.\n", escape_roff(command.summary));
        if !command.details.is_empty() {
            out += &format!(".PP\n.nf\n{}\n.fi\n", escape_roff(command.details));
        }
        for row in command.options {
            let option_text = format!("--{} {}", row.name, row.value);
            out += &format!(
                ".TP\n\\fB{}\\fR\n{}\n",
                escape_roff(option_text.trim_end()),
                escape_roff(row.help)
            );
        }
    }
    out += ".SH SETTINGS\nFrom the weakest to the strongest source: the default, the file given with \\-\\-config, \
            a file .env in the working directory, the environment, a flag. Times are in seconds.\n";
    for row in options::SETTINGS {
        out += &format!(
            ".TP\n\\fB{}\\fR, \\fB\\-\\-{}\\fR\n",
            row.name,
            escape_roff(&row.flag())
        );
        out += &escape_roff(row.help);
        if let options::ValueKind::Choice(words) = row.kind {
            out += &format!(": {}", escape_roff(&words.join(", ")));
        }
        if !row.default.is_empty() {
            out += &format!(" [{}]", escape_roff(row.default));
        }
        out.push('\n');
    }
    out += ".SH TOPICS\nEach is a page of its own: quire man TOPIC | man \\-l \\-.\n";
    for topic in topics {
        out += &format!(
            ".TP\n\\fB{}\\fR\n{}\n",
            escape_roff(&topic.id),
            escape_roff(&topic.title)
        );
    }
    out + ".SH EXIT STATUS\n.TP\n0\nSuccess.\n.TP\n1\nFailure; stderr says why.\n.TP\n2\n\
           The command line or the settings are wrong.\n.TP\n130\nStopped by Ctrl-C.\n"
}

/// Escapes text for roff, so that no line is interpreted as a request and no backslash as an escape sequence.
fn escape_roff(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_read_as_a_roff_request() {
        for (text, expected) in [
            (".env", "\\&.env"),
            ("a\n'b", "a\n\\&'b"),
            ("a\\b-c", "a\\eb\\-c"),
        ] {
            assert_eq!(escape_roff(text), expected);
        }
    }

    #[test]
    fn links_become_text() {
        for (text, expected) in [
            (
                "see [Hosts](/manual/hosts).",
                "see Hosts (`quire help hosts`).",
            ),
            ("[a](https://b.c) d", "a (https://b.c) d"),
            ("a](b [c", "a](b [c"),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }

    #[test]
    fn topics_fit_80_columns_and_become_roff() {
        for topic in all_topics().expect("topics") {
            for line in render_topic(&topic, 80).lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", topic.id);
            }
            let page = topic_page(&topic);
            let is_request = |line: &str| {
                let name: String = line[1..]
                    .chars()
                    .take_while(|c| !c.is_whitespace())
                    .collect();
                ["TH", "SH", "SS", "PP", "IP", "RS", "RE", "nf", "fi"].contains(&name.as_str())
            };
            for line in page.lines().filter(|line| line.starts_with('.')) {
                assert!(is_request(line), "{}: {line}", topic.id);
            }
        }
    }

    #[test]
    fn the_man_page_is_complete() {
        let page = manual_page(&all_topics().expect("topics"));
        for command in COMMANDS {
            assert!(page.contains(&format!(".SS \"quire {}", command.name)));
            for row in command.options {
                assert!(page.contains(&escape_roff(row.help)), "{}", row.name);
            }
        }
        for row in options::SETTINGS {
            assert!(page.contains(row.name) && page.contains(&escape_roff(row.help)));
        }
    }
}
