//! Text that form controls show in addition to their content, and labels that a page does not show.

use std::collections::BTreeSet;

use crate::extract::markup::attribute;

/// Maximum number of labels to keep.
const MAX_LABELS: usize = 200;
/// Maximum size of a label in bytes; a longer one is misplaced text.
const MAX_LABEL_BYTES: usize = 1_000;
/// Maximum size in bytes of a page's text in which to look for its labels.
const MAX_COMPARED_BYTES: usize = 4 << 20;

/// Returns the text that a form control shows: the state of a check box, the value, or the placeholder.
pub fn control_text(attributes: &str) -> Option<String> {
    let kind = attribute(attributes, "type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let filled = |name: &str| {
        let value = attribute(attributes, name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let text = match kind.as_str() {
        "checkbox" | "radio" => match attribute(attributes, "checked") {
            Some(_) => "[x]".to_owned(),
            None => "[ ]".to_owned(),
        },
        "image" => filled("alt")?,
        "submit" | "reset" | "button" => filled("value")?,
        // The values of these controls are not visible as text.
        "hidden" | "password" | "file" | "range" | "color" => return None,
        _ => filled("value").or_else(|| placeholder(attributes))?,
    };
    Some(format!(" {text} "))
}

/// Returns a field's placeholder, marked as such; `None` if the field has none.
pub fn placeholder(attributes: &str) -> Option<String> {
    let words = attribute(attributes, "placeholder")?;
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then(|| format!("[placeholder: {words}]"))
}

/// Returns whether a style makes text invisible.
pub fn is_invisible(style: &str) -> bool {
    let style = style.to_ascii_lowercase();
    style.split(';').any(|rule| {
        let Some((property, value)) = rule.split_once(':') else {
            return false;
        };
        let value = value.trim().trim_end_matches("!important").trim_end();
        let is_zero = || {
            let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
            digits.parse() == Ok(0.0)
        };
        match property.trim() {
            "display" => value == "none",
            "visibility" => value == "hidden",
            "font-size" | "opacity" => is_zero(),
            _ => false,
        }
    })
}

/// Tooltips and labels for screen readers.
#[derive(Default)]
pub struct HiddenLabels(BTreeSet<String>);

impl HiddenLabels {
    /// Keeps the labels of an element, up to the limits. Skips labels without letters, such as page numbers, because
    /// they mean nothing to a reader.
    pub fn add(&mut self, name: &str, attributes: &str) {
        if attributes.is_empty() || matches!(name, "link" | "style" | "meta" | "abbr" | "iframe") {
            return;
        }
        for kind in ["title", "aria-label"] {
            if let Some(label) = attribute(attributes, kind)
                && label.contains(char::is_alphabetic)
                && label.len() <= MAX_LABEL_BYTES
                && self.0.len() < MAX_LABELS
            {
                self.0.insert(fold_label(&label));
            }
        }
    }

    /// Returns the number of labels whose words do not occur in the page's text. If the text is too long to search,
    /// returns the number of all labels.
    pub fn missing_label_count(&self, text: &str) -> usize {
        if self.0.is_empty() || text.len() > MAX_COMPARED_BYTES {
            return self.0.len();
        }
        let text = fold_label(text);
        self.0.iter().filter(|label| !text.contains(*label)).count()
    }
}

fn fold_label(text: &str) -> String {
    text.to_lowercase()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hiding_styles_are_recognized() {
        for (style, expected) in [
            ("display: none", true),
            ("color:red;DISPLAY:NONE !important", true),
            ("visibility:hidden", true),
            ("font-size:0px", true),
            ("opacity: 0.0", true),
            ("font-size:0.8em; opacity: 0.05", false),
            ("display:block; font-size:10px", false),
            ("background:url(display:none)", false),
            ("", false),
        ] {
            assert_eq!(is_invisible(style), expected, "{style}");
        }
    }
}
