//! Checks an installation: folder, disk, secret, database, machine, Redis, network, patterns, and providers. It repairs
//! nothing and leaves no files behind, but opening the database may migrate it, as starting the server would.

mod database_server;
mod disk;
pub mod health;
mod machine;
mod network;
mod originals;
mod redis;
mod setup;

use std::path::Path;

use crate::app::folder as data_folder;
use crate::app::patterns::InstallationPatterns;
use crate::app::{Error, Result, backups, documents, models, replica as replication};
use crate::clock;
use crate::config::Config;
use crate::crypto::secret;
use crate::domain::pattern::stored::PatternOrigin;
use crate::domain::time::Timestamp;
use crate::llm::Llm;
use crate::store::{self, BackupError, Store, audit};
use crate::system::{self, VolatileStorage};

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// The subject works.
    Ok,
    /// The subject works, but needs attention.
    Warning,
    /// The subject does not work.
    Failed,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Name of what was checked.
    pub subject: &'static str,
    /// Whether the subject works.
    pub state: CheckState,
    /// The finding, in a sentence.
    pub text: String,
}

fn finding(subject: &'static str, state: CheckState, text: impl Into<String>) -> CheckResult {
    CheckResult {
        subject,
        state,
        text: text.into(),
    }
}

/// Restores the replica's newest database to a temporary file and reads it completely, to prove that the
/// replica can be restored.
fn check_replica(config: &Config, replica: &crate::config::ReplicaConfig) -> CheckResult {
    let name = "replica";
    match replication::test_restore(config, replica) {
        Ok(None) => finding(
            name,
            CheckState::Warning,
            format!("{} contains no database yet", replica.address),
        ),
        Ok(Some(restored)) if restored.damage.is_empty() => {
            let text = format!(
                "{} contains a sound database of {} bytes",
                replica.address, restored.bytes
            );
            finding(name, CheckState::Ok, text)
        }
        Ok(Some(restored)) => finding(name, CheckState::Failed, restored.damage.join("; ")),
        Err(error) => finding(
            name,
            CheckState::Failed,
            format!("{}: {}", error.public, error.resolution),
        ),
    }
}

/// Runs the checks. If a check of the folder, the database files, the replica, or the backups fails, skips all later
/// checks.
pub async fn examine(config: &Config) -> Vec<CheckResult> {
    let mut findings: Vec<_> = config
        .warnings
        .iter()
        .map(|warning| finding("settings", CheckState::Warning, warning.clone()))
        .collect();
    let folder = disk::check_data_folder(&config.data_dir, config.limits.min_free);
    let is_usable = folder.state != CheckState::Failed;
    findings.push(folder);
    // The error for an unreadable folder says nothing about its database, so do not report it as damage.
    if let Err(error) = data_folder::check(config)
        && (is_usable || error.private.is_none())
    {
        let text = format!("{}. {}", error.public, error.resolution);
        findings.push(finding("database", CheckState::Failed, text));
    }
    findings.extend(
        config
            .replica
            .as_ref()
            .map(|replica| check_replica(config, replica)),
    );
    findings.extend(config.backups.as_ref().map(check_backups));
    if let Some(why) = ephemeral_file_system(&config.data_dir).filter(|_| config.replica.is_none())
    {
        findings.push(finding("data folder", CheckState::Warning, why));
    }
    if findings
        .iter()
        .any(|finding| finding.state == CheckState::Failed)
    {
        return findings;
    }
    let mut newest = None;
    if data_folder::has_database(config) {
        // A database on a server may be new, in which case there is no secret yet.
        if config.database_url.is_none() || secret::path(&config.data_dir).exists() {
            findings.push(check_secret(config));
        }
        let (found, at) = check_database(config).await;
        findings.extend(found);
        newest = at;
    } else {
        let text = "there is none yet; the first start creates it";
        findings.push(finding("database", CheckState::Warning, text));
    }
    findings.extend(setup::check_secrets(config));
    findings.extend(machine::examine(config, clock::now(), newest));
    findings.extend(check_ocr(config));
    findings.extend(redis::examine(config).await);
    findings.extend(check_network(config).await);
    findings.extend(check_patterns(config));
    findings.extend(check_providers(config).await);
    findings
}

/// Checks that the OCR program and its languages are installed, if OCR is switched on.
fn check_ocr(config: &Config) -> Option<CheckResult> {
    let found = documents::settings(config)
        .ok()?
        .examine_ocr(&config.data_dir)?;
    let state = match found.0 {
        true => CheckState::Ok,
        false => CheckState::Warning,
    };
    Some(finding("OCR", state, found.1))
}

