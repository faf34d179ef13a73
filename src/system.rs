//! Operating-system calls: in-memory files, the type of a disk, the terminal's width, and the sandboxes of the processes
//! that read documents. The only `unsafe` code is a libc call that takes a number and accesses no memory of the program.
#![allow(unsafe_code)]

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, path_beneath_rules,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::termios::tcgetwinsize;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Opens a file for reading. A named pipe opens immediately instead of waiting for its other end.
///
/// # Errors
/// Returns an error if there is no such file, or it may not be read.
pub fn open_without_waiting(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    std::fs::File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
}

/// Creates an empty file in memory, without a name in any folder.
///
/// # Errors
/// Returns an error if the system cannot create the file, for example because too many files are open.
pub fn memory_file() -> std::io::Result<std::fs::File> {
    let file = rustix::fs::memfd_create("quire", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(file.into())
}

/// A place for files that a restart may empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolatileStorage {
    /// The machine's memory.
    Memory,
    /// The writable layer of a container.
    ContainerLayer,
}

/// Returns where a folder's files are if a restart may delete them, and `None` if they are on a disk or the folder
/// cannot be examined.
pub fn volatile_storage(folder: &std::path::Path) -> Option<VolatileStorage> {
    // Takes much less time than reading the list of all mounts.
    storage_of_type(rustix::fs::statfs(folder).ok()?.f_type.into())
}

/// Returns where the files of a file system are, by its type's number in statfs(2).
fn storage_of_type(number: i128) -> Option<VolatileStorage> {
    const TMPFS: i128 = 0x0102_1994;
    const RAMFS: i128 = 0x8584_58f6;
    const OVERLAYFS: i128 = 0x794c_7630;
    const AUFS: i128 = 0x6175_6673;
    match number {
        TMPFS | RAMFS => Some(VolatileStorage::Memory),
        OVERLAYFS | AUFS => Some(VolatileStorage::ContainerLayer),
        _ => None,
    }
}

/// Returns the width of the terminal in columns, or `None` if neither stderr nor stdout is a terminal.
pub fn terminal_width() -> Option<u16> {
    let size = tcgetwinsize(std::io::stderr()).or_else(|_| tcgetwinsize(std::io::stdout()));
    size.ok().map(|size| size.ws_col).filter(|width| *width > 0)
}

/// Resource limits of a process that reads a document or runs an OCR program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Maximum address space, in bytes.
    pub memory: u64,
    /// Maximum CPU time, in seconds.
    pub cpu_s: u64,
    /// Maximum wall-clock time, in seconds.
    pub wall_s: u32,
}

/// Sandboxes this process permanently: limits its resources and installs a seccomp filter, which leaves only computing
/// and the files that are already open. Returns whether the filter was installed; without it, only the limits apply.
///
/// # Errors
/// Returns an error if a resource limit cannot be set.
pub fn enter_sandbox(limits: &SandboxLimits) -> std::io::Result<bool> {
    set_limits(limits)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(install_filter().is_some())
}

/// Sandboxes this process, and the program that later replaces it, permanently. The program can read only the system's
/// own files and `files`, and therefore not the data folder. It can write only to files that are already open, use no
/// network, and start no other process. Whether this is enforced depends on the kernel; the resource limits always
/// apply.
///
/// # Errors
/// Returns an error if a resource limit cannot be set or the kernel refuses a ruleset.
pub fn enter_program_sandbox(
    limits: &SandboxLimits,
    files: &[&std::path::Path],
) -> std::io::Result<()> {
    set_limits(limits)?;
    let readable = AccessFs::from_read(ABI::V1);
    let system = SYSTEM_FOLDERS.iter().map(std::path::Path::new);
    let readable_paths = system.chain(files.iter().copied());
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(readable_paths, readable)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(std::io::Error::other)?;
    install_program_filters();
    Ok(())
}

/// Returns whether the kernel can restrict which files a program reads. This requires Landlock, available since Linux
/// 5.13.
pub fn can_protect_files() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}

/// Folders and files that a system program needs to start: the executable, its libraries, and its data. A program in
/// the sandbox can read everything in them.
pub const SYSTEM_FOLDERS: &[&str] = &[
    "/bin",
    "/lib",
    "/lib64",
    "/usr",
    "/opt",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/dev/null",
    "/sys/devices/system/cpu",
];

