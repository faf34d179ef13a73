//! A public set of questions about passages: XQuAD in seven languages. The articles in each language are the documents
//! of one user, and all of them are in one index. Quire's search is compared with plain FTS5 over the same passages.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use quire::app::documents::PassageSearch;
use quire::domain::chunk::{PageText, PassageSplitter};
use quire::domain::document::{Document, DocumentStatus, Passage};
use quire::domain::id::{DocumentId, UserId};
use quire::domain::time::Timestamp;
use quire::domain::user::{Role, User};
use quire::store::{self, Store, StoreSettings, documents, users};
use rusqlite::Connection;

pub const LANGUAGES: [&str; 7] = ["en", "de", "es", "ru", "zh", "th", "hi"];

/// An article. Each of its paragraphs is a page.
pub struct Article {
    title: String,
    paragraphs: Vec<String>,
    /// The questions, each with the number of the page that answers it.
    questions: Vec<(String, u32)>,
}

impl Article {
    #[allow(dead_code, reason = "the bench makes its text of them")]
    pub fn paragraphs(&self) -> impl Iterator<Item = &String> + Clone {
        self.paragraphs.iter()
    }
    #[allow(dead_code, reason = "the bench asks them")]
    pub fn questions(&self) -> impl Iterator<Item = &String> {
        self.questions.iter().map(|(question, _)| question)
    }
}

impl Article {
    /// Joins articles into one long document.
    #[allow(dead_code, reason = "the bench has its own")]
    pub fn join_articles(title: &str, articles: &[Self]) -> Self {
        let paragraphs = articles
            .iter()
            .flat_map(|one| one.paragraphs.iter().cloned());
        Self {
            title: title.to_owned(),
            paragraphs: paragraphs.collect(),
            questions: Vec::new(),
        }
    }

    pub fn passages(&self) -> Vec<Passage> {
        let mut cutter = PassageSplitter::new();
        let pages = (1..).zip(&self.paragraphs).map(|(number, text)| PageText {
            number,
            title: String::new(),
            text: text.clone(),
        });
        pages.flat_map(|page| cutter.split_page(&page)).collect()
    }
}

