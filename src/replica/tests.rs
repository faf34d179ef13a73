//! Random changes, log reads, snapshots, other processes, and crashes: the restored database always equals the
//! original.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::folder::FolderTarget;
use super::names;
use super::restore::{RestoredFiles, restore};
use super::snapshots;
use super::target::TargetError;
use super::wal_spool::{SpoolShared, WalSpool, file_of};
use crate::store::{Store, StoreError, StoreSettings, settings, verify};

struct Place(PathBuf);

impl Place {
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

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store with its log follower and sender, driven step by step.
struct Rig {
    store: Store,
    shared: Arc<SpoolShared>,
    target: FolderTarget,
    spool: PathBuf,
    database: PathBuf,
}

impl Rig {
    fn new(place: &Place) -> Self {
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
    fn look(&self) {
        match self.store.look_now() {
            Ok(()) | Err(StoreError::Busy) => {}
            other => panic!("{other:?}"),
        }
    }
    /// One round of the replicator.
    fn send(&self) {
        self.look();
        if self.shared.lock().lost {
            self.copy();
        }
        while let Some(first) = self.shared.lock().waiting.pop_front() {
            let path = file_of(&self.spool, first.number);
            snapshots::put(&self.target, &names::change(first.number), &path).unwrap();
        }
    }
    fn copy(&self) {
        let held = self.store.hold_now().unwrap();
        let number = self.shared.lock().held_at;
        let path = self.spool.join("copy");
        snapshots::of(held.file(), held.page_size, held.pages, &path, number).unwrap();
        match snapshots::put(&self.target, &names::snapshot(number), &path) {
            Ok(_) | Err(TargetError::Taken) => {}
            other => panic!("{other:?}"),
        }
    }
    fn restored(&self, to: &Path) -> RestoredFiles {
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
enum Step {
    Write(u16),
    Look,
    Send,
    Copy,
    Checkpoint,
    Other(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u16..20_000).prop_map(Step::Write),
        2 => Just(Step::Look),
        3 => Just(Step::Send),
        1 => Just(Step::Copy),
        1 => Just(Step::Checkpoint),
        1 => (1_u16..9000).prop_map(Step::Other),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn the_restored_database_equals_the_original(steps in steps()) {
        let place = Place::new("steps");
        let rig = Rig::new(&place);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (number, step) in steps.iter().enumerate() {
            let text = |length: u16| format!("{number} {}", "x".repeat(usize::from(length)));
            match *step {
                Step::Write(length) => rig.set(&rig.store, &text(length)),
                Step::Look => rig.look(),
                Step::Send => rig.send(),
                Step::Copy => rig.copy(),
                Step::Checkpoint => { let _ = runtime.block_on(rig.store.checkpoint()); }
                Step::Other(length) => {
                    // Does what the command line does while a server runs.
                    let other = Store::open(&StoreSettings { path: rig.database.clone() }).unwrap();
                    rig.set(&other, &text(length));
                    runtime.block_on(other.close());
                }
            }
        }
        rig.send();
        rig.send();
        let now = rig.store.read_now(|db| settings::get(db, "test")).unwrap();
        let restored = rig.restored(&place.at("back.db"));
        prop_assert_eq!(restored.damage, Vec::<String>::new());
        prop_assert_eq!(restored.position, restored.newest);
        prop_assert!(value(&place.at("back.db")) == now);
    }
}
