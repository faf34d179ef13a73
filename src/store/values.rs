//! How `domain` types are stored in columns: IDs and names as text, timestamps and money as integers, `None` as 0 or
//! empty text, and lists and trees as JSON.

use serde::{Serialize, de::DeserializeOwned};

use super::error::{Result, StoreError};
use super::params::{FromValue, ToValue, Value};
use super::row::{Column, Row};
use crate::domain::analysis::Status;
use crate::domain::document::DocumentStatus;
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::ExperimentState;
use crate::domain::id::{
    AnalysisId, DocumentId, ExperimentId, KeyId, ProjectId, ProviderId, RecipeId, SessionId,
    ThreadId, UploadId, UserId,
};
use crate::domain::money::MicroDollars;
use crate::domain::panel_vs_single::Preference;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::Text(self.as_str())
            }
        }
        impl FromValue for $name {
            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Text(text) => <$name>::parse(text),
                    _ => None,
                }
            }
        }
    )*};
}
as_text!(
    AnalysisId,
    DocumentId,
    ExperimentId,
    KeyId,
    ProjectId,
    ProviderId,
    RecipeId,
    SessionId,
    ThreadId,
    UploadId,
    UserId,
    Status,
    DocumentStatus,
    Preference,
    Preferred,
    ExperimentState,
    Role
);

macro_rules! as_integer {
    ($($name:ty, $to:expr, $from:expr);*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::Integer($to(self))
            }
        }
        impl FromValue for $name {
            fn from_value(value: Value<'_>) -> Option<Self> {
                i64::from_value(value).map($from)
            }
        }
    )*};
}
as_integer!(
    Timestamp, |time: &Timestamp| time.millis(), Timestamp::from_millis;
    MicroDollars, |amount: &MicroDollars| amount.0, MicroDollars
);

/// Reads an optional timestamp, where 0 means `None`.
///
/// # Errors
/// Returns an error if the column does not exist or has an invalid value.
pub(super) fn optional_timestamp(row: &Row<'_>, column: impl Column) -> Result<Option<Timestamp>> {
    let millis: i64 = row.get(column)?;
    Ok((millis != 0).then(|| Timestamp::from_millis(millis)))
}

/// Reads an optional text, where an empty text means `None`.
///
/// # Errors
/// Returns an error if the column does not exist or has an invalid value.
pub(super) fn optional_text(row: &Row<'_>, column: impl Column) -> Result<Option<String>> {
    let text: String = row.get(column)?;
    Ok((!text.is_empty()).then_some(text))
}

/// Reads a number that is never negative.
///
/// # Errors
/// Returns an error if the column does not exist or has an invalid value.
pub(super) fn unsigned(row: &Row<'_>, column: impl Column) -> Result<u64> {
    row.get::<_, i64>(column).map(|count| count.max(0) as u64)
}

/// Encodes a number that is never negative. `unsigned` reads it back.
pub(super) fn to_integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads a value that was written with `to_json`.
///
/// # Errors
/// Returns an error if the column does not exist or has an invalid value.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: impl Column) -> Result<T> {
    serde_json::from_str(row.text(column)?).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Encodes a value as JSON text.
///
/// # Errors
/// Returns an error if the value cannot be serialized.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}
