//! Values of parameters and columns, independent of the engine: 64-bit integers, floats, text, and bytes. Booleans are
//! the integers 0 and 1.

use super::error::StoreError;

/// A value of a parameter or a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// An integer or boolean.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A type that can be bound as a parameter.
pub trait ToValue {
    /// Returns the value.
    fn to_value(&self) -> Value<'_>;
}

/// A type that can be read from a column.
pub trait FromValue: Sized {
    /// Converts a value. Returns `None` if it has another type or is not valid.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

/// The parameters of a statement, in order.
pub trait Params {
    /// Passes the values to `work`. Code that runs statements takes a slice of values, so that it is compiled once
    /// instead of once per combination of parameter types.
    fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T;
}

/// Creates a parameter list of any length and of mixed types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::params::ToValue::to_value(&$value)),*]
    };
}
pub(super) use params;

impl<const N: usize> Params for &[Value<'_>; N] {
    fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T {
        work(*self)
    }
}

impl Params for &[Value<'_>] {
    fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T {
        work(self)
    }
}

impl Params for [(); 0] {
    fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T {
        work(&[])
    }
}

macro_rules! as_arrays {
    ($($length:literal),*) => {$(
        impl<V: ToValue> Params for [V; $length] {
            fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T {
                work(&self.each_ref().map(ToValue::to_value))
            }
        }
    )*};
}
as_arrays!(1, 2, 3);

macro_rules! as_tuple {
    ($($name:ident $place:tt),*) => {
        impl<$($name: ToValue),*> Params for ($($name,)*) {
            fn with_values<T>(&self, work: impl FnOnce(&[Value<'_>]) -> T) -> T {
                work(&[$(self.$place.to_value()),*])
            }
        }
    };
}
as_tuple!(A 0, B 1);
as_tuple!(A 0, B 1, C 2);
as_tuple!(A 0, B 1, C 2, D 3);
as_tuple!(A 0, B 1, C 2, D 3, E 4);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
as_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14);

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! as_integer {
    ($($name:ty),*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        }
        impl FromValue for $name {
            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Integer(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
as_integer!(u16, u32, i32, i64);

impl ToValue for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl ToValue for f64 {
    fn to_value(&self) -> Value<'_> {
        Value::Real(*self)
    }
}

impl FromValue for f64 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Real(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

/// Returns the error for a column whose value has an unexpected type.
#[cold]
pub(super) fn conversion_error(column: usize) -> StoreError {
    StoreError::Failed(format!("column {column} has a value that cannot be read"))
}
