//! Converts a web page to readable text: headings with `#`, lists with `-`, table rows with ` | `. Omits scripts,
//! styles, navigation, footers, hidden parts, and deleted text.

mod controls;
mod lists;
mod marks;
mod math;
mod rows;
mod writer;

use super::markup::{Token, Tokens, attribute};
use controls::is_invisible;
use writer::{HtmlTextWriter, is_block};

/// Elements that are dropped along with their content.
const DROPPED_ELEMENTS: &[&str] = &[
    "script",
    "style",
    "nav",
    "footer",
    "template",
    "noscript",
    "svg",
    "iframe",
    "object",
    "canvas",
    "noembed",
    "noframes",
    "select",
    "datalist",
    "del",
    "rt",
    "rp",
    "annotation",
    "annotation-xml",
];
/// Void elements, which have no content.
const VOID_ELEMENTS: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Elements whose end tag is optional. If one is hidden, it ends where the next element of the same kind begins.
const UNCLOSED_ELEMENTS: &[&str] = &[
    "p", "li", "dt", "dd", "tr", "td", "th", "option", "rt", "rp",
];
/// The title and text of a web page, and notes about what was changed or omitted.
#[derive(Debug, PartialEq, Default)]
pub struct RenderedPage {
    /// The page's title.
    pub title: String,
    /// The page's text.
    pub text: String,
    /// Notes for the user about changed or omitted content.
    pub notes: Vec<String>,
}

/// Converts a page to text, with its title above. Stops once the text exceeds `max_text` bytes. With `is_xml`, a
/// self-closing element has no content, even if the page is not well-formed.
pub fn render(page: &str, max_text: usize, is_xml: bool) -> RenderedPage {
    let mut page_text = body(page, max_text, is_xml);
    let (title, text) = (&page_text.title, &page_text.text);
    let repeated = title.is_empty()
        || text
            .lines()
            .take(20)
            .any(|line| line.trim_start_matches(['#', ' ']) == title);
    if !repeated {
        page_text.text = format!("# {title}\n\n{text}");
    }
    page_text
}

/// Converts a page to text, without its title above.
pub fn body(page: &str, max_text: usize, is_xml: bool) -> RenderedPage {
    let mut tokens = Tokens::new(page, is_xml);
    let (mut deleted, mut reading_aids, mut hidden, mut media, mut pictures) = (0, 0, 0, 0, 0);
    let mut writer = HtmlTextWriter::default();
    let mut dropped: Option<DroppedElement> = None;
    let mut may_skip_content = true;
    while writer.output.len() <= max_text {
        let position = tokens.position();
        let Some(token) = tokens.next() else {
            // A dropped element that is never closed would swallow the rest of the page. Its content is read after all,
            // and nothing is dropped from there on, so this happens at most once.
            let element = match dropped.take() {
                Some(element) if !is_code(&element.name) && !element.ends_at_block => element,
                // The end tag of a paragraph is optional, so the paragraph may end with the page.
                other => {
                    hidden += usize::from(other.is_some_and(|element| element.is_hidden()));
                    break;
                }
            };
            tokens.rewind(element.after);
            may_skip_content = false;
            continue;
        };
        if let Some(element) = &mut dropped {
            element.has_text |= element.contains_text(&token);
            if let Some(choice) = element.visible_text(&token) {
                writer.push_token(&Token::Text(&choice));
            }
            if element.ends_with(&token) {
                let resume = element.is_unclosed
                    && !matches!(&token, Token::Close(name) if *name == element.name);
                hidden += usize::from(element.is_hidden());
                dropped = None;
                if resume {
                    tokens.rewind(position);
                }
            }
            continue;
        }
        media += usize::from(is_media(&token));
        pictures += usize::from(is_unnamed_picture(&token));
        match &token {
            Token::Open { name, attributes }
                if is_dropped(name, attributes) && (may_skip_content || is_code(name)) =>
            {
                deleted += usize::from(name == "del");
                reading_aids += usize::from(name == "rt");
                if name == "svg" {
                    writer.labels.add(name, attributes);
                }
                dropped = Some(DroppedElement {
                    name: name.clone(),
                    depth: 1,
                    after: tokens.position(),
                    is_unclosed: UNCLOSED_ELEMENTS.contains(&name.as_str()),
                    ends_at_block: name == "p" && !tokens.is_xml(),
                    is_choice_open: false,
                    has_choice: false,
                    has_other_options: false,
                    has_text: false,
                });
            }
            _ => writer.push_token(&token),
        }
    }
    let labels = writer.labels.missing_label_count(&writer.output);
    let mut page_text = writer.finish();
    for (count, what) in [
        (deleted, "deleted passages"),
        (reading_aids, "reading aids above characters"),
        (hidden, "menus, footers, and hidden parts"),
        (media, "videos, audio, and other embedded content"),
        (pictures, "pictures without a description"),
        (labels, "tooltips and labels for screen readers"),
    ] {
        if count > 0 {
            page_text.notes.push(format!("{what} left out: {count}"));
        }
    }
    page_text
}

