//! `quire help` and `quire version`: commands and settings from their tables, topics from the manual.

use super::args::CommandCall;
use super::{COMMANDS, Command, Outcome, manual, print, usage};
use crate::config::options;

/// Width of help texts in columns.
const WIDTH: usize = 80;

/// Explains a command or a topic of the manual; without a word, lists them all.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(1)?;
    let Some(name) = call.words.first() else {
        return print(overview()?);
    };
    let command = COMMANDS.iter().find(|command| command.name == name);
    let topic = manual::topic(name)?;
    match (command, topic) {
        (None, None) => usage(format!(
            "there is no command or topic \"{name}\"; `quire help` lists them"
        )),
        (command, topic) => {
            let command = command.map(explain);
            let topic = topic.map(|topic| manual::shown(&topic, WIDTH));
            let parts: Vec<String> = command.into_iter().chain(topic).collect();
            print(parts.join("\n\n").trim_end())
        }
    }
}

/// Prints the version, the commit, and the build's features.
pub(super) fn version(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    print(format_args!(
        "quire {}\ncommit    {}\nbuild     {}, {}\nfeatures  {}",
        env!("CARGO_PKG_VERSION"),
        env!("QUIRE_COMMIT"),
        env!("QUIRE_BUILD"),
        env!("QUIRE_TARGET"),
        FEATURES.join(", ")
    ))
}

/// Features of this binary beyond answering HTTP, for bug reports.
const FEATURES: &[&str] = &[
    concat!("SQLite (rusqlite ", env!("QUIRE_RUSQLITE"), ")"),
    "TLS (rustls)",
    "replica (S3, folder)",
    "MCP",
    "demo models",
];

fn overview() -> Result<String, super::CommandFailure> {
    let mut text = String::from(
        "Quire puts a question to a panel of language models and joins their answers\n\
         into one.\n\nUsage: quire [COMMAND] [OPTIONS]\n\nCommands:\n",
    );
    for command in COMMANDS {
        push_row(&mut text, command.name, command.summary);
    }
    text.push_str("\nTopics of the manual (`quire help TOPIC`, or /manual in a browser):\n");
    for topic in manual::topics()? {
        push_row(&mut text, &topic.id, &topic.title);
    }
    text.push_str("\nOptions:\n");
    push_row(&mut text, "--config FILE", "read settings from a file");
    push_row(&mut text, "--help", "explain a command");
    push_row(&mut text, "--version", "print the version");
    text.push_str("\nSettings (`quire help settings` explains them):\n");
    let flags = options::SETTINGS
        .iter()
        .map(|row| format!("--{}", row.flag()));
    text.push_str(&filled(&flags.collect::<Vec<_>>(), "  ", "  "));
    Ok(text)
}

fn push_row(text: &mut String, name: &str, summary: &str) {
    let words: Vec<&str> = summary.split_whitespace().collect();
    let name = format!("  {name:15} ");
    let hang = " ".repeat(name.chars().count().min(22));
    text.push_str(&filled(&words, &name, &hang));
    text.push('\n');
}

/// Words filled into lines of at most 80 columns.
fn filled(words: &[impl AsRef<str>], first: &str, other: &str) -> String {
    let mut out = String::from(first);
    let mut column = first.chars().count();
    for (at, word) in words.iter().map(AsRef::as_ref).enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(other);
            column = other.len();
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

fn explain(command: &Command) -> String {
    let mut text = format!("{}\n\n", command.summary);
    let usage = format!("Usage: quire {} {} [OPTIONS]", command.name, command.usage);
    let words: Vec<&str> = usage.split_whitespace().collect();
    text.push_str(&filled(&words, "", "    "));
    text.push('\n');
    if !command.details.is_empty() {
        text.push('\n');
        command
            .details
            .lines()
            .for_each(|line| push_line(&mut text, line));
    }
    if !command.options.is_empty() {
        text.push_str("\nOptions:\n");
        for option in command.options {
            let shown = format!("--{} {}", option.name, option.value);
            push_row(&mut text, shown.trim_end(), option.help);
        }
    }
    text + "\nEvery setting is an option too: `quire help settings`."
}

/// Appends a line of prepared text; one that is too long continues below its last column of text.
fn push_line(text: &mut String, line: &str) {
    if line.chars().count() <= WIDTH {
        text.push_str(line);
    } else {
        let hang = line.rfind("  ").map_or(0, |gap| gap + 2);
        let words: Vec<&str> = line[hang..].split_whitespace().collect();
        text.push_str(&filled(&words, &line[..hang], &" ".repeat(hang)));
    }
    text.push('\n');
}
