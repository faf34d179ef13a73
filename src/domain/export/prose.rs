//! Converts models' Markdown to HTML for a standalone file. `pulldown-cmark` parses the Markdown, and this
//! module decides what the file may contain: everything is escaped, no image is loaded, and only web and mail
//! addresses are linked.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use super::inline::{
    Cite, bracketed_formulas, escape, is_formula, is_web_address, render_math, write_words,
};
use super::tags::{Details, paired_tags};

/// Maximum nesting depth of block quotes.
const MAX_QUOTE_DEPTH: usize = 6;

/// Converts a text to HTML. Headings start at level `first`, and `cite` returns the target of a citation mark's link.
pub fn render_prose(text: &str, first: usize, cite: Cite<'_>) -> String {
    let text = bracketed_formulas(text);
    let mut writer = ProseWriter::new(&text, first, cite);
    writer.top = headings(&text).min().unwrap_or(1);
    writer.write()
}

/// Converts a line of text to HTML without block elements.
pub fn render_inline(text: &str, cite: Cite<'_>) -> String {
    // After a period, nothing can start a block, so the line is not read as a list item, heading, or quotation.
    let text = bracketed_formulas(&format!(".{}", text.replace('\n', " ")));
    let html = ProseWriter::new(&text, 1, cite).write();
    let html = html.strip_prefix(PARAGRAPH_TAG).unwrap_or(&html);
    let html = html.strip_suffix("</p>\n").unwrap_or(html);
    html.strip_prefix('.').unwrap_or(html).to_owned()
}

const PARAGRAPH_TAG: &str = "<p dir=\"auto\">";
/// Marks the start of a footnote's text. It is an HTML comment, and therefore invisible.
const NOTE_MARKER: &str = "<!---->";
const ITEM_TAG: &str = "<li dir=\"auto\">";
const MARKDOWN_OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_MATH);

fn headings(text: &str) -> impl Iterator<Item = usize> + '_ {
    Parser::new_ext(text, MARKDOWN_OPTIONS).filter_map(|event| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(level as usize),
        _ => None,
    })
}

/// Writes Markdown events as HTML.
struct ProseWriter<'a> {
    text: &'a str,
    cite: Cite<'a>,
    output: String,
    /// The highest heading level that occurs in the text.
    top: usize,
    /// The heading level in the file to which `top` is mapped.
    first_level: usize,
    /// The level of the last heading; the next one is at most one level deeper.
    last_level: usize,
    quotes: usize,
    is_head: bool,
    is_code: bool,
    /// Open paragraphs, HTML blocks, links, and images, each with its start in `output` and with its tag or address.
    open_elements: Vec<(usize, String)>,
    details: Details,
    /// Footnotes in the order of their first reference.
    notes: Vec<String>,
}

impl<'a> ProseWriter<'a> {
    fn new(text: &'a str, first: usize, cite: Cite<'a>) -> Self {
        Self {
            text,
            cite,
            output: String::with_capacity(text.len() * 5 / 4),
            top: 1,
            first_level: first,
            last_level: first - 1,
            quotes: 0,
            is_head: false,
            is_code: false,
            open_elements: Vec::new(),
            details: Details::default(),
            notes: Vec::new(),
        }
    }

    fn write(mut self) -> String {
        let events = Parser::new_ext(self.text, MARKDOWN_OPTIONS).into_offset_iter();
        let events: Vec<_> = TextMergeWithOffset::new(events).collect();
        let tags = paired_tags(events.iter().map(|(event, _)| event));
        for (place, (event, range)) in events.into_iter().enumerate() {
            match event {
                Event::Start(Tag::Strikethrough) if self.is_approximation(&range) => {
                    self.output.push('~')
                }
                Event::End(TagEnd::Strikethrough) if self.is_approximation(&range) => {
                    self.output.push('~')
                }
                Event::InlineHtml(tag) if tags.contains(&place) => {
                    self.output.push_str(&tag.to_ascii_lowercase());
                }
                Event::InlineMath(text) if !is_formula(&text) || self.is_in_word(&range) => {
                    self.output.push_str(&format!("${}$", escape(&text)));
                }
                Event::Start(tag) => self.start_tag(tag),
                Event::End(tag) => self.end_tag(tag),
                event => self.handle_event(event),
            }
        }
        self.details.close_all(&mut self.output);
        self.output
    }

