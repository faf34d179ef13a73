//! Questions find the page that answers them, more often than with SQLite's search as it is.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod set;

use set::{Library, Quality};

#[test]
fn questions_find_their_page() {
    let folder = std::env::temp_dir().join(format!("quire-retrieval-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let library = Library::new(&folder);
    let (mut ours, mut plain) = (Quality::default(), Quality::default());
    for (language, us, them) in library.measure(12) {
        println!(
            "{language}: recall@5 {:.3} (plain {:.3}), MRR {:.3} (plain {:.3}), {} questions",
            us.recall_at_5(),
            them.recall_at_5(),
            us.mrr(),
            them.mrr(),
            us.questions
        );
        assert!(us.recall_at_5() >= 0.94 && us.mrr() >= 0.88, "{language}");
        (ours, plain) = (ours.and(us), plain.and(them));
    }
    drop(library);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(ours.questions >= 250);
    assert!(ours.recall_at_5() >= 0.97 && ours.mrr() >= 0.92);
    assert!(ours.recall_at_5() > plain.recall_at_5() && ours.mrr() > plain.mrr());
}
