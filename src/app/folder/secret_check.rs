//! Reads the installation's secret at startup, or creates it at the first start, and compares it with the secret that
//! the database was used with. A different secret signs every user out and cannot decrypt stored provider keys, so
//! startup never continues with one silently.

use std::path::{Path, PathBuf};

use super::{check_exists, in_use_error, lock};
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::secret::{self, Unusable};
use crate::crypto::vault::Vault;
use crate::domain::provider::StoredProvider;
use crate::log;
use crate::store::{Store, providers, servers, settings, users};

/// Name of the setting that stores the check value for the database's secret.
const SETTING_NAME: &str = "secret_check";

/// Text in error messages that warns of what happens if the secret is changed.
const SECRET_CHANGE_CONSEQUENCE: &str =
    "everyone must sign in again, and stored provider keys must be entered again";

/// The kind of process that opens the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenedBy {
    /// A server. It stores the check value, and accepts a different secret if no provider keys are stored.
    Server,
    /// A command, which changes nothing, because its environment may lack the server's settings.
    Command,
}

/// The result of comparing the secret with the one the database was used with.
#[derive(Debug, PartialEq, Eq)]
enum SecretComparison {
    Same,
    /// The database has no check value yet, and nothing contradicts this secret.
    NotRecorded,
    /// The secret differs from the earlier one, with which `keys` provider keys were encrypted.
    Different {
        keys: usize,
    },
}

/// Reads the secret, or creates it for a new installation, and compares it with the one the database was used with.
///
/// # Errors
/// `Conflict` if the secret is missing, invalid, or not the one the database was used with.
pub(super) fn check_and_load(
    config: &Config,
    store: &Store,
    is_fetched: bool,
    opener: OpenedBy,
) -> Result<String> {
    let folder = &config.data_dir;
    if opener == OpenedBy::Server {
        check_shared(config, store)?;
    }
    if config.secret.is_none() && !secret::path(folder).exists() {
        check_may_create(folder, store, is_fetched)?;
        let new_secret_text = read(config)?;
        record_check(store, &new_secret_text);
        return Ok(new_secret_text);
    }
    let secret = read(config)?;
    match (compare(store, &secret)?, opener) {
        (SecretComparison::Same, _) | (SecretComparison::NotRecorded, OpenedBy::Command) => {}
        (SecretComparison::NotRecorded, OpenedBy::Server) => record_check(store, &secret),
        (SecretComparison::Different { keys: 0 }, OpenedBy::Server) => {
            log::warn(
                "the secret is not the one that this database was last used with",
                &[("so", &"everyone must sign in again")],
            );
            record_check(store, &secret);
        }
        (SecretComparison::Different { keys }, _) => {
            return Err(different_secret_error(config, keys));
        }
    }
    Ok(secret)
}

/// If other servers use the database, checks that this server has their secret: every server must be able to read what
/// the others sign or encrypt.
///
/// # Errors
/// `Conflict` if the secret is missing or differs.
fn check_shared(config: &Config, store: &Store) -> Result<()> {
    if store.is_embedded() || store.read_now(servers::count_alive)? == 0 {
        return Ok(());
    }
    let has_secret = config.secret.is_some() || secret::path(&config.data_dir).exists();
    if has_secret && compare(store, &read(config)?)? == SecretComparison::Same {
        return Ok(());
    }
    Err(other_secret_error())
}

/// Compares the secret again once this server is registered in the database, because another server may have
/// started at the same time. Blocks.
///
/// # Errors
/// `Conflict` if another server uses another secret. Also returns any error from the store.
pub(in crate::app) fn check_joined(store: &Store, secret: &str) -> Result<()> {
    if store.is_embedded() {
        return Ok(());
    }
    // The lock orders this check before or after the check of every other server. Whichever server comes second finds
    // what the first one recorded.
    let recorded = store.write_now(|db| {
        servers::lock_secret(db)?;
        settings::get(db, SETTING_NAME)
    })?;
    match recorded {
        Some(recorded) if recorded != secret::check_value(secret) => Err(other_secret_error()),
        _ => Ok(()),
    }
}

fn other_secret_error() -> Error {
    let why = "another Quire server uses the database of DATABASE_URL with another secret";
    Error::new(Kind::Conflict, why).resolve("Set QUIRE_SECRET to the same value on all servers.")
}

/// Refuses a file that cannot be a secret, before anything is opened.
///
/// # Errors
/// `Conflict`, with the problem and the remedy.
pub(super) fn check_file(config: &Config) -> Result<()> {
    match config.secret.is_none() && secret::path(&config.data_dir).exists() {
        true => read(config).map(drop),
        false => Ok(()),
    }
}

