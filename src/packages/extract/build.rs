//! Build script: writes the named characters of HTML as one text. The table in the `html_escape` crate consists of
//! references, which would be relocated at every start, at a cost of 68 KB of memory per server.

use std::error::Error;
use std::path::PathBuf;

/// Marks the end of each name in the text.
const END_OF_NAME: char = '\u{1F}';
/// Marks the end of each entry, after its characters.
const END_OF_ENTRY: char = '\u{1E}';

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("entities.txt"), named_entities()?)?;
    Ok(())
}

/// Returns all names in sorted order, each followed by the characters that it stands for.
fn named_entities() -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for (name, character) in html_escape::NAMED_ENTITIES {
        text.push_str(std::str::from_utf8(name)?);
        text.push(END_OF_NAME);
        text.push_str(character);
        text.push(END_OF_ENTRY);
    }
    Ok(text)
}
