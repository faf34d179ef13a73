//! Tests that search finds answers equally well with SQLite and with PostgreSQL. With RETRIEVAL_STEP=1, all questions
//! are asked instead of a sample.

use quire::store::Store;

use crate::cluster::Cluster;
use crate::set::{self, Library, Quality};

/// Maximum difference between the engines, both in recall and in mean reciprocal rank.
const TOLERANCE: f64 = 0.01;

/// Prints the results of both engines and checks that they hardly differ.
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
    for difference in [
        file.recall_at_5() - server.recall_at_5(),
        file.mrr() - server.mrr(),
    ] {
        assert!(difference.abs() <= TOLERANCE, "{what}: {difference}");
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
