//! Document handlers: upload in one request or in chunks, list, read, download, and delete. The rules are in
//! `app::documents`.

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use multer::Field;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::documents::{DocumentUse, ReceivedFile, UploadAnnouncement, UploadProgress};
use crate::app::{Error, Kind};
use crate::domain::document::{Document, DocumentStatus};
use crate::domain::id::{DocumentId, UploadId};
use crate::domain::user::{Caller, Role};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Body that announces a chunked upload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnnouncedBody {
    file_name: String,
    file_size: u64,
    chunk_size: u64,
    total_chunks: u32,
}

/// Body that names the chunked upload to complete.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FinalizeBody {
    session_id: String,
}

/// Options for extracting a document's text again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    #[serde(default)]
    encoding: Option<String>,
}

/// Maximum length of a form's text field, in bytes.
const MAX_FIELD_BYTES: usize = 1_024;

/// `POST /api/upload-document`: uploads a document as a multipart form.
///
/// # Errors
/// `BadRequest` for an invalid form or an empty file; `TooLarge` over the upload limit; `UnsupportedType` if the
/// file's type is not supported; `TooFast` or `Unavailable` if too many files wait or the disk is full;
/// `Forbidden` if a guest has reached the document limit.
pub async fn upload(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (name, received) = read_upload(&mut cx).await?;
    let (documents, user) = (cx.app.documents(), &caller.user);
    let document = match caller.role {
        Role::Guest => {
            documents
                .upload_as_guest(user, &name, received, cx.now)
                .await?
        }
        Role::Admin | Role::User => documents.upload(user, &name, received, cx.now).await?,
    };
    Ok(Reply::json(&document_json(&cx, &document)))
}

/// Receives the file in a multipart form. Returns the file's name and content.
///
/// # Errors
/// `BadRequest` for an invalid form, one without a file, or an empty file; `TooLarge` over the upload limit;
/// `Unavailable` if the disk is full.
pub(super) async fn read_upload(
    cx: &mut RequestContext,
) -> Result<(String, ReceivedFile), ApiError> {
    let mut form = cx.multipart().await?;
    let mut file = None;
    while let Some(field) = form.next_field().await? {
        if field.name() == Some("file") && file.is_none() {
            let name = field.file_name().unwrap_or_default().to_owned();
            file = Some((name, receive_file(cx, field).await?));
        }
    }
    file.ok_or_else(|| missing_field("file"))
}

/// `GET /api/documents`: lists the caller's documents.
///
/// # Errors
/// `BadInput` for an invalid limit or cursor.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(DocumentId::parse(&text).ok_or_else(|| {
            Error::field(
                &["query", "cursor"],
                "value_error",
                "is not a cursor for this list",
            )
        })?),
    };
    let documents = cx.app.documents().list(&caller.user, limit, cursor).await?;
    let next = (documents.len() == limit as usize)
        .then(|| documents.last().map(|last| last.id.as_str()))
        .flatten();
    let items: Vec<Value> = documents
        .iter()
        .map(|document| document_json(&cx, document))
        .collect();
    Ok(Reply::json(
        &json!({"documents": items, "next_cursor": next}),
    ))
}

/// `GET /api/documents/{id}`: returns one document.
///
/// # Errors
/// `Missing` if the caller has no such document.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let document = cx
        .app
        .documents()
        .show(&caller.user, &document_id(&cx)?)
        .await?;
    Ok(Reply::json(&document_json(&cx, &document)))
}

/// `GET /api/documents/{id}/text`: returns a document's extracted text by page.
///
/// # Errors
/// `Missing` if the caller has no such document.
pub async fn text(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (document, pages) = cx
        .app
        .documents()
        .text(&caller.user, &document_id(&cx)?)
        .await?;
    let pages: Vec<Value> = pages
        .iter()
        .map(|page| json!({"number": page.number, "title": page.title, "text": page.text}))
        .collect();
    Ok(Reply::json(&json!({
        "document_id": document.id,
        "filename": document.name,
        "status": document.status,
        "message": document.message,
        "pages": pages,
    })))
}

