//! Formats stored numbers as a spreadsheet shows them: dates and times, percentages, and other numbers with their
//! significant digits. `number_pattern` handles formats that show additional text or digits. Colors and rounding are
//! ignored.

use std::collections::HashMap;
use std::rc::Rc;

use super::number_pattern::NumberPattern;
use super::xml::{Xml, XmlPiece};

/// Maximum number of formats to read from a workbook.
const MAX_FORMATS: usize = 100_000;

/// How a cell's format presents a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberShape {
    /// The number as stored.
    #[default]
    Number,
    /// A date, with a time unless it is midnight.
    Date,
    /// A date with a time to the second.
    DateTime,
    /// A time of day or a duration, to the minute.
    Time,
    /// A time of day or a duration, to the second.
    Seconds,
    /// A percentage: the number times 100.
    Percent,
}

/// Format of a cell: the shape of its number, or a pattern that shows more than the number.
#[derive(Debug, Clone, Default)]
pub struct CellFormat {
    shape: NumberShape,
    pattern: Option<Rc<NumberPattern>>,
}

impl CellFormat {
    /// Formats a stored value. With `uses_1904_dates`, days are counted from 1904, as on the old Macintosh.
    pub fn format_value(&self, value: &str, uses_1904_dates: bool) -> String {
        match (&self.pattern, value.trim().parse::<f64>()) {
            (Some(pattern), Ok(number)) if number.is_finite() => {
                pattern.format(number, &format_plain(number, value))
            }
            _ => format_value(value, self.shape, uses_1904_dates),
        }
    }
}

/// Cell formats of a workbook, by style index.
#[derive(Debug, Default)]
pub struct CellFormats(Vec<CellFormat>);

impl CellFormats {
    /// Reads the cell formats from `xl/styles.xml`.
    pub fn read(xml: Option<Xml<'_>>) -> Self {
        let (mut codes, mut shapes) = (HashMap::new(), Vec::new());
        let mut patterns: HashMap<String, Option<Rc<NumberPattern>>> = HashMap::new();
        let Some(mut xml) = xml else {
            return Self::default();
        };
        let mut within_cell_formats = false;
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => match tag.name() {
                    "numFmt" if codes.len() < MAX_FORMATS => {
                        let id = tag.get("numFmtId").unwrap_or_default();
                        codes.insert(id, tag.get("formatCode").unwrap_or_default());
                    }
                    "cellXfs" => within_cell_formats = true,
                    "xf" if within_cell_formats && shapes.len() < MAX_FORMATS => {
                        let id = tag.get("numFmtId").unwrap_or_default();
                        shapes.push(match codes.get(&id) {
                            Some(code) => {
                                let shape = shape_of_format(code);
                                let pattern = (shape == NumberShape::Number).then(|| {
                                    patterns
                                        .entry(code.clone())
                                        .or_insert_with(|| NumberPattern::parse(code).map(Rc::new))
                                        .clone()
                                });
                                CellFormat {
                                    shape,
                                    pattern: pattern.flatten(),
                                }
                            }
                            None => CellFormat {
                                shape: built_in_shape(id.parse().unwrap_or(0)),
                                pattern: None,
                            },
                        });
                    }
                    _ => {}
                },
                XmlPiece::Close(name) if name == "cellXfs" => within_cell_formats = false,
                _ => {}
            }
        }
        Self(shapes)
    }

    /// Returns the format with this style index; the default format if there is none.
    pub fn format_of(&self, style: usize) -> CellFormat {
        self.0.get(style).cloned().unwrap_or_default()
    }
}

/// Returns the shape of a built-in format (ECMA-376 part 1, 18.8.30), including the East Asian ones.
fn built_in_shape(id: u32) -> NumberShape {
    match id {
        9 | 10 => NumberShape::Percent,
        14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => NumberShape::Date,
        19 | 21 | 33 | 35 | 45..=47 => NumberShape::Seconds,
        18 | 20 | 32 | 34 | 55 | 56 => NumberShape::Time,
        _ => NumberShape::Number,
    }
}

