//! Reads a file sent within a request, in the same sandboxed process as an upload. Stores nothing.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::DocumentService;
use super::child::ChildExit;
use super::upload;
use crate::app::{Error, Kind, Result};
use crate::domain::chunk::PageText;
use crate::domain::id::UserId;

use tokio::sync::Semaphore;

/// Number of bytes that the reader may write beyond the limit, so that text cut off at that point still
/// counts as too long.
const READ_MARGIN: usize = 256 << 10;
/// Number of bytes that each page adds for the line with its number.
const PAGE_OVERHEAD: usize = 16;

/// Limits concurrent reads: a few in total, one per user.
pub(super) struct ReadingPermits {
    global: Arc<Semaphore>,
    per_user: Mutex<BTreeMap<UserId, Weak<Semaphore>>>,
}

impl ReadingPermits {
    /// Allows `max_concurrent_reads` reads at a time.
    pub fn new(max_concurrent_reads: usize) -> Self {
        Self {
            global: Arc::new(Semaphore::new(max_concurrent_reads.max(1))),
            per_user: Mutex::default(),
        }
    }

    // Returns the user's semaphore, which is dropped once none of the user's files is being read or waiting.
    fn user_semaphore(&self, user: &UserId) -> Arc<Semaphore> {
        let mut semaphores = self.per_user.lock().unwrap_or_else(PoisonError::into_inner);
        semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        let existing = semaphores.get(user).and_then(Weak::upgrade);
        existing.unwrap_or_else(|| {
            let semaphore = Arc::new(Semaphore::new(1));
            semaphores.insert(user.clone(), Arc::downgrade(&semaphore));
            semaphore
        })
    }
}

/// Makes the read stop when the request is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl DocumentService {
    /// Returns the text of a base64-encoded file, at most `max_bytes` long, with its pages marked. Files of the same
    /// user are read one after another.
    ///
    /// # Errors
    /// `BadRequest` if the file is not base64, cannot be read, or contains no text; `TooLarge` if it exceeds the upload
    /// limit or has more text than `max_bytes`; `Unavailable` if the disk is full or the read is stopped.
    pub async fn read_attached(
        &self,
        user: &UserId,
        (name, base64): (&str, &str),
        max_bytes: usize,
    ) -> Result<String> {
        let user_permit = self
            .attachment_permits
            .user_semaphore(user)
            .acquire_owned()
            .await;
        let user_permit = user_permit.map_err(Error::internal)?;
        let received = self.receive(name, base64).await?;
        let global_permit = self.attachment_permits.global.clone().acquire_owned().await;
        let global_permit = global_permit.map_err(Error::internal)?;
        let mut reader = self.reader.for_user(user);
        reader.budget.text = reader
            .budget
            .text
            .min(max_bytes.saturating_add(READ_MARGIN));
        let file_name = name.to_owned();
        let stop_on_drop = StopOnDrop(Arc::default());
        let is_dropped = stop_on_drop.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let (mut pages, mut size) = (Vec::new(), 0);
            let outcome = reader.read(received.path(), (&file_name, None), &mut |page| {
                size += page.text.len() + PAGE_OVERHEAD;
                pages.push(page);
                size <= max_bytes && !is_dropped.load(Relaxed)
            });
            // Hold the permits until the process has ended, even if the request was dropped earlier.
            drop((user_permit, global_permit));
            (outcome, pages, size)
        });
        let (outcome, pages, size) = reading.await.map_err(Error::internal)?;
        drop(stop_on_drop);
        if size > max_bytes {
            return Err(too_much_text_error());
        }
        match outcome.map_err(stopped_error)? {
            ChildExit::Refused(_, why) => Err(unreadable_error(name, &why)),
            ChildExit::Read(_) | ChildExit::StoppedByReceiver => joined_text(name, &pages),
        }
    }

    async fn receive(&self, name: &str, base64: &str) -> Result<upload::ReceivedFile> {
        let mut incoming = self.begin()?;
        let base64: String = base64.split_ascii_whitespace().collect();
        let bytes = STANDARD
            .decode(&base64)
            .or_else(|_| STANDARD_NO_PAD.decode(&base64));
        let bytes = bytes.map_err(|_| unreadable_error(name, "its data is not base64"))?;
        incoming.write(&bytes).await?;
        incoming.finish().await
    }
}

/// Returns the error for files whose combined text exceeds the request limit.
pub fn too_much_text_error() -> Error {
    Error::new(
        Kind::TooLarge,
        "the documents in this request contain too much text",
    )
    .resolve("send fewer or shorter documents, or upload them and ask about their passages")
}

fn stopped_error(error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::Interrupted => Error::new(
            Kind::Unavailable,
            "reading the document was stopped by the server",
        ),
        _ => upload::from_io(error),
    }
}

fn joined_text(name: &str, pages: &[PageText]) -> Result<String> {
    if pages.iter().all(|page| page.text.trim().is_empty()) {
        return Err(unreadable_error(name, "it contains no text, only images"));
    }
    let is_paged = pages.len() > 1;
    let mut text = String::new();
    for page in pages {
        if is_paged {
            text += &format!("[page {}]\n", page.number);
        }
        text += page.text.trim_end();
        text += "\n\n";
    }
    Ok(text)
}

fn unreadable_error(name: &str, why: &str) -> Error {
    let subject = match name.is_empty() {
        true => "the document".to_owned(),
        false => format!("the document {name:?}"),
    };
    Error::new(Kind::BadRequest, format!("{subject} cannot be read: {why}"))
        .resolve("send a PDF or another document that contains text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_user_reads_one_file_at_a_time() {
        let user = |n| UserId::new(Timestamp::from_millis(1), n);
        let turns = ReadingPermits::new(2);
        let user_permit = turns
            .user_semaphore(&user(1))
            .try_acquire_owned()
            .expect("a turn");
        assert!(turns.user_semaphore(&user(1)).try_acquire_owned().is_err());
        assert!(turns.user_semaphore(&user(2)).try_acquire_owned().is_ok());
        drop(user_permit);
        assert!(turns.user_semaphore(&user(1)).try_acquire_owned().is_ok());
        // Users without a read in progress are not kept in memory.
        let semaphore = turns.user_semaphore(&user(3));
        assert_eq!(turns.per_user.lock().expect("no panic").len(), 1);
        drop(semaphore);
    }
}
