//! Documents inside a request of the compatible APIs: read by the sandboxed reader, and their text put in their
//! place before the conversation is read.

use serde_json::Value;

use super::compatible_shape::refused;
use crate::app::documents::too_much_text;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::wire::serve_files::{self as files, FileContent};
use crate::wire::serve_openai::MOST_TEXT;

/// Replaces each file of a body by its text.
///
/// # Errors
/// When a file is not in the request itself, cannot be read or holds no text.
/// `TooLarge` as soon as their text together is longer than a conversation may be.
pub(super) async fn inline(
    cx: &RequestContext,
    caller: &Caller,
    body: &mut Value,
) -> Result<(), ApiError> {
    let mut left = MOST_TEXT;
    for file in files::take(body).map_err(refused)? {
        let text = match &file.content {
            FileContent::Text(text) => text.clone(),
            FileContent::Base64(_, bytes) => {
                let given = (file.title.as_str(), bytes.as_str());
                let documents = cx.app.documents();
                documents.read_attached(&caller.user, given, left).await?
            }
        };
        left = left.checked_sub(text.len()).ok_or_else(too_much_text)?;
        files::put(body, &file, &text);
    }
    Ok(())
}
