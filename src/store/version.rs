//! The numbers in the database header that identify it as ours and give its schema version.

/// `Quir`: SQLite's application ID of our files.
pub const APPLICATION_ID: i32 = 0x5175_6972;

/// The schema version this program writes.
pub const VERSION: u32 = 11;
