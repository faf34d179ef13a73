//! Pairs of equal and of different answers.

mod pairs;
mod properties;

use super::*;

const NONE: &str = "";
const TEA: &str = "What is best?\nA) tea\nB) black coffee\nC) water\nD) 5 km";
const HOURS: &str = "How many hours does it take, and how many minutes?";
const PERCENT: &str = "What percentage of them came?";
const DATE: &str = "On which date did it end?";
const PRICE: &str = "How much does it cost?";
const WEIGHT: &str = "How much does it weigh?";
const APPLES: &str = "How many apples are left?";
const GERMAN: &str = "Wie viele Einwohner hat die Stadt und wie groß ist sie?";

const LABELED: &str = "Q7: How many apples are left?";

/// A question and spellings of one value; any two in a row are equal.
const SAME: &[(&str, &[&str])] = &[
    (
        NONE,
        &["$1,200.00", "1200", "1.2k", "\\boxed{1200}", "x = 1200"],
    ),
    (
        NONE,
        &[
            "1200",
            "1,200",
            "1 200",
            "1'200",
            "1200.00",
            "1.2e3",
            "1.2 × 10^3",
            "１２００",
        ],
    ),
    (
        NONE,
        &[
            "$1200",
            "1200 USD",
            "US$ 1,200",
            "1,200 dollars",
            "1.2k dollars",
            "$1.2K",
        ],
    ),
    (
        NONE,
        &[
            "0.5",
            "1/2",
            "½",
            "50 %",
            "50%",
            ".5",
            "50 percent",
            "\\frac{1}{2}",
            "half",
            "5e-1",
        ],
    ),
    (
        NONE,
        &[
            "3 hours",
            "180 minutes",
            "3 h",
            "3 hrs.",
            "10800 s",
            "three hours",
            "2 h 60 min",
        ],
    ),
    (
        NONE,
        &[
            "90 minutes",
            "1.5 hours",
            "1 h 30 min",
            "1 hour and 30 minutes",
            "1½ hours",
            "1h30min",
        ],
    ),
    (NONE, &["2 km", "2000 m", "2 kilometers", "200,000 cm"]),
    (NONE, &["36 km/h", "10 m/s", "36 km per hour", "36 kph"]),
    (NONE, &["1 inch", "2.54 cm", "1 in"]),
    (NONE, &["1.5 kg", "1500 g", "1 1/2 kg"]),
    (NONE, &["1.234,5", "1,234.5", "1234.5", "1 234.5"]),
    (NONE, &["1.250,00 EUR", "€1250", "1250 Euro", "EUR 1,250"]),
    (NONE, &["-5", "- 5", "−5", "-5.0"]),
    (
        NONE,
        &[
            "3 April 2026",
            "April 3, 2026",
            "April 3rd, 2026",
            "2026-04-03",
            "3. April 2026",
            "03.04.2026",
            "2026/04/03",
            "Friday, 3 April 2026",
        ],
    ),
    (NONE, &["July 4", "4 July", "the 4th of July", "4. Juli"]),
    (NONE, &["2:30 pm", "14:30"]),
    (
        NONE,
        &["yes", "Yes.", "**Yes**", "true", "ja", "Yes, it is"],
    ),
    (NONE, &["no", "No!", "false", "Nein", "No, that is wrong"]),
    (
        NONE,
        &[
            "Ada Lovelace",
            "*Ada  Lovelace*",
            "\"ada lovelace\"",
            "Ada Lovelace.",
        ],
    ),
    (NONE, &["the Eiffel Tower", "Eiffel Tower"]),
    (
        NONE,
        &["1/3", "\\frac13", "\\dfrac{1}{3}", "a third", "2/6", "⅓"],
    ),
    (
        NONE,
        &["3 million", "3,000,000", "3M", "3e6", "3 Millionen"],
    ),
    (
        NONE,
        &["$5 m", "$5 million", "$5,000,000", "5 million dollars"],
    ),
    (NONE, &["1.2bn", "1.2 billion", "1,200,000,000", "1,2 Mrd."]),
    (NONE, &["12", "twelve", "a dozen", "zwölf"]),
    (
        NONE,
        &["120", "one hundred and twenty", "a hundred and twenty"],
    ),
    (NONE, &["(1,2)", "(1, 2)", "( 1 , 2 )", "(1, 2)."]),
    (NONE, &["{1,2}", "{1, 2}", "\\{1, 2\\}"]),
    (NONE, &["√2", "\\sqrt{2}", "$\\sqrt{2}$", "\\sqrt2"]),
    (
        NONE,
        &["4 May 2026", "4-May-2026", "4 maggio 2026", "4 мая 2026"],
    ),
    (DATE, &["4 May 2026", "20260504", "2026-05-04"]),
    (PRICE, &["£5", "5 pounds", "5 GBP", "£5.00"]),
    (NONE, &["-$5", "($5)", "$-5", "($5.00)"]),
    (NONE, &["5 m²", "5 m^2", "5 square meters"]),
    (NONE, &["(B)", "[B]", "b"]),
    (NONE, &["x = 5", "x=5", "$x = 5$", "5"]),
    (NONE, &["2 + 3 = 5", "5"]),
    (NONE, &["10^3", "1000", "10³"]),
    (NONE, &["5\"", "5”", "5″", "**5\"**"]),
    (NONE, &["5'", "5’", "5′"]),
    (
        NONE,
        &[
            "(B)",
            "Option B",
            "The answer is B",
            "option (b)",
            "choice B.",
        ],
    ),
    (NONE, &["-5", "minus 5", "negative five", "Minus 5"]),
    (NONE, &["20°C", "20 ℃", "20 °C"]),
    (NONE, &["π", "\\pi", "$\\pi$"]),
    (NONE, &["2π", "2\\pi"]),
    (NONE, &["≈ 3.14", "3.14", "about 3.14", "~3.14"]),
    (
        NONE,
        &["25 °C", "25°C", "25 degrees Celsius", "25^\\circ C"],
    ),
    (NONE, &["5 apples", "5 apple", "5 Apples."]),
    (
        TEA,
        &[
            "B",
            "(b)",
            "B)",
            "B. black coffee",
            "black coffee",
            "Option B",
            "**B**",
            "\\boxed{B}",
        ],
    ),
    (TEA, &["D", "5 km", "5000 m", "D) 5 km"]),
    (HOURS, &["3 hours", "3"]),
    (HOURS, &["180 minutes", "180"]),
    (PERCENT, &["50", "50 %", "50 percent"]),
    (APPLES, &["5", "5 apples", "five apples"]),
    (GERMAN, &["12.345,6", "12345,6", "12 345.6"]),
    (LABELED, &["42", "Q7: 42", "**Q7:** 42", "Q7) 42 apples"]),
    (
        NONE,
        &["3:15 pm", "3:15 p.m.", "3.15 pm", "15:15:00", "15h15"],
    ),
    (NONE, &["x = 7", "x is 7", "7"]),
    (NONE, &["√3", "sqrt(3)", "\\sqrt{3}"]),
    (NONE, &["H2O", "H₂O"]),
    (NONE, &["1 GB", "1 gigabyte"]),
];

