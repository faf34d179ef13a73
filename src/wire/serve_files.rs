//! Files in a conversation: Anthropic's `document` and `search_result` blocks, and OpenAI's `file` and `input_file`
//! parts. The files are extracted, and once their text has been read, it is inserted in their place.

use serde_json::{Value, json};

use super::serve_error::{RequestError, invalid};

/// Maximum number of files in one request. A request with more files is refused.
const MAX_FILES: usize = 20;

/// A file that a client has sent in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// Position in the body, as a JSON pointer.
    place: String,
    /// Title or name of the file, if the client has given one.
    pub title: String,
    /// The client's description of the file (`context` in Anthropic's API).
    context: String,
    /// The content as the client has sent it, before any text is extracted.
    pub content: FileContent,
}

/// Content of a file, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// Plain text.
    Text(String),
    /// Base64 data and its media type.
    Base64(String, String),
}

/// Extracts the files from a body. Each one is replaced with an empty text part.
///
/// # Errors
///
/// Returns an error when there are more than 20 files, when a file is given only as a URL or ID, or when a file is
/// empty.
pub fn extract_files(body: &mut Value) -> Result<Vec<AttachedFile>, RequestError> {
    let mut files = Vec::new();
    for list in ["messages", "input"] {
        if let Some(list_value) = body.get_mut(list) {
            for_each_part(list_value, &format!("/{list}"), &mut files)?;
        }
    }
    match files.len() > MAX_FILES {
        true => invalid(
            "messages",
            format!("at most {MAX_FILES} documents can be sent with one request"),
        ),
        false => Ok(files),
    }
}

/// Inserts the text of a file at the position of the file.
pub fn insert_text(body: &mut Value, file: &AttachedFile, text: &str) {
    let title = match file.title.is_empty() {
        true => "document",
        false => file.title.as_str(),
    };
    let context = match file.context.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", file.context),
    };
    let text = format!(
        "<document title={title:?}>\n{context}{}\n</document>",
        text.trim_end()
    );
    if let Some(part) = body.pointer_mut(&file.place) {
        part["text"] = json!(text);
    }
}

// Extracts the files in a value and in the values nested in it. Clients nest files up to three levels deep: in a
// message, its content, and a tool result in that content.
fn for_each_part(
    value: &mut Value,
    place: &str,
    files: &mut Vec<AttachedFile>,
) -> Result<(), RequestError> {
    match value {
        Value::Array(list) => {
            for (index, one) in list.iter_mut().enumerate() {
                for_each_part(one, &format!("{place}/{index}"), files)?;
            }
        }
        Value::Object(_) => {
            if let Some(file) = parse_file(value, place)? {
                files.push(file);
                let mark = value["cache_control"].take();
                *value = json!({ "type": "text", "text": "", "cache_control": mark });
                return Ok(());
            }
            for name in ["content", "output"] {
                if let Some(inner) = value.get_mut(name).filter(|inner| inner.is_array()) {
                    for_each_part(inner, &format!("{place}/{name}"), files)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn parse_file(part: &Value, place: &str) -> Result<Option<AttachedFile>, RequestError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (title, content) = match part["type"].as_str() {
        Some("document") => (&part["title"], parse_source(&part["source"])?),
        Some("search_result") => (
            &part["title"],
            FileContent::Text(join_texts(&part["content"])?),
        ),
        Some("file") if part["file"].is_object() => (
            &part["file"]["filename"],
            parse_data(&part["file"]["file_data"])?,
        ),
        Some("input_file") => (&part["filename"], parse_data(&part["file_data"])?),
        _ => return Ok(None),
    };
    Ok(Some(AttachedFile {
        place: place.to_owned(),
        title: text(title)
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        context: text(&part["context"]),
        content,
    }))
}

// Parses the source of an Anthropic document.
fn parse_source(source: &Value) -> Result<FileContent, RequestError> {
    let data = source["data"].as_str();
    match (source["type"].as_str(), data) {
        (Some("text"), Some(text)) => Ok(FileContent::Text(text.to_owned())),
        (Some("base64"), Some(bytes)) => {
            let media_type = source["media_type"].as_str().unwrap_or("application/pdf");
            Ok(FileContent::Base64(media_type.to_owned(), bytes.to_owned()))
        }
        (Some("content"), _) => Ok(FileContent::Text(join_texts(&source["content"])?)),
        (Some("text" | "base64"), None) => invalid("messages", "a document needs its data"),
        _ => invalid(
            "messages",
            "a document must come as base64 or text: this server fetches nothing from elsewhere and keeps no files",
        ),
    }
}

fn join_texts(content: &Value) -> Result<String, RequestError> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| part["text"].as_str());
            match texts.collect::<Option<Vec<_>>>() {
                Some(texts) => Ok(texts.join("\n\n")),
                None => invalid("messages", "the content of a document must be text blocks"),
            }
        }
        _ => invalid("messages", "a document needs its content"),
    }
}

