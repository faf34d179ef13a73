//! Reads operands and dictionary entries as numbers, matrices, and text.

use hayro_syntax::content::Instruction;
use hayro_syntax::object::{Array, Dict, Name, Number, Object};

use super::matrix::Matrix;

/// Returns the object as a name; `None` if it is of another type.
pub fn name<'b, 'a>(object: &'b Object<'a>) -> Option<&'b Name<'a>> {
    match object {
        Object::Name(name) => Some(name),
        _ => None,
    }
}

/// Returns the last numeric operand, or zero if there is none.
pub fn last_number(instruction: &Instruction<'_, '_>) -> f64 {
    instruction
        .operands()
        .filter_map(number)
        .last()
        .unwrap_or(0.0)
}

/// Returns the first `COUNT` numeric operands; missing ones are zero.
pub fn numbers<const COUNT: usize>(instruction: &Instruction<'_, '_>) -> [f64; COUNT] {
    let mut all = [0.0; COUNT];
    for (slot, value) in all
        .iter_mut()
        .zip(instruction.operands().filter_map(number))
    {
        *slot = value;
    }
    all
}

/// Returns the object as a number; `None` if it is of another type.
pub fn number(object: &Object<'_>) -> Option<f64> {
    match object {
        Object::Number(number) => Some(number.as_f64()),
        _ => None,
    }
}

/// Returns the first six numeric operands as a matrix.
pub fn matrix_operands(instruction: &Instruction<'_, '_>) -> Matrix {
    Matrix(numbers(instruction))
}

/// Returns the `Matrix` entry of a dictionary, if it is a usable transformation.
pub fn matrix(dict: &Dict<'_>) -> Option<Matrix> {
    number_list(dict, "Matrix")
        .map(Matrix)
        .filter(|matrix| matrix.is_usable())
}

/// Returns a rectangle entry, with its lower left corner first.
pub fn rectangle(dict: &Dict<'_>, key: &str) -> Option<[f64; 4]> {
    let [x0, y0, x1, y1] = number_list(dict, key)?;
    Some([x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)])
}

/// Returns the first `COUNT` numbers of a list entry; `None` if there are fewer.
pub fn number_list<const COUNT: usize>(dict: &Dict<'_>, key: &str) -> Option<[f64; COUNT]> {
    let values: Vec<f64> = dict
        .get::<Array<'_>>(key)?
        .iter::<Number>()
        .take(COUNT)
        .map(|number| number.as_f64())
        .collect();
    values.try_into().ok()
}

/// Decodes a text string: UTF-16, UTF-8 with its byte order mark, or approximately Latin 1.
pub fn decode_text(bytes: &[u8]) -> String {
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        let units = rest
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&pair| u16::from_be_bytes(pair));
        return char::decode_utf16(units).filter_map(Result::ok).collect();
    }
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return String::from_utf8_lossy(rest).into_owned();
    }
    bytes
        .iter()
        .filter_map(|&byte| super::encoding::Base::Windows.character(byte))
        .collect()
}