    /// Whether a single tilde means "about" or separates the ends of a range, rather than striking text out.
    fn is_approximation(&self, range: &Range<usize>) -> bool {
        !self.text[range.clone()].starts_with("~~") && self.is_in_word(range)
    }

    fn is_in_word(&self, range: &Range<usize>) -> bool {
        let char_before = self.text[..range.start].chars().next_back();
        let char_after = self.text[range.end..].chars().next();
        char_before.is_some_and(char::is_alphanumeric)
            || char_after.is_some_and(char::is_alphanumeric)
    }

    fn note_number(&mut self, label: &str) -> usize {
        let note_index = self.notes.iter().position(|note| note == label);
        let index = note_index.unwrap_or_else(|| {
            self.notes.push(label.to_owned());
            self.notes.len() - 1
        });
        index + 1
    }

    fn start_tag(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::HtmlBlock => self.open_element(String::new()),
            Tag::FootnoteDefinition(label) => {
                let number = self.note_number(&label);
                self.output.push_str(&format!(
                    "<div class=\"note\"><sup>{number}</sup> {NOTE_MARKER}"
                ));
            }
            Tag::Paragraph => {
                // The first paragraph of a list item is the item's own text, so it needs no margins.
                let tag = if self.output.ends_with(ITEM_TAG) || self.output.ends_with(NOTE_MARKER) {
                    ""
                } else {
                    PARAGRAPH_TAG
                };
                self.open_element(tag.to_owned());
                self.output.push_str(tag);
            }
            Tag::Heading { level, .. } => {
                let level = self.heading_level(level);
                self.output.push_str(&format!("<h{level} dir=\"auto\">"));
            }
            Tag::BlockQuote(_) => {
                self.quotes += 1;
                if self.quotes <= MAX_QUOTE_DEPTH {
                    self.output.push_str("<blockquote>\n");
                }
            }
            Tag::CodeBlock(_) => {
                self.is_code = true;
                self.output.push_str("<pre><code>");
            }
            Tag::List(Some(start)) if start != 1 => {
                self.output.push_str(&format!("<ol start=\"{start}\">\n"));
            }
            Tag::List(Some(_)) => self.output.push_str("<ol>\n"),
            Tag::List(None) => self.output.push_str("<ul>\n"),
            Tag::Item => self.output.push_str(ITEM_TAG),
            Tag::Table(_) => self.output.push_str("<table>"),
            Tag::TableHead => {
                self.is_head = true;
                self.output.push_str("<thead><tr>");
            }
            Tag::TableRow => self.output.push_str("<tr>"),
            Tag::TableCell => self.output.push_str(match self.is_head {
                true => "<th dir=\"auto\">",
                false => "<td dir=\"auto\">",
            }),
            Tag::Emphasis => self.output.push_str("<em>"),
            Tag::Strong => self.output.push_str("<strong>"),
            Tag::Strikethrough => self.output.push_str("<del>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.open_element(dest_url.into_string());
            }
            _ => {}
        }
    }

    fn end_tag(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.end_paragraph(),
            TagEnd::HtmlBlock => self.end_html(),
            TagEnd::FootnoteDefinition => self.output.push_str("</div>\n"),
            TagEnd::Heading(_) => self.output.push_str(&format!("</h{}>\n", self.last_level)),
            TagEnd::BlockQuote(_) => {
                if self.quotes <= MAX_QUOTE_DEPTH {
                    self.output.push_str("</blockquote>\n");
                }
                self.quotes -= 1;
            }
            TagEnd::CodeBlock => {
                self.is_code = false;
                let length = self
                    .output
                    .strip_suffix('\n')
                    .map_or(self.output.len(), str::len);
                self.output.truncate(length);
                self.output.push_str("</code></pre>\n");
            }
            TagEnd::List(true) => self.output.push_str("</ol>\n"),
            TagEnd::List(false) => self.output.push_str("</ul>\n"),
            TagEnd::Item => self.output.push_str("</li>\n"),
            TagEnd::Table => self.output.push_str("</tbody></table>\n"),
            TagEnd::TableHead => {
                self.is_head = false;
                self.output.push_str("</tr></thead><tbody>\n");
            }
            TagEnd::TableRow => self.output.push_str("</tr>\n"),
            TagEnd::TableCell if self.is_head => self.output.push_str("</th>"),
            TagEnd::TableCell => self.output.push_str("</td>"),
            TagEnd::Emphasis => self.output.push_str("</em>"),
            TagEnd::Strong => self.output.push_str("</strong>"),
            TagEnd::Strikethrough => self.output.push_str("</del>"),
            TagEnd::Link => self.end_link(),
            TagEnd::Image => self.end_image(),
            _ => {}
        }
    }

    fn handle_event(&mut self, event: Event<'_>) {
        match event {
            // The text of a link is already a link, so addresses in it are not linked again.
            Event::Text(text) if self.is_code || self.is_link() => {
                self.output.push_str(&escape(&text));
            }
            Event::Text(text) => write_words(&text, self.cite, &mut self.output),
            Event::InlineHtml(text) if is_break(&text) => self.output.push_str("<br>"),
            Event::Html(text) | Event::InlineHtml(text) => self.output.push_str(&escape(&text)),
            Event::Code(text) => {
                let html = format!("<code>{}</code>", escape(text.trim()));
                self.output.push_str(&html);
            }
            Event::TaskListMarker(is_done) => self.output.push_str(match is_done {
                true => "<input type=\"checkbox\" checked disabled> ",
                false => "<input type=\"checkbox\" disabled> ",
            }),
            Event::FootnoteReference(label) => {
                let number = self.note_number(&label);
                self.output.push_str(&format!("<sup>[{number}]</sup>"));
            }
            Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.output.push_str(&render_math(&text))
            }
            Event::SoftBreak => self.output.push('\n'),
            Event::HardBreak => self.output.push_str("<br>\n"),
            Event::Rule => self.output.push_str("<hr>\n"),
            _ => {}
        }
    }

    fn heading_level(&mut self, level: HeadingLevel) -> usize {
        let level = self.first_level + level as usize - self.top;
        self.last_level = level.min(self.last_level + 1).min(6);
        self.last_level
    }

    fn open_element(&mut self, what: String) {
        self.open_elements.push((self.output.len(), what));
    }

    fn is_link(&self) -> bool {
        let last = self.open_elements.last();
        last.is_some_and(|(_, what)| !what.is_empty() && what != PARAGRAPH_TAG)
    }

    // Ends a paragraph. If it consists of a single formula, the formula is displayed as a block.
    fn end_paragraph(&mut self) {
        let Some((start, tag)) = self.open_elements.pop() else {
            return;
        };
        let inside = &self.output[start + tag.len()..];
        let formula = inside
            .strip_prefix("<code class=\"math\">")
            .and_then(|rest| rest.strip_suffix("</code>"))
            .filter(|formula| !formula.contains("</code>"));
        if let Some(formula) = formula {
            let html = format!("<pre class=\"math\">{formula}</pre>\n");
            self.output.replace_range(start.., &html);
        } else if !tag.is_empty() {
            self.output
                .truncate(self.output.trim_end_matches('\n').len());
            self.output.push_str("</p>\n");
        }
    }

    // Ends a block of HTML, which is either a details element or a paragraph of text.
    fn end_html(&mut self) {
        let Some((start, _)) = self.open_elements.pop() else {
            return;
        };
        let html = self.output.split_off(start);
        if !self.details.write(&html, &mut self.output) {
            self.output
                .push_str(&format!("{PARAGRAPH_TAG}{}</p>\n", html.trim_end()));
        }
    }

    // Ends a link by writing it with its target.
    fn end_link(&mut self) {
        let Some((start, address)) = self.open_elements.pop() else {
            return;
        };
        let (words, escaped_address) = (self.output.split_off(start), escape(&address));
        self.output.push_str(&match is_web_address(&address) {
            true if words == escaped_address => format!("<a href=\"{escaped_address}\" rel=\"noreferrer\">{escaped_address}</a>"),
            true => format!(
                "<a href=\"{escaped_address}\" rel=\"noreferrer\">{words}</a> <small>({escaped_address})</small>"
            ),
            false if words == escaped_address => words,
            false => format!("{words} ({escaped_address})"),
        });
    }

    // Replaces an image with a link to it, because an exported page loads nothing.
    fn end_image(&mut self) {
        let Some(&(start, _)) = self.open_elements.last() else {
            return;
        };
        if self.output.len() == start {
            self.output.push_str("without a name");
        }
        self.output.insert_str(start, "image: ");
        if let Some((start, _)) = self.open_elements.last_mut() {
            *start += "image: ".len();
        }
        self.end_link();
    }
}

fn is_break(tag: &str) -> bool {
    let name = tag.trim_matches(['<', '>', '/', ' ']);
    name.eq_ignore_ascii_case("br")
}

#[cfg(test)]
mod tests;
