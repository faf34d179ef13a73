//! What the process that reads a file tells the server: pages as they come, then how it ended. Four bytes of
//! length, then JSON. Believes nothing beyond its limits: the process may have been taken over by the file.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::{FileKind, ReadLimits, ReadReport, Unreadable, kind};
use crate::domain::chunk::PageText;
use crate::domain::document::TextlessPage;

/// Bytes of one frame: a page of the longest kind, with every character escaped.
const LONGEST: usize = 8 << 20;

/// The first argument that starts the program as a reader of files. No command of the command line.
pub const ARGUMENT: &str = "--read-document-from-stdin";

/// What is to be read, as the process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The file's name: a hint between kinds of text.
    pub name: String,
    /// The encoding that a person has chosen.
    pub encoding: Option<String>,
    /// What may be given out.
    pub limits: ReadLimits,
    /// Bytes of address space.
    pub memory: u64,
    /// Seconds of computing.
    pub cpu_s: u64,
    /// Seconds by the clock.
    pub wall_s: u32,
    /// Not the text is wanted, but the picture of this page.
    #[serde(default)]
    pub picture: Option<u32>,
}

/// One thing that it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportFrame {
    /// A page.
    Page {
        /// Counted from 1.
        number: u32,
        /// Its title, or empty.
        title: String,
        /// Its text.
        text: String,
    },
    /// The picture of the page that was asked for.
    Picture {
        /// `image/png`, `image/jpeg`.
        media_type: String,
        /// Its bytes in base64.
        base64: String,
    },
    /// It has come to the end.
    Done(FrameWriter),
    /// There is nothing to be read.
    Refused {
        /// What follows from it.
        reason: ReadRefusal,
        /// For the person.
        message: String,
    },
}

/// What follows where nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadRefusal {
    /// It is no kind of file that is taken.
    Unsupported,
    /// There is nothing in it.
    Empty,
    /// It is kept, and its text is not known.
    Unreadable,
}

/// A report on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameWriter {
    kind: String,
    content_type: String,
    encoding: String,
    pages: u32,
    words: u64,
    notes: Vec<String>,
    gaps: Vec<TextlessPage>,
}

impl ReportFrame {
    /// A page as a frame.
    pub fn of_page(page: PageText) -> Self {
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

    /// The end as a frame.
    pub fn of_end(end: Result<ReadReport, Unreadable>) -> Self {
        match end {
            Ok(report) => Self::Done(FrameWriter {
                kind: report.kind.to_owned(),
                content_type: report.content_type.to_owned(),
                encoding: report.encoding,
                pages: report.pages,
                words: report.words,
                notes: report.notes,
                gaps: report.gaps,
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

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let body = serde_json::to_vec(self)?;
        out.write_all(&(body.len() as u32).to_le_bytes())?;
        out.write_all(&body)
    }

    /// Reads the next one; none at the end.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(serde_json::from_slice(&body)?))
    }
}

impl FrameWriter {
    /// What it says, where that can be: kinds are ours, not the file's.
    pub fn report(self) -> ReadReport {
        let known: &FileKind = kind::named(&self.kind);
        ReadReport {
            kind: known.name,
            // Pictures have several.
            content_type: super::CONTENT_TYPES
                .iter()
                .find(|one| **one == self.content_type)
                .unwrap_or(&known.content_type),
            encoding: self.encoding.chars().take(40).collect(),
            pages: self.pages,
            words: self.words,
            notes: self.notes,
            gaps: self.gaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_went() {
        let page = ReportFrame::of_page(PageText {
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
        };
        let mut bytes = Vec::new();
        page.write(&mut bytes).expect("memory");
        ReportFrame::of_end(Ok(report.clone()))
            .write(&mut bytes)
            .expect("memory");
        ReportFrame::of_end(Err(Unreadable::Binary))
            .write(&mut bytes)
            .expect("memory");
        let mut from = &bytes[..];
        assert_eq!(ReportFrame::read(&mut from).expect("a frame"), Some(page));
        match ReportFrame::read(&mut from).expect("a frame") {
            Some(ReportFrame::Done(told)) => assert_eq!(told.report(), report),
            other => panic!("{other:?}"),
        }
        let refused = ReportFrame::read(&mut from).expect("a frame");
        assert!(matches!(
            refused,
            Some(ReportFrame::Refused {
                reason: ReadRefusal::Unsupported,
                ..
            })
        ));
        assert_eq!(ReportFrame::read(&mut from).expect("the end"), None);
    }

    #[test]
    fn what_is_too_long_cut_or_no_frame_is_an_error() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0x7f, b'{'][..],
            &[4, 0, 0, 0, b'{'],
            &[2, 0, 0, 0, b'{', b'}'],
        ] {
            assert!(ReportFrame::read(&mut { bytes }).is_err(), "{bytes:?}");
        }
    }
}