/// Returns whether an element's content is never text for a reader, no matter how broken the page is.
fn is_code(name: &str) -> bool {
    matches!(name, "script" | "style")
}

/// Returns whether the element displays a file other than an image, such as a video or another page.
fn is_media(token: &Token) -> bool {
    let Token::Open { name, attributes } = token else {
        return false;
    };
    match name.as_str() {
        "video" | "audio" => true,
        "iframe" | "object" | "embed" | "frame" => ["src", "data", "srcdoc"]
            .iter()
            .any(|name| attribute(attributes, name).is_some_and(|value| !value.is_empty())),
        _ => false,
    }
}

/// Returns whether the element is an image without a description. An empty description marks decoration.
fn is_unnamed_picture(token: &Token) -> bool {
    matches!(token, Token::Open { name, attributes } if name == "img" && attribute(attributes, "alt").is_none())
}

/// Returns whether an element's text need not be reported as hidden, because the same content is displayed or reported
/// elsewhere.
fn is_not_displayed(name: &str) -> bool {
    matches!(
        name,
        "svg" | "del" | "rt" | "rp" | "annotation" | "annotation-xml" | "iframe" | "object"
    )
}

fn is_dropped(name: &str, attributes: &str) -> bool {
    if VOID_ELEMENTS.contains(&name) {
        return false;
    }
    let hidden = || {
        attribute(attributes, "hidden").is_some_and(|value| value != "until-found")
            || attribute(attributes, "style").is_some_and(|style| is_invisible(&style))
            || (name == "dialog" && attribute(attributes, "open").is_none())
            || attribute(attributes, "popover").is_some()
    };
    // An object that refers to no file shows its own content.
    let is_text = name == "object" && attribute(attributes, "data").is_none();
    (DROPPED_ELEMENTS.contains(&name) && !is_text) || (!matches!(name, "html" | "body") && hidden())
}

/// The element whose content is being dropped.
struct DroppedElement {
    name: String,
    depth: usize,
    after: usize,
    is_unclosed: bool,
    /// Whether the element also ends at the next block, as an HTML paragraph does.
    ends_at_block: bool,
    /// Whether the selected option of a menu, or a text in a drawing, is open inside the element.
    is_choice_open: bool,
    /// Whether the text of a selected option has been written.
    has_choice: bool,
    /// Whether a menu has options besides the selected one.
    has_other_options: bool,
    has_text: bool,
}

impl DroppedElement {
    /// Returns whether a token contains text that the element would show if it were not dropped.
    fn contains_text(&self, token: &Token) -> bool {
        match token {
            Token::Text(text) => !text.trim().is_empty(),
            Token::Open { attributes, .. } => {
                self.name == "datalist" && attribute(attributes, "value").is_some()
            }
            // The tokenizer returns the content of these elements as a single piece of raw markup.
            Token::Raw(text) => {
                matches!(&*self.name, "noframes" | "noembed") && !text.trim().is_empty()
            }
            _ => false,
        }
    }

    /// Returns whether the element has text that is neither shown nor reported in another way.
    fn is_hidden(&self) -> bool {
        let is_rest = !self.has_choice || self.has_other_options;
        self.has_text && is_rest && !is_not_displayed(&self.name)
    }

    /// Returns the token's text if the page displays it even though the element is dropped: the selected option of a
    /// menu, or a text in a drawing (`svg`).
    fn visible_text(&mut self, token: &Token) -> Option<String> {
        match token {
            Token::Open { name, .. } if self.name == "svg" => {
                self.is_choice_open |= name == "text";
                None
            }
            Token::Close(name) if self.name == "svg" && name == "text" => {
                self.is_choice_open = false;
                Some(" ".to_owned())
            }
            Token::Text(text) if self.name == "svg" && self.is_choice_open => {
                Some(format!(" {text}"))
            }
            Token::Open { name, attributes } if self.name == "select" && name == "option" => {
                self.is_choice_open = attribute(attributes, "selected").is_some();
                None
            }
            Token::Text(text) if std::mem::take(&mut self.is_choice_open) => {
                self.has_choice = true;
                Some(format!(" {text} "))
            }
            Token::Text(text) => {
                self.has_other_options |= self.name == "select" && !text.trim().is_empty();
                None
            }
            _ => None,
        }
    }

