//! Text recognition (OCR) with tesseract: finds the program at startup, and recognizes one image at a time in
//! a sandboxed process. `scans` decides which pages are recognized.

use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use super::child::{ChildReader, EarlyExit, signals};
use crate::config::OcrConfig;
use crate::extract::child_protocol::{OCR_ARGUMENT, OcrRequest};
use crate::extract::visible_text;
use crate::{log, system};

/// Maximum size of the text of one page, in bytes. A densely printed page has about 10 KB.
const MAX_TEXT_BYTES: u64 = 256 << 10;
/// Timeout for listing the program's languages, in seconds.
const LIST_SECONDS: u32 = 10;
/// The environment variable that names the folder of the language data.
const DATA_VARIABLE: &str = "TESSDATA_PREFIX";

/// Whether and how scanned pages are read.
#[derive(Debug, Default)]
pub enum Ocr {
    /// Scanned pages are not read, because OCR is switched off.
    #[default]
    Off,
    /// Switched on, but unusable, with the reason.
    Unusable(String),
    /// Scanned pages are read by this program.
    Ready(OcrProgram),
}

/// An installed tesseract and its limits.
#[derive(Debug)]
pub struct OcrProgram {
    settings: OcrConfig,
    program: PathBuf,
    /// Folder of the language data, if not the default.
    data: Option<PathBuf>,
    /// The requested languages that are installed.
    languages: Vec<String>,
    /// The requested languages that are not installed.
    missing: Vec<String>,
    /// Whether the kernel can restrict which files the program may read.
    protects_files: bool,
    /// Held while a page is recognized: one at a time, because it takes a whole core and much memory.
    turn: Mutex<()>,
}

impl Ocr {
    /// Looks for the program and its languages. Blocks for about ten seconds at most.
    pub(super) fn find(
        settings: Option<&OcrConfig>,
        reader: &ChildReader,
        data_dir: &Path,
    ) -> Self {
        let Some(settings) = settings else {
            return Self::Off;
        };
        let found = check_data_folder(data_dir).and_then(|()| OcrProgram::find(settings, reader));
        found.map_or_else(Self::Unusable, Self::Ready)
    }

    /// Logs whether OCR is usable, unless it is switched off.
    pub(super) fn announce(&self) {
        match self {
            Self::Off => {}
            Self::Unusable(why) => {
                log::warn("OCR is turned on but cannot be used", &[("why", why)])
            }
            Self::Ready(found) => {
                let (program, languages) = (found.program.display(), found.languages.join("+"));
                log::info(
                    "OCR is ready",
                    &[("program", &program), ("languages", &languages)],
                );
                if !found.protects_files {
                    log::warn(
                        "OCR runs without protection of files",
                        &[("needs", &"Landlock (Linux 5.13)")],
                    );
                }
                if !found.missing.is_empty() {
                    let missing = found.missing.join("+");
                    log::warn(
                        "languages of OCR_LANGUAGES are not installed",
                        &[("languages", &missing)],
                    );
                }
            }
        }
    }

    /// Whether OCR works without restrictions, and a sentence that describes its state; `None` if it is switched off.
    pub fn status(&self) -> Option<(bool, String)> {
        match self {
            Self::Off => None,
            Self::Unusable(why) => {
                Some((false, format!("OCR is turned on but cannot be used: {why}")))
            }
            Self::Ready(found) => {
                let (program, languages) = (found.program.display(), found.languages.join("+"));
                let mut text = format!("scanned pages are read with {program} ({languages})");
                if !found.missing.is_empty() {
                    text += &format!("; not installed: {}", found.missing.join(", "));
                }
                if !found.protects_files {
                    text += "; this kernel cannot prevent it from reading other files (Landlock)";
                }
                Some((found.missing.is_empty() && found.protects_files, text))
            }
        }
    }
}

impl OcrProgram {
    fn find(settings: &OcrConfig, reader: &ChildReader) -> Result<Self, String> {
        let mut program = Self {
            program: executable(settings.program.as_deref())?,
            // Make the path absolute, because the process runs in another folder.
            data: std::env::var_os(DATA_VARIABLE)
                .and_then(|folder| std::path::absolute(folder).ok()),
            protects_files: system::can_protect_files(),
            settings: settings.clone(),
            languages: Vec::new(),
            missing: Vec::new(),
            turn: Mutex::new(()),
        };
        let program_path = program.program.display().to_string();
        let language_list = program
            .run(reader, &["--list-langs"], Stdio::null(), LIST_SECONDS)
            .map_err(|error| format!("{program_path} cannot be started: {error}"))?
            .map_err(|why| format!("{program_path} --list-langs {why}"))?;
        // The first line is a heading.
        let installed: Vec<&str> = language_list.lines().skip(1).map(str::trim).collect();
        let languages = settings.languages.iter().cloned();
        (program.languages, program.missing) =
            languages.partition(|name| installed.contains(&name.as_str()));
        if program.languages.is_empty() {
            return Err(format!(
                "{program_path} has none of the languages {}; installed: {}",
                settings.languages.join(", "),
                installed.join(", ")
            ));
        }
        Ok(program)
    }

