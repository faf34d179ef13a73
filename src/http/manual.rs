//! The embedded manual: its topics in Markdown, from the same files that the page `/manual` loads. Rendering is left to
//! the caller.

use serde::Deserialize;

use super::assets;
use super::error::ApiError;
use crate::app::Error;

/// A topic of the manual.
#[derive(Debug, Clone, Deserialize)]
pub struct Topic {
    /// The name of the topic in URLs and on the command line, such as `first-steps`.
    pub id: String,
    /// The topic's heading.
    pub title: String,
    /// The topic's first paragraph.
    pub summary: String,
    /// The text below the heading in Markdown, with one paragraph per line.
    #[serde(skip)]
    pub text: String,
}

/// Returns all topics in reading order.
///
/// # Errors
/// `Internal` if the embedded file is missing or damaged.
pub fn topics() -> Result<Vec<Topic>, ApiError> {
    let list = serde_json::from_str(&assets::embedded_text("manual.json")?);
    let mut topics: Vec<Topic> =
        list.map_err(|error| Error::internal(format!("the manual is damaged: {error}")))?;
    for topic in &mut topics {
        topic.text = assets::embedded_text(&format!("manual/{}.md", topic.id))?;
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::SETTINGS;

    #[test]
    fn generated_topics_are_complete() {
        let topics = topics().expect("a manual");
        let text = |id: &str| &topics.iter().find(|topic| topic.id == id).expect(id).text;
        for row in SETTINGS {
            let item = format!("- `{}` (`--{}`): {}", row.name, row.flag(), row.help);
            assert!(text("settings").contains(&item), "{}", row.name);
        }
        assert!(text("api").contains("- `POST /api/analyze`: "));
        for placeholder in ["{{requests}}", "{{settings}}"] {
            assert!(
                topics.iter().all(|topic| !topic.text.contains(placeholder)),
                "{placeholder}"
            );
        }
    }
}