/// `GET /api/documents/{id}/content`: downloads a document's original file.
///
/// # Errors
/// `Missing` if the caller has no such document; `Unavailable` if its file is damaged or cannot be fetched; 416
/// for a range outside the file.
pub async fn content(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (document, original) = cx
        .app
        .documents()
        .content(&caller.user, &document_id(&cx)?)
        .await?;
    let (headers, kind) = (&cx.request.headers, &document.content_type);
    let etag = format!("\"{}\"", document.sha256);
    // A document may contain scripts, so browsers must download it instead of rendering it under this server's origin.
    Ok(Reply::file_for(headers, original.path(), kind, &etag)
        .await?
        .header(CONTENT_DISPOSITION, &content_disposition(&document.name))
        .header(CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
}

/// `GET /api/documents/{id}/pages/{n}`: returns one page of a document's extracted text.
///
/// # Errors
/// `Missing` if the caller has no such document, or if the document has no such page.
pub async fn page(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let number = page_number(&cx)?;
    let view = cx
        .app
        .documents()
        .page(&caller.user, &document_id(&cx)?, number)
        .await?;
    Ok(Reply::json(&json!({
        "document_id": view.document.id, "filename": view.document.name, "status": view.document.status,
        "pages": view.document.pages, "number": view.page.number, "title": view.page.title,
        "text": view.page.text, "gap": view.gap, "flags": view.flags,
        "ocr": view.document.recognized.contains(&view.page.number),
        "previous": view.neighbors.0, "next": view.neighbors.1,
    })))
}

/// `POST /api/documents/{id}/read`: extracts a document's text again, optionally with another encoding.
///
/// # Errors
/// `BadInput` for an unknown encoding; `Missing` if the caller has no such document; `Conflict` while it is
/// being read; `TooFast` if too many documents are already waiting; `UnsupportedType` if its type is not
/// supported.
pub async fn read_again(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ReadBody = cx.json().await?;
    let encoding = body
        .encoding
        .as_deref()
        .filter(|label| !label.trim().is_empty());
    let documents = cx.app.documents();
    let document = documents
        .read_again(&caller.user, &document_id(&cx)?, encoding)
        .await?;
    Ok(Reply::json(&document_json(&cx, &document)))
}

/// `GET /api/documents/{id}/uses`: lists the analyses that quote a document.
///
/// # Errors
/// `Missing` if the caller has no such document.
pub async fn uses(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = document_id(&cx)?;
    let (uses, count) = cx.app.documents().uses(&caller.user, &id).await?;
    Ok(Reply::json(
        &json!({"document_id": id, "count": count, "analyses": uses_json(&uses)}),
    ))
}

/// `DELETE /api/documents/{id}`: deletes a document, and lists the analyses that still quote it.
///
/// # Errors
/// `Missing` if the caller has no such document.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = document_id(&cx)?;
    let (uses, count) = cx.app.documents().uses(&caller.user, &id).await?;
    cx.app.documents().delete(&caller.user, &id).await?;
    let message = match count {
        0 => "the document has been deleted".to_owned(),
        1 => {
            "the document has been deleted; one analysis still contains passages from it".to_owned()
        }
        _ => {
            format!(
                "the document has been deleted; {count} analyses still contain passages from it"
            )
        }
    };
    Ok(Reply::json(&json!({
        "success": true, "document_id": id, "message": message, "count": count, "analyses": uses_json(&uses),
    })))
}

fn uses_json(uses: &[DocumentUse]) -> Vec<Value> {
    let to_json = |usage: &DocumentUse| {
        let question: String = usage.question.chars().take(200).collect();
        json!({"id": usage.analysis, "thread_id": usage.thread, "question": question, "created_at": usage.created})
    };
    uses.iter().map(to_json).collect()
}

fn page_number(cx: &RequestContext) -> Result<u32, ApiError> {
    let number = cx.param("n").parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| ApiError::new(Kind::Missing, "page numbers start at 1"))
}

/// `POST /api/create-document-session`: starts a chunked upload.
///
/// # Errors
/// `BadInput` if the sizes do not match or the file is too large; `Conflict` if the caller has too many unfinished
/// uploads; `Unavailable` if the disk is full.
pub async fn announce(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: AnnouncedBody = cx.json().await?;
    let announced = UploadAnnouncement {
        file_name: body.file_name,
        size: body.file_size,
        chunk_size: body.chunk_size,
        total_chunks: body.total_chunks,
    };
    let progress = cx
        .app
        .documents()
        .announce(&caller.user, announced, cx.now)
        .await?;
    Ok(Reply::json(&progress_json(&progress)).status(StatusCode::OK))
}

/// `GET /api/document-sessions/{id}`: returns which parts of an upload have been received.
///
/// # Errors
/// `Missing` if the caller has no such upload.
pub async fn progress(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = upload_id(cx.param("id"))?;
    let progress = cx
        .app
        .documents()
        .progress(&caller.user, &id, cx.now)
        .await?;
    Ok(Reply::json(&progress_json(&progress)))
}

/// `POST /api/upload-document-chunk`: uploads one part of a document.
///
/// # Errors
/// `Missing` if the caller has no such upload; `BadRequest` or `BadInput` if the form, the index, or the size is
/// invalid; `Unavailable` if the disk is full.
pub async fn put_part(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (mut id, mut index, mut part) = (None, None, None);
    let mut form = cx.multipart().await?;
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("sessionId") => id = Some(read_text_field(field).await?),
            Some("chunkIndex") => index = Some(read_text_field(field).await?),
            Some("chunk") if part.is_none() => part = Some(receive_file(&cx, field).await?),
            _ => {}
        }
    }
    let id = upload_id(&id.ok_or_else(|| missing_field("sessionId"))?)?;
    let index = index.ok_or_else(|| missing_field("chunkIndex"))?;
    let index: u32 = index.trim().parse().map_err(|_| {
        Error::field(
            &["body", "chunkIndex"],
            "value_error",
            "must be a whole number, 0 or greater",
        )
    })?;
    let part = part.ok_or_else(|| missing_field("chunk"))?;
    let progress = cx
        .app
        .documents()
        .put_part(&caller.user, &id, index, part, cx.now)
        .await?;
    Ok(Reply::json(&progress_json(&progress)))
}

