//! Reads a table's rows from an archive, one JSON object per line. Rows are kept flat: nested values and unknown
//! columns are dropped, and a line may not be longer than the longest valid row of its table. This bounds a row's
//! memory by about the length of its text, whatever it contains.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::{too_large_error, unreadable_error};
use crate::app;
use crate::domain::json;
use crate::store::archive::ArchiveTable;

/// Maximum memory, in bytes, of one parsed row, or of all rows with the same parent, which are loaded together (64
/// MiB).
const MAX_MEMORY_BYTES: u64 = 64 << 20;
/// Same as `MAX_MEMORY_BYTES`, for tables without JSON columns: rows with the same parent hold the text of one document
/// (256 MiB).
const MAX_TEXT_BYTES: u64 = 256 << 20;
/// Maximum length of an ID, in bytes.
const MAX_ID_BYTES: usize = 64;

/// Reader for the lines of a table.
pub(super) struct Lines<R: Read> {
    source: BufReader<R>,
    table: &'static ArchiveTable,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R, table: &'static ArchiveTable) -> Self {
        Self {
            source: BufReader::with_capacity(64 << 10, source),
            table,
            line: Vec::new(),
        }
    }

    /// Returns the next line, unparsed.
    ///
    /// # Errors
    /// `TooLarge` if the line exceeds the table's `max_row`; at most one byte more than that is buffered.
    pub(super) fn next_line(&mut self) -> app::Result<Option<&[u8]>> {
        self.line.clear();
        let mut bounded = (&mut self.source).take(self.table.max_row + 1);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = read.map_err(unreadable_error)? as u64;
        if read > self.table.max_row {
            let (name, max_mib) = (self.table.name, self.table.max_row >> 20);
            return Err(too_large_error(format!(
                "a row of {name} in it is longer than {max_mib} MiB"
            )));
        }
        Ok((read > 0).then_some(&self.line))
    }

    /// Returns the next row, reduced to these columns, and its length in bytes.
    ///
    /// # Errors
    /// Returns the errors of `next_line`, and `BadRequest` if the line is not a JSON object.
    pub(super) fn next_row(
        &mut self,
        columns: &[&str],
    ) -> app::Result<Option<(Map<String, Value>, u64)>> {
        let Some(line) = self.next_line()? else {
            return Ok(None);
        };
        let mut text = serde_json::Deserializer::from_slice(line);
        let row = RowReader(columns).deserialize(&mut text);
        let row = row.and_then(|row| text.end().map(|()| row));
        let length = line.len() as u64;
        // Do not keep the buffer of a long line for the short lines that follow.
        if self.line.capacity() > 1 << 20 {
            self.line = Vec::new();
        }
        let row = row.map_err(|_| unreadable_error("a line in it is not valid"))?;
        Ok(Some((row, length)))
    }
}

/// Rejects rows that would use too much memory once loaded.
#[derive(Default)]
pub(super) struct RowLimits(BTreeMap<String, u64>);

impl RowLimits {
    /// Counts a row and returns whether it stays within the limits, together with earlier rows of the same parent.
    pub(super) fn admit(&mut self, table: &ArchiveTable, row: &Map<String, Value>) -> bool {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        if table.has_id && text("id").len() > MAX_ID_BYTES {
            return false;
        }
        let size: usize = row
            .iter()
            .map(|(name, value)| memory_of(table, name, value))
            .sum();
        let max_size = match table.json {
            [] => MAX_TEXT_BYTES,
            _ => MAX_MEMORY_BYTES,
        };
        let Some(parent) = table.parent else {
            return size as u64 <= max_size;
        };
        let parent = text(parent);
        if parent.len() > MAX_ID_BYTES {
            return false;
        }
        let total = self.0.entry(parent.to_owned()).or_default();
        *total = total.saturating_add(size as u64);
        *total <= max_size
    }
}

fn memory_of(table: &ArchiveTable, name: &str, value: &Value) -> usize {
    // Memory used by a cell in addition to its text, in bytes.
    const CELL_OVERHEAD: usize = 64;
    let text = value.as_str().unwrap_or_default();
    CELL_OVERHEAD
        + match table.json.contains(&name) {
            true => json::estimated_memory(text.as_bytes()),
            false => text.len(),
        }
}

/// Deserializes an object, keeping only these columns.
struct RowReader<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for RowReader<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowReader<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut row = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.contains(&name.as_str()) {
                true => _ = row.insert(name, map.next_value::<ColumnValue>()?.0),
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(row)
    }
}

/// The value of a column. Columns are never nested: lists and objects become null.
struct ColumnValue(Value);

impl<'de> Deserialize<'de> for ColumnValue {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        text.deserialize_any(Scalar)
    }
}

struct Scalar;

impl<'de> Visitor<'de> for Scalar {
    type Value = ColumnValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<ColumnValue, E> {
        Ok(ColumnValue(Value::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<ColumnValue, E> {
        Ok(ColumnValue(value.into()))
    }
    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<ColumnValue, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ColumnValue(Value::Null))
    }
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ColumnValue, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ColumnValue(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::Kind;
    use crate::store::archive::ARCHIVE_TABLES;

    fn table(name: &str) -> &'static ArchiveTable {
        let found = ARCHIVE_TABLES.iter().find(|table| table.name == name);
        found.expect("a table")
    }

    fn rows(text: &str, columns: &[&str]) -> app::Result<Vec<Value>> {
        let mut lines = Lines::new(text.as_bytes(), table("passages"));
        let mut rows = Vec::new();
        while let Some((row, _)) = lines.next_row(columns)? {
            rows.push(Value::Object(row));
        }
        Ok(rows)
    }

    #[test]
    fn a_row_keeps_its_columns_without_nested_values() {
        let text = "{\"a\":1,\"b\":\"x\",\"c\":[[{}],1],\"d\":{\"a\":[]},\"e\":null,\"f\":-1.5,\"g\":true,\"z\":[7]}\n{\"a\":2}";
        let columns = ["a", "b", "c", "d", "e", "f", "g"];
        let expected = [
            json!({"a": 1, "b": "x", "c": null, "d": null, "e": null, "f": -1.5, "g": true}),
            json!({"a": 2}),
        ];
        assert_eq!(rows(text, &columns).expect("rows"), expected);
        for bad in ["[]", "7", "{\"a\":1} {}", "{\"a\":", "\n"] {
            let kind = rows(bad, &columns).map_err(|error| error.kind);
            assert_eq!(kind, Err(Kind::BadRequest), "{bad}");
        }
    }

    #[test]
    fn a_long_line_is_not_buffered() {
        let endless = std::io::repeat(b'x');
        let mut lines = Lines::new(endless, table("passages"));
        let kind = lines.next_line().map(|_| ()).map_err(|error| error.kind);
        assert_eq!(kind, Err(Kind::TooLarge));
        assert!(lines.line.len() as u64 <= table("passages").max_row + 1);
    }

    #[test]
    fn rows_loaded_together_share_one_limit() {
        let mut sizes = RowLimits::default();
        let bomb = "[{\"\":0},".repeat(50_000);
        let row = |parent: &str| json!({"recipe_id": parent, "body": bomb});
        let table = table("recipe_versions");
        let mut admit = |parent: &str| {
            let row = row(parent);
            sizes.admit(table, row.as_object().expect("a row"))
        };
        assert!(admit("a"));
        assert!(!admit("a"), "two of one recipe");
        assert!(admit("b"));
        assert!(!admit(&"x".repeat(MAX_ID_BYTES + 1)));
    }
}
