//! Documents over HTTP: upload whole or in parts, list, look into, search, give back, delete. Shapes
//! requests and answers; what happens is in `app::documents`.

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use multer::Field;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::documents::{DocumentUse, ReceivedFile, UploadAnnouncement, UploadProgress};
use crate::app::{Error, Kind};
use crate::domain::document::Document;
use crate::domain::id::{DocumentId, UploadId};
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// What a client says before it sends a file in parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnnouncedBody {
    file_name: String,
    file_size: u64,
    chunk_size: u64,
    total_chunks: u32,
}

/// Which upload is complete.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FinalizeBody {
    session_id: String,
}

/// How a document is to be read again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    #[serde(default)]
    encoding: Option<String>,
}

/// Longest text field of a form.
const LONGEST_FIELD: usize = 1_024;

/// POST /api/upload-document
pub async fn upload(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (name, received) = uploaded(&mut cx).await?;
    let document = cx
        .app
        .documents()
        .upload(&caller.user, &name, received, cx.now)
        .await?;
    Ok(Reply::json(&shape(&document)))
}

/// The file of a form, and its name.
pub(super) async fn uploaded(cx: &mut RequestContext) -> Result<(String, ReceivedFile), ApiError> {
    let mut form = cx.multipart().await?;
    let mut file = None;
    while let Some(field) = form.next_field().await? {
        if field.name() == Some("file") && file.is_none() {
            let name = field.file_name().unwrap_or_default().to_owned();
            file = Some((name, take(cx, field).await?));
        }
    }
    file.ok_or_else(|| no_field("file"))
}

/// GET /api/documents
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(DocumentId::parse(&text).ok_or_else(|| {
            Error::field(
                &["query", "cursor"],
                "value_error",
                "is no cursor of this list",
            )
        })?),
    };
    let documents = cx.app.documents().list(&caller.user, limit, cursor).await?;
    let next = (documents.len() == limit as usize)
        .then(|| documents.last().map(|last| last.id.as_str()))
        .flatten();
    let shown: Vec<Value> = documents.iter().map(shape).collect();
    Ok(Reply::json(
        &json!({"documents": shown, "next_cursor": next}),
    ))
}

/// GET /api/documents/{id}
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let document = cx.app.documents().show(&caller.user, &id(&cx)?).await?;
    Ok(Reply::json(&shape(&document)))
}

/// GET /api/documents/{id}/text
pub async fn text(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (document, pages) = cx.app.documents().text(&caller.user, &id(&cx)?).await?;
    let pages: Vec<Value> = pages
        .iter()
        .map(|(number, text)| json!({"number": number, "text": text}))
        .collect();
    Ok(Reply::json(&json!({
        "document_id": document.id,
        "filename": document.name,
        "status": document.status,
        "message": document.message,
        "pages": pages,
    })))
}

/// GET /api/documents/{id}/content
pub async fn content(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (document, path) = cx.app.documents().content(&caller.user, &id(&cx)?).await?;
    let (headers, kind) = (&cx.request.headers, &document.content_type);
    let etag = format!("\"{}\"", document.sha256);
    // A document may hold anything, so it is saved and never shown as a page of ours.
    Ok(Reply::file_for(headers, &path, kind, &etag)
        .await?
        .header(CONTENT_DISPOSITION, &disposition(&document.name))
        .header(CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
}

/// GET /api/documents/{id}/pages/{n}
pub async fn page(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let number = number(&cx)?;
    let shown = cx
        .app
        .documents()
        .page(&caller.user, &id(&cx)?, number)
        .await?;
    Ok(Reply::json(&json!({
        "document_id": shown.document.id, "filename": shown.document.name, "status": shown.document.status,
        "pages": shown.document.pages, "number": shown.page.number, "title": shown.page.title,
        "text": shown.page.text, "gap": shown.gap, "flags": shown.flags,
        "previous": shown.neighbours.0, "next": shown.neighbours.1,
    })))
}

/// POST /api/documents/{id}/read
pub async fn read_again(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ReadBody = cx.json().await?;
    let encoding = body
        .encoding
        .as_deref()
        .filter(|label| !label.trim().is_empty());
    let documents = cx.app.documents();
    let document = documents
        .read_again(&caller.user, &id(&cx)?, encoding)
        .await?;
    Ok(Reply::json(&shape(&document)))
}

/// GET /api/documents/{id}/uses
pub async fn uses(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id(&cx)?;
    let (uses, count) = cx.app.documents().uses(&caller.user, &id).await?;
    Ok(Reply::json(
        &json!({"document_id": id, "count": count, "analyses": quoting(&uses)}),
    ))
}

/// DELETE /api/documents/{id}
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id(&cx)?;
    let (uses, count) = cx.app.documents().uses(&caller.user, &id).await?;
    cx.app.documents().delete(&caller.user, &id).await?;
    let message = match count {
        0 => "the document is deleted".to_owned(),
        1 => "the document is deleted; one analysis still holds what it quoted from it".to_owned(),
        _ => {
            format!("the document is deleted; {count} analyses still hold what they quoted from it")
        }
    };
    Ok(Reply::json(&json!({
        "success": true, "document_id": id, "message": message, "count": count, "analyses": quoting(&uses),
    })))
}

fn quoting(uses: &[DocumentUse]) -> Vec<Value> {
    let shown = |one: &DocumentUse| {
        let question: String = one.question.chars().take(200).collect();
        json!({"id": one.analysis, "question": question, "created_at": one.created})
    };
    uses.iter().map(shown).collect()
}

fn number(cx: &RequestContext) -> Result<u32, ApiError> {
    let number = cx.param("n").parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| ApiError::new(Kind::Missing, "pages are counted from 1"))
}

