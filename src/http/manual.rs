//! The manual as the binary carries it: topics in Markdown, from the same file that the page `/manual` loads.
//! Knows nothing of how they are shown.

use serde::Deserialize;

use super::assets;
use super::error::ApiError;
use crate::app::Error;

/// One topic of the manual.
#[derive(Debug, Clone, Deserialize)]
pub struct Topic {
    /// Its name in addresses and on the command line, such as `first-steps`.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its first paragraph.
    pub summary: String,
    /// The text below the heading as Markdown, one paragraph per line.
    pub text: String,
}

/// All topics in reading order.
///
/// # Errors
/// When the embedded file is damaged.
pub fn topics() -> Result<Vec<Topic>, ApiError> {
    serde_json::from_str(&assets::text("manual.json")?)
        .map_err(|fault| Error::internal(format!("the manual is damaged: {fault}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::SETTINGS;

    #[test]
    fn generated_topics_hold_what_they_are_generated_from() {
        let topics = topics().expect("a manual");
        let text = |id: &str| &topics.iter().find(|topic| topic.id == id).expect(id).text;
        for row in SETTINGS {
            let item = format!("- `{}` (`--{}`): {}", row.name, row.flag(), row.help);
            assert!(text("settings").contains(&item), "{}", row.name);
        }
        assert!(text("api").contains("- `POST /api/analyze`: "));
        assert!(topics.iter().all(|topic| !topic.text.contains("{{")));
    }
}
