//! Builds queries that require every word, for searches in which users narrow down a list.

use super::{QueryPart, SearchQuery};

/// Maximum number of required words. The rest of a pasted text is ignored.
const MAX_REQUIRED: usize = 16;

/// Builds an FTS5 expression that requires every word of `text` except for stop words, each in any of its forms. `None`
/// if there is nothing to search for, as in the text `the`.
pub fn every_word(text: &str) -> Option<String> {
    let mut groups = Vec::new();
    for word in text.split_whitespace().take(MAX_REQUIRED) {
        let query = SearchQuery::parse(word);
        let forms: Vec<String> = query.parts.iter().map(QueryPart::expression).collect();
        if !forms.is_empty() {
            groups.push(format!("({})", forms.join(" OR ")));
        }
    }
    (!groups.is_empty()).then(|| groups.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_required_in_one_of_its_forms() {
        assert_eq!(every_word(" \" "), None);
        assert_eq!(every_word("fee").as_deref(), Some("(\"fee\")"));
        let both = every_word("paper thickness").expect("two words");
        assert_eq!(both.matches(" AND ").count(), 1, "{both}");
        let name = every_word("user_name").expect("a name");
        assert!(name.contains(" OR ") && !name.contains("AND"), "{name}");
        let long = every_word(&"word ".repeat(400)).expect("words");
        assert_eq!(long.matches(" AND ").count(), MAX_REQUIRED - 1);
    }
}