/// POST /api/create-document-session
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
    Ok(Reply::json(&so_far(&progress)).status(StatusCode::OK))
}

/// GET /api/document-sessions/{id}
pub async fn progress(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = session(cx.param("id"))?;
    let progress = cx
        .app
        .documents()
        .progress(&caller.user, &id, cx.now)
        .await?;
    Ok(Reply::json(&so_far(&progress)))
}

/// POST /api/upload-document-chunk
pub async fn put_part(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (mut id, mut number, mut part) = (None, None, None);
    let mut form = cx.multipart().await?;
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("sessionId") => id = Some(small(field).await?),
            Some("chunkIndex") => number = Some(small(field).await?),
            Some("chunk") if part.is_none() => part = Some(take(&cx, field).await?),
            _ => {}
        }
    }
    let id = session(&id.ok_or_else(|| no_field("sessionId"))?)?;
    let number = number.ok_or_else(|| no_field("chunkIndex"))?;
    let number: u32 = number.trim().parse().map_err(|_| {
        Error::field(
            &["body", "chunkIndex"],
            "value_error",
            "must be a whole number from 0",
        )
    })?;
    let part = part.ok_or_else(|| no_field("chunk"))?;
    let progress = cx
        .app
        .documents()
        .put_part(&caller.user, &id, number, part, cx.now)
        .await?;
    Ok(Reply::json(&so_far(&progress)))
}

/// POST /api/finalize-document-upload
pub async fn finalize(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: FinalizeBody = cx.json().await?;
    let id = session(&body.session_id)?;
    let document = cx
        .app
        .documents()
        .finalize(&caller.user, &id, cx.now)
        .await?;
    Ok(Reply::json(&shape(&document)))
}

/// A file field to disk, piece by piece.
async fn take(cx: &RequestContext, mut field: Field<'_>) -> Result<ReceivedFile, ApiError> {
    let mut incoming = match cx.app.documents().begin() {
        Ok(incoming) => incoming,
        Err(error) => return Err(refused(field, error).await),
    };
    while let Some(piece) = field.chunk().await? {
        if let Err(error) = incoming.write(&piece).await {
            return Err(refused(field, error).await);
        }
    }
    Ok(incoming.finish().await?)
}

/// Reads the rest before the refusal: a client that is still sending would otherwise see its connection reset before
/// it sees the answer. The form has its own limit a little above, so this ends.
async fn refused(mut field: Field<'_>, error: Error) -> ApiError {
    while let Ok(Some(_)) = field.chunk().await {}
    ApiError::from(error).closing()
}

/// A text field.
async fn small(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST_FIELD {
            return Err(
                ApiError::new(Kind::TooLarge, "a text field of the form is too long").closing(),
            );
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| ApiError::new(Kind::BadRequest, "a text field of the form is not UTF-8"))
}

fn no_field(name: &str) -> ApiError {
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

pub(super) fn id(cx: &RequestContext) -> Result<DocumentId, ApiError> {
    DocumentId::parse(cx.param("id"))
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such document"))
}

fn session(text: &str) -> Result<UploadId, ApiError> {
    UploadId::parse(text.trim())
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such upload"))
}

/// `id`, `name` and `type` are what the predecessor's clients read.
fn shape(document: &Document) -> Value {
    json!({
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
        "flags": document.flags,
        "sha256": document.sha256,
        "created_at": document.created,
    })
}

fn so_far(progress: &UploadProgress) -> Value {
    json!({
        "status": "success",
        "sessionId": progress.id,
        "fileName": progress.file_name,
        "totalChunks": progress.total_chunks,
        "receivedChunks": progress.received,
        "complete": progress.received.len() == progress.total_chunks as usize,
        "expires_at": progress.expires,
    })
}

/// RFC 6266: a name in ASCII for old clients and the whole one, percent-encoded, for the others.
fn disposition(name: &str) -> String {
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
    use super::disposition;

    #[test]
    fn names_in_headers() {
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
            assert_eq!(disposition(name), expected, "{name}");
        }
    }
}