/// A question and two answers that differ, or may differ.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (NONE, ".5", "5"),
    (NONE, "- 5", "5"),
    (NONE, "-5", "5"),
    (NONE, "−0.5", "0.5"),
    (NONE, "no", "No. 5"),
    (NONE, "no", "No 5"),
    (NONE, "5", "No. 5"),
    (NONE, "yes", "True North"),
    (NONE, "true", "True North"),
    (NONE, "yes", "Yes, Minister"),
    (NONE, "no", "Norway"),
    (NONE, "no", "not"),
    (NONE, "yes", "no"),
    (NONE, "no", "undecided"),
    (NONE, "1,234", "1.234"),
    (NONE, "1.2", "12"),
    (NONE, "1.2k", "1.2"),
    (NONE, "1.2k", "1.2M"),
    (NONE, "$5", "5 €"),
    (NONE, "£5", "5 pounds"),
    (WEIGHT, "£5", "5 pounds"),
    (NONE, "20260504", "4 May 2026"),
    (NONE, "5 Cal", "5 cal"),
    (NONE, "mg", "Mg"),
    (NONE, "p", "P"),
    (NONE, "x", "X"),
    (NONE, "σ", "Σ"),
    (NONE, "pH", "PH"),
    (NONE, "f'", "f"),
    (NONE, "0.3...", "0.3"),
    (NONE, "0.333…", "0.333"),
    (NONE, "5*", "5"),
    (NONE, "[5]", "5"),
    (NONE, "{5}", "5"),
    (NONE, "A)", "A*"),
    (NONE, "($5)", "$5"),
    (NONE, "5", "five or six"),
    (NONE, "5", "5 is wrong"),
    (NONE, "5", "5 at most"),
    (NONE, "\\sqrt[3]{2}", "\\sqrt{2}"),
    (NONE, "CA$5", "$5"),
    (NONE, "5 %", "5"),
    (NONE, "50", "50 %"),
    (NONE, "5 %", "5 percentage points"),
    (NONE, "5 %", "5 ‰"),
    (NONE, "5 km", "5"),
    (NONE, "5 km", "5 miles"),
    (NONE, "5 m", "5 M"),
    (NONE, "5m", "5M"),
    (NONE, "300 K", "300 k"),
    (NONE, "5 kg", "5 g"),
    (NONE, "3 hours", "3 minutes"),
    (NONE, "3 hours", "180"),
    (NONE, "1 month", "30 days"),
    (NONE, "20 °C", "20 °F"),
    (NONE, "5 km/h", "5 km"),
    (NONE, "$5", "$5 per hour"),
    (NONE, "5 apples", "5 pears"),
    (NONE, "5", "5 apples and 3 pears"),
    (NONE, "1/3", "0.333"),
    (NONE, "1/3", "0.33333333"),
    (NONE, "1/2", "2"),
    (NONE, "2/3", "3/2"),
    (NONE, "1 1/2", "11/2"),
    (NONE, "10²", "102"),
    (NONE, "10^3", "103"),
    (NONE, "5!", "5"),
    (NONE, "5", "5-10"),
    (NONE, "5", "5 to 10"),
    (NONE, "5", "> 5"),
    (NONE, "5", "at least 5"),
    (NONE, "5", "5+"),
    (NONE, "5", "5 ± 1"),
    (NONE, "5", "5 or 6"),
    (NONE, "5", "5th"),
    (NONE, "5", "#5"),
    (NONE, "5", "not 5"),
    (NONE, "5", "5, 6"),
    (NONE, "1,2,3", "123"),
    (NONE, "1.2.3", "123"),
    (NONE, "x = 5", "y = 5"),
    (NONE, "x = 5", "x = 6"),
    (NONE, "x = 5, y = 3", "5"),
    (NONE, "03/04/2026", "2026-04-03"),
    (NONE, "03/04/2026", "2026-03-04"),
    (NONE, "03/04/2026", "04/03/2026"),
    (NONE, "3.4.2026", "4.3.2026"),
    (NONE, "3 April 2026", "3 April 2025"),
    (NONE, "3 April 2026", "April 2026"),
    (NONE, "3 April 2026", "3 April"),
    (NONE, "Monday, 3 April 2026", "3 April 2026"),
    (NONE, "2026", "April 2026"),
    (NONE, "3.4.26", "2026-04-03"),
    (NONE, "2:30 am", "2:30 pm"),
    (NONE, "2:30", "2.30"),
    (NONE, "3:4", "3/4"),
    (NONE, "1e400", "1e401"),
    (NONE, "Ada Lovelace", "Ada Byron"),
    (NONE, "José", "Jose"),
    (NONE, "Route 66", "66"),
    (NONE, "twenty-third", "23"),
    (NONE, "Half-Life", "0.5"),
    (NONE, "\\sqrt{2}", "2"),
    (NONE, "\\pi", "3.14"),
    (NONE, "$5 off", "$5"),
    (NONE, "-1/2", "1/2"),
    (NONE, "-50 %", "50 %"),
    (NONE, "5\"", "5'"),
    (NONE, "5\"", "5"),
    (NONE, "5'", "5"),
    (NONE, "5′", "5 m"),
    (NONE, "(1,2)", "1.2"),
    (NONE, "[1,2]", "(1,2)"),
    (NONE, "[1, 2]", "1.2"),
    (NONE, "{1,2}", "1.2"),
    (NONE, "(1; 2)", "1"),
    (NONE, "$\\{1,2\\}$", "1.2"),
    (NONE, "Option B", "Option 8"),
    (NONE, "Plan B", "B"),
    (NONE, "answer A is wrong", "A"),
    (NONE, "minus 5", "5"),
    (NONE, "", "0"),
    (TEA, "B", "C"),
    (TEA, "B", "B and C"),
    (TEA, "A", "A cup of tea"),
    (TEA, "A, C", "A"),
    (TEA, "D", "D or A"),
    (TEA, "5 km", "5 miles"),
    (HOURS, "3 hours", "180"),
    (HOURS, "3 days", "3"),
    (PERCENT, "0.5 %", "50 %"),
    (APPLES, "5 apples", "5 pears"),
    (APPLES, "5", "5 pears"),
    (LABELED, "Q7: 42", "Q8: 42"),
    (LABELED, "Q8: 42", "42"),
    (NONE, "Q7: 42", "42"),
    ("Q7: How many?\nQ8: How long?", "Q7: 42", "42"),
    (NONE, "15:15:00", "15:15:30"),
    (NONE, "10₂", "102"),
    (NONE, "x₁", "x₂"),
    (NONE, "H2O", "H₂O₂"),
    (NONE, "1 GB", "1 MB"),
    (NONE, "1 GB", "1 Gb"),
    (NONE, "x is 7", "y is 7"),
    (NONE, "sqrt(3)", "3"),
    (NONE, "]0,1[", "[0,1]"),
    (GERMAN, "1.234", "1234"),
    (GERMAN, "1,234", "1234"),
    (GERMAN, "1.234", "1.2340"),
];

