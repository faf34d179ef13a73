//! Builds Markdown and omits headings that have no content. The caller decides what to write.

/// Builds a Markdown text.
#[derive(Debug, Default)]
pub struct DraftWriter {
    text: String,
}

impl DraftWriter {
    /// Creates an empty draft.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a paragraph. Does nothing if it is empty.
    pub fn paragraph(&mut self, paragraph: &str) {
        if !paragraph.is_empty() {
            self.blank_line();
            self.text.push_str(paragraph);
        }
    }

    /// Appends a heading and a bulleted list. Does nothing if there are no items.
    pub fn list<S: AsRef<str>>(&mut self, heading: &str, items: impl IntoIterator<Item = S>) {
        let mut first = true;
        for item in items {
            if first {
                self.blank_line();
                self.text.push_str("## ");
                self.text.push_str(heading);
                self.text.push('\n');
                first = false;
            }
            self.text.push_str("\n- ");
            self.text.push_str(item.as_ref());
        }
    }

    /// Like [`Self::list`], but if there are no items, appends the heading followed by the text `otherwise`.
    pub fn list_or_default(&mut self, heading: &str, items: Vec<String>, otherwise: &str) {
        if items.is_empty() {
            self.paragraph(&format!("## {heading}\n\n{otherwise}"));
        } else {
            self.list(heading, items);
        }
    }

    /// Returns the finished text.
    pub fn finish(self) -> String {
        self.text
    }

    fn blank_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }
}

/// Formats a number with a noun in the singular or plural: `1 sentence`, `3 sentences`.
pub fn count_text(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Joins items with commas and a final `and`: `a, b and c`.
pub fn join_with_and<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lists_leave_no_heading() {
        let mut draft = DraftWriter::new();
        draft.paragraph("Hello.");
        draft.list("Nothing", [] as [&str; 0]);
        draft.list("Two", ["a", "b"]);
        draft.list_or_default("None", Vec::new(), "None found.");
        assert_eq!(
            draft.finish(),
            "Hello.\n\n## Two\n\n- a\n- b\n\n## None\n\nNone found."
        );
    }

    #[test]
    fn lists_of_words_are_joined_naturally() {
        assert_eq!(join_with_and(&["a"]), "a");
        assert_eq!(join_with_and(&["a", "b", "c"]), "a, b and c");
        assert_eq!(
            count_text(1, "claim") + &count_text(0, "claim"),
            "1 claim0 claims"
        );
    }
}
