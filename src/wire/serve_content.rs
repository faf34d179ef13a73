//! Parses the content of messages in Quire's own APIs: a string, or a list of parts. Accepts the kinds of parts of chat
//! completions, Responses, and Anthropic's messages alike.

use serde_json::Value;

use super::cache_marks;
use super::serve_error::{RequestError, invalid};
use crate::domain::chat::{CacheMark, Image};

/// The parsed content of a message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MessageContent {
    pub text: String,
    pub images: Vec<Image>,
    pub cache_marks: Vec<CacheMark>,
}

/// Parses content: a string, or a list of text and image parts.
///
/// # Errors
///
/// Returns an error when a part has an unsupported kind or is malformed.
pub(super) fn parse_content(content: &Value) -> Result<(String, Vec<Image>), RequestError> {
    let marked_content = parse_marked_content(content)?;
    Ok((marked_content.text, marked_content.images))
}

/// Parses content together with its prompt-cache markers.
///
/// # Errors
///
/// Returns an error when a part has an unsupported kind or is malformed.
pub(super) fn parse_marked_content(content: &Value) -> Result<MessageContent, RequestError> {
    let parts = match content {
        Value::String(text) => {
            let text = text.clone();
            return Ok(MessageContent {
                text,
                ..MessageContent::default()
            });
        }
        Value::Null => return Ok(MessageContent::default()),
        Value::Array(parts) => parts,
        _ => return invalid("messages", "content must be a string or a list of parts"),
    };
    let (mut texts, mut images, mut cache_marks) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part["type"].as_str() {
            Some("text" | "input_text" | "output_text") => {
                let Some(text) = part["text"].as_str() else {
                    return invalid("messages", "a text part needs its text");
                };
                if !text.is_empty() {
                    texts.push(text);
                }
            }
            Some("refusal") => texts.push(part["refusal"].as_str().unwrap_or_default()),
            Some("image_url" | "input_image") => {
                let url = part["image_url"]["url"]
                    .as_str()
                    .or(part["image_url"].as_str());
                images.push(parse_image_url(url.unwrap_or_default())?);
            }
            Some("image") => images.push(parse_anthropic_image(&part["source"])?),
            Some("thinking" | "redacted_thinking") => {}
            // Results of a vendor's own tools in an earlier turn are skipped, because only that vendor can read them.
            Some(kind) if kind == "server_tool_use" || kind.ends_with("_tool_result") => {}
            other => {
                let what = other.unwrap_or("a part without a type");
                return invalid(
                    "messages",
                    format!("{what} is not accepted: send text or images"),
                );
            }
        }
        if let Some(control) = cache_marks::block_mark(part)? {
            // Texts are joined with two line feeds, which count toward the offset of a marker.
            let length: usize = texts.iter().map(|text: &&str| text.len() + 2).sum();
            let end = Some(length.saturating_sub(2));
            cache_marks.push(CacheMark { end, control });
        }
    }
    Ok(MessageContent {
        text: texts.join("\n\n"),
        images,
        cache_marks,
    })
}

fn parse_image_url(url: &str) -> Result<Image, RequestError> {
    let is_data_url = url
        .get(.."data:".len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let data = url.get("data:".len()..).filter(|_| is_data_url);
    let data = data.and_then(|data| data.split_once(','));
    // Parameters may follow the media type in a data URL.
    let parts = data.and_then(|(head, base64)| {
        let (head, last) = head.rsplit_once(';')?;
        let media_type = head.split(';').next().unwrap_or_default();
        last.trim()
            .eq_ignore_ascii_case("base64")
            .then_some((media_type, base64))
    });
    let Some((media_type, base64)) = parts else {
        return invalid(
            "messages",
            "images must be base64 data: URLs: this server fetches nothing from elsewhere",
        );
    };
    new_image(media_type, base64)
}

fn parse_anthropic_image(source: &Value) -> Result<Image, RequestError> {
    match source["type"].as_str() {
        Some("base64") => new_image(
            source["media_type"].as_str().unwrap_or_default(),
            source["data"].as_str().unwrap_or_default(),
        ),
        _ => invalid(
            "messages",
            "images must be base64: this server fetches nothing from elsewhere",
        ),
    }
}

fn new_image(media_type: &str, base64: &str) -> Result<Image, RequestError> {
    let media_type = match media_type.trim().to_ascii_lowercase() {
        // This type is not registered, but browsers and scripts often use it.
        kind if kind == "image/jpg" => "image/jpeg".to_owned(),
        kind => kind,
    };
    if !["image/png", "image/jpeg", "image/webp", "image/gif"].contains(&media_type.as_str()) {
        return invalid("messages", "images must be PNG, JPEG, WebP, or GIF");
    }
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if base64.is_empty() || !base64.bytes().all(is_base64) {
        return invalid("messages", "an image is not base64");
    }
    Ok(Image {
        media_type,
        base64: base64.into(),
    })
}
