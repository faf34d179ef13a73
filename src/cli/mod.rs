//! The command line: a table of commands, one file each. Turns words into calls of the app and results
//! into text and exit codes. Knows nothing of how anything is done.

mod archive;
mod args;
mod ask;
mod backup;
mod completions;
mod doctor;
mod documents;
mod experiment;
mod handover;
mod help;
mod home;
mod key;
mod live;
mod manual;
mod markdown;
mod mcp;
mod models;
mod orphans;
mod patterns;
mod provider;
mod remote;
mod screen;
mod secret;
mod serve;
mod spending;
mod user;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use args::Call;

use crate::config::Config;

/// A command: one row of the table.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What follows the name.
    pub usage: &'static str,
    /// One line for the help.
    pub summary: &'static str,
    /// More lines for `quire help COMMAND`; may be empty.
    pub details: &'static str,
    /// Options of its own, besides the settings.
    pub options: &'static [Choice],
    run: fn(&Call) -> Outcome,
}

/// An option of one command.
#[derive(Debug)]
pub struct Choice {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What its value is called; empty where it takes none.
    pub value: &'static str,
    /// One line for the help.
    pub help: &'static str,
}

/// How a command ended.
type Outcome = Result<(), Failure>;

/// Why a command did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The command line or the settings are wrong: exit code 2.
    Usage(String),
    /// Anything else: exit code 1.
    Failed(String),
    /// Stopped by whoever started it: exit code 130, as shells have it.
    Stopped(String),
}

const fn choice(name: &'static str, value: &'static str, help: &'static str) -> Choice {
    Choice { name, value, help }
}

