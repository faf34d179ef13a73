//! Case-insensitive comparison of text in any script, for searchable columns. SQLite's `lower` and `NOCASE`
//! fold only ASCII, and PostgreSQL's folding depends on a locale.

/// Folds case so that texts that differ only in case become equal: `ÜBER` and `über`, `STRASSE` and `Straße`,
/// `ΣΊΣΥΦΟΣ` and `Σίσυφος`. The result is for comparison, not display.
///
/// The uppercase step expands letters without a single-letter counterpart (`ß` to `SS`) and merges the two
/// lowercase sigmas; the result is Unicode full case folding for all but a few archaic letters. Lowercasing first
/// handles `ẞ`, which is its own uppercase.
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.chars().flat_map(char::to_lowercase);
    let upper = lower.flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_only_in_case_fold_alike() {
        for (one, other) in [
            ("über", "ÜBER"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("Ёлка", "ёЛКА"),
            ("ﬁn", "FIN"),
            ("plain", "PLAIN"),
            ("中文", "中文"),
        ] {
            assert_eq!(fold_case(one), fold_case(other), "{one}");
        }
        assert_ne!(fold_case("uber"), fold_case("über"), "marks count");
    }

    #[test]
    fn folding_is_idempotent() {
        for code in 0..=0x10FFFF {
            if let Some(letter) = char::from_u32(code) {
                let once = fold_case(&letter.to_string());
                assert_eq!(fold_case(&once), once, "U+{code:04X}");
            }
        }
    }
}
