//! Recognizes negations and numbers in languages other than English and German, as far as this is possible without
//! understanding the language. They can only count against a quotation, never confirm it.

use std::collections::BTreeSet;

use super::tokens::tokens;

/// Negating words in languages that separate words with spaces.
const NEGATIONS: &[&str] = &[
    "ne",
    "pas",
    "jamais",
    "aucun",
    "aucune",
    "rien",
    "sans",
    "ni",
    "non",
    "nessun",
    "nessuno",
    "nessuna",
    "senza",
    "niente",
    "nunca",
    "jamás",
    "nadie",
    "nada",
    "ningún",
    "ninguno",
    "ninguna",
    "sin",
    "tampoco",
    "não",
    "nenhum",
    "nenhuma",
    "ninguém",
    "sem",
    "geen",
    "niet",
    "nooit",
    "niets",
    "zonder",
    "inte",
    "ikke",
    "ikkje",
    "ingen",
    "inget",
    "inga",
    "aldrig",
    "aldri",
    "utan",
    "uden",
    "uten",
    "bez",
    "żaden",
    "nigdy",
    "není",
    "nikdy",
    "žádný",
    "nem",
    "nincs",
    "soha",
    "ei",
    "eivät",
    "değil",
    "yok",
    "asla",
    "nu",
    "tidak",
    "bukan",
    "tanpa",
    "không",
    "chưa",
    "не",
    "нет",
    "никогда",
    "ни",
    "без",
    "немає",
    "δεν",
    "μην",
    "όχι",
    "ποτέ",
    "לא",
    "אין",
    "نیست",
    "هرگز",
    "لا",
    "لم",
    "ليس",
    "ليست",
    "لن",
    "غير",
    "بدون",
];
/// Negating characters and endings in languages that do not separate words, or that attach the negation to the word.
const PART_WORDS: &[&str] = &[
    "不",
    "无",
    "無",
    "没",
    "沒",
    "未",
    "非",
    "勿",
    "ない",
    "ません",
    "なかった",
    "않",
    "아니",
    "없",
    "못",
    "नहीं",
    "ไม่",
    "ບໍ່",
    "មិន",
    "ဘူး",
];
/// Chinese and Japanese numerals.
const CJK_NUMERALS: &str = "一二三四五六七八九十百千万萬亿億两兩半〇零";

/// Returns why the words quoted for a sentence do not support it; `None` if there is no objection.
pub(super) fn objection(sentence: &str, quote: &str) -> Option<String> {
    let negates = |text: &str| {
        let mut words = tokens(text).into_iter();
        words.any(|token| NEGATIONS.contains(&token.text.as_str()) || token.text.starts_with("n'"))
    };
    let parts = |text: &str| -> usize {
        PART_WORDS
            .iter()
            .map(|part| text.matches(part).count())
            .sum()
    };
    if negates(sentence) != negates(quote) || parts(sentence) != parts(quote) {
        return Some("only one of the sentence and the quoted words has a negation".to_owned());
    }
    let quote_numerals = numeral_runs(quote);
    if let Some(missing) = numeral_runs(sentence)
        .iter()
        .find(|token| !quote_numerals.contains(*token))
    {
        return Some(format!("the number {missing} is not in the quoted words"));
    }
    let script_letters =
        |text: &str| -> String { text.chars().filter(|&c| is_unsupported_script(c)).collect() };
    (!script_letters(quote).contains(&script_letters(sentence)))
        .then(|| "the words differ, in a script whose words are not told apart".to_owned())
}

// Returns the runs of numerals. A single 一 is ignored, because it is more often part of a word.
fn numeral_runs(text: &str) -> BTreeSet<&str> {
    let runs = text.split(|c: char| !CJK_NUMERALS.contains(c));
    runs.filter(|run| !run.is_empty() && *run != "一").collect()
}

// Whether the character is Thai, Lao, Tibetan, Burmese, or Khmer.
fn is_unsupported_script(c: char) -> bool {
    matches!(c as u32, 0x0e00..=0x0fff | 0x1000..=0x109f | 0x1780..=0x17ff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negations_and_figures_are_seen_in_many_languages() {
        for (sentence, quote) in [
            ("Il contratto è valido.", "Il contratto non è valido."),
            ("O contrato é válido.", "O contrato não é válido."),
            (
                "De huurder betaalt belasting.",
                "De huurder betaalt geen belasting.",
            ),
            (
                "Le locataire paie la taxe.",
                "Le locataire n'a pas payé la taxe.",
            ),
            ("Договор действителен.", "Договор не действителен."),
            ("المستأجر يدفع الضريبة.", "المستأجر لا يدفع الضريبة."),
            ("合同有效。", "合同无效。"),
            ("租户可以转租公寓。", "租户不得转租公寓。"),
            ("价格上涨了三成。", "价格上涨了五成。"),
            ("契約は更新される。", "契約は更新されない。"),
            ("계약은 갱신된다.", "계약은 갱신되지 않는다."),
            ("किरायेदार कर देता है।", "किरायेदार कर नहीं देता।"),
            ("ปลอดภัย", "ไม่ปลอดภัย"),
            ("อาคารสูง", "อาคารเตี้ย"),
        ] {
            assert!(objection(sentence, quote).is_some(), "{sentence} / {quote}");
            assert!(objection(quote, sentence).is_some(), "{quote} / {sentence}");
            assert_eq!(objection(sentence, sentence), None, "{sentence}");
        }
    }
}
