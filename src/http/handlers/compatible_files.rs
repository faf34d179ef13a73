//! Documents inside a request of the compatible APIs: read by the sandboxed reader, and their text put in their
//! place before the conversation is read.

use serde_json::Value;

use super::compatible::refused;
use crate::http::cx::Cx;
use crate::http::error::ApiError;
use crate::wire::serve_files::{self as files, Content};

/// Replaces each file of a body by its text.
///
/// # Errors
/// When a file is not in the request itself, cannot be read or holds no text.
pub(super) async fn inline(cx: &Cx, body: &mut Value) -> Result<(), ApiError> {
    for file in files::take(body).map_err(refused)? {
        let text = match &file.content {
            Content::Text(text) => text.clone(),
            Content::Base64(_, bytes) => {
                cx.app.documents().read_attached(&file.title, bytes).await?
            }
        };
        files::put(body, &file, &text);
    }
    Ok(())
}
