//! Conversion of parameters and columns to and from PostgreSQL's binary format.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::store::error::{Result, StoreError};
use crate::store::params::Value;

type ConversionFailure = Box<dyn Error + Sync + Send>;

/// A parameter, encoded as the type that the server has reported.
#[derive(Debug)]
pub(super) struct EncodedParam<'a>(pub(super) Value<'a>);

impl ToSql for EncodedParam<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, ConversionFailure> {
        match (self.0, kind) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => out.put_i64(number),
            (Value::Integer(number), &Type::INT4) => out.put_i32(number.try_into()?),
            (Value::Integer(number), &Type::INT2) => out.put_i16(number.try_into()?),
            (Value::Integer(number), &Type::FLOAT8) => out.put_f64(number as f64),
            (Value::Real(number), &Type::FLOAT8) => out.put_f64(number),
            (Value::Real(number), &Type::FLOAT4) => out.put_f32(number as f32),
            (Value::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => put_text(text, out),
            (Value::Blob(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (value, kind) => return Err(format!("{value:?} is not of the type {kind}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A parameter of a statement whose parameter types are unknown. It is sent as text, which the server converts to the
/// type that the statement needs.
#[derive(Debug)]
pub(super) struct UntypedParam<'a>(pub(super) Value<'a>);

impl ToSql for UntypedParam<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, ConversionFailure> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Integer(number) => out.put_slice(number.to_string().as_bytes()),
            // The shortest text that converts back to the same number.
            Value::Real(number) => out.put_slice(number.to_string().as_bytes()),
            Value::Text(text) => put_text(text, out),
            Value::Blob(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            Value::Blob(_) => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

/// Writes text, replacing U+0000, which PostgreSQL cannot store, with U+FFFD.
fn put_text(text: &str, out: &mut BytesMut) {
    for (number, part) in text.split('\0').enumerate() {
        if number > 0 {
            out.put_slice("\u{FFFD}".as_bytes());
        }
        out.put_slice(part.as_bytes());
    }
}

struct DecodedColumn<'a>(Value<'a>);

impl<'a> FromSql<'a> for DecodedColumn<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> std::result::Result<Self, ConversionFailure> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(kind, raw)?),
            Type::FLOAT4 => Value::Real(f32::from_sql(kind, raw)?.into()),
            Type::TEXT | Type::VARCHAR | Type::NAME => Value::Text(std::str::from_utf8(raw)?),
            Type::BYTEA => Value::Blob(raw),
            _ => return Err(format!("no use for the type {kind}").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, ConversionFailure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Returns the value in the column at a position.
///
/// # Errors
/// Returns an error if there is no such column or its type is not supported.
pub(in crate::store) fn value_of(row: &Row, position: usize) -> Result<Value<'_>> {
    match row.try_get::<_, DecodedColumn<'_>>(position) {
        Ok(DecodedColumn(value)) => Ok(value),
        Err(error) => Err(StoreError::Failed(error.to_string())),
    }
}
