//! Tests that questions find the page that answers them, and do so more often than with SQLite's own search.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../postgres/cluster.rs"]
#[allow(dead_code, reason = "the tests of the store use the rest")]
mod cluster;
mod engines;
mod meaning;
mod set;

use set::{Library, Quality};

#[test]
fn questions_find_their_page() {
    let folder = std::env::temp_dir().join(format!("quire-retrieval-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let library = Library::new(&folder);
    let (mut ours, mut plain) = (Quality::default(), Quality::default());
    for (language, quire, them) in library.measure(12) {
        println!(
            "{language}: recall@5 {:.3} (plain {:.3}), MRR {:.3} (plain {:.3}), {} questions",
            quire.recall_at_5(),
            them.recall_at_5(),
            quire.mrr(),
            them.mrr(),
            quire.questions
        );
        assert!(
            quire.recall_at_5() >= 0.94 && quire.mrr() >= 0.88,
            "{language}"
        );
        (ours, plain) = (ours.and(quire), plain.and(them));
    }
    drop(library);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(ours.questions >= 250);
    assert!(ours.recall_at_5() >= 0.97 && ours.mrr() >= 0.92);
    assert!(ours.recall_at_5() > plain.recall_at_5() && ours.mrr() > plain.mrr());
}

#[test]
fn questions_find_their_page_in_one_long_document() {
    for language in ["en", "de", "es"] {
        let name = format!("quire-long-{language}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (quire, plain) = set::measure_long(&folder, language, 4);
        std::fs::remove_dir_all(&folder).unwrap();
        println!(
            "{language}: recall@5 {:.3} (plain {:.3}), MRR {:.3} (plain {:.3}), {} questions",
            quire.recall_at_5(),
            plain.recall_at_5(),
            quire.mrr(),
            plain.mrr(),
            quire.questions
        );
        assert!(
            quire.recall_at_5() >= 0.94 && quire.mrr() >= 0.88,
            "{language}"
        );
    }
}

/// Other documents in the index, whether they belong to the same user or to another one, do not change what a search in
/// a single document finds.
#[test]
fn other_documents_do_not_change_a_search_within_one() {
    let folder = std::env::temp_dir().join(format!("quire-scope-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = set::TwoUserStore::new(&folder);
    let articles = set::load_articles("en");
    let report = set::Article::join_articles("Report", &articles);
    let id = store.put(0, 1, &report);
    let questions: Vec<&String> = articles.iter().flat_map(set::Article::questions).collect();
    let ask = |store: &set::TwoUserStore| -> Vec<Vec<(u32, f64)>> {
        let sampled = questions.iter().step_by(20);
        sampled
            .map(|question| store.ask(0, &id, question))
            .collect()
    };
    let alone = ask(&store);
    assert!(alone.iter().all(|hits| !hits.is_empty()));
    // Of the 200 documents that are added, half belong to the same user. They contain the same words.
    for number in 0..200 {
        let article = &articles[number % articles.len()];
        store.put(number as u32 % 2, number as u32 + 2, article);
    }
    assert_eq!(ask(&store), alone);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
