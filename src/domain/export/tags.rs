//! The HTML that a text may use: a few tags without attributes, and details elements. Everything else is shown as text.

use std::collections::BTreeSet;

use pulldown_cmark::Event;

const PAIRED_TAGS: [&str; 6] = ["sub", "sup", "kbd", "b", "i", "u"];
/// Maximum number of tags that are open at once in an element.
const MAX_OPEN_TAGS: usize = 20;

/// Returns the positions of the tags that may be written unchanged, because they are opened and closed within
/// the same element.
pub(super) fn paired_tags<'a>(events: impl Iterator<Item = &'a Event<'a>>) -> BTreeSet<usize> {
    let mut tag_positions = BTreeSet::new();
    // For each open element, the tags that are open in it.
    let mut levels: Vec<Vec<(String, usize)>> = vec![Vec::new()];
    for (place, event) in events.enumerate() {
        match event {
            Event::Start(_) => levels.push(Vec::new()),
            Event::End(_) => drop(levels.pop()),
            Event::InlineHtml(text) => {
                let (Some(open), Some((name, is_end))) = (levels.last_mut(), allowed_tag(text))
                else {
                    continue;
                };
                if !is_end {
                    if open.len() < MAX_OPEN_TAGS {
                        open.push((name, place));
                    }
                } else if let Some(at) = open.iter().rposition(|(known, _)| *known == name) {
                    tag_positions.extend([open[at].1, place]);
                    open.truncate(at);
                }
            }
            _ => {}
        }
    }
    tag_positions
}

/// Returns the name of a tag, and whether it is a closing tag; `None` if the tag is not allowed.
fn allowed_tag(text: &str) -> Option<(String, bool)> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let (name, is_end) = match inner.strip_prefix('/') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let name = name.trim_end().to_ascii_lowercase();
    PAIRED_TAGS
        .contains(&name.as_str())
        .then_some((name, is_end))
}

/// Keeps track of the details elements that are open.
#[derive(Default)]
pub(super) struct Details {
    open: usize,
}

impl Details {
    /// Writes a block of escaped HTML if it consists only of `details` and `summary` elements. Returns whether it did.
    pub(super) fn write(&mut self, escaped: &str, out: &mut String) -> bool {
        let mut frame = String::new();
        let mut open_count = self.open;
        let mut rest = escaped.trim();
        while !rest.is_empty() {
            if let Some(after) = strip_tag(rest, "&lt;details&gt;")
                .or_else(|| strip_tag(rest, "&lt;details open&gt;"))
            {
                (rest, open_count) = (after, open_count + 1);
                frame.push_str("<details open>");
            } else if let Some(after) = strip_tag(rest, "&lt;/details&gt;") {
                let Some(left) = open_count.checked_sub(1) else {
                    return false;
                };
                (rest, open_count) = (after, left);
                frame.push_str("</details>\n");
            } else if let Some((words, after)) = strip_tag(rest, "&lt;summary&gt;")
                .and_then(|rest| rest.split_once("&lt;/summary&gt;"))
                && open_count > 0
            {
                rest = after.trim_start();
                frame.push_str(&format!("<summary>{}</summary>", words.trim()));
            } else {
                return false;
            }
        }
        self.open = open_count;
        out.push_str(&frame);
        true
    }

    /// Closes the elements that the text has left open.
    pub(super) fn close_all(&mut self, out: &mut String) {
        for _ in 0..std::mem::take(&mut self.open) {
            out.push_str("</details>\n");
        }
    }
}

fn strip_tag<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    text.strip_prefix(tag).map(str::trim_start)
}
