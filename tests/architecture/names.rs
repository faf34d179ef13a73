//! Checks that the names of types are unique in the crate, so that they can be searched for and understood without
//! their paths.

use std::collections::BTreeMap;

use super::{assert_no_violations, is_word, sources};

/// Names that several types may have, each with the reason.
const REUSED_NAMES: &[&str] = &[
    // This name is always preceded by its module, as in `io::Error`.
    "Error",
];

/// Returns the name of the type that a line declares, if it declares one.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c: char| c != ' ').trim_start(),
        None => line,
    };
    let kinds = ["struct ", "enum ", "trait ", "union "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[test]
fn type_names_are_unique() {
    let all = sources();
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in &all {
        for (number, line) in source.code() {
            if let Some(name) = type_name(line) {
                let place = format!("{}:{number}", source.name);
                places.entry(name).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 500, "the types are found");
    let reused = places.iter().filter(|(_, places)| places.len() > 1);
    let (known, reused): (Vec<_>, Vec<_>) =
        reused.partition(|(name, _)| REUSED_NAMES.contains(name));
    let error = |(name, places): &(&&str, &Vec<String>)| format!("{name}: {}", places.join(", "));
    assert_no_violations(reused.iter().map(error).collect());
    assert_eq!(
        known.len(),
        REUSED_NAMES.len(),
        "a name is not reused any more"
    );
}
