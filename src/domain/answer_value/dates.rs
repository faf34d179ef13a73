//! Dates and times of day in the notations used in English, German, French, Spanish, Italian, Portuguese, and Russian,
//! and dates such as "2026年4月3日".
//!
//! If the year comes last, numbers separated by dots are day, month, and year ("3.4.2026" is April 3). With slashes or
//! dashes, the order of day and month is unknown: "3/4/2026" may be April 3 or March 4. Unless one of the two is above
//! 12 or both are equal, such a date equals only a date with the same numbers in the same order.

/// Month names and their abbreviations, starting with January.
const MONTHS: [&[&str]; 12] = [
    &[
        "january",
        "jan",
        "januar",
        "jänner",
        "janvier",
        "enero",
        "gennaio",
        "janeiro",
        "января",
        "январь",
    ],
    &[
        "february",
        "feb",
        "februar",
        "février",
        "febrero",
        "febbraio",
        "fevereiro",
        "февраля",
        "февраль",
    ],
    &[
        "march",
        "mar",
        "märz",
        "mars",
        "marzo",
        "março",
        "марта",
        "март",
    ],
    &[
        "april",
        "apr",
        "avril",
        "abril",
        "aprile",
        "апреля",
        "апрель",
    ],
    &["may", "mai", "mayo", "maggio", "maio", "мая", "май"],
    &[
        "june", "jun", "juni", "juin", "junio", "giugno", "junho", "июня", "июнь",
    ],
    &[
        "july", "jul", "juli", "juillet", "julio", "luglio", "julho", "июля", "июль",
    ],
    &["august", "aug", "août", "agosto", "августа", "август"],
    &[
        "september",
        "sep",
        "sept",
        "septembre",
        "septiembre",
        "settembre",
        "setembro",
        "сентября",
        "сентябрь",
    ],
    &[
        "october",
        "oct",
        "oktober",
        "okt",
        "octobre",
        "octubre",
        "ottobre",
        "outubro",
        "октября",
        "октябрь",
    ],
    &[
        "november",
        "nov",
        "novembre",
        "noviembre",
        "novembro",
        "ноября",
        "ноябрь",
    ],
    &[
        "december",
        "dec",
        "dezember",
        "dez",
        "décembre",
        "diciembre",
        "dicembre",
        "dezembro",
        "декабря",
        "декабрь",
    ],
];

/// Names of the days of the week, starting with Monday.
const WEEKDAYS: [&[&str]; 7] = [
    &["monday", "mon", "montag", "lundi", "lunes"],
    &["tuesday", "tue", "dienstag", "mardi", "martes"],
    &["wednesday", "wed", "mittwoch", "mercredi", "miércoles"],
    &["thursday", "thu", "donnerstag", "jeudi", "jueves"],
    &["friday", "fri", "freitag", "vendredi", "viernes"],
    &[
        "saturday",
        "sat",
        "samstag",
        "sonnabend",
        "samedi",
        "sábado",
    ],
    &["sunday", "sun", "sonntag", "dimanche", "domingo"],
];

/// Words that may occur in a date without being a day, month, or year.
const FILLER_WORDS: &[&str] = &[
    "the", "of", "on", "der", "den", "am", "le", "de", "del", "el", "il", "года", "г",
];

/// Maximum length of a text that is read as a date, in bytes.
const MAX_DATE_LENGTH: usize = 60;

/// Reads a date, a month of a year, or a day of a month; the whole text must match. Returns it as "2026-04-03",
/// "2026-04", or "--04-03". If the order of day and month is unknown, returns it as "3/4/2026".
pub fn parse_date(text: &str) -> Option<String> {
    if text.len() > MAX_DATE_LENGTH || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = text.trim().to_lowercase();
    if let Some(without_year) = lower.strip_prefix("--") {
        let (month, day) = parse_number_pair(without_year, '-')?;
        return format_day(None, month, day);
    }
    parse_numeric_date(&lower).or_else(|| parse_spelled_date(&lower))
}

/// Reads a date written as eight digits ("20260403"), and returns it as "2026-04-03". Call it only if the question asks
/// for a date; otherwise, the digits may be a number.
pub fn parse_compact_date(text: &str) -> Option<String> {
    let text = text.trim();
    let is_compact_form = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    let part = |from: usize, to: usize| parse_bounded_number(text.get(from..to)?, to - from);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    is_compact_form
        .then(|| format_day(Some(year), month, day))
        .flatten()
}