/// Checks the automatic backups: whether their folder can be written, how old the newest one is, and whether it is
/// readable.
fn check_backups(config: &crate::config::BackupConfig) -> CheckResult {
    let (name, shown) = ("backups", config.folder.display());
    let found = match backups::copies(&config.folder) {
        Ok(found) => found,
        Err(error) => return finding(name, CheckState::Failed, format!("{shown}: {error}")),
    };
    if let Err(error) = disk::try_write(&config.folder) {
        let why = data_folder::io_reason(&error);
        let text = format!(
            "{shown} cannot be used: {why}; set QUIRE_BACKUP_DIR to a folder that this user can write, on a disk with \
             free space"
        );
        return finding(name, CheckState::Failed, text);
    }
    let Some(newest) = found.first() else {
        let text =
            format!("there is no backup in {shown} yet; the server writes one while it runs");
        return finding(name, CheckState::Warning, text);
    };
    if let Err(error) = store::verify(&config.folder.join(&newest.name)) {
        return finding(
            name,
            CheckState::Failed,
            format!("{}: {error}", newest.name),
        );
    }
    let hours = clock::now().since(newest.at).as_secs() / 3600;
    let state = match hours > 2 * config.interval.as_secs() / 3600 {
        true => CheckState::Warning,
        false => CheckState::Ok,
    };
    let (name_of, count) = (&newest.name, found.len());
    let text =
        format!("{shown} contains {count}; the newest, {name_of}, is {hours} hours old and sound");
    finding(name, state, text)
}

fn check_secret(config: &Config) -> CheckResult {
    if config.secret.is_some() {
        return finding("secret", CheckState::Ok, "it is set in QUIRE_SECRET");
    }
    if !secret::path(&config.data_dir).exists() {
        let text = "the file `secret` in the data folder is missing: put it back from a copy, or run `quire secret new` \
                    (everyone must sign in again, and stored provider keys must be entered again)";
        return finding("secret", CheckState::Failed, text);
    }
    let is_exposed = secret::read_or_create(&config.data_dir)
        .and_then(|_| Ok(secret::is_exposed(&config.data_dir)?));
    match is_exposed {
        Ok(false) => finding(
            "secret",
            CheckState::Ok,
            "it is in the data folder, readable only by its owner",
        ),
        Ok(true) => finding(
            "secret",
            CheckState::Failed,
            "other users of this machine can read the file `secret` in the data folder; run chmod 600 on it",
        ),
        Err(error) => finding(
            "secret",
            CheckState::Failed,
            format!(
                "the file `secret` in the data folder {error}: put it back from a copy, or move it elsewhere and run \
                 `quire secret new` (everyone must sign in again, and stored provider keys must be entered again)"
            ),
        ),
    }
}

/// Runs the network checks on a blocking thread.
async fn check_network(config: &Config) -> Vec<CheckResult> {
    let config = config.clone();
    let task = tokio::task::spawn_blocking(move || {
        let mut findings = setup::check_addresses(&config);
        findings.extend(network::examine(&config));
        findings
    });
    let task = task.await;
    task.unwrap_or_default()
}

/// Checks the database. Returns the findings, and the time of the newest audit log entry.
async fn check_database(config: &Config) -> (Vec<CheckResult>, Option<Timestamp>) {
    let store = match data_folder::open_store(config) {
        Ok(store) => store,
        Err(error) => {
            let error = data_folder::soundness::open_error(config, &error);
            let text = format!("{}. {}", error.public, error.resolution);
            let found = finding("database", CheckState::Failed, text);
            return (vec![found], None);
        }
    };
    let mut findings = Vec::new();
    if let Some(saved) = store.backup_before_migration() {
        let text = format!(
            "it was just upgraded; the copy of the old database is {}",
            saved.display()
        );
        findings.push(finding("database", CheckState::Warning, text));
    }
    if let Err(error) = check_tables(&store, config).await {
        let text = format!("{}. {}", error.public, error.resolution);
        findings.push(finding("database", CheckState::Failed, text));
        return (findings, None);
    }
    findings.push(match store.probe().await {
        Ok(()) => {
            let text = format!("it can be read and written ({})", store.engine());
            finding("database", CheckState::Ok, text)
        }
        Err(error) => finding("database", CheckState::Failed, error.to_string()),
    });
    findings.extend(database_server::examine(&store).await);
    findings.extend(setup::check_accounts(&store, config).await);
    findings.extend(originals::examine(&store, config).await);
    let (compared, folder_config) = (store.clone(), config.clone());
    let problem = tokio::task::spawn_blocking(move || {
        data_folder::secret_check::secret_problem(&folder_config, &compared)
    });
    let problem = problem.await.ok().flatten();
    findings.extend(problem.map(|text| finding("secret", CheckState::Failed, text)));
    let newest = store.read(|db| audit::recent(db, 1, None)).await;
    let newest = newest
        .ok()
        .and_then(|all| all.first().map(|(_, entry)| entry.at));
    // Closing the store moves all data into a single file, which is then read completely.
    store.close().await;
    if store.is_embedded() {
        findings.push(check_soundness(&data_folder::database(&config.data_dir)));
    }
    (findings, newest)
}