fn set_limits(limits: &SandboxLimits) -> std::io::Result<()> {
    set_limit(Resource::As, limits.memory, limits.memory)?;
    // Exceeding the soft limit sends SIGXCPU; exceeding the hard limit kills the process.
    set_limit(Resource::Cpu, limits.cpu_s, limits.cpu_s + 2)?;
    set_limit(Resource::Fsize, 0, 0)?;
    set_limit(Resource::Core, 0, 0)?;
    // SAFETY: alarm only takes a number.
    unsafe { libc::alarm(limits.wall_s) };
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

fn set_limit(what: Resource, soft: u64, hard_limit: u64) -> std::io::Result<()> {
    let limit = Rlimit {
        current: Some(soft),
        maximum: Some(hard_limit),
    };
    Ok(setrlimit(what, limit)?)
}

/// System calls needed to compute, read open files, and write to a pipe. All others fail with EPERM, so the
/// process cannot open files, create sockets, start programs, or signal other processes.
const ALLOWED_SYSTEM_CALLS: &[libc::c_long] = &[
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
    // `abort` sends a signal to its own process. The IDs of other processes cannot be guessed from inside the sandbox.
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Installs the seccomp filter; `None` if the kernel or the library does not support one on this machine.
fn install_filter() -> Option<()> {
    let filter = SeccompFilter::new(
        ALLOWED_SYSTEM_CALLS
            .iter()
            .map(|call| (*call, Vec::new()))
            .collect(),
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().ok()?,
    );
    let program: BpfProgram = filter.ok()?.try_into().ok()?;
    seccompiler::apply_filter(&program).ok()
}

/// System calls denied to a program in the sandbox, because they concern the network, other processes, or kernel
/// settings. They fail with EPERM. A list of allowed calls is not possible, because it would depend on the program's
/// libraries.
const DENIED_SYSTEM_CALLS: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_sched_setaffinity,
    libc::SYS_setpriority,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_shmget,
    libc::SYS_msgget,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Installs the seccomp filters for programs. Does nothing if the kernel or the seccomp library does not support them.
fn install_program_filters() {
    let deny = |call: &libc::c_long| (*call, Vec::new());
    let mut rules: std::collections::BTreeMap<_, _> =
        DENIED_SYSTEM_CALLS.iter().map(deny).collect();
    // New threads are allowed, but new processes are not.
    let is_new_process = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64),
        0,
    );
    if let Ok(rule) =
        is_new_process.and_then(|is_new_process| SeccompRule::new(vec![is_new_process]))
    {
        rules.insert(libc::SYS_clone, vec![rule]);
    }
    // The process may signal and limit only itself. Its ID stays the same when the program replaces it.
    let own_pid = u64::from(std::process::id());
    rules.extend(deny_other_processes(libc::SYS_tgkill, &[own_pid]));
    rules.extend(deny_other_processes(libc::SYS_prlimit64, &[0, own_pid]));
    #[cfg(target_arch = "x86_64")]
    rules.extend(
        rules
            .clone()
            .into_iter()
            .map(|(call, rules)| (call | X32_CALL_BIT, rules)),
    );
    deny_calls(rules, libc::EPERM);
    // A filter cannot check the arguments of `clone3`. If that call does not exist, the C library uses `clone` instead.
    deny_calls([deny(&libc::SYS_clone3)].into(), libc::ENOSYS);
}

/// Bit in a system call number that marks the x32 variant of the call.
#[cfg(target_arch = "x86_64")]
const X32_CALL_BIT: libc::c_long = 0x4000_0000;

/// Returns a rule that denies a system call unless its first argument is one of these process IDs.
fn deny_other_processes(
    call: libc::c_long,
    allowed: &[u64],
) -> Option<(libc::c_long, Vec<SeccompRule>)> {
    let differs =
        |pid: &u64| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *pid).ok();
    let conditions: Option<Vec<_>> = allowed.iter().map(differs).collect();
    Some((call, vec![SeccompRule::new(conditions?).ok()?]))
}

fn deny_calls(
    rules: std::collections::BTreeMap<libc::c_long, Vec<SeccompRule>>,
    error: libc::c_int,
) -> Option<()> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error as u32),
        std::env::consts::ARCH.try_into().ok()?,
    );
    let program: BpfProgram = filter.ok()?.try_into().ok()?;
    seccompiler::apply_filter(&program).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn file_systems_in_memory_and_of_containers_are_volatile() {
        let (memory, layer) = (VolatileStorage::Memory, VolatileStorage::ContainerLayer);
        for (name, number, expected) in [
            ("tmpfs", 16_914_836, Some(memory)),
            ("ramfs", 2_240_043_254, Some(memory)),
            ("overlay", 2_035_054_128, Some(layer)),
            ("aufs", 1_635_083_891, Some(layer)),
            ("ext4", 61_267, None),
            ("xfs", 1_481_003_842, None),
            ("btrfs", 2_435_016_766, None),
        ] {
            assert_eq!(storage_of_type(number), expected, "{name}");
        }
        assert_eq!(volatile_storage(Path::new("/missing")), None);
        let mounts = std::fs::read_to_string("/proc/mounts").expect("the mounted file systems");
        if mounts.contains(" /dev/shm tmpfs ") {
            assert_eq!(volatile_storage(Path::new("/dev/shm")), Some(memory));
        }
    }
}