/// Reads a time of day such as "2:30 pm" or "noon", and returns it as "14:30"; the whole text must match. `None` for a
/// bare number.
pub fn parse_clock_time(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase().replace(' ', "");
    match lower.as_str() {
        "noon" | "midday" => return Some("12:00".to_owned()),
        "midnight" => return Some("00:00".to_owned()),
        _ => {}
    }
    let marks = [
        ("a.m.", Meridiem::Morning),
        ("a.m", Meridiem::Morning),
        ("am", Meridiem::Morning),
        ("p.m.", Meridiem::Afternoon),
        ("p.m", Meridiem::Afternoon),
        ("pm", Meridiem::Afternoon),
        ("uhr", Meridiem::Both),
    ];
    let marked_time = marks
        .into_iter()
        .find_map(|(mark, meridiem)| Some((lower.strip_suffix(mark)?, Some(meridiem))));
    let (digits, meridiem) = marked_time.unwrap_or((&lower, None));
    // Zero seconds are dropped, so that "14:30:00" equals "14:30". A time with other seconds is not read.
    let digits = match digits.split(':').count() {
        3 => digits.strip_suffix(":00")?,
        _ => digits,
    };
    let parts = match meridiem {
        Some(_) => digits.split_once(['.', ':']),
        None => digits.split_once([':', 'h']),
    };
    let (hour, minute) = match parts {
        Some((_, minute)) if minute.len() != 2 => return None,
        Some((hour, minute)) => (
            parse_bounded_number(hour, 2)?,
            parse_bounded_number(minute, 2)?,
        ),
        None => (
            parse_bounded_number(digits, 2).filter(|_| meridiem.is_some())?,
            0,
        ),
    };
    let is_12_hour_clock = (1..=12).contains(&hour);
    let hour = match meridiem {
        Some(Meridiem::Morning) if is_12_hour_clock => hour % 12,
        Some(Meridiem::Afternoon) if is_12_hour_clock => hour % 12 + 12,
        Some(Meridiem::Morning | Meridiem::Afternoon) => return None,
        Some(Meridiem::Both) | None => hour,
    };
    (hour < 24 && minute < 60).then(|| format!("{hour:02}:{minute:02}"))
}

// The half of the day that a marker such as "am" or "pm" stands for.
#[derive(Clone, Copy)]
enum Meridiem {
    Morning,
    Afternoon,
    Both,
}

fn parse_numeric_date(text: &str) -> Option<String> {
    if let Some((year, rest)) = text.split_once('年') {
        let (month, day) = rest.split_once('月')?;
        let day = day.strip_suffix('日')?;
        return format_day(
            Some(parse_bounded_number(year, 4)?),
            parse_bounded_number(month, 2)?,
            parse_bounded_number(day, 2)?,
        );
    }
    let mark = text.chars().find(|c| !c.is_ascii_digit())?;
    if !matches!(mark, '-' | '/' | '.') {
        return None;
    }
    let parts: Vec<&str> = text.split(mark).map(str::trim).collect();
    match *parts.as_slice() {
        // With a slash, "2026/04" could be a fraction.
        [year, month] if year.len() == 4 && mark == '-' => format_month(
            parse_bounded_number(year, 4)?,
            parse_bounded_number(month, 2)?,
        ),
        [year, month, day] if year.len() == 4 => format_day(
            Some(parse_bounded_number(year, 4)?),
            parse_bounded_number(month, 2)?,
            parse_bounded_number(day, 2)?,
        ),
        [first, second, year] if year.len() == 4 => {
            let (first, second, year) = (
                parse_bounded_number(first, 2)?,
                parse_bounded_number(second, 2)?,
                parse_bounded_number(year, 4)?,
            );
            let day_first = format_day(Some(year), second, first);
            let month_first = format_day(Some(year), first, second);
            match (day_first, month_first) {
                (day_first, _) if mark == '.' => day_first,
                (Some(first), Some(same)) if first == same => Some(same),
                (Some(_), Some(_)) => Some(format!("{first}/{second}/{year}")),
                (only, None) | (None, only) => only,
            }
        }
        _ => None,
    }
}

fn parse_spelled_date(text: &str) -> Option<String> {
    let (mut day, mut month, mut year, mut weekday) = (None, None, None, None);
    let is_break = |c: char| c.is_whitespace() || matches!(c, ',' | '-' | '/');
    for token in text.split(is_break).filter(|token| !token.is_empty()) {
        let token = token.trim_end_matches('.');
        let slot = if FILLER_WORDS.contains(&token) {
            continue;
        } else if let Some(found) = index_in_table(&MONTHS, token) {
            (&mut month, found + 1)
        } else if let Some(found) = index_in_table(&WEEKDAYS, token) {
            (&mut weekday, found)
        } else if token.len() == 4 && parse_bounded_number(token, 4).is_some() {
            (&mut year, parse_bounded_number(token, 4)?)
        } else {
            (&mut day, parse_ordinal(token)?)
        };
        if slot.0.replace(slot.1).is_some() {
            return None;
        }
    }
    let month = month?;
    match (day, year) {
        (None, Some(year)) if weekday.is_none() => format_month(year, month),
        (Some(day), year) => {
            let fits = match (weekday, year) {
                (None, _) => true,
                (Some(weekday), Some(year)) => weekday == weekday_of(year, month, day),
                (Some(_), None) => false,
            };
            format_day(year, month, day).filter(|_| fits)
        }
        _ => None,
    }
}

