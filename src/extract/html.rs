//! Converts a web page to readable text: headings as `#`, lists as `-`, table rows with ` | `. Omits
//! scripts, styles, navigation, footers, and hidden parts.

use super::entities;
use super::markup::{Token, Tokens, attribute};

/// Elements that are dropped with their content.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "footer", "template", "noscript", "svg", "iframe", "object",
    "canvas", "noembed", "noframes", "select", "datalist",
];
/// Void elements, which have no content.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Elements whose end tag is optional: a hidden one ends where the next of its kind begins.
const UNCLOSED: &[&str] = &["p", "li", "dt", "dd", "tr", "td", "th", "option"];
/// Block elements, which start and end a paragraph.
const PARAGRAPHS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "header",
    "main",
    "aside",
    "blockquote",
    "figure",
    "figcaption",
    "details",
    "summary",
    "address",
    "nav",
    "footer",
    "form",
    "fieldset",
    "table",
    "pre",
    "dl",
    "ul",
    "ol",
    "hr",
    "center",
    "dialog",
    "caption",
];
/// Maximum depth of indented list levels; deeper ones look the same.
const MAX_LIST_DEPTH: usize = 16;

/// The text of a web page.
#[derive(Debug, PartialEq, Default)]
pub struct Reading {
    /// The page's title.
    pub title: String,
    /// The page's text.
    pub text: String,
    /// Remarks for the user on what was changed or omitted.
    pub notes: Vec<String>,
}

/// Converts a page, with its title above the text; stops once the text is longer than `max_text` bytes.
pub fn render(page: &str, max_text: usize) -> Reading {
    let mut reading = body(page, max_text);
    let (title, text) = (&reading.title, &reading.text);
    let repeated = title.is_empty()
        || text
            .lines()
            .take(20)
            .any(|line| line.trim_start_matches(['#', ' ']) == title);
    if !repeated {
        reading.text = format!("# {title}\n\n{text}");
    }
    reading
}

/// Converts a page without putting its title above the text.
pub fn body(page: &str, max_text: usize) -> Reading {
    let mut tokens = Tokens::new(page);
    let mut writer = HtmlTextWriter::default();
    let mut dropped: Option<Dropped> = None;
    let mut dropping = true;
    while writer.out.len() <= max_text {
        let position = tokens.position();
        let Some(token) = tokens.next() else {
            // A dropped element that never ends would swallow the rest of the page. Its content is read
            // after all, and nothing is dropped from there on, so this happens at most once.
            let Some(open) = dropped.take().filter(|open| !is_code(&open.name)) else {
                break;
            };
            tokens.rewind(open.after);
            dropping = false;
            continue;
        };
        if let Some(open) = &mut dropped {
            if open.ends_with(&token) {
                let resume = open.unclosed && matches!(token, Token::Open { .. });
                dropped = None;
                if resume {
                    tokens.rewind(position);
                }
            }
            continue;
        }
        match &token {
            Token::Open { name, attributes }
                if is_dropped(name, attributes) && (dropping || is_code(name)) =>
            {
                dropped = Some(Dropped {
                    name: name.clone(),
                    depth: 1,
                    after: tokens.position(),
                    unclosed: UNCLOSED.contains(&name.as_str()),
                });
            }
            _ => writer.take(&token),
        }
    }
    writer.finish()
}

/// Whether an element's content is never text for a reader, however broken the page is.
fn is_code(name: &str) -> bool {
    matches!(name, "script" | "style")
}

fn is_dropped(name: &str, attributes: &str) -> bool {
    if VOID.contains(&name) {
        return false;
    }
    let hidden = || {
        attribute(attributes, "hidden").is_some_and(|value| value != "until-found")
            || attribute(attributes, "style").is_some_and(|style| {
                style
                    .replace(' ', "")
                    .to_ascii_lowercase()
                    .contains("display:none")
            })
    };
    DROPPED.contains(&name) || (!matches!(name, "html" | "body") && hidden())
}

/// The element whose content is being dropped.
struct Dropped {
    name: String,
    depth: usize,
    after: usize,
    unclosed: bool,
}

impl Dropped {
    fn ends_with(&mut self, token: &Token) -> bool {
        match token {
            Token::Open { name, .. } if *name == self.name => {
                self.depth += 1;
                self.unclosed
            }
            Token::Close(name) if *name == self.name => {
                self.depth -= 1;
                self.depth == 0
            }
            _ => false,
        }
    }
}

