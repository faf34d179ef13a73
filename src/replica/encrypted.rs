//! A target whose files are encrypted with the user's key, so that the storage provider sees only names and sizes. A
//! replica is either encrypted or not, never mixed.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::names::SNAPSHOTS_FOLDER;
use crate::crypto::stream::{self, StreamCipher};
use crate::objects::target::{Result, Target, TargetEntry, TargetError};

const ENCRYPTED_SUFFIX: &str = ".sealed";

/// Encrypts everything written to another target.
pub struct EncryptedTarget {
    inner: Box<dyn Target>,
    cipher: StreamCipher,
    scratch: PathBuf,
    number: AtomicU64,
}

impl EncryptedTarget {
    /// Wraps a target; files are encrypted in `scratch` before they are sent.
    pub fn new(inner: Box<dyn Target>, cipher: StreamCipher, scratch: PathBuf) -> Self {
        Self {
            inner,
            cipher,
            scratch,
            number: AtomicU64::new(0),
        }
    }
}

/// Rejects a target whose snapshots are encrypted if ours are not, or the other way around, because they could not be
/// read.
///
/// # Errors
/// `Refused` with advice if the target differs in this way; another error if the target cannot be listed.
pub fn check(inner: &dyn Target, is_encrypted: bool) -> Result<()> {
    let mut has_other_encryption = false;
    inner.list(SNAPSHOTS_FOLDER, &mut |entry| {
        has_other_encryption |= entry.name.ends_with(ENCRYPTED_SUFFIX) != is_encrypted
    })?;
    match (has_other_encryption, is_encrypted) {
        (false, _) => Ok(()),
        (true, false) => Err(TargetError::Refused(
            "it is encrypted: set QUIRE_REPLICA_KEY".into(),
        )),
        (true, true) => {
            let why = "the replica there is not encrypted: remove QUIRE_REPLICA_KEY, or choose another prefix";
            Err(TargetError::Refused(why.into()))
        }
    }
}

impl Target for EncryptedTarget {
    fn put(&self, name: &str, mut file: &File, only_new: bool) -> Result<()> {
        let failed = |error: std::io::Error| TargetError::Failed(error.to_string());
        fs::create_dir_all(&self.scratch).map_err(failed)?;
        // Several threads may upload files at the same time.
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.join(format!("sealed-{number}"));
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let sealed = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let sealed = sealed.map_err(failed)?;
        let _ = fs::remove_file(&path);
        self.cipher
            .seal(name, BufReader::new(file), BufWriter::new(&sealed))
            .map_err(failed)?;
        self.inner
            .put(&format!("{name}{ENCRYPTED_SUFFIX}"), &sealed, only_new)
    }

    fn get(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let from = self.inner.get(&format!("{name}{ENCRYPTED_SUFFIX}"))?;
        let decrypted = self.cipher.open(name, BufReader::new(from));
        Ok(Box::new(decrypted.map_err(|error| {
            TargetError::Refused(error.to_string())
        })?))
    }

    fn size(&self, name: &str) -> Result<u64> {
        self.inner.size(&format!("{name}{ENCRYPTED_SUFFIX}"))
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(TargetEntry)) -> Result<()> {
        self.inner.list(prefix, &mut |mut entry| {
            if let Some(name) = entry.name.strip_suffix(ENCRYPTED_SUFFIX) {
                entry.name = name.to_owned();
                each(entry);
            }
        })
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(&format!("{name}{ENCRYPTED_SUFFIX}"))
    }

    fn stored_size(&self, bytes: u64) -> u64 {
        self.inner.stored_size(stream::sealed_size(bytes))
    }

    fn audit_interval(&self) -> Duration {
        self.inner.audit_interval()
    }
}
