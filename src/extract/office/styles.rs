//! Paragraph properties from a Word file's styles and list definitions: heading level, numbering, and hidden text.
//! Styles are identified by their definition, because their names are localized.

use std::collections::HashMap;

use super::xml::{Xml, XmlPiece};
use crate::extract::raised::{RunStyle, Script};

/// Maximum length of a chain of styles that inherit from each other.
const MAX_CHAIN: usize = 12;
/// Maximum number of styles and list definitions to read.
const MAX_STYLES: usize = 20_000;
/// Maximum number of list levels.
const MAX_LEVELS: usize = 9;

/// The list and the level of a list item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParagraphNumbering {
    /// The list's ID; `0` means none.
    pub list_id: String,
    /// Level, starting at 0.
    pub level: usize,
}

#[derive(Debug, Clone, Default)]
struct Style {
    based_on: String,
    outline: Option<usize>,
    numbering: Option<ParagraphNumbering>,
    is_hidden: bool,
    run: RunStyle,
}

/// The paragraph styles of a Word file, by ID.
#[derive(Debug, Default)]
pub struct Styles(HashMap<String, Style>);

impl Styles {
    /// Reads the styles from `word/styles.xml`.
    pub fn read(xml: Option<Xml<'_>>) -> Self {
        let mut styles = HashMap::new();
        let Some(mut xml) = xml else {
            return Self(styles);
        };
        while let Some(piece) = xml.next() {
            if let XmlPiece::Open(tag) = piece
                && tag.name() == "style"
                && styles.len() < MAX_STYLES
            {
                styles.insert(tag.get("styleId").unwrap_or_default(), style(&mut xml));
            }
        }
        Self(styles)
    }

    /// Returns the heading level of a style, starting at 1; `None` for body text.
    pub fn heading_level(&self, id: &str) -> Option<usize> {
        self.find_inherited(id, |style| style.outline)
    }

    /// Returns the list and level that a style assigns to its paragraphs.
    pub fn numbering(&self, id: &str) -> Option<ParagraphNumbering> {
        self.find_inherited(id, |style| style.numbering.clone())
    }

    /// Returns whether a style hides its text.
    pub fn is_hidden(&self, id: &str) -> bool {
        self.find_inherited(id, |style| style.is_hidden.then_some(()))
            .is_some()
    }

    /// Returns whether a style makes its text superscript, subscript, or struck out.
    pub fn run_style(&self, id: &str) -> RunStyle {
        let plain = RunStyle::default();
        let inherited_style =
            self.find_inherited(id, |style| (style.run != plain).then_some(style.run));
        inherited_style.unwrap_or_default()
    }

    fn find_inherited<T>(&self, id: &str, property: impl Fn(&Style) -> Option<T>) -> Option<T> {
        let mut id = id;
        for _ in 0..MAX_CHAIN {
            let style = self.0.get(id)?;
            if let Some(found) = property(style) {
                return Some(found);
            }
            id = &style.based_on;
        }
        None
    }
}

fn style(xml: &mut Xml<'_>) -> Style {
    let outside = xml.depth() - 1;
    let mut style = Style::default();
    let mut name = String::new();
    while xml.depth() > outside {
        let Some(piece) = xml.next() else { break };
        let XmlPiece::Open(tag) = piece else { continue };
        let value = || tag.get("val").unwrap_or_default();
        match tag.name() {
            "name" => name = value().to_lowercase(),
            "basedOn" => style.based_on = value(),
            "outlineLvl" => {
                style.outline = value()
                    .parse()
                    .ok()
                    .filter(|&l| l < 9)
                    .map(|l: usize| l + 1)
            }
            "numId" => style.numbering.get_or_insert_default().list_id = value(),
            "ilvl" => style.numbering.get_or_insert_default().level = value().parse().unwrap_or(0),
            "vanish" => style.is_hidden = tag.is_on(),
            "vertAlign" => {
                style.run.script = match value().as_str() {
                    "superscript" => Some(Script::Superscript),
                    "subscript" => Some(Script::Subscript),
                    _ => None,
                }
            }
            "strike" | "dstrike" => style.run.struck = tag.is_on(),
            _ => {}
        }
    }
    if style.outline.is_none() {
        style.outline = match name.strip_prefix("heading ") {
            Some(level) => level.parse().ok().filter(|level| (1..=9).contains(level)),
            None => (name == "title").then_some(1),
        };
    }
    style
}

