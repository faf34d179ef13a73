//! Tests which answers count as equal, with hand-written pairs and random properties.

mod pairs;
mod properties;

use super::*;

/// An empty question, which gives the answers no context.
const BLANK: &str = "";
const TEA_QUESTION: &str = "What is best?\nA) tea\nB) black coffee\nC) water\nD) 5 km";
const HOURS_QUESTION: &str = "How many hours does it take, and how many minutes?";
const PERCENT_QUESTION: &str = "What percentage of them came?";
const DATE_QUESTION: &str = "On which date did it end?";
const PRICE_QUESTION: &str = "How much does it cost?";
const WEIGHT_QUESTION: &str = "How much does it weigh?";
const APPLES_QUESTION: &str = "How many apples are left?";
const GERMAN_QUESTION: &str = "Wie viele Einwohner hat die Stadt und wie groß ist sie?";

const LABELED_QUESTION: &str = "Q7: How many apples are left?";

/// Each row has a question and several spellings of one value, all of which must be equal.
const EQUAL_ANSWERS: &[(&str, &[&str])] = &[
    (
        BLANK,
        &["$1,200.00", "1200", "1.2k", "\\boxed{1200}", "x = 1200"],
    ),
    (
        BLANK,
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
        BLANK,
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
        BLANK,
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
        BLANK,
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
        BLANK,
        &[
            "90 minutes",
            "1.5 hours",
            "1 h 30 min",
            "1 hour and 30 minutes",
            "1½ hours",
            "1h30min",
        ],
    ),
    (BLANK, &["2 km", "2000 m", "2 kilometers", "200,000 cm"]),
    (BLANK, &["36 km/h", "10 m/s", "36 km per hour", "36 kph"]),
    (BLANK, &["1 inch", "2.54 cm", "1 in"]),
    (BLANK, &["1.5 kg", "1500 g", "1 1/2 kg"]),
    (BLANK, &["1.234,5", "1,234.5", "1234.5", "1 234.5"]),
    (BLANK, &["1.250,00 EUR", "€1250", "1250 Euro", "EUR 1,250"]),
    (BLANK, &["-5", "- 5", "−5", "-5.0"]),
    (
        BLANK,
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
    (BLANK, &["July 4", "4 July", "the 4th of July", "4. Juli"]),
    (BLANK, &["2:30 pm", "14:30"]),
    (
        BLANK,
        &["yes", "Yes.", "**Yes**", "true", "ja", "Yes, it is"],
    ),
    (BLANK, &["no", "No!", "false", "Nein", "No, that is wrong"]),
    (
        BLANK,
        &[
            "Ada Lovelace",
            "*Ada  Lovelace*",
            "\"ada lovelace\"",
            "Ada Lovelace.",
        ],
    ),
    (BLANK, &["the Eiffel Tower", "Eiffel Tower"]),
    (
        BLANK,
        &["1/3", "\\frac13", "\\dfrac{1}{3}", "a third", "2/6", "⅓"],
    ),
    (
        BLANK,
        &["3 million", "3,000,000", "3M", "3e6", "3 Millionen"],
    ),
    (
        BLANK,
        &["$5 m", "$5 million", "$5,000,000", "5 million dollars"],
    ),
    (
        BLANK,
        &["1.2bn", "1.2 billion", "1,200,000,000", "1,2 Mrd."],
    ),
    (BLANK, &["12", "twelve", "a dozen", "zwölf"]),
    (
        BLANK,
        &["120", "one hundred and twenty", "a hundred and twenty"],
    ),
    (BLANK, &["(1,2)", "(1, 2)", "( 1 , 2 )", "(1, 2)."]),
    (BLANK, &["{1,2}", "{1, 2}", "\\{1, 2\\}"]),
    (BLANK, &["√2", "\\sqrt{2}", "$\\sqrt{2}$", "\\sqrt2"]),
    (
        BLANK,
        &["4 May 2026", "4-May-2026", "4 maggio 2026", "4 мая 2026"],
    ),
    (DATE_QUESTION, &["4 May 2026", "20260504", "2026-05-04"]),
    (PRICE_QUESTION, &["£5", "5 pounds", "5 GBP", "£5.00"]),
    (BLANK, &["-$5", "($5)", "$-5", "($5.00)"]),
    (BLANK, &["5 m²", "5 m^2", "5 square meters"]),
    (BLANK, &["(B)", "[B]", "b"]),
    (BLANK, &["x = 5", "x=5", "$x = 5$", "5"]),
    (BLANK, &["2 + 3 = 5", "5"]),
    (BLANK, &["10^3", "1000", "10³"]),
    (BLANK, &["5\"", "5”", "5″", "**5\"**"]),
    (BLANK, &["5'", "5’", "5′"]),
    (
        BLANK,
        &[
            "(B)",
            "Option B",
            "The answer is B",
            "option (b)",
            "choice B.",
        ],
    ),
    (BLANK, &["-5", "minus 5", "negative five", "Minus 5"]),
    (BLANK, &["20°C", "20 ℃", "20 °C"]),
    (BLANK, &["π", "\\pi", "$\\pi$"]),
    (BLANK, &["2π", "2\\pi"]),
    (BLANK, &["≈ 3.14", "3.14", "about 3.14", "~3.14"]),
    (
        BLANK,
        &["25 °C", "25°C", "25 degrees Celsius", "25^\\circ C"],
    ),
    (BLANK, &["5 apples", "5 apple", "5 Apples."]),
    (
        TEA_QUESTION,
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
    (TEA_QUESTION, &["D", "5 km", "5000 m", "D) 5 km"]),
    (HOURS_QUESTION, &["3 hours", "3"]),
    (HOURS_QUESTION, &["180 minutes", "180"]),
    (PERCENT_QUESTION, &["50", "50 %", "50 percent"]),
    (APPLES_QUESTION, &["5", "5 apples", "five apples"]),
    (GERMAN_QUESTION, &["12.345,6", "12345,6", "12 345.6"]),
    (
        LABELED_QUESTION,
        &["42", "Q7: 42", "**Q7:** 42", "Q7) 42 apples"],
    ),
    (
        BLANK,
        &["3:15 pm", "3:15 p.m.", "3.15 pm", "15:15:00", "15h15"],
    ),
    (BLANK, &["x = 7", "x is 7", "7"]),
    (BLANK, &["√3", "sqrt(3)", "\\sqrt{3}"]),
    (BLANK, &["H2O", "H₂O"]),
    (BLANK, &["1 GB", "1 gigabyte"]),
];

/// Each row has a question and two answers that differ, or may differ.
const DIFFERENT_ANSWERS: &[(&str, &str, &str)] = &[
    (BLANK, ".5", "5"),
    (BLANK, "- 5", "5"),
    (BLANK, "-5", "5"),
    (BLANK, "−0.5", "0.5"),
    (BLANK, "no", "No. 5"),
    (BLANK, "no", "No 5"),
    (BLANK, "5", "No. 5"),
    (BLANK, "yes", "True North"),
    (BLANK, "true", "True North"),
    (BLANK, "yes", "Yes, Minister"),
    (BLANK, "no", "Norway"),
    (BLANK, "no", "not"),
    (BLANK, "yes", "no"),
    (BLANK, "no", "undecided"),
    (BLANK, "1,234", "1.234"),
    (BLANK, "1.2", "12"),
    (BLANK, "1.2k", "1.2"),
    (BLANK, "1.2k", "1.2M"),
    (BLANK, "$5", "5 €"),
    (BLANK, "£5", "5 pounds"),
    (WEIGHT_QUESTION, "£5", "5 pounds"),
    (BLANK, "20260504", "4 May 2026"),
    (BLANK, "5 Cal", "5 cal"),
    (BLANK, "mg", "Mg"),
    (BLANK, "p", "P"),
    (BLANK, "x", "X"),
    (BLANK, "σ", "Σ"),
    (BLANK, "pH", "PH"),
    (BLANK, "f'", "f"),
    (BLANK, "0.3...", "0.3"),
    (BLANK, "0.333…", "0.333"),
    (BLANK, "5*", "5"),
    (BLANK, "[5]", "5"),
    (BLANK, "{5}", "5"),
    (BLANK, "A)", "A*"),
    (BLANK, "($5)", "$5"),
    (BLANK, "5", "five or six"),
    (BLANK, "5", "5 is wrong"),
    (BLANK, "5", "5 at most"),
    (BLANK, "\\sqrt[3]{2}", "\\sqrt{2}"),
    (BLANK, "CA$5", "$5"),
    (BLANK, "5 %", "5"),
    (BLANK, "50", "50 %"),
    (BLANK, "5 %", "5 percentage points"),
    (BLANK, "5 %", "5 ‰"),
    (BLANK, "5 km", "5"),
    (BLANK, "5 km", "5 miles"),
    (BLANK, "5 m", "5 M"),
    (BLANK, "5m", "5M"),
    (BLANK, "300 K", "300 k"),
    (BLANK, "5 kg", "5 g"),
    (BLANK, "3 hours", "3 minutes"),
    (BLANK, "3 hours", "180"),
    (BLANK, "1 month", "30 days"),
    (BLANK, "20 °C", "20 °F"),
    (BLANK, "5 km/h", "5 km"),
    (BLANK, "$5", "$5 per hour"),
    (BLANK, "5 apples", "5 pears"),
    (BLANK, "5", "5 apples and 3 pears"),
    (BLANK, "1/3", "0.333"),
    (BLANK, "1/3", "0.33333333"),
    (BLANK, "1/2", "2"),
    (BLANK, "2/3", "3/2"),
    (BLANK, "1 1/2", "11/2"),
    (BLANK, "10²", "102"),
    (BLANK, "10^3", "103"),
    (BLANK, "5!", "5"),
    (BLANK, "5", "5-10"),
    (BLANK, "5", "5 to 10"),
    (BLANK, "5", "> 5"),
    (BLANK, "5", "at least 5"),
    (BLANK, "5", "5+"),
    (BLANK, "5", "5 ± 1"),
    (BLANK, "5", "5 or 6"),
    (BLANK, "5", "5th"),
    (BLANK, "5", "#5"),
    (BLANK, "5", "not 5"),
    (BLANK, "5", "5, 6"),
    (BLANK, "1,2,3", "123"),
    (BLANK, "1.2.3", "123"),
    (BLANK, "x = 5", "y = 5"),
    (BLANK, "x = 5", "x = 6"),
    (BLANK, "x = 5, y = 3", "5"),
    (BLANK, "03/04/2026", "2026-04-03"),
    (BLANK, "03/04/2026", "2026-03-04"),
    (BLANK, "03/04/2026", "04/03/2026"),
    (BLANK, "3.4.2026", "4.3.2026"),
    (BLANK, "3 April 2026", "3 April 2025"),
    (BLANK, "3 April 2026", "April 2026"),
    (BLANK, "3 April 2026", "3 April"),
    (BLANK, "Monday, 3 April 2026", "3 April 2026"),
    (BLANK, "2026", "April 2026"),
    (BLANK, "3.4.26", "2026-04-03"),
    (BLANK, "2:30 am", "2:30 pm"),
    (BLANK, "2:30", "2.30"),
    (BLANK, "3:4", "3/4"),
    (BLANK, "1e400", "1e401"),
    (BLANK, "Ada Lovelace", "Ada Byron"),
    (BLANK, "José", "Jose"),
    (BLANK, "Route 66", "66"),
    (BLANK, "twenty-third", "23"),
    (BLANK, "Half-Life", "0.5"),
    (BLANK, "\\sqrt{2}", "2"),
    (BLANK, "\\pi", "3.14"),
    (BLANK, "$5 off", "$5"),
    (BLANK, "-1/2", "1/2"),
    (BLANK, "-50 %", "50 %"),
    (BLANK, "5\"", "5'"),
    (BLANK, "5\"", "5"),
    (BLANK, "5'", "5"),
    (BLANK, "5′", "5 m"),
    (BLANK, "(1,2)", "1.2"),
    (BLANK, "[1,2]", "(1,2)"),
    (BLANK, "[1, 2]", "1.2"),
    (BLANK, "{1,2}", "1.2"),
    (BLANK, "(1; 2)", "1"),
    (BLANK, "$\\{1,2\\}$", "1.2"),
    (BLANK, "Option B", "Option 8"),
    (BLANK, "Plan B", "B"),
    (BLANK, "answer A is wrong", "A"),
    (BLANK, "minus 5", "5"),
    (BLANK, "", "0"),
    (TEA_QUESTION, "B", "C"),
    (TEA_QUESTION, "B", "B and C"),
    (TEA_QUESTION, "A", "A cup of tea"),
    (TEA_QUESTION, "A, C", "A"),
    (TEA_QUESTION, "D", "D or A"),
    (TEA_QUESTION, "5 km", "5 miles"),
    (HOURS_QUESTION, "3 hours", "180"),
    (HOURS_QUESTION, "3 days", "3"),
    (PERCENT_QUESTION, "0.5 %", "50 %"),
    (APPLES_QUESTION, "5 apples", "5 pears"),
    (APPLES_QUESTION, "5", "5 pears"),
    (LABELED_QUESTION, "Q7: 42", "Q8: 42"),
    (LABELED_QUESTION, "Q8: 42", "42"),
    (BLANK, "Q7: 42", "42"),
    ("Q7: How many?\nQ8: How long?", "Q7: 42", "42"),
    (BLANK, "15:15:00", "15:15:30"),
    (BLANK, "10₂", "102"),
    (BLANK, "x₁", "x₂"),
    (BLANK, "H2O", "H₂O₂"),
    (BLANK, "1 GB", "1 MB"),
    (BLANK, "1 GB", "1 Gb"),
    (BLANK, "x is 7", "y is 7"),
    (BLANK, "sqrt(3)", "3"),
    (BLANK, "]0,1[", "[0,1]"),
    (GERMAN_QUESTION, "1.234", "1234"),
    (GERMAN_QUESTION, "1,234", "1234"),
    (GERMAN_QUESTION, "1.234", "1.2340"),
];

#[test]
fn spellings_of_one_value_are_the_same() {
    let mut pairs = 0;
    for (question, spellings) in EQUAL_ANSWERS {
        let reader = AnswerReader::new(question);
        for one in *spellings {
            for other in *spellings {
                let read = |text: &str| {
                    reader
                        .parse_statement(text)
                        .unwrap_or_else(|| panic!("{text}"))
                };
                let (left, right) = (read(one), read(other));
                // Two answers that each leave something out equal the complete spellings, but not necessarily
                // each other.
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
        let groups = group_equal_values(&values);
        assert!(
            groups.iter().all(|group| *group == 0),
            "{spellings:?}: {groups:?}"
        );
    }
    assert!(pairs / 2 >= 150, "{pairs}");
}

#[test]
fn possibly_different_values_are_never_merged() {
    for (question, one, other) in DIFFERENT_ANSWERS {
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
    assert!(
        DIFFERENT_ANSWERS.len() >= 100,
        "{}",
        DIFFERENT_ANSWERS.len()
    );
}

#[test]
fn incomplete_values_join_only_one_compatible_group() {
    let reader = AnswerReader::new(HOURS_QUESTION);
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
        assert_eq!(group_equal_values(&values), groups, "{answers:?}");
    }
}

#[test]
fn full_answers_are_read_from_their_closing_statement() {
    for (question, answer, expected) in [
        (TEA_QUESTION, "Because …\n\n**Answer: B**", Some("B")),
        (TEA_QUESTION, "Final answer: (b) black coffee.", Some("B")),
        (TEA_QUESTION, "Answer: B) water", None),
        (BLANK, "48 / 2 = 24\n48 + 24 = 72\n#### 72", Some("72")),
        (BLANK, "Therefore $x = \\boxed{1{,}200}$.", Some("1200")),
        (
            BLANK,
            "It adds up.\nSo the answer is $1,200.",
            Some("1200 usd"),
        ),
        (BLANK, "Answer: - 5", Some("-5")),
        (BLANK, "Answer: .5", Some("0.5")),
        (BLANK, "Friday, the 3rd of April 2026", Some("2026-04-03")),
        (BLANK, "It may have been Ada, or Grace; nobody knows.", None),
        (BLANK, "Answer:", None),
        (LABELED_QUESTION, "5 fell off.\nQ7: 42", Some("42")),
        (LABELED_QUESTION, "5 fell off.\nQ8: 42", None),
        (LABELED_QUESTION, "Answer: Q7: 42", Some("42")),
    ] {
        let read = AnswerReader::new(question).read(answer);
        assert_eq!(
            read.map(|value| value.to_string()).as_deref(),
            expected,
            "{answer}"
        );
    }
    assert!(common_value(BLANK, &["a\nAnswer: $5", "b\nAnswer: 5 dollars"]).is_some());
    assert_eq!(common_value(BLANK, &["a\nAnswer: 5", "b\nAnswer: 6"]), None);
    assert_eq!(common_value(BLANK, &["Answer: 5"]), None);
    assert_eq!(
        common_value(BLANK, &["Answer: 5", "It depends.\nOn much."]),
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
