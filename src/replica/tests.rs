//! Tests that the restored database always equals the original, with random sequences of changes, log reads, snapshots,
//! changes by other processes, and crashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::folder::FolderTarget;
use super::names;
use super::restore::{RestoredFiles, restore};
use super::snapshots;
use super::wal_spool::{SpoolShared, WalSpool, change_path};
use crate::objects::target::TargetError;
use crate::store::{Store, StoreError, StoreSettings, settings, verify};

struct TestFolder(PathBuf);

impl TestFolder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("quire-replica-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("spool")).unwrap();
        Self(path)
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store with its log spool and a target, driven step by step.
struct ReplicaFixture {
    store: Store,
    shared: Arc<SpoolShared>,
    target: FolderTarget,
    spool: PathBuf,
    database: PathBuf,
}

impl ReplicaFixture {
    fn new(place: &TestFolder) -> Self {
        let shared = SpoolShared::new(0, true);
        let (spool, database) = (place.at("spool"), place.at("quire.db"));
        let follower = WalSpool::new(Arc::clone(&shared), spool.clone());
        let settings = StoreSettings {
            path: database.clone(),
        };
        let store = Store::open_followed(&settings, Some(Box::new(follower))).unwrap();
        let target = FolderTarget::open(&place.at("replica")).unwrap();
        Self {
            store,
            shared,
            target,
            spool,
            database,
        }
    }
    fn set(&self, store: &Store, value: &str) {
        let value = value.to_owned();
        store
            .write_now(move |db| settings::set(db, "test", &value))
            .unwrap();
    }
    fn spool_changes(&self) {
        match self.store.notify_follower() {
            Ok(()) | Err(StoreError::Busy) => {}
            other => panic!("{other:?}"),
        }
    }
    /// Sends everything to the target as a round of the replicator does.
    fn send(&self) {
        self.spool_changes();
        if self.shared.lock().has_lost_changes {
            self.copy();
        }
        while let Some(first) = self.shared.lock().waiting_changes.pop_front() {
            let path = change_path(&self.spool, first.number);
            snapshots::upload_snapshot(&self.target, &names::change_name(first.number), &path)
                .unwrap();
        }
    }
    fn copy(&self) {
        let held_snapshot = self.store.hold_for_snapshot().unwrap();
        let number = self.shared.lock().snapshot_position;
        let path = self.spool.join("copy");
        snapshots::write_snapshot(
            held_snapshot.file(),
            held_snapshot.page_size,
            held_snapshot.pages,
            &path,
            number,
        )
        .unwrap();
        match snapshots::upload_snapshot(&self.target, &names::snapshot_name(number), &path) {
            Ok(_) | Err(TargetError::Taken) => {}
            other => panic!("{other:?}"),
        }
    }
    fn restore_to(&self, to: &Path) -> RestoredFiles {
        let restored = restore(&self.target, to).unwrap().expect("a database");
        verify(to).unwrap();
        restored
    }
}

fn value(path: &Path) -> Option<String> {
    let store = Store::open(&StoreSettings {
        path: path.to_owned(),
    })
    .unwrap();
    store.read_now(|db| settings::get(db, "test")).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum ReplicaStep {
    Write(u16),
    ReadLog,
    Send,
    Copy,
    Checkpoint,
    Other(u16),
}

fn any_steps() -> impl Strategy<Value = Vec<ReplicaStep>> {
    let step = prop_oneof![
        4 => (1_u16..20_000).prop_map(ReplicaStep::Write),
        2 => Just(ReplicaStep::ReadLog),
        3 => Just(ReplicaStep::Send),
        1 => Just(ReplicaStep::Copy),
        1 => Just(ReplicaStep::Checkpoint),
        1 => (1_u16..9000).prop_map(ReplicaStep::Other),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn the_restored_database_equals_the_original(steps in any_steps()) {
        let place = TestFolder::new("steps");
        let fixture = ReplicaFixture::new(&place);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (number, step) in steps.iter().enumerate() {
            let text = |length: u16| format!("{number} {}", "x".repeat(usize::from(length)));
            match *step {
                ReplicaStep::Write(length) => fixture.set(&fixture.store, &text(length)),
                ReplicaStep::ReadLog => fixture.spool_changes(),
                ReplicaStep::Send => fixture.send(),
                ReplicaStep::Copy => fixture.copy(),
                ReplicaStep::Checkpoint => { let _ = runtime.block_on(fixture.store.checkpoint()); }
                ReplicaStep::Other(length) => {
                    // Another process changes the database, as a command may do while a server runs.
                    let other = Store::open(&StoreSettings { path: fixture.database.clone() }).unwrap();
                    fixture.set(&other, &text(length));
                    runtime.block_on(other.close());
                }
            }
        }
        fixture.send();
        fixture.send();
        let now = fixture.store.read_now(|db| settings::get(db, "test")).unwrap();
        let restored = fixture.restore_to(&place.at("back.db"));
        prop_assert_eq!(restored.damage, Vec::<String>::new());
        prop_assert_eq!(restored.position, restored.newest_change);
        prop_assert!(value(&place.at("back.db")) == now);
    }
}