#[derive(Debug, Clone, Default)]
struct ListLevel {
    start_number: u32,
    format: String,
    text: String,
}

/// The lists of a Word file, with their counters.
#[derive(Debug, Default)]
pub struct Lists {
    definitions: HashMap<String, Vec<ListLevel>>,
    lists: HashMap<String, String>,
    restarts: HashMap<String, Vec<Option<u32>>>,
    counts: HashMap<String, [Option<u32>; MAX_LEVELS]>,
}

impl Lists {
    /// Reads the list definitions from `word/numbering.xml`.
    pub fn read(xml: Option<Xml<'_>>) -> Self {
        let mut lists = Self::default();
        let Some(mut xml) = xml else { return lists };
        let (mut kind, mut list, mut level) = (String::new(), String::new(), 0usize);
        let mut in_list = false;
        while let Some(piece) = xml.next() {
            let XmlPiece::Open(tag) = piece else { continue };
            let value = || tag.get("val").unwrap_or_default();
            match tag.name() {
                "abstractNum" if lists.definitions.len() < MAX_STYLES => {
                    kind = tag.get("abstractNumId").unwrap_or_default();
                    lists
                        .definitions
                        .insert(kind.clone(), vec![ListLevel::default(); MAX_LEVELS]);
                    in_list = false;
                }
                "num" if lists.lists.len() < MAX_STYLES => {
                    list = tag.get("numId").unwrap_or_default();
                    in_list = true;
                }
                "abstractNumId" => _ = lists.lists.insert(list.clone(), value()),
                "lvl" | "lvlOverride" => {
                    level = tag.get("ilvl").and_then(|l| l.parse().ok()).unwrap_or(0);
                }
                "startOverride" => {
                    let starts = lists.restarts.entry(list.clone()).or_default();
                    starts.resize(MAX_LEVELS, None);
                    if let Some(start) = starts.get_mut(level) {
                        *start = value().parse().ok();
                    }
                }
                name @ ("start" | "numFmt" | "lvlText") if !in_list => {
                    let levels = lists.definitions.get_mut(&kind);
                    if let Some(level) = levels.and_then(|levels| levels.get_mut(level)) {
                        match name {
                            "start" => level.start_number = value().parse().unwrap_or(1),
                            "numFmt" => level.format = value(),
                            _ => level.text = value(),
                        }
                    }
                }
                _ => {}
            }
        }
        lists
    }

    /// Counts the next item and returns its marker, such as `-`, `3.`, or `2.1`. Returns `None` if the list is not
    /// defined.
    pub fn next_marker(&mut self, item: &ParagraphNumbering) -> Option<String> {
        let kind = self.lists.get(&item.list_id)?;
        let levels = self.definitions.get(kind)?;
        let definition = levels.get(item.level)?;
        if definition.format == "bullet"
            || definition.format == "none" && definition.text.is_empty()
        {
            return Some("-".to_owned());
        }
        // Lists that share a definition also share a count, unless a list restarts it.
        let restart = self.restarts.get(&item.list_id);
        let key = if restart.is_some() {
            format!("list {}", item.list_id)
        } else {
            kind.clone()
        };
        let start = |level: usize| {
            let restart_at = restart.and_then(|starts| starts.get(level).copied().flatten());
            restart_at.unwrap_or(levels[level].start_number)
        };
        let counts = self.counts.entry(key).or_default();
        for (level, count) in counts.iter_mut().enumerate().take(item.level) {
            count.get_or_insert_with(|| start(level));
        }
        let count =
            counts[item.level].map_or_else(|| start(item.level), |count| count.saturating_add(1));
        counts[item.level] = Some(count);
        counts[item.level + 1..].fill(None);
        let mut mark = definition.text.clone();
        for (level, count) in counts.iter().enumerate().take(item.level + 1) {
            let count_text = format_count(&levels[level].format, count.unwrap_or(1));
            mark = mark.replace(&format!("%{}", level + 1), &count_text);
        }
        Some(mark.trim().to_owned())
    }
}

