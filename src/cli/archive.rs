//! `quire export` and `quire import`: write everything that a user owns to one file, and read it back, for example on
//! another machine. Both work while a server uses the data folder. On a remote server, both use the account of the API
//! key.

use std::io::IsTerminal as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::CommandCall;
use super::remote::RemoteSession;
use super::screen::{print_progress, summarize_list, terminal_width};
use super::text_width::truncate;
use super::{CommandFailure, Outcome, block_on, download, failed, print, usage};
use crate::app::accounts::Accounts;
use crate::app::archive::{self, Counts};
use crate::app::input_file;
use crate::domain::id::UserId;

/// Writes the account's archive to the file. Prints how many rows of each kind it contains, unless a server wrote it.
/// Fails if the original file of a document is missing or damaged.
pub(super) fn export(call: &CommandCall) -> Outcome {
    let file = file_argument(call)?;
    if let Some(server) = named_server(call)? {
        download::download_to_file(&server, "/api/users/me/export", Path::new(file), false)?;
        return report(call, file, &[]);
    }
    let user = account_id(call)?;
    let archives = archive::open(&call.config()?)?;
    let outcome = archives.export(&user, Path::new(file), &mut progress_reporter(call))?;
    let Some(faulty) = summarize_list(&outcome.faulty_originals) else {
        return report(call, file, &count_rows(&outcome.counts));
    };
    Err(CommandFailure::Failed(format!(
        "{file} was written, but it is incomplete: {faulty}. Restore the files in the `documents` folder from a copy, \
         then export again. `quire doctor` lists them all"
    )))
}

/// Imports an archive into the account. Prints how many rows of each kind were added, were already present, or were
/// refused.
pub(super) fn import(call: &CommandCall) -> Outcome {
    let file = file_argument(call)?;
    if let Some(server) = named_server(call)? {
        let input = input_file::open(Path::new(file))
            .or_else(|error| failed(format!("cannot read {file}: {error}")))?;
        let imported = server.upload("/api/users/me/import", "import", input)?;
        let counts = imported["counts"].as_object().cloned().unwrap_or_default();
        return report(call, file, &counts.into_iter().collect::<Vec<_>>());
    }
    let user = account_id(call)?;
    if let Err(error) = input_file::open(Path::new(file)) {
        return failed(format!("cannot read {file}: {error}"));
    }
    let offline = archive::open(&call.config()?)?;
    let counts = offline.import(&user, Path::new(file), &mut progress_reporter(call))?;
    report(call, file, &count_rows(&counts))
}

/// Returns a session on the server that the settings name, if any. Fails if `--user` names a different account than the
/// one that the API key belongs to.
fn named_server(call: &CommandCall) -> Result<Option<RemoteSession>, CommandFailure> {
    let server = RemoteSession::from_settings(call, &call.config()?)?;
    if let (Some(server), Some(email)) = (&server, call.value("user")) {
        server.account(Some(email))?;
    }
    Ok(server)
}

fn file_argument(call: &CommandCall) -> Result<&str, CommandFailure> {
    call.check_argument_count(1)?;
    match call.words.first() {
        Some(file) => Ok(file),
        None => usage(format!("{} needs a file name", call.command.name)),
    }
}

fn account_id(call: &CommandCall) -> Result<UserId, CommandFailure> {
    let Some(email) = call.value("user") else {
        return usage("the account is missing: add --user EMAIL");
    };
    let config = call.config()?;
    block_on(async {
        let accounts = Accounts::open_existing(&config)?;
        let found = accounts.user_by_email(email).await;
        accounts.close().await;
        Ok(found?.id)
    })
}

/// Width of the progress bar in characters.
const BAR_WIDTH: u64 = 24;

// Returns a function that reports progress on stderr: on a terminal, as one line that is overwritten; otherwise not at
// all.
fn progress_reporter(call: &CommandCall) -> impl FnMut(&str, u64, u64) + Send {
    let is_shown = !call.has("json") && std::io::stderr().is_terminal();
    move |what, completed, total| {
        if is_shown {
            let line = progress_line(&what.replace('_', " "), completed, total);
            eprint!("\r\x1b[K{}\r", truncate(&line, terminal_width()));
        }
    }
}

fn progress_line(what: &str, completed: u64, total: u64) -> String {
    if total == 0 {
        return format!("{what}: {completed}");
    }
    let full = (completed * BAR_WIDTH / total).min(BAR_WIDTH) as usize;
    let bar = format!(
        "{}{}",
        "#".repeat(full),
        ".".repeat(BAR_WIDTH as usize - full)
    );
    format!("[{bar}] {what}: {completed} of {total}")
}

fn count_rows(counts: &Counts) -> Vec<(String, Value)> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| (name.clone(), json!(count)))
        .collect()
}

fn report(call: &CommandCall, file: &str, counts: &[(String, Value)]) -> Outcome {
    if call.has("json") {
        let rows = counts.iter().cloned().collect::<Map<_, _>>();
        return print(json!({ "file": file, "counts": rows }));
    }
    for (name, count) in counts {
        let of = |field: &str| count[field].as_u64().unwrap_or_default();
        let (added_count, present_count, refused_count) =
            (of("added"), of("present"), of("refused"));
        if added_count + present_count + refused_count == 0 {
            continue;
        }
        let mut line = format!("{}: {added_count}", name.replace('_', " "));
        if present_count > 0 {
            line += &format!(", {present_count} already present");
        }
        if refused_count > 0 {
            line += &format!(
                ", {refused_count} rejected because their content does not match the archive's description"
            );
        }
        print_progress(&line);
    }
    print(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(progress_line("analyses", 7, 0), "analyses: 7");
        let expected_bar = "[############............] analyses: 5 of 10";
        assert_eq!(progress_line("analyses", 5, 10), expected_bar);
        assert!(progress_line("analyses", 20, 10).starts_with("[########################]"));
    }
}
