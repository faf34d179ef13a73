//! Numbers written as words, in English and German: "twenty-five", "a dozen", "half", "zwölf".

use super::ratio::Ratio;

const SMALL_NUMBER_WORDS: &[(&str, i64)] = &[
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("null", 0),
    ("eins", 1),
    ("zwei", 2),
    ("drei", 3),
    ("vier", 4),
    ("fünf", 5),
    ("sechs", 6),
    ("sieben", 7),
    ("acht", 8),
    ("neun", 9),
    ("zehn", 10),
    ("elf", 11),
    ("zwölf", 12),
];

const TENS_WORDS: &[(&str, i64)] = &[
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

const FRACTION_WORDS: &[(&str, i64)] = &[
    ("half", 2),
    ("halves", 2),
    ("third", 3),
    ("thirds", 3),
    ("quarter", 4),
    ("quarters", 4),
    ("fifth", 5),
    ("fifths", 5),
];

/// Words that multiply inside a spelled-out number: "two hundred thousand".
const COMPOUND_SCALE_WORDS: &[(&str, i64)] = &[("hundred", 100), ("thousand", 1_000)];

/// Words that multiply the number before them, whether in digits or in words.
const SCALE_WORDS: &[(&str, i64)] = &[
    ("dozen", 12),
    ("hundred", 100),
    ("thousand", 1_000),
    ("tausend", 1_000),
    ("tsd", 1_000),
    ("lakh", 100_000),
    ("million", 1_000_000),
    ("millions", 1_000_000),
    ("millionen", 1_000_000),
    ("mio", 1_000_000),
    ("crore", 10_000_000),
    ("billion", 1_000_000_000),
    ("billions", 1_000_000_000),
    ("bn", 1_000_000_000),
    ("milliarde", 1_000_000_000),
    ("milliarden", 1_000_000_000),
    ("mrd", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
    ("billionen", 1_000_000_000_000),
];

/// Reads the number in words at the start of a text, and returns it with the rest of the text.
pub fn leading_number(text: &str) -> Option<(Ratio, &str)> {
    let (first, rest) = next_word(text)?;
    let first = first.to_lowercase();
    if let Some(part) = look_up(FRACTION_WORDS, &first).filter(|_| first == "half") {
        let (article, after) = next_word(rest).unwrap_or(("", rest));
        let rest = match article {
            "a" | "an" => after,
            _ => rest,
        };
        return Some((Ratio::new(1, part.into())?, rest));
    }
    let (number, rest) = match first.as_str() {
        // "a" is read as a number only before certain words: "a dozen", "a third".
        "a" | "an" => {
            let (next, _) = next_word(rest)?;
            let next = next.to_lowercase();
            look_up(SCALE_WORDS, &next).or_else(|| look_up(FRACTION_WORDS, &next))?;
            (1, rest)
        }
        _ => number_below_hundred(&first, rest)?,
    };
    let (number, rest) = compound_number(number, rest);
    match next_word(rest)
        .and_then(|(next, rest)| Some((look_up(FRACTION_WORDS, &next.to_lowercase())?, rest)))
    {
        Some((part, rest)) => Some((Ratio::new(number.into(), part.into())?, rest)),
        None => Some((Ratio::from_integer(number), rest)),
    }
}

/// Reads a scale word at the start of a text ("million"), and returns its factor with the rest of the text.
pub fn leading_scale(text: &str) -> Option<(Ratio, &str)> {
    let (word, rest) = next_word(text)?;
    let factor = look_up(SCALE_WORDS, &word.to_lowercase())?;
    Some((
        Ratio::from_integer(factor),
        rest.strip_prefix('.').unwrap_or(rest),
    ))
}

/// Whether a word is or contains a number: "5", "3rd", "five".
pub fn is_numeral(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit()) || leading_number(word).is_some()
}

// Continues the number `first` with the words after it, such as "hundred and twenty thousand" after "one". Returns the
// whole number and the rest of the text.
fn compound_number(first: i64, rest: &str) -> (i64, &str) {
    let (mut total, mut group, mut rest) = (0, first, rest);
    while let Some((next, after)) = next_word(rest) {
        let next = next.to_lowercase();
        match look_up(COMPOUND_SCALE_WORDS, &next) {
            Some(100) if (1..100).contains(&group) => group *= 100,
            Some(large) if large > 100 && (1..1_000).contains(&group) => {
                total += group * large;
                group = 0;
            }
            _ => break,
        }
        rest = after;
        // This reads "hundred and twenty" and "thousand two hundred".
        let following = match next_word(rest) {
            Some(("and", after)) => after,
            _ => rest,
        };
        let part = next_word(following)
            .and_then(|(next, after)| number_below_hundred(&next.to_lowercase(), after));
        if let Some((part, after)) = part {
            let may_follow = group % 100 == 0 && (part < 100) && (group == 0 || part > 0);
            if !may_follow {
                break;
            }
            (group, rest) = (group + part, after);
        }
    }
    (total + group, rest)
}

fn number_below_hundred<'a>(first: &str, rest: &'a str) -> Option<(i64, &'a str)> {
    if let Some(number) = look_up(SMALL_NUMBER_WORDS, first) {
        return Some((number, rest));
    }
    let (tens, ones) = first.split_once('-').unwrap_or((first, ""));
    let tens = look_up(TENS_WORDS, tens)?;
    if !ones.is_empty() {
        let ones = look_up(SMALL_NUMBER_WORDS, ones).filter(|ones| (1..10).contains(ones))?;
        return Some((tens + ones, rest));
    }
    match next_word(rest)
        .and_then(|(next, rest)| Some((look_up(SMALL_NUMBER_WORDS, &next.to_lowercase())?, rest)))
    {
        Some((ones, rest)) if (1..10).contains(&ones) => Some((tens + ones, rest)),
        _ => Some((tens, rest)),
    }
}

fn look_up(table: &[(&str, i64)], word: &str) -> Option<i64> {
    let row = table.iter().find(|(name, _)| *name == word)?;
    Some(row.1)
}

// Splits off the first word. A hyphenated word counts as one.
fn next_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_alphabetic() || c == '-'))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_numbers() {
        for (text, value, rest) in [
            ("Twelve", "12", ""),
            ("twenty-five hours", "25", " hours"),
            ("twenty five", "25", ""),
            ("half an hour", "0.5", " hour"),
            ("half", "0.5", ""),
            ("a third", "1/3", ""),
            ("two thirds of it", "2/3", " of it"),
            ("one hundred and twenty", "120", ""),
            ("a hundred and five eggs", "105", " eggs"),
            ("two hundred", "200", ""),
            ("one thousand two hundred", "1200", ""),
            ("three hundred thousand", "300000", ""),
            ("five hundred and some", "500", " and some"),
            ("a dozen eggs", "1", " dozen eggs"),
            ("zwölf", "12", ""),
        ] {
            let (read, after) = leading_number(text).expect(text);
            assert_eq!((read.to_string().as_str(), after), (value, rest), "{text}");
        }
        for text in [
            "a",
            "a cup",
            "Half-Life",
            "twenty-third",
            "",
            "Onegin",
            "second",
        ] {
            assert_eq!(leading_number(text), None, "{text}");
        }
        assert_eq!(
            leading_scale("Mio. Euro"),
            Some((Ratio::from_integer(1_000_000), " Euro"))
        );
        assert_eq!(leading_scale("dozens"), None);
    }
}