/// `POST /api/finalize-document-upload`: completes a chunked upload.
///
/// # Errors
/// `Missing` if the caller has no such upload; `BadRequest`, with a list of the missing parts, if it is incomplete;
/// otherwise, same as [`upload`].
pub async fn finalize(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: FinalizeBody = cx.json().await?;
    let id = upload_id(&body.session_id)?;
    let document = cx
        .app
        .documents()
        .finalize(&caller.user, &id, cx.now)
        .await?;
    Ok(Reply::json(&document_json(&cx, &document)))
}

/// Writes a file field to a temporary file as it arrives.
async fn receive_file(cx: &RequestContext, mut field: Field<'_>) -> Result<ReceivedFile, ApiError> {
    let mut incoming = match cx.app.documents().begin() {
        Ok(incoming) => incoming,
        Err(error) => return Err(discard_and_fail(field, error).await),
    };
    while let Some(chunk) = field.chunk().await? {
        if let Err(error) = incoming.write(&chunk).await {
            return Err(discard_and_fail(field, error).await);
        }
    }
    Ok(incoming.finish().await?)
}

/// Discards the rest of a field before returning an error. Without this, a client that is still sending would have its
/// connection reset before it reads the response. The route's body limit also limits how much is discarded.
async fn discard_and_fail(mut field: Field<'_>, error: Error) -> ApiError {
    while let Ok(Some(_)) = field.chunk().await {}
    ApiError::from(error).closing_connection()
}

/// Reads a form field as UTF-8 text of at most 1 KiB.
async fn read_text_field(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD_BYTES {
            return Err(
                ApiError::new(Kind::TooLarge, "a text field of the form is too long")
                    .closing_connection(),
            );
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| ApiError::new(Kind::BadRequest, "a text field of the form is not UTF-8"))
}

fn missing_field(name: &str) -> ApiError {
    let error = Error::new(
        Kind::BadRequest,
        format!("no file was sent: the form has no field \"{name}\""),
    );
    error
        .resolve(format!(
            "send a multipart/form-data body with the field \"{name}\""
        ))
        .into()
}

/// Parses the document ID in the request's path.
///
/// # Errors
/// `Missing` if the ID is malformed.
pub(super) fn document_id(cx: &RequestContext) -> Result<DocumentId, ApiError> {
    DocumentId::parse(cx.param("id"))
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such document"))
}

fn upload_id(text: &str) -> Result<UploadId, ApiError> {
    UploadId::parse(text.trim())
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such upload"))
}

/// Returns a document as JSON. `document_id`, `name`, and `type` are aliases for clients of Quire's predecessor.
fn document_json(cx: &RequestContext, document: &Document) -> Value {
    let is_read = document.status == DocumentStatus::Processing;
    let share = cx.app.documents().share_read(&document.id);
    json!({
        "share_read": share.filter(|_| is_read),
        "document_id": document.id,
        "id": document.id,
        "filename": document.name,
        "name": document.name,
        "size": document.size,
        "type": document.content_type,
        "content_type": document.content_type,
        "kind": document.kind,
        "encoding": document.encoding,
        "status": document.status,
        "message": document.message,
        "pages": document.pages,
        "words": document.words,
        "gaps": document.gaps,
        "ocr": document.recognized,
        "flags": document.flags,
        "sha256": document.sha256,
        "created_at": document.created,
    })
}

fn progress_json(progress: &UploadProgress) -> Value {
    json!({
        "status": "success",
        "sessionId": progress.id,
        "fileName": progress.file_name,
        "totalChunks": progress.total_chunks,
        "receivedChunks": progress.received_parts,
        "complete": progress.received_parts.len() == progress.total_chunks as usize,
        "expires_at": progress.expires_at,
    })
}

/// Returns the `Content-Disposition` of a download (RFC 6266): an ASCII file name for old clients, and the
/// percent-encoded full name.
fn content_disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | ';') || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let encoded = utf8_percent_encode(name, RESERVED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::content_disposition;

    #[test]
    fn file_names_are_encoded_in_headers() {
        for (name, expected) in [
            (
                "a.txt",
                "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt",
            ),
            (
                "ä \"b\".md",
                "attachment; filename=\"_ _b_.md\"; filename*=UTF-8''%C3%A4%20%22b%22.md",
            ),
            (
                "x\r\ny",
                "attachment; filename=\"x__y\"; filename*=UTF-8''x%0D%0Ay",
            ),
        ] {
            assert_eq!(content_disposition(name), expected, "{name}");
        }
    }
}
