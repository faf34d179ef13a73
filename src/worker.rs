//! The document-reading child process: extracts the text of one file inside a sandbox. Whatever a file does to its
//! reader is confined to this process, which opens no files and knows no secrets.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::extract::child_protocol::{ReadRefusal, ReadRequest, ReportFrame};
use crate::extract::{FileInput, extract_reporting, page_picture};
use crate::system::{SandboxLimits, enter_sandbox};

/// Reads a file from stdin according to the job, and writes frames to stdout.
pub fn run(job: &str) -> ExitCode {
    let Ok(job) = serde_json::from_str::<ReadRequest>(job) else {
        return ExitCode::from(2);
    };
    let walls = SandboxLimits {
        memory: job.memory,
        cpu_s: job.cpu_s,
        wall_s: job.wall_s,
    };
    if enter_sandbox(&walls).is_err() {
        return ExitCode::from(3);
    }
    match read(&job) {
        Ok(()) => ExitCode::SUCCESS,
        // Uses the allocator's own message, so that the parent treats both the same way.
        Err(error) if error.kind() == ErrorKind::OutOfMemory => {
            let _ = std::io::stderr().write_all(b"memory allocation failed");
            ExitCode::FAILURE
        }
        // The parent has closed the pipe.
        Err(_) => ExitCode::FAILURE,
    }
}

fn read(job: &ReadRequest) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let most = job.limits.input as u64 + 1;
    std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    let mut out = std::io::BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    if let Some(page) = job.picture {
        let found = catch_unwind(AssertUnwindSafe(|| page_picture(&bytes, page)));
        let frame = match found {
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
        ReportFrame::of_page(page).write(&mut **out).is_ok()
    };
    let mut progress = |done, total| {
        let mut out = shared.borrow_mut();
        // If the pipe is closed, writing the next page ends the reading.
        let written = ReportFrame::Progress { done, total }.write(&mut **out);
        let _ = written.and_then(|()| out.flush());
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
        ReportFrame::of_end,
    );
    end.write(&mut out)?;
    out.flush()
}
