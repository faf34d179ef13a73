//! The content of a message in our own APIs: a text, or a list of parts of the kinds that the three APIs have.

use serde_json::Value;

use super::serve_error::{RequestError, fault};
use crate::domain::chat::Image;

/// A text, or a list of parts: text and pictures.
pub(super) fn content(content: &Value) -> Result<(String, Vec<Image>), RequestError> {
    let parts = match content {
        Value::String(text) => return Ok((text.clone(), Vec::new())),
        Value::Null => return Ok((String::new(), Vec::new())),
        Value::Array(parts) => parts,
        _ => return fault("messages", "content must be a text or a list of parts"),
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part["type"].as_str() {
            Some("text" | "input_text" | "output_text") => {
                let Some(text) = part["text"].as_str() else {
                    return fault("messages", "a text part needs its text");
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
                images.push(picture(url.unwrap_or_default())?);
            }
            Some("image") => images.push(anthropic_picture(&part["source"])?),
            Some("thinking" | "redacted_thinking") => {}
            // What a vendor's own tools have done in an earlier turn: nobody else can read it.
            Some(kind) if kind == "server_tool_use" || kind.ends_with("_tool_result") => {}
            other => {
                let what = other.unwrap_or("a part without a type");
                return fault(
                    "messages",
                    format!("{what} is not taken here: send text or pictures"),
                );
            }
        }
    }
    Ok((texts.join("\n\n"), images))
}

fn picture(url: &str) -> Result<Image, RequestError> {
    let is_data = url
        .get(.."data:".len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let data = url.get("data:".len()..).filter(|_| is_data);
    let data = data.and_then(|data| data.split_once(','));
    // The media type may have parameters of its own.
    let parts = data.and_then(|(head, base64)| {
        let (head, last) = head.rsplit_once(';')?;
        let media_type = head.split(';').next().unwrap_or_default();
        last.trim()
            .eq_ignore_ascii_case("base64")
            .then_some((media_type, base64))
    });
    let Some((media_type, base64)) = parts else {
        return fault(
            "messages",
            "pictures must come as data: URLs with base64: this server fetches nothing from elsewhere",
        );
    };
    image(media_type, base64)
}

fn anthropic_picture(source: &Value) -> Result<Image, RequestError> {
    match source["type"].as_str() {
        Some("base64") => image(
            source["media_type"].as_str().unwrap_or_default(),
            source["data"].as_str().unwrap_or_default(),
        ),
        _ => fault(
            "messages",
            "pictures must come as base64: this server fetches nothing from elsewhere",
        ),
    }
}

fn image(media_type: &str, base64: &str) -> Result<Image, RequestError> {
    let media_type = match media_type.trim().to_ascii_lowercase() {
        // No such type is registered, but browsers and scripts write it.
        kind if kind == "image/jpg" => "image/jpeg".to_owned(),
        kind => kind,
    };
    if !["image/png", "image/jpeg", "image/webp", "image/gif"].contains(&media_type.as_str()) {
        return fault("messages", "pictures must be PNG, JPEG, WebP or GIF");
    }
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if base64.is_empty() || !base64.bytes().all(sound) {
        return fault("messages", "a picture is not base64");
    }
    Ok(Image {
        media_type,
        base64: base64.into(),
    })
}