    fn ends_with(&mut self, token: &Token) -> bool {
        match token {
            Token::Open { name, .. } if *name == self.name => {
                self.depth += 1;
                self.is_unclosed
            }
            Token::Close(name) if *name == self.name => {
                self.depth -= 1;
                self.depth == 0
            }
            Token::Open { name, .. } | Token::Close(name) => self.ends_at_block && is_block(name),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &str) {
        assert_eq!(render(page, 100_000, false).text, expected, "{page}");
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
            "Columns: Name | Age\nName: Ann | Age: 3 4\n\nend",
        );
        check(
            "<table><tr><td>a<td>b<tr><td><td><td>c</table>",
            "a | b\n |  | c",
        );
    }

    #[test]
    fn raised_and_struck_text_keeps_its_meaning() {
        for (page, expected) in [
            (
                "<p>10<sup>3</sup> and 20<sup><a href='#n'>1</a></sup> million",
                "10^3 and 20[1] million",
            ),
            (
                "<p>the report<a href='#n'><sup>2</sup></a>, H<sub>2</sub>O",
                "the report[2], H2O",
            ),
            (
                "<p>20<a epub:type='noteref' href='#n'>1</a> and <a href='x'>10<sup>3</sup> things</a>",
                "20[1] and 10^3 things",
            ),
            (
                "<p><s>100</s> <del>200</del> <ins>300</ins> euros",
                "~~100~~ 300 euros",
            ),
            ("<span style='vertical-align: super'>1</span>See", "[1]See"),
            (
                "<math><mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mn>2</mn></mfrac><msup><mi>x</mi><mn>2</mn></msup>\
                 <annotation>x</annotation></math>",
                "(a+1)/2x^2",
            ),
        ] {
            check(page, expected);
        }
        assert_eq!(
            body("a<del>b</del>", 100, false).notes,
            ["deleted passages left out: 1"]
        );
    }

    #[test]
    fn spanning_cells_keep_the_columns_aligned() {
        check(
            "<table><tr><th>Region<th>Q<th>Sales<tr><td rowspan=2>North<td>1<td>10<tr><td>2<td>20</table>",
            "Columns: Region | Q | Sales\nRegion: North | Q: 1 | Sales: 10\nRegion: North | Q: 2 | Sales: 20",
        );
        check(
            "<table><tr><th rowspan=2>City<th colspan=2>Sales<tr><th>2025<th>2026<tr><td>Oslo<td>1<td>2</table>",
            "Columns: City | Sales 2025 | Sales 2026\nCity: Oslo | Sales 2025: 1 | Sales 2026: 2",
        );
        check(
            "<table><tr><td rowspan=2>a<td>b<tr><td>c</table>",
            "a | b\na | c",
        );
        check(
            "<table><tr><th>only<th>names</table>end",
            "only | names\n\nend",
        );
    }

    #[test]
    fn form_controls_show_their_state() {
        check(
            "<input type=checkbox checked> yes <input type=radio> no <input value='Ann'><select><option>a<option selected>b</select>",
            "[x] yes [ ] no Ann b",
        );
        check(
            "<ol start=5><li>five<li value=9>nine<li>ten</ol>",
            "5. five\n9. nine\n10. ten",
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
        check(
            "<svg><path/><title>t</title><text>x</text></svg>y<select><option>z</select>",
            "x y",
        );
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
        // The page is not well-formed, but declared as XML.
        check(&page.replace("</p>", ""), "# A & B\n\none\n\na < b two");
        // Without the declaration, the page is not XML. Browsers read it as HTML too, so the script never ends.
        check(
            &page
                .replace("</p>", "")
                .replace("<?xml version='1.0'?>", ""),
            "# A & B\n\n",
        );
        check("<p>a<div/>b", "a\n\nb");
    }

    #[test]
    fn titles_are_extracted() {
        let page_text = render(
            "<head><title>A &amp; B\n c</title></head><h1>Other</h1>x",
            1_000,
            false,
        );
        assert_eq!(
            (page_text.title.as_str(), page_text.text.as_str()),
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
                render(&page, 10_000, false).text.len() <= page.len() + 10_000,
                "{unit}"
            );
        }
    }
}