#[test]
fn spellings_of_one_value_are_the_same() {
    let mut pairs = 0;
    for (question, spellings) in SAME {
        let reader = AnswerReader::new(question);
        for one in *spellings {
            for other in *spellings {
                let read = |text: &str| {
                    reader
                        .parse_statement(text)
                        .unwrap_or_else(|| panic!("{text}"))
                };
                let (left, right) = (read(one), read(other));
                // Answers that omit different things are compared through the complete spellings.
                let is_partial = matches!((*one, *other), ("x = 1200", _) | (_, "x = 1200"));
                assert!(
                    left.has_same_value(&right) || is_partial,
                    "{one} | {other}: {left:?} {right:?}"
                );
                pairs += usize::from(one != other);
            }
        }
        let values: Vec<AnswerValue> = spellings
            .iter()
            .filter_map(|text| reader.parse_statement(text))
            .collect();
        let groups = group_equal(&values);
        assert!(
            groups.iter().all(|group| *group == 0),
            "{spellings:?}: {groups:?}"
        );
    }
    assert!(pairs / 2 >= 150, "{pairs}");
}

#[test]
fn possibly_different_values_are_never_merged() {
    for (question, one, other) in DIFFERENT {
        let reader = AnswerReader::new(question);
        let (left, right) = (reader.parse_statement(one), reader.parse_statement(other));
        if let (Some(left), Some(right)) = (&left, &right) {
            assert!(
                !left.has_same_value(right) && !right.has_same_value(left),
                "{one} | {other}: {left:?} {right:?}"
            );
        }
        assert!(left.is_some() || right.is_some(), "{one} | {other}");
    }
    assert!(DIFFERENT.len() >= 100, "{}", DIFFERENT.len());
}

