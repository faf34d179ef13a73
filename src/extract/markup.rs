//! Splits HTML and XHTML into tags and text as browsers do, however broken the markup. Builds no tree and keeps no
//! stack, so time is linear and memory constant for any input. Knows nothing about the meaning of elements, except
//! which of them contain raw text.

use quick_xml::events::{BytesStart, Event};

use super::entities;

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A token of a page.
#[derive(Debug, PartialEq)]
pub enum Token<'a> {
    /// `<name …>`; the attributes are parsed on demand.
    Open {
        /// The element's name in lowercase.
        name: String,
        /// Everything between the name and `>`.
        attributes: &'a str,
    },
    /// `</name>`.
    Close(String),
    /// Text as written, with character references not decoded.
    Text(&'a str),
    /// The content of a raw-text element, up to its end tag.
    Raw(&'a str),
}

/// Elements whose content is not markup (HTML standard, "Parsing HTML documents", 13.2.6).
const RAW_TEXT_ELEMENTS: &[&str] = &[
    "script",
    "style",
    "title",
    "textarea",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "plaintext",
];

/// Returns whether an element contains markup in XML, even if it contains raw text in HTML. Scripts, styles, and titles
/// contain raw text in both.
fn is_markup(name: &str) -> bool {
    !matches!(name, "script" | "style" | "title")
}

/// Iterator over the tokens of a page.
pub struct Tokens<'a> {
    text: &'a str,
    position: usize,
    raw_element: Option<String>,
    /// Whether the page is XML: `<script/>` is then a complete element, and only scripts, styles, and titles contain
    /// raw text.
    is_xml: bool,
    /// The self-closing element that was just opened.
    self_closing: Option<String>,
}

/// Returns whether a page is well-formed XML with the XHTML namespace on its root element. Most pages that claim to be
/// XHTML are not.
fn is_xhtml(text: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(text);
    let is_root = |tag: &BytesStart<'_>| {
        let mut attributes = tag.attributes().flatten();
        attributes
            .any(|attribute| attribute.key.into_inner() == "xmlns" && attribute.value == XHTML)
    };
    let mut has_root = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if !has_root => {
                has_root = is_root(&tag);
                if !has_root {
                    return false;
                }
            }
            Ok(Event::Text(_) | Event::Empty(_)) if !has_root => {}
            Ok(Event::Eof) => return has_root,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

impl<'a> Tokens<'a> {
    /// Starts at the beginning of `text`. It is parsed as XML if `is_xml` is set, if it starts with an XML declaration,
    /// or if it is well-formed XHTML.
    pub fn new(text: &'a str, is_xml: bool) -> Self {
        Self {
            text,
            position: 0,
            raw_element: None,
            is_xml: is_xml || text.trim_start().starts_with("<?xml") || is_xhtml(text),
            self_closing: None,
        }
    }

    /// Returns whether the page is parsed as XML.
    pub fn is_xml(&self) -> bool {
        self.is_xml
    }

    /// Returns the byte offset of the next token.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Moves back to the byte offset `position`.
    pub fn rewind(&mut self, position: usize) {
        self.position = position;
        self.raw_element = None;
        self.self_closing = None;
    }

    fn next_raw_text(&mut self, name: &str) -> Option<Token<'a>> {
        let rest = &self.text[self.position..];
        let end = if name == "plaintext" {
            None
        } else {
            find_end_tag(rest, name)
        }
        .unwrap_or(rest.len());
        self.position += end;
        (end > 0).then(|| Token::Raw(&rest[..end]))
    }

    fn next_tag(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.position..];
        let inner = &rest[1..];
        if let Some(comment) = inner.strip_prefix("!--") {
            self.position += comment_length(comment).map_or(rest.len(), |length| length + 4);
            return None;
        }
        if let Some(data) = inner.strip_prefix("![CDATA[") {
            let end = data.find("]]>");
            self.position += end.map_or(rest.len(), |end| end + 12);
            return Some(Token::Raw(&data[..end.unwrap_or(data.len())]));
        }
        if inner.starts_with(['!', '?']) {
            self.position += rest.find('>').map_or(rest.len(), |end| end + 1);
            return None;
        }
        let closing = inner.starts_with('/');
        let tag_text = &inner[usize::from(closing)..];
        let length = tag_text
            .find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>')
            .unwrap_or(tag_text.len());
        let name = tag_text[..length].to_ascii_lowercase();
        let attributes = &tag_text[length..];
        let end = tag_end(attributes);
        self.position +=
            rest.len() - attributes.len() + end.map_or(attributes.len(), |end| end + 1);
        if closing {
            return Some(Token::Close(name));
        }
        let attributes = &attributes[..end.unwrap_or(attributes.len())];
        if self.is_xml && attributes.ends_with('/') {
            self.self_closing = Some(name.clone());
        } else if RAW_TEXT_ELEMENTS.contains(&name.as_str()) && !(self.is_xml && is_markup(&name)) {
            self.raw_element = Some(name.clone());
        }
        Some(Token::Open { name, attributes })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(name) = self.self_closing.take() {
            return Some(Token::Close(name));
        }
        while self.position < self.text.len() {
            if let Some(name) = self.raw_element.take() {
                if let Some(raw) = self.next_raw_text(&name) {
                    return Some(raw);
                }
                continue;
            }
            let rest = &self.text[self.position..];
            let start = markup_start(rest);
            if start == Some(0) {
                if let Some(token) = self.next_tag() {
                    return Some(token);
                }
                continue;
            }
            let end = start.unwrap_or(rest.len());
            self.position += end;
            return Some(Token::Text(&rest[..end]));
        }
        None
    }
}

