//! How the words of `domain` lie in columns: ids and names as text, moments and money as integers,
//! 0 or the empty text where there is none, lists and trees as JSON.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, RowIndex, types::Type};
use serde::{Serialize, de::DeserializeOwned};

use super::error::{Result, StoreError};
use crate::domain::analysis::Status;
use crate::domain::document::DocumentStatus;
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::State;
use crate::domain::id::{
    AnalysisId, DocumentId, ExperimentId, KeyId, ProviderId, RecipeId, SessionId, UploadId, UserId,
};
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;
use crate::domain::user::Role;
use crate::domain::worth::Preference;

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                <$name>::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    )*};
}
as_text!(
    AnalysisId,
    DocumentId,
    ExperimentId,
    KeyId,
    ProviderId,
    RecipeId,
    SessionId,
    UploadId,
    UserId,
    Status,
    DocumentStatus,
    Preference,
    Preferred,
    State,
    Role
);

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.millis()))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_millis)
    }
}

impl ToSql for MicroDollars {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0))
    }
}

impl FromSql for MicroDollars {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// A moment that may not have come: 0 in the column.
pub(super) fn moment(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Timestamp>> {
    let millis: i64 = row.get(column)?;
    Ok((millis != 0).then(|| Timestamp::from_millis(millis)))
}

/// A text that may be absent: empty in the column.
pub(super) fn text(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<String>> {
    let text: String = row.get(column)?;
    Ok((!text.is_empty()).then_some(text))
}

/// A count. Nothing we store is negative.
pub(super) fn count(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|count| count.max(0) as u64)
}

/// The inverse of `count`.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value written by `to_json`.
pub(super) fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    let index = column.idx(row.as_ref())?;
    let text = row.get_ref(index)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

/// JSON text for a column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}