#[test]
fn incomplete_values_join_only_one_compatible_group() {
    let reader = AnswerReader::new(HOURS);
    for (answers, groups) in [
        (vec!["5", "$5", "5 dollars"], vec![0, 0, 0]),
        (vec!["5\"", "5'", "5 m"], vec![0, 1, 2]),
        (vec!["5", "$5", "5 €"], vec![0, 1, 2]),
        (vec!["180", "3 hours", "180 minutes"], vec![0, 0, 0]),
        (vec!["3", "3 hours", "3 minutes"], vec![0, 1, 2]),
        (vec!["x = 5", "5", "y = 5"], vec![0, 1, 2]),
        (vec!["b", "a", "B"], vec![0, 1, 0]),
    ] {
        let values: Vec<AnswerValue> = answers
            .iter()
            .filter_map(|text| reader.parse_statement(text))
            .collect();
        assert_eq!(group_equal(&values), groups, "{answers:?}");
    }
}

#[test]
fn full_answers_are_read_from_their_closing_statement() {
    for (question, answer, expected) in [
        (TEA, "Because …\n\n**Answer: B**", Some("B")),
        (TEA, "Final answer: (b) black coffee.", Some("B")),
        (TEA, "Answer: B) water", None),
        (NONE, "48 / 2 = 24\n48 + 24 = 72\n#### 72", Some("72")),
        (NONE, "Therefore $x = \\boxed{1{,}200}$.", Some("1200")),
        (
            NONE,
            "It adds up.\nSo the answer is $1,200.",
            Some("1200 usd"),
        ),
        (NONE, "Answer: - 5", Some("-5")),
        (NONE, "Answer: .5", Some("0.5")),
        (NONE, "Friday, the 3rd of April 2026", Some("2026-04-03")),
        (NONE, "It may have been Ada, or Grace; nobody knows.", None),
        (NONE, "Answer:", None),
        (LABELED, "5 fell off.\nQ7: 42", Some("42")),
        (LABELED, "5 fell off.\nQ8: 42", None),
        (LABELED, "Answer: Q7: 42", Some("42")),
    ] {
        let read = AnswerReader::new(question).read(answer);
        assert_eq!(
            read.map(|value| value.to_string()).as_deref(),
            expected,
            "{answer}"
        );
    }
    assert!(common_value(NONE, &["a\nAnswer: $5", "b\nAnswer: 5 dollars"]).is_some());
    assert_eq!(common_value(NONE, &["a\nAnswer: 5", "b\nAnswer: 6"]), None);
    assert_eq!(common_value(NONE, &["Answer: 5"]), None);
    assert_eq!(
        common_value(NONE, &["Answer: 5", "It depends.\nOn much."]),
        None
    );
}

#[test]
fn numerals_alone_are_numbers() {
    assert_eq!(parse_number("1,500"), parse_number("1 500"));
    assert_eq!(parse_number("10³"), parse_number("1000"));
    assert_ne!(parse_number("10²"), parse_number("102"));
    assert_eq!(parse_number("5 km"), None);
}
