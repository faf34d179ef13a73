//! XML as a stream of tags and text, by local names: no tree, no namespaces, no entities beyond the five, a
//! limit on depth and on the length of one piece. What cannot be read ends the stream; `broken` says so.

use std::io::{BufRead, BufReader, Cursor};

use encoding_rs::{UTF_16BE, UTF_16LE};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::extract::zip::{Metered, Zip};

/// One tag or one run of text is no longer.
const LONGEST_PIECE: usize = 8 << 20;
/// Office files nest some 40 deep; a table in a table adds six.
const DEEPEST: usize = 1_024;
/// Markup that is not UTF-8 is held whole to be decoded.
const MOST_HELD: usize = 32 << 20;

/// A piece of markup.
pub enum XmlPiece {
    /// `<name …>`, also for one that closes itself; its `Close` follows.
    Open(Tag),
    /// `</name>`, without its prefix.
    Close(String),
    /// Text, references resolved.
    Text(String),
}

/// An opening tag.
pub struct Tag(BytesStart<'static>);

impl Tag {
    /// Its name without a prefix.
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// An attribute by its local name; one without a prefix comes first.
    pub fn get(&self, name: &str) -> Option<String> {
        self.named(name, |prefixed| !prefixed)
            .or_else(|| self.named(name, |prefixed| prefixed))
    }

    /// An attribute that has a prefix, where another of the same name has none (`id` and `r:id`).
    pub fn prefixed(&self, name: &str) -> Option<String> {
        self.named(name, |prefixed| prefixed)
    }

    /// Whether a property such as `<w:vanish/>` is on: it is unless its value says no.
    pub fn is_on(&self) -> bool {
        !matches!(
            self.get("val").as_deref(),
            Some("0" | "false" | "off" | "none")
        )
    }

    fn named(&self, name: &str, fits: impl Fn(bool) -> bool) -> Option<String> {
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

/// Where reading stands.
pub struct Xml<'z> {
    reader: Reader<Metered<Box<dyn BufRead + 'z>>>,
    buffer: Vec<u8>,
    depth: usize,
    broken: bool,
    ended: bool,
}

impl<'z> Xml<'z> {
    /// A part of a container; `None` where there is no such part.
    pub fn part(zip: &'z Zip<'_>, name: &str) -> Option<Self> {
        let entry = zip.find(name.trim_start_matches('/'))?;
        let mut stream: Box<dyn BufRead + 'z> = match zip.stream(entry) {
            Ok(inflated) => Box::new(BufReader::new(inflated)),
            Err(_) => return Some(Self::new(Box::new(Cursor::new(b"<")))),
        };
        let wide = match stream.fill_buf() {
            Ok([0xFF, 0xFE, ..]) => Some(UTF_16LE),
            Ok([0xFE, 0xFF, ..]) => Some(UTF_16BE),
            _ => None,
        };
        if let Some(encoding) = wide {
            let (bytes, _) = zip.read(entry, MOST_HELD);
            let text = encoding.decode(&bytes).0.into_owned();
            return Some(Self::new(Box::new(Cursor::new(text.into_bytes()))));
        }
        Some(Self::new(stream))
    }

    /// Markup that is already decoded.
    #[cfg(test)]
    pub fn text(text: &'z str) -> Self {
        Self::new(Box::new(text.as_bytes()))
    }

    fn new(source: Box<dyn BufRead + 'z>) -> Self {
        let mut reader = Reader::from_reader(Metered::new(source));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
            broken: false,
            ended: false,
        }
    }

    /// The next piece; `None` at the end, and where it cannot be read any further.
    pub fn next(&mut self) -> Option<XmlPiece> {
        if self.ended {
            return None;
        }
        // A buffer that one long run of text has blown up is not kept.
        if self.buffer.capacity() > 1 << 20 {
            self.buffer = Vec::new();
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().refill(LONGEST_PIECE);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(_) => {
                    (self.broken, self.ended) = (true, true);
                    return None;
                }
            };
            match event {
                Event::Start(_) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        (self.broken, self.ended) = (true, true);
                        return None;
                    }
                }
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::Eof => {
                    (self.broken, self.ended) = (self.depth > 0, true);
                    return None;
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {}
                _ => continue,
            }
            return Some(piece(event.into_owned()));
        }
    }

    /// Goes behind the end of the element that was opened last.
    pub fn skip(&mut self) {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside && self.next().is_some() {}
    }

    /// All text up to the end of the element that was opened last.
    pub fn inside(&mut self) -> String {
        let outside = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > outside {
            match self.next() {
                Some(XmlPiece::Text(piece)) if text.len() < LONGEST_PIECE => text.push_str(&piece),
                Some(_) => {}
                None => break,
            }
        }
        text
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether it ended before its end.
    pub fn broken(&self) -> bool {
        self.broken
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
                // Never expanded: what a DTD declares is somebody's bomb or somebody's file.
                None => format!("&{name};"),
            })
        }
        _ => XmlPiece::Text(String::new()),
    }
}