fn format_count(format: &str, count: u32) -> String {
    match format {
        "lowerLetter" => to_letters(count, b'a'),
        "upperLetter" => to_letters(count, b'A'),
        "lowerRoman" => to_roman(count).to_lowercase(),
        "upperRoman" => to_roman(count),
        "decimalZero" => format!("{count:02}"),
        _ => count.to_string(),
    }
}

/// Converts a number to letters, counting as Word does: a … z, aa, bb, …
fn to_letters(count: u32, first: u8) -> String {
    let Some(index) = count.checked_sub(1).filter(|index| *index < 26 * 8) else {
        return count.to_string();
    };
    let letter = char::from(first + (index % 26) as u8);
    std::iter::repeat_n(letter, index as usize / 26 + 1).collect()
}

fn to_roman(count: u32) -> String {
    const ROMAN_NUMERALS: &[(u32, &str)] = &[
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4_000).contains(&count) {
        return count.to_string();
    }
    let (mut left, mut text) = (count, String::new());
    for (value, sign) in ROMAN_NUMERALS {
        while left >= *value {
            text.push_str(sign);
            left -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_counters_use_every_format() {
        for (format, count, expected) in [
            ("decimal", 3, "3"),
            ("lowerLetter", 28, "bb"),
            ("upperLetter", 1, "A"),
            ("lowerRoman", 14, "xiv"),
            ("upperRoman", 1999, "MCMXCIX"),
            ("decimalZero", 7, "07"),
            ("lowerLetter", 0, "0"),
            ("upperRoman", 0, "0"),
            ("ordinal", 2, "2"),
        ] {
            assert_eq!(format_count(format, count), expected, "{format}");
        }
    }

    #[test]
    fn lists_count_by_level() {
        let xml = r#"<w:numbering xmlns:w="w">
            <w:abstractNum w:abstractNumId="7">
              <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
              <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
            </w:abstractNum>
            <w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
            <w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
            <w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
            <w:num w:numId="3"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>
          </w:numbering>"#;
        let mut lists = Lists::read(Some(Xml::text(xml)));
        let mut mark = |list: &str, level| {
            lists.next_marker(&ParagraphNumbering {
                list_id: list.to_owned(),
                level,
            })
        };
        let marks: Vec<_> = [
            ("1", 0),
            ("1", 1),
            ("1", 1),
            ("1", 0),
            ("1", 1),
            ("2", 0),
            ("3", 0),
            ("3", 0),
            ("1", 0),
            ("9", 0),
            ("1", 8),
        ]
        .into_iter()
        .map(|(list, level)| mark(list, level).unwrap_or_default())
        .collect();
        assert_eq!(
            marks,
            [
                "1.", "1.a)", "1.b)", "2.", "2.a)", "-", "5.", "6.", "3.", "", ""
            ]
        );
    }

    #[test]
    fn headings_follow_style_definitions() {
        let xml = r#"<w:styles xmlns:w="w">
            <w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
            <w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift2"/></w:style>
            <w:style w:styleId="Lvl"><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
            <w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>
            <w:style w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>
          </w:styles>"#;
        let styles = Styles::read(Some(Xml::text(xml)));
        let levels =
            ["berschrift2", "Mine", "Lvl", "Loop", "none"].map(|id| styles.heading_level(id));
        assert_eq!(levels, [Some(2), Some(2), Some(1), None, None]);
        assert!(styles.is_hidden("Secret") && !styles.is_hidden("Lvl"));
    }
}
