//! `quire backup FILE` and `quire restore FILE`: a verified copy of the database, and back again.

use std::path::Path;

use super::args::Call;
use super::{Outcome, print, usage};
use crate::app::backup;

/// Writes the copy.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(1)?;
    let Some(file) = call.words.first() else {
        return usage("backup needs the name of the file to write");
    };
    let config = call.config()?;
    let copy = backup::write(&config, Path::new(file), call.has("replace"))?;
    print(format!("{file}: {} bytes, checked", copy.bytes))
}

/// Puts the copy in the database's place.
pub(super) fn restore(call: &Call) -> Outcome {
    call.at_most(1)?;
    let Some(file) = call.words.first() else {
        return usage("restore needs the name of the file to read");
    };
    let config = call.config()?;
    let (copy, swapped) = backup::restore(&config, Path::new(file), call.has("replace"))?;
    let before = swapped.kept.map_or_else(String::new, |kept| {
        format!("; what was there is {}", kept.display())
    });
    print(format!(
        "{file}: {} bytes, checked and in place{before}",
        copy.bytes
    ))?;
    for old in swapped.forgotten {
        print(format!("removed, of those kept earlier: {}", old.display()))?;
    }
    Ok(())
}
