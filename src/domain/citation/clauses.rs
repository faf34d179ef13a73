//! Negations in scripts without spaces. In such scripts, a quotation may begin or end anywhere in a clause,
//! even right next to the word that negates it. A quotation that leaves out the negation of its clause must
//! not count as correct.

use super::plain_word::PlainWord;

/// Maximum number of characters that are searched before a quotation, and after it.
const MAX_CHARS_BEFORE: usize = 40;
const MAX_CHARS_AFTER: usize = 24;
/// Number of characters that are searched before a quotation in Chinese or Burmese. It is small because the negations
/// of these languages are single characters that also occur in many other words.
const MAX_CHARS_NEAR: usize = 3;

/// Negations in Thai, Lao, and Khmer, which precede the negated words.
const NEGATIONS_BEFORE: &[&str] = &[
    "ไม่",
    "ไร้",
    "อย่า",
    "ห้าม",
    "ปราศจาก",
    "มิได้",
    "มิใช่",
    "มิให้",
    "มิอาจ",
    "มิควร",
    "ບໍ່",
    "ບ່",
    "ຫ້າມ",
    "ຢ່າ",
    "មិន",
    "ពុំ",
    "គ្មាន",
    "កុំ",
    "ហាម",
];
/// Negating characters in Chinese and Burmese.
const NEGATING_CHARACTERS: &[&str] = &["不", "没", "沒", "未", "勿", "无", "無", "မ"];
/// Negating endings and words in Japanese and Burmese, which follow the negated words.
const NEGATING_ENDINGS: &[&str] = &[
    "ない",
    "なかっ",
    "なく",
    "なけれ",
    "ません",
    "せず",
    "れず",
    "らず",
    "まい",
    "禁止",
    "不可",
    "ဘူး",
    "မဟုတ်",
];
/// Words directly after a quotation that negate it or turn it into a question, in Thai and Chinese.
const NEGATIONS_AFTER: &[&str] = &["ไม่", "หรือไม่", "มิได้", "吗", "嗎", "与否", "與否", "否"];

/// Whether the words from `start` to `end` are part of a clause that is negated outside this range.
pub(super) fn omits_negation(text: &[PlainWord], start: usize, end: usize) -> bool {
    let joined = |at: usize| text.get(at).is_some_and(|word| word.is_joined);
    let mut first = start;
    while joined(first) && first > 0 && start - first < MAX_CHARS_BEFORE {
        first -= 1;
    }
    let words_after = (end..end + MAX_CHARS_AFTER)
        .take_while(|&at| joined(at))
        .count();
    let joined_letters = |words: &[PlainWord]| -> String {
        let letters = words.iter().map(|word| word.plain.as_str());
        letters.collect()
    };
    let (before, after) = (
        &text[first..start],
        joined_letters(&text[end..end + words_after]),
    );
    let is_negating_character =
        |word: &PlainWord| NEGATING_CHARACTERS.contains(&word.plain.as_str());
    let joined_before = joined_letters(before);
    before
        .iter()
        .rev()
        .take(MAX_CHARS_NEAR)
        .any(is_negating_character)
        || NEGATIONS_BEFORE
            .iter()
            .any(|negation| joined_before.contains(negation))
        || NEGATING_ENDINGS
            .iter()
            .any(|negation| after.contains(negation))
        || NEGATIONS_AFTER
            .iter()
            .any(|negation| after.starts_with(negation))
}

/// Whether a word continues the clause of the word before it, given the text between them.
pub(super) fn continues_clause(before: &PlainWord, word: &PlainWord, gap: &str) -> bool {
    before.is_ideograph
        && word.is_ideograph
        && gap
            .chars()
            .all(|c| c == '\n' || super::folding::is_ignored(c))
}

#[cfg(test)]
mod tests {
    use super::super::verify;

    #[test]
    fn part_of_a_clause_keeps_its_negation() {
        for (text, part, expected) in [
            (
                "ระบบนี้ไม่ปลอดภัยสำหรับผู้ใช้ทั่วไป",
                "ปลอดภัยสำหรับผู้ใช้ทั่วไป",
                "ไม่ปลอดภัย",
            ),
            ("ຢານີ້ບໍ່ປອດໄພສຳລັບເດັກນ້ອຍທຸກຄົນ", "ປອດໄພສຳລັບເດັກນ້ອຍທຸກຄົນ", "ບໍ່ປອດໄພ"),
            (
                "ថ្នាំនេះមិនមានសុវត្ថិភាពសម្រាប់កុមារទេ",
                "មានសុវត្ថិភាពសម្រាប់កុមារ",
                "មិនមានសុវត្ថិភាព",
            ),
            ("ဤဆေးသည်ကလေးများအတွက်မလုံခြုံပါဟုဆိုသည်", "လုံခြုံပါဟုဆိုသည်", "မလုံခြုံပါ"),
            (
                "この薬は安全ではないと判断された。",
                "この薬は安全",
                "安全ではない",
            ),
            (
                "この契約は更新されないものとする。",
                "この契約は更新され",
                "更新されない",
            ),
            ("この契約は\n更新さ\nれない。", "更新さ", "更新されない"),
            ("该药物不太安全并且昂贵。", "安全并且昂贵", "不太安全"),
            ("该药物对儿童有效吗尚不清楚。", "该药物对儿童有效", "有效吗"),
            (
                "房租为每月五千元由租户支付。",
                "房租为每月五千",
                "每月五千元",
            ),
            (
                "房租为每月5000元由租户支付。",
                "房租为每月5000",
                "每月5000元",
            ),
        ] {
            assert_eq!(verify(text, part), None, "{part}");
            assert!(verify(text, expected).is_some(), "{expected}");
        }
        assert!(verify("この契約は有効であり、更新されない。", "この契約は有効").is_some());
        assert!(verify("หน้านี้ปลอดภัย แต่ไม่เร็ว", "ปลอดภัย").is_some());
    }
}