/// Returns the offset of the next `<` that starts markup; the one in `a < b` does not.
fn markup_start(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    text.match_indices('<')
        .map(|(at, _)| at)
        .find(|&at| match bytes.get(at + 1) {
            Some(b'!' | b'?') => true,
            Some(b'/') => bytes.get(at + 2).is_some_and(u8::is_ascii_alphabetic),
            Some(byte) => byte.is_ascii_alphabetic(),
            None => false,
        })
}

fn find_end_tag(text: &str, name: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|&at| {
        let rest = &text.as_bytes()[at + 2..];
        rest.len() >= name.len()
            && rest[..name.len()].eq_ignore_ascii_case(name.as_bytes())
            && rest
                .get(name.len())
                .is_none_or(|&byte| byte.is_ascii_whitespace() || byte == b'>' || byte == b'/')
    })
}

/// Returns the length in bytes of the rest of a comment after its `<!--`, including the end delimiter; `None` if it
/// never ends. `<!-->` is a complete comment.
fn comment_length(comment: &str) -> Option<usize> {
    if comment.starts_with('>') {
        return Some(1);
    }
    let plain = comment.find("-->").map(|at| at + 3);
    // Search only before the plain end delimiter; otherwise every comment would search the whole page.
    let text_before = &comment[..plain.unwrap_or(comment.len())];
    text_before.find("--!>").map(|at| at + 4).or(plain)
}

/// Returns the offset of the `>` that ends a tag, ignoring any inside quoted attribute values; `None` if there is none.
fn tag_end(attributes: &str) -> Option<usize> {
    let (mut quote, mut after_equals) = (0u8, false);
    for (at, &byte) in attributes.as_bytes().iter().enumerate() {
        match byte {
            _ if quote != 0 && byte == quote => quote = 0,
            _ if quote != 0 => {}
            b'>' => return Some(at),
            b'"' | b'\'' if after_equals => quote = byte,
            _ => {}
        }
        after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
    }
    // An unclosed quote would swallow the page, so the first `>` ends the tag instead.
    if quote == 0 {
        None
    } else {
        attributes.find('>')
    }
}

/// Returns the value of an attribute, with character references decoded. Returns an empty string if the attribute has
/// no value, or `None` if it is missing.
pub fn attribute(attributes: &str, target: &str) -> Option<String> {
    let mut rest = attributes.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    while !rest.is_empty() {
        let length = rest
            .find(|c: char| c.is_ascii_whitespace() || c == '=' || c == '/')
            .unwrap_or(rest.len())
            .max(rest.chars().next().map_or(1, char::len_utf8));
        let name = &rest[..length];
        rest = rest[length..].trim_ascii_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_ascii_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    after[1..].split_once(quote).unwrap_or((&after[1..], ""))
                }
                _ => after.split_at(
                    after
                        .find(|c: char| c.is_ascii_whitespace())
                        .unwrap_or(after.len()),
                ),
            };
        }
        if name.eq_ignore_ascii_case(target) {
            return Some(entities::decode(value));
        }
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown_tokens: Vec<String> = Tokens::new(text, false)
            .map(|token| match token {
                Token::Open { name, .. } => format!("<{name}"),
                Token::Close(name) => format!("/{name}"),
                Token::Text(text) => format!("'{text}'"),
                Token::Raw(text) => format!("={text}="),
            })
            .collect();
        assert_eq!(shown_tokens.join(" "), expected, "{text}");
    }

    #[test]
    fn markup_is_split_into_tokens() {
        check("a<b>c</B >d", "'a' <b 'c' /b 'd'");
        check("1 < 2 <3 & a<", "'1 < 2 <3 & a<'");
        check("<!doctype html><!-- <p> --><p>x", "<p 'x'");
        check("<!-->a<!-- b --!>c", "'a' 'c'");
        check("<a title='>' href=x>y", "<a 'y'");
        check("<a title=\">y</a>z", "<a 'y' /a 'z'");
        check(
            "<script>if (a<b) '</p>'</SCRIPT>t",
            "<script =if (a<b) '</p>'= /script 't'",
        );
        check("<title>a<b></title>", "<title =a<b>= /title");
        check("<![CDATA[a<b]]>c", "=a<b= 'c'");
        check("<br/><p", "<br <p");
        check("<style>never closed", "<style =never closed=");
        check("</>x</ >", "'</>x</ >'");
        check("<é>", "'<é>'");
    }

    #[test]
    fn attributes_are_parsed() {
        for (tag, name, expected) in [
            (" id=x hidden", "hidden", Some("")),
            (" ID = 'a b' /", "id", Some("a b")),
            (" alt=\"a &amp; b\"", "alt", Some("a & b")),
            (" data-hidden=1", "hidden", None),
            (" x='hidden'", "hidden", None),
            ("==é=é", "é", None),
            ("", "id", None),
        ] {
            assert_eq!(attribute(tag, name).as_deref(), expected, "{tag}");
        }
    }
}
