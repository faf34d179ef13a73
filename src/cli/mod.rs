//! The command line: a table of commands, each in its own file. Converts arguments to calls of the app, and results to
//! text and exit codes. Contains no product logic.

mod archive;
mod args;
mod ask;
mod backup;
mod chat;
mod completions;
mod doctor;
mod documents;
mod download;
mod estimate;
mod experiment;
mod experiment_file;
mod experiment_progress;
mod experiment_side;
mod file_pattern;
mod handover;
mod help;
mod history;
mod input_files;
mod key;
mod listeners;
mod live_progress;
mod local_address;
mod local_session;
mod manual;
mod markdown;
mod mcp;
mod migrate;
mod models;
mod option_names;
mod orphans;
mod outcome;
mod patterns;
mod provider;
mod question;
mod relative_time;
mod remote;
mod remote_question;
mod screen;
mod secret;
mod serve;
mod status;
mod table;
mod text_width;
mod usage_report;
mod user;
mod user_action;
mod user_server;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use args::CommandCall;
use local_address::{scheme, url};
use outcome::{CommandFailure, Outcome, failed, print, unknown_action, usage};
use remote::ServerUse::{self, Supported, Unsupported, Unused};

/// A command of `quire`, as listed in [`COMMANDS`].
pub struct Command {
    /// Name of the command, such as `ask`.
    pub name: &'static str,
    /// The arguments after the name, as written in the help text.
    pub usage: &'static str,
    /// One-line description for the overview.
    pub summary: &'static str,
    /// Additional lines for `quire help COMMAND`; may be empty.
    pub details: &'static str,
    /// Options that only this command has. Every setting is an option of all commands.
    pub options: &'static [CommandOption],
    server: ServerUse,
    run: fn(&CommandCall) -> Outcome,
}

