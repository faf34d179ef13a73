//! The child processes that read documents: one extracts the text of a file inside a sandbox; the other is replaced by
//! the OCR program in a sandbox of its own. A malicious file can affect only the process that reads it, which opens
//! none of the server's files and is given no secrets.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::extract::child_protocol::{OcrRequest, ReadRefusal, ReadRequest, ReportFrame};
use crate::extract::{FileInput, extract_reporting, page_picture};
use crate::system::{SandboxLimits, enter_program_sandbox, enter_sandbox};

/// Enters the sandbox, reads the file on stdin as the job requests, and writes the result to stdout as frames.
pub fn run(job: &str) -> ExitCode {
    let Ok(job) = serde_json::from_str::<ReadRequest>(job) else {
        return ExitCode::from(2);
    };
    let limits = SandboxLimits {
        memory: job.memory,
        cpu_s: job.cpu_s,
        wall_s: job.wall_s,
    };
    if enter_sandbox(&limits).is_err() {
        return ExitCode::from(3);
    }
    match read_document(&job) {
        Ok(()) => ExitCode::SUCCESS,
        // Prints the same message as the allocator, so that the parent treats both cases alike.
        Err(error) if error.kind() == ErrorKind::OutOfMemory => {
            let _ = std::io::stderr().write_all(b"memory allocation failed");
            ExitCode::FAILURE
        }
        // Any other error means that the parent has closed the pipe.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Enters the program sandbox and replaces this process with the job's OCR program (`exec`). Returns only on
/// failure.
pub fn run_ocr(job: &str) -> ExitCode {
    let Ok(job) = serde_json::from_str::<OcrRequest>(job) else {
        return ExitCode::from(2);
    };
    let limits = SandboxLimits {
        memory: job.memory,
        cpu_s: job.seconds.into(),
        wall_s: job.seconds,
    };
    let files = [Some(job.program.as_path()), job.data.as_deref()];
    let files: Vec<_> = files.into_iter().flatten().collect();
    if let Err(error) = enter_program_sandbox(&limits, &files) {
        let _ = writeln!(std::io::stderr(), "the sandbox cannot be set up: {error}");
        return ExitCode::from(3);
    }
    let mut command = Command::new(&job.program);
    if let Some(data) = &job.data {
        command.env("TESSDATA_PREFIX", data);
    }
    // OpenMP's threads wait for each other in busy loops, so one thread is faster than several.
    let error = command
        .args(&job.arguments)
        .env("OMP_THREAD_LIMIT", "1")
        .exec();
    let _ = writeln!(std::io::stderr(), "cannot be started: {error}");
    ExitCode::from(127)
}

fn read_document(job: &ReadRequest) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let max_bytes = job.limits.input as u64 + 1;
    std::io::stdin()
        .lock()
        .take(max_bytes)
        .read_to_end(&mut bytes)?;
    let mut out = std::io::BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    if let Some(page) = job.picture {
        let rendered = catch_unwind(AssertUnwindSafe(|| page_picture(&bytes, page)));
        let frame = match rendered {
            Ok(Some(picture)) => ReportFrame::Picture {
                media_type: picture.media_type.to_owned(),
                base64: STANDARD.encode(picture.bytes),
            },
            _ => ReportFrame::Refused {
                reason: ReadRefusal::Unreadable,
                message: "the image of this page cannot be read".to_owned(),
            },
        };
        frame.write(&mut out)?;
        return out.flush();
    }
    let input = FileInput {
        bytes: &bytes,
        name: &job.name,
        encoding: job.encoding.as_deref(),
        limits: &job.limits,
    };
    let shared = RefCell::new(&mut out);
    let mut sink = |page| {
        let mut out = shared.borrow_mut();
        ReportFrame::from_page(page).write(&mut **out).is_ok()
    };
    let mut progress = |done, total| {
        let mut out = shared.borrow_mut();
        // Errors are ignored: if the pipe is closed, writing the next page fails too and ends the reading.
        let write_result = ReportFrame::Progress { done, total }.write(&mut **out);
        let _ = write_result.and_then(|()| out.flush());
    };
    let end = catch_unwind(AssertUnwindSafe(|| {
        extract_reporting(&input, &mut sink, &mut progress)
    }));
    let end = end.map_or_else(
        |_| ReportFrame::Refused {
            reason: ReadRefusal::Unreadable,
            message:
                "the document reader failed on this file; the file is stored, but its text was not read"
                    .to_owned(),
        },
        ReportFrame::from_end,
    );
    end.write(&mut out)?;
    out.flush()
}
