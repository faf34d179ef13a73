//! `quire export` and `quire import`: everything a person owns into one file, and back in elsewhere. Also while
//! a server runs.

use std::io::IsTerminal as _;
use std::path::Path;

use serde_json::{Map, json};

use super::args::CommandCall;
use super::screen::progress;
use super::{CommandFailure, Outcome, block_on, print, usage};
use crate::app::accounts::Accounts;
use crate::app::archive::{self, Counts};
use crate::domain::id::UserId;

/// Writes the archive.
pub(super) fn export(call: &CommandCall) -> Outcome {
    let (user, file) = (whose(call)?, file(call)?);
    let place = archive::open(&call.config()?)?;
    let counts = place.export(&user, Path::new(file), &mut steps(call))?;
    told(call, file, &counts)
}

/// Takes a file in.
pub(super) fn import(call: &CommandCall) -> Outcome {
    let (user, file) = (whose(call)?, file(call)?);
    let place = archive::open(&call.config()?)?;
    let counts = place.import(&user, Path::new(file), &mut steps(call))?;
    told(call, file, &counts)
}

fn file(call: &CommandCall) -> Result<&str, CommandFailure> {
    call.at_most(1)?;
    match call.words.first() {
        Some(file) => Ok(file),
        None => usage(format!("{} needs the name of a file", call.command.name)),
    }
}

fn whose(call: &CommandCall) -> Result<UserId, CommandFailure> {
    let Some(email) = call.value("user") else {
        return usage("whose? add --user EMAIL");
    };
    let config = call.config()?;
    block_on(async {
        let accounts = Accounts::open_existing(&config)?;
        let found = accounts.user_by_email(email).await;
        accounts.close().await;
        Ok(found?.id)
    })
}

// A line that is written over while it grows, where somebody looks on.
fn steps(call: &CommandCall) -> impl FnMut(&str, u64) + Send {
    let shows = !call.has("json") && std::io::stderr().is_terminal();
    move |what, done| {
        if shows {
            eprint!("\r\x1b[K{}: {done}\r", what.replace('_', " "));
        }
    }
}

fn told(call: &CommandCall, file: &str, counts: &Counts) -> Outcome {
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
            line += &format!(", {} there already", count.present);
        }
        if count.refused > 0 {
            line += &format!(", {} refused: they are not what they say", count.refused);
        }
        progress(&line);
    }
    print(file)
}
