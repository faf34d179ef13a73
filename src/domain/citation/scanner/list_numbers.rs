//! The numbers of list items, which a quotation may omit: `1. The rent …`, `2) The deposit …`.

use std::ops::Range;

/// Month names. A number before one is not a list number, because "5. Mai" at the start of a line is a date.
const MONTH_NAMES: &[&str] = &[
    "january",
    "februar",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
];

/// Returns the byte ranges of the numbers that begin list items. A number counts only if the next higher or lower one
/// also begins a line.
pub(super) fn find_list_numbers(text: &str) -> Vec<Range<usize>> {
    let mut items: Vec<(u32, Range<usize>)> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        items.extend(
            list_item(line).map(|(number, range)| (number, start + range.start..start + range.end)),
        );
        start += line.len();
    }
    let has_number = |number: u32| items.iter().any(|&(known, _)| known == number);
    let is_item = |number: u32| has_number(number + 1) || number > 0 && has_number(number - 1);
    let item_numbers = items.iter().filter(|&&(number, _)| is_item(number));
    item_numbers.map(|(_, range)| range.clone()).collect()
}

// Returns the number of the list item that a line contains, and the number's byte range within the line.
fn list_item(line: &str) -> Option<(u32, Range<usize>)> {
    let text = line.trim_start();
    let start = line.len() - text.len();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text.get(..digits).filter(|_| matches!(digits, 1 | 2))?;
    let item_text = text[digits..].strip_prefix(['.', ')'])?.strip_prefix(' ')?;
    let word = item_text.split_whitespace().next()?.to_lowercase();
    let is_text = item_text.starts_with(|c: char| c.is_alphabetic() && !c.is_lowercase());
    let is_date = MONTH_NAMES.contains(&word.trim_end_matches([',', ':', '.']));
    let number = number.parse().ok().filter(|_| is_text && !is_date)?;
    Some((number, start..start + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_items_have_a_neighbor() {
        let numbers_in = |text: &str| -> Vec<String> {
            let ranges = find_list_numbers(text).into_iter();
            ranges.map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(numbers_in("1. The rent.\n2. The deposit."), ["1", "2"]);
        assert_eq!(
            numbers_in("a\n  9) Rent\n 10) Deposit\n12. Other"),
            ["9", "10"]
        );
        for text in [
            "The rent is\n5. It is due.",
            "1. Mai: frei\n2. Mai: offen",
            "1.5 tons\n2.5 tons",
            "1. apple\n2. pear",
            "",
        ] {
            assert!(numbers_in(text).is_empty(), "{text}");
        }
    }
}
