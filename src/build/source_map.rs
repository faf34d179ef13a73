//! Source maps (ECMA-426) that map each line of a chunk to a line of a module.

use std::collections::BTreeMap;

use serde_json::json;

/// Writes the source map of a chunk. `lines` contains the source file and 0-based source line of each output line, or
/// `None` for a line that the linker added. The written paths are relative to the chunk's folder.
pub(super) fn write(lines: &[Option<(String, usize)>]) -> String {
    let mut sources: Vec<String> = Vec::new();
    let mut indexes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut last_source, mut last_line) = (0, 0);
    let mut mappings = String::new();
    for line in lines {
        if let Some((path, source_line)) = line {
            let index = *indexes.entry(path).or_insert_with(|| {
                sources.push(format!("../{path}"));
                sources.len() - 1
            });
            mappings.push('A');
            push_number(&mut mappings, difference(index, last_source));
            push_number(&mut mappings, difference(*source_line, last_line));
            mappings.push('A');
            (last_source, last_line) = (index, *source_line);
        }
        mappings.push(';');
    }
    json!({ "version": 3, "sources": sources, "names": [], "mappings": mappings }).to_string()
}

fn difference(new: usize, old: usize) -> i64 {
    let number = |value: usize| i64::try_from(value).unwrap_or_default();
    number(new) - number(old)
}

/// Appends a number in Base64 VLQ encoding: digits of five bits, the lowest digit first, with the sign in the lowest
/// bit.
fn push_number(text: &mut String, number: i64) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut rest = number.unsigned_abs() << 1 | u64::from(number < 0);
    loop {
        let digit = usize::try_from(rest & 31).unwrap_or_default();
        rest >>= 5;
        let continuation_bit = if rest > 0 { 32 } else { 0 };
        text.push(char::from(DIGITS[digit | continuation_bit]));
        if rest == 0 {
            return;
        }
    }
}
