//! Chunked uploads for slow connections: announced, filled in any order, resumed after a lost connection or a
//! server restart, and joined at the end.

use std::time::Duration;

use crate::app::{Error, Kind, Result, disk_space};
use crate::crypto::{self, hex};
use crate::domain::document::Document;
use crate::domain::id::{UploadId, UserId};
use crate::domain::time::Timestamp;
use crate::store::uploads;
use crate::store::uploads::{Upload, UploadPart};

use super::upload::{ReceivedFile, TemporaryFile, too_large};
use super::upload_parts::UploadParts;
use super::{DocumentService, names};

/// Lifetime of an unfinished upload.
pub(super) const UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum number of unfinished uploads per user.
const MAX_UNFINISHED: u64 = 8;
/// Maximum number of parts per upload. Each part costs a row, and a file or at least one piece.
const MAX_PARTS: u32 = 10_000;

/// What a client announces before it sends the parts of a file.
#[derive(Debug, Clone)]
pub struct UploadAnnouncement {
    /// File name as sent by the client.
    pub file_name: String,
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Size of each part except the last, in bytes.
    pub chunk_size: u64,
    /// Number of parts that the client will send.
    pub total_chunks: u32,
}

/// The progress of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadProgress {
    /// ID by which the client refers to the upload when it sends parts.
    pub id: UploadId,
    /// File name, sanitized for display.
    pub file_name: String,
    /// Number of parts that make up the file.
    pub total_chunks: u32,
    /// Numbers of the received parts, in order.
    pub received_parts: Vec<u32>,
    /// When the upload is deleted if it is still unfinished.
    pub expires_at: Timestamp,
}

impl DocumentService {
    /// Starts a chunked upload.
    ///
    /// # Errors
    /// `BadInput` if the announced sizes are inconsistent; `TooLarge` if the file is too large; `Conflict` if the user
    /// has too many unfinished uploads; `Unavailable` if the disk is full.
    pub async fn announce(
        &self,
        user: &UserId,
        announced: UploadAnnouncement,
        now: Timestamp,
    ) -> Result<UploadProgress> {
        check(&announced, self.max_upload_bytes)?;
        disk_space::require(&self.store)?;
        self.expire_uploads(now).await?;
        let upload = Upload {
            id: UploadId::new(now, crypto::random_number()?),
            user: user.clone(),
            file_name: names::sanitize_file_name(&announced.file_name),
            size: announced.size,
            chunk_size: announced.chunk_size,
            total_chunks: announced.total_chunks,
            created: now,
            expires_at: now + UPLOAD_LIFETIME,
        };
        let row = upload.clone();
        let was_opened = self
            .store
            .write(move |db| {
                let has_room = uploads::count_of(db, &row.user)? < MAX_UNFINISHED;
                if has_room {
                    uploads::insert(db, &row)?;
                }
                Ok(has_room)
            })
            .await?;
        if !was_opened {
            let message = format!("at most {MAX_UNFINISHED} chunked uploads may be unfinished");
            return Err(
                Error::new(Kind::Conflict, message).resolve("finish one of them, or wait a day")
            );
        }
        Ok(progress(upload, Vec::new()))
    }

    /// Returns the progress of an upload, so that a client can resume it.
    ///
    /// # Errors
    /// `Missing` if the user has no such upload.
    pub async fn progress(
        &self,
        user: &UserId,
        id: &UploadId,
        now: Timestamp,
    ) -> Result<UploadProgress> {
        let (upload, parts) = self.find(user, id, now).await?;
        Ok(progress(upload, parts))
    }

