//! What only the operating system can do: settings of glibc's allocator, the give-back after a burst, and the
//! walls around the process that reads people's files. The one place with `unsafe`: calls of libc that take
//! numbers, or the address of a table that outlives them, and touch no other memory of ours.
#![allow(unsafe_code)]

/// Call first thing in `main`, before any thread exists. One arena for all threads, and big blocks that
/// go straight back to the system: measured, 15.8 MB falls to 5.8 MB after a burst of 1,000 connections.
pub fn configure_allocator() {
    const KEEP: libc::c_int = 128 * 1024;
    // SAFETY: mallopt only stores a number; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEEP);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
    }
}

/// Returns free memory to the system. About a millisecond; for when the server has gone idle.
pub fn give_back() {
    // SAFETY: malloc_trim takes the allocator's own locks and has no other preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// How many columns the terminal has that this process writes to; none where it writes to no terminal.
pub fn terminal_width() -> Option<u16> {
    // SAFETY: the size is four numbers, for which all zeros are a value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    let is_told = [libc::STDERR_FILENO, libc::STDOUT_FILENO]
        .into_iter()
        // SAFETY: the request fills the size, which lives until the call is over.
        .any(|file| unsafe { libc::ioctl(file, libc::TIOCGWINSZ, &mut size) } == 0);
    (is_told && size.ws_col > 0).then_some(size.ws_col)
}

/// What the process that reads a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walls {
    /// Bytes of address space.
    pub memory: u64,
    /// Seconds of computing.
    pub cpu_s: u64,
    /// Seconds by the clock.
    pub wall_s: u32,
}

/// Puts this process behind walls for good: from here on it may compute and use the files that are open, and
/// nothing else. Gives whether the system also refuses everything else (a filter of system calls); the limits
/// hold in any case, or it is an error.
pub fn confine(walls: &Walls) -> std::io::Result<bool> {
    limit(libc::RLIMIT_AS, walls.memory, walls.memory)?;
    // The first is a signal that has a name, the second an end.
    limit(libc::RLIMIT_CPU, walls.cpu_s, walls.cpu_s + 2)?;
    limit(libc::RLIMIT_FSIZE, 0, 0)?;
    limit(libc::RLIMIT_CORE, 0, 0)?;
    // SAFETY: alarm and these prctl calls take numbers only.
    unsafe {
        libc::alarm(walls.wall_s);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Ok(false);
        }
    }
    Ok(filter())
}

fn limit(what: libc::__rlimit_resource_t, soft: u64, hard: u64) -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the table lives until the call is over.
    match unsafe { libc::setrlimit(what, &limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// System calls that a process needs which only computes, reads what is open and writes to a pipe. All others
/// answer "not permitted": no file can be opened, no socket made, no program started, nobody signalled.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    // To itself, when it aborts: another process's number cannot be guessed from inside.
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The architecture that the numbers above belong to, as the kernel names it (linux/audit.h).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

// A program of the kernel's classic packet filter (seccomp(2), linux/filter.h): is it this architecture, is the
// number one of those allowed.
fn filter() -> bool {
    const LOAD: u16 = 0x20;
    const EQUALS: u16 = 0x15;
    const ANSWER: u16 = 0x06;
    // Where they stand in what the filter is shown.
    const NUMBER: u32 = 0;
    const KIND: u32 = 4;
    let Some(architecture) = ARCHITECTURE else {
        return false;
    };
    let step = |code, yes, no, value| libc::sock_filter {
        code,
        jt: yes,
        jf: no,
        k: value,
    };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut program = vec![
        step(LOAD, 0, 0, KIND),
        step(EQUALS, 1, 0, architecture),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, 0, 0, NUMBER),
    ];
    for &call in ALLOWED {
        program.push(step(EQUALS, 0, 1, call as u32));
        program.push(step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW));
    }
    program.push(step(ANSWER, 0, 0, refuse));
    let table = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program during the call, and the vector lives until then.
    unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const table,
            0,
            0,
        ) == 0
    }
}
