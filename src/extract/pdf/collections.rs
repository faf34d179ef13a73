//! Adobe's character collections, which number the East Asian characters of fonts. A file may refer to a collection
//! without including its table. The numbers follow the order of national standards, so a few runs of codes cover all
//! but rare characters: Adobe technical notes 5078 (Japan), 5079 (China), 5080 (Taiwan), and 5093 (Korea). Checked
//! against the tables of poppler-data 0.4.12: of 35,600 characters, 19 differ, and only in form. Characters outside
//! these runs, such as vertical forms and the rarer characters of Japan, are in `cids.txt`, from Adobe's own tables.

use std::collections::HashSet;
use std::sync::LazyLock;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK};

/// A run of characters in a national standard: its first number in the collection, the code of its first character, and
/// its length.
type CodeRun = (u16, u16, u16);
/// A run of consecutive Unicode characters: its first number in the collection, its first character, and its length.
type LatinRun = (u16, char, u16);

/// Hanja that the Korean standard repeats because they have several readings. The collection contains each only once.
const DUPLICATE_HANJA: std::ops::RangeInclusive<char> = '\u{F900}'..='\u{FAFF}';

/// Number of the first Hangul syllable that is not in the Korean standard. All such syllables follow in Unicode order.
const FIRST_SYLLABLE: usize = 9_333;

/// Individually listed characters. A line contains a collection's name, the number of the first character, and the
/// characters; U+FFFD stands for an unknown one.
const LISTED_CHARACTERS: &str = include_str!("cids.txt");

static JAPAN: LazyLock<Vec<char>> = LazyLock::new(|| {
    let latin = [(1, ' ', 95), (231, ' ', 95), (327, '\u{FF61}', 63)];
    let mut all = characters("Japan1", EUC_JP, JAPAN1, &latin);
    // JIS X 0201 has a yen sign at the code of the backslash.
    (all[61], all[291], all[97]) = ('¥', '¥', '\\');
    all
});
static CHINA: LazyLock<Vec<char>> =
    LazyLock::new(|| characters("GB1", GBK, GB1, &[(1, ' ', 95), (814, '!', 94)]));
static TAIWAN: LazyLock<Vec<char>> =
    LazyLock::new(|| characters("CNS1", BIG5, CNS1, &[(1, ' ', 95), (13_648, ' ', 95)]));
static KOREA: LazyLock<Vec<char>> = LazyLock::new(|| {
    let mut all = characters("Korea1", EUC_KR, KOREA1, &[(1, ' ', 95), (8_094, ' ', 95)]);
    let standard: HashSet<char> = all.iter().copied().collect();
    let syllables = '\u{AC00}'..='\u{D7A3}';
    let others = syllables.filter(|one| !standard.contains(one));
    all.resize(all.len().max(FIRST_SYLLABLE), '\0');
    all.splice(FIRST_SYLLABLE.., others);
    all
});

