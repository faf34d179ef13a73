//! Runs the command named on the command line and returns its exit code. If the server started the program as a child
//! process, reads one document or runs an OCR program instead.

use std::process::ExitCode;

use quire::allocator::{self, Allocator};
use quire::extract::child_protocol::{ARGUMENT, OCR_ARGUMENT};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    allocator::configure();
    let mut arguments = std::env::args_os().skip(1);
    let worker = match arguments.next() {
        Some(first) if first == ARGUMENT => Some(quire::worker::run as fn(&str) -> ExitCode),
        Some(first) if first == OCR_ARGUMENT => Some(quire::worker::run_ocr as _),
        _ => None,
    };
    if let Some(worker) = worker {
        let job = arguments.next().unwrap_or_default();
        return worker(&job.to_string_lossy());
    }
    quire::cli::run(std::env::args_os().skip(1))
}