/// Every command. The first one runs when none is named.
#[rustfmt::skip]
pub static COMMANDS: &[Command] = &[
    Command {
        name: "serve", usage: "", summary: "start the server (this is what happens without a command)",
        details: "Prints its address once it is ready. Stops at SIGTERM or SIGINT: running requests and\nanalyses get SHUTDOWN_TIMEOUT seconds; a second signal ends it at once. With --take-over it replaces the server\nof the same folder, which hands its ports over: nobody who connects is turned away.",
        options: &[choice("take-over", "", "replace the server that runs on the same folder, where one does")],
        run: serve::run,
    },
    Command {
        name: "ask", usage: "[QUESTION]", summary: "put a question to a panel of models and print the answer",
        details: "Without QUESTION, or where it is -, the question is read from stdin. Progress goes to stderr, the\nanswer to stdout: on a terminal as it is written and made readable, else whole and as Markdown. Ends with\n0 and an answer, 1 without one, 2 where the command line is wrong, 130 after Ctrl-C. The run is kept in the history of the oldest\nadmin, or of the account named with --as; where there is no account yet, nothing is kept.",
        options: &[
            choice("file", "FILE", "a document the models shall read, - for stdin; may be repeated"),
            choice("panel", "A,B,C", "the members of the panel; default: the first three that are available"),
            choice("models", "A,B,C", "the same as --panel"),
            choice("pattern", "NAME", "how the panel works; default: confidence"),
            choice("depth", "WORD", "quick: one model; standard: one round of critique (default); full: every stage"),
            choice("synthesiser", "MODEL", "who writes the answer; default: the strongest that is not a member"),
            choice("as", "EMAIL", "whose account runs it"),
            choice("server", "URL", "ask a running server instead, with the API key in QUIRE_API_KEY"),
            choice("json", "", "print the whole result as JSON"),
            choice("quiet", "", "say nothing on stderr but why there is no answer"),
        ],
        run: ask::run,
    },
    Command {
        name: "experiment", usage: "run FILE | list | show ID | resume ID", summary: "find out which setting is best for your own questions",
        details: experiment::DETAILS,
        options: &[
            choice("budget", "USD", "for run: what may be spent, over what FILE says"),
            choice("evaluations", "N", "for run: settings on cases at most, over what FILE says"),
            choice("estimate", "", "for run: say what it would take, and spend nothing"),
            choice("out", "FILE", "for run, show and resume: write the result to FILE, as .json, .csv or .md"),
            choice("as", "EMAIL", "whose account runs it; default: the oldest admin's"),
            choice("json", "", "print the result as JSON"),
        ],
        run: experiment::run,
    },
    Command {
        name: "user", usage: "add|list|passwd|reset-link|invite|role|disable|enable|delete [EMAIL] …", summary: "manage accounts",
        details: user::DETAILS,
        options: &[
            choice("name", "NAME", "for add: what the person is called"),
            choice("admin", "", "for add: with the role of an admin"),
            choice("password-stdin", "", "for add and passwd: read the password from the first line of stdin; without it one is made up and printed"),
            choice("keep-keys", "", "for passwd: keep the API keys"),
            choice("yes", "", "for delete: do it without asking back"),
        ],
        run: user::run,
    },
    Command {
        name: "key", usage: "list|add|delete EMAIL [ID]", summary: "manage the API keys of an account",
        details: key::DETAILS,
        options: &[
            choice("name", "NAME", "for add: what it is for"),
            choice("expires", "DAYS", "for add: it is refused after so many days"),
            choice("scope", "WORD", "for add: a part of the API that it opens (chat, analyze, documents, admin, keys, export); may be repeated; default: chat, analyze and documents"),
            choice("model", "ID", "for add: a model that it may ask, or the beginning of ids and a *; may be repeated; default: any"),
            choice("day-budget", "USD", "for add: what its calls may cost a day"),
            choice("budget", "USD", "for add: what they may cost in all"),
            choice("json", "", "for list and add: print it as JSON"),
        ],
        run: key::run,
    },
    Command {
        name: "provider", usage: "list|add|change|test|remove [NAME]", summary: "manage the providers of models",
        details: provider::DETAILS,
        options: &[
            choice("kind", "KIND", "for add and change: openai, responses, anthropic, gemini or ollama; default: what one of its name usually speaks"),
            choice("base-url", "URL", "for add and change: its address"),
            choice("key-stdin", "", "for add and change: read the key from the first line of stdin"),
            choice("key-env", "NAME", "for add and change: take the key from this variable of the environment"),
            choice("models", "A,B", "for add and change: its models; default: all that it lists"),
            choice("concurrency", "N", "for add and change: calls to it at once"),
            choice("force", "", "for add and change: keep it even if it does not answer"),
        ],
        run: provider::run,
    },
    Command {
        name: "models", usage: "", summary: "ask every provider and list the models",
        details: "One line a model, those that can be asked first: its state, the tokens it can read, its price.",
        options: &[
            choice("as", "EMAIL", "with the providers of this account; default: the oldest admin's"),
            choice("json", "", "print them as JSON"),
        ],
        run: models::run,
    },
    Command {
        name: "documents", usage: "list|search|delete [WORDS|ID]", summary: "list, search and delete uploaded documents",
        details: documents::DETAILS,
        options: &[
            choice("as", "EMAIL", "of this account; default: the oldest admin's"),
            choice("json", "", "for list and search: print it as JSON"),
        ],
        run: documents::run,
    },
    Command {
        name: "patterns", usage: "list|show|check [ID|FILE …]", summary: "show the patterns, and check files of your own",
        details: patterns::DETAILS,
        options: &[choice("json", "", "for list and show: print it as JSON")],
        run: patterns::run,
    },
    Command {
        name: "usage", usage: "", summary: "show what was used and what it cost",
        details: "One line an account, dearest first; with --user one line a day and model.",
        options: &[
            choice("days", "N", "so many days up to today; default: 30"),
            choice("user", "EMAIL", "of this account alone, day by day"),
            choice("json", "", "print it as JSON"),
        ],
        run: spending::run,
    },
    Command {
        name: "backup", usage: "FILE|FOLDER", summary: "write a verified copy of the database, also while the server runs",
        details: "The copy holds accounts, analyses and the text of documents. The uploaded files themselves lie\nin the folder documents of the data folder; copy that as well to keep the originals. In a FOLDER it is named by the time.\nThe copy is of one moment; it is read through, and has as many rows in each table as the database had then.\nThe server makes such copies by itself where QUIRE_BACKUP_DIR is set.",
        options: &[
            choice("replace", "", "write over FILE where it exists"),
            choice("json", "", "print it as JSON, with the rows of each table"),
        ],
        run: backup::run,
    },
    Command {
        name: "restore", usage: "FILE", summary: "put a backup in the place of the database",
        details: "The copy is read through first. What was there stays beside it as quire.db.before-restore-TIME; the\nnewest three such are kept. Not while a server runs. Uploaded files are not in a backup: put the folder documents back as well.\nFiles of documents that the backup does not know are moved aside at the next start, and come back when the\ndatabase that was kept is restored: quire orphans list.",
        options: &[choice("replace", "", "also where there is a database")],
        run: backup::restore,
    },
    Command {
        name: "orphans", usage: "list|delete [NAME …]", summary: "list files that no row of the database names, and delete them by name",
        details: orphans::DETAILS,
        options: &[
            choice("early", "", "for delete: also files that were moved aside less than 30 days ago"),
            choice("json", "", "for list: print it as JSON"),
        ],
        run: orphans::run,
    },
    Command {
        name: "secret", usage: "new", summary: "make a new secret for a data folder that has lost its own",
        details: secret::DETAILS,
        options: &[], run: secret::run,
    },
    Command {
        name: "export", usage: "--user EMAIL FILE", summary: "write everything a person owns into one archive, also while the server runs",
        details: "A gzip-compressed tar: a manifest, a file of JSON lines a table, and the uploaded documents. It holds no\npassword, no API key and no share link. FILE must not exist yet.",
        options: &[
            choice("user", "EMAIL", "whose things"),
            choice("json", "", "print the counts as JSON"),
        ],
        run: archive::export,
    },
    Command {
        name: "import", usage: "--user EMAIL FILE", summary: "take an archive, or conversations from elsewhere, into a person's account",
        details: "FILE is an archive of quire export; JSON lines with messages, as OpenAI's tools take them; or an export\nof Quire's predecessor. What is there already is left, so the same file twice changes nothing. What was\nspent elsewhere counts nowhere here.",
        options: &[
            choice("user", "EMAIL", "into whose account"),
            choice("json", "", "print the counts as JSON"),
        ],
        run: archive::import,
    },
    Command {
        name: "mcp", usage: "", summary: "serve Quire's tools to a program over stdin and stdout (Model Context Protocol)",
        details: "The tools: consult, list_patterns, search_documents, analysis_status. One message a line. A running\nserver offers the same at POST /mcp.",
        options: &[choice("as", "EMAIL", "whose account uses them; default: the oldest admin's")],
        run: mcp::run,
    },
    Command {
        name: "doctor", usage: "", summary: "check the installation and say what is wrong with it",
        details: "Looks at the folder, the secret, the database, the clock, limits of the system, ports, names, certificates,\nthe way through PUBLIC_URL (while the server runs: do events arrive as they are sent), patterns and providers,\nand says how to mend what is wrong. Ends with exit code 1 when something is broken; warnings alone are no\nfailure.",
        options: &[choice("health", "", "only ask the running server on its port, for containers: 0 where it serves, else 1")],
        run: doctor::run,
    },
    Command {
        name: "completions", usage: "bash|zsh|fish", summary: "print what a shell needs to complete commands and options",
        details: "  quire completions bash > ~/.local/share/bash-completion/completions/quire\n  quire completions zsh > \"${fpath[1]}/_quire\"\n  quire completions fish > ~/.config/fish/completions/quire.fish",
        options: &[], run: completions::run,
    },
    Command {
        name: "man", usage: "", summary: "print the manual page",
        details: "quire man | man -l -",
        options: &[], run: manual::run,
    },
    Command {
        name: "help", usage: "[settings|COMMAND]", summary: "explain the settings or a command",
        details: "", options: &[], run: help::run,
    },
    Command {
        name: "version", usage: "", summary: "print the version",
        details: "", options: &[], run: help::version,
    },
];

