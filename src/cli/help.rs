//! `quire help` and `quire version`. The help on commands and settings is generated from their tables; the topics are
//! the chapters of the manual.

use super::args::CommandCall;
use super::screen::print_wrapped;
use super::{COMMANDS, Command, Outcome, args, manual, print, usage};
use crate::domain::closest::closest;
use crate::http::handlers::health::RUSQLITE_VERSION;

/// Width of help texts in columns.
const HELP_WIDTH: usize = 80;

/// Explains a command or a topic of the manual. Without an argument, lists all of them.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    let Some(name) = call.words.first() else {
        return print(help_overview()?);
    };
    let command = COMMANDS.iter().find(|command| command.name == name);
    let topic = manual::find_topic(name)?;
    match (command, topic) {
        (None, None) => {
            let topics = manual::all_topics()?;
            let names = COMMANDS.iter().map(|command| command.name);
            let names = names.chain(topics.iter().map(|topic| topic.id.as_str()));
            let hint = match closest(name, names) {
                Some(word) => format!("did you mean `quire help {word}`?"),
                None => "`quire help` lists them".to_owned(),
            };
            usage(format!("there is no command or topic \"{name}\"; {hint}"))
        }
        (command, topic) => {
            let command = command.map(explain);
            let topic = topic.map(|topic| manual::render_topic(&topic, HELP_WIDTH));
            let parts: Vec<String> = command.into_iter().chain(topic).collect();
            print(parts.join("\n\n").trim_end())
        }
    }
}

/// Prints the version, the commit, and the features of the build.
pub(super) fn version(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    print_wrapped(format_args!(
        "quire {}\ncommit    {}\nbuild     {}, {}\nfeatures  SQLite (rusqlite {RUSQLITE_VERSION}), {}",
        env!("CARGO_PKG_VERSION"),
        env!("QUIRE_COMMIT"),
        env!("QUIRE_BUILD"),
        env!("QUIRE_TARGET"),
        FEATURES.join(", ")
    ))
}

/// The binary's features besides serving HTTP and the database, listed for bug reports.
const FEATURES: &[&str] = &["TLS (rustls)", "replica (S3, folder)", "MCP", "demo models"];

/// Examples shown in the overview.
const FIRST_EXAMPLES: &[&str] = &[
    "quire                                       start the server",
    "quire ask what is a quire of paper",
    "quire ask \"What are the risks?\" -f report.pdf -m openai/gpt-4o,demo/extract",
    "git diff | quire ask \"What could break?\"",
];

/// Examples shown in the help of each command.
pub(super) const COMMAND_EXAMPLES: &[(&str, &[&str])] = &[
    (
        "ask",
        &[
            "quire ask what is a quire of paper",
            "quire ask \"What are the risks?\" -f report.pdf notes/*.md",
            "quire ask \"Compare them\" -f https://example.com/terms.html -q > answer.md",
            "git diff | quire ask \"What could break?\" -p gut --parameter temperature=0",
            "quire ask -c \"And the second one?\"",
        ],
    ),
    ("chat", &["quire chat -f report.pdf", "quire chat -c"]),
    (
        "history",
        &[
            "quire history",
            "quire history search invoice march",
            "quire history show last",
            "quire history export last -o answer.html",
        ],
    ),
    (
        "experiment",
        &[
            "quire experiment example > example.toml",
            "quire experiment run example.toml --estimate",
        ],
    ),
    (
        "documents",
        &[
            "quire documents add report.pdf notes/*.md",
            "quire documents search water board",
        ],
    ),
    (
        "user",
        &[
            "quire user add ada@example.org --admin",
            "quire user invite",
            "quire user reset-link ada@example.org",
        ],
    ),
    (
        "provider",
        &[
            "quire provider add openai --key-env OPENAI_API_KEY",
            "quire provider add lab --base-url http://127.0.0.1:8000/v1 --kind openai",
        ],
    ),
    ("key", &["quire key add ada@example.org --expires 90"]),
    ("backup", &["quire backup copy.db"]),
];

