//! A worker in a sandbox: a child takes its endpoint, gives up all system calls but a handful, and then works on
//! what may be poisoned. [docs/sandbox.md](../docs/sandbox.md) has the list of the calls.
//!
//! Shows: what has to come before the filter, that blocking calls work behind it, in both fence modes, and
//! that they need no call that is not in the list: any such call would kill the worker, but for `openat`, which
//! is refused, and tried. The worker is this program once more.
//!
//! Run it with `cargo run --example sandbox`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::Command;

use anyhow::{Result, bail, ensure};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use zocket::{Builder, Datagram, Error, FenceMode, FencePolicy, Readiness, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "work";

/// Requests in each mode, and bytes of the largest. The ring is gone round more than once.
const REQUESTS: usize = 100;
const LARGEST: usize = 64 << 10;

/// What blocking calls on endpoints make, and their drop.
const CALLS: &[i64] = &[
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_epoll_ctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_madvise,
    libc::SYS_sendto,
    libc::SYS_munmap,
    libc::SYS_close,
];

/// The same in [`FenceMode::Asymmetric`] only.
const CALLS_ASYMMETRIC: &[i64] = &[libc::SYS_membarrier];

/// What any program makes: the allocator's calls, a message, the end.
const CALLS_OF_PROGRAM: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_write,
    // With debug assertions std looks whether a descriptor that it closes is open.
    #[cfg(debug_assertions)]
    libc::SYS_fcntl,
    libc::SYS_sigaltstack,
    libc::SYS_exit_group,
];

fn main() -> Result<()> {
    match Datagram::inherited(NAME) {
        Ok(endpoint) => worker(endpoint),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => {
            for mode in [FenceMode::Asymmetric, FenceMode::Symmetric] {
                parent(mode)?;
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn parent(mode: FenceMode) -> Result<()> {
    let fence = FencePolicy::Exactly(mode);
    let (mut ours, theirs) = Builder::new().fence(fence).datagram_pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut worker = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    let mut answer = [0; 8];
    for number in 0..REQUESTS {
        let request = vec![number as u8; 1 + number * LARGEST / REQUESTS];
        ours.send(&request)?;
        if number % 3 == 0 {
            poll_readable(&mut ours)?;
        }
        ensure!(ours.recv(&mut answer)? == 8, "the worker is gone");
        ensure!(u64::from_le_bytes(answer) == sum(&request), "{number}");
    }
    // As if this process were killed: nothing is closed in order, and only the kernel can tell the worker.
    drop(ours.into_fd()?);
    let status = worker.wait()?;
    ensure!(status.success(), "{status}");
    println!("{mode:?}: {REQUESTS} answers from a worker that may not open a file");
    Ok(())
}

/// Waits as an event loop does, so that the other end has to ring the doorbell.
fn poll_readable(endpoint: &mut Datagram) -> Result<()> {
    while endpoint.arm_read(1)? == Readiness::Armed {
        let mut doorbell = [PollFd::new(endpoint.as_fd(), PollFlags::POLLIN)];
        poll(&mut doorbell, PollTimeout::NONE)?;
        endpoint.acknowledge();
    }
    Ok(())
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().copied().map(u64::from).sum()
}

// The worker.

fn worker(mut endpoint: Datagram) -> Result<()> {
    let mode = endpoint.info().fence_mode;
    start_watcher(mode)?;
    enter_sandbox(mode)?;
    match File::open("/dev/null") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        result => bail!("a file can be opened: {result:?}"),
    }

    let mut request = [0; LARGEST];
    for number in 0.. {
        // Both ways to wait: to look again for a while before the sleep, and to sleep at once.
        endpoint.set_busy_wait(number % 2 == 0);
        let len = endpoint.recv(&mut request)?;
        if len == 0 {
            break;
        }
        endpoint.send(&sum(&request[..len]).to_le_bytes())?;
    }
    Ok(())
}

/// Starts the thread that wakes sleepers whose peers were killed, and returns when it has come to its loop. The first
/// sleep starts it, but does not wait for it, and it needs calls of its own to begin.
fn start_watcher(mode: FenceMode) -> Result<()> {
    let fence = FencePolicy::Exactly(mode);
    let (mut ours, theirs) = Builder::new().fence(fence).stream_pair()?;
    // Nobody takes it out of the descriptor, so nobody closes it: to this end it looks killed.
    drop(theirs.into_fd()?);
    // A look would find it out, in place of the thread.
    ours.set_busy_wait(false);
    ensure!(ours.read(&mut [0])? == 0);
    Ok(())
}

/// From here on other calls than those in the lists end the process, but for `openat`, which fails.
fn enter_sandbox(mode: FenceMode) -> Result<()> {
    // Of two filters the stricter decides.
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    filter(&[&[libc::SYS_openat]], refused, SeccompAction::Allow)?;
    let asymmetric = match mode {
        FenceMode::Asymmetric => CALLS_ASYMMETRIC,
        _ => &[],
    };
    let calls = [CALLS, asymmetric, CALLS_OF_PROGRAM, &[libc::SYS_openat]];
    filter(&calls, SeccompAction::Allow, SeccompAction::KillProcess)
}

/// Has this happen at these calls, and that at all others, in every thread.
fn filter(calls: &[&[i64]], this: SeccompAction, that: SeccompAction) -> Result<()> {
    let calls = calls.concat().into_iter().map(|call| (call, vec![]));
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(calls.collect(), that, this, arch)?;
    Ok(apply_filter_all_threads(&BpfProgram::try_from(filter)?)?)
}