/// A known character collection.
#[derive(Debug, Clone, Copy)]
pub struct CharacterCollection(&'static LazyLock<Vec<char>>);

impl CharacterCollection {
    /// Returns the collection with this name, as given in `Ordering`.
    pub fn from_ordering(name: &[u8]) -> Option<Self> {
        match name {
            b"Japan1" => Some(Self(&JAPAN)),
            b"GB1" => Some(Self(&CHINA)),
            b"CNS1" => Some(Self(&TAIWAN)),
            b"Korea1" => Some(Self(&KOREA)),
            _ => None,
        }
    }

    /// Returns the character with this ID (CID) in the collection.
    pub fn character(self, id: u32) -> Option<char> {
        let mapped = self.0.get(usize::try_from(id).ok()?);
        mapped.copied().filter(|character| *character != '\0')
    }
}

fn characters(
    name: &str,
    encoding: &'static Encoding,
    runs: &[CodeRun],
    latin: &[LatinRun],
) -> Vec<char> {
    let mut all = Vec::new();
    let mut set_character = |id: u16, character: char| {
        let id = usize::from(id);
        if all.len() <= id {
            all.resize(id + 1, '\0');
        }
        all[id] = character;
    };
    for &(first, character, count) in latin {
        let from = u32::from(character);
        for n in 0..count {
            set_character(
                first + n,
                char::from_u32(from + u32::from(n)).unwrap_or('\0'),
            );
        }
    }
    for &(mut id, mut code, count) in runs {
        let end = id + count;
        while id < end && code < 0xFF00 {
            let decoded = decode_code(encoding, code);
            if decoded.is_none_or(|character| !DUPLICATE_HANJA.contains(&character)) {
                set_character(id, decoded.unwrap_or('\0'));
                id += 1;
            }
            code = next_code(code, encoding == BIG5);
        }
    }
    for (first, listed) in LISTED_CHARACTERS
        .lines()
        .filter_map(|line| parse_listed_line(name, line))
    {
        for (id, character) in (first..).zip(listed.chars()) {
            if character != char::REPLACEMENT_CHARACTER {
                set_character(id, character);
            }
        }
    }
    all
}

/// Parses a line of `cids.txt`. Returns the first number and the characters, or `None` if the line belongs to another
/// collection.
fn parse_listed_line<'a>(name: &str, line: &'a str) -> Option<(u16, &'a str)> {
    let (first, characters) = line
        .strip_prefix(name)?
        .strip_prefix(' ')?
        .split_once(' ')?;
    Some((first.parse().ok()?, characters))
}

