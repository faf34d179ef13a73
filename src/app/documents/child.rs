//! Reads a file in a child process and receives its pages. However the process ends, the user gets an explanation.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use super::read_progress::ReadProgress;
use crate::domain::chunk::PageText;
use crate::domain::id::UserId;
use crate::extract::child_protocol::{ARGUMENT, ReadRefusal, ReadRequest, ReportFrame};
use crate::extract::{ReadLimits, ReadReport};

/// Resource limits for reading one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBudget {
    /// Maximum address space, in bytes.
    pub memory: u64,
    /// Maximum CPU time, in seconds.
    pub cpu_s: u64,
    /// Maximum amount of text, in bytes.
    pub text: usize,
    /// Maximum file size, in bytes.
    pub input: u64,
}

impl ReadBudget {
    fn wall_seconds(&self) -> u32 {
        u32::try_from(self.cpu_s * 12 + 30).unwrap_or(u32::MAX)
    }

    fn read_request(&self, name: &str, encoding: Option<&str>) -> ReadRequest {
        ReadRequest {
            name: name.to_owned(),
            encoding: encoding.map(str::to_owned),
            limits: ReadLimits {
                input: self.input as usize,
                text: self.text,
                ..ReadLimits::default()
            },
            memory: self.memory,
            cpu_s: self.cpu_s,
            // On a slow or busy CPU, reading takes far longer in wall-clock time than in CPU time.
            wall_s: self.wall_seconds(),
            picture: None,
        }
    }
}

/// How a read ended.
pub(super) enum ChildExit {
    /// The file was read.
    Read(ReadReport),
    /// The file was refused, with the reason.
    Refused(ReadRefusal, String),
    /// The receiver of the pages asked for no more, so the process was stopped.
    StoppedByReceiver,
}

/// How a process ended that reported no outcome.
pub(super) struct EarlyExit {
    pub status: ExitStatus,
    /// Beginning of the process's stderr.
    pub stderr_text: String,
    /// Whether it was stopped because it exceeded its time limit.
    pub is_overdue: bool,
}

/// Returns the arguments of a process that reads a document.
fn reader_arguments(job: &ReadRequest) -> io::Result<Vec<String>> {
    Ok(vec![ARGUMENT.to_owned(), serde_json::to_string(job)?])
}

/// Starts the processes that read files.
#[derive(Clone)]
pub(super) struct ChildReader {
    pub program: PathBuf,
    pub budget: ReadBudget,
    /// The running processes, so that they can be stopped.
    pub running_processes: RunningChildren,
    /// The owner of the files, so that a user's processes can be stopped.
    pub user: Option<UserId>,
    /// Receives the process's progress.
    pub progress: Arc<ReadProgress>,
}

/// The running reader processes.
#[derive(Clone, Default)]
pub(super) struct RunningChildren {
    guard: Arc<Mutex<ChildGuard>>,
    /// Notified whenever a process is started.
    start_signal: Arc<Notify>,
}

#[derive(Default)]
struct ChildGuard {
    children: Vec<Arc<ChildProcess>>,
    /// Whether the server is shutting down, in which case an interrupted read says nothing about its file.
    stopped: bool,
}

/// A running reader process.
struct ChildProcess {
    child: Mutex<Child>,
    user: Option<UserId>,
    /// Whether this server interrupted it, so that its end says nothing about its file.
    was_interrupted: AtomicBool,
    /// Whether it exceeded its time limit.
    is_overdue: AtomicBool,
}

impl RunningChildren {
    /// Stops all processes, including any that are started later.
    pub fn stop(&self) {
        let mut guard = lock(&self.guard);
        guard.stopped = true;
        guard.children.iter().for_each(|child| child.interrupt());
    }

    /// Stops the processes of one user.
    pub fn stop_all_of_user(&self, user: &UserId) {
        let guard = lock(&self.guard);
        let children = guard.children.iter();
        children
            .filter(|child| child.user.as_ref() == Some(user))
            .for_each(|child| child.interrupt());
    }

    /// Returns the users whose files are being read.
    pub fn users(&self) -> Vec<UserId> {
        let guard = lock(&self.guard);
        let users = guard.children.iter();
        users.filter_map(|child| child.user.clone()).collect()
    }

    /// Waits until a process has been started since the last call. Supports one waiter at a time.
    pub async fn wait_for_start(&self) {
        self.start_signal.notified().await;
    }

    fn add(&self, child: Child, user: Option<UserId>) -> Arc<ChildProcess> {
        let process = Arc::new(ChildProcess {
            child: Mutex::new(child),
            user,
            was_interrupted: AtomicBool::new(false),
            is_overdue: AtomicBool::new(false),
        });
        let mut guard = lock(&self.guard);
        guard.children.push(process.clone());
        self.start_signal.notify_one();
        if guard.stopped {
            process.interrupt();
        }
        process
    }

    fn remove(&self, process: &Arc<ChildProcess>) {
        let mut guard = lock(&self.guard);
        guard.children.retain(|other| !Arc::ptr_eq(other, process));
    }
}