/// Returns the articles in one language.
pub fn load_articles(language: &str) -> Vec<Article> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/retrieval")
        .join(format!("xquad-{language}.txt.gz"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let mut articles: Vec<Article> = Vec::new();
    for line in text.lines() {
        let (kind, rest) = line.split_once('\t').unwrap();
        if kind == "D" {
            articles.push(Article {
                title: rest.to_owned(),
                paragraphs: Vec::new(),
                questions: Vec::new(),
            });
            continue;
        }
        let article = articles.last_mut().unwrap();
        match kind {
            "P" => article.paragraphs.push(rest.to_owned()),
            _ => article
                .questions
                .push((rest.to_owned(), article.paragraphs.len() as u32)),
        }
    }
    articles
}

/// How well questions find the pages that answer them.
#[derive(Clone, Copy, Default)]
pub struct Quality {
    pub questions: u32,
    recall: f64,
    reciprocal: f64,
}

impl Quality {
    pub fn add(&mut self, rank: Option<usize>) {
        self.questions += 1;
        self.recall += f64::from(u8::from(rank.is_some_and(|rank| rank < 5)));
        self.reciprocal += rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
    }
    pub fn and(mut self, other: Self) -> Self {
        self.questions += other.questions;
        self.recall += other.recall;
        self.reciprocal += other.reciprocal;
        self
    }
    /// Returns the share of questions for which the page is among the first five results.
    pub fn recall_at_5(&self) -> f64 {
        self.recall / f64::from(self.questions)
    }
    /// Returns the mean reciprocal rank of the pages.
    pub fn mrr(&self) -> f64 {
        self.reciprocal / f64::from(self.questions)
    }
}

pub fn test_user(number: u32) -> User {
    User {
        id: UserId::new(Timestamp::from_millis(1), u128::from(number)),
        email: format!("reader{number}@example.org"),
        name: String::new(),
        password_hash: "$x$".into(),
        role: Role::User,
        disabled: false,
        created: Timestamp::from_millis(1),
        last_login: None,
    }
}

pub fn test_document(owner: &User, number: u32, name: &str) -> Document {
    let created = Timestamp::from_millis(i64::from(number));
    Document {
        id: DocumentId::new(created, u128::from(number)),
        user: owner.id.clone(),
        name: name.to_owned(),
        content_type: "text/plain".into(),
        kind: "text".into(),
        encoding: None,
        size: 1,
        sha256: format!("{number:064x}"),
        status: DocumentStatus::Processed,
        message: String::new(),
        pages: 1,
        words: 1,
        gaps: Vec::new(),
        recognized: Vec::new(),
        flags: Vec::new(),
        created,
    }
}

/// Opens a store in a folder and creates its database, if necessary.
pub fn open(folder: &Path) -> Store {
    let path: PathBuf = folder.join("quire.db");
    Store::open(&StoreSettings { path }).unwrap()
}

/// The articles in all languages in one store, and those in each language also in an FTS5 index with default settings.
pub struct Library {
    store: Store,
    plain: Connection,
    languages: Vec<(String, User, Vec<Article>)>,
}

impl Library {
    pub fn new(folder: &Path) -> Self {
        Self::on(open(folder))
    }

    /// Fills an empty store with the articles of all languages.
    pub fn on(store: Store) -> Self {
        let plain = Connection::open_in_memory().unwrap();
        let mut library = Self {
            store,
            plain,
            languages: Vec::new(),
        };
        let mut number = 0;
        for (index, language) in LANGUAGES.iter().enumerate() {
            create_plain(&library.plain, language);
            let owner = test_user(index as u32);
            let row = owner.clone();
            library
                .store
                .write_now(move |db| users::insert(db, &row))
                .unwrap();
            let articles = load_articles(language);
            for article in &articles {
                number += 1;
                library.put(language, &owner, number, article);
            }
            library
                .languages
                .push(((*language).to_owned(), owner, articles));
        }
        library
    }

    fn put(&self, language: &str, owner: &User, number: u32, article: &Article) {
        let passages = article.passages();
        put_plain(&self.plain, language, article);
        let document = test_document(owner, number, &article.title);
        self.store
            .write_now(move |db| documents::insert(db, &document, &[], &passages))
            .unwrap();
    }

    /// Returns, for each language, the quality of Quire's search and of SQLite's own search. Only every `step`th
    /// question is asked.
    pub fn measure(&self, step: usize) -> Vec<(String, Quality, Quality)> {
        self.languages
            .iter()
            .map(|(language, owner, articles)| {
                let (mut ours, mut plain) = (Quality::default(), Quality::default());
                let questions = articles.iter().flat_map(|article| {
                    article.questions.iter().map(move |asked| (article, asked))
                });
                for (article, (question, page)) in questions.step_by(step) {
                    let key = (article.title.clone(), *page);
                    let rank = |found: Vec<(String, u32)>| found.iter().position(|hit| *hit == key);
                    ours.add(rank(self.ours(owner, question)));
                    plain.add(rank(find_plain(&self.plain, language, question)));
                }
                (language.clone(), ours, plain)
            })
            .collect()
    }

    fn ours(&self, owner: &User, question: &str) -> Vec<(String, u32)> {
        let (owner, question) = (owner.id.clone(), question.to_owned());
        let ask =
            move |db: &store::Reader| PassageSearch::new(&question).hits(db, &owner, None, 50);
        let hits = self.store.read_now(ask).unwrap();
        hits.into_iter()
            .map(|hit| (hit.name, hit.passage.page))
            .collect()
    }
}

/// Creates an FTS5 index with SQLite's default tokenizer.
fn create_plain(plain: &Connection, language: &str) {
    plain
        .execute_batch(&format!(
            "CREATE VIRTUAL TABLE {language} USING fts5 (text, document UNINDEXED, page UNINDEXED)"
        ))
        .unwrap();
}

fn put_plain(plain: &Connection, language: &str, article: &Article) {
    let mut insert = plain
        .prepare_cached(&format!("INSERT INTO {language} VALUES (?1, ?2, ?3)"))
        .unwrap();
    for passage in article.passages() {
        insert
            .execute((&passage.text, &article.title, passage.page))
            .unwrap();
    }
}

/// Searches an FTS5 index for any of the question's words, each of them quoted.
fn find_plain(plain: &Connection, language: &str, question: &str) -> Vec<(String, u32)> {
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    let mut query = plain
        .prepare_cached(&format!(
            "SELECT document, page FROM {language} WHERE {language} MATCH ?1 ORDER BY rank LIMIT 50"
        ))
        .unwrap();
    query
        .query_map([words.join(" OR ")], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Measures Quire's search and SQLite's own search in all articles in a language, joined into one document of about 240
/// pages. Only every `step`th question is asked.
pub fn measure_long(folder: &Path, language: &str, step: usize) -> (Quality, Quality) {
    measure_long_on(open(folder), language, step)
}

/// Like [`measure_long`], but uses this empty store.
pub fn measure_long_on(store: Store, language: &str, step: usize) -> (Quality, Quality) {
    let articles = load_articles(language);
    let report = Article::join_articles("Report", &articles);
    let shelf = TwoUserStore::on(store);
    let id = shelf.put(0, 1, &report);
    let index = Connection::open_in_memory().unwrap();
    create_plain(&index, language);
    put_plain(&index, language, &report);
    let mut questions: Vec<(&String, u32)> = Vec::new();
    let mut before = 0;
    for article in &articles {
        let sampled = article.questions.iter();
        questions.extend(sampled.map(|(question, page)| (question, before + page)));
        before += article.paragraphs.len() as u32;
    }
    let (mut ours, mut plain) = (Quality::default(), Quality::default());
    for (question, page) in questions.into_iter().step_by(step) {
        let found = shelf.ask(0, &id, question);
        ours.add(found.iter().position(|(at, _)| *at == page));
        let found = find_plain(&index, language, question);
        plain.add(found.iter().position(|(_, at)| *at == page));
    }
    (ours, plain)
}

/// The documents of two users in one store.
#[allow(dead_code, reason = "the bench has its own")]
pub struct TwoUserStore {
    store: Store,
    owners: [User; 2],
}

#[allow(dead_code, reason = "the bench has its own")]
impl TwoUserStore {
    pub fn new(folder: &Path) -> Self {
        Self::on(open(folder))
    }

    /// Adds both users to an empty store.
    pub fn on(store: Store) -> Self {
        let people = [test_user(0), test_user(1)];
        for row in people.clone() {
            store.write_now(move |db| users::insert(db, &row)).unwrap();
        }
        Self {
            store,
            owners: people,
        }
    }

    pub fn put(&self, person: u32, number: u32, article: &Article) -> DocumentId {
        let document = test_document(&self.owners[person as usize], number, &article.title);
        let (id, passages) = (document.id.clone(), article.passages());
        self.store
            .write_now(move |db| documents::insert(db, &document, &[], &passages))
            .unwrap();
        id
    }

    /// Returns the pages and scores of the passages in a document that match a question, best first.
    pub fn ask(&self, person: u32, document: &DocumentId, question: &str) -> Vec<(u32, f64)> {
        let owner = self.owners[person as usize].id.clone();
        let (document, question) = ([document.clone()], question.to_owned());
        let ask = move |db: &store::Reader| {
            PassageSearch::new(&question).hits(db, &owner, Some(&document), 50)
        };
        let hits = self.store.read_now(ask).unwrap();
        let response = hits.into_iter().map(|hit| (hit.passage.page, hit.score));
        response.collect()
    }
}