    /// Returns the maximum number of pages to recognize per document.
    pub(super) fn max_pages(&self) -> usize {
        self.settings.max_pages
    }

    /// Returns the text recognized in an image file, which may be no text at all. The inner error is the reason if
    /// recognition fails. Blocks.
    ///
    /// # Errors
    /// Returns an error if no process can be started, or if it is stopped by this server.
    pub(super) fn recognize(
        &self,
        reader: &ChildReader,
        image: &[u8],
    ) -> io::Result<Result<String, String>> {
        // The process reads the image from its stdin, so that it is never written to disk.
        let mut file = system::memory_file()?;
        file.write_all(image)?;
        file.rewind()?;
        let languages = self.languages.join("+");
        let arguments = ["stdin", "stdout", "-l", &languages];
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u32::try_from(self.settings.page_timeout.as_secs()).unwrap_or(u32::MAX);
        let outcome = self.run(reader, &arguments, file.into(), seconds)?;
        Ok(outcome.map(|text| visible_text(&text).trim().to_owned()))
    }

    fn run(
        &self,
        reader: &ChildReader,
        arguments: &[&str],
        input: Stdio,
        seconds: u32,
    ) -> io::Result<Result<String, String>> {
        let request = OcrRequest {
            program: self.program.clone(),
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            data: self.data.clone(),
            memory: self.settings.memory,
            seconds,
        };
        let arguments = [OCR_ARGUMENT.to_owned(), serde_json::to_string(&request)?];
        let mut output = Vec::new();
        let outcome = reader.run(&arguments, input, seconds, |out| {
            out.take(MAX_TEXT_BYTES + 1).read_to_end(&mut output)?;
            // If there is no outcome, the exit status decides. Too much output counts as an outcome.
            Ok((output.len() as u64 > MAX_TEXT_BYTES).then_some(()))
        })?;
        Ok(match outcome {
            Ok(()) => Err(format!(
                "printed more than {} KiB of text",
                MAX_TEXT_BYTES >> 10
            )),
            Err(early) if early.status.success() => {
                Ok(String::from_utf8_lossy(&output).into_owned())
            }
            Err(early) => Err(self.failure_message(&early, seconds)),
        })
    }

    /// Describes why the program failed, as the predicate of a sentence.
    fn failure_message(&self, early: &EarlyExit, seconds: u32) -> String {
        let line = early
            .stderr_text
            .lines()
            .rfind(|line| !line.trim().is_empty());
        log::warn(
            "OCR was cut short",
            &[
                ("status", &early.status),
                ("why", &line.unwrap_or_default()),
            ],
        );
        let memory_words = ["bad_alloc", "memory", "Memory"];
        let memory = self.settings.memory >> 20;
        let signal = early.status.signal();
        let is_overdue =
            early.is_overdue || matches!(signal, Some(signals::SIGXCPU | signals::SIGALRM));
        match signal {
            _ if is_overdue && seconds == 1 => "took more than 1 second".to_owned(),
            _ if is_overdue => format!("took more than {seconds} seconds"),
            _ if memory_words
                .iter()
                .any(|word| early.stderr_text.contains(word)) =>
            {
                format!("took more than {memory} MB of memory")
            }
            Some(signals::SIGKILL) => "was stopped".to_owned(),
            Some(signal) => format!("crashed (signal {signal})"),
            None => format!("failed (exit code {})", early.status.code().unwrap_or(-1)),
        }
    }
}

/// Refuses a data folder that a program in the sandbox could read.
fn check_data_folder(data_dir: &Path) -> Result<(), String> {
    let folder = data_dir
        .canonicalize()
        .unwrap_or_else(|_| data_dir.to_owned());
    match system::SYSTEM_FOLDERS
        .iter()
        .find(|one| folder.starts_with(one))
    {
        Some(readable) => Err(format!(
            "the data folder {} is in {readable}, which OCR programs can read: move it, or turn OCR off",
            folder.display()
        )),
        None => Ok(()),
    }
}

/// Returns the absolute path of the executable: the configured one, or the first on the PATH.
fn executable(configured_path: Option<&Path>) -> Result<PathBuf, String> {
    let is_program = |path: &Path| {
        let metadata = std::fs::metadata(path);
        metadata
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if let Some(path) = configured_path {
        let display_path = path.display();
        let path = std::path::absolute(path).map_err(|error| format!("{display_path}: {error}"))?;
        return match is_program(&path) {
            true => Ok(path),
            false => Err(format!(
                "{display_path} is not an executable file (OCR_PROGRAM)"
            )),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("tesseract"));
    paths.find(|path| is_program(path)).ok_or_else(|| {
        "tesseract is not on the PATH; install it (apt-get install tesseract-ocr), or set OCR_PROGRAM".to_owned()
    })
}
