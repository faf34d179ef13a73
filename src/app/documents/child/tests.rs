//! Tests child processes that misbehave or are stopped.

use super::*;

#[test]
fn output_beyond_the_limit_is_ignored() {
    let mut output = Vec::new();
    ReportFrame::Progress { done: 1, total: 4 }
        .write(&mut output)
        .expect("memory");
    for number in 1..=4 {
        let text = "x".repeat(100);
        let title = String::new();
        let page = PageText {
            number,
            title,
            text,
        };
        ReportFrame::from_page(page)
            .write(&mut output)
            .expect("memory");
    }
    for (max_bytes, expected, ends) in [(400, 4, true), (399, 3, false), (0, 0, false)] {
        let mut page_count = 0;
        let progress = ReadProgress::default();
        let end = read_frames(&output[..], max_bytes, &progress, &mut |_| {
            page_count += 1;
            true
        });
        assert_eq!(page_count, expected, "{max_bytes}");
        assert_eq!(end.is_ok(), ends, "{max_bytes}");
        assert_eq!(progress.share(), Some(0.25));
    }
}

/// A program that is started instead of the reader, in a folder that is removed when the test ends.
struct Program(PathBuf);

impl Program {
    fn new(name: &str, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let name = format!("quire-reader-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("reader");
        let script = script.replace("FOLDER", folder.to_str().expect("a path"));
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))
            .expect("a program");
        let status = Command::new("mkfifo").arg(folder.join("line")).status();
        assert!(status.expect("mkfifo").success());
        Self(folder)
    }
    fn reader(&self) -> ChildReader {
        ChildReader {
            program: self.0.join("reader"),
            budget: ReadBudget {
                memory: 0,
                cpu_s: 0,
                text: 1 << 20,
                input: 1 << 20,
            },
            running_processes: RunningChildren::default(),
            user: None,
            progress: Arc::default(),
        }
    }
    fn read(&self, reader: &ChildReader) -> io::Result<ChildExit> {
        reader.read(&self.0.join("reader"), ("a.txt", None), &mut |_| true)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_process_with_long_stderr_output_does_not_deadlock() {
    // Write far more than a pipe holds to stderr, before any output on stdout.
    let script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo memory allocation >&2; exit 1";
    let program = Program::new("complains", script);
    let outcome = program.read(&program.reader()).expect("read");
    assert!(
        matches!(outcome, ChildExit::Refused(ReadRefusal::Unreadable, why) if why.contains("the document reader failed"))
    );
}

#[test]
fn a_process_that_closes_its_output_and_keeps_running_is_killed() {
    let program = Program::new("stays", "exec >&- 2>&-; read word < FOLDER/line");
    let outcome = program.read(&program.reader()).expect("read");
    assert!(matches!(
        outcome,
        ChildExit::Refused(ReadRefusal::Unreadable, _)
    ));
}

#[test]
fn stopping_a_user_stops_only_their_processes() {
    use crate::domain::time::Timestamp;
    let user = |n| UserId::new(Timestamp::from_millis(1), n);
    let script = "echo begun > FOLDER/line; exec sleep 600";
    let (own, other) = (Program::new("own", script), Program::new("other", script));
    let reader = own.reader();
    let (readers, running) = (
        [reader.for_user(&user(1)), reader.for_user(&user(2))],
        reader.running_processes.clone(),
    );
    let other_reader = ChildReader {
        program: other.0.join("reader"),
        ..readers[1].clone()
    };
    std::thread::scope(|scope| {
        let own_end = scope.spawn(|| own.read(&readers[0]));
        let other_end = scope.spawn(|| other.read(&other_reader).map(|_| ()));
        for program in [&own, &other] {
            let line = std::fs::read_to_string(program.0.join("line"));
            assert_eq!(line.expect("a line"), "begun\n");
        }
        // A process may run before it is registered.
        while running.users().len() < 2 {
            std::thread::yield_now();
        }
        running.stop_all_of_user(&user(1));
        let end = own_end.join().expect("a thread").map(|_| ());
        assert_eq!(
            end.map_err(|error| error.kind()),
            Err(io::ErrorKind::Interrupted)
        );
        assert!(!other_end.is_finished());
        running.stop();
        let end = other_end.join().expect("a thread");
        assert_eq!(
            end.map_err(|error| error.kind()),
            Err(io::ErrorKind::Interrupted)
        );
    });
}
