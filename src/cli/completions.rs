//! `quire completions SHELL`: prints completion scripts for bash, zsh, and fish, generated from the tables of
//! commands and settings.

use super::args::CommandCall;
use super::{COMMANDS, Command, Outcome, print, usage};
use crate::config::options;

/// Prints the script for the shell named by the first argument.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    match call.words.first().map(String::as_str) {
        Some("bash") => print(bash().trim_end()),
        Some("zsh") => print(zsh().trim_end()),
        Some("fish") => print(fish().trim_end()),
        _ => usage("completions needs a shell: bash, zsh, or fish"),
    }
}

/// Returns the names of a command's actions: the lowercase words that begin the alternatives in its usage text.
fn actions(command: &Command) -> Vec<&'static str> {
    let first = |part: &'static str| {
        let part = part.trim().trim_start_matches('[');
        part.split([' ', ']']).next().unwrap_or_default()
    };
    let is_action =
        |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    command
        .usage
        .split('|')
        .map(first)
        .filter(is_action)
        .collect()
}

/// Returns the words with which a command's arguments can begin.
fn words(command: &Command) -> Vec<&'static str> {
    let mut words = actions(command);
    if command.name == "help" {
        words.extend(COMMANDS.iter().map(|command| command.name));
    }
    words
}

fn settings() -> Vec<String> {
    let flags = options::SETTINGS.iter().map(|row| row.flag());
    ["config", "help", "version"]
        .map(str::to_owned)
        .into_iter()
        .chain(flags)
        .collect()
}

fn bash() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let settings: Vec<String> = settings().iter().map(|flag| format!("--{flag}")).collect();
    let mut out = format!(
        "_quire() {{\n  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\" settings=\"{}\"\n  \
         if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words=\"{}\"\n  else\n    case \"${{COMP_WORDS[1]}}\" in\n",
        settings.join(" "),
        names.join(" ")
    );
    for command in COMMANDS {
        let mut all: Vec<String> = words(command).iter().map(|word| word.to_string()).collect();
        all.extend(command.options.iter().map(|row| format!("--{}", row.name)));
        out += &format!("      {}) words=\"{}\" ;;\n", command.name, all.join(" "));
    }
    out + "    esac\n  fi\n  case \"$current\" in\n    -*) words=\"$words $settings\" ;;\n  esac\n  \
           COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\n\
           complete -o default -F _quire quire\n"
}

fn zsh() -> String {
    let quoted = |text: &str| text.replace('\'', "'\\''");
    let colons = |text: &str| quoted(text).replace(':', "\\:");
    let bracketed = |text: &str| quoted(text).replace('[', "\\[").replace(']', "\\]");
    let mut out =
        String::from("#compdef quire\n\n_quire() {\n  local -a commands settings\n  commands=(\n");
    for command in COMMANDS {
        out += &format!("    '{}:{}'\n", command.name, colons(command.summary));
    }
    out += "  )\n  settings=(\n    '--config[read settings from a file]:FILE:_files'\n    \
            '--help[explain a command]'\n    '--version[print the version]'\n";
    for row in options::SETTINGS {
        let value = match row.kind {
            options::ValueKind::Switch => "",
            _ => ":VALUE:_files",
        };
        out += &format!("    '--{}[{}]{value}'\n", row.flag(), bracketed(row.help));
    }
    out += "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  \
            local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n";
    for command in COMMANDS {
        out += &format!("    {})\n      _arguments $settings", command.name);
        for row in command.options {
            let value = match row.value {
                "" => String::new(),
                value => format!(":{}:_files", colons(value)),
            };
            out += &format!(
                " \\\n        '*--{}[{}]{value}'",
                row.name,
                bracketed(row.help)
            );
        }
        let words = words(command);
        let rest = match words.is_empty() {
            true => "_files".to_owned(),
            false => format!("({})", words.join(" ")),
        };
        out += &format!(" \\\n        '1:word:{rest}' '*:file:_files'\n      ;;\n");
    }
    out + "  esac\n}\n\n_quire \"$@\"\n"
}

fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut out = String::new();
    for command in COMMANDS {
        let (name, summary) = (command.name, quoted(command.summary));
        out += &format!("complete -c quire -n __fish_use_subcommand -f -a {name} -d '{summary}'\n");
        for word in words(command) {
            out +=
                &format!("complete -c quire -n '__fish_seen_subcommand_from {name}' -a {word}\n");
        }
        for row in command.options {
            let value = if row.value.is_empty() { "" } else { " -r" };
            out += &format!(
                "complete -c quire -n '__fish_seen_subcommand_from {name}' -l {}{value} -d '{}'\n",
                row.name,
                quoted(row.help)
            );
        }
    }
    out += "complete -c quire -l config -r -d 'read settings from a file'\n\
            complete -c quire -l help -d 'explain a command'\n\
            complete -c quire -l version -d 'print the version'\n";
    for row in options::SETTINGS {
        let value = match row.kind {
            options::ValueKind::Switch => "",
            _ => " -r",
        };
        out += &format!(
            "complete -c quire -l {}{value} -d '{}'\n",
            row.flag(),
            quoted(row.help)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_from_the_usage() {
        for (name, expected) in [
            ("ask", &[][..]),
            ("experiment", &["example", "run", "list", "show", "resume"]),
            ("patterns", &["list", "show", "check"]),
            ("help", &["settings"]),
        ] {
            let command = COMMANDS.iter().find(|command| command.name == name);
            assert_eq!(command.map(actions).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn every_script_contains_all_commands_options_and_settings() {
        for (shell, script) in [("bash", bash()), ("zsh", zsh()), ("fish", fish())] {
            for command in COMMANDS {
                assert!(script.contains(command.name), "{shell}: {}", command.name);
                for row in command.options {
                    assert!(script.contains(row.name), "{shell}: {}", row.name);
                }
            }
            for row in options::SETTINGS {
                assert!(script.contains(&row.flag()), "{shell}: {}", row.flag());
            }
        }
    }
}
