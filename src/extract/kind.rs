//! Detects the kind of a text by its content. The file name decides only between kinds that the content does not
//! distinguish. Works on decoded text, not on bytes.

use super::{calendar, json, notebook, subtitles, table};

/// A kind of file that Quire can read: a row of `KINDS`.
pub struct FileKind {
    /// The name, as stored and displayed.
    pub name: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// File name extensions of this kind, without the dot.
    pub extensions: &'static [&'static str],
    /// Description for the user of what is extracted.
    pub help: &'static str,
}

/// All kinds of files that can be read.
pub const KINDS: &[FileKind] = &[
    FileKind {
        name: "text",
        content_type: "text/plain",
        extensions: &[
            "txt",
            "text",
            "log",
            "ini",
            "cfg",
            "conf",
            "properties",
            "env",
        ],
        help: "plain text; a form feed starts a new page",
    },
    FileKind {
        name: "markdown",
        content_type: "text/markdown",
        extensions: &[
            "md", "markdown", "mdx", "rst", "adoc", "asciidoc", "org", "tex", "latex", "ltx",
        ],
        help: "Markdown, reStructuredText, AsciiDoc, Org, and LaTeX; headings name the passages",
    },
    FileKind {
        name: "html",
        content_type: "text/html",
        extensions: &["html", "htm", "xhtml"],
        help: "web pages: headings, lists, and tables, without navigation, scripts, and hidden parts",
    },
    FileKind {
        name: "csv",
        content_type: "text/csv",
        extensions: &["csv", "tsv", "tab", "psv"],
        help: "tables separated by comma, semicolon, tab, or pipe; each row names its columns",
    },
    FileKind {
        name: "json",
        content_type: "application/json",
        extensions: &["json", "jsonl", "ndjson", "geojson"],
        help: "JSON and JSON Lines, indented for reading",
    },
    FileKind {
        name: "notebook",
        content_type: "application/x-ipynb+json",
        extensions: &["ipynb"],
        help: "Jupyter notebooks: cells and the text of their outputs, without pictures",
    },
    FileKind {
        name: "calendar",
        content_type: "text/calendar",
        extensions: &["ics", "ifb", "vcs", "vcf", "vcard"],
        help: "calendars and address cards: one entry per line, times written out",
    },
    FileKind {
        name: "subtitles",
        content_type: "text/vtt",
        extensions: &["srt", "vtt"],
        help: "subtitles: the spoken words with their times",
    },
    FileKind {
        name: "xml",
        content_type: "application/xml",
        extensions: &["xml", "svg", "rss", "atom", "xsd", "xsl"],
        help: "XML, unchanged",
    },
    FileKind {
        name: "source",
        content_type: "text/x-source",
        extensions: &[
            "rs", "py", "js", "mjs", "ts", "tsx", "jsx", "java", "kt", "scala", "c", "h", "cc",
            "cpp", "hpp", "cs", "go", "rb", "php", "pl", "pm", "lua", "swift", "m", "r", "jl",
            "sh", "bash", "zsh", "ps1", "bat", "sql", "css", "scss", "less", "toml", "yaml", "yml",
            "dart", "hs", "ml", "ex", "exs", "erl", "clj", "lisp", "el", "vim", "awk", "sed",
            "tcl", "f90", "pas", "asm", "s", "proto", "graphql", "cmake", "mk", "gradle", "tf",
            "vue", "svelte", "diff", "patch",
        ],
        help: "source code and settings, unchanged",
    },
    FileKind {
        name: "docx",
        content_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        extensions: &["docx", "docm", "dotx"],
        help: "Word: headings, numbered lists, tables, footnotes, and comments, and the words of headers and footers that are nowhere else; without deleted or hidden text",
    },
    FileKind {
        name: "pdf",
        content_type: "application/pdf",
        extensions: &["pdf"],
        help: "PDF: columns in reading order, rows of tables, headings, form fields; pages without text are named and, when scanned, shown to vision models",
    },
    FileKind {
        name: "pptx",
        content_type: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        extensions: &["pptx", "pptm", "ppsx", "potx"],
        help: "PowerPoint: one page per slide, with tables, charts, speaker notes, and comments",
    },
    FileKind {
        name: "xlsx",
        content_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        extensions: &["xlsx", "xlsm", "xltx"],
        help: "Excel: one page per sheet, each row names its columns; dates as dates, formulas by their stored result",
    },
    FileKind {
        name: "odt",
        content_type: "application/vnd.oasis.opendocument.text",
        extensions: &["odt", "ods", "odp", "ott", "ots", "otp"],
        help: "OpenDocument texts, sheets, and presentations, read like the Office kinds",
    },
    FileKind {
        name: "epub",
        content_type: "application/epub+zip",
        extensions: &["epub"],
        help: "e-books: the chapters in reading order, under their titles in the table of contents",
    },
    FileKind {
        name: "eml",
        content_type: "message/rfc822",
        extensions: &["eml", "mbox", "mht", "mhtml"],
        help: "emails, mailboxes, and saved web pages: sender, recipients, date, and subject, the text, and attachments of readable kinds under their names",
    },
    FileKind {
        name: "zip",
        content_type: "application/zip",
        extensions: &["zip"],
        help: "archives of any of these, each file under its path; an archive inside is opened, one nested deeper is not",
    },
    FileKind {
        name: "tar",
        content_type: "application/x-tar",
        extensions: &["tar", "tgz", "gz"],
        help: "tar archives, and any of these packed with gzip",
    },
    FileKind {
        name: "rtf",
        content_type: "application/rtf",
        extensions: &["rtf"],
        help: "RTF: text in the code pages of its fonts, headings, tables, and footnotes",
    },
    FileKind {
        name: super::PICTURE,
        content_type: "image/*",
        extensions: &["png", "jpg", "jpeg", "gif", "webp"],
        help: "PNG, JPEG, GIF, and WebP up to 5 MB: shown to vision models; no text is extracted",
    },
];