/// Runs the command that these words name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = args::parse(words).and_then(|call| (call.command.run)(&call));
    let (text, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => (text, 1),
        Err(Failure::Usage(text)) => (text, 2),
        Err(Failure::Stopped(text)) => (text, 130),
    };
    let mut stderr = std::io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "quire: {line}");
    }
    ExitCode::from(code)
}

/// Prints to stdout. A reader that has gone away (`| head`) is no failure.
fn print(text: impl Display) -> Outcome {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            failed(format!("cannot write to stdout: {error}"))
        }
        _ => Ok(()),
    }
}

fn failed<T>(text: impl Display) -> Result<T, Failure> {
    Err(Failure::Failed(text.to_string()))
}

fn usage<T>(text: impl Display) -> Result<T, Failure> {
    Err(Failure::Usage(text.to_string()))
}

impl From<crate::app::Error> for Failure {
    /// Whoever sits at the command line operates the machine, so the private text is for them.
    fn from(error: crate::app::Error) -> Self {
        let mut text = error.public;
        if let Some(private) = error.private {
            text = format!("{text}: {private}");
        }
        if !error.resolution.is_empty() {
            text = format!("{text}\n{}", error.resolution);
        }
        Failure::Failed(text)
    }
}

/// The address people use.
fn public_url(config: &Config) -> String {
    let shown = || {
        let port = config.ui_port.unwrap_or(config.port);
        url(scheme(config), SocketAddr::new(config.host, port))
    };
    config.public_url.clone().unwrap_or_else(shown)
}

/// What the ports speak.
fn scheme(config: &Config) -> &'static str {
    match config.tls {
        Some(_) => "https",
        None => "http",
    }
}

/// "Every address" cannot be opened in a browser; this machine's own can.
fn url(scheme: &str, address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => {
            format!("{scheme}://{}:{}", Ipv4Addr::LOCALHOST, address.port())
        }
        _ => format!("{scheme}://{address}"),
    }
}

/// Runs a script of the app's asynchronous functions to its end.
fn block_on<T>(script: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(script)
}

/// One thread is faster here than two, and smaller; what blocks has threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
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
    fn names_are_there_once_and_options_shadow_no_setting() {
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

    #[test]
    fn addresses_that_can_be_opened() {
        for (address, expected) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:82", "http://127.0.0.1:82"),
            ("[::1]:83", "http://[::1]:83"),
            ("192.0.2.1:84", "http://192.0.2.1:84"),
        ] {
            assert_eq!(url("http", address.parse().expect(address)), expected);
        }
    }
}