/// Assembles the text. Breaks and spaces are remembered and written only before the next word.
#[derive(Default)]
struct HtmlTextWriter {
    out: String,
    title: String,
    breaks: usize,
    space: bool,
    pre: usize,
    in_cell: bool,
    row: bool,
    row_start: usize,
    separators: usize,
    heading: bool,
    in_title: bool,
    lists: Vec<Option<usize>>,
    prefix: String,
}

impl HtmlTextWriter {
    fn take(&mut self, token: &Token) {
        match token {
            Token::Text(text) | Token::Raw(text) if self.in_title => {
                if self.title.is_empty() {
                    let title = entities::decode(text);
                    self.title = title
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" ")
                        .chars()
                        .take(300)
                        .collect();
                }
            }
            Token::Text(text) | Token::Raw(text) => self.text(&entities::decode(text)),
            Token::Open { name, attributes } => self.open(name, attributes),
            Token::Close(name) => self.close(name),
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        match name {
            "title" => self.in_title = true,
            "br" if !self.in_cell => self.end_line(1),
            "br" => self.space = true,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_line(2);
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.prefix = format!("{} ", "#".repeat(level));
                self.heading = true;
            }
            "ul" | "ol" => {
                self.end_line(if self.lists.is_empty() { 2 } else { 1 });
                if self.lists.len() < MAX_LIST_DEPTH {
                    self.lists.push((name == "ol").then_some(0));
                }
            }
            "li" => self.item(),
            "dt" | "dd" => self.end_line(1),
            "tr" => self.end_row(1),
            "td" | "th" => {
                // The cells of a row stay on one line.
                if self.row && self.out.len() > self.row_start {
                    self.breaks = 0;
                }
                self.separators += usize::from(self.row);
                self.space = false;
                (self.row, self.in_cell) = (true, true);
            }
            "pre" => {
                self.pre += 1;
                self.end_line(2);
            }
            "img" => {
                let text = attribute(attributes, "alt").unwrap_or_default();
                if !text.trim().is_empty() {
                    self.text(&format!(" [image: {}] ", text.trim()));
                }
            }
            _ if PARAGRAPHS.contains(&name) => self.block(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "title" => self.in_title = false,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.heading = false;
                self.prefix.clear();
                self.end_line(2);
            }
            "ul" | "ol" => {
                self.lists.pop();
                self.prefix.clear();
                self.end_line(if self.lists.is_empty() { 2 } else { 1 });
            }
            "li" => {
                self.prefix.clear();
                self.end_line(1);
            }
            "td" | "th" => self.in_cell = false,
            "tr" => self.end_row(1),
            "table" => self.end_row(2),
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                self.end_line(2);
            }
            _ if PARAGRAPHS.contains(&name) => self.block(),
            _ => {}
        }
    }

    /// Starts or ends a paragraph. Inside a cell or a heading that is only a space, or the row or the
    /// heading would be torn apart.
    fn block(&mut self) {
        if self.in_cell || self.heading {
            self.space = true;
        } else if self.prefix.is_empty() {
            self.end_line(if self.lists.is_empty() { 2 } else { 1 });
        }
    }

    fn item(&mut self) {
        self.end_line(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(count)) => {
                *count += 1;
                format!("{count}.")
            }
            _ => "-".to_owned(),
        };
        self.prefix = format!("{indent}{mark} ");
    }

    fn end_row(&mut self, breaks: usize) {
        (self.row, self.in_cell, self.separators) = (false, false, 0);
        self.row_start = self.out.len();
        self.end_line(breaks);
    }

    fn end_line(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
        self.space = false;
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 && !self.in_cell {
            self.verbatim(text);
            return;
        }
        if text.starts_with(is_space) {
            self.space = true;
        }
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            self.begin();
            self.out.push_str(word);
            self.space = true;
        }
        self.space = text.ends_with(is_space) || (self.space && text.chars().all(is_space));
    }

    fn verbatim(&mut self, text: &str) {
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            if !line.is_empty() {
                self.begin();
                self.out.push_str(line);
            }
            if lines.peek().is_some() {
                self.breaks += 1;
            }
        }
        self.space = false;
    }

    /// Writes the pending breaks, spaces, and marks before a word.
    fn begin(&mut self) {
        if self.breaks > 0 {
            if !self.out.is_empty() {
                self.out.truncate(self.out.trim_end_matches(' ').len());
                self.out
                    .extend(std::iter::repeat_n('\n', self.breaks.min(3)));
            }
        } else if self.space
            && self.separators == 0
            && !self.out.is_empty()
            && !self.out.ends_with([' ', '\n'])
        {
            self.out.push(' ');
        }
        // Bounded, because a row may hold any number of empty cells.
        self.out
            .extend(std::iter::repeat_n(" | ", self.separators.min(64)));
        self.separators = 0;
        self.breaks = 0;
        self.space = false;
        self.out.push_str(&std::mem::take(&mut self.prefix));
    }

    fn finish(self) -> Reading {
        let text = self.out.trim_start_matches('\n').trim_end().to_owned();
        Reading {
            title: self.title,
            text,
            notes: Vec::new(),
        }
    }
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &str) {
        assert_eq!(render(page, 100_000).text, expected, "{page}");
    }

    #[test]
    fn structure_is_kept() {
        check("<p>one<p>two", "one\n\ntwo");
        check(
            "<h1>A</h1>text<h2>B <em>c</em></h2>",
            "# A\n\ntext\n\n## B c",
        );
        check("a <b>b</b>c  \n d", "a bc d");
        check("x<br>y<br/>z", "x\ny\nz");
        check(
            "<ul><li>a<li>b<ul><li>c</ul></ul><ol><li>d<li>e</ol>",
            "- a\n- b\n  - c\n\n1. d\n2. e",
        );
        check("<ul><li><p>a</p><p>b</p></li></ul>", "- a\nb");
        check("<pre>  a\n    b\n</pre>after", "  a\n    b\n\nafter");
        check("caf&eacute; &lt;b&gt;&nbsp;x", "café <b> x");
        check("<img alt='a cat'><img alt=''><img>", "[image: a cat]");
        check("<dl><dt>k<dd>v</dl>", "k\nv");
    }

    #[test]
    fn tables_keep_their_rows() {
        check(
            "<table><tr><th>Name<th>Age</tr><tr><td><p>Ann</p></td>\n<td>3<br>4</td></tr></table>end",
            "Name | Age\nAnn | 3 4\n\nend",
        );
        check(
            "<table><tr><td>a<td>b<tr><td><td><td>c</table>",
            "a | b\n |  | c",
        );
    }

    #[test]
    fn invisible_content_is_omitted() {
        check(
            "a<script>x<y</script><style>p{}</style><nav><p>menu</nav>b<footer>f</footer>",
            "ab",
        );
        check("a<nav>x<nav>y</nav>z</nav>b", "ab");
        check(
            "<div hidden>no</div><div style='color:red; display: none'>no</div>yes",
            "yes",
        );
        check("<p hidden>no<p>yes", "yes");
        check(
            "<template><p>t</template><noscript>js!</noscript>text<!-- c -->",
            "text",
        );
        check("<input hidden>kept", "kept");
        check("<svg><text>x</text></svg>y<select><option>z</select>", "y");
    }

    #[test]
    fn an_unclosed_element_does_not_swallow_the_page() {
        check("<nav>menu<p>text<footer>foot", "menu\n\ntext\n\nfoot");
        check("a<script>never closed", "a");
    }

    #[test]
    fn xhtml_is_read_as_xml_and_html_is_not() {
        let inside = "<head><title>A &amp; B</title><script src='x'/></head>\
                      <body><p>one</p><p/><![CDATA[a < b]]> <div hidden='hidden'/>two</body>";
        let page = format!(
            "<?xml version='1.0'?><html xmlns='{}'>{inside}</html>",
            "http://www.w3.org/1999/xhtml"
        );
        check(&page, "# A & B\n\none\n\na < b two");
        // Not well-formed: browsers too would read it as HTML, where the script never ends.
        check(&page.replace("</p>", ""), "# A & B\n\n");
        check("<p>a<div/>b", "a\n\nb");
    }

    #[test]
    fn titles_are_extracted() {
        let reading = render(
            "<head><title>A &amp; B\n c</title></head><h1>Other</h1>x",
            1_000,
        );
        assert_eq!(
            (reading.title.as_str(), reading.text.as_str()),
            ("A & B c", "# A & B c\n\n# Other\n\nx")
        );
        check("<title>Same</title><h2>Same</h2>x", "## Same\n\nx");
    }

    #[test]
    fn malicious_pages_take_linear_time_and_bounded_text() {
        for unit in [
            "<div>",
            "<",
            "<!--",
            "</x",
            "&",
            "<nav>",
            "<p hidden>",
            "<a b=\"",
            "<ul><li>",
            "<table><td>x",
        ] {
            let page = unit.repeat(100_000);
            assert!(
                render(&page, 10_000).text.len() <= page.len() + 10_000,
                "{unit}"
            );
        }
    }
}
