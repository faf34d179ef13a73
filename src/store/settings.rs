//! Settings that can be changed at run time: text values by key.

use super::connection::{Reader, Writer};
use super::error::Result;

/// Returns the value of a key, if it has one.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn get(db: &Reader, key: &str) -> Result<Option<String>> {
    db.query_optional("SELECT value FROM settings WHERE key = ?1", [key], |row| {
        row.get(0)
    })
}

/// Sets the value of a key, replacing any earlier one.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set(db: &Writer, key: &str, value: &str) -> Result<()> {
    db.run(
        "INSERT INTO settings (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
    .map(drop)
}

/// Sets the value of a key unless it already has one.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set_once(db: &Writer, key: &str, value: &str) -> Result<()> {
    db.run(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
        (key, value),
    )
    .map(drop)
}

/// Removes the value of a key.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn remove(db: &Writer, key: &str) -> Result<()> {
    db.run("DELETE FROM settings WHERE key = ?1", [key])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_writer;
    use super::*;

    #[test]
    fn the_last_value_counts() {
        with_writer(|db| {
            assert_eq!(get(db, "a"), Ok(None));
            set(db, "a", "1")?;
            set(db, "a", "2")?;
            set_once(db, "a", "3")?;
            assert_eq!(get(db, "a"), Ok(Some("2".into())));
            remove(db, "a")?;
            assert_eq!(get(db, "a"), Ok(None));
            set_once(db, "a", "4")?;
            assert_eq!(get(db, "a"), Ok(Some("4".into())));
            Ok(())
        });
    }
}
