//! `quire export` and `quire import`: write everything a user owns to one file, and read it back elsewhere.
//! Both work while a server runs.

use std::io::IsTerminal as _;
use std::path::Path;

use serde_json::{Map, json};

use super::args::CommandCall;
use super::screen::{progress, several, width};
use super::text_width::cut;
use super::{CommandFailure, Outcome, block_on, print, usage};
use crate::app::accounts::Accounts;
use crate::app::archive::{self, Counts};
use crate::domain::id::UserId;

/// Writes the archive.
pub(super) fn export(call: &CommandCall) -> Outcome {
    let (user, file) = (owner(call)?, file(call)?);
    let place = archive::open(&call.config()?)?;
    let outcome = place.export(&user, Path::new(file), &mut steps(call))?;
    let Some(faulty) = several(&outcome.faulty) else {
        return report(call, file, &outcome.counts);
    };
    Err(CommandFailure::Failed(format!(
        "{file} is written, but not complete: {faulty}. Put the files back into the folder documents from a copy, and \
         export again. quire doctor lists all"
    )))
}

/// Imports a file.
pub(super) fn import(call: &CommandCall) -> Outcome {
    let (user, file) = (owner(call)?, file(call)?);
    let place = archive::open(&call.config()?)?;
    let counts = place.import(&user, Path::new(file), &mut steps(call))?;
    report(call, file, &counts)
}

fn file(call: &CommandCall) -> Result<&str, CommandFailure> {
    call.at_most(1)?;
    match call.words.first() {
        Some(file) => Ok(file),
        None => usage(format!("{} needs a file name", call.command.name)),
    }
}

fn owner(call: &CommandCall) -> Result<UserId, CommandFailure> {
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
const BAR: u64 = 24;

// On a terminal, progress is one line that is overwritten.
fn steps(call: &CommandCall) -> impl FnMut(&str, u64, u64) + Send {
    let shows = !call.has("json") && std::io::stderr().is_terminal();
    move |what, done, all| {
        if shows {
            let line = progress_line(&what.replace('_', " "), done, all);
            eprint!("\r\x1b[K{}\r", cut(&line, width()));
        }
    }
}

fn progress_line(what: &str, done: u64, all: u64) -> String {
    if all == 0 {
        return format!("{what}: {done}");
    }
    let full = (done * BAR / all).min(BAR) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR as usize - full));
    format!("[{bar}] {what}: {done} of {all}")
}

fn report(call: &CommandCall, file: &str, counts: &Counts) -> Outcome {
    if call.has("json") {
        let rows = counts
            .iter()
            .map(|(name, count)| (name.clone(), json!(count)));
        return print(json!({ "file": file, "counts": rows.collect::<Map<_, _>>() }));
    }
    for (name, count) in counts {
        if count.added + count.present + count.refused == 0 {
            continue;
        }
        let mut line = format!("{}: {}", name.replace('_', " "), count.added);
        if count.present > 0 {
            line += &format!(", {} already present", count.present);
        }
        if count.refused > 0 {
            line += &format!(
                ", {} refused because their content does not match their description",
                count.refused
            );
        }
        progress(&line);
    }
    print(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(progress_line("analyses", 7, 0), "analyses: 7");
        let half = "[############............] analyses: 5 of 10";
        assert_eq!(progress_line("analyses", 5, 10), half);
        assert!(progress_line("analyses", 20, 10).starts_with("[########################]"));
    }
}
