//! A result row of either engine. Values are borrowed from the row; only conversions to owned types allocate.

use super::error::{Result, StoreError};
use super::params::{FromValue, Value, conversion_error};
use super::postgres::{self, PostgresRow};
use super::sqlite::{self, SqliteRow};

/// A result row, which is valid until the next one is fetched.
pub struct Row<'r>(RowSource<'r>);

enum RowSource<'r> {
    Sqlite(&'r SqliteRow<'r>),
    Postgres(&'r PostgresRow),
}

/// Identifies a column, by position or by name.
pub trait Column {
    /// Returns the column's position.
    ///
    /// # Errors
    /// Returns an error if there is no such column.
    fn position(self, row: &Row<'_>) -> Result<usize>;
}

impl Column for usize {
    fn position(self, _: &Row<'_>) -> Result<usize> {
        Ok(self)
    }
}

impl Column for &str {
    fn position(self, row: &Row<'_>) -> Result<usize> {
        row.position_of(self)
            .ok_or_else(|| StoreError::Failed(format!("no column {self}")))
    }
}

impl<'r> Row<'r> {
    pub(super) fn of_sqlite(row: &'r SqliteRow<'r>) -> Self {
        Self(RowSource::Sqlite(row))
    }

    pub(super) fn of_postgres(row: &'r PostgresRow) -> Self {
        Self(RowSource::Postgres(row))
    }

    /// Returns the value of a column, converted to the requested type.
    ///
    /// # Errors
    /// Returns an error if there is no such column or its value has another type.
    pub(super) fn get<C: Column, T: FromValue>(&self, column: C) -> Result<T> {
        let position = column.position(self)?;
        T::from_value(self.value(position)?).ok_or_else(|| conversion_error(position))
    }

    /// Borrows the text in a column.
    ///
    /// # Errors
    /// Returns an error if there is no such column or its value is not text.
    pub(super) fn text(&self, column: impl Column) -> Result<&str> {
        let position = column.position(self)?;
        match self.value(position)? {
            Value::Text(text) => Ok(text),
            _ => Err(conversion_error(position)),
        }
    }

    /// Borrows the bytes in a column.
    ///
    /// # Errors
    /// Returns an error if there is no such column or its value is not bytes.
    pub(super) fn bytes(&self, column: impl Column) -> Result<&[u8]> {
        let position = column.position(self)?;
        match self.value(position)? {
            Value::Blob(bytes) => Ok(bytes),
            _ => Err(conversion_error(position)),
        }
    }

    /// Returns the value in the column at a position. It is not inlined, because the copies for all columns of all
    /// statements took a megabyte of code.
    ///
    /// # Errors
    /// Returns an error if there is no such column or its text is not valid.
    #[inline(never)]
    pub(super) fn value(&self, position: usize) -> Result<Value<'_>> {
        match &self.0 {
            RowSource::Sqlite(row) => sqlite::value_of(row, position),
            RowSource::Postgres(row) => postgres::value_of(row, position),
        }
    }

    /// Returns the name of the column at a position, if there is one.
    pub(super) fn name(&self, position: usize) -> Option<&str> {
        match &self.0 {
            RowSource::Sqlite(row) => row.as_ref().column_name(position).ok(),
            RowSource::Postgres(row) => row.columns().get(position).map(|column| column.name()),
        }
    }

    #[inline(never)]
    fn position_of(&self, name: &str) -> Option<usize> {
        match &self.0 {
            RowSource::Sqlite(row) => row.as_ref().column_index(name).ok(),
            RowSource::Postgres(row) => {
                let mut columns = row.columns().iter();
                columns.position(|column| column.name() == name)
            }
        }
    }
}
