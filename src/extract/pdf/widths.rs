//! Character widths of the standard 14 fonts, for files that omit them. The widths are from Adobe's metrics; accented
//! letters and symbols have the width of a similar character.

/// A font family, identified by the font's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Monospaced fonts.
    Courier,
    /// Helvetica, Arial, and unknown fonts.
    Helvetica,
    /// The bold face of Helvetica.
    HelveticaBold,
    /// Times and other serif fonts.
    Times,
    /// The bold face of Times.
    TimesBold,
    /// The italic face of Times.
    TimesItalic,
}

/// Widths of the characters from the space to `~`, in thousandths of the font size.
type Table = [u16; 95];

const HELVETICA: Table = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
const HELVETICA_BOLD: Table = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];
const TIMES: Table = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500,
    500, 500, 500, 500, 500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611,
    556, 722, 722, 333, 389, 722, 611, 889, 722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722,
    722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500,
    278, 778, 500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
];
const TIMES_BOLD: Table = [
    250, 333, 555, 500, 500, 1000, 833, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500,
    500, 500, 500, 500, 500, 500, 500, 333, 333, 570, 570, 570, 500, 930, 722, 667, 722, 722, 667,
    611, 778, 778, 389, 500, 778, 667, 944, 722, 778, 611, 778, 722, 556, 667, 722, 722, 1000, 722,
    722, 667, 333, 278, 333, 581, 500, 333, 500, 556, 444, 556, 444, 333, 500, 556, 278, 333, 556,
    278, 833, 556, 500, 556, 556, 444, 389, 333, 556, 500, 722, 500, 500, 444, 394, 220, 394, 520,
];
const TIMES_ITALIC: Table = [
    250, 333, 420, 500, 500, 833, 778, 214, 333, 333, 500, 675, 250, 333, 250, 278, 500, 500, 500,
    500, 500, 500, 500, 500, 500, 500, 333, 333, 675, 675, 675, 500, 920, 611, 611, 667, 722, 611,
    611, 722, 722, 333, 444, 667, 556, 833, 667, 722, 611, 722, 611, 500, 556, 722, 611, 833, 611,
    556, 556, 389, 278, 389, 422, 500, 333, 500, 500, 444, 500, 444, 278, 500, 500, 278, 278, 444,
    278, 722, 500, 500, 500, 500, 389, 389, 278, 500, 444, 667, 444, 444, 389, 400, 275, 400, 541,
];

impl Family {
    /// Returns the family for a font's `BaseFont`, which may start with a subset tag.
    pub fn from_font_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let name_contains = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let (bold, italic) = (
            name_contains(&["bold", "black"]),
            name_contains(&["italic", "oblique"]),
        );
        if name_contains(&["courier", "mono", "consol"]) {
            Self::Courier
        } else if name_contains(&["times", "serif", "georgia", "garamond", "roman", "palatino"])
            && !name_contains(&["sans"])
        {
            match (bold, italic) {
                (true, _) => Self::TimesBold,
                (_, true) => Self::TimesItalic,
                _ => Self::Times,
            }
        } else if bold {
            Self::HelveticaBold
        } else {
            Self::Helvetica
        }
    }

    /// Returns the width in thousandths of the font size.
    pub fn width(self, character: char) -> f64 {
        let table = match self {
            Self::Courier => return 600.0,
            Self::Helvetica => &HELVETICA,
            Self::HelveticaBold => &HELVETICA_BOLD,
            Self::Times => &TIMES,
            Self::TimesBold => &TIMES_BOLD,
            Self::TimesItalic => &TIMES_ITALIC,
        };
        let similar = similar_ascii(character);
        let index = u32::from(similar).checked_sub(0x20);
        let known = index.and_then(|index| table.get(index as usize));
        f64::from(known.copied().unwrap_or(556))
    }
}

/// Returns an ASCII character of about the same width.
fn similar_ascii(character: char) -> char {
    match character {
        ' '..='~' => character,
        'À'..='Å' => 'A',
        'Ç' => 'C',
        'È'..='Ë' => 'E',
        'Ì'..='Ï' => 'I',
        'Ñ' => 'N',
        'Ò'..='Ö' | 'Ø' => 'O',
        'Ù'..='Ü' => 'U',
        'Ý' => 'Y',
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' | 'ı' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        '‘' | '’' | '‚' => '`',
        '“' | '”' | '„' => '(',
        '•' => '*',
        '·' | '¡' => '.',
        '—' | '…' | 'Æ' => 'W',
        'æ' | 'œ' | 'Œ' => 'm',
        'ﬁ' | 'ﬂ' => 'n',
        '\u{A0}' => ' ',
        _ => '0',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn font_families_and_widths_are_known() {
        for (name, character, width) in [
            ("Helvetica", 'i', 222.0),
            ("Helvetica-BoldOblique", 'i', 278.0),
            ("ABCDEF+ArialMT", 'W', 944.0),
            ("Times-Roman", 'é', 444.0),
            ("TimesNewRoman,Bold", 'A', 722.0),
            ("Times-Italic", '~', 541.0),
            ("CourierNew", 'W', 600.0),
            ("NotoSansSerif", ' ', 278.0),
            ("Unknown", '漢', 556.0),
        ] {
            assert_eq!(
                Family::from_font_name(name).width(character),
                width,
                "{name} {character}"
            );
        }
    }
}
