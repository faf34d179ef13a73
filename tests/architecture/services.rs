//! Checks that services hold only the dependencies that they need. The whole `App` may be used only by the composition
//! root and by work that outlives a request.

use super::{Source, assert_no_violations, is_word, sources};

/// The files in `app` that may use the type `App`.
const COMPOSITION_FILES: &[&str] = &[
    "app/mod.rs",
    // This file builds the services from the `App`.
    "app/services.rs",
    // These files run timers and the shutdown for the whole server.
    "app/locks.rs",
    "app/servers.rs",
    "app/replica.rs",
    "app/housekeeping.rs",
    "app/older_turns.rs",
    // An experiment takes longer than the request that starts it.
    "app/experiments/mod.rs",
    "app/experiments/runner.rs",
];

fn names_the_app(source: &Source) -> bool {
    source.code().any(|(_, line)| {
        let mut words = line.split(|character| !is_word(character));
        words.any(|word| word == "App")
    })
}

#[test]
fn services_do_not_depend_on_the_whole_app() {
    let all = sources();
    let (known, others): (Vec<&Source>, Vec<&Source>) = all
        .iter()
        .filter(|source| source.layer_name() == "app" && names_the_app(source))
        .partition(|source| COMPOSITION_FILES.contains(&source.name.as_str()));
    let error = |source: &&Source| format!("{} names App: hold what it uses", source.name);
    assert_no_violations(others.iter().map(error).collect());
    assert_eq!(
        known.len(),
        COMPOSITION_FILES.len(),
        "a file names it no more"
    );
}