/// Derives the number shape from a format code such as `d/m/yy`, `[h]:mm`, or `0.0%`. Ignores quoted text and brackets,
/// except for brackets that mark a duration (`[h]`, `[m]`, `[s]`).
pub fn shape_of_format(code: &str) -> NumberShape {
    let (mut quoted, mut bracket, mut escaped) = (false, false, false);
    let (mut day, mut clock, mut month, mut digits, mut percent) =
        (false, false, false, false, false);
    let mut seconds = false;
    let mut duration = String::new();
    // Only the part before the first semicolon matters; the next one is for negative numbers.
    for character in code.to_lowercase().replace("general", "").chars() {
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '"' => quoted = !quoted,
            _ if quoted => {}
            '\\' | '_' | '*' => escaped = true,
            '[' => (bracket, duration) = (true, String::new()),
            ']' => {
                bracket = false;
                clock |= matches!(duration.trim_end_matches(['h', 'm', 's']), "")
                    && !duration.is_empty();
            }
            other if bracket => duration.push(other),
            ';' => break,
            'd' | 'y' | 'e' if !digits => day = true,
            'h' => clock = true,
            's' => (clock, seconds) = (true, true),
            'm' => month = true,
            '0' | '#' | '?' => digits = true,
            '%' => percent = true,
            _ => {}
        }
    }
    match (day, clock, month) {
        (true, ..) if seconds => NumberShape::DateTime,
        (true, ..) => NumberShape::Date,
        (_, true, _) if seconds => NumberShape::Seconds,
        (_, true, _) => NumberShape::Time,
        (_, _, true) if !digits => NumberShape::Date,
        _ if percent => NumberShape::Percent,
        _ => NumberShape::Number,
    }
}

/// Formats a stored value. With `uses_1904_dates`, days are counted from 1904, as on the old Macintosh.
fn format_value(value: &str, shape: NumberShape, uses_1904_dates: bool) -> String {
    let Ok(number) = value.trim().parse::<f64>() else {
        return value.trim().to_owned();
    };
    match shape {
        NumberShape::Number => format_plain(number, value),
        NumberShape::Percent => format!("{}%", format_plain(number * 100.0, "")),
        NumberShape::Date | NumberShape::DateTime => format_date(number, uses_1904_dates, shape)
            .unwrap_or_else(|| format_plain(number, value)),
        NumberShape::Time | NumberShape::Seconds => format_time(number, uses_1904_dates, shape)
            .unwrap_or_else(|| format_plain(number, value)),
    }
}

