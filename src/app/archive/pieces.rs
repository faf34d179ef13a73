//! Splits a JSON file into values without loading the whole file: the elements of a list, JSON Lines, or one object.
//! Does not parse the values.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use serde::de::IgnoredAny;

use super::{too_large_error, unreadable_error};
use crate::app::Result;

/// Maximum size of a file, in bytes (256 MiB).
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;
/// Maximum size of one value, in bytes (16 MiB).
const MAX_PIECE_BYTES: u64 = 16 << 20;

/// Splits a file into pieces, each of which should be one JSON value, and passes them to `take`. Invalid pieces are
/// passed on unchanged.
///
/// # Errors
/// `TooLarge` if the file or a piece exceeds its limit; `BadRequest` if the file cannot be read; and any error of
/// `take`.
pub(super) fn for_each_piece(from: &Path, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut file = File::open(from).map_err(unreadable_error)?;
    let length = file.metadata().map_err(unreadable_error)?.len();
    if length > MAX_FILE_BYTES {
        let max_mib = MAX_FILE_BYTES >> 20;
        return Err(too_large_error(format!("it is larger than {max_mib} MiB")));
    }
    if length <= MAX_PIECE_BYTES {
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(unreadable_error)?;
        let text = text.strip_prefix(BOM).unwrap_or(&text);
        let is_list = text.trim_ascii_start().starts_with(b"[");
        if !is_list && serde_json::from_slice::<IgnoredAny>(text).is_ok() {
            return take(text);
        }
        file.seek(SeekFrom::Start(0)).map_err(unreadable_error)?;
    }
    let mut source = BufReader::with_capacity(64 << 10, file);
    if source
        .fill_buf()
        .map_err(unreadable_error)?
        .starts_with(BOM)
    {
        source.consume(BOM.len());
    }
    match first_byte(&mut source)? {
        Some(b'[') => for_each_element(&mut source, take),
        _ => for_each_line(&mut source, take),
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes();

// Returns the first non-whitespace byte, without consuming it.
fn first_byte(source: &mut impl BufRead) -> Result<Option<u8>> {
    loop {
        let text = source.fill_buf().map_err(unreadable_error)?;
        let space = text.iter().take_while(|byte| byte.is_ascii_whitespace());
        let (space, end) = (space.count(), text.len());
        let first = text.get(space).copied();
        if first.is_some() || end == 0 {
            source.consume(space);
            return Ok(first);
        }
        source.consume(end);
    }
}

fn for_each_line(
    source: &mut impl BufRead,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = source.take(MAX_PIECE_BYTES + 1);
        let read = bounded
            .read_until(b'\n', &mut line)
            .map_err(unreadable_error)?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 > MAX_PIECE_BYTES {
            return Err(too_long_error());
        }
        if !line.trim_ascii().is_empty() {
            take(&line)?;
        }
    }
}

fn for_each_element(
    source: &mut impl BufRead,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut piece = Vec::new();
    let mut scan = ListScan::default();
    loop {
        let text = source.fill_buf().map_err(unreadable_error)?;
        let read = text.len();
        if read == 0 {
            break;
        }
        for byte in text {
            match scan.next(*byte) {
                ScanStep::Outside => {}
                ScanStep::Inside => piece.push(*byte),
                ScanStep::Between => {
                    take(&piece)?;
                    piece.clear();
                }
            }
            if piece.len() as u64 > MAX_PIECE_BYTES {
                return Err(too_long_error());
            }
        }
        source.consume(read);
    }
    match (scan.depth, piece.trim_ascii().is_empty()) {
        (0, true) => Ok(()),
        // The list was cut off, or is followed by other data.
        _ => take(&piece),
    }
}

/// Position of the scanner in a list of values.
#[derive(Default)]
struct ListScan {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    has_value: bool,
}

enum ScanStep {
    Outside,
    Inside,
    /// The byte ends a value of the list.
    Between,
}

impl ListScan {
    fn next(&mut self, byte: u8) -> ScanStep {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return ScanStep::Inside;
        }
        let level = self.depth;
        match byte {
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b'"' => self.in_string = true,
            _ => {}
        }
        let ends = level == 1 && matches!(byte, b',' | b']');
        match byte {
            // This bracket opens the list itself.
            b'[' if level == 0 && !self.has_value => ScanStep::Outside,
            _ if ends && self.has_value => {
                self.has_value = false;
                ScanStep::Between
            }
            b']' if ends => ScanStep::Outside,
            _ if byte.is_ascii_whitespace() && !self.has_value => ScanStep::Outside,
            _ => {
                self.has_value = true;
                ScanStep::Inside
            }
        }
    }
}

fn too_long_error() -> crate::app::Error {
    let max_mib = MAX_PIECE_BYTES >> 20;
    too_large_error(format!("a conversation in it is longer than {max_mib} MiB"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::Kind;

    struct ScratchFolder(std::path::PathBuf);

    impl ScratchFolder {
        fn new(name: &str, text: &[u8]) -> Self {
            let name = format!("quire-pieces-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).expect("a file");
            Self(path)
        }
    }

    impl Drop for ScratchFolder {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn pieces(name: &str, text: &str) -> Vec<String> {
        let file = ScratchFolder::new(name, text.as_bytes());
        let mut elements = Vec::new();
        let read = for_each_piece(&file.0, &mut |piece| {
            elements.push(String::from_utf8_lossy(piece).trim().to_owned());
            Ok(())
        });
        read.expect("a file that can be read");
        elements
    }

    #[test]
    fn a_file_is_split_into_its_values() {
        for (text, expected) in [
            ("", vec![]),
            (" \n ", vec![]),
            ("[]", vec![]),
            ("[ ]\n", vec![]),
            ("7", vec!["7"]),
            (
                "\u{feff}[7, {\"a\":[1,2]} ,\"],[\\\"\"]",
                vec!["7", "{\"a\":[1,2]}", "\"],[\\\"\""],
            ),
            ("[[],[1]]", vec!["[]", "[1]"]),
            ("{\"a\":\n1}", vec!["{\"a\":\n1}"]),
            (
                "{\"a\":1}\n\n{\"a\":2}\nnot",
                vec!["{\"a\":1}", "{\"a\":2}", "not"],
            ),
            // The list is truncated, or followed by other data.
            ("[{\"a\":1},{\"a\"", vec!["{\"a\":1}", "{\"a\""]),
            ("[1] 2", vec!["1", "2"]),
        ] {
            assert_eq!(pieces("all", text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_over_the_limit_is_rejected() {
        let long = "x".repeat(MAX_PIECE_BYTES as usize + 1);
        for (name, text) in [("line", long.clone()), ("list", format!("[\"{long}\"]"))] {
            let file = ScratchFolder::new(name, text.as_bytes());
            let kind = for_each_piece(&file.0, &mut |_| Ok(())).map_err(|error| error.kind);
            assert_eq!(kind, Err(Kind::TooLarge), "{name}");
        }
    }

    proptest! {
        #[test]
        fn list_elements_are_passed_one_by_one(values in prop::collection::vec("[\\[\\]{},\"\\\\ a]{0,12}", 0..8)) {
            let values: Vec<_> = values.iter().map(|text| serde_json::json!({"a": [text]})).collect();
            let text = serde_json::to_string_pretty(&values).expect("JSON");
            let elements: Vec<serde_json::Value> = pieces("property", &text)
                .iter()
                .map(|piece| serde_json::from_str(piece).expect("JSON"))
                .collect();
            prop_assert_eq!(elements, values);
        }
    }
}
