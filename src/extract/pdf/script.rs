//! Converts text as drawn by fonts to text as written by people: ligatures and presentation forms become letters, and
//! right-to-left text is put in reading order.

/// Presentation forms of Arabic letters: the first form of each letter, and the letter.
const ARABIC: [(char, &str); 40] = [
    ('\u{FE80}', "ء"),
    ('\u{FE81}', "آ"),
    ('\u{FE83}', "أ"),
    ('\u{FE85}', "ؤ"),
    ('\u{FE87}', "إ"),
    ('\u{FE89}', "ئ"),
    ('\u{FE8D}', "ا"),
    ('\u{FE8F}', "ب"),
    ('\u{FE93}', "ة"),
    ('\u{FE95}', "ت"),
    ('\u{FE99}', "ث"),
    ('\u{FE9D}', "ج"),
    ('\u{FEA1}', "ح"),
    ('\u{FEA5}', "خ"),
    ('\u{FEA9}', "د"),
    ('\u{FEAB}', "ذ"),
    ('\u{FEAD}', "ر"),
    ('\u{FEAF}', "ز"),
    ('\u{FEB1}', "س"),
    ('\u{FEB5}', "ش"),
    ('\u{FEB9}', "ص"),
    ('\u{FEBD}', "ض"),
    ('\u{FEC1}', "ط"),
    ('\u{FEC5}', "ظ"),
    ('\u{FEC9}', "ع"),
    ('\u{FECD}', "غ"),
    ('\u{FED1}', "ف"),
    ('\u{FED5}', "ق"),
    ('\u{FED9}', "ك"),
    ('\u{FEDD}', "ل"),
    ('\u{FEE1}', "م"),
    ('\u{FEE5}', "ن"),
    ('\u{FEE9}', "ه"),
    ('\u{FEED}', "و"),
    ('\u{FEEF}', "ى"),
    ('\u{FEF1}', "ي"),
    ('\u{FEF5}', "لآ"),
    ('\u{FEF7}', "لأ"),
    ('\u{FEF9}', "لإ"),
    ('\u{FEFB}', "لا"),
];

/// Converts a character's text to plain letters, without control and private-use characters. If it contains several
/// letters and any is right-to-left, returns them in visual order.
pub fn letters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'ﬀ' => plain.push_str("ff"),
            'ﬁ' => plain.push_str("fi"),
            'ﬂ' => plain.push_str("fl"),
            'ﬃ' => plain.push_str("ffi"),
            'ﬄ' => plain.push_str("ffl"),
            'ﬅ' | 'ﬆ' => plain.push_str("st"),
            '\u{FE80}'..='\u{FEFC}' => {
                let at = ARABIC.partition_point(|(first, _)| *first <= character);
                plain.push_str(ARABIC[at.saturating_sub(1)].1);
            }
            '\u{E000}'..='\u{F8FF}' | '\u{FFFD}' | '\u{FEFF}' | '\u{200B}' => {}
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    if plain.chars().any(is_right_to_left) && plain.chars().nth(1).is_some() {
        return plain.chars().rev().collect();
    }
    plain
}

/// Reorders a line from visual order to reading order.
pub fn to_reading_order(line: String) -> String {
    let right_to_left_count = line
        .chars()
        .filter(|&character| is_right_to_left(character))
        .count();
    if right_to_left_count == 0 {
        return line;
    }
    let left_to_right_count = line
        .chars()
        .filter(|&character| character.is_alphabetic() && !is_right_to_left(character))
        .count();
    let mut characters: Vec<char> = line.chars().collect();
    if right_to_left_count >= left_to_right_count {
        characters.reverse();
        mirror_brackets(&mut characters);
        reverse_runs(&mut characters, |character| {
            character.is_alphanumeric() && !is_right_to_left(character)
        });
    } else {
        reverse_runs(&mut characters, is_right_to_left);
    }
    characters.into_iter().collect()
}

/// Reverses each run of matching characters, including other characters between two of them.
fn reverse_runs(characters: &mut [char], matches: impl Fn(char) -> bool) {
    let mut at = 0;
    while at < characters.len() {
        if !matches(characters[at]) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        for (index, &character) in characters.iter().enumerate().skip(at) {
            if matches(character) {
                end = index + 1;
            } else if is_right_to_left(character) || character.is_alphanumeric() || character == '|'
            {
                break;
            }
        }
        characters[at..end].reverse();
        mirror_brackets(&mut characters[at..end]);
        at = end;
    }
}

/// Mirrors brackets in reversed text if a closing one comes first. Some fonts name brackets by their shape and others
/// by their meaning.
fn mirror_brackets(characters: &mut [char]) {
    const PAIRS: [(char, char); 5] = [('(', ')'), ('[', ']'), ('{', '}'), ('«', '»'), ('<', '>')];
    let first = characters
        .iter()
        .find(|c| PAIRS.iter().any(|(open, close)| *c == open || *c == close));
    let closes = first.is_some_and(|c| PAIRS.iter().any(|(_, close)| c == close));
    for character in characters.iter_mut().filter(|_| closes) {
        for (open, close) in PAIRS {
            if *character == open {
                *character = close;
                break;
            } else if *character == close {
                *character = open;
                break;
            }
        }
    }
}

/// Returns whether a character is written from right to left. Digits are not.
pub fn is_right_to_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}')
        // Digits run from left to right in every script.
        && !matches!(character, '\u{660}'..='\u{669}' | '\u{6F0}'..='\u{6F9}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentation_forms_become_letters() {
        assert!(ARABIC.is_sorted_by_key(|(first, _)| *first));
        for (drawn, text) in [
            ("ﬁ", "fi"),
            ("\u{FEB3}", "س"),
            ("\u{FEFC}", "ال"),
            ("a\u{0}\u{F001}", "a"),
            ("\u{FEFF}", ""),
        ] {
            assert_eq!(letters(drawn), text, "{drawn:?}");
        }
    }

    #[test]
    fn lines_are_put_in_reading_order() {
        for (drawn, reads) in [
            ("plain words", "plain words"),
            ("םולש", "שלום"),
            ("see םלוע םולש here, yes", "see שלום עולם here, yes"),
            ("3.5 PDF םולש םולש", "שלום שלום 3.5 PDF"),
            ("(םלוע) םולש", "שלום (עולם)"),
            (")םלוע( םולש", "שלום (עולם)"),
            ("see (םולש) here, words", "see (שלום) here, words"),
        ] {
            assert_eq!(to_reading_order(drawn.to_owned()), reads);
        }
    }
}
