//! Reads, encodes, and inserts rows. The encoding is the same for both engines, so equal hashes mean equal rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{TransferError, TransferTable};
use crate::store::connection::{Reader, Writer};
use crate::store::error::StoreError;
use crate::store::params::Value;

/// Number of rows read per statement. Each row is processed as it arrives.
const READ_ROWS: usize = 500;
/// Maximum number of rows inserted per statement.
const BATCH_ROWS: usize = 100;
/// Minimum number of bytes at which a batch is inserted even if it has few rows.
const BATCH_BYTES: usize = 1 << 20;
/// Maximum number of primary keys listed per column.
const MAX_NAMED_KEYS: usize = 3;

type Result<T> = std::result::Result<T, TransferError>;

/// The result of copying a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Number of rows copied.
    pub rows: u64,
    /// Columns in which text had to be changed.
    pub replaced: Vec<ReplacedNul>,
}

/// The changes in one column, in which U+0000 was replaced by U+FFFD because PostgreSQL cannot store U+0000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedNul {
    /// Name of the column.
    pub column: String,
    /// Number of rows in which the column was changed.
    pub rows: u64,
    /// Primary keys of the first rows that were changed.
    pub keys: Vec<String>,
}

/// A value that does not borrow from its row.
enum OwnedValue {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl OwnedValue {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            _ => size_of::<i64>(),
        }
    }
}

/// Copies a table and passes the canonical encoding of its rows to `digest`.
///
/// # Errors
/// `UnusableKey` if a key cannot be stored; `UnusableRows` if the target rejects rows; another error if one of the
/// databases cannot be used.
pub(super) fn copy(
    table: &TransferTable,
    source: &Reader,
    target: &Writer,
    digest: &mut dyn FnMut(&[u8]),
    progress: &mut dyn FnMut(u64),
) -> Result<CopiedTable> {
    let mut batch = RowBatch::new(table, target);
    let mut replaced: BTreeMap<usize, ReplacedNul> = BTreeMap::new();
    let mut refused = false;
    let mut count = 0;
    let copied = visit_rows(table, source, |values| {
        for (position, value) in values.iter().enumerate() {
            if matches!(value, Value::Text(text) if text.contains('\0')) {
                refused |= table.key.contains(&position);
                let found = replaced.entry(position).or_insert_with(|| ReplacedNul {
                    column: table.columns[position].clone(),
                    rows: 0,
                    keys: Vec::new(),
                });
                found.rows += 1;
                if found.keys.len() < MAX_NAMED_KEYS {
                    found.keys.push(shown_key(table, values));
                }
            }
        }
        for value in values {
            encode(*value, digest);
        }
        count += 1;
        batch.push(values);
        if batch.is_full() {
            batch.insert()?;
            progress(count);
        }
        Ok(())
    });
    let copied = copied.and_then(|()| Ok(batch.insert()?));
    copied.map_err(|error| batch.with_keys(error))?;
    progress(count);
    match refused {
        true => Err(TransferError::UnusableKey(table.name.to_owned())),
        false => Ok(CopiedTable {
            rows: count,
            replaced: replaced.into_values().collect(),
        }),
    }
}

/// Passes the canonical encoding of a table's rows to `digest`. Returns the number of rows.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn read(
    table: &TransferTable,
    db: &Reader,
    digest: &mut dyn FnMut(&[u8]),
    progress: &mut dyn FnMut(u64),
) -> Result<u64> {
    let mut count = 0;
    visit_rows(table, db, |values| {
        for value in values {
            encode(*value, digest);
        }
        count += 1;
        if count % READ_ROWS as u64 == 0 {
            progress(count);
        }
        Ok(())
    })?;
    Ok(count)
}

