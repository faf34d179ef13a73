//! Restores the data folder's database from the replica if there is none, and replicates its changes while the server
//! runs. Refuses to replicate an old folder over a newer replica.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::folder::database;
use super::replace_database::ReplaceDatabase;
use super::{App, Error, Kind, Result};
use crate::clock;
use crate::config::{Config, ReplicaConfig};
use crate::crypto::{self, stream::StreamCipher};
use crate::log;
use crate::objects::s3::{self, S3};
use crate::objects::target::{Target, TargetError};
use crate::replica::encrypted::{self, EncryptedTarget};
use crate::replica::folder::FolderTarget;
use crate::replica::names::{Inventory, SECRET_NOTE};
use crate::replica::ownership::{self, PreviousHolder, ReplicaLease};
pub use crate::replica::replicator::ReplicaStatus;
use crate::replica::replicator::{self, Replicator};
use crate::replica::restore::{RestoredFiles, restore};
use crate::replica::wal_spool::{SpoolShared, WalSpool};
use crate::store::{Store, WalFollower, verify};

/// Gap left in the numbering of changes. A previous process that is still running may send up to this many more
/// changes, and this process numbers its own changes after them.
const NUMBERING_GAP: u64 = 100_000;

/// Replication that is set up but not yet attached to a store.
pub(super) struct PreparedReplica {
    settings: replicator::ReplicatorSettings,
    shared: Arc<SpoolShared>,
    lease: ReplicaLease,
    // The path of the folder's secret, if the secret is replicated.
    secret: Option<PathBuf>,
}

/// Returns the storage at the replica's address, with encryption if a key is set.
///
/// # Errors
/// Returns an error if the address or the key is invalid, the storage cannot be listed, or its contents are encrypted
/// although no key is set, or the reverse.
pub(super) fn target(config: &Config, replica: &ReplicaConfig) -> Result<Arc<dyn Target>> {
    let inner = plain_target(config, replica)?;
    let sealer = replica.key.as_ref().map(|key| {
        StreamCipher::new(key.expose()).ok_or_else(|| {
            Error::new(Kind::Internal, "QUIRE_REPLICA_KEY is not a 32-byte key").resolve(
                "create one with `openssl rand -base64 32`, and store it separately from the replica",
            )
        })
    });
    let sealer = sealer.transpose()?;
    encrypted::check(&*inner, sealer.is_some()).map_err(|error| target_error(replica, &error))?;
    Ok(match sealer {
        Some(sealer) => Arc::new(EncryptedTarget::new(
            inner,
            sealer,
            config.data_dir.join("tmp"),
        )),
        None => Arc::from(inner),
    })
}

fn plain_target(config: &Config, replica: &ReplicaConfig) -> Result<Box<dyn Target>> {
    let unknown = || {
        let text = format!(
            "QUIRE_REPLICA is {}, which is not a valid address",
            replica.address
        );
        Error::new(Kind::Internal, text)
            .resolve("use s3://bucket/prefix or file:///path/to/a/folder")
    };
    if replica.address.starts_with("s3://") {
        let variable = |name: &str| std::env::var(name).ok();
        let mut settings = s3::address(&replica.address, &variable)
            .map_err(|why| target_error(replica, &TargetError::Refused(why)))?;
        settings.authorities.clone_from(&config.authorities);
        return Ok(Box::new(S3::open(settings)));
    }
    match replica.address.strip_prefix("file://") {
        Some(path) if path.starts_with('/') => {
            let folder = FolderTarget::open(Path::new(path))
                .map_err(|error| target_error(replica, &error))?;
            Ok(Box::new(folder))
        }
        _ => Err(unknown()),
    }
}

/// Restores the folder's secret from the replica if the folder has none. The secret is replicated only in encrypted
/// form, because it gives access to sessions and provider keys.
fn fetch_secret(config: &Config, replica: &ReplicaConfig, target: &dyn Target) -> Result<()> {
    let path = config.data_dir.join("secret");
    if replica.key.is_none() || config.secret.is_some() || path.exists() {
        return Ok(());
    }
    let mut text = String::new();
    let fetched = match target.get(SECRET_NOTE) {
        Err(TargetError::Missing) => return Ok(()),
        Err(error) => Err(error),
        Ok(from) => from
            .take(1024)
            .read_to_string(&mut text)
            .map_err(|error| TargetError::Failed(error.to_string())),
    };
    fetched.map_err(|error| target_error(replica, &error))?;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(Error::internal)
}

