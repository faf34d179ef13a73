//! A streaming XML reader that returns tags and text by local name. Builds no tree, ignores namespaces, resolves only
//! character references and the five predefined entities, and limits the depth and the size of a single piece.
//! Unreadable input ends the stream; `is_broken` reports it.

use std::io::{BufRead, BufReader, Cursor};

use encoding_rs::{UTF_16BE, UTF_16LE};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::extract::zip::{MeteredReader, Zip};

/// Maximum size of a tag or a run of text, in bytes.
const MAX_PIECE_BYTES: usize = 8 << 20;
/// Maximum nesting depth: office files have about 40 levels, and each nested table adds six.
const MAX_DEPTH: usize = 1_024;
/// Maximum size in bytes of markup in an encoding other than UTF-8, which is held in memory as a whole to be decoded.
const MAX_DECODED_BYTES: usize = 32 << 20;

/// A tag or a run of text.
pub enum XmlPiece {
    /// `<name …>`; a self-closing tag is followed by a `Close` too.
    Open(Tag),
    /// `</name>`, without its prefix.
    Close(String),
    /// Text with references resolved.
    Text(String),
}

/// An opening tag.
pub struct Tag(BytesStart<'static>);

impl Tag {
    /// Returns the element's name without its prefix.
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// Returns the attribute with this local name; one without a prefix takes precedence.
    pub fn get(&self, name: &str) -> Option<String> {
        self.find_attribute(name, |prefixed| !prefixed)
            .or_else(|| self.find_attribute(name, |prefixed| prefixed))
    }

    /// Returns the prefixed attribute with this local name, such as `r:id` on an element that also has `id`.
    pub fn prefixed_attribute(&self, name: &str) -> Option<String> {
        self.find_attribute(name, |prefixed| prefixed)
    }

    /// Returns whether a property such as `<w:vanish/>` is on, which is the case unless its value turns it off.
    pub fn is_on(&self) -> bool {
        !matches!(
            self.get("val").as_deref(),
            Some("0" | "false" | "off" | "none")
        )
    }

    fn find_attribute(&self, name: &str, fits: impl Fn(bool) -> bool) -> Option<String> {
        let mut attributes = self.0.attributes();
        attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| {
                attribute.key.local_name().into_inner() == name
                    && fits(attribute.key.prefix().is_some())
            })
            .map(
                |attribute| match attribute.normalized_value(XmlVersion::Explicit1_0) {
                    Ok(value) => value.into_owned(),
                    Err(_) => attribute.value.clone().into_owned(),
                },
            )
    }
}

/// Iterator over the pieces of a part.
pub struct Xml<'z> {
    reader: Reader<MeteredReader<Box<dyn BufRead + 'z>>>,
    buffer: Vec<u8>,
    depth: usize,
    size: usize,
    is_broken: bool,
    has_ended: bool,
}

impl<'z> Xml<'z> {
    /// Opens a part of a container. Returns `None` if there is no such part.
    pub fn part(zip: &'z Zip<'_>, name: &str) -> Option<Self> {
        let entry = zip.find(name.trim_start_matches('/'))?;
        let mut stream: Box<dyn BufRead + 'z> = match zip.stream(entry) {
            Ok(inflated) => Box::new(BufReader::new(inflated)),
            Err(_) => return Some(Self::new(Box::new(Cursor::new(b"<")))),
        };
        let size = entry.size;
        let utf16_encoding = match stream.fill_buf() {
            Ok([0xFF, 0xFE, ..]) => Some(UTF_16LE),
            Ok([0xFE, 0xFF, ..]) => Some(UTF_16BE),
            _ => None,
        };
        if let Some(encoding) = utf16_encoding {
            let (bytes, _) = zip.read(entry, MAX_DECODED_BYTES);
            let text = encoding.decode(&bytes).0.into_owned();
            let size = text.len();
            let decoded = Self::new(Box::new(Cursor::new(text.into_bytes())));
            return Some(Self { size, ..decoded });
        }
        Some(Self {
            size,
            ..Self::new(stream)
        })
    }

    /// Returns the number of bytes of the part read so far, and the total as given by the container.
    pub fn progress(&self) -> (usize, usize) {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        (position, self.size)
    }

    /// Creates a reader for markup that is already decoded.
    #[cfg(test)]
    pub fn text(text: &'z str) -> Self {
        Self::new(Box::new(text.as_bytes()))
    }

    fn new(source: Box<dyn BufRead + 'z>) -> Self {
        let mut reader = Reader::from_reader(MeteredReader::new(source));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
            size: 0,
            is_broken: false,
            has_ended: false,
        }
    }

    /// Returns the next piece, or `None` at the end or if the rest cannot be read.
    pub fn next(&mut self) -> Option<XmlPiece> {
        if self.has_ended {
            return None;
        }
        // A long run of text has enlarged the buffer; release its memory.
        if self.buffer.capacity() > 1 << 20 {
            self.buffer = Vec::new();
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().refill(MAX_PIECE_BYTES);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(_) => {
                    (self.is_broken, self.has_ended) = (true, true);
                    return None;
                }
            };
            match event {
                Event::Start(_) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        (self.is_broken, self.has_ended) = (true, true);
                        return None;
                    }
                }
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::Eof => {
                    (self.is_broken, self.has_ended) = (self.depth > 0, true);
                    return None;
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {}
                _ => continue,
            }
            return Some(piece(event.into_owned()));
        }
    }

    /// Skips to the end of the most recently opened element.
    pub fn skip(&mut self) {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside && self.next().is_some() {}
    }

    /// Returns the text up to the end of the most recently opened element, up to a maximum size.
    pub fn inner_text(&mut self) -> String {
        let outside = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > outside {
            match self.next() {
                Some(XmlPiece::Text(piece)) if text.len() < MAX_PIECE_BYTES => {
                    text.push_str(&piece)
                }
                Some(_) => {}
                None => break,
            }
        }
        text
    }

    /// Returns the number of open elements.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns whether the stream ended early.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }
}

fn piece(event: Event<'static>) -> XmlPiece {
    match event {
        Event::Start(start) => XmlPiece::Open(Tag(start)),
        Event::End(end) => XmlPiece::Close(end.local_name().into_inner().to_owned()),
        Event::Text(text) => XmlPiece::Text(text.xml10_content().into_owned()),
        Event::CData(text) => XmlPiece::Text(text.xml10_content().into_owned()),
        Event::GeneralRef(name) => {
            if let Ok(Some(character)) = name.resolve_char_ref() {
                return XmlPiece::Text(character.to_string());
            }
            let name = name.into_inner();
            XmlPiece::Text(match resolve_predefined_entity(&name) {
                Some(text) => text.to_owned(),
                // A DTD's entities are never expanded, because one may be a decompression bomb or refer to a local
                // file.
                None => format!("&{name};"),
            })
        }
        _ => XmlPiece::Text(String::new()),
    }
}
