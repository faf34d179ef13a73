//! Replaces the files in requests to the compatible APIs with their text, which is extracted in the sandbox. This
//! happens before the messages are parsed.

use serde_json::Value;

use super::compatible_shape::invalid_field;
use crate::app::documents::too_much_text_error;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::wire::serve_files::{self as files, FileContent};
use crate::wire::serve_openai::MAX_TEXT;

/// Replaces each file in a request body with its text.
///
/// # Errors
/// `BadInput` if the request refers to a file instead of containing it; `BadRequest` if a file cannot be read or
/// contains no text; `TooLarge` if the text of all files exceeds the limit of a conversation.
pub(super) async fn inline(
    cx: &RequestContext,
    caller: &Caller,
    body: &mut Value,
) -> Result<(), ApiError> {
    let mut remaining = MAX_TEXT;
    for file in files::extract_files(body).map_err(invalid_field)? {
        let text = match &file.content {
            FileContent::Text(text) => text.clone(),
            FileContent::Base64(_, bytes) => {
                let attachment = (file.title.as_str(), bytes.as_str());
                let documents = cx.app.documents();
                documents
                    .read_attached(&caller.user, attachment, remaining)
                    .await?
            }
        };
        remaining = remaining
            .checked_sub(text.len())
            .ok_or_else(too_much_text_error)?;
        files::insert_text(body, &file, &text);
    }
    Ok(())
}
