//! Property tests over arbitrary text: nothing panics, and a verified quotation reads like the original.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

// Generates words, numbers, symbols, and characters of every kind, chosen so that texts and quotations often match.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(
            &[
                "the ",
                "tenant ",
                "shall ",
                "not ",
                "pay ",
                "schön ",
                "schon ",
                "Straße ",
                "1,500 ",
                "1 500",
                "10²",
                "10^2 ",
                "-5 ",
                "3/4 ",
                "½ ",
                "(1,234) ",
                "$",
                "% ",
                "5-10 ",
                "→ ",
                "[3] ",
                "[D1:p4] ",
                "[T]",
                "[sic] ",
                "… ",
                "... ",
                "manu-\n",
                "factures ",
                "\n",
                "“",
                "”",
                "\"",
                "量子",
                "不",
                "ｶﾞ",
                "H₂O ",
                "shares¹ ",
                "½",
                "①",
                "٣",
                "कि",
                "ผู้",
                "\u{301}",
                "\u{AD}",
                "\u{200B}",
                "^{",
                "}",
                "**",
                "$x_2$",
                "=\u{338}",
                "한",
                "\u{1112}\u{1161}",
                "ﬁ",
                "²",
                "₂",
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-c]{1,3} ",
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

// Returns the letters and digits of a text without accents. A superscript digit is included only after a
// number, because elsewhere it may be a footnote number.
fn letters(text: &str) -> String {
    let mut previous_char = ' ';
    let is_kept = |c: &char| {
        let last = std::mem::replace(&mut previous_char, *c);
        *c != '²' || last.is_ascii_digit()
    };
    let filtered: String = text.chars().filter(is_kept).collect();
    let upper: String = filtered.nfkd().flat_map(char::to_uppercase).collect();
    upper.nfkd().filter(|c| c.is_alphanumeric()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn arbitrary_text_never_panics(one in text(), other in text()) {
        let prepared = ComparableText::from_text(&one);
        for found in [locate(&other, &prepared), locate(&one, &prepared)].into_iter().flatten() {
            prop_assert!(one.get(found.start..found.end).is_some(), "{:?}", found);
            for range in &found.omitted {
                prop_assert!(one.get(range.clone()).is_some(), "{:?}", found);
            }
        }
        for word in prepared.words() {
            prop_assert!(one.get(word.start..word.end).is_some_and(|raw| !raw.is_empty()), "{:?}", word);
        }
    }

    #[test]
    fn verified_text_has_the_letters_of_the_quotation(
        before in "[a-d0-9 .,%$€/-]{0,12}",
        quote in "([a-d0-9éñÄ²½ .,;:%$€/^→∈()\n-]|H₂){1,24}",
        behind in "[a-d0-9 .,%$€/-]{0,12}",
        noise in "([a-d0-9éñÄ²½ .,;:%$€/^→∈()\n-]|H₂){1,24}",
    ) {
        let text = format!("{before} {quote} {behind}");
        for quote in [&quote, &noise] {
            if let Some(range) = verify(&text, quote) {
                prop_assert_eq!(letters(&text[range]), letters(quote));
            }
        }
    }
}
