//! The quick check of a database: reads the first page of each table of the schema.

use std::sync::LazyLock;

use super::connection::Reader;
use super::error::Result;
use super::migrate::SCHEMA;

static QUERY: LazyLock<String> = LazyLock::new(|| {
    // Through an index, the table itself would not be read.
    let page =
        |table| format!("(SELECT count(*) FROM (SELECT 1 FROM {table} NOT INDEXED LIMIT 1))");
    let pages: Vec<String> = tables().map(page).collect();
    format!("SELECT {}", pages.join(", "))
});

/// Reads from each table.
///
/// # Errors
/// When a table is missing or its first page cannot be read.
pub(super) fn read(db: &Reader) -> Result<()> {
    db.one(&QUERY, [], |_| Ok(()))
}

/// The tables that the schema declares, without what full-text search keeps.
fn tables() -> impl Iterator<Item = &'static str> {
    SCHEMA.lines().filter_map(|line| {
        line.strip_prefix("CREATE TABLE ")?
            .split_whitespace()
            .next()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::with_writer;
    use super::*;

    #[test]
    fn every_table_of_the_schema_is_read() {
        with_writer(|db| {
            let listed = "SELECT name FROM pragma_table_list
                WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";
            let listed: Vec<String> = db.all(listed, [], |row| row.get(0))?;
            let read: BTreeSet<String> = tables().map(str::to_owned).collect();
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), read);
            assert!(read.len() > 30, "{read:?}");
            super::read(db)?;
            for table in &read {
                let hide = format!("ALTER TABLE {table} RENAME TO hidden");
                let show = format!("ALTER TABLE hidden RENAME TO {table}");
                db.batch(&hide)?;
                let error = super::read(db).expect_err(table).to_string();
                assert!(
                    error.contains(&format!("no such table: {table}")),
                    "{error}"
                );
                db.batch(&show)?;
            }
            Ok(())
        });
    }
}
