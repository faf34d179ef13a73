//! `quire help` and `quire version`: everything is printed from the tables.

use super::args::Call;
use super::{COMMANDS, Command, Outcome, print, usage};
use crate::config::options;

/// Explains.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(1)?;
    match call.words.first().map(String::as_str) {
        None => print(overview()),
        Some("settings") => print(options::help().trim_end()),
        Some(name) => match COMMANDS.iter().find(|command| command.name == name) {
            Some(command) => print(explain(command)),
            None => usage(format!(
                "there is no command \"{name}\"; `quire help` lists them"
            )),
        },
    }
}

/// Prints the version.
pub(super) fn version(call: &Call) -> Outcome {
    call.at_most(0)?;
    print(concat!("quire ", env!("CARGO_PKG_VERSION")))
}

fn overview() -> String {
    let mut text = String::from(
        "Quire puts a question to a panel of language models and joins their answers into one.\n\n\
         Usage: quire [COMMAND] [OPTIONS]\n\nCommands:\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:11}  {}\n", command.name, command.summary));
    }
    text.push_str(
        "\nOptions:\n  \
         --config FILE  read settings from a file\n  \
         --help         explain a command\n  \
         --version      print the version\n\nSettings (`quire help settings` explains them):\n",
    );
    let mut line = String::from(" ");
    for row in options::SETTINGS {
        let flag = row.flag();
        if line.len() + flag.len() > 90 {
            text.push_str(&line);
            text.push('\n');
            line = String::from(" ");
        }
        line.push_str(&format!(" --{flag}"));
    }
    text + &line
}

fn explain(command: &Command) -> String {
    let mut text = format!("{}\n\nUsage: quire {}", command.summary, command.name);
    if !command.usage.is_empty() {
        text.push_str(&format!(" {}", command.usage));
    }
    text.push_str(" [OPTIONS]\n");
    if !command.details.is_empty() {
        text.push_str(&format!("\n{}\n", command.details));
    }
    if !command.options.is_empty() {
        text.push_str("\nOptions:\n");
        for option in command.options {
            let shown = format!("--{} {}", option.name, option.value);
            text.push_str(&format!("  {:18}  {}\n", shown.trim_end(), option.help));
        }
    }
    text + "\nEvery setting is an option too: `quire help settings`."
}
