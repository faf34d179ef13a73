//! `quire backup FILE|FOLDER` and `quire restore FILE`: a verified copy of the database, and back again.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::Call;
use super::{Outcome, print, usage};
use crate::app::backup;

/// Writes the copy.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(1)?;
    let Some(to) = call.words.first() else {
        return usage("backup needs the name of the file to write, or of a folder");
    };
    let config = call.config()?;
    let (file, copy) = backup::write(&config, Path::new(to), call.has("replace"))?;
    let file = file.display();
    if call.has("json") {
        let rows = |(name, rows): &(String, u64)| (name.clone(), Value::from(*rows));
        let tables: Map<_, _> = copy.tables.iter().map(rows).collect();
        return print(json!({
            "file": file.to_string(), "bytes": copy.bytes, "version": copy.version, "tables": tables,
        }));
    }
    let widest = copy.tables.iter().map(|(name, _)| name.len()).max();
    for (name, rows) in &copy.tables {
        print(format!("{name:<0$}  {rows}", widest.unwrap_or_default()))?;
    }
    print(format!(
        "{file}: {} bytes, checked, with every row: {}",
        copy.bytes,
        copy.rows()
    ))
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
