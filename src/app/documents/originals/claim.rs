//! Records which installation owns a prefix in a bucket: a note there holds the same random ID as a setting in the
//! database, so that two installations never remove each other's objects. The ID stays with the database when it moves
//! to another machine. A copy of the database has the same ID and therefore counts as the same installation.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::errors::store_error;
use super::new_copy;
use crate::app::documents::upload::from_io;
use crate::app::{Error, Kind, Result};
use crate::crypto::{self, hex};
use crate::log;
use crate::objects::target::{Target, TargetError};
use crate::store::{Store, settings};

/// Name of the note with the owner's ID.
const OWNER_NOTE: &str = "quire-documents";
/// Name of the setting that stores the owner's ID in the database.
const OWNER_SETTING: &str = "document_store_owner";
/// Size limit of the note, in bytes.
const MAX_NOTE_BYTES: u64 = 256;

/// Claims the prefix for this installation, or checks that it has already been claimed for it.
///
/// # Errors
/// `Unavailable` if the prefix belongs to another installation, or if the bucket cannot be reached.
pub(super) fn claim(
    target: &dyn Target,
    address: &str,
    store: &Store,
    scratch: &Path,
) -> Result<()> {
    let own_installation = own_id(store)?;
    let failed = |error: TargetError| store_error(&error);
    let owner = match read_note(target).map_err(failed)? {
        Some(owner) => owner,
        None => {
            let (mut file, copy) = new_copy(scratch)?;
            file.write_all(own_installation.as_bytes())
                .map_err(from_io)?;
            let file = File::open(copy.path()).map_err(from_io)?;
            match target.put(OWNER_NOTE, &file, true) {
                Ok(()) => own_installation.clone(),
                // Another server of this installation, or another installation, claimed the prefix first.
                Err(TargetError::Taken) => read_note(target).map_err(failed)?.unwrap_or_default(),
                Err(error) => return Err(failed(error)),
            }
        }
    };
    match owner == own_installation {
        true => Ok(()),
        false => Err(foreign_error(address)),
    }
}

fn own_id(store: &Store) -> Result<String> {
    if let Some(own_installation) = store.read_now(|db| settings::get(db, OWNER_SETTING))? {
        return Ok(own_installation);
    }
    let new = hex(&crypto::random::<16>()?);
    let own_installation = store.write_now(move |db| {
        settings::set_once(db, OWNER_SETTING, &new)?;
        settings::get(db, OWNER_SETTING)
    });
    own_installation?.ok_or_else(|| Error::internal("a setting is there and is not"))
}

fn read_note(target: &dyn Target) -> std::result::Result<Option<String>, TargetError> {
    let mut text = String::new();
    match target.get(OWNER_NOTE) {
        Err(TargetError::Missing) => return Ok(None),
        Err(error) => return Err(error),
        Ok(from) => from
            .take(MAX_NOTE_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| TargetError::Failed(error.to_string()))?,
    };
    Ok(Some(text.trim().to_owned()))
}

fn foreign_error(address: &str) -> Error {
    let why = format!(
        "{address} has the documents of another installation. Choose another prefix, or, if they are this one's, \
         delete the object {OWNER_NOTE} there"
    );
    log::error("the bucket for documents is refused", &[("why", &why)]);
    let mut error = Error::new(
        Kind::Unavailable,
        "the bucket for documents belongs to another installation",
    )
    .resolve("tell an administrator");
    error.private = Some(why);
    error
}
