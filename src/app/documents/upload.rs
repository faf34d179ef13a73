//! Receives an upload into a temporary file, counting and hashing its bytes. The temporary file is removed on any
//! failure, and if the caller disconnects halfway.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::app::{Error, Kind, Result, disk_space};
use crate::crypto::{hex, sha256};
use crate::store::Store;

/// Size of the write buffer in bytes: each flush takes one turn on a blocking thread.
const BUFFER_BYTES: usize = 256 * 1024;

/// Number of bytes after which free disk space is checked again.
const SPACE_CHECK_INTERVAL: u64 = 1 << 20;

/// A file being received.
pub struct IncomingFile {
    file: BufWriter<File>,
    path: TemporaryFile,
    hasher: sha256::Hasher,
    size: u64,
    limit: u64,
    // The store whose disk must keep its reserve free; `None` for no check.
    store: Option<Store>,
}

/// A file that has been received completely and is safely on disk.
pub struct ReceivedFile {
    /// The file with the received bytes, which is removed when dropped unless it has been moved.
    pub(super) path: TemporaryFile,
    /// SHA-256 in hexadecimal.
    pub(super) sha256: String,
    /// Size in bytes.
    pub(super) size: u64,
}

impl ReceivedFile {
    /// Returns the path of the temporary file.
    pub(in crate::app) fn path(&self) -> &Path {
        self.path.path()
    }
}

/// A file that is removed when dropped, unless it has been moved or kept.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// Takes ownership of a file that exists or is about to be created.
    pub(in crate::app) fn new(path: PathBuf) -> Self {
        Self(path)
    }
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Keeps the file: it is no longer removed on drop.
    pub(in crate::app) fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        // A missing file is fine; after any other failure, the next start cleans up.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl IncomingFile {
    /// Creates an empty file in `folder` that takes up to `limit` bytes.
    ///
    /// # Errors
    /// `Internal` if the file cannot be created; `Unavailable` if the disk is full.
    pub(super) fn begin(folder: &Path, limit: u64) -> Result<Self> {
        let name = hex(&crate::crypto::random::<16>()?);
        let path = TemporaryFile::new(folder.join(name));
        // Opened without an await: if the caller were dropped during one, the file could be created after its
        // guard is gone.
        let file = open_new(path.path()).map_err(from_io)?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, File::from_std(file)),
            path,
            hasher: sha256::Hasher::new(),
            size: 0,
            limit,
            store: None,
        })
    }

    /// Makes writes fail once only the reserve is left on the store's disk.
    ///
    /// # Errors
    /// `Unavailable` if only the reserve is left.
    pub(super) fn with_space_check(self, store: &Store) -> Result<Self> {
        disk_space::require(store)?;
        Ok(Self {
            store: Some(store.clone()),
            ..self
        })
    }

    /// Appends bytes to the file and to its hash.
    ///
    /// # Errors
    /// `TooLarge` over the limit; `Unavailable` if the disk is full; `Internal` if the file cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let size_before = self.size;
        self.size += bytes.len() as u64;
        if let Some(store) = &self.store
            && size_before / SPACE_CHECK_INTERVAL != self.size / SPACE_CHECK_INTERVAL
        {
            disk_space::require(store)?;
        }
        if self.size > self.limit {
            return Err(too_large(self.limit));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(from_io)
    }

    /// Returns the number of bytes received so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Completes the file: flushes it to disk and computes its hash.
    ///
    /// # Errors
    /// `BadRequest` if the file is empty; `Unavailable` if the disk is full; `Internal` if the file cannot be written.
    pub async fn finish(mut self) -> Result<ReceivedFile> {
        if self.size == 0 {
            return Err(Error::new(Kind::BadRequest, "the file is empty")
                .resolve("choose a file that has content"));
        }
        self.file.flush().await.map_err(from_io)?;
        self.file.get_ref().sync_all().await.map_err(from_io)?;
        Ok(ReceivedFile {
            path: self.path,
            sha256: hex(&self.hasher.finish()),
            size: self.size,
        })
    }
}

/// Creates a file that only its owner can read and write (mode 0600).
///
/// # Errors
/// Returns an error if the file exists or cannot be created.
pub(in crate::app) fn open_new(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a folder with mode 0700, and its missing parents.
///
/// # Errors
/// Returns an error if a folder cannot be created.
pub(in crate::app) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns the error for a file larger than `limit` bytes.
pub fn too_large(limit: u64) -> Error {
    let readable_limit = if limit < 1 << 20 {
        format!("{limit} bytes")
    } else {
        format!("{} MB", limit >> 20)
    };
    Error::new(
        Kind::TooLarge,
        format!("the file is larger than {readable_limit}"),
    )
    .resolve("split it, or ask an administrator to raise MAX_UPLOAD_MB")
}

/// Converts an I/O error for the caller. The system's message may contain paths, so it is only logged.
pub(super) fn from_io(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let mut full = Error::new(
                Kind::Unavailable,
                "the server's disk is full; no document can be stored",
            )
            .resolve("delete documents that are no longer needed, or tell an administrator");
            full.private = Some(error.to_string());
            full
        }
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(work)
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("quire-intake-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    #[test]
    fn a_received_file_is_counted_hashed_and_kept() {
        let folder = folder("keeps");
        let received = run(async {
            let mut incoming = IncomingFile::begin(&folder, 10).expect("begun");
            incoming.write(b"ab").await.expect("room");
            incoming.write(b"c").await.expect("room");
            incoming.finish().await.expect("whole")
        });
        assert_eq!((received.size, &received.sha256[..8]), (3, "ba7816bf"));
        assert_eq!(std::fs::read(received.path.path()).expect("there"), b"abc");
        drop(received);
        assert_eq!(std::fs::read_dir(&folder).expect("there").count(), 0);
        std::fs::remove_dir(&folder).expect("empty");
    }

    #[test]
    fn failed_and_abandoned_uploads_leave_no_file() {
        let folder = folder("refuses");
        run(async {
            let mut incoming = IncomingFile::begin(&folder, 3).expect("begun");
            assert_eq!(
                incoming.write(b"abcd").await.map_err(|e| e.kind),
                Err(Kind::TooLarge)
            );
            drop(incoming);
            let empty = IncomingFile::begin(&folder, 3)
                .expect("begun")
                .finish()
                .await;
            assert_eq!(empty.err().map(|e| e.kind), Some(Kind::BadRequest));
            let mut left = IncomingFile::begin(&folder, 3).expect("begun");
            left.write(b"a").await.expect("room");
        });
        assert_eq!(std::fs::read_dir(&folder).expect("there").count(), 0);
        std::fs::remove_dir(&folder).expect("empty");
    }
}
