//! Folds a word for comparison: compatibility forms, case, and accents.

use unicode_normalization::UnicodeNormalization;

/// Words that become a different word with an accent: "schon" and "schön", "ano" and "año". If a single one of them
/// lacks its accent, that does not prove that the writer leaves accents out.
const DISTINCT_WHEN_ACCENTED: &[&str] = &[
    // German
    "achten",
    "argern",
    "bar",
    "baren",
    "buchen",
    "drucken",
    "druckt",
    "druckte",
    "fallen",
    "fallt",
    "fordern",
    "forderung",
    "fordert",
    "gehort",
    "gute",
    "hatte",
    "hatten",
    "horen",
    "konnte",
    "konnten",
    "lauft",
    "losen",
    "mochte",
    "mochten",
    "musste",
    "mussten",
    "offnen",
    "rucken",
    "sagen",
    "schatzen",
    "schon",
    "schwul",
    "storen",
    "tater",
    "tochter",
    "bruder",
    "mutter",
    "vater",
    "wahlen",
    "wahrend",
    "wurde",
    "wurden",
    "zahlen",
    "zahlt",
    "zahlte",
    "masse",
    "massen",
    "busse",
    "bussen",
    // French
    "a",
    "ou",
    "la",
    "du",
    "sur",
    "mur",
    "cote",
    "cotes",
    "des",
    "peche",
    "pecher",
    "pecheur",
    "pecheurs",
    "tache",
    "taches",
    "tacher",
    "jeune",
    "jeunes",
    "pate",
    "pates",
    "mat",
    "cru",
    "foret",
    "prete",
    "pret",
    "dine",
    "sale",
    "sales",
    "interne",
    "ferme",
    "marche",
    "arrete",
    "accuse",
    "condamne",
    "approuve",
    "refuse",
    "paye",
    "modifie",
    "oblige",
    "assure",
    "charge",
    "cree",
    "autorise",
    // Spanish, Portuguese, Italian
    "ano",
    "anos",
    "papa",
    "mama",
    "si",
    "se",
    "tu",
    "el",
    "mi",
    "te",
    "de",
    "mas",
    "aun",
    "solo",
    "esta",
    "este",
    "como",
    "que",
    "cual",
    "cuando",
    "donde",
    "pago",
    "pague",
    "ejercito",
    "termino",
    "publico",
    "hablo",
    "entro",
    "llego",
    "cana",
    "pena",
    "una",
    "e",
    "avo",
    "avos",
    "coco",
    "pais",
    "sabia",
    "ne",
    "da",
    "di",
    "li",
    "meta",
    "perdono",
    "pero",
    "faro",
    "sera",
    "eta",
    // English, Russian, Greek
    "resume",
    "resumes",
    "expose",
    "exposes",
    "rose",
    "lame",
    "pique",
    "все",
    "η",
    "που",
    "πως",
];

/// Returns the comparable form of a word: in lowercase, with compatibility forms composed (NFKC), without invisible
/// characters, and with `æ` and `œ` as two letters.
pub(super) fn fold_word(raw: &str) -> String {
    if raw.is_ascii() {
        return raw.to_ascii_lowercase();
    }
    let composed: String = raw.nfkc().filter(|&c| !is_ignored(c)).collect();
    let mut out = String::with_capacity(composed.len());
    for c in composed.chars().flat_map(char::to_lowercase) {
        match c {
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ς' => out.push('σ'),
            _ => out.push(c),
        }
    }
    out
}

/// Returns a plain word without its accents; `None` if it has none.
pub(super) fn without_accents(plain: &str) -> Option<String> {
    if plain.is_ascii() {
        return None;
    }
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            'ß' => out.push_str("ss"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            // This is a separate letter rather than an accented one.
            'й' => out.push(c),
            _ => out.extend(std::iter::once(c).nfd().filter(|&c| !is_accent(c))),
        }
    }
    let out: String = out.nfc().collect();
    (out != plain).then_some(out)
}

/// Returns the word with umlauts written out, as on a keyboard that lacks them: `uebertragung` for `übertragung`, and
/// `aa` for `å`.
pub(super) fn umlauts_written_out(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len() + 2);
    for c in plain.chars() {
        match c {
            'ä' => out.push_str("ae"),
            'ö' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'å' => out.push_str("aa"),
            'ß' => out.push_str("ss"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a word whose accents were removed has the spelling of a different word.
pub(super) fn is_distinct_word(unaccented: &str) -> bool {
    DISTINCT_WHEN_ACCENTED.contains(&unaccented)
}

/// Whether a reader cannot see the character: a zero-width character, a soft hyphen, or one that only
/// stretches Arabic text.
pub(super) fn is_ignored(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{640}' | '\u{FE00}'..='\u{FE0F}')
}

// Whether this is an accent of Latin, Greek, or Cyrillic, or an optional vowel point of Hebrew or Arabic.
// Other scripts write vowels as combining marks, which count as letters.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}'..='\u{5C2}'
        | '\u{5C4}'..='\u{5C5}' | '\u{64B}'..='\u{652}' | '\u{670}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_forms_and_case_fold_alike() {
        for (one, other) in [
            ("ﬁrst", "FIRST"),
            ("Ｑｕｉｒｅ", "quire"),
            ("u\u{308}ber", "ÜBER"),
            ("µm", "μm"),
            ("cœur", "COEUR"),
            ("Σίσυφος", "σίσυφοσ"),
            ("\u{1112}\u{1161}\u{11AB}", "한"),
            ("co\u{AD}operate", "cooperate"),
            ("Ω", "ω"),
        ] {
            assert_eq!(fold_word(one), fold_word(other), "{one}");
        }
        assert_ne!(fold_word("schön"), fold_word("schon"));
        assert_ne!(fold_word("कि"), fold_word("का"));
    }

    #[test]
    fn only_accents_are_removed() {
        for (word, expected) in [
            ("übertragung", Some("ubertragung")),
            ("straße", Some("strasse")),
            ("łódź", Some("lodz")),
            ("plain", None),
            ("мой", None),
            ("ещё", Some("еще")),
            ("कि", None),
            ("が", None),
            ("한글", None),
            ("αθήνα", Some("αθηνα")),
        ] {
            assert_eq!(without_accents(word).as_deref(), expected, "{word}");
        }
        assert_eq!(umlauts_written_out("übergrößen"), "uebergroessen");
    }
}
