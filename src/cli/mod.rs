//! The command line: a table of commands, one file each. Turns arguments into calls of the app, and results
//! into text and exit codes. Contains no product logic.

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
use remote::ServerUse::{self, NotNeeded, Supported, Unsupported};

/// A command: one row of the table.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// The arguments after the name, for the help text.
    pub usage: &'static str,
    /// One line for the help.
    pub summary: &'static str,
    /// More lines for `quire help COMMAND`; may be empty.
    pub details: &'static str,
    /// Options of the command, besides the settings.
    pub options: &'static [CommandOption],
    server: ServerUse,
    run: fn(&CommandCall) -> Outcome,
}

/// An option of one command.
#[derive(Debug)]
pub struct CommandOption {
    /// Its name, without dashes.
    pub name: &'static str,
    /// Placeholder of its value in help texts; empty for a flag.
    pub value: &'static str,
    /// One line for the help.
    pub help: &'static str,
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> CommandOption {
    CommandOption { name, value, help }
}

/// Every command. The first one runs when none is named.
#[rustfmt::skip]
pub static COMMANDS: &[Command] = &[
    Command {
        name: "serve", usage: "", summary: "start the server (also without a command)",
        details: "Prints its address, the data folder, and what to do next. `quire` alone also starts\nit or, if a server already uses the data folder, prints that server's status.\nStops on SIGTERM or SIGINT: running requests and analyses get SHUTDOWN_TIMEOUT\nseconds; a second signal ends it at once. With --take-over, it replaces the\nserver that uses the same data folder without refusing a connection.",
        options: &[option("take-over", "", "replace the server that uses the same data folder")],
        server: Unsupported("it starts a server of its own"), run: serve::run,
    },
    Command {
        name: "ask", usage: "QUESTION …", summary: "ask a panel of models and print the answer",
        details: "A question of several words needs no quotes. Without QUESTION, or with -, it is\nread from stdin; input piped along with a question is read as a document.\nProgress goes to stderr, the answer to stdout: on a terminal, formatted as it\narrives; otherwise, as Markdown. If a server uses the same data folder, it\nanswers. The run is stored in the history of the oldest administrator, or of the\naccount named with --as; without any account, it is not stored.\nExit codes: 0 with an answer, 1 without one, 2 for a wrong command line, 130\nafter Ctrl-C.",
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
            option("estimate", "", "print what it would cost, and spend nothing"),
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
            option("as", "EMAIL", "of this account; default: the oldest administrator"),
            option("json", "", "for list, show, and search: print JSON"),
        ],
        server: Supported, run: history::run,
    },
    Command {
        name: "experiment", usage: "example|run|list|show|resume [FILE|ID]", summary: "find the best configuration for your questions",
        details: experiment::DETAILS,
        options: &[
            option("budget", "USD", "for run: the most it may cost; overrides FILE"),
            option("evaluations", "N", "for run: at most this many evaluations; overrides FILE"),
            option("estimate", "", "for run: print the estimate and spend nothing"),
            option("out", "FILE", "for run, show and resume: write the result to FILE, as .json, .csv or .md"),
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
            option("name", "NAME", "for add: its purpose"),
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
            option("kind", "KIND", "for add and change: the API format: openai, responses, anthropic, gemini, or ollama; default: by name"),
            option("base-url", "URL", "for add and change: its address"),
            option("key-stdin", "", "for add and change: read the key from the first line of stdin"),
            option("key-env", "NAME", "for add and change: read the key from this environment variable"),
            option("models", "A,B", "for add and change: its models; default: all that it lists"),
            option("concurrency", "N", "for add and change: calls at the same time"),
            option("force", "", "for add and change: save it even if it does not answer"),
            option("json", "", "for list: print JSON"),
        ],
        server: Supported, run: provider::run,
    },
    Command {
        name: "models", usage: "", summary: "list all models with their state",
        details: "Asks every provider or, while a server uses the data folder, that server. One\nline per model, ready ones first: state, context window in tokens, and prices.",
        options: &[
            option("as", "EMAIL", "with this account's providers; default: the oldest administrator"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: models::run,
    },
    Command {
        name: "documents", usage: "list|add|search|delete [FILE …|WORDS|ID]", summary: "add, list, search, and delete documents",
        details: documents::DETAILS,
        options: &[
            option("as", "EMAIL", "of this account; default: the oldest administrator"),
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
            option("days", "N", "the last N days; default: 30"),
            option("user", "EMAIL", "only this account, by day"),
            option("json", "", "print JSON"),
        ],
        server: Supported, run: usage_report::run,
    },
    Command {
        name: "backup", usage: "FILE|FOLDER", summary: "write a verified copy of the database",
        details: "Works while the server runs. The copy holds accounts, analyses, and the text of\ndocuments. It is read back, and its rows are counted. Original files are not in\nit: also copy the folder documents of the data folder. In a FOLDER, the copy is\nnamed after the time. With QUIRE_BACKUP_DIR, the server makes copies by itself.",
        options: &[
            option("replace", "", "overwrite FILE"),
            option("json", "", "print JSON, with the rows of each table"),
        ],
        server: Supported, run: backup::run,
    },
    Command {
        name: "restore", usage: "FILE", summary: "replace the database with a backup",
        details: "Stop the server first. The backup is checked, and the replaced database stays\nnext to it as quire.db.before-restore-TIME; the newest three are kept. Original\nfiles are not in a backup: also copy the folder documents back. Files that the\nbackup does not refer to are moved aside at the next start: quire orphans list.",
        options: &[option("replace", "", "replace an existing database")],
        server: Unsupported("it replaces a database while no server uses it; run it where the data folder is"), run: backup::restore,
    },
    Command {
        name: "orphans", usage: "list|delete [NAME …]", summary: "list and delete files that no database row refers to",
        details: orphans::DETAILS,
        options: &[
            option("early", "", "for delete: also files moved aside less than 30 days ago"),
            option("json", "", "for list: print JSON"),
        ],
        server: Unsupported("it lists files of a data folder; run it where that folder is"), run: orphans::run,
    },
    Command {
        name: "secret", usage: "new|accept", summary: "create a new secret for a data folder without one, or accept a changed one",
        details: secret::DETAILS,
        options: &[], server: Unsupported("it changes a file of a data folder; run it where that folder is"), run: secret::run,
    },
    Command {
        name: "export", usage: "--user EMAIL FILE", summary: "write everything a user owns to one archive",
        details: "Works while the server runs. With QUIRE_SERVER, --user may be left out: the\naccount is that of the API key. FILE, which must not exist yet, becomes a\ngzip-compressed tar: a manifest, JSON lines per table, and the original\ndocuments; no password, API key, or share link.",
        options: &[
            option("user", "EMAIL", "the account"),
            option("json", "", "print the counts as JSON"),
        ],
        server: Supported, run: archive::export,
    },
    Command {
        name: "import", usage: "--user EMAIL FILE", summary: "import an archive or conversations from other programs",
        details: "FILE is an archive of quire export, an export of ChatGPT or Claude (the ZIP\nfile or the conversations.json in it) or of Open WebUI, JSON lines with messages\nas OpenAI's tools use them, or an export of Quire's predecessor. Existing data\nis kept, so importing the same file twice changes nothing. Past spending does not\ncount against budgets.",
        options: &[
            option("user", "EMAIL", "the account that receives it"),
            option("json", "", "print the counts as JSON"),
        ],
        server: Supported, run: archive::import,
    },
    Command {
        name: "mcp", usage: "", summary: "serve Quire's tools to an MCP client over stdio (Model Context Protocol)",
        details: "Tools: consult, list_patterns, search_documents, analysis_status. One message\nper line. A running server offers the same at POST /mcp; messages are\nforwarded to it if it uses the same data folder or QUIRE_SERVER names it.",
        options: &[option("as", "EMAIL", "the account that uses them; default: the oldest administrator")],
        server: Supported, run: mcp::run,
    },
    Command {
        name: "doctor", usage: "", summary: "check the installation",
        details: "Checks the data folder, secret, database, clock, system limits, ports, host\nnames, certificates, patterns, providers, and, while the server runs, the\nconnection through PUBLIC_URL. Explains how to fix each problem. The exit code is\n1 if a check fails; warnings alone are not a failure.",
        options: &[
            option("health", "", "only check that the server on its port answers, for containers: exit code 0 or 1"),
            option("json", "", "print the findings as JSON"),
        ],
        server: Supported, run: doctor::run,
    },
    Command {
        name: "completions", usage: "bash|zsh|fish", summary: "print completions for a shell",
        details: "  quire completions bash > ~/.local/share/bash-completion/completions/quire\n  quire completions zsh > \"${fpath[1]}/_quire\"\n  quire completions fish > ~/.config/fish/completions/quire.fish",
        options: &[], server: NotNeeded, run: completions::run,
    },
    Command {
        name: "man", usage: "[TOPIC]", summary: "print the manual as a man page",
        details: "quire man | man -l -\nWithout TOPIC, the page of all commands and settings.",
        options: &[], server: NotNeeded, run: manual::run,
    },
    Command {
        name: "help", usage: "[settings|COMMAND|TOPIC]", summary: "explain a command or a topic of the manual",
        details: "", options: &[], server: NotNeeded, run: help::run,
    },
    Command {
        name: "version", usage: "", summary: "print the version",
        details: "", options: &[], server: NotNeeded, run: help::version,
    },
];

/// Runs the command named by these arguments.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = args::parse(words).and_then(|call| {
        remote::check_use(&call)?;
        (call.command.run)(&call)
    });
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let (text, code) = failure.into_parts();
    let mut stderr = std::io::stderr().lock();
    let columns = stderr.is_terminal().then(screen::terminal_width);
    for line in outcome::without_error_numbers(&text).lines() {
        let line = format!("quire: {line}");
        let line = columns.map_or(line.clone(), |columns| text_width::wrap(&line, columns));
        let _ = writeln!(stderr, "{line}");
    }
    ExitCode::from(code)
}

/// Runs an asynchronous function of the app to its end.
fn block_on<T>(
    script: impl Future<Output = Result<T, CommandFailure>>,
) -> Result<T, CommandFailure> {
    runtime()?.block_on(script)
}

/// Creates a single-threaded runtime, which is faster and smaller here; blocking work has its own threads.
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
