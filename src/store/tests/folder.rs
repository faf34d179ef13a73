//! Temporary databases of either engine, for the store's tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::store::{Store, StoreSettings};

/// A temporary folder, which is deleted on drop.
pub(in crate::store) struct Folder(PathBuf);

impl Folder {
    pub(in crate::store) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "quire-store-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
    pub(in crate::store) fn path(&self) -> &Path {
        &self.0
    }
    /// Opens the database of this folder: on the PostgreSQL server in `QUIRE_TEST_POSTGRES`, or in SQLite if that is
    /// not set.
    pub(in crate::store) fn open(&self) -> Store {
        let Ok(server) = std::env::var("QUIRE_TEST_POSTGRES") else {
            return self.open_file();
        };
        let name = self.schema();
        run_on(&server, &format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""));
        let sign = if server.contains('?') { '&' } else { '?' };
        let address = format!("{server}{sign}options=-c%20search_path%3D{name}");
        Store::open_postgres(&address, None, &self.0).expect("a fresh store")
    }
    /// Opens a SQLite database, for features that only SQLite has.
    pub(in crate::store) fn open_file(&self) -> Store {
        let path = self.0.join("quire.db");
        Store::open(&StoreSettings { path }).expect("a fresh store")
    }
    fn schema(&self) -> String {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        name.replace('-', "_")
    }
}

fn run_on(server: &str, sql: &str) {
    let mut psql = std::process::Command::new("psql");
    let psql_output = psql.args(["-X", "-q", "-d", server, "-c", sql]).output();
    assert!(
        psql_output.is_ok_and(|output| output.status.success()),
        "{sql}"
    );
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Ok(server) = std::env::var("QUIRE_TEST_POSTGRES") {
            run_on(
                &server,
                &format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema()),
            );
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