fn help_overview() -> Result<String, super::CommandFailure> {
    let mut text = String::from(
        "Quire asks a panel of language models and combines their answers into one.\n\n\
         Usage: quire [COMMAND] [OPTIONS]\n\nExamples:\n",
    );
    for line in FIRST_EXAMPLES {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("\nCommands:\n");
    for command in COMMANDS {
        push_row(&mut text, command.name, command.summary);
    }
    text.push_str("\nMore:\n");
    push_row(
        &mut text,
        "help COMMAND",
        "explain a command and its options",
    );
    push_row(
        &mut text,
        "help settings",
        "list all settings; each is also an option",
    );
    push_row(&mut text, "--config FILE", "read settings from a file");
    push_row(&mut text, "--version", "print the version");
    let topics: Vec<String> = manual::all_topics()?
        .iter()
        .map(|topic| topic.id.clone())
        .collect();
    let topics: Vec<String> = topics.join(", ").split(' ').map(str::to_owned).collect();
    text.push_str("\nThe manual (`quire help TOPIC`, or /manual in a browser):\n");
    text.push_str(&fill_lines(&topics, "  ", "  "));
    Ok(text)
}

/// Appends a name and its explanation in two columns. If the name is too wide for its column, the explanation starts on
/// the next line.
fn push_row(text: &mut String, name: &str, summary: &str) {
    /// The second column's offset, in characters.
    const SUMMARY_COLUMN: usize = 18;
    let words: Vec<&str> = summary.split_whitespace().collect();
    let indent = " ".repeat(SUMMARY_COLUMN);
    let mut name = format!("  {name:15} ");
    if name.chars().count() > SUMMARY_COLUMN {
        text.push_str(name.trim_end());
        text.push('\n');
        name.clone_from(&indent);
    }
    text.push_str(&fill_lines(&words, &name, &indent));
    text.push('\n');
}

/// Joins words into lines of at most 80 columns. `first` is the indentation of the first line, `other` that of all
/// others.
fn fill_lines(words: &[impl AsRef<str>], first: &str, other: &str) -> String {
    let mut out = String::from(first);
    let mut column = first.chars().count();
    for (at, word) in words.iter().map(AsRef::as_ref).enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > HELP_WIDTH {
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
    text.push_str(&fill_lines(&words, "", "    "));
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
            let short = args::SHORT_OPTIONS
                .iter()
                .find(|(_, name)| *name == option.name)
                .map_or(String::new(), |(letter, _)| format!("-{letter}, "));
            let option_text = format!("{short}--{} {}", option.name, option.value);
            push_row(&mut text, option_text.trim_end(), option.help);
        }
    }
    let examples = COMMAND_EXAMPLES
        .iter()
        .find(|(name, _)| *name == command.name);
    if let Some((_, lines)) = examples {
        text.push_str("\nExamples:\n");
        lines
            .iter()
            .for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text + "\nEvery setting is an option too: `quire help settings`."
}

/// Appends a preformatted line. A line that is too wide is wrapped, and its continuation is aligned with the last
/// column.
fn push_line(text: &mut String, line: &str) {
    if line.chars().count() <= HELP_WIDTH {
        text.push_str(line);
    } else {
        let hanging_indent = line.rfind("  ").map_or(0, |gap| gap + 2);
        let words: Vec<&str> = line[hanging_indent..].split_whitespace().collect();
        text.push_str(&fill_lines(
            &words,
            &line[..hanging_indent],
            &" ".repeat(hanging_indent),
        ));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_fits_a_small_screen() {
        let text = help_overview().expect("a manual");
        assert!(text.lines().count() <= 50, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= HELP_WIDTH),
            "{text}"
        );
    }

    #[test]
    fn examples_are_valid_command_lines() {
        let lines = COMMAND_EXAMPLES.iter().flat_map(|(_, lines)| lines.iter());
        for line in lines.chain(FIRST_EXAMPLES) {
            let call = line.rsplit(" | ").next().unwrap_or_default();
            let call = call.split(" > ").next().unwrap_or_default();
            // Quoted text counts as one word; its content does not matter here.
            let parts: Vec<&str> = call.split('"').collect();
            let words = parts
                .iter()
                .enumerate()
                .flat_map(|(at, part)| match at % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![*part],
                });
            let words = words.skip(1).take_while(|word| *word != "start");
            let read = args::parse(words.map(std::ffi::OsString::from));
            assert!(read.is_ok(), "{line}");
            assert!(line.chars().count() + 2 <= HELP_WIDTH, "{line}");
        }
    }
}
