//! Tests questions that use other words than the passage that answers them. The vectors come from a real small model
//! (all-MiniLM-L6-v2). They were computed once and are stored next to the questions.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use quire::app::documents::PassageSearch;
use quire::domain::id::UserId;
use quire::domain::retrieval::meaning::{QuestionEmbedding, normalize, to_bytes};
use quire::domain::time::Timestamp;
use quire::store::{self, Store, StoreSettings, documents, meaning_search, passage_vectors, users};

use crate::set::{self, Article, Quality};

const MODEL: &str = "local/all-minilm-l6-v2";
const DIMENSIONS: usize = 384;

/// A question, the number of the paragraph that answers it, and the vector of the question.
struct ParagraphQuestion {
    text: String,
    paragraph: u32,
    vector: Vec<f32>,
}

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/retrieval");
    std::fs::read(folder.join(name)).unwrap()
}

/// Returns the vectors of all paragraphs, paraphrases, and questions. They are stored as one byte per number.
fn load_vectors() -> Vec<Vec<f32>> {
    let mut bytes = Vec::new();
    let packed = file("minilm-en.bin.gz");
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    let number = |byte: &u8| f32::from(*byte as i8);
    let vector = |bytes: &[u8]| normalize(bytes.iter().map(number).collect()).unwrap();
    bytes.chunks(DIMENSIONS).map(vector).collect()
}

fn load_questions(
    name: &str,
    vectors: &mut impl Iterator<Item = Vec<f32>>,
) -> Vec<ParagraphQuestion> {
    let text = String::from_utf8(file(name)).unwrap();
    let request_for = |line: &str| {
        let (paragraph, text) = line.split_once('\t').unwrap();
        ParagraphQuestion {
            text: text.to_owned(),
            paragraph: paragraph.parse().unwrap(),
            vector: vectors.next().unwrap(),
        }
    };
    text.lines().map(request_for).collect()
}

/// Stores a document whose pages are the paragraphs, with the vectors of all paragraphs.
fn store_library(store: &Store, owner: &UserId, vectors: &[Vec<f32>]) {
    let article = Article::join_articles("Encyclopedia", &set::load_articles("en"));
    let (passages, row) = (
        article.passages(),
        set::test_document(&set::test_user(0), 1, "All"),
    );
    let (user, vectors) = (owner.clone(), vectors.to_vec());
    let write = move |db: &store::Writer| {
        users::insert(db, &set::test_user(0))?;
        documents::insert(db, &row, &[], &passages)?;
        meaning_search::set(db, &user, MODEL, Timestamp::from_millis(1))?;
        let missing = passage_vectors::list_unembedded(db, (&user, MODEL), 0, u32::MAX)?;
        for (one, passage) in missing.iter().zip(&passages) {
            let vector = to_bytes(&vectors[passage.page as usize - 1]);
            passage_vectors::put(db, (&user, MODEL), one.row, &vector)?;
        }
        Ok(())
    };
    store.write_now(write).unwrap();
}

fn measure_quality(
    store: &Store,
    owner: &UserId,
    all: &[ParagraphQuestion],
    by_meaning: bool,
) -> Quality {
    let mut quality = Quality::default();
    for asked in all {
        let meaning = QuestionEmbedding {
            model: MODEL.to_owned(),
            vector: asked.vector.clone(),
            rewriting: String::new(),
        };
        let (owner, words) = (owner.clone(), asked.text.clone());
        let ask = move |db: &store::Reader| {
            let meaning = Some(&meaning).filter(|_| by_meaning);
            PassageSearch::with_meaning(&words, meaning).hits(db, &owner, None, 50)
        };
        let hits = store.read_now(ask).unwrap();
        let expected = asked.paragraph + 1;
        quality.add(hits.iter().position(|hit| hit.passage.page == expected));
    }
    quality
}

#[test]
fn paraphrases_are_found_by_meaning_and_nothing_is_lost_elsewhere() {
    let folder = std::env::temp_dir().join(format!("quire-meaning-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("quire.db");
    let store = Store::open(&StoreSettings { path }).unwrap();
    let owner = set::test_user(0).id;
    let mut all = load_vectors().into_iter();
    let paragraphs: Vec<Vec<f32>> = all.by_ref().take(240).collect();
    store_library(&store, &owner, &paragraphs);
    let paraphrases = load_questions("paraphrases-en.txt", &mut all);
    let ordinary = load_questions("questions-en.txt", &mut all);
    assert_eq!(all.next(), None);
    let measure = |name: &str, asked: &[ParagraphQuestion]| {
        let [words, meaning] =
            [false, true].map(|by_meaning| measure_quality(&store, &owner, asked, by_meaning));
        println!(
            "{name}: recall@5 {:.3} by words, {:.3} with meaning; MRR {:.3}, {:.3}; {} questions",
            words.recall_at_5(),
            meaning.recall_at_5(),
            words.mrr(),
            meaning.mrr(),
            words.questions
        );
        (words, meaning)
    };
    let (words, meaning) = measure("paraphrases", &paraphrases);
    assert!(meaning.recall_at_5() >= 0.7 && meaning.recall_at_5() >= words.recall_at_5() + 0.2);
    let (words, meaning) = measure("ordinary questions", &ordinary);
    assert!(meaning.recall_at_5() >= words.recall_at_5().max(0.97));
    assert!(meaning.mrr() >= words.mrr() - 0.01);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