/// Formats a number with fifteen significant digits, as Excel does, so that 0.1 + 0.2 is 0.3. Very large and very small
/// numbers stay in the notation of `raw`.
fn format_plain(number: f64, raw: &str) -> String {
    if !number.is_finite() || (number != 0.0 && !(1e-6..1e15).contains(&number.abs())) {
        return if raw.is_empty() {
            format!("{number:e}")
        } else {
            raw.trim().to_owned()
        };
    }
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    // Avoid a minus sign before zero.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// Number of the day after December 31, 9999, the last date that Excel supports.
const END_DAY: f64 = 2_958_466.0;

fn format_date(number: f64, uses_1904_dates: bool, shape: NumberShape) -> Option<String> {
    if !(0.0..END_DAY).contains(&number) {
        return None;
    }
    let seconds = (number * 86_400.0).round();
    let days = (seconds / 86_400.0).floor();
    let clock = seconds - days * 86_400.0;
    if days == 0.0 && !uses_1904_dates {
        return format_time(number, false, shape);
    }
    // Excel treats 1900 as a leap year, so days before March 1900 are off by one; dates appear as Excel shows
    // them.
    let shift = match (uses_1904_dates, days) {
        (true, _) => 24_107.0,
        (false, 60.0) => return Some("1900-02-29".to_owned()),
        (false, day) if day < 60.0 => 25_568.0,
        (false, _) => 25_569.0,
    };
    let (year, month, day) = civil_from_days((days - shift) as i64);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(match clock {
        0.0 => date,
        _ => format!("{date} {}", format_clock(clock as u64, shape)),
    })
}

fn format_time(number: f64, uses_1904_dates: bool, shape: NumberShape) -> Option<String> {
    if !(0.0..END_DAY).contains(&number) {
        return None;
    }
    // A large number is a point in time, of which the cell shows only the time of day; it is written with its date. A
    // small number is a time of day or a duration.
    if number >= 1_000.0 {
        return format_date(number, uses_1904_dates, shape);
    }
    Some(format_clock((number * 86_400.0).round() as u64, shape))
}

fn format_clock(seconds: u64, shape: NumberShape) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (rest, shape) {
        (0, NumberShape::Date | NumberShape::Time) => format!("{hours:02}:{minutes:02}"),
        _ => format!("{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// Converts days since 1970 to a date: the inverse of Hinnant's days_from_civil.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_give_shapes() {
        for (code, expected) in [
            ("General", NumberShape::Number),
            ("0.00", NumberShape::Number),
            ("yyyy-mm-dd", NumberShape::Date),
            ("[$-409]d\\-mmm\\-yy;@", NumberShape::Date),
            ("[h]:mm:ss", NumberShape::Seconds),
            ("h:mm AM/PM", NumberShape::Time),
            ("0.0%", NumberShape::Percent),
            ("#,##0 \"days\"", NumberShape::Number),
            ("[Red]0.00", NumberShape::Number),
            ("mmm", NumberShape::Date),
            ("0.00E+00", NumberShape::Number),
            ("_($* #,##0.00_)", NumberShape::Number),
            ("@", NumberShape::Number),
            ("[mm]:ss", NumberShape::Seconds),
        ] {
            assert_eq!(shape_of_format(code), expected, "{code}");
        }
    }

    #[test]
    fn numbers_are_shown_by_their_format() {
        for (value, shape, uses_1904_dates, expected) in [
            ("45321", NumberShape::Date, false, "2024-01-30"),
            ("45321.5", NumberShape::Date, false, "2024-01-30 12:00"),
            ("43859", NumberShape::Date, true, "2024-01-30"),
            ("1", NumberShape::Date, false, "1900-01-01"),
            ("59", NumberShape::Date, false, "1900-02-28"),
            ("60", NumberShape::Date, false, "1900-02-29"),
            ("61", NumberShape::Date, false, "1900-03-01"),
            ("25569", NumberShape::Date, false, "1970-01-01"),
            ("0.75", NumberShape::Time, false, "18:00"),
            ("1.5", NumberShape::Time, false, "36:00"),
            ("0.75", NumberShape::Seconds, false, "18:00:00"),
            (
                "45321.5",
                NumberShape::DateTime,
                false,
                "2024-01-30 12:00:00",
            ),
            ("45321", NumberShape::DateTime, false, "2024-01-30"),
            ("45321.999999", NumberShape::Date, false, "2024-01-31"),
            ("-1", NumberShape::Date, false, "-1"),
            ("1e300", NumberShape::Date, false, "1e300"),
            ("0.25", NumberShape::Percent, false, "25%"),
            ("0.30000000000000004", NumberShape::Number, false, "0.3"),
            ("1234567.5", NumberShape::Number, false, "1234567.5"),
            ("-0", NumberShape::Number, false, "0"),
            ("1E+20", NumberShape::Number, false, "1E+20"),
            ("NaN", NumberShape::Number, false, "NaN"),
            ("words", NumberShape::Date, false, "words"),
        ] {
            assert_eq!(
                format_value(value, shape, uses_1904_dates),
                expected,
                "{value} {shape:?}"
            );
        }
    }
}
