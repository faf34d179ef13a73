//! Formats of the outside world: bytes in, facts out. Pure.

pub mod openai;
pub mod sse;
mod think;