/// Returns the kind with this name, or plain text if the name is unknown.
pub fn by_name(name: &str) -> &'static FileKind {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .unwrap_or(&KINDS[0])
}

/// The kind of a text file. A table includes its delimiter.
#[derive(Debug, PartialEq, Clone, Copy)]
pub enum TextKind {
    /// A web page.
    Html,
    /// A table with this delimiter byte.
    Table(u8),
    /// JSON or JSON Lines, or a file with an extension of these formats.
    Json,
    /// A Jupyter notebook.
    Notebook,
    /// A calendar or an address card.
    Calendar,
    /// Subtitles.
    Subtitles,
    /// Any other kind, given by its name in `KINDS`.
    Plain(&'static str),
}

/// Detects the kind of a text file, primarily by its content.
pub fn detect(text: &str, file_name: &str) -> TextKind {
    let claim = kind_of_extension(file_name);
    let head = text.trim_start();
    if calendar::is_calendar(head) {
        return TextKind::Calendar;
    }
    if subtitles::is_subtitles(head) {
        return TextKind::Subtitles;
    }
    if is_html_page(head) {
        return TextKind::Html;
    }
    if head.starts_with("<?xml") || starts_with_tag(head, &["svg", "rss", "feed"]) {
        return if claim == Some("html") {
            TextKind::Html
        } else {
            TextKind::Plain("xml")
        };
    }
    if json::is_json(text) {
        return match notebook::is_notebook(text) {
            true => TextKind::Notebook,
            false => TextKind::Json,
        };
    }
    match claim {
        Some("html") if head.contains('<') => TextKind::Html,
        Some("csv") => table::sniff(text, true).map_or(TextKind::Plain("text"), TextKind::Table),
        Some("json") => TextKind::Json,
        Some(kind @ ("markdown" | "source" | "xml")) => TextKind::Plain(kind),
        _ => detect_by_features(text, head),
    }
}

fn detect_by_features(text: &str, head: &str) -> TextKind {
    if head.starts_with("#!") {
        return TextKind::Plain("source");
    }
    if has_many_tags(head) {
        return TextKind::Html;
    }
    if let Some(delimiter) = table::sniff(text, false) {
        return TextKind::Table(delimiter);
    }
    if is_markdown(text) {
        return TextKind::Plain("markdown");
    }
    TextKind::Plain("text")
}

fn kind_of_extension(file_name: &str) -> Option<&'static str> {
    let extension = file_name.rsplit_once('.')?.1.to_ascii_lowercase();
    KINDS
        .iter()
        .find(|kind| kind.extensions.contains(&extension.as_str()))
        .map(|kind| kind.name)
}

