//! Writes MathML formulas on a single line, so that superscripts, subscripts, fractions, and roots keep their
//! meaning.

/// Maximum number of open elements to track.
const MAX_OPEN: usize = 256;

struct OpenElement {
    name: String,
    children: usize,
    /// Text to add at the end of the element.
    end_text: &'static str,
}

/// The open elements of a formula; empty outside of formulas.
#[derive(Default)]
pub struct Formula {
    open_elements: Vec<OpenElement>,
}

impl Formula {
    /// Opens an element. Returns the text to write before its content.
    pub fn open(&mut self, name: &str, is_self_closing: bool) -> &'static str {
        if (self.open_elements.is_empty() && name != "math") || self.open_elements.len() >= MAX_OPEN
        {
            return "";
        }
        let is_group = matches!(
            name,
            "mrow" | "mfrac" | "msqrt" | "msup" | "msub" | "mstyle" | "mtable"
        );
        let Some(parent) = self.open_elements.last_mut() else {
            self.push(name, "");
            return "";
        };
        parent.children += 1;
        let (sign, opening) = match (parent.name.as_str(), parent.children) {
            ("msup" | "mover", 2) | ("msubsup" | "munderover", 3) => ("^", "^("),
            ("msub" | "munder" | "msubsup" | "munderover", 2) => ("_", "_("),
            ("mfrac", 2) => ("/", "/("),
            ("mfrac", 1) => ("", "("),
            ("mroot", 2) => ("√", "√("),
            ("mtr", 2..) => (" ", " "),
            ("mtable", 2..) => ("; ", "; "),
            _ if name == "msqrt" => ("√(", "√("),
            _ => ("", ""),
        };
        let has_open_parenthesis = is_group && opening.ends_with('(');
        if !is_self_closing {
            self.push(
                name,
                if has_open_parenthesis || name == "msqrt" {
                    ")"
                } else {
                    ""
                },
            );
        }
        if has_open_parenthesis { opening } else { sign }
    }

    fn push(&mut self, name: &str, end: &'static str) {
        self.open_elements.push(OpenElement {
            name: name.to_owned(),
            children: 0,
            end_text: end,
        });
    }

    /// Closes an element. Returns the text to write after its content.
    pub fn close(&mut self, name: &str) -> &'static str {
        let Some(at) = self
            .open_elements
            .iter()
            .rposition(|open| open.name == name)
        else {
            return "";
        };
        let end = self.open_elements[at].end_text;
        self.open_elements.truncate(at);
        end
    }
}
