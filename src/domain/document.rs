//! Stored documents and the passages used in search and prompts.

use serde::{Deserialize, Serialize};

use super::id::{DocumentId, UserId};
use super::time::Timestamp;

/// Whether a document's text has been extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentStatus {
    /// Text and passages are available.
    Processed,
    /// Being processed.
    Processing,
    /// Stored, but no text could be extracted; `message` gives the reason.
    Failed,
}

impl DocumentStatus {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Processing => "processing",
            Self::Failed => "failed",
        }
    }
    /// Parses a stored name, the inverse of `as_str`; `None` if the name is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Processed, Self::Processing, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// A page without extractable text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PageWithoutText {
    /// Page number, from 1.
    pub page: u32,
    /// Why the page has no text, for users.
    pub why: String,
    /// Whether the page can be shown as an image to a model with vision.
    #[serde(default)]
    pub picture: bool,
}

/// A place in a document that looks like a prompt injection.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InjectionFlag {
    /// Page number, from 1.
    pub page: u32,
    /// Start of the suspicious text on its page, in bytes.
    pub start: u32,
    /// End of the suspicious text on its page, in bytes.
    pub end: u32,
    /// Why the text is suspicious, for users.
    pub why: String,
    /// The suspicious text with a few words before it, shortened.
    pub excerpt: String,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Document ID, also the file name of the original bytes in the data folder.
    pub id: DocumentId,
    /// The user who uploaded the file.
    pub user: UserId,
    /// File name as uploaded, without path and control characters.
    pub name: String,
    /// Media type, detected from the content.
    pub content_type: String,
    /// Kind, detected from the content: `text`, `markdown`, `html`, `csv`, `json`, `source`, …
    pub kind: String,
    /// Text encoding of the file, detected or chosen by the user; `None` if the file is not in a text format.
    pub encoding: Option<String>,
    /// Size of the uploaded file, in bytes.
    pub size: u64,
    /// SHA-256 of the uploaded file, in hexadecimal.
    pub sha256: String,
    /// Whether the text has been extracted.
    pub status: DocumentStatus,
    /// Explanation of the status, for users.
    pub message: String,
    /// Number of pages, sheets, or sections with text.
    pub pages: u32,
    /// Number of words on all pages.
    pub words: u64,
    /// Pages without extractable text.
    pub gaps: Vec<PageWithoutText>,
    /// Numbers of the pages whose text comes from OCR, so that individual letters may be wrong; in ascending order.
    pub recognized: Vec<u32>,
    /// Suspected prompt injections.
    pub flags: Vec<InjectionFlag>,
    /// Upload time.
    pub created: Timestamp,
}

/// A section of a document that fits a prompt, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Index within the document, from 0.
    pub ordinal: u32,
    /// Page number, from 1.
    pub page: u32,
    /// Start of the passage in its page's text, in bytes.
    pub start: u32,
    /// End of the passage in its page's text, in bytes.
    pub end: u32,
    /// Nearest heading above the passage, followed by the table's header row if the passage begins inside a table; may
    /// be empty.
    pub heading: String,
    /// Text of the passage.
    pub text: String,
}

/// A passage found by a search, with its document and score.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The document that contains the passage.
    pub document: DocumentId,
    /// File name of the document.
    pub name: String,
    /// The matching passage.
    pub passage: Passage,
    /// Relevance score, such as BM25 or a score of several fused rankings; larger is better. 0 if the passage was not
    /// ranked.
    pub score: f64,
}