fn target_error(replica: &ReplicaConfig, error: &TargetError) -> Error {
    let text = format!("cannot use the replica {}: {error}", replica.address);
    Error::new(Kind::Internal, text)
        .resolve("fix the cause, or remove QUIRE_REPLICA to start with the data on this machine")
}

/// Restores a replica's database if the folder has none. With `replaces`, also replaces an existing database, which is
/// kept under another name. Returns `None` if there is nothing to restore, or if the folder keeps its database.
///
/// # Errors
/// Returns an error if the replica cannot be read, or the restored database cannot be put in place.
pub(super) fn fetch(
    config: &Config,
    replica: &ReplicaConfig,
    target: &dyn Target,
    replaces: bool,
) -> Result<Option<RestoredFiles>> {
    let path = database(&config.data_dir);
    if path.exists() && !replaces {
        return Ok(None);
    }
    let started = clock::instant();
    let part = path.with_extension("db.fetched");
    let fetched = restore(target, &part).map_err(|error| target_error(replica, &error))?;
    let Some(restored) = fetched else {
        log::info(
            "the replica contains no database yet",
            &[("replica", &replica.address)],
        );
        return Ok(None);
    };
    let move_into_place = || {
        verify(&part).map_err(|error| error.to_string())?;
        if path.exists() {
            let swap = ReplaceDatabase::new(part.clone(), path.clone(), clock::now());
            return swap.run().map(drop).map_err(|error| error.to_string());
        }
        // The log of a removed database must not be applied to the restored one.
        remove_log(&path);
        remove_log(&part);
        std::fs::rename(&part, &path).map_err(|error| error.to_string())?;
        let folder = std::fs::File::open(&config.data_dir).map_err(|error| error.to_string())?;
        folder.sync_all().map_err(|error| error.to_string())
    };
    move_into_place().map_err(|why| {
        let _ = std::fs::remove_file(&part);
        target_error(replica, &TargetError::Refused(why))
    })?;
    for damage in &restored.damage {
        log::error("skipped damaged data in the replica", &[("what", damage)]);
    }
    log::info(
        "restored from the replica",
        &[
            ("replica", &replica.address),
            ("bytes", &restored.bytes),
            ("changes", &restored.changes),
            ("ms", &(clock::instant() - started).as_millis()),
        ],
    );
    Ok(Some(restored))
}

/// Tests the replica by restoring it into a temporary file and verifying the result. Returns `None` if the replica has
/// no database.
///
/// # Errors
/// Returns an error if the replica cannot be read, the restored database is damaged, or the temporary folder cannot be
/// written.
pub(super) fn test_restore(
    config: &Config,
    replica: &ReplicaConfig,
) -> Result<Option<RestoredFiles>> {
    let folder = config.data_dir.join("tmp");
    std::fs::create_dir_all(&folder).map_err(Error::internal)?;
    let part = folder.join(format!("rehearsal-{}.db", std::process::id()));
    let target = target(config, replica)?;
    let restored = restore(&*target, &part).map_err(|error| target_error(replica, &error));
    let verified = restored.and_then(|restored| {
        let verified = restored
            .as_ref()
            .map_or(Ok(()), |_| verify(&part).map(drop));
        verified
            .map_err(|error| target_error(replica, &TargetError::Refused(error.to_string())))?;
        Ok(restored)
    });
    remove_log(&part);
    let _ = std::fs::remove_file(part);
    verified
}

// Removes the log (`-wal`) of a database and the log's index (`-shm`).
fn remove_log(database: &Path) {
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
}

