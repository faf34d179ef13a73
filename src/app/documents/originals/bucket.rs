//! Originals in a bucket, as objects named by their document's ID under the configured prefix. Claims the prefix for
//! this installation before it changes anything there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::errors::{interrupted, store_error, unreachable_error};
use super::{OriginalFile, OriginalStore, claim, new_copy};
use crate::app::documents::upload::from_io;
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::{hex, sha256};
use crate::domain::id::DocumentId;
use crate::objects::s3::{self, S3};
use crate::objects::target::{Target, TargetError};
use crate::store::Store;

/// Folder of the objects under the prefix.
const OBJECTS: &str = "originals/";
/// Size of the buffers for copying, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// The bucket that the `DOCUMENT_STORE` setting names.
#[derive(Clone)]
pub(in crate::app) struct DocumentBucket {
    target: Arc<dyn Target>,
    address: Arc<str>,
}

/// The originals stored in a bucket.
pub(in crate::app) struct BucketOriginals {
    bucket: DocumentBucket,
    store: Store,
    /// Folder for temporary copies of originals while they are read.
    copies: PathBuf,
    /// Whether this process has verified that the prefix belongs to this installation.
    is_claimed: AtomicBool,
}

impl DocumentBucket {
    /// Returns the bucket that the settings name; `None` if they name none. Sends no request.
    ///
    /// # Errors
    /// `Internal` if the settings are incomplete or invalid.
    pub(in crate::app) fn from_config(config: &Config) -> Result<Option<Self>> {
        let Some(address) = &config.document_store else {
            return Ok(None);
        };
        let variable = |name: &str| std::env::var(name).ok();
        let mut settings = s3::address(address, &variable).map_err(|why| {
            Error::new(Kind::Internal, format!("cannot use DOCUMENT_STORE: {why}")).resolve(
                "set it to s3://bucket/prefix, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, outside AWS, \
                 AWS_ENDPOINT_URL",
            )
        })?;
        settings.authorities.clone_from(&config.authorities);
        let target = Arc::new(S3::open(settings.with_interactive_timeouts()));
        Ok(Some(Self::new(target, address)))
    }

    /// Creates a bucket from a target that stores named files; `address` is used in messages.
    pub(in crate::app) fn new(target: Arc<dyn Target>, address: &str) -> Self {
        Self {
            target,
            address: address.into(),
        }
    }

    /// Returns the size of each original in the bucket, in bytes, by document ID. Blocks.
    ///
    /// # Errors
    /// `Unavailable` if the bucket cannot be listed.
    pub(in crate::app) fn sizes(&self) -> Result<BTreeMap<DocumentId, u64>> {
        let mut sizes = BTreeMap::new();
        let listed = self.target.list(OBJECTS, &mut |entry| {
            let name = entry.name.strip_prefix(OBJECTS);
            // Leave the objects of other programs alone.
            if let Some(id) = name.and_then(DocumentId::parse) {
                sizes.insert(id, entry.bytes);
            }
        });
        listed.map_err(|error| store_error(&error))?;
        Ok(sizes)
    }
}

impl BucketOriginals {
    /// Creates the storage for originals in this bucket.
    pub(super) fn new(bucket: DocumentBucket, store: Store, copies: PathBuf) -> Self {
        Self {
            bucket,
            store,
            copies,
            is_claimed: AtomicBool::new(false),
        }
    }

    /// Returns the bucket that holds the originals.
    pub(in crate::app) fn bucket(&self) -> &DocumentBucket {
        &self.bucket
    }

    /// Returns the target that stores the objects, for notes next to the originals.
    pub(super) fn target(&self) -> &dyn Target {
        &*self.bucket.target
    }

    /// Returns the folder for temporary files.
    pub(super) fn scratch(&self) -> &Path {
        &self.copies
    }

    /// Makes sure that the prefix belongs to this installation; checked once per process.
    ///
    /// # Errors
    /// `Unavailable` if another installation uses the prefix, or if the bucket cannot be reached.
    pub(super) fn claim(&self) -> Result<()> {
        if self.is_claimed.load(Relaxed) {
            return Ok(());
        }
        claim::claim(
            self.target(),
            &self.bucket.address,
            &self.store,
            &self.copies,
        )?;
        self.is_claimed.store(true, Relaxed);
        Ok(())
    }

    fn open(&self, id: &DocumentId) -> Result<Option<Box<dyn std::io::Read + Send>>> {
        match self.target().get(&object_name(id)) {
            Ok(object) => Ok(Some(object)),
            Err(TargetError::Missing) => Ok(None),
            Err(error) => Err(unreachable_error("the bucket", &error)),
        }
    }
}

impl OriginalStore for BucketOriginals {
    fn put(&self, id: &DocumentId, file: &Path) -> Result<()> {
        self.claim()?;
        let file = File::open(file).map_err(from_io)?;
        let bytes = file.metadata().map_err(from_io)?.len();
        let name = object_name(id);
        // The request's signature covers the SHA-256 of the content, but not every object store verifies it,
        // so check the size.
        let stored = self.target().put(&name, &file, false);
        match stored.and_then(|()| self.target().size(&name)) {
            Ok(size) if size == bytes => Ok(()),
            Ok(size) => {
                let _ = self.remove(id);
                let text = format!("the bucket has {size} of {bytes} bytes of an uploaded file");
                Err(store_error(&TargetError::Failed(text)))
            }
            Err(error) => Err(store_error(&error)),
        }
    }

    fn fetch(&self, id: &DocumentId) -> Result<Option<OriginalFile>> {
        let Some(mut object) = self.open(id)? else {
            return Ok(None);
        };
        let (mut file, copy) = new_copy(&self.copies)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = object.read(&mut buffer).map_err(interrupted)?;
            if read == 0 {
                return Ok(Some(OriginalFile::copy(copy)));
            }
            std::io::Write::write_all(&mut file, &buffer[..read]).map_err(from_io)?;
        }
    }

    fn remove(&self, id: &DocumentId) -> Result<()> {
        // Another installation can have documents with the same IDs, such as imported ones, so check the owner before
        // removing anything.
        self.claim()?;
        let removed = self.target().remove(&object_name(id));
        removed.map_err(|error| store_error(&error))
    }

    fn holds(&self, id: &DocumentId, sha256: &str) -> Result<bool> {
        let Some(mut object) = self.open(id)? else {
            return Ok(false);
        };
        let (mut hasher, mut buffer) = (sha256::Hasher::new(), vec![0; BUFFER_BYTES]);
        loop {
            match object.read(&mut buffer).map_err(interrupted)? {
                0 => return Ok(hex(&hasher.finish()) == sha256),
                read => hasher.update(&buffer[..read]),
            }
        }
    }
}

fn object_name(id: &DocumentId) -> String {
    format!("{OBJECTS}{}", id.as_str())
}
