//! Settings for reading documents: the program, its limits, and the number of concurrent readers.

use std::path::{Path, PathBuf};

use super::child::{ChildReader, ReadBudget};
use super::ocr::Ocr;
use super::originals::DocumentBucket;
use crate::app::{Error, Result};
use crate::config::{Config, OcrConfig};

/// Settings for reading documents.
#[derive(Clone)]
pub struct DocumentSettings {
    /// The program started to read a document: this binary.
    pub program: PathBuf,
    /// Limits for reading one document; its `input` is the largest file accepted, in bytes.
    pub budget: ReadBudget,
    /// Number of documents read concurrently.
    pub max_concurrent: usize,
    /// How scanned pages are read; `None` if OCR is switched off.
    pub ocr: Option<OcrConfig>,
    /// The bucket for original files, if one is configured.
    pub(in crate::app) bucket: Option<DocumentBucket>,
}

impl DocumentSettings {
    /// Looks for the OCR program as the server does at startup. Returns whether it works without restrictions, and a
    /// sentence that describes its state; `None` if OCR is switched off. Blocks.
    pub fn examine_ocr(self, data_dir: &Path) -> Option<(bool, String)> {
        let reader = ChildReader::new(self.program, self.budget);
        Ocr::find(self.ocr.as_ref(), &reader, data_dir).status()
    }
}

/// Where a user's files are stored, which is needed to delete an account.
#[derive(Debug, Clone)]
pub struct UserFiles {
    /// The server's data folder, which contains the files of all users.
    pub data: PathBuf,
    /// Whether documents are in a bucket, where they are removed only after their rows.
    pub has_bucket: bool,
}

impl UserFiles {
    /// Determines from the configuration where users' files are stored.
    pub fn from_config(config: &Config) -> Self {
        Self {
            data: config.data_dir.clone(),
            has_bucket: config.document_store.is_some(),
        }
    }
}

/// Returns the settings for reading documents from the configuration.
///
/// # Errors
/// Returns an error if the running program cannot be found, or if the settings of the bucket are incomplete.
pub(in crate::app) fn settings(config: &Config) -> Result<DocumentSettings> {
    let program = match &config.reader {
        Some(program) => program.clone(),
        // Refers to the running binary even if a newer one has replaced it in the folder.
        None if cfg!(target_os = "linux") => PathBuf::from("/proc/self/exe"),
        None => std::env::current_exe().map_err(Error::internal)?,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = &config.limits;
    Ok(DocumentSettings {
        program,
        budget: ReadBudget {
            memory: limits.document_memory,
            cpu_s: limits.document_cpu.as_secs(),
            text: limits.document_text,
            input: limits.max_upload,
        },
        max_concurrent: match limits.document_readers {
            0 => cores,
            wanted => wanted,
        },
        ocr: config.ocr.clone(),
        bucket: DocumentBucket::from_config(config)?,
    })
}
