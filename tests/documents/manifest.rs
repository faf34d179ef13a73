//! The table of the real files, in tests/data/documents/MANIFEST.toml, and the bytes of these files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use quire::domain::chunk::PageText;
use quire::extract::{self, FileInput, ReadLimits, ReadReport, Unreadable};
use serde::Deserialize;

/// A file, with the text that must be extracted from it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub path: String,
    pub source: String,
    pub origin: String,
    pub licence: String,
    /// The document kind that the reader must report, exactly as written here; `None` if it is not checked.
    pub kind: Option<String>,
    /// Number of pages, including those without text.
    pub pages: Option<usize>,
    pub encoding: Option<String>,
    #[serde(default)]
    pub words: Vec<String>,
    #[serde(default)]
    pub absent: Vec<String>,
    #[serde(default)]
    pub once: Vec<String>,
    #[serde(default)]
    pub page_words: BTreeMap<String, String>,
    #[serde(default)]
    pub titles: Vec<String>,
    #[serde(default)]
    pub gaps: Vec<u32>,
    /// Words that the reason must contain if the file must be refused.
    pub refused: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Table {
    file: Vec<Sample>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/documents")
}

pub fn load_samples() -> Vec<Sample> {
    let text = std::fs::read_to_string(folder().join("MANIFEST.toml")).unwrap();
    let table = toml::from_str::<Table>(&text);
    // The error's `Display` would include the whole file.
    let table = table.unwrap_or_else(|error| panic!("{}, at {:?}", error.message(), error.span()));
    table.file
}

impl Sample {
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(folder().join(&self.path)).unwrap()
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    pub fn folder(&self) -> &str {
        self.path.split('/').next().unwrap()
    }

    /// Returns the text that a reference program has extracted, if there is one.
    pub fn reference(&self) -> Option<String> {
        let path = folder().join("reference").join(format!("{}.gz", self.path));
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).ok()?)
            .read_to_string(&mut text)
            .unwrap();
        Some(text)
    }

    pub fn read(&self) -> Result<(ReadReport, Vec<PageText>), Unreadable> {
        let bytes = self.bytes();
        let mut pages = Vec::new();
        let input = FileInput {
            bytes: &bytes,
            name: self.name(),
            encoding: None,
            limits: &ReadLimits::default(),
        };
        let report = extract::extract(&input, &mut |page| {
            pages.push(page);
            true
        })?;
        Ok((report, pages))
    }
}

#[test]
fn every_file_is_in_the_table_and_has_a_licence() {
    let samples = load_samples();
    let list: Vec<&str> = samples.iter().map(|sample| sample.path.as_str()).collect();
    for sample in &samples {
        assert!(folder().join(&sample.path).is_file(), "{}", sample.path);
        assert!(
            !sample.licence.is_empty() && !sample.source.is_empty() && !sample.origin.is_empty()
        );
    }
    for kind in std::fs::read_dir(folder()).unwrap() {
        let kind = kind.unwrap().path();
        if !kind.is_dir() || kind.ends_with("reference") {
            continue;
        }
        for file in std::fs::read_dir(&kind).unwrap() {
            let file = file.unwrap().path();
            let name = file.strip_prefix(folder()).unwrap().to_str().unwrap();
            assert!(list.contains(&name), "{name} is in no row of MANIFEST.toml");
        }
    }
}
