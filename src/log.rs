//! One-line records to stderr.
