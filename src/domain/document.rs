//! Documents as they are stored, and the passages that search and prompts are made of.

use serde::{Deserialize, Serialize};

use super::id::{DocumentId, UserId};
use super::time::Timestamp;

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentStatus {
    /// Text and passages are there.
    Processed,
    /// Being read.
    Processing,
    /// Stored, but no text could be had; `message` says why.
    Failed,
}

impl DocumentStatus {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Processing => "processing",
            Self::Failed => "failed",
        }
    }
    /// The inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Processed, Self::Processing, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// A page without text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    /// Counted from 1.
    pub page: u32,
    /// For a person: why there is none.
    pub why: String,
    /// Whether it can be shown to a model that sees.
    #[serde(default)]
    pub picture: bool,
}

/// A place in a document that reads as if it gave orders to models.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Flag {
    /// Counted from 1.
    pub page: u32,
    /// Where it starts in the page's text, in bytes.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// For a person: what makes it suspicious.
    pub why: String,
    /// The words themselves, shortened.
    pub excerpt: String,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id; the original bytes lie in the data folder under this name.
    pub id: DocumentId,
    /// Whose.
    pub user: UserId,
    /// The file name as it was sent, cleaned of paths and control characters.
    pub name: String,
    /// Media type by content.
    pub content_type: String,
    /// Kind by content: `text`, `markdown`, `html`, `csv`, `json`, `source`, …
    pub kind: String,
    /// The encoding it was read in, for text kinds.
    pub encoding: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Hex SHA-256 of the bytes.
    pub sha256: String,
    /// How far reading has come.
    pub status: DocumentStatus,
    /// For a person: what happened.
    pub message: String,
    /// Pages, sheets or sections with text.
    pub pages: u32,
    /// Words in all pages.
    pub words: u64,
    /// Pages without text.
    pub gaps: Vec<Gap>,
    /// Places that read as if they gave orders to models.
    pub flags: Vec<Flag>,
    /// When it was uploaded.
    pub created: Timestamp,
}

/// A piece of a document of a size that fits a prompt, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Counted from 0 within the document.
    pub ordinal: u32,
    /// Counted from 1.
    pub page: u32,
    /// Where it starts in the page's text, in bytes.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// The nearest heading above, or empty.
    pub heading: String,
    /// The text itself.
    pub text: String,
}

/// A passage found by a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// In which document.
    pub document: DocumentId,
    /// Its file name.
    pub name: String,
    /// The passage.
    pub passage: Passage,
    /// BM25, larger is better.
    pub score: f64,
}
