//! The numbers in the database header that identify the file as Quire's and give its schema version.

/// `Quir`: SQLite's application ID for Quire's files.
pub const APPLICATION_ID: i32 = 0x5175_6972;

/// The schema version this program writes.
pub const VERSION: u32 = 11;
