//! Parses the command line, runs a command, turns its result into an exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