/// Describes the problem if the secret differs from the one the database was used with, or if it cannot decrypt a
/// stored provider key. `None` if there is no problem, or no secret.
pub(in crate::app) fn secret_problem(config: &Config, store: &Store) -> Option<String> {
    // Reading a missing secret would create one.
    let has_secret = config.secret.is_some() || secret::path(&config.data_dir).exists();
    if !has_secret {
        return None;
    }
    match compare(store, &read(config).ok()?) {
        Ok(SecretComparison::Different { keys }) => {
            let error = different_secret_error(config, keys);
            Some(format!("{}. {}", error.public, error.resolution))
        }
        _ => lost_keys(config, store),
    }
}

/// Names the providers whose keys this secret cannot decrypt; `None` if there are none.
fn lost_keys(config: &Config, store: &Store) -> Option<String> {
    let vault = Vault::new(&read(config).ok()?);
    let stored_providers = store.read_now(providers::all).ok()?;
    let is_key_lost = |provider: &&StoredProvider| {
        !provider.encrypted_key.is_empty()
            && vault
                .open(&provider.key_context(), &provider.encrypted_key)
                .is_err()
    };
    let lost: Vec<_> = stored_providers.iter().filter(is_key_lost).collect();
    if lost.is_empty() {
        return None;
    }
    let names: Vec<_> = lost.iter().map(|provider| provider.name.as_str()).collect();
    Some(format!(
        "this secret cannot decrypt the keys of these providers: {}. Enter each key again on the Settings page, or \
         remove the provider and run `quire provider add`",
        names.join(", ")
    ))
}

/// Creates a new secret for an installation that has lost its own. For the command line only. Returns its path.
///
/// # Errors
/// `Conflict` if there is a secret or a server holds the folder; `Missing` if there is no installation.
pub fn new_secret(config: &Config) -> Result<PathBuf> {
    check_exists(config)?;
    let folder = &config.data_dir;
    let path = secret::path(folder);
    if config.secret.is_some() {
        let text = "QUIRE_SECRET is set, so the file is not used";
        return Err(Error::new(Kind::Conflict, text));
    }
    if path.exists() {
        let text = format!("{} already exists", path.display());
        return Err(Error::new(Kind::Conflict, text)
            .resolve("move it elsewhere first if you want everyone to have to sign in again"));
    }
    accept_unless_served(config)?;
    Ok(path)
}

/// Records the current secret as the database's. For the command line only.
///
/// # Errors
/// `Conflict` if a server holds the folder or the file cannot be a secret; `Missing` if there is no installation,
/// or no secret to accept.
pub fn accept_secret(config: &Config) -> Result<()> {
    check_exists(config)?;
    let path = secret::path(&config.data_dir);
    if config.secret.is_none() && !path.exists() {
        let text = format!(
            "{} is missing, so there is no secret to accept",
            path.display()
        );
        return Err(Error::new(Kind::Missing, text).resolve(format!(
            "Put the file `secret` back from a copy of the folder, or set QUIRE_SECRET to its content. To create a new \
             one instead, run quire secret new: {SECRET_CHANGE_CONSEQUENCE}."
        )));
    }
    accept_unless_served(config)
}

fn accept_unless_served(config: &Config) -> Result<()> {
    let Some(_lock) = lock(&config.data_dir)? else {
        return Err(in_use_error(&config.data_dir).resolve("stop it first"));
    };
    accept_locked(config)
}

/// Like [`accept_secret`], for a caller that already holds the folder's lock.
///
/// # Errors
/// `Conflict` if the file cannot be a secret or other servers use the database; `Internal` if the database cannot be
/// opened or written to.
pub(in crate::app) fn accept_locked(config: &Config) -> Result<()> {
    let secret = read(config)?;
    if !super::has_database(config) {
        return Ok(());
    }
    let store =
        super::open_store(config).map_err(|error| super::soundness::open_error(config, &error))?;
    let (value, is_shared) = (secret::check_value(&secret), !store.is_embedded());
    let recorded = store.write_now(move |db| {
        if is_shared {
            servers::lock_secret(db)?;
            if servers::count_alive(db)? > 0 {
                return Ok(false);
            }
        }
        settings::set(db, SETTING_NAME, &value).map(|()| true)
    });
    store.close_for_writes();
    match recorded? {
        true => Ok(()),
        false => {
            let why = "a Quire server is using the database of DATABASE_URL";
            Err(Error::new(Kind::Conflict, why).resolve("stop all servers first"))
        }
    }
}