fn decode_code(encoding: &'static Encoding, code: u16) -> Option<char> {
    let bytes = code.to_be_bytes();
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

// Returns the next code. The second byte runs from A1 to FE; in Big5, the range from 40 to 7E precedes it.
fn next_code(code: u16, is_big5: bool) -> u16 {
    match (code & 0xFF, is_big5) {
        (0x7E, true) => (code & 0xFF00) | 0xA1,
        (0xFE, true) => (code & 0xFF00) + 0x140,
        (0xFE, false) => (code & 0xFF00) + 0x1A1,
        _ => code + 1,
    }
}

#[rustfmt::skip]
const JAPAN1: &[CodeRun] = &[
    (633, 0xA1A1, 108), (741, 0xA2BA, 8), (749, 0xA2CA, 7), (756, 0xA2DC, 15), (771, 0xA2F2, 8),
    (780, 0xA3B0, 10), (790, 0xA3C1, 26), (816, 0xA3E1, 26), (842, 0xA4A1, 83), (925, 0xA5A1, 86),
    (1011, 0xA6A1, 24), (1035, 0xA6C1, 24), (1059, 0xA7A1, 33), (1092, 0xA7D1, 33), (1125, 0xB0A1, 2965),
    (4090, 0xD0A1, 3388),
];

#[rustfmt::skip]
const GB1: &[CodeRun] = &[
    (96, 0xA1A1, 94), (190, 0xA2B1, 50), (240, 0xA2E5, 10), (250, 0xA2F1, 12), (262, 0xA3A1, 177),
    (439, 0xA5A1, 86), (525, 0xA6A1, 24), (549, 0xA6C1, 24), (602, 0xA7A1, 33), (635, 0xA7D1, 33),
    (668, 0xA8A1, 26), (700, 0xA8C5, 37), (738, 0xA9A4, 76), (940, 0xB0A1, 3755), (4695, 0xD8A1, 3008),
];

#[rustfmt::skip]
const CNS1: &[CodeRun] = &[
    (99, 0xA140, 25), (13743, 0xA159, 4), (128, 0xA15D, 67), (196, 0xA1C3, 47), (245, 0xA1F4, 2),
    (249, 0xA1F8, 6), (259, 0xA243, 103), (365, 0xA2CF, 138), (503, 0xA3BD, 3), (595, 0xA440, 1412),
    (2007, 0xAD40, 424), (2432, 0xAFD0, 1876), (4309, 0xBBC8, 387), (4696, 0xBE53, 525), (5222, 0xC1AB, 189),
    (5411, 0xC2CC, 84), (5496, 0xC361, 54), (5552, 0xC3BB, 90), (5642, 0xC457, 354), (5996, 0xC940, 10),
    (6006, 0xC94B, 33), (6040, 0xC96C, 48), (6088, 0xC9BF, 46), (6135, 0xC9ED, 167), (6302, 0xCAF8, 1840),
    (8143, 0xD6CD, 108), (8251, 0xD77B, 537), (8789, 0xDAE0, 100), (8890, 0xDBA7, 399), (9289, 0xDDFD, 1637),
    (10927, 0xE8A3, 146), (11074, 0xE976, 287), (11362, 0xEB5B, 116), (11478, 0xEBF2, 137), (11615, 0xECDF, 104),
    (11720, 0xEDAA, 222), (11942, 0xEEEC, 198), (12140, 0xF057, 82), (12222, 0xF0CC, 86), (12309, 0xF163, 8),
    (12317, 0xF16C, 153), (12470, 0xF269, 56), (12527, 0xF2C3, 113), (12641, 0xF375, 142), (12784, 0xF466, 45),
    (12829, 0xF4B6, 71), (12901, 0xF4FD, 194), (13095, 0xF664, 490), (13586, 0xF977, 43), (13630, 0xF9C7, 11),
    (13642, 0xF9D2, 4),
];

#[rustfmt::skip]
const KOREA1: &[CodeRun] = &[
    (101, 0xA1A1, 163), (264, 0xA3A1, 145), (409, 0xA4D5, 52), (461, 0xA5B0, 10), (471, 0xA5C1, 24),
    (495, 0xA5E1, 24), (519, 0xA6A1, 68), (587, 0xA7A1, 79), (666, 0xA8A1, 4), (671, 0xA8A8, 8),
    (679, 0xA8B1, 255), (934, 0xABA1, 86), (1020, 0xACA1, 33), (1053, 0xACD1, 33), (1086, 0xB0A1, 2350),
    (3436, 0xCAA1, 4620),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_give_the_characters_of_the_published_tables() {
        let of = |name: &[u8], ids: &[u32]| -> String {
            let collection = CharacterCollection::from_ordering(name).expect("a collection");
            let characters = ids.iter().map(|id| collection.character(*id));
            characters
                .map(|character| character.unwrap_or('·'))
                .collect()
        };
        // Values from poppler-data's `cidToUnicode`.
        let japan = [
            34, 61, 97, 291, 327, 389, 843, 1010, 1125, 4089, 4090, 7477, 7478,
        ];
        assert_eq!(of(b"Japan1", &japan), "A¥\\¥｡ﾟあヶ亜腕弌瑤·");
        // Circled numbers, vertical forms, and characters used in the names of companies and people.
        let japan = [7555, 7887, 7888, 7891, 7918, 7922, 8705, 8620, 13_320];
        assert_eq!(of(b"Japan1", &japan), "①、。ーぁぉ髙\u{8abe}\u{fa67}");
        assert_eq!(
            of(b"GB1", &[34, 97, 814, 940, 4694, 4695, 7702, 7703]),
            "A、!啊座亍齄〇"
        );
        assert_eq!(
            of(b"CNS1", &[34, 99, 595, 5641, 5995, 13_640, 13_648, 14_000]),
            "A　一勸籲灪 𠃌"
        );
        assert_eq!(
            of(
                b"Korea1",
                &[34, 61, 1086, 3435, 3436, 8055, 8095, 9000, 9333, 18_154]
            ),
            "A\\가힝伽詰!·갂힣"
        );
        assert!(CharacterCollection::from_ordering(b"Identity").is_none());
    }
}
