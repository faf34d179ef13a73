//! Runs the command that the command line names and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    quire::memory::configure_allocator();
    quire::cli::run(std::env::args_os().skip(1))
}
