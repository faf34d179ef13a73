//! Benchmark of search: how fast text becomes searchable, how long a search takes, and how often a question finds the
//! page that answers it, compared with plain SQLite search.

use std::time::Instant;

use quire::app::documents::PassageSearch;
use quire::domain::chunk::{PageText, PassageSplitter};
use quire::store::{Store, StoreSettings, documents, users};

use crate::set::{self, Library, Quality};
use crate::support::Folder;

const INDEXED_BYTES: usize = 50 << 20;
/// Batch size in bytes, the same as the server uses for uploads.
const BATCH_BYTES: usize = 256 << 10;
const DOCUMENT: usize = 1 << 20;

/// Measures search quality on all public questions.
pub fn measure_search_quality() {
    let folder = Folder::new("finding");
    let library = Library::new(&folder.0);
    let (mut contextual, mut plain) = (Quality::default(), Quality::default());
    println!("questions that find their page   recall@5 (plain)     MRR (plain)   questions");
    let line = |name: &str, contextual_quality: Quality, plain_quality: Quality| {
        println!(
            "  {name:<30} {:>6.3} ({:.3})   {:>5.3} ({:.3})   {:>8}",
            contextual_quality.recall_at_5(),
            plain_quality.recall_at_5(),
            contextual_quality.mrr(),
            plain_quality.mrr(),
            contextual_quality.questions
        );
    };
    for (language, contextual_quality, plain_quality) in library.measure(1) {
        line(&language, contextual_quality, plain_quality);
        (contextual, plain) = (contextual.and(contextual_quality), plain.and(plain_quality));
    }
    line("all", contextual, plain);
    for language in ["en", "de", "es"] {
        let folder = Folder::new(&format!("long-{language}"));
        let (contextual_quality, plain_quality) = set::measure_long(&folder.0, language, 1);
        line(
            &format!("{language} as one document"),
            contextual_quality,
            plain_quality,
        );
    }
}

/// Indexes 50 MB of real paragraphs, repeated as needed, through the whole pipeline (splitting, index terms, index,
/// store), and then searches them.
pub fn measure_indexing_speed() {
    let folder = Folder::new("indexing");
    let path = folder.0.join("quire.db");
    let store = Store::open(&StoreSettings { path }).unwrap();
    let owner = set::test_user(1);
    let row = owner.clone();
    store.write_now(move |db| users::insert(db, &row)).unwrap();
    let articles: Vec<_> = ["en", "de", "es"]
        .into_iter()
        .flat_map(set::load_articles)
        .collect();
    let mut paragraphs = articles
        .iter()
        .flat_map(|article| article.paragraphs())
        .cycle();
    let start = Instant::now();
    let (mut written_bytes, mut number) = (0, 0);
    while written_bytes < INDEXED_BYTES {
        number += 1;
        written_bytes += index_document(
            &store,
            &set::test_document(&owner, number, "text"),
            &mut paragraphs,
        );
    }
    let duration = start.elapsed().as_secs_f64();
    let rate = written_bytes as f64 / 1e6 / duration;
    println!(
        "text made searchable             {rate:>6.1} MB/s, {:.0} MB (goal: 10)",
        written_bytes as f64 / 1e6
    );
    let mut times: Vec<f64> = Vec::new();
    let questions = articles.iter().flat_map(|article| article.questions());
    for question in questions.step_by(5) {
        let (owner, question) = (owner.id.clone(), question.clone());
        let started_at = Instant::now();
        let ask = move |db: &quire::store::Reader| {
            PassageSearch::new(&question).hits(db, &owner, None, 50)
        };
        let hits = store.read_now(ask).unwrap();
        times.push(started_at.elapsed().as_secs_f64() * 1e3);
        assert!(!hits.is_empty());
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "a search over it                 {:>6.1} ms half the time, {:.1} ms at p95 of {} (goal: 20)",
        at(0.5),
        at(0.95),
        times.len()
    );
}

/// Indexes one document of many pages in batches. Returns the size of its text in bytes.
fn index_document<'a>(
    store: &Store,
    document: &quire::domain::document::Document,
    paragraphs: &mut impl Iterator<Item = &'a String>,
) -> usize {
    let row = document.clone();
    store
        .write_now(move |db| documents::insert(db, &row, &[], &[]))
        .unwrap();
    let mut cutter = PassageSplitter::new();
    let (mut size, mut number) = (0, 0);
    while size < DOCUMENT {
        let (mut batch, mut pages, mut passages) = (0, Vec::new(), Vec::new());
        while batch < BATCH_BYTES {
            number += 1;
            let text = paragraphs
                .by_ref()
                .take(4)
                .cloned()
                .collect::<Vec<_>>()
                .join("\n\n");
            batch += text.len();
            let page = PageText {
                number,
                title: String::new(),
                text,
            };
            passages.extend(cutter.split_page(&page));
            pages.push(page);
        }
        size += batch;
        let (user, id) = (document.user.clone(), document.id.clone());
        store
            .write_now(move |db| documents::add_text(db, (&user, &id), number, &pages, &passages))
            .unwrap();
    }
    size
}
