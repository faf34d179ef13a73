//! Reads one file in a process of its own and takes what it says. Whatever becomes of that process, this ends
//! with a sentence for the person.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::domain::chunk::Page;
use crate::extract::frame::{ARGUMENT, Frame, Job, Refusal};
use crate::extract::{Limits, Report};

/// What reading one file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds of computing.
    pub cpu_s: u64,
    /// Bytes of text.
    pub text: usize,
    /// Bytes of the file.
    pub input: u64,
}

impl Room {
    fn job(&self, name: &str, encoding: Option<&str>) -> Job {
        Job {
            name: name.to_owned(),
            encoding: encoding.map(str::to_owned),
            limits: Limits {
                input: self.input as usize,
                text: self.text,
                ..Limits::default()
            },
            memory: self.memory,
            cpu_s: self.cpu_s,
            // Where there is little of a processor, computing takes long by the clock.
            wall_s: u32::try_from(self.cpu_s * 12 + 30).unwrap_or(u32::MAX),
            picture: None,
        }
    }
}

/// How it ended.
pub(super) enum Ended {
    /// All of it was read that can be.
    Read(Report),
    /// Nothing was, and why.
    Refused(Refusal, String),
    /// Whoever took the pages wanted no more.
    Left,
}

/// Starts processes that read files.
#[derive(Clone)]
pub(super) struct Reader {
    pub program: PathBuf,
    pub room: Room,
    /// Those at work, so that they can be stopped.
    pub running: Running,
}

/// Processes at work.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<AtWork>>);

#[derive(Default)]
struct AtWork {
    children: Vec<Arc<Mutex<Child>>>,
    /// The server ends: what is cut short now says nothing about its file.
    stopped: bool,
}

impl Running {
    /// Ends them all.
    pub fn stop(&self) {
        let children = {
            let mut at_work = lock(&self.0);
            at_work.stopped = true;
            std::mem::take(&mut at_work.children)
        };
        for child in children {
            // It may have ended already, which is as well.
            let _ = lock(&child).kill();
        }
    }

    fn is_stopped(&self) -> bool {
        lock(&self.0).stopped
    }

    fn add(&self, child: Child) -> Arc<Mutex<Child>> {
        let child = Arc::new(Mutex::new(child));
        lock(&self.0).children.push(child.clone());
        child
    }