// Parses the data of an OpenAI file: a data URL, or only the base64 text of a PDF.
fn parse_data(data: &Value) -> Result<FileContent, RequestError> {
    let Some(data) = data.as_str() else {
        return invalid(
            "messages",
            "a file must come as file_data with base64: this server fetches nothing from elsewhere and keeps no files",
        );
    };
    let (media_type, bytes) = match data.strip_prefix("data:") {
        None => ("application/pdf", data),
        Some(rest) => match rest.split_once(";base64,") {
            Some(pair) => pair,
            None => return invalid("messages", "file_data must be a data URL with base64"),
        },
    };
    Ok(FileContent::Base64(media_type.to_owned(), bytes.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_wherever_clients_put_them() {
        let pdf = "data:application/pdf;base64,AAAA";
        for (body, content) in [
            (
                json!({ "messages": [{ "content": [{ "type": "document", "source": { "type": "text", "data": "a" } }] }] }),
                FileContent::Text("a".into()),
            ),
            (
                json!({ "messages": [{ "content": [{ "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "AAAA" } }] }] }),
                FileContent::Base64("application/pdf".into(), "AAAA".into()),
            ),
            (
                json!({ "messages": [{ "content": [{ "type": "tool_result", "content": [{ "type": "document", "source": { "type": "content", "content": [{ "type": "text", "text": "b" }] } }] }] }] }),
                FileContent::Text("b".into()),
            ),
            (
                json!({ "messages": [{ "content": [{ "type": "file", "file": { "filename": "f", "file_data": pdf } }] }] }),
                FileContent::Base64("application/pdf".into(), "AAAA".into()),
            ),
            (
                json!({ "input": [{ "content": [{ "type": "input_file", "file_data": "AAAA" }] }] }),
                FileContent::Base64("application/pdf".into(), "AAAA".into()),
            ),
            (
                json!({ "messages": [{ "content": [{ "type": "search_result", "title": "t", "source": "s", "content": [{ "type": "text", "text": "c" }] }] }] }),
                FileContent::Text("c".into()),
            ),
        ] {
            let mut left = body.clone();
            let files = extract_files(&mut left).unwrap();
            assert_eq!((files.len(), &files[0].content), (1, &content), "{body}");
            insert_text(&mut left, &files[0], "The fee is 42.");
            assert!(left.to_string().contains("The fee is 42."), "{left}");
        }
    }

    #[test]
    fn a_referenced_file_is_rejected() {
        let part = |part: Value| json!({ "messages": [{ "content": [part] }] });
        for wrong in [
            part(
                json!({ "type": "document", "source": { "type": "url", "url": "https://a.example" } }),
            ),
            part(json!({ "type": "document", "source": { "type": "base64" } })),
            part(json!({ "type": "file", "file": { "file_id": "f" } })),
            part(json!({ "type": "input_file", "file_url": "https://a.example" })),
        ] {
            assert!(extract_files(&mut wrong.clone()).is_err(), "{wrong}");
        }
        let many_documents = vec![
            json!({ "type": "document", "source": { "type": "text", "data": "a" } });
            MAX_FILES + 1
        ];
        assert!(
            extract_files(&mut json!({ "messages": [{ "content": many_documents }] })).is_err()
        );
        assert_eq!(
            extract_files(&mut json!({ "messages": "x", "input": "y" })),
            Ok(Vec::new())
        );
    }
}
