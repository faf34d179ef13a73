//! SQLite. The only folder that contains SQL.
