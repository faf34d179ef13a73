//! Additional index terms that the index's tokenizer cannot find: n-grams of scripts without spaces, parts of
//! identifiers, words hyphenated at line breaks, and alternative spellings. They are returned as text, which
//! is tokenized like the rest.

use super::scripts::{self, WordPiece};

/// Returns additional index terms, separated by spaces. For most plain text, there are none.
pub fn index_terms(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        let token = &rest[start..];
        let end = token.find(char::is_whitespace).unwrap_or(token.len());
        let (token, after) = token.split_at(end);
        rest = after;
        // Most words consist of lowercase letters and perhaps a comma, and need no additional terms.
        let simple = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b',' | b'.');
        if token.as_bytes().iter().skip(1).all(simple) && token.as_bytes()[0].is_ascii_alphabetic()
        {
            continue;
        }
        push_terms(token, &mut out);
        if let Some(head) = token.strip_suffix(['-', '\u{AD}'])
            && after.starts_with(['\n', '\r'])
        {
            push_joined(head, after.trim_start(), &mut out);
        }
    }
    out
}

fn push_terms(token: &str, out: &mut String) {
    for word in token
        .split(|c| !scripts::is_word_character(c))
        .filter(|word| !word.is_empty())
    {
        scripts::for_each_piece(word, &mut |piece| match piece {
            WordPiece::NGram(gram, _) => push_word(out, &gram),
            WordPiece::Word(word) => {
                for part in scripts::camel_case_parts(word) {
                    push_word(out, &part);
                }
                for other in [
                    scripts::ascii_spelling(word),
                    scripts::without_umlauts(word),
                ] {
                    other.iter().for_each(|other| push_word(out, other));
                }
            }
        });
    }
    if let Some(joined) = joined_words(token) {
        push_word(out, &joined);
    }
}

/// Joins the parts of a hyphenated word, so that `e-mail` becomes `email`; `None` for any other word.
pub(super) fn joined_words(token: &str) -> Option<String> {
    let token = token.trim_matches(|c: char| !c.is_alphanumeric());
    let parts: Vec<&str> = token
        .split(['-', '\u{2010}', '\u{2011}', '\u{AD}'])
        .collect();
    let words = parts
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(char::is_alphanumeric));
    ((2..=3).contains(&parts.len()) && words).then(|| parts.concat())
}

fn push_joined(head: &str, next: &str, out: &mut String) {
    let from = head.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| {
        at + head[at..].chars().next().map_or(0, char::len_utf8)
    });
    let end = next
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(next.len());
    if from < head.len() && end > 0 && end <= 64 {
        push_word(out, &format!("{}{}", &head[from..], &next[..end]));
    }
}

fn push_word(out: &mut String, word: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(word);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terms_are_derived_from_text() {
        for (text, expected) in [
            ("", ""),
            ("Plain words, nothing more.", ""),
            ("量子計算 is", "量子 子計 計算"),
            ("猫", "猫"),
            ("東京に行く", "東京 京に に行 行く"),
            ("그는 학교에서", "그는 학교 교에 에서"),
            ("getUserName(id)", "get user name"),
            ("HTTPServer2", "http server 2"),
            ("user_name", ""),
            ("E-Mail", "EMail"),
            ("infor-\nmation", "information"),
            ("Straße", "Strasse"),
            ("Kündigung", "Kuendigung"),
            ("ﬁnal", "final"),
            ("น้ำมัน", "นำม ำมน"),
        ] {
            assert_eq!(index_terms(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_split_into_terms(text in "\\PC{0,80}") {
            index_terms(&text);
        }
    }
}