    /// Stores a part. Sending the same part again replaces the first.
    ///
    /// # Errors
    /// `Missing` if the user has no such upload or it has ended in the meantime; `BadInput` if the number or the
    /// size is wrong; `Unavailable` if the disk is full.
    pub async fn put_part(
        &self,
        user: &UserId,
        id: &UploadId,
        number: u32,
        received: ReceivedFile,
        now: Timestamp,
    ) -> Result<UploadProgress> {
        let (upload, _) = self.find(user, id, now).await?;
        let expected = part_size(&upload, number).ok_or_else(|| {
            field_error(
                "chunkIndex",
                format!("part numbers are 0 to {}", upload.total_chunks - 1),
            )
        })?;
        if received.size != expected {
            let message = format!(
                "part {number} must have {expected} bytes, not {}",
                received.size
            );
            return Err(field_error("chunk", message));
        }
        let parts = self.upload_parts();
        let part = UploadPart {
            number,
            size: expected,
        };
        let work = move || parts.put(&upload, part, &received);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)??;
        self.progress(user, id, now).await
    }

    /// Joins the parts, stores the file as a document, and deletes the upload.
    ///
    /// # Errors
    /// `Missing` if the user has no such upload; `BadRequest` listing the missing parts; and the errors of
    /// `upload`.
    pub async fn finalize(&self, user: &UserId, id: &UploadId, now: Timestamp) -> Result<Document> {
        disk_space::require(&self.store)?;
        let (upload, parts) = self.find(user, id, now).await?;
        let missing: Vec<u32> = (0..upload.total_chunks)
            .filter(|number| !parts.contains(number))
            .collect();
        if !missing.is_empty() {
            let listed_numbers: Vec<String> = missing.iter().take(20).map(u32::to_string).collect();
            let message = format!(
                "{} of {} parts are missing: {}",
                missing.len(),
                upload.total_chunks,
                listed_numbers.join(", ")
            );
            return Err(
                Error::new(Kind::BadRequest, message).resolve("send them, then finalize again")
            );
        }
        let joined_file =
            TemporaryFile::new(self.folders.incoming.join(hex(&crypto::random::<16>()?)));
        let (parts, name) = (self.upload_parts(), upload.file_name.clone());
        let joined = self
            .storing_worker
            .run_for_user(user, move || parts.join(&upload, joined_file))
            .await;
        if joined.is_err() {
            // Another server may have finished the upload and deleted its parts in the meantime.
            self.find(user, id, now).await?;
        }
        let received = joined?;
        let outcome = self.upload(user, &name, received, now).await;
        let is_refused = matches!(&outcome, Err(error) if error.kind == Kind::UnsupportedType);
        if outcome.is_ok() || is_refused {
            self.delete_upload(user, id).await?;
        }
        outcome
    }

    fn upload_parts(&self) -> UploadParts {
        UploadParts::new(self.store.clone(), self.folders.parts.clone())
    }

    async fn delete_upload(&self, user: &UserId, id: &UploadId) -> Result<()> {
        let (parts, user, id) = (self.upload_parts(), user.clone(), id.clone());
        tokio::task::spawn_blocking(move || parts.delete(user, id))
            .await
            .map_err(Error::internal)?
    }

    async fn find(
        &self,
        user: &UserId,
        id: &UploadId,
        now: Timestamp,
    ) -> Result<(Upload, Vec<u32>)> {
        let (user, id) = (user.clone(), id.clone());
        let is_shared = !self.store.is_embedded();
        let lookup = self
            .store
            .read(move |db| {
                let parts = UploadParts::received(db, is_shared, &user, &id)?;
                Ok(uploads::by_id(db, &user, &id)?.map(|upload| (upload, parts)))
            })
            .await?;
        match lookup {
            Some((upload, parts)) if upload.expires_at > now => Ok((upload, parts)),
            _ => {
                Err(Error::new(Kind::Missing, "there is no such upload").resolve("start a new one"))
            }
        }
    }

    /// Deletes uploads that were not finished in time.
    ///
    /// # Errors
    /// Returns an error if the store or a folder cannot be changed.
    pub async fn expire_uploads(&self, now: Timestamp) -> Result<()> {
        let (store, parts) = (self.store.clone(), self.upload_parts());
        let work = move || {
            for upload in store.read_now(move |db| uploads::expired(db, now))? {
                parts.delete(upload.user, upload.id)?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

fn check(announced: &UploadAnnouncement, limit: u64) -> Result<()> {
    if announced.size == 0 {
        return Err(field_error("fileSize", "the file is empty".to_owned()));
    }
    if announced.size > limit {
        return Err(too_large(limit));
    }
    if announced.chunk_size == 0 {
        return Err(field_error("chunkSize", "must be at least 1".to_owned()));
    }
    let parts = announced.size.div_ceil(announced.chunk_size);
    if parts > u64::from(MAX_PARTS) {
        return Err(field_error(
            "chunkSize",
            format!("that makes {parts} parts; the maximum is {MAX_PARTS}"),
        ));
    }
    if u64::from(announced.total_chunks) != parts {
        let message = format!(
            "a file of {} bytes in parts of {} bytes has {parts} parts",
            announced.size, announced.chunk_size
        );
        return Err(field_error("totalChunks", message));
    }
    Ok(())
}

fn field_error(field: &str, message: String) -> Error {
    Error::field(&["body", field], "value_error", message)
}

fn part_size(upload: &Upload, number: u32) -> Option<u64> {
    let start = u64::from(number) * upload.chunk_size;
    (number < upload.total_chunks).then(|| upload.chunk_size.min(upload.size - start))
}

fn progress(upload: Upload, received: Vec<u32>) -> UploadProgress {
    UploadProgress {
        id: upload.id,
        file_name: upload.file_name,
        total_chunks: upload.total_chunks,
        received_parts: received,
        expires_at: upload.expires_at,
    }
}