    fn remove(&self, child: &Arc<Mutex<Child>>) {
        let mut at_work = lock(&self.0);
        at_work.children.retain(|other| !Arc::ptr_eq(other, child));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Reader {
    /// Reads a file and gives its pages to `take` as they come, until that answers false. Blocks.
    pub fn read(
        &self,
        path: &Path,
        (name, encoding): (&str, Option<&str>),
        take: &mut dyn FnMut(Page) -> bool,
    ) -> io::Result<Ended> {
        #[cfg(test)]
        if self.program.as_os_str().is_empty() {
            return here(&self.room, path, (name, encoding), take);
        }
        let job = self.room.job(name, encoding);
        self.run(path, &job, |out| listen(out, self.room.text, take))
    }

    /// The picture of a page that has no text: its media type and its bytes in base64. Blocks.
    pub fn picture(&self, path: &Path, page: u32) -> io::Result<Option<(String, String)>> {
        let job = Job {
            picture: Some(page),
            ..self.room.job("", None)
        };
        let mut picture = None;
        self.run(path, &job, |out| {
            let frame = Frame::read(&mut BufReader::with_capacity(64 << 10, out))?;
            if let Some(Frame::Picture { media_type, base64 }) = frame {
                picture = Some((media_type, base64));
            }
            Ok(Some(Ended::Left))
        })?;
        Ok(picture)
    }

    fn run(
        &self,
        path: &Path,
        job: &Job,
        listen: impl FnOnce(ChildStdout) -> io::Result<Option<Ended>>,
    ) -> io::Result<Ended> {
        let mut child = Command::new(&self.program)
            .args([ARGUMENT, &serde_json::to_string(job)?])
            .env_clear()
            .current_dir("/")
            .stdin(File::open(path)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (out, said) = (child.stdout.take(), child.stderr.take());
        let child = self.running.add(child);
        let end = out.map_or(Ok(None), listen);
        if !matches!(end, Ok(Some(Ended::Read(_) | Ended::Refused(..)))) {
            // Left, cut short or talking nonsense: it has nothing more to say.
            let _ = lock(&child).kill();
        }
        let mut complaint = String::new();
        if let Some(said) = said {
            // The kernel keeps no more than this for a process that ends.
            let _ = said.take(4_096).read_to_string(&mut complaint);
        }
        let status = lock(&child).wait();
        self.running.remove(&child);
        match end {
            Ok(Some(end)) => Ok(end),
            _ if self.running.is_stopped() => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(self.cut_short(status?, &complaint)),
        }
    }

    fn cut_short(&self, status: ExitStatus, complaint: &str) -> Ended {
        let (memory, cpu) = (self.room.memory >> 20, self.room.cpu_s);
        let why = match status.signal() {
            _ if complaint.contains("memory allocation") => {
                format!("reading it takes more than {memory} MB of memory")
            }
            Some(libc_signal::XCPU) => format!("reading it takes more than {cpu} seconds"),
            Some(libc_signal::ALRM) => "reading it took too long".to_owned(),
            Some(libc_signal::KILL) => "the process that read it was stopped".to_owned(),
            _ => "our reader failed on this file".to_owned(),
        };
        crate::log::warn(
            "the process that reads a document was cut short",
            &[("status", &status), ("why", &why)],
        );
        Ended::Refused(
            Refusal::Unreadable,
            format!("{why}; the file is kept, its text was not read"),
        )
    }
}

/// Signals as Linux numbers them.
mod libc_signal {
    pub const KILL: i32 = 9;
    pub const ALRM: i32 = 14;
    pub const XCPU: i32 = 24;
}

// None: it ended without saying how. It keeps to its limits by itself while it is what we have written: one that
// says more has been taken over by its file.
fn listen(
    out: impl Read,
    most: usize,
    take: &mut dyn FnMut(Page) -> bool,
) -> io::Result<Option<Ended>> {
    let mut out = BufReader::with_capacity(64 << 10, out);
    let mut told = 0;
    while let Some(frame) = Frame::read(&mut out)? {
        match frame {
            Frame::Page {
                number,
                title,
                text,
            } => {
                let page = Page {
                    number,
                    title,
                    text,
                };
                // A page without text is none of ours: it costs as well.
                told += page.text.len().max(1);
                if told > most {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if !take(page) {
                    return Ok(Some(Ended::Left));
                }
            }
            Frame::Picture { .. } => return Err(io::ErrorKind::InvalidData.into()),
            Frame::Done(told) => return Ok(Some(Ended::Read(told.report()))),
            Frame::Refused { reason, message } => {
                return Ok(Some(Ended::Refused(reason, message)));
            }
        }
    }
    Ok(None)
}

/// Tests of the library have no program to start.
#[cfg(test)]
fn here(
    room: &Room,
    path: &Path,
    (name, encoding): (&str, Option<&str>),
    take: &mut dyn FnMut(Page) -> bool,
) -> io::Result<Ended> {
    let bytes = std::fs::read(path)?;
    let job = room.job(name, encoding);
    let input = crate::extract::Input {
        bytes: &bytes,
        name,
        encoding,
        limits: &job.limits,
    };
    Ok(match Frame::of_end(crate::extract::extract(&input, take)) {
        Frame::Done(told) => Ended::Read(told.report()),
        Frame::Refused { reason, message } => Ended::Refused(reason, message),
        Frame::Page { .. } | Frame::Picture { .. } => Ended::Left,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_says_more_than_it_may_is_heard_no_longer() {
        let mut said = Vec::new();
        for number in 1..=4 {
            let text = "x".repeat(100);
            let title = String::new();
            let page = Page {
                number,
                title,
                text,
            };
            Frame::of_page(page).write(&mut said).expect("memory");
        }
        for (most, wanted, ends) in [(400, 4, true), (399, 3, false), (0, 0, false)] {
            let mut heard = 0;
            let end = listen(&said[..], most, &mut |_| {
                heard += 1;
                true
            });
            assert_eq!(heard, wanted, "{most}");
            assert_eq!(end.is_ok(), ends, "{most}");
        }
    }
}
