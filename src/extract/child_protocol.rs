//! Protocol between the server and the child process that reads a file: pages as they are read, then the outcome. Each
//! frame is a four-byte length followed by JSON. The server enforces its own limits, because a malicious file may have
//! taken over the child.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{FileKind, ReadLimits, ReadReport, Unreadable, kind};
use crate::domain::chunk::PageText;
use crate::domain::document::PageWithoutText;

/// Maximum size of a frame in bytes. The longest page fits even if every character is escaped.
const MAX_FRAME_BYTES: usize = 8 << 20;

/// First argument that starts the program as a document reader. Not a user-facing command.
pub const ARGUMENT: &str = "--read-document-from-stdin";

/// A request to read the file on stdin, with the limits to apply.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The file's name, as a hint to distinguish kinds of text.
    pub name: String,
    /// The encoding chosen by the user.
    pub encoding: Option<String>,
    /// Limits on the returned text.
    pub limits: ReadLimits,
    /// Maximum address space in bytes.
    pub memory: u64,
    /// Maximum CPU time in seconds.
    pub cpu_s: u64,
    /// Maximum wall-clock time in seconds.
    pub wall_s: u32,
    /// The page to return as an image instead of reading the text.
    #[serde(default)]
    pub picture: Option<u32>,
}

/// First argument that makes the program run an OCR program in a sandbox. Not a user-facing command.
pub const OCR_ARGUMENT: &str = "--recognize-text-from-stdin";

/// The OCR program to run on the image on stdin, and its limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OcrRequest {
    /// Absolute path of the executable.
    pub program: PathBuf,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Folder of the program's language data, if not the default.
    pub data: Option<PathBuf>,
    /// Maximum address space in bytes.
    pub memory: u64,
    /// Maximum CPU and wall-clock time in seconds.
    pub seconds: u32,
}

/// A message from the child process to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportFrame {
    /// The text of one page.
    Page {
        /// Page number, starting at 1.
        number: u32,
        /// Title of the page, or an empty string.
        title: String,
        /// Extracted text of the page.
        text: String,
    },
    /// Progress of reading the file.
    Progress {
        /// The amount read so far.
        done: u64,
        /// The total in the same unit: pages, chapters, or bytes.
        total: u64,
    },
    /// The requested image of a page.
    Picture {
        /// Media type: `image/png` or `image/jpeg`.
        media_type: String,
        /// The image, base64-encoded.
        base64: String,
    },
    /// The whole file has been read.
    Done(SentReport),
    /// The file cannot be read.
    Refused {
        /// What is wrong with the file, which determines how the server treats it.
        reason: ReadRefusal,
        /// The reason, worded for the user.
        message: String,
    },
}

/// Why a file yielded no text, which determines how the server treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadRefusal {
    /// The format is not supported; the upload is refused.
    Unsupported,
    /// The file is empty.
    Empty,
    /// The original is stored, but no text is extracted.
    Unreadable,
}

/// A [`ReadReport`] in its serialized form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentReport {
    kind: String,
    content_type: String,
    encoding: String,
    pages: u32,
    words: u64,
    notes: Vec<String>,
    gaps: Vec<PageWithoutText>,
    #[serde(default)]
    recognized: Vec<u32>,
}

impl ReportFrame {
    /// Creates the frame of a page.
    pub fn from_page(page: PageText) -> Self {
        let PageText {
            number,
            title,
            text,
        } = page;
        Self::Page {
            number,
            title,
            text,
        }
    }

    /// Creates the final frame: the report, or the reason why the file cannot be read.
    pub fn from_end(end: Result<ReadReport, Unreadable>) -> Self {
        match end {
            Ok(report) => Self::Done(SentReport {
                kind: report.kind.to_owned(),
                content_type: report.content_type.to_owned(),
                encoding: report.encoding,
                pages: report.pages,
                words: report.words,
                notes: report.notes,
                gaps: report.gaps,
                recognized: report.recognized_pages,
            }),
            Err(unreadable) => Self::Refused {
                reason: match unreadable {
                    Unreadable::Unsupported(_) | Unreadable::Binary => ReadRefusal::Unsupported,
                    Unreadable::Empty => ReadRefusal::Empty,
                    _ => ReadRefusal::Unreadable,
                },
                message: unreadable.message(),
            },
        }
    }

    /// Writes the frame: a four-byte length, then the JSON.
    ///
    /// # Errors
    /// Returns an error if the frame cannot be serialized or `out` fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let body = serde_json::to_vec(self)?;
        out.write_all(&(body.len() as u32).to_le_bytes())?;
        out.write_all(&body)
    }

    /// Reads the next frame. Returns `None` if the stream ends before a complete length.
    ///
    /// # Errors
    /// Returns an error if the stream fails or ends within the JSON, or if the frame exceeds the size limit or is not
    /// valid JSON.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(serde_json::from_slice(&body)?))
    }
}

impl SentReport {
    /// Converts the message to a report. Nothing that the child sends is trusted: an unknown kind or media type is
    /// replaced by a known one.
    pub fn report(self) -> ReadReport {
        let file_kind: &FileKind = kind::by_name(&self.kind);
        ReadReport {
            kind: file_kind.name,
            // The media type of an image depends on its format; every other kind has exactly one.
            content_type: super::CONTENT_TYPES
                .iter()
                .find(|one| **one == self.content_type)
                .unwrap_or(&file_kind.content_type),
            encoding: self.encoding.chars().take(40).collect(),
            pages: self.pages,
            words: self.words,
            notes: self.notes,
            gaps: self.gaps,
            recognized_pages: self.recognized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        let page = ReportFrame::from_page(PageText {
            number: 3,
            title: "t".into(),
            text: "ü\n\"".into(),
        });
        let report = ReadReport {
            kind: "csv",
            content_type: "text/csv",
            encoding: "UTF-8".into(),
            pages: 1,
            words: 2,
            notes: vec!["n".into()],
            gaps: Vec::new(),
            recognized_pages: vec![1],
        };
        let mut bytes = Vec::new();
        page.write(&mut bytes).expect("memory");
        ReportFrame::from_end(Ok(report.clone()))
            .write(&mut bytes)
            .expect("memory");
        ReportFrame::from_end(Err(Unreadable::Binary))
            .write(&mut bytes)
            .expect("memory");
        let mut from = &bytes[..];
        assert_eq!(ReportFrame::read(&mut from).expect("a frame"), Some(page));
        match ReportFrame::read(&mut from).expect("a frame") {
            Some(ReportFrame::Done(told)) => assert_eq!(told.report(), report),
            other => panic!("{other:?}"),
        }
        let refused_frame = ReportFrame::read(&mut from).expect("a frame");
        assert!(matches!(
            refused_frame,
            Some(ReportFrame::Refused {
                reason: ReadRefusal::Unsupported,
                ..
            })
        ));
        assert_eq!(ReportFrame::read(&mut from).expect("the end"), None);
    }

    #[test]
    fn overlong_truncated_and_invalid_frames_are_errors() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0x7f, b'{'][..],
            &[4, 0, 0, 0, b'{'],
            &[2, 0, 0, 0, b'{', b'}'],
        ] {
            assert!(ReportFrame::read(&mut { bytes }).is_err(), "{bytes:?}");
        }
    }
}
