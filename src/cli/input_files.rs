//! Documents named on the command line: files, file patterns, web addresses, and stdin.

use std::fs::File;
use std::io::{Cursor, ErrorKind, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::args::CommandCall;
use super::outcome::{CommandFailure, failed, usage};
use super::{file_pattern, screen};
use crate::app::offline::remote::open_web_file;
use crate::config::Config;
use crate::domain::closest::closest;

/// Maximum time to wait for piped input. If none arrives, the question is sent without it.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without piped input after which a message says that the command is waiting.
const PIPE_NOTICE_DELAY: Duration = Duration::from_secs(1);

/// A document named on the command line.
pub(super) struct InputFile {
    /// The name as given on the command line.
    pub display_name: String,
    source: InputSource,
}

enum InputSource {
    Path(PathBuf),
    Web(String),
    /// Standard input, given as `-`.
    Stdin,
    /// Input piped to the program without `-`, in addition to a question.
    Pipe,
}

/// An opened document: its name and content.
pub(super) struct OpenedInput {
    pub name: String,
    pub content: Box<dyn Read + Send>,
}

/// Returns the documents named by `--file`. With `reads_piped_input`, also includes input that is piped in addition to
/// a question.
///
/// # Errors
/// Returns an error if a pattern matches no file or stdin is named twice.
pub(super) fn from_call(
    call: &CommandCall,
    reads_piped_input: bool,
) -> Result<Vec<InputFile>, CommandFailure> {
    let names = call.values("file");
    let mut files = from_names(&names)?;
    if reads_piped_input && !names.contains(&"-") && is_piped() {
        files.push(InputFile {
            display_name: "stdin".to_owned(),
            source: InputSource::Pipe,
        });
    }
    Ok(files)
}

/// Converts names to documents: paths, patterns, web addresses, or `-` for stdin.
///
/// # Errors
/// Same as [`from_call`].
pub(super) fn from_names(names: &[&str]) -> Result<Vec<InputFile>, CommandFailure> {
    if names.iter().filter(|name| **name == "-").count() > 1 {
        return usage("stdin can be read only once");
    }
    let mut files = Vec::new();
    for name in names {
        let new_file = |display_name: String, source| InputFile {
            display_name,
            source,
        };
        match *name {
            "-" => files.push(new_file("stdin".to_owned(), InputSource::Stdin)),
            name if name.contains("://") => {
                files.push(new_file(name.to_owned(), InputSource::Web(name.to_owned())));
            }
            name if file_pattern::is_pattern(name) => {
                let matches = file_pattern::expand(name).or_else(failed)?;
                let matched_paths = matches.into_iter();
                files.extend(
                    matched_paths
                        .map(|path| new_file(path.display().to_string(), InputSource::Path(path))),
                );
            }
            name => files.push(new_file(name.to_owned(), InputSource::Path(name.into()))),
        }
    }
    Ok(files)
}

impl InputFile {
    /// Opens the document. Returns `None` if it is a pipe without any input. Blocks.
    ///
    /// # Errors
    /// Returns an error if the document cannot be opened.
    pub(super) fn open(&self, config: &Config) -> Result<Option<OpenedInput>, CommandFailure> {
        let opened_input = |name: &str, content| {
            Ok(Some(OpenedInput {
                name: name.to_owned(),
                content,
            }))
        };
        match &self.source {
            InputSource::Stdin => opened_input("stdin.txt", Box::new(std::io::stdin())),
            InputSource::Pipe => match piped_input()? {
                Some(content) => opened_input("stdin.txt", content),
                None => Ok(None),
            },
            InputSource::Path(path) => {
                let file = open_path(path).or_else(|error| match error.kind() {
                    ErrorKind::NotFound => self.unreadable_error(missing_file_message(path)),
                    _ => self.unreadable_error(error),
                })?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                opened_input(&name, Box::new(file))
            }
            InputSource::Web(address) => {
                // One more byte than the limit is read, so that a file that is too large is refused instead of
                // truncated.
                let max_bytes = config.limits.max_upload + 1;
                let authorities = config.authorities.clone();
                let web_file =
                    open_web_file(address, max_bytes, &config.outbound_allowlist, authorities);
                let (name, content) = web_file.or_else(|why| self.unreadable_error(why))?;
                opened_input(&name, content)
            }
        }
    }

    /// Returns the error for a document that cannot be read.
    ///
    /// # Errors
    /// Always fails.
    pub(super) fn unreadable_error<T>(
        &self,
        why: impl std::fmt::Display,
    ) -> Result<T, CommandFailure> {
        failed(format!("cannot read {}: {why}", self.display_name))
    }
}

/// Returns the message for a missing file, with the closest name in its folder as a suggestion.
fn missing_file_message(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter();
    let names: Vec<String> = entries
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    match closest(&name, names.iter().map(String::as_str)) {
        Some(suggestion) => {
            let suggestion = path.with_file_name(suggestion);
            format!(
                "there is no such file; did you mean {}?",
                suggestion.display()
            )
        }
        None => "there is no such file".to_owned(),
    }
}

fn open_path(path: &Path) -> std::io::Result<File> {
    if path.is_dir() {
        let why = format!(
            "it is a folder; name its files, such as '{}/*'",
            path.display()
        );
        return Err(std::io::Error::other(why));
    }
    File::open(path)
}

/// Returns whether stdin is a pipe or a file, as opposed to a terminal or /dev/null.
fn is_piped() -> bool {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return false;
    }
    let file = stdin.as_fd().try_clone_to_owned().map(File::from);
    let kind = file.and_then(|file| file.metadata());
    kind.is_ok_and(|about| {
        let kind = about.file_type();
        kind.is_fifo() || kind.is_socket() || (kind.is_file() && about.len() > 0)
    })
}

/// Reads piped input. Returns `None` if it is empty, or if nothing arrives in time: programs often start other programs
/// with an open pipe to which they never write.
fn piped_input() -> Result<Option<Box<dyn Read + Send>>, CommandFailure> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut first = vec![0; 64 << 10];
        let read = std::io::stdin().read(&mut first);
        let _ = sender.send(read.map(|length| {
            first.truncate(length);
            first
        }));
    });
    let mut arrived = receiver.recv_timeout(PIPE_NOTICE_DELAY);
    if arrived.is_err() {
        screen::print_progress(
            "waiting for a document on stdin; add < /dev/null to ask without one",
        );
        arrived = receiver.recv_timeout(PIPE_TIMEOUT - PIPE_NOTICE_DELAY);
    }
    match arrived {
        Ok(Ok(first)) if first.is_empty() => Ok(None),
        Ok(Ok(first)) => Ok(Some(Box::new(Cursor::new(first).chain(std::io::stdin())))),
        Ok(Err(error)) => failed(format!("cannot read stdin: {error}")),
        Err(_) => {
            let seconds = PIPE_TIMEOUT.as_secs();
            screen::print_progress(&format!(
                "nothing arrived on stdin within {seconds} s, so no document is read from it; --file - waits longer"
            ));
            Ok(None)
        }
    }
}