/// Visits all rows in the order of the primary key. The order is the same in both engines, because both compare text by
/// its bytes.
fn visit_rows(
    table: &TransferTable,
    db: &Reader,
    mut take: impl FnMut(&[Value<'_>]) -> std::result::Result<(), StoreError>,
) -> Result<()> {
    let key: Vec<&str> = table
        .key
        .iter()
        .map(|at| table.columns[*at].as_str())
        .collect();
    let (columns, key) = (table.columns.join(", "), key.join(", "));
    let marks: Vec<String> = (1..=table.key.len())
        .map(|number| format!("?{number}"))
        .collect();
    let (name, marks) = (table.name, marks.join(", "));
    let begin = format!("SELECT {columns} FROM {name} ORDER BY {key} LIMIT {READ_ROWS}");
    let more = format!(
        "SELECT {columns} FROM {name} WHERE ({key}) > ({marks}) ORDER BY {key} LIMIT {READ_ROWS}"
    );
    let mut last: Vec<OwnedValue> = Vec::new();
    loop {
        let sql = if last.is_empty() { &begin } else { &more };
        let params: Vec<Value<'_>> = last.iter().map(OwnedValue::as_value).collect();
        let (mut rows, mut next) = (0, Vec::new());
        db.each(sql, params.as_slice(), |row| {
            let values = (0..table.columns.len()).map(|position| row.value(position));
            let values: Vec<Value<'_>> = values.collect::<std::result::Result<_, _>>()?;
            rows += 1;
            if rows == READ_ROWS {
                next = table
                    .key
                    .iter()
                    .map(|at| OwnedValue::of(values[*at]))
                    .collect();
            }
            take(&values)?;
            Ok(true)
        })?;
        if rows < READ_ROWS {
            return Ok(());
        }
        last = next;
    }
}

/// Passes the canonical encoding of a value to `digest`: its type, the length if it varies, and the content.
fn encode(value: Value<'_>, digest: &mut dyn FnMut(&[u8])) {
    match value {
        Value::Null => digest(b"N"),
        Value::Integer(number) => {
            digest(b"I");
            digest(&number.to_be_bytes());
        }
        Value::Real(number) => {
            // SQLite does not keep the sign of a zero.
            let number = if number == 0.0 { 0.0 } else { number };
            digest(b"R");
            digest(&number.to_bits().to_be_bytes());
        }
        Value::Text(text) => {
            let text = strip_nul(text);
            digest(b"T");
            digest(&(text.len() as u64).to_be_bytes());
            digest(text.as_bytes());
        }
        Value::Blob(bytes) => {
            digest(b"B");
            digest(&(bytes.len() as u64).to_be_bytes());
            digest(bytes);
        }
    }
}

/// Returns a text as PostgreSQL stores it, with U+FFFD instead of U+0000.
fn strip_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{FFFD}")),
        false => Cow::Borrowed(text),
    }
}

/// Formats the primary key of a row for messages.
fn shown_key(table: &TransferTable, values: &[Value<'_>]) -> String {
    let parts = table.key.iter().map(|at| match values[*at] {
        Value::Text(text) => strip_nul(text).into_owned(),
        Value::Integer(number) => number.to_string(),
        _ => "…".to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Rows to insert with one statement.
struct RowBatch<'a> {
    table: &'a TransferTable,
    target: &'a Writer,
    values: Vec<OwnedValue>,
    rows: usize,
    bytes: usize,
    /// Whether the target has rejected the rows.
    is_refused: bool,
}

impl<'a> RowBatch<'a> {
    fn new(table: &'a TransferTable, target: &'a Writer) -> Self {
        Self {
            table,
            target,
            values: Vec::new(),
            rows: 0,
            bytes: 0,
            is_refused: false,
        }
    }

    fn push(&mut self, values: &[Value<'_>]) {
        let first = self.values.len();
        self.values
            .extend(values.iter().map(|value| OwnedValue::of(*value)));
        self.bytes += self.values[first..]
            .iter()
            .map(OwnedValue::bytes)
            .sum::<usize>();
        self.rows += 1;
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn insert(&mut self) -> std::result::Result<(), StoreError> {
        if self.rows == 0 {
            return Ok(());
        }
        let width = self.table.columns.len();
        let row = |number: usize| {
            let marks = (1..=width).map(|column| format!("?{}", number * width + column));
            format!("({})", marks.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = (0..self.rows).map(row).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.table.name,
            self.table.columns.join(", "),
            rows.join(", ")
        );
        let values: Vec<Value<'_>> = self.values.iter().map(OwnedValue::as_value).collect();
        // Only the statement for a full batch is cached, because other batches rarely have the same size.
        let inserted = match self.rows {
            BATCH_ROWS => self.target.run(&sql, values.as_slice()),
            _ => self.target.run_rarely(&sql, values.as_slice()),
        };
        self.is_refused = inserted.is_err();
        inserted?;
        self.values.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// If the target rejected the rows, adds their primary keys to the error.
    fn with_keys(&self, error: TransferError) -> TransferError {
        let values: Vec<Value<'_>> = self.values.iter().map(OwnedValue::as_value).collect();
        let mut rows = values.chunks(self.table.columns.len());
        match (error, rows.next()) {
            (TransferError::Failed(why), Some(first)) if self.is_refused => {
                TransferError::UnusableRows {
                    first: shown_key(self.table, first),
                    last: shown_key(self.table, rows.next_back().unwrap_or(first)),
                    why,
                }
            }
            (error, _) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode_value(value: Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut |bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn different_values_have_different_encodings() {
        let values = [
            Value::Null,
            Value::Integer(0),
            Value::Integer(1),
            Value::Real(1.0),
            Value::Text(""),
            Value::Text("1"),
            Value::Blob(b""),
            Value::Blob(b"1"),
            // These look the same but have different bytes.
            Value::Text("\u{e9}"),
            Value::Text("e\u{301}"),
        ];
        for (at, one) in values.iter().enumerate() {
            for other in &values[at + 1..] {
                assert_ne!(
                    encode_value(*one),
                    encode_value(*other),
                    "{one:?} {other:?}"
                );
            }
        }
        assert_eq!(
            encode_value(Value::Real(-0.0)),
            encode_value(Value::Real(0.0))
        );
        assert_eq!(
            encode_value(Value::Text("a\0")),
            encode_value(Value::Text("a\u{FFFD}"))
        );
    }
}
