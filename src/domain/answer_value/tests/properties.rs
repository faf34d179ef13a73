//! Property tests: any text can be read, and normalizing a value twice changes nothing.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "5", "1,234", "1.5", ".5", "-", "−", "- ", " ", "$", "€", "%", " %", "‰", "k", "M", " km",
        "/h", " per ", "x = ", "=", "1/2", "½", "\\frac{", "}", "{", "\\boxed{", "^", "³", "e5",
        "×10^", "April", "2026", ".04.", "/", "yes", "No. ", "True ", "the ", "The ", "(", ")",
        "A) ", "b", "**", "\"", ".", ",", "!", ":", " pm", "half ", "a ", "dozen", "million",
        "hours", " and ", "İ", "ß", "中", "\\text{", "5 m 3 cm", "~", "# ", "\n", "Answer: ",
    ];
    let piece = prop_oneof![
        prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn normalization_is_idempotent(statement in text(), question in text()) {
        let reader = AnswerReader::new(&question);
        if let Some(value) = reader.parse_statement(&statement) {
            let form = value.to_string();
            let again = reader.parse_statement(&form);
            prop_assert_eq!(again.map(|value| value.to_string()), Some(form));
        }
    }

    #[test]
    fn sameness_is_symmetric(one in text(), other in text(), question in text()) {
        let reader = AnswerReader::new(&question);
        if let (Some(left), Some(right)) = (reader.parse_statement(&one), reader.parse_statement(&other)) {
            prop_assert_eq!(left.has_same_value(&right), right.has_same_value(&left));
            prop_assert!(left.has_same_value(&left));
        }
    }

    #[test]
    fn no_text_panics(one in text(), other in text()) {
        let reader = AnswerReader::new(&other);
        reader.read(&one);
        AnswerReader::final_statement(&one);
        numbers_in(&one);
        last_stated_number(&one);
        parse_number(&one);
        common_value(&other, &[&one, &other, &one]);
    }
}