fn read(config: &Config) -> Result<String> {
    match &config.secret {
        Some(secret) => Ok(secret.expose().to_owned()),
        None => secret::read_or_create(&config.data_dir)
            .map_err(|why| unusable_secret_error(config, &why)),
    }
}

fn compare(store: &Store, secret: &str) -> Result<SecretComparison> {
    let (recorded, stored_providers) =
        store.read_at_start(|db| Ok((settings::get(db, SETTING_NAME)?, providers::all(db)?)))?;
    let encrypted: Vec<_> = stored_providers
        .iter()
        .filter(|provider| !provider.encrypted_key.is_empty())
        .collect();
    let keys = encrypted.len();
    match recorded {
        Some(recorded) if recorded == secret::check_value(secret) => Ok(SecretComparison::Same),
        Some(_) => Ok(SecretComparison::Different { keys }),
        // The database is older than the check value, so the only way to verify the secret is to decrypt the
        // stored keys.
        None => {
            let vault = Vault::new(secret);
            let can_decrypt = encrypted.iter().any(|provider| {
                vault
                    .open(&provider.key_context(), &provider.encrypted_key)
                    .is_ok()
            });
            Ok(match keys == 0 || can_decrypt {
                true => SecretComparison::NotRecorded,
                false => SecretComparison::Different { keys },
            })
        }
    }
}

// Stores the check value, unless another running server has stored its own: `check_joined` then compares the
// two. A full disk must not prevent startup: the next start stores the value.
fn record_check(store: &Store, secret: &str) {
    let (value, is_shared) = (secret::check_value(secret), !store.is_embedded());
    let recorded = store.write_now(move |db| {
        if is_shared {
            servers::lock_secret(db)?;
            if settings::get(db, SETTING_NAME)?.is_some() && servers::count_alive(db)? > 0 {
                return Ok(());
            }
        }
        settings::set(db, SETTING_NAME, &value)
    });
    if let Err(error) = recorded {
        log::warn("the secret's check value is not stored", &[("why", &error)]);
    }
}

/// Refuses to create a secret for a folder whose database has been used. An exception is a database restored from a
/// replica: without QUIRE_REPLICA_KEY, the replica contains no secret, so a new one is created, with a warning in the
/// log.
fn check_may_create(folder: &Path, store: &Store, is_fetched: bool) -> Result<()> {
    let is_used =
        store.read_at_start(|db| Ok(users::count(db)? > 0 || !providers::all(db)?.is_empty()))?;
    if is_used && !is_fetched {
        return Err(lost_secret_error(folder));
    }
    if is_used {
        log::warn(
            "the replica contains no secret; creating a new one",
            &[("so", &SECRET_CHANGE_CONSEQUENCE)],
        );
    }
    Ok(())
}

fn lost_secret_error(folder: &Path) -> Error {
    let text = format!(
        "{} has a database, but its `secret` file is missing: with a different secret, everyone is signed out, and \
         stored provider keys cannot be read",
        folder.display()
    );
    Error::new(Kind::Conflict, text).resolve(
        "Put the file `secret` back from a copy of the folder, or set QUIRE_SECRET to its content. To continue without \
         it, run: quire secret new",
    )
}

fn unusable_secret_error(config: &Config, why: &Unusable) -> Error {
    let path = secret::path(&config.data_dir);
    let text = format!("{} {why}", path.display());
    Error::new(Kind::Conflict, text).resolve(format!(
        "Put the file back from a copy of the folder, or set QUIRE_SECRET to its content. To continue without it, move \
         the file elsewhere and run `quire secret new`: {SECRET_CHANGE_CONSEQUENCE}."
    ))
}

fn different_secret_error(config: &Config, keys: usize) -> Error {
    let source = match config.secret {
        Some(_) => "QUIRE_SECRET".to_owned(),
        None => secret::path(&config.data_dir).display().to_string(),
    };
    let consequence = match keys {
        0 => "it signs everyone out".to_owned(),
        1 => "it cannot decrypt the stored provider key, and it signs everyone out".to_owned(),
        keys => {
            format!("it cannot decrypt the {keys} stored provider keys, and it signs everyone out")
        }
    };
    let text = format!("{source} does not match this database: {consequence}");
    Error::new(Kind::Conflict, text).resolve(format!(
        "Put the earlier secret back (the file `secret`, or QUIRE_SECRET if it was set). To keep this one, run \
         `quire secret accept`: {SECRET_CHANGE_CONSEQUENCE}."
    ))
}
