//! Search finds answers equally well on SQLite and on PostgreSQL. RETRIEVAL_STEP=1 asks every question rather than a
//! sample.

use quire::store::Store;

use crate::cluster::Cluster;
use crate::set::{self, Library, Quality};

/// Maximum difference in recall and mean reciprocal rank between the engines.
const TOLERANCE: f64 = 0.01;

/// Languages in which PostgreSQL may find more, because SQLite's index splits words at vowel signs, which are not
/// letters.
const SPLIT_WORDS: [&str; 1] = ["hi"];

/// Prints the results of both engines, and compares them.
fn compare(what: &str, file: Quality, server: Quality) {
    println!(
        "{what}: recall@5 {:.3} (PostgreSQL {:.3}), MRR {:.3} (PostgreSQL {:.3}), {} questions",
        file.recall_at_5(),
        server.recall_at_5(),
        file.mrr(),
        server.mrr(),
        file.questions
    );
    assert_eq!(file.questions, server.questions, "{what}");
    for lost in [
        file.recall_at_5() - server.recall_at_5(),
        file.mrr() - server.mrr(),
    ] {
        assert!(lost <= TOLERANCE, "{what}: {lost} less on the server");
        let is_significant_loss = lost < -TOLERANCE && !SPLIT_WORDS.contains(&what);
        assert!(!is_significant_loss, "{what}: {lost} less in the file");
    }
}

fn open(cluster: &Cluster, database: &str) -> Store {
    Store::open_postgres(&cluster.address(database), None, cluster.folder()).unwrap()
}

#[test]
fn questions_find_the_same_on_both_engines() {
    let cluster = Cluster::start();
    let folder = cluster.folder().join("file");
    std::fs::create_dir(&folder).unwrap();
    let libraries = [
        Library::new(&folder),
        Library::on(open(&cluster, "postgres")),
    ];
    let step = std::env::var("RETRIEVAL_STEP");
    let step = step.map_or(12, |step| step.parse().unwrap());
    let [file, server] = libraries.each_ref().map(|library| library.measure(step));
    let mut all = [Quality::default(); 2];
    for ((language, file, _), (_, server, _)) in file.into_iter().zip(server) {
        compare(&language, file, server);
        all = [all[0].and(file), all[1].and(server)];
    }
    compare("all", all[0], all[1]);
    assert!(all[0].questions >= 250);
}

#[test]
fn questions_find_the_same_in_one_long_document_on_both_engines() {
    let cluster = Cluster::start();
    for language in ["en", "de", "es"] {
        let folder = cluster.folder().join(language);
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(cluster.run(&format!("CREATE DATABASE {language};")), "");
        let (file, _) = set::measure_long(&folder, language, 4);
        let (server, _) = set::measure_long_on(open(&cluster, language), language, 4);
        compare(&format!("{language}, one document"), file, server);
    }
}