impl ChildProcess {
    fn interrupt(&self) {
        self.was_interrupted.store(true, Ordering::Release);
        self.kill();
    }

    fn stop_overdue(&self) {
        self.is_overdue.store(true, Ordering::Release);
        self.kill();
    }

    // Never blocks: a holder of the lock has already killed the process and is about to collect it.
    fn kill(&self) {
        if let Ok(mut child) = self.child.try_lock() {
            // The process may already have ended.
            let _ = child.kill();
        }
    }

    // Kills the process, which has no effect if it has already ended, and collects its exit status.
    fn collect(&self) -> io::Result<ExitStatus> {
        let mut child = lock(&self.child);
        let _ = child.kill();
        child.wait()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl ChildReader {
    /// Creates a reader without an owner.
    pub fn new(program: PathBuf, budget: ReadBudget) -> Self {
        Self {
            program,
            budget,
            running_processes: RunningChildren::default(),
            user: None,
            progress: Arc::default(),
        }
    }

    /// Returns the same reader, acting for a user.
    pub fn for_user(&self, user: &UserId) -> Self {
        Self {
            user: Some(user.clone()),
            ..self.clone()
        }
    }

    /// Returns the same reader, reporting its progress to `progress`.
    pub fn with_progress(&self, progress: Arc<ReadProgress>) -> Self {
        Self {
            progress,
            ..self.clone()
        }
    }

    /// Reads a file and passes its pages to `take` as they arrive, until it returns false. Blocks.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or is stopped by this server, or if the file cannot be opened.
    pub fn read(
        &self,
        path: &Path,
        (name, encoding): (&str, Option<&str>),
        take: &mut dyn FnMut(PageText) -> bool,
    ) -> io::Result<ChildExit> {
        #[cfg(test)]
        if self.program.as_os_str().is_empty() {
            return read_in_process(&self.budget, path, (name, encoding), take);
        }
        let job = self.budget.read_request(name, encoding);
        let (file, seconds) = (File::open(path)?, self.budget.wall_seconds());
        let outcome = self.run(&reader_arguments(&job)?, file.into(), seconds, |out| {
            read_frames(out, self.budget.text, &self.progress, take)
        })?;
        Ok(outcome.unwrap_or_else(|early| self.exit_after_kill(&early)))
    }

    /// Renders a page that has no text. Returns the image's media type and base64-encoded bytes, or `None` if the page
    /// has no image or cannot be rendered. Blocks.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or is stopped, or if the file cannot be opened.
    pub fn render_page(&self, path: &Path, page: u32) -> io::Result<Option<(String, String)>> {
        let job = ReadRequest {
            picture: Some(page),
            ..self.budget.read_request("", None)
        };
        let (file, seconds) = (File::open(path)?, self.budget.wall_seconds());
        let rendered = self.run(&reader_arguments(&job)?, file.into(), seconds, |out| {
            let frame = ReportFrame::read(&mut BufReader::with_capacity(64 << 10, out))?;
            Ok(Some(match frame {
                Some(ReportFrame::Picture { media_type, base64 }) => Some((media_type, base64)),
                _ => None,
            }))
        })?;
        Ok(rendered.unwrap_or(None))
    }

    /// Starts a process with `input` on its stdin and passes its stdout to `listen`, which returns the outcome, or
    /// `None` if the output ended without one. The process limits its own time to `seconds`; one that ignores that is
    /// killed a little later. Blocks.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or is stopped by this server.
    pub fn run<T>(
        &self,
        arguments: &[String],
        input: Stdio,
        seconds: u32,
        listen: impl FnOnce(ChildStdout) -> io::Result<Option<T>>,
    ) -> io::Result<Result<T, EarlyExit>> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (out, stderr) = (child.stdout.take(), child.stderr.take());
        let process = self.running_processes.add(child, self.user.clone());
        let watchdog = start_watchdog(process.clone(), seconds);
        // Read both pipes concurrently: if the process filled one while this thread waited on the other, both
        // would block forever.
        let stderr_reader = stderr.map(collect_stderr).transpose();
        let end = match (&stderr_reader, &watchdog) {
            (Ok(_), Ok(_)) => out.map_or(Ok(None), listen),
            _ => Ok(None),
        };
        // The process has nothing more to report in any case, so stop it. If it has already exited, its exit status is
        // kept.
        let status = process.collect();
        self.running_processes.remove(&process);
        drop(watchdog?);
        let stderr_text = stderr_reader?.and_then(|thread| thread.join().ok());
        match end {
            Ok(Some(end)) => Ok(Ok(end)),
            _ if process.was_interrupted.load(Ordering::Acquire) => {
                Err(io::ErrorKind::Interrupted.into())
            }
            _ => Ok(Err(EarlyExit {
                status: status?,
                stderr_text: stderr_text.unwrap_or_default(),
                is_overdue: process.is_overdue.load(Ordering::Acquire),
            })),
        }
    }

    fn exit_after_kill(&self, early: &EarlyExit) -> ChildExit {
        let (memory, cpu) = (self.budget.memory >> 20, self.budget.cpu_s);
        let status = early.status;
        let why = match status.signal() {
            _ if early.is_overdue => "reading it took too long".to_owned(),
            _ if early.stderr_text.contains("memory allocation") => {
                format!("reading it needs more than {memory} MB of memory")
            }
            Some(signals::SIGXCPU) => {
                format!("reading it needs more than {cpu} seconds of CPU time")
            }
            Some(signals::SIGALRM) => "reading it took too long".to_owned(),
            Some(signals::SIGKILL) => "the process that read it was stopped".to_owned(),
            _ => "the document reader failed on this file".to_owned(),
        };
        crate::log::warn(
            "the process that reads a document was cut short",
            &[("status", &status), ("why", &why)],
        );
        ChildExit::Refused(
            ReadRefusal::Unreadable,
            format!("{why}; the file is kept, but its text was not read"),
        )
    }
}

/// Extra time before a process that ignores its own limit is killed. A process that stops itself reports a
/// better reason.
const WATCHDOG_MARGIN: Duration = Duration::from_secs(5);

// Starts a thread that kills the process if it far exceeds its time limit, because a process can ignore the signal that
// enforces its own limit. Dropping the returned sender ends the thread.
fn start_watchdog(process: Arc<ChildProcess>, seconds: u32) -> io::Result<mpsc::Sender<()>> {
    let (outcome, watch) = mpsc::channel();
    let limit = Duration::from_secs(seconds.into()) + WATCHDOG_MARGIN;
    std::thread::Builder::new()
        .name("quire-watchdog".into())
        .stack_size(64 << 10)
        .spawn(move || {
            if watch.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                process.stop_overdue();
            }
        })?;
    Ok(outcome)
}

