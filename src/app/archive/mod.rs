//! Everything that a person owns as one archive, and such an archive taken in by another installation: a
//! gzip-compressed tar of a manifest, a file of JSON lines a table, and the original documents. No secret is in
//! it: no password, key or share link.

mod foreign;
mod pack;
mod pieces;
mod rows;
mod unpack;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{App, Error, Kind, Result, documents, folder};
use crate::app::documents::{Received, Temporary};
use crate::clock;
use crate::config::Config;
use crate::crypto;
use crate::domain::id::{DocumentId, UserId};
use crate::store::Store;
use crate::store::archive::SCHEMA;

/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What it calls itself.
const FORMAT: &str = "quire-archive";
/// The first file in it.
const MANIFEST: &str = "manifest.json";
/// In which the tables are, and the documents as they were uploaded.
const TABLES: &str = "tables/";
const ORIGINALS: &str = "documents/";

/// The first thing in an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: String,
    /// Of the database that it was made from: a newer one is not taken.
    schema: u32,
    quire: String,
    /// When, RFC 3339.
    made: String,
    email: String,
}

/// How many of a table's rows went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// Written or taken in.
    pub added: u64,
    /// There already.
    pub present: u64,
    /// Not what they say they are.
    pub refused: u64,
}

/// What came of it, in the archive's order.
pub type Counts = Vec<(String, Count)>;

/// Told what is being worked on, and how many of it are done.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64) + Send);

/// Where everything is.
#[derive(Clone)]
pub struct Place {
    store: Store,
    /// The original documents.
    documents: PathBuf,
    /// What fetches those that are only in the replica; none in the command line.
    shelf: Option<documents::Shelf>,
    /// Files for a moment.
    scratch: PathBuf,
    /// Bytes of one document.
    limit: u64,
}

/// Where the things of the installation that the settings describe are, for whoever operates the machine: also
/// while a server runs. Blocks.
pub fn open(config: &Config) -> Result<Place> {
    let store = folder::open_existing(config)?.store;
    let place = of(store, config);
    for path in [&place.documents, &place.scratch] {
        documents::private_folder(path).map_err(Error::internal)?;
    }
    Ok(place)
}

fn of(store: Store, config: &Config) -> Place {
    Place {
        store,
        documents: config.data_dir.join("documents"),
        shelf: None,
        scratch: config.data_dir.join("tmp"),
        limit: config.limits.max_upload,
    }
}

impl App {
    /// A person's archive in a file that is gone with what is returned.
    pub async fn export(&self, user: &UserId) -> Result<Temporary> {
        let (mut place, user) = (of(self.store.clone(), &self.config), user.clone());
        place.shelf = Some(self.documents().shelf().clone());
        let name = crypto::hex(&crypto::random::<16>()?);
        let work = move || {
            let file = Temporary::new(place.scratch.join(format!("archive-{name}")));
            place.export(&user, file.path(), &mut |_, _| ())?;
            Ok(file)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }

    /// Takes in what has been uploaded. Done whole, even if the caller leaves.
    pub async fn import(&self, user: &UserId, received: Received) -> Result<Counts> {
        let (place, user) = (of(self.store.clone(), &self.config), user.clone());
        // One at a time: each may take the memory that an import may take.
        let turn = self.imports.clone().acquire_owned().await;
        let turn = turn.map_err(Error::internal)?;
        let work = move || {
            let _turn = turn;
            place.import(&user, received.path(), &mut |_, _| ())
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

impl Place {
    /// Where the original of a document is, once it has been fetched.
    fn original(&self, id: &str) -> Result<PathBuf> {
        match (&self.shelf, DocumentId::parse(id)) {
            (Some(shelf), Some(id)) => shelf.bring(&id),
            _ => Ok(self.documents.join(id)),
        }
    }

    /// Writes a person's archive to a file that must not be there yet. Blocks.
    pub fn export(&self, user: &UserId, to: &Path, progress: Progress<'_>) -> Result<Counts> {
        pack::pack(self, user, to, progress)
    }

    /// Takes a file in for a person: an archive, or what other programs have written of conversations. Taking
    /// the same one in twice changes nothing. Takes at most 256 MiB of memory, whatever is in the file. Blocks.
    ///
    /// # Errors
    /// `BadRequest` when it is not such a file; `TooLarge` when it, or one row or conversation in it, exceeds
    /// a limit. Limits on length are checked before anything is changed.
    pub fn import(&self, user: &UserId, from: &Path, progress: Progress<'_>) -> Result<Counts> {
        let mut file = File::open(from).map_err(unreadable)?;
        let mut first = [0; 2];
        let length = file.read(&mut first).map_err(unreadable)?;
        if first[..length] == GZIP {
            return unpack::unpack(self, user, from, progress);
        }
        foreign::keep(self, user, from, progress)
    }
}

fn manifest(email: &str) -> Manifest {
    Manifest {
        format: FORMAT.to_owned(),
        schema: SCHEMA,
        quire: env!("CARGO_PKG_VERSION").to_owned(),
        made: clock::now().to_string(),
        email: email.to_owned(),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::new(
        Kind::BadRequest,
        format!("the archive cannot be read: {error}"),
    )
    .resolve("choose a file that quire export has written")
}

fn too_large(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::TooLarge, format!("the archive cannot be read: {why}"))
        .resolve("choose a file that quire export has written, or split it")
}

#[cfg(test)]
mod tests;