/// Reads the whole database file, to find damage anywhere in it.
fn check_soundness(path: &Path) -> CheckResult {
    let (state, text) = match store::verify(path) {
        Ok(verified) => {
            let (version, bytes) = (verified.version, verified.bytes);
            let text = format!("it is sound: version {version}, {bytes} bytes");
            (CheckState::Ok, text)
        }
        Err(BackupError::Damaged(why)) => {
            let why = why.lines().collect::<Vec<_>>().join(" ");
            let text = format!(
                "it is damaged: {why}. Copy the data folder first, then restore the newest backup: quire restore FILE \
                 --replace"
            );
            (CheckState::Failed, text)
        }
        Err(error) => (CheckState::Failed, error.to_string()),
    };
    finding("database", state, text)
}

async fn check_tables(store: &Store, config: &Config) -> Result<()> {
    let (store, folder) = (store.clone(), config.data_dir.clone());
    let read =
        tokio::task::spawn_blocking(move || data_folder::soundness::check_tables(&folder, &store));
    read.await.map_err(Error::internal)?
}

/// Checks the patterns in the folder; the built-in ones are tested at build time.
fn check_patterns(config: &Config) -> Vec<CheckResult> {
    let (installation_patterns, errors) = InstallationPatterns::open(config);
    let read = installation_patterns
        .all()
        .iter()
        .filter(|pattern| pattern.origin == PatternOrigin::Folder);
    let mut findings: Vec<CheckResult> = errors
        .into_iter()
        .map(|error| finding("patterns", CheckState::Warning, format!("skipped: {error}")))
        .collect();
    match read.count() {
        0 => {}
        1 => findings.push(finding(
            "patterns",
            CheckState::Ok,
            "the patterns folder contains one",
        )),
        more => {
            let text = format!("the patterns folder contains {more}");
            findings.push(finding("patterns", CheckState::Ok, text));
        }
    }
    findings
}

/// Sends a request to each provider, because a configured key may still be rejected.
async fn check_providers(config: &Config) -> Vec<CheckResult> {
    let llm = Llm::new(models::settings(config));
    llm.refresh().await;
    let mut findings = Vec::new();
    for provider in llm.providers(None) {
        let (state, text) = match (provider.status, provider.message.as_str()) {
            ("ready", _) => (
                CheckState::Ok,
                format!("responds and offers {} models", provider.models),
            ),
            (status, "") => (CheckState::Warning, status.to_owned()),
            (_, message) => (CheckState::Warning, message.to_owned()),
        };
        findings.push(finding(
            "provider",
            state,
            format!("{}: {text}", provider.id),
        ));
    }
    if findings.is_empty() {
        let (state, text) = match llm.offers_demo_models() {
            true => (
                CheckState::Warning,
                "no provider is configured; only the offline demo models are available",
            ),
            false => (
                CheckState::Failed,
                "no provider is configured, and the demo models are off (USE_MOCK): set a key such as OPENAI_API_KEY, or add \
                 one with quire provider add",
            ),
        };
        findings.push(finding("providers", state, text));
    }
    findings
}

/// Returns the reason why stored data may not survive a restart: the folder is in memory, or in the writable layer
/// of a container.
pub fn ephemeral_file_system(folder: &Path) -> Option<String> {
    let why = match system::volatile_storage(folder)? {
        VolatileStorage::Memory => "is in memory",
        VolatileStorage::ContainerLayer => "is in the container's own layer, not on a mounted disk",
    };
    Some(format!(
        "{} {why}: it is lost at a restart",
        folder.display()
    ))
}
