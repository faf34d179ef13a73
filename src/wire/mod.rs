//! Formats of the outside world: bytes in, facts out. Pure.
