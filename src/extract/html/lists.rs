//! Numbers and markers of list items on web pages.

/// Maximum depth of nested lists that are tracked.
const MAX_DEPTH: usize = 16;

/// The numbering of an open ordered list.
struct Numbering {
    next_number: i64,
    step: i64,
    style: char,
}

/// The open lists of a page, from the outermost to the innermost. An unordered list is `None`.
#[derive(Default)]
pub struct HtmlLists {
    open_lists: Vec<Option<Numbering>>,
    excess_depth: usize,
}

impl HtmlLists {
    /// Returns whether no list is open.
    pub fn is_empty(&self) -> bool {
        self.open_lists.is_empty()
    }

    /// Opens an unordered list.
    pub fn open_plain(&mut self) {
        self.push(None);
    }

    /// Opens an ordered list that starts at `start`; `style` is `1`, `a`, `A`, `i`, or `I`.
    pub fn open_numbered(&mut self, start: Option<i64>, style: char, is_reversed: bool) {
        self.push(Some(Numbering {
            next_number: start.unwrap_or(1),
            step: if is_reversed { -1 } else { 1 },
            style,
        }));
    }

    fn push(&mut self, list: Option<Numbering>) {
        if self.open_lists.len() < MAX_DEPTH {
            self.open_lists.push(list);
        } else {
            self.excess_depth += 1;
        }
    }

    /// Closes the innermost list.
    pub fn close(&mut self) {
        if self.excess_depth > 0 {
            self.excess_depth -= 1;
        } else {
            self.open_lists.pop();
        }
    }

    /// Returns the indentation and marker of the next item. `value` is the item's own number, if it specifies one.
    pub fn next_marker(&mut self, value: Option<i64>) -> String {
        let indent = "  ".repeat(self.open_lists.len().saturating_sub(1));
        match self.open_lists.last_mut() {
            Some(Some(list)) => {
                let number = value.unwrap_or(list.next_number);
                list.next_number = number.saturating_add(list.step);
                format!("{indent}{}. ", format_number(number, list.style))
            }
            _ => format!("{indent}- "),
        }
    }
}

/// Formats a number in the list's style: decimal, letters, or Roman numerals. Numbers that a style cannot represent are
/// decimal.
fn format_number(number: i64, style: char) -> String {
    let plain = match (style, number) {
        ('a' | 'A', 1..=702) => to_letters(number),
        ('i' | 'I', 1..=3_999) => to_roman(number),
        _ => return number.to_string(),
    };
    if style.is_ascii_uppercase() {
        plain.to_uppercase()
    } else {
        plain
    }
}

fn to_letters(mut number: i64) -> String {
    let mut reversed = Vec::new();
    while number > 0 {
        number -= 1;
        reversed.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    reversed.iter().rev().collect()
}

fn to_roman(mut number: i64) -> String {
    const ROMAN_NUMERALS: [(i64, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut text = String::new();
    for (value, sign) in ROMAN_NUMERALS {
        while number >= value {
            text.push_str(sign);
            number -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_style_of_their_list() {
        for (number, style, expected) in [
            (5, '1', "5"),
            (1, 'a', "a"),
            (28, 'A', "AB"),
            (14, 'i', "xiv"),
            (1999, 'I', "MCMXCIX"),
            (0, 'a', "0"),
            (-3, 'i', "-3"),
        ] {
            assert_eq!(format_number(number, style), expected, "{number} {style}");
        }
    }
}
