//! Calls to models: one blocking call a thread, and the offline demo models behind the same door.

pub mod demo;