// Reads the process's stderr to the end on a separate thread; only the beginning is kept.
fn collect_stderr(mut stderr: ChildStderr) -> io::Result<JoinHandle<String>> {
    /// Maximum number of bytes of stderr that are kept.
    const MAX_STDERR_BYTES: u64 = 4_096;
    std::thread::Builder::new()
        .name("quire-stderr".into())
        .stack_size(64 << 10)
        .spawn(move || {
            let mut text = Vec::new();
            let _ = stderr
                .by_ref()
                .take(MAX_STDERR_BYTES)
                .read_to_end(&mut text);
            let _ = io::copy(&mut stderr, &mut io::sink());
            String::from_utf8_lossy(&text).into_owned()
        })
}

pub(super) mod signals {
    //! Signal numbers on Linux.
    pub const SIGKILL: i32 = 9;
    pub const SIGALRM: i32 = 14;
    pub const SIGXCPU: i32 = 24;
}

// Reads the process's frames. Returns `None` if the process ended without an outcome. An intact reader respects its
// limits, so a process that sends more has been compromised by its file, and the read fails.
fn read_frames(
    out: impl Read,
    max_bytes: usize,
    progress: &ReadProgress,
    take: &mut dyn FnMut(PageText) -> bool,
) -> io::Result<Option<ChildExit>> {
    let mut out = BufReader::with_capacity(64 << 10, out);
    let mut received = 0;
    while let Some(frame) = ReportFrame::read(&mut out)? {
        match frame {
            ReportFrame::Page {
                number,
                title,
                text,
            } => {
                let page = PageText {
                    number,
                    title,
                    text,
                };
                // An intact reader sends no page without text, so count such a page as well.
                received += page.text.len().max(1);
                if received > max_bytes {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if !take(page) {
                    return Ok(Some(ChildExit::StoppedByReceiver));
                }
            }
            ReportFrame::Progress { done, total } => progress.set(done, total),
            ReportFrame::Picture { .. } => return Err(io::ErrorKind::InvalidData.into()),
            ReportFrame::Done(report) => return Ok(Some(ChildExit::Read(report.report()))),
            ReportFrame::Refused { reason, message } => {
                return Ok(Some(ChildExit::Refused(reason, message)));
            }
        }
    }
    Ok(None)
}

/// Reads a file in the current process, because unit tests have no executable that they could start.
#[cfg(test)]
fn read_in_process(
    budget: &ReadBudget,
    path: &Path,
    (name, encoding): (&str, Option<&str>),
    take: &mut dyn FnMut(PageText) -> bool,
) -> io::Result<ChildExit> {
    let bytes = std::fs::read(path)?;
    let job = budget.read_request(name, encoding);
    let input = crate::extract::FileInput {
        bytes: &bytes,
        name,
        encoding,
        limits: &job.limits,
    };
    Ok(
        match ReportFrame::from_end(crate::extract::extract(&input, take)) {
            ReportFrame::Done(told) => ChildExit::Read(told.report()),
            ReportFrame::Refused { reason, message } => ChildExit::Refused(reason, message),
            _ => ChildExit::StoppedByReceiver,
        },
    )
}

#[cfg(test)]
mod tests;
