//! Runs the command named on the command line and returns its exit code, or reads one document if the server
//! started the program to do so.

use std::process::ExitCode;

fn main() -> ExitCode {
    quire::system::configure_allocator();
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == quire::extract::child_protocol::ARGUMENT)
    {
        let job = arguments.next().unwrap_or_default();
        return quire::worker::run(&job.to_string_lossy());
    }
    quire::cli::run(std::env::args_os().skip(1))
}
