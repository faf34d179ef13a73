//! The numbers in the header of a SQLite file that identify it as Quire's and tell its schema version.

/// SQLite application ID of Quire's files: `Quir` in ASCII.
pub const APPLICATION_ID: i32 = 0x5175_6972;

/// The schema version that this program writes.
pub const VERSION: u32 = 11;
