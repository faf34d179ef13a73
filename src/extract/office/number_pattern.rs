//! Number formats that show more than the number: leading zeros (`00000`), surrounding text (`"INV-"0000`,
//! `0 "kg"`, currencies), grouped digits (`000-00-0000`), and scaled numbers (`0.0,,"M"`). Rounding and
//! thousands separators are ignored, because the stored number is more precise.

/// Maximum size of a format in bytes; longer formats are ignored.
const MAX_CODE_BYTES: usize = 255;

/// A digit position or text in a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// `0`: a digit, or zero if there is none.
    Zero,
    /// `#` or `?`: a digit, if there is one.
    Digit,
    /// Text between digits.
    Text(String),
}

/// A format that shows more than the number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberPattern {
    prefix: String,
    slots: Vec<Slot>,
    decimals: usize,
    suffix: String,
    /// Number of times that the number is divided by a thousand.
    thousands: i32,
}

impl NumberPattern {
    /// Parses a format. Returns `None` if it shows no more than the number itself.
    pub fn parse(code: &str) -> Option<Self> {
        if code.len() > MAX_CODE_BYTES {
            return None;
        }
        let mut pattern = Self::default();
        let mut pending = String::new();
        let (mut after_decimal_point, mut commas, mut is_general) = (false, 0, false);
        let section = code.replace("General", "\u{1}");
        let mut rest = section.chars().peekable();
        while let Some(character) = rest.next() {
            let text = match character {
                ';' => break,
                '"' => rest.by_ref().take_while(|c| *c != '"').collect(),
                '\\' => rest.next().map(String::from).unwrap_or_default(),
                '_' | '*' => {
                    rest.next();
                    " ".to_owned()
                }
                '[' => bracket_text(&rest.by_ref().take_while(|c| *c != ']').collect::<String>())?,
                '0' | '#' | '?' | '\u{1}' => {
                    is_general |= character == '\u{1}';
                    let text = std::mem::take(&mut pending);
                    if after_decimal_point {
                        pattern.decimals += 1;
                    } else if pattern.slots.is_empty() {
                        pattern.prefix = text;
                    } else if !text.is_empty() {
                        pattern.slots.push(Slot::Text(text));
                    }
                    if !after_decimal_point {
                        pattern.slots.push(if character == '0' {
                            Slot::Zero
                        } else {
                            Slot::Digit
                        });
                    }
                    commas = 0;
                    continue;
                }
                '.' if !pattern.slots.is_empty() && !after_decimal_point => {
                    after_decimal_point = true;
                    continue;
                }
                ',' => {
                    commas += 1;
                    continue;
                }
                '%' | 'E' | 'e' | '/' | '@' => return None,
                other => other.to_string(),
            };
            pending.push_str(&text);
        }
        pattern.suffix = pending;
        pattern.thousands = commas;
        (!pattern.slots.is_empty() && pattern.is_special(is_general)).then_some(pattern)
    }

    fn is_special(&self, is_general: bool) -> bool {
        let shows_text = |text: &str| {
            text.chars()
                .any(|c| !c.is_whitespace() && !"()-+".contains(c))
        };
        let zeros = self
            .slots
            .iter()
            .filter(|slot| **slot == Slot::Zero)
            .count();
        (zeros > 1 && !is_general)
            || self.is_grouped()
            || self.thousands > 0
            || shows_text(&self.prefix)
            || shows_text(&self.suffix)
    }

    fn is_grouped(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Text(_)))
    }

    /// Formats a number. `plain` is the number in plain notation, whose digits are used unless the pattern scales or
    /// groups them.
    pub fn format(&self, number: f64, plain: &str) -> String {
        let sign = if number < 0.0 { "-" } else { "" };
        let scaled = number.abs() / 1_000f64.powi(self.thousands);
        let digits = if self.thousands > 0 || self.is_grouped() {
            format!("{scaled:.*}", self.decimals)
        } else {
            plain.trim_start_matches('-').to_owned()
        };
        if digits.contains(['e', 'E']) {
            return plain.to_owned();
        }
        let (integer, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let mut text = self.fill_slots(integer);
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        format!("{sign}{}{text}{}", self.prefix, self.suffix)
            .trim()
            .to_owned()
    }

    /// Fills the digit positions, starting from the right.
    fn fill_slots(&self, integer: &str) -> String {
        let mut remaining: Vec<char> = integer.chars().collect();
        let mut reversed: Vec<String> = Vec::new();
        for slot in self.slots.iter().rev() {
            match slot {
                Slot::Zero => reversed.push(remaining.pop().unwrap_or('0').to_string()),
                Slot::Digit => reversed.extend(remaining.pop().map(String::from)),
                Slot::Text(_) if remaining.is_empty() && !self.slots.contains(&Slot::Zero) => {}
                Slot::Text(text) => reversed.push(text.clone()),
            }
        }
        let mut text: String = remaining.into_iter().collect();
        text.extend(reversed.into_iter().rev());
        text
    }
}

/// Returns the text that a bracket shows, such as the currency in `[$€-407]`; empty if it shows none. Returns `None`
/// for a condition, in which case the whole format is ignored.
fn bracket_text(inner: &str) -> Option<String> {
    if let Some(currency) = inner.strip_prefix('$') {
        return Some(currency.split('-').next().unwrap_or_default().to_owned());
    }
    (!inner.starts_with(['<', '>', '='])).then(String::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_say_more_are_followed() {
        for (code, number, expected) in [
            ("00000", 42.0, Some("00042")),
            ("\"INV-\"0000", 42.0, Some("INV-0042")),
            ("0 \"kg\"", 7.5, Some("7.5 kg")),
            ("000-00-0000", 123_456_789.0, Some("123-45-6789")),
            ("[$€-407]\\ #,##0.00", 1_250.0, Some("€ 1250")),
            ("\"$\"#,##0.00_);(\"$\"#,##0.00)", -3.0, Some("-$3")),
            ("0.0,,\"M\"", 1_234_567.0, Some("1.2M")),
            ("General\" m\"", 3.5, Some("3.5 m")),
            ("000", -7.0, Some("-007")),
            ("00", 1_234.0, Some("1234")),
            ("0.00", 1.5, None),
            ("#,##0", 1_234.0, None),
            ("_(* #,##0.00_);_(* (#,##0.00)", 3.0, None),
            ("0%", 0.5, None),
            ("[>100]0000;0", 7.0, None),
            ("General", 5.0, None),
        ] {
            let formatted =
                NumberPattern::parse(code).map(|p| p.format(number, &number.to_string()));
            assert_eq!(formatted.as_deref(), expected, "{code}");
        }
    }
}