/// Returns whether a complete HTML page starts here, after any comments and an XML declaration.
fn is_html_page(head: &str) -> bool {
    let mut rest = head;
    // Bounded, because pages start with at most a few comments.
    for _ in 0..8 {
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|at| at + 3)
        } else if rest.starts_with("<?xml") {
            rest.find("?>").map(|at| at + 2)
        } else {
            None
        };
        match end {
            Some(end) => rest = rest[end..].trim_start(),
            None => break,
        }
    }
    let doctype = rest
        .get(..14)
        .is_some_and(|start| start.eq_ignore_ascii_case("<!doctype html"));
    doctype || starts_with_tag(rest, &["html", "head", "body"])
}

fn starts_with_tag(text: &str, names: &[&str]) -> bool {
    text.strip_prefix('<').is_some_and(|rest| {
        names.iter().any(|name| {
            rest.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
                && rest[name.len()..].starts_with(|c: char| c.is_ascii_whitespace() || c == '>')
        })
    })
}

/// Returns whether the text is an HTML fragment: several different elements are closed near its start.
fn has_many_tags(head: &str) -> bool {
    if !head.starts_with('<') {
        return false;
    }
    let end = head
        .char_indices()
        .nth(4_096)
        .map_or(head.len(), |(at, _)| at);
    let start = head[..end].to_ascii_lowercase();
    let common_tags = [
        "</p>", "</div>", "</a>", "</h1>", "</h2>", "</li>", "</ul>", "</table>", "</span>",
        "</title>", "<br",
    ];
    common_tags
        .iter()
        .filter(|tag| start.contains(*tag))
        .count()
        >= 2
}

/// Returns whether the text has two different Markdown features, one of them a heading or a code fence.
fn is_markdown(text: &str) -> bool {
    let (mut headings, mut fences, mut others) = (0, 0, 0);
    for line in text.lines().take(400) {
        let rest = line.trim_start_matches('#');
        let level = line.len() - rest.len();
        headings += usize::from((1..=6).contains(&level) && rest.starts_with(' '));
        fences += usize::from(line.starts_with("```"));
        others += usize::from(
            line.contains("](")
                || line.contains("**")
                || line.starts_with("- ")
                || line.starts_with("* "),
        );
    }
    let signs = [headings, fences, others]
        .iter()
        .filter(|&&count| count > 0)
        .count();
    (headings > 0 || fences > 1) && signs >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_and_the_name_breaks_ties() {
        let prose = "Dear reader, this is text.\nIt goes on, and on.\n";
        for (text, name, expected) in [
            (prose, "a.txt", TextKind::Plain("text")),
            (prose, "", TextKind::Plain("text")),
            (prose, "a.csv", TextKind::Table(b',')),
            ("no commas at all\nnone\n", "a.csv", TextKind::Plain("text")),
            ("<!-- c --><!DOCTYPE HTML><p>", "a.txt", TextKind::Html),
            ("<html lang=en>", "x.json", TextKind::Html),
            (
                "<?xml version='1.0'?><!DOCTYPE html><html>",
                "a",
                TextKind::Html,
            ),
            ("<?xml version='1.0'?><data/>", "a", TextKind::Plain("xml")),
            (
                "<p align=center>x</p><a href=y>z</a>",
                "README.md",
                TextKind::Plain("markdown"),
            ),
            (
                "<p align=center>x</p><a href=y>z</a>",
                "part",
                TextKind::Html,
            ),
            ("{\"a\": [1, 2]}", "a.txt", TextKind::Json),
            ("{\"a\": [1, 2", "a.json", TextKind::Json),
            ("{\"a\": [1, 2", "a.txt", TextKind::Plain("text")),
            ("#!/bin/sh\necho", "run", TextKind::Plain("source")),
            ("fn main() {}", "main.rs", TextKind::Plain("source")),
            (
                "# Title\n\n- a\n- b\n",
                "notes",
                TextKind::Plain("markdown"),
            ),
            (
                "name,age,city\nA,1,X\nB,2,Y\n",
                "data",
                TextKind::Table(b','),
            ),
            ("a\tb\n1\t2\n3\t4\n", "data.txt", TextKind::Table(b'\t')),
            ("", "x", TextKind::Plain("text")),
        ] {
            assert_eq!(detect(text, name), expected, "{name}: {text}");
        }
    }

    #[test]
    fn the_table_has_no_duplicates() {
        let (mut names, mut seen_extensions) = (
            std::collections::BTreeSet::new(),
            std::collections::BTreeSet::new(),
        );
        for kind in KINDS {
            assert!(names.insert(kind.name), "{} twice", kind.name);
            for extension in kind.extensions {
                assert!(seen_extensions.insert(extension), "{extension} twice");
            }
        }
    }
}
