//! A quick check of the database, which reads the first page of each table.

use crate::store::connection::Reader;
use crate::store::error::Result;

/// Reads a row from every table that the schema creates, except the internal tables of full-text search. It is written
/// out because deriving it from the schema took half of all instructions at startup. A test compares the two.
const FIRST_PAGES_QUERY: &str = include_str!("first_pages.sql");

/// Reads the first page of each table of the schema.
///
/// # Errors
/// Returns an error if a table is missing or its first page cannot be read.
pub(in crate::store) fn read(db: &Reader) -> Result<()> {
    // The connection must be discarded, because it may have cached the contents of a damaged or half-written file.
    db.sqlite()?
        .query_rarely(FIRST_PAGES_QUERY)
        .inspect_err(|_| db.mark_broken())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::migrate::CURRENT_SCHEMA;
    use super::*;
    use crate::store::tests::Folder;
    use crate::store::{Store, StoreSettings};

    const PAGE_BYTES: usize = 4096;

    /// Lists the tables in the order of the schema, with the primary key columns of `WITHOUT ROWID` tables.
    const TABLES_QUERY: &str = "SELECT t.name,
            (SELECT group_concat(name, ', ') FROM
                (SELECT name FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk) WHERE t.wr)
        FROM sqlite_schema s JOIN pragma_table_list t ON t.name = s.name
        WHERE s.type = 'table' AND t.type = 'table' AND t.schema = 'main' AND t.name NOT LIKE 'sqlite_%'
        ORDER BY s.rowid";

    #[test]
    fn the_query_names_every_table_of_the_schema() -> rusqlite::Result<()> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(CURRENT_SCHEMA)?;
        let mut tables = db.prepare(TABLES_QUERY)?;
        let rows = tables.query_map([], |row| {
            let (table, key) = (row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?);
            // A query that uses another index would not read the table itself.
            let how = key.map_or("NOT INDEXED".to_owned(), |key| format!("ORDER BY {key}"));
            Ok(format!("    (SELECT 1 FROM {table} {how} LIMIT 1)"))
        })?;
        let rows: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        let expected = format!("SELECT\n{}\n", rows.join(",\n"));
        assert_eq!(
            FIRST_PAGES_QUERY, expected,
            "src/store/sqlite/first_pages.sql must be:\n{expected}"
        );
        Ok(())
    }

    fn table_roots(path: &std::path::Path) -> rusqlite::Result<Vec<(String, i64)>> {
        let db = Connection::open(path)?;
        let mut tables = db.prepare(
            "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND rootpage > 0
             AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts_%'",
        )?;
        let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        tables.collect()
    }

    #[test]
    fn damage_to_any_table_is_found() {
        let folder = Folder::new();
        folder.open_file().close_for_writes();
        let path = folder.path().join("quire.db");
        let intact_bytes = std::fs::read(&path).expect("a database");
        let tables = table_roots(&path).expect("tables");
        assert!(tables.len() > 30, "{tables:?}");
        for (table, page) in tables {
            let mut damaged = intact_bytes.clone();
            let page = usize::try_from(page).expect("a number");
            damaged[(page - 1) * PAGE_BYTES..page * PAGE_BYTES].fill(0xff);
            std::fs::write(&path, damaged).expect("written");
            let path = path.clone();
            let store = Store::open(&StoreSettings { path }).expect("its schema is sound");
            let damage = store.find_damage().expect("read");
            assert!(damage.is_some(), "{table}");
            store.close_for_writes();
        }
        std::fs::write(&path, intact_bytes).expect("written");
        assert_eq!(folder.open_file().find_damage(), Ok(None));
    }
}
