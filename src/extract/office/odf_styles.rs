//! OpenDocument styles that change the meaning of text: page breaks, hidden text, and superscript, subscript, or
//! struck-out text.

use std::collections::{HashMap, HashSet};

use super::xml::Tag;
use crate::extract::raised::{RunStyle, Script};

/// Maximum number of styles to read.
const MAX_STYLES: usize = 50_000;

/// Styles that change the meaning of text, by name.
#[derive(Default)]
pub struct OdfStyles {
    /// Name of the style whose properties are being read.
    name: String,
    break_styles: HashSet<String>,
    hidden_styles: HashSet<String>,
    /// Text styles for superscript, subscript, or struck-out text.
    runs: HashMap<String, RunStyle>,
}

impl OdfStyles {
    /// Starts reading the style with this name.
    pub fn begin(&mut self, name: String) {
        self.name = name;
    }

    /// Records properties of the style that is being read.
    pub fn define(&mut self, tag: &Tag) {
        if self.break_styles.len() + self.hidden_styles.len() > MAX_STYLES {
            return;
        }
        if tag.get("break-before").as_deref() == Some("page") {
            self.break_styles.insert(self.name.clone());
        }
        let run = run_style(tag);
        if run != RunStyle::default() && self.runs.len() < MAX_STYLES {
            self.runs.insert(self.name.clone(), run);
        }
        let display = tag.get("display");
        if matches!(display.as_deref(), Some("none" | "false")) {
            self.hidden_styles.insert(self.name.clone());
        }
    }

    /// Returns whether a paragraph with this style starts a new page.
    pub fn breaks_page(&self, name: &str) -> bool {
        self.break_styles.contains(name)
    }

    /// Returns whether the style named by a tag hides its text.
    pub fn hides_text(&self, tag: &Tag) -> bool {
        self.hidden_styles
            .contains(&tag.get("style-name").unwrap_or_default())
    }

    /// Returns how the style named by a tag changes text: superscript, subscript, or struck out.
    pub fn run(&self, tag: &Tag) -> RunStyle {
        let name = tag.get("style-name").unwrap_or_default();
        self.runs.get(&name).copied().unwrap_or_default()
    }
}

/// Parses how a text style differs from regular text: `super 58%`, `-33% 58%`, or a line through.
fn run_style(tag: &Tag) -> RunStyle {
    let position = tag.get("text-position").unwrap_or_default();
    let shift = position.split(' ').next().unwrap_or_default();
    let percent: f64 = shift.trim_end_matches('%').parse().unwrap_or(0.0);
    let line = tag
        .get("text-line-through-style")
        .or_else(|| tag.get("text-line-through-type"));
    RunStyle {
        script: if shift == "super" || percent > 0.0 {
            Some(Script::Superscript)
        } else if shift == "sub" || percent < 0.0 {
            Some(Script::Subscript)
        } else {
            None
        },
        struck: line.is_some_and(|line| line != "none"),
    }
}
