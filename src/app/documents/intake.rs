//! Takes a file in: to a temporary file on disk, counted and hashed on the way. Whatever goes wrong,
//! and whoever leaves half-way, the temporary file goes too.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::app::{Error, Kind, Result, room};
use crate::crypto::{hex, sha256};
use crate::store::Store;

/// Each write of this size is one visit to a blocking thread.
const BUFFER: usize = 256 * 1024;

/// The disk is looked at again after so many bytes.
const LOOK_EVERY: u64 = 1 << 20;

/// A file on its way in.
pub struct IncomingFile {
    file: BufWriter<File>,
    path: TemporaryFile,
    hasher: sha256::Hasher,
    size: u64,
    limit: u64,
    // Whose disk must keep its last room.
    store: Option<Store>,
}

/// A file that has come in whole and lies safely on disk.
pub struct ReceivedFile {
    /// Where.
    pub(super) path: TemporaryFile,
    /// Hex SHA-256.
    pub(super) sha256: String,
    /// Bytes.
    pub(super) size: u64,
}

impl ReceivedFile {
    /// Where it is.
    pub(in crate::app) fn path(&self) -> &Path {
        self.path.path()
    }
}

/// A file that is removed with this value, unless it was moved away before.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// Takes charge of a file that exists already or soon will.
    pub(in crate::app) fn new(path: PathBuf) -> Self {
        Self(path)
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// The file stays.
    pub(in crate::app) fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        // Not there any more is what we want; any other failure is cleared up at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl IncomingFile {
    /// An empty file in `folder` that takes up to `limit` bytes.
    pub(super) fn begin(folder: &Path, limit: u64) -> Result<Self> {
        let name = hex(&crate::crypto::random::<16>()?);
        let path = TemporaryFile::new(folder.join(name));
        // Opened without an await: were the caller to leave during one, the file could appear after
        // its guard is gone.
        let file = open_new(path.path()).map_err(fault)?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER, File::from_std(file)),
            path,
            hasher: sha256::Hasher::new(),
            size: 0,
            limit,
            store: None,
        })
    }

    /// From now on it is refused where it would take the last room of the store's disk.
    pub(super) fn on_disk_of(self, store: &Store) -> Result<Self> {
        room::require(store)?;
        Ok(Self {
            store: Some(store.clone()),
            ..self
        })
    }

    /// Takes more bytes. Over the limit it fails at once.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let before = self.size;
        self.size += bytes.len() as u64;
        if let Some(store) = &self.store
            && before / LOOK_EVERY != self.size / LOOK_EVERY
        {
            room::require(store)?;
        }
        if self.size > self.limit {
            return Err(too_large(self.limit));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(fault)
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes sure that all of it is on disk.
    pub async fn finish(mut self) -> Result<ReceivedFile> {
        if self.size == 0 {
            return Err(Error::new(Kind::BadRequest, "the file is empty")
                .resolve("choose a file with something in it"));
        }
        self.file.flush().await.map_err(fault)?;
        self.file.get_ref().sync_all().await.map_err(fault)?;
        Ok(ReceivedFile {
            path: self.path,
            sha256: hex(&self.hasher.finish()),
            size: self.size,
        })
    }
}

/// A new private file; an existing one is a fault.
pub(in crate::app) fn open_new(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A folder that nobody else can look into, with those above it.
pub(in crate::app) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The refusal of a file over `limit` bytes.
pub fn too_large(limit: u64) -> Error {
    let shown = if limit < 1 << 20 {
        format!("{limit} bytes")
    } else {
        format!("{} MB", limit >> 20)
    };
    Error::new(Kind::TooLarge, format!("the file is larger than {shown}"))
        .resolve("split it, or ask the administrator to raise MAX_UPLOAD_MB")
}

/// What a failing disk means to the caller. The system's own words hold paths, so they are only logged.
pub(super) fn fault(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let mut full = Error::new(Kind::Unavailable, "there is no room left for documents")
                .resolve("delete documents that are no longer needed, or tell the administrator");
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
    fn counts_hashes_and_keeps() {
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
    fn too_much_nothing_and_leaving_half_way_leave_no_file() {
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
