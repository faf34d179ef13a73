//! What happens behind each row of the table: read input into a checked type, call one use case, shape
//! the answer.

pub mod documents;
pub mod health;
pub mod pages;