/// An option of a command.
#[derive(Debug)]
pub struct CommandOption {
    /// Name of the option, without dashes.
    pub name: &'static str,
    /// Placeholder for the option's value in help texts; empty for a flag.
    pub value: &'static str,
    /// One-line description for the help text.
    pub help: &'static str,
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> CommandOption {
    CommandOption { name, value, help }
}

/// All commands. The first one runs if no command is named.
#[rustfmt::skip]
pub static COMMANDS: &[Command] = &[
    Command {
        name: "serve", usage: "", summary: "start the server (also without a command)",
        details: "Prints the address, the data folder, and what to do next. `quire` alone also\nstarts it or, if a server already uses the data folder, prints that server's\nstatus. Stops on SIGTERM or SIGINT: running requests and analyses get\nSHUTDOWN_TIMEOUT seconds; a second signal stops it at once. With --take-over, it\nreplaces the server that uses the same data folder without refusing a\nconnection.",
        options: &[option("take-over", "", "replace the server that uses the same data folder")],
        server: Unsupported("it starts a server on this machine"), run: serve::run,
    },
    Command {
        name: "ask", usage: "QUESTION …", summary: "ask a panel of models and print the answer",
        details: "A question of several words needs no quotes. Without QUESTION, or with -, the\nquestion is read from stdin; input piped along with a question is a document.\nProgress goes to stderr, the answer to stdout: on a terminal, formatted as it\narrives; otherwise, as Markdown. If a server uses the same data folder, it\nanswers. The run is stored in the history of the oldest administrator, or of the\naccount named with --as; without any account, it is not stored.\nExit codes: 0 with an answer, 1 without one, 2 for incorrect usage, 130 after\nCtrl-C.",
        options: &[
            option("file", "FILE …", "documents to read: files, file patterns, or web addresses; - for stdin"),
            option("document", "ID", "a stored document to read; may be repeated"),
            option("panel", "A,B,C", "the panel; default: the first three models that are ready"),
            option("pattern", "NAME", "how the panel works; default: confidence"),
            option("depth", "WORD", "quick: one model; standard: one round of critique; full: every stage; default: standard"),
            option("synthesizer", "MODEL", "the model that writes the answer; default: the highest-ranked one that is not a member"),
            option("recipe", "NAME", "a saved panel with its settings; other options override it"),
            option("preset", "NAME", "a set of parameters: quire help panels lists them"),
            option("parameter", "NAME=VALUE", "a parameter, such as temperature=0.2; may be repeated"),
            option("budget", "USD", "refuse to start if the estimate is higher"),
            option("estimate", "", "print the estimated cost and spend nothing"),
            option("continue", "", "follow up on the newest thread"),
            option("as", "EMAIL", "the account that runs it"),
            option("json", "", "print the whole result as JSON"),
            option("quiet", "", "print nothing on stderr except errors"),
        ],
        server: Supported, run: ask::run,
    },
    Command {
        name: "chat", usage: "", summary: "chat with a panel of models",
        details: chat::DETAILS,
        options: &[
            option("file", "FILE …", "documents for the first question, as in ask"),
            option("panel", "A,B,C", "the panel; default: the first three models that are ready"),
            option("pattern", "NAME", "how the panel works; default: confidence"),
            option("depth", "WORD", "quick, standard, or full; default: standard"),
            option("synthesizer", "MODEL", "the model that writes the answers"),
            option("recipe", "NAME", "a saved panel with its settings"),
            option("preset", "NAME", "a set of parameters"),
            option("parameter", "NAME=VALUE", "a parameter; may be repeated"),
            option("budget", "USD", "refuse the first question if its estimate is higher"),
            option("continue", "", "follow up on the newest thread"),
            option("as", "EMAIL", "the account to use"),
            option("quiet", "", "print nothing on stderr except errors"),
        ],
        server: Supported, run: chat::run,
    },
    Command {
        name: "history", usage: "list|show|search|export [ID|WORDS]", summary: "list, read, search, and export earlier questions",
        details: history::DETAILS,
        options: &[
            option("limit", "N", "for list and search: at most this many threads; default: 20"),
            option("out", "FILE", "for export: write to FILE, as .md, .html, or .json"),
            option("format", "WORD", "for export to stdout: md, html, or json; default: md"),
            option("as", "EMAIL", "the account to use; default: the oldest administrator"),
            option("json", "", "for list, show, and search: print JSON"),
        ],
        server: Supported, run: history::run,
    },
    Command {
        name: "experiment", usage: "example|run|list|show|resume [FILE|ID]", summary: "find the best configuration for your questions",
        details: experiment::DETAILS,
        options: &[
            option("budget", "USD", "for run: the maximum cost; overrides FILE"),
            option("evaluations", "N", "for run: at most this many evaluations; overrides FILE"),
            option("estimate", "", "for run: print the estimate and spend nothing"),
            option("out", "FILE", "for run, show, and resume: write the result to FILE, as .json, .csv, or .md"),
            option("as", "EMAIL", "the account that runs it; default: the oldest administrator"),
            option("json", "", "print the result as JSON"),
        ],
        server: Supported, run: experiment::run,
    },
    Command {
        name: "user", usage: "add|list|passwd|reset-link|invite|role|disable|enable|delete [EMAIL] …", summary: "manage accounts",
        details: user_action::DETAILS,
        options: &[
            option("name", "NAME", "for add: the person's name"),
            option("admin", "", "for add: create an administrator"),
            option("password-stdin", "", "for add and passwd: read the password from the first line of stdin; otherwise, one is generated and printed"),
            option("keep-keys", "", "for passwd: keep the API keys"),
            option("yes", "", "for delete: confirm"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: user::run,
    },
    Command {
        name: "key", usage: "list|add|delete EMAIL [ID]", summary: "manage API keys",
        details: key::DETAILS,
        options: &[
            option("name", "NAME", "for add: what the key is for"),
            option("expires", "DAYS", "for add: expires after this many days"),
            option("scope", "WORD", "for add: a scope (chat, analyze, documents, admin, keys, export); may be repeated; default: chat, analyze, and documents"),
            option("model", "ID", "for add: an allowed model, or a prefix of IDs followed by *; may be repeated; default: all"),
            option("day-budget", "USD", "for add: daily budget"),
            option("budget", "USD", "for add: total budget"),
            option("json", "", "for list and add: print JSON"),
        ],
        server: Supported, run: key::run,
    },
    Command {
        name: "provider", usage: "list|add|change|test|remove [NAME]", summary: "manage providers",
        details: provider::DETAILS,
        options: &[
            option("kind", "KIND", "for add and change: the API format: openai, responses, anthropic, gemini, or ollama; default: by NAME"),
            option("base-url", "URL", "for add and change: the provider's base URL"),
            option("key-stdin", "", "for add and change: read the key from the first line of stdin"),
            option("key-env", "NAME", "for add and change: read the key from this environment variable"),
            option("models", "A,B", "for add and change: the models to offer; default: all that the provider lists"),
            option("concurrency", "N", "for add and change: the maximum number of concurrent calls"),
            option("force", "", "for add and change: save the provider even if it does not answer"),
            option("json", "", "for list: print JSON"),
        ],
        server: Supported, run: provider::run,
    },
    Command {
        name: "models", usage: "", summary: "list all models with their state",
        details: "Asks every provider or, while a server uses the data folder, that server. One\nline per model, ready ones first: state, context window in tokens, and prices.",
        options: &[
            option("as", "EMAIL", "include this account's providers; default: the oldest administrator"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: models::run,
    },
    Command {
        name: "documents", usage: "list|add|search|delete [FILE …|WORDS|ID]", summary: "add, list, search, and delete documents",
        details: documents::DETAILS,
        options: &[
            option("as", "EMAIL", "the account to use; default: the oldest administrator"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: documents::run,
    },
    Command {
        name: "patterns", usage: "list|show|check [ID|FILE …]", summary: "show patterns and validate your own",
        details: patterns::DETAILS,
        options: &[option("json", "", "for list and show: print JSON")],
        server: Supported, run: patterns::run,
    },
    Command {
        name: "usage", usage: "", summary: "show tokens, calls, and cost",
        details: "One line per account, most expensive first; with --user, one line per day and\nmodel.",
        options: &[
            option("days", "N", "how many days to show; default: 30"),
            option("user", "EMAIL", "show only this account, by day"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: usage_report::run,
    },
    Command {
        name: "backup", usage: "FILE|FOLDER", summary: "write a verified copy of the database",
        details: "Works while the server runs. The copy holds accounts, analyses, and the text of\ndocuments. To verify it, Quire reads it back and counts its rows. Original files\nare not included: also copy the `documents` folder in the data folder. In\nFOLDER, the copy is named after the current time. With QUIRE_BACKUP_DIR, the\nserver makes backups automatically.",
        options: &[
            option("replace", "", "overwrite FILE"),
            option("json", "", "print JSON with the number of rows in each table"),
        ],
        server: Supported, run: backup::run,
    },
    Command {
        name: "restore", usage: "FILE", summary: "replace the database with a backup",
        details: "Stop the server first. The backup is checked, and the replaced database stays\nin the data folder as quire.db.before-restore-TIME; the newest three are kept.\nOriginal files are not in a backup: also copy the `documents` folder back. Files\nthat the backup does not refer to are moved aside at the next start; `quire\norphans list` shows them.",
        options: &[option("replace", "", "replace an existing database")],
        server: Unsupported("it replaces a database while no server uses it; run it where the data folder is"), run: backup::restore,
    },
    Command {
        name: "migrate", usage: "--to ADDRESS|FOLDER", summary: "move the database to a PostgreSQL server, or back",
        details: migrate::DETAILS,
        options: &[
            option("to", "TARGET", "the target: the address of a PostgreSQL database, or a data folder"),
            option("json", "", "print the tables as JSON"),
        ],
        server: Unsupported("it moves a database while no server uses it; run it where the data folder is"), run: migrate::run,
    },
    Command {
        name: "orphans", usage: "list|delete [NAME …]", summary: "list and delete files that no database row refers to",
        details: orphans::DETAILS,
        options: &[
            option("early", "", "for delete: delete the files even if they were moved aside less than 30 days ago"),
            option("json", "", "for list: print JSON"),
        ],
        server: Unsupported("it works on a data folder; run it where that folder is"), run: orphans::run,
    },
    Command {
        name: "secret", usage: "new|accept", summary: "create a new secret for a data folder without one, or accept a changed one",
        details: secret::DETAILS,
        options: &[], server: Unsupported("it works on a data folder; run it where that folder is"), run: secret::run,
    },
    Command {
        name: "export", usage: "--user EMAIL FILE", summary: "write everything a user owns to one archive",
        details: "Works while the server runs. With QUIRE_SERVER, --user is not needed: the\naccount is that of the API key. FILE must not exist yet. It becomes a\ngzip-compressed tar archive with a manifest, one JSON Lines file per table, and\nthe original documents, but without the password, API keys, and share links.",
        options: &[
            option("user", "EMAIL", "the account"),
            option("json", "", "print the number of rows as JSON"),
        ],
        server: Supported, run: archive::export,
    },
    Command {
        name: "import", usage: "--user EMAIL FILE", summary: "import an archive or conversations from other programs",
        details: "FILE is an archive written by `quire export`, an export from ChatGPT or Claude\n(the ZIP file or the conversations.json in it) or from Open WebUI, a JSON Lines\nfile in the format of OpenAI's tools, or an export from Quire's predecessor.\nExisting data is kept, so importing the same file twice changes nothing. Past\nspending does not count against budgets.",
        options: &[
            option("user", "EMAIL", "the account to import into"),
            option("json", "", "print the number of rows as JSON"),
        ],
        server: Supported, run: archive::import,
    },
    Command {
        name: "mcp", usage: "", summary: "serve Quire's tools to an MCP client over stdio (Model Context Protocol)",
        details: "Tools: consult, list_patterns, search_documents, analysis_status. Reads and\nwrites one message per line. A running server offers the same tools at POST\n/mcp; messages are forwarded to it if it uses the same data folder or\nQUIRE_SERVER names it.",
        options: &[option("as", "EMAIL", "the account to use; default: the oldest administrator")],
        server: Supported, run: mcp::run,
    },
    Command {
        name: "doctor", usage: "", summary: "check the installation",
        details: "Checks the data folder, secret, database, clock, system limits, ports, host\nnames, certificates, patterns, providers, and, while the server runs, the\nconnection through PUBLIC_URL. Explains how to fix each problem. The exit code\nis 1 if a check fails; warnings alone are not a failure.",
        options: &[
            option("health", "", "only check that the server answers on its port (for containers); exit code 0 or 1"),
            option("json", "", "print the findings as JSON"),
        ],
        server: Supported, run: doctor::run,
    },
    Command {
        name: "completions", usage: "bash|zsh|fish", summary: "print completions for a shell",
        details: "  quire completions bash > ~/.local/share/bash-completion/completions/quire\n  quire completions zsh > \"${fpath[1]}/_quire\"\n  quire completions fish > ~/.config/fish/completions/quire.fish",
        options: &[], server: Unused, run: completions::run,
    },
    Command {
        name: "man", usage: "[TOPIC]", summary: "print the manual as a man page",
        details: "quire man | man -l -\nWithout TOPIC, prints the page of all commands and settings.",
        options: &[], server: Unused, run: manual::run,
    },
    Command {
        name: "help", usage: "[settings|COMMAND|TOPIC]", summary: "explain a command or a topic of the manual",
        details: "", options: &[], server: Unused, run: help::run,
    },
    Command {
        name: "version", usage: "", summary: "print the version",
        details: "", options: &[], server: Unused, run: help::version,
    },
];

/// Runs the command that these arguments name. If it fails, prints the reason to stderr. Returns the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = args::parse(words).and_then(|call| {
        remote::check_server_support(&call)?;
        (call.command.run)(&call)
    });
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let (text, code) = failure.into_parts();
    let mut stderr = std::io::stderr().lock();
    let columns = stderr.is_terminal().then(screen::terminal_width);
    for line in outcome::strip_os_error_numbers(&text).lines() {
        let line = format!("quire: {line}");
        let line = columns.map_or(line.clone(), |columns| text_width::wrap(&line, columns));
        let _ = writeln!(stderr, "{line}");
    }
    ExitCode::from(code)
}

/// Runs a future to completion on a new single-threaded runtime.
fn block_on<T>(
    script: impl Future<Output = Result<T, CommandFailure>>,
) -> Result<T, CommandFailure> {
    runtime()?.block_on(script)
}

/// Creates a single-threaded runtime, which starts faster and uses less memory than a multithreaded one. Blocking work
/// runs on separate threads.
fn runtime() -> Result<tokio::runtime::Runtime, CommandFailure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_name("quire-files")
        .thread_stack_size(256 * 1024)
        .build()
        .or_else(|error| failed(format!("cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options;

    #[test]
    fn names_are_unique_and_options_shadow_no_setting() {
        for (at, command) in COMMANDS.iter().enumerate() {
            assert!(
                COMMANDS[..at]
                    .iter()
                    .all(|other| other.name != command.name),
                "{}",
                command.name
            );
            assert!(!command.summary.ends_with('.'), "{}", command.name);
            for option in command.options {
                assert!(options::by_flag(option.name).is_none(), "{}", option.name);
            }
        }
    }
}
