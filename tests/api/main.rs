//! Whole-server tests: the real server on a real socket. One crate, so that it is linked once.

mod documents;