fn index_in_table(table: &[&[&str]], word: &str) -> Option<u32> {
    let index = table.iter().position(|names| names.contains(&word))?;
    u32::try_from(index).ok()
}

// Parses "3", "3rd", or "1er".
fn parse_ordinal(token: &str) -> Option<u32> {
    let digits = ["st", "nd", "rd", "th", "er"]
        .into_iter()
        .find_map(|end| token.strip_suffix(end));
    parse_bounded_number(digits.unwrap_or(token), 2)
}

fn parse_number_pair(text: &str, mark: char) -> Option<(u32, u32)> {
    let (left, right) = text.split_once(mark)?;
    Some((
        parse_bounded_number(left, 2)?,
        parse_bounded_number(right, 2)?,
    ))
}

fn parse_bounded_number(digits: &str, max_digits: usize) -> Option<u32> {
    let is_number =
        (1..=max_digits).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn format_month(year: u32, month: u32) -> Option<String> {
    let is_month = year >= 1000 && (1..=12).contains(&month);
    is_month.then(|| format!("{year}-{month:02}"))
}

fn format_day(year: Option<u32>, month: u32, day: u32) -> Option<String> {
    let is_leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_none_or(is_leap) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    match year {
        None => Some(format!("--{month:02}-{day:02}")),
        Some(year) if year >= 1000 => Some(format!("{year}-{month:02}-{day:02}")),
        Some(_) => None,
    }
}

// Returns the day of the week, from 0 for Monday to 6, by Sakamoto's algorithm.
fn weekday_of(year: u32, month: u32, day: u32) -> u32 {
    const MONTH_OFFSETS: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    let shift = MONTH_OFFSETS
        .get(month as usize - 1)
        .copied()
        .unwrap_or_default();
    (year + year / 4 - year / 100 + year / 400 + shift + day + 6) % 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_normalized() {
        for (text, expected) in [
            ("3 April 2026", Some("2026-04-03")),
            ("April 3, 2026", Some("2026-04-03")),
            ("April 3rd, 2026", Some("2026-04-03")),
            ("the 3rd of April 2026", Some("2026-04-03")),
            ("2026-04-03", Some("2026-04-03")),
            ("2026/4/3", Some("2026-04-03")),
            ("3. April 2026", Some("2026-04-03")),
            ("03.04.2026", Some("2026-04-03")),
            ("Freitag, den 3. April 2026", Some("2026-04-03")),
            ("Fri, Apr 3, 2026", Some("2026-04-03")),
            ("Monday, 3 April 2026", None),
            ("3 avril 2026", Some("2026-04-03")),
            ("3 de abril de 2026", Some("2026-04-03")),
            ("4 maggio 2026", Some("2026-05-04")),
            ("4 мая 2026", Some("2026-05-04")),
            ("4-May-2026", Some("2026-05-04")),
            ("4-5 May 2026", None),
            ("20260504", None),
            ("2026年4月3日", Some("2026-04-03")),
            ("13/04/2026", Some("2026-04-13")),
            ("04/13/2026", Some("2026-04-13")),
            ("04/04/2026", Some("2026-04-04")),
            ("03/04/2026", Some("3/4/2026")),
            ("3/4/2026", Some("3/4/2026")),
            ("April 2026", Some("2026-04")),
            ("2026-04", Some("2026-04")),
            ("July 4th", Some("--07-04")),
            ("4. Juli", Some("--07-04")),
            ("--07-04", Some("--07-04")),
            ("29 February 2025", None),
            ("3.4.26", None),
            ("2026", None),
            ("3", None),
            ("April", None),
            ("1/2", None),
        ] {
            assert_eq!(parse_date(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn eight_digits_are_a_date_only_if_the_question_asks_for_one() {
        for (text, expected) in [
            ("20260504", Some("2026-05-04")),
            ("20261304", None),
            ("2026054", None),
            ("202605040", None),
        ] {
            assert_eq!(parse_compact_date(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_of_day_are_normalized() {
        for (text, expected) in [
            ("2:30 pm", Some("14:30")),
            ("2:30 p.m.", Some("14:30")),
            ("14:30", Some("14:30")),
            ("14.30 Uhr", Some("14:30")),
            ("2:30 p.m", Some("14:30")),
            ("2.30 pm", Some("14:30")),
            ("14:30:00", Some("14:30")),
            ("14h30", Some("14:30")),
            ("14 h 30", Some("14:30")),
            ("14:30:05", None),
            ("2.30", None),
            ("14h", None),
            ("1h30min", None),
            ("14 Uhr", Some("14:00")),
            ("12 am", Some("00:00")),
            ("12 pm", Some("12:00")),
            ("noon", Some("12:00")),
            ("14 pm", None),
            ("25:00", None),
            ("3:4", None),
            ("14", None),
            ("am", None),
        ] {
            assert_eq!(parse_clock_time(text).as_deref(), expected, "{text}");
        }
    }
}
