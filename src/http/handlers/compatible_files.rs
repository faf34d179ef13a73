//! Files inside a request of the compatible APIs: their text is extracted in the sandbox, and replaces them before the
//! conversation is parsed.

use serde_json::Value;

use super::compatible_shape::invalid_field;
use crate::app::documents::too_much_text_error;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::wire::serve_files::{self as files, FileContent};
use crate::wire::serve_openai::MAX_TEXT;

/// Replaces each file in a body with its text.
///
/// # Errors
/// `BadInput` if a file is not included in the request itself; `BadRequest` if it cannot be read or contains no
/// text; `TooLarge` if the text of all files exceeds the limit of a conversation.
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