/// Takes over the replica. Restores the folder's database from it if the folder has none, or if its database was handed
/// over. Also restores a missing secret.
///
/// # Errors
/// Returns an error if the replica cannot be used, or if another installation has written to it.
pub(super) fn prepare(config: &Config, replica: &ReplicaConfig) -> Result<PreparedReplica> {
    let to_error = |error: TargetError| target_error(replica, &error);
    let target = target(config, replica)?;
    let data = &config.data_dir;
    let has_database = database(data).exists();
    // After a handover, everything in the local database is also in the replica, so the replica may replace it.
    let replaces = has_database && !replica.overwrite && ownership::is_handed_over(data);
    let may_continue = !has_database || replica.overwrite || replaces;
    if !may_continue && !ownership::is_known(&*target, data).map_err(to_error)? {
        let text = format!(
            "another installation has written to the replica {} since {} did",
            replica.address,
            data.display()
        );
        return Err(Error::new(Kind::Conflict, text).resolve(
            "to continue with the replica, move quire.db (and quire.db-wal) out of the folder and start again; \
             to continue with the folder, start once with QUIRE_REPLICA_OVERWRITE=true",
        ));
    }
    let id = crypto::hex(&crypto::random::<16>()?);
    let (holder, previous) =
        ReplicaLease::claim(Arc::clone(&target), id, data).map_err(to_error)?;
    if previous == PreviousHolder::Unresponsive {
        log::warn(
            "the previous writer has not released the replica",
            &[("replica", &replica.address)],
        );
    }
    fetch_secret(config, replica, &*target)?;
    let fetched = fetch(config, replica, &*target, replaces)?;
    let newest = Inventory::list(&*target).map_err(to_error)?.newest();
    let is_complete = fetched
        .as_ref()
        .is_some_and(|restored| restored.damage.is_empty() && restored.position == newest);
    let continues = is_complete && previous == PreviousHolder::Released;
    let newest = match previous {
        PreviousHolder::Released => newest,
        PreviousHolder::Unresponsive => newest + NUMBERING_GAP,
    };
    let restored_from = fetched.map_or(0, |restored| restored.changes);
    let settings = replicator::ReplicatorSettings {
        target,
        display_address: replica.address.clone(),
        sync_interval: replica.sync_interval,
        keep: replica.keep,
        data_dir: data.clone(),
        originals_elsewhere: config.document_store.is_some(),
        restored_from,
    };
    let shared = SpoolShared::new(newest, !continues);
    let is_replicated = replica.key.is_some() && config.secret.is_none();
    let secret = is_replicated.then(|| data.join("secret"));
    Ok(PreparedReplica {
        settings,
        shared,
        lease: holder,
        secret,
    })
}

impl PreparedReplica {
    /// Returns the component that copies the store's write-ahead log for replication.
    pub(super) fn follower(&self) -> Box<dyn WalFollower> {
        let folder = self.settings.data_dir.join("tmp").join("replica");
        Box::new(WalSpool::new(Arc::clone(&self.shared), folder))
    }

    /// Starts replicating the store's changes.
    ///
    /// # Errors
    /// Returns an error if the replica cannot be written, or no thread can be started.
    pub(super) fn start(self, store: Store) -> Result<Replicator> {
        if let Some(secret) = &self.secret
            && let Ok(file) = std::fs::File::open(secret)
        {
            let upload = self.settings.target.put(SECRET_NOTE, &file, false);
            upload.map_err(|error| {
                Error::new(Kind::Internal, format!("cannot use the replica: {error}"))
            })?;
        }
        Replicator::start(self.settings, self.shared, store, self.lease).map_err(Error::internal)
    }
}

impl App {
    /// Whether another process took over the replica and has since ended, so that no process is storing data.
    pub fn is_abandoned(&self) -> bool {
        self.replica
            .as_ref()
            .is_some_and(|shipper| shipper.status().is_abandoned)
    }

    /// Closes the store for writes and sends the remaining changes until the deadline, but for at least two seconds.
    /// Logs an error if any are left.
    pub(super) async fn finish_replica(self: &Arc<Self>, until: Instant) {
        let app = Arc::clone(self);
        let work = move || {
            let Some(shipper) = &app.replica else { return };
            app.store.close_for_writes();
            let left = until
                .saturating_duration_since(clock::instant())
                .max(Duration::from_secs(2));
            let is_finished = shipper.finish(left);
            let status = shipper.status();
            let handed_over = status.is_superseded && status.waiting.0 == 0;
            if !is_finished && !handed_over {
                let why = status.error.unwrap_or_else(|| "the time ran out".into());
                log::error(
                    "the replica is incomplete: the newest changes are only in the data folder",
                    &[
                        ("replica", &status.display_address),
                        ("why", &why),
                        ("changes", &status.waiting.0),
                    ],
                );
            }
        };
        let _ = tokio::task::spawn_blocking(work).await;
    }
}
