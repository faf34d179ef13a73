//! The numbers that mark a database as ours and name its schema.

/// `Quir`: marks the file as ours, for `file` and for us.
pub const APPLICATION_ID: i32 = 0x5175_6972;

/// The version this program writes.
pub const VERSION: u32 = 8;
