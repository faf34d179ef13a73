//! Tests passage boundaries, and that no text is lost.

use super::*;
use proptest::prelude::*;

fn page(text: &str) -> PageText {
    PageText {
        number: 1,
        title: String::new(),
        text: text.to_owned(),
    }
}

fn cut_at(text: &str) -> Vec<String> {
    split_into_passages(&[page(text)])
        .into_iter()
        .map(|p| p.text)
        .collect()
}

#[test]
fn short_texts_stay_whole() {
    for (text, expected) in [
        ("", vec![]),
        (" \n\t\n", vec![]),
        ("one", vec!["one"]),
        ("\n\n    indented\n", vec!["    indented"]),
        ("a\n\nb", vec!["a\n\nb"]),
    ] {
        assert_eq!(cut_at(text), expected, "{text:?}");
    }
}

#[test]
fn passages_end_at_the_best_boundary() {
    let word = "word ".repeat(150); // 750 characters
    let by_paragraph = format!("{word}\n\n{word}");
    assert_eq!(cut_at(&by_paragraph)[0].len(), 749);
    let sentences = "This sentence has exactly forty letters. ".repeat(60);
    assert!(cut_at(&sentences).iter().all(|p| p.ends_with("letters.")));
    let words = "abcdefg ".repeat(400);
    assert!(
        cut_at(&words)
            .iter()
            .all(|p| p.ends_with("abcdefg") && p.starts_with("abcdefg"))
    );
    let unbroken_text = "ä".repeat(3_000);
    assert_eq!(
        cut_at(&unbroken_text)
            .iter()
            .map(|p| p.chars().count())
            .collect::<Vec<_>>(),
        [1_200, 1_200, 600]
    );
}

#[test]
fn a_short_remainder_joins_the_passage_before_it() {
    let text = format!("{}end", "word ".repeat(250));
    assert_eq!(cut_at(&text).len(), 1);
}

#[test]
fn headings_start_passages_and_name_them() {
    let body = "Some text here. ".repeat(30);
    let text =
        format!("# Title\n\n## First\n\n{body}\n\n## Second\n\n{body}\n\n```\n# no heading\n```\n");
    let passages = split_into_passages(&[page(&text)]);
    let heads: Vec<&str> = passages.iter().map(|p| p.heading.as_str()).collect();
    assert_eq!(heads, ["First", "Second"]);
    assert!(passages[1].text.starts_with("## Second"));
}

#[test]
fn page_title_is_the_heading_of_pages_without_one() {
    let titled = PageText {
        title: "Sheet 1".into(),
        ..page("a | b")
    };
    assert_eq!(split_into_passages(&[titled])[0].heading, "Sheet 1");
}

#[test]
fn words_are_counted() {
    for (text, expected) in [
        ("", 0),
        ("a b-c  d", 3),
        ("— –", 0),
        ("量子計算", 4),
        ("naïve café.", 2),
        ("x = 1", 2),
    ] {
        assert_eq!(count_words(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn passages_are_exact_slices_and_lose_no_word(text in "([a-zé量😀#.\\n ]{0,40}|[ab]{200,900}| {3}|\\n\\n){0,60}") {
        let pages = [page(&text)];
        let passages = split_into_passages(&pages);
        let mut last = 0;
        for (index, passage) in passages.iter().enumerate() {
            let (start, end) = (passage.start as usize, passage.end as usize);
            prop_assert_eq!(&text[start..end], passage.text.as_str());
            prop_assert_eq!(passage.ordinal as usize, index);
            prop_assert!(start >= last && !passage.text.trim().is_empty());
            prop_assert!(text[last..start].trim().is_empty());
            prop_assert!(passage.text.chars().count() <= MAX_LENGTH + MAX_REMAINDER_CHARS);
            last = end;
        }
        prop_assert!(text[last..].trim().is_empty());
    }
}

#[test]
fn table_rows_stay_whole_and_keep_their_header() {
    let row = "| 2024-01-01 | A long remark. With two sentences. | 17 |\n";
    let table = format!(
        "# Costs\n\n| Day | Remark | Sum |\n| --- | --- | --- |\n{}",
        row.repeat(80)
    );
    let passages = split_into_passages(&[page(&table)]);
    assert!(passages.len() > 2);
    for passage in &passages {
        assert!(
            passage.text.ends_with('|')
                && passage.text.contains("| Sum |") != passage.heading.contains("| Sum |"),
            "{passage:?}"
        );
    }
    assert_eq!(passages[1].heading, "Costs | Day | Remark | Sum |");
    let named_rows = "Day: 1 | Remark: Yes. No | Sum: 3\n".repeat(90);
    let passages = split_into_passages(&[page(&named_rows)]);
    assert!(
        passages
            .iter()
            .all(|p| p.text.starts_with("Day: 1") && p.text.ends_with("Sum: 3"))
    );
}

#[test]
fn code_stays_together_while_it_fits() {
    let prose = "Some words that say nothing. ".repeat(20);
    let code = format!("```rust\n{}```\n", "let a = 1;\n\n".repeat(60));
    let passages = cut_at(&format!("{prose}\n\n{code}\n\n{prose}"));
    assert!(
        passages[1].starts_with("```rust") && passages[1].contains("```\n"),
        "{passages:?}"
    );
    // An unclosed fence does not keep the text below it together, and headings below it count as headings.
    let passages = split_into_passages(&[page(&format!(
        "{}\n```\n{prose}\n\n{prose}",
        "a ".repeat(200)
    ))]);
    assert!(passages.len() > 1);
}

#[test]
fn abbreviations_end_no_sentence() {
    let text = "We met e.g. here and went etc. on to the next place in good time. ".repeat(40);
    assert!(cut_at(&text).iter().all(|p| p.ends_with("time.")));
}

#[test]
fn sections_continue_across_pages() {
    let pages = [
        page("# Duties\n\nfirst"),
        PageText {
            number: 2,
            ..page("second")
        },
        PageText {
            number: 3,
            title: "Annex".into(),
            ..page("third")
        },
        PageText {
            number: 4,
            ..page("fourth\n\n# Last")
        },
    ];
    let mut splitter = PassageSplitter::new();
    let passages: Vec<(u32, u32, String)> = pages
        .iter()
        .flat_map(|page| splitter.split_page(page))
        .map(|p| (p.ordinal, p.page, p.heading))
        .collect();
    let expected = [
        (0, 1, "Duties"),
        (1, 2, "Duties"),
        (2, 3, "Annex"),
        (3, 4, "Annex"),
    ];
    assert_eq!(
        passages,
        expected.map(|(n, page, heading)| (n, page, heading.to_owned()))
    );
}
