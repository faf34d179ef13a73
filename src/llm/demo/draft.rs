//! Assembles Markdown, omitting headings without content. Decides nothing.

/// A Markdown text under construction.
#[derive(Debug, Default)]
pub struct DraftWriter {
    text: String,
}

impl DraftWriter {
    /// Creates an empty draft.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a paragraph.
    pub fn say(&mut self, paragraph: &str) {
        if !paragraph.is_empty() {
            self.gap();
            self.text.push_str(paragraph);
        }
    }

    /// Appends a heading with one bullet per item; nothing without items.
    pub fn list<S: AsRef<str>>(&mut self, heading: &str, items: impl IntoIterator<Item = S>) {
        let mut first = true;
        for item in items {
            if first {
                self.gap();
                self.text.push_str("## ");
                self.text.push_str(heading);
                self.text.push('\n');
                first = false;
            }
            self.text.push_str("\n- ");
            self.text.push_str(item.as_ref());
        }
    }

    /// Like `list`, but with the text `otherwise` when there are no items.
    pub fn list_or(&mut self, heading: &str, items: Vec<String>, otherwise: &str) {
        if items.is_empty() {
            self.say(&format!("## {heading}\n\n{otherwise}"));
        } else {
            self.list(heading, items);
        }
    }

    /// Returns the text.
    pub fn finish(self) -> String {
        self.text
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }
}

/// Formats `1 sentence`, `3 sentences`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Formats `a, b and c`.
pub fn join<S: AsRef<str>>(items: &[S]) -> String {
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
        draft.say("Hello.");
        draft.list("Nothing", [] as [&str; 0]);
        draft.list("Two", ["a", "b"]);
        draft.list_or("None", Vec::new(), "None found.");
        assert_eq!(
            draft.finish(),
            "Hello.\n\n## Two\n\n- a\n- b\n\n## None\n\nNone found."
        );
    }

    #[test]
    fn lists_of_words_are_joined_naturally() {
        assert_eq!(join(&["a"]), "a");
        assert_eq!(join(&["a", "b", "c"]), "a, b and c");
        assert_eq!(count(1, "claim") + &count(0, "claim"), "1 claim0 claims");
    }
}
