//! A listener in a sandbox: the guide's list of system calls is what it takes, and all that it takes.
//!
//! Shown by a seccomp filter of that list, which kills the process at any other call.

#![allow(unsafe_code, reason = "leaves without the runtime's own system calls")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread;

use nix::libc;
use nix::sys::stat::{Mode, umask};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use zocket::Stream;
use zocket::named::StreamListener;

/// What a re-executed test binary is to be.
const ROLE: &str = "ZOCKET_TEST_ROLE";
/// Where it listens.
const PATH: &str = "ZOCKET_TEST_PATH";
/// What it does without, of the guide's list.
const WITHOUT: &str = "ZOCKET_TEST_WITHOUT";

/// Rows of the guide's table, by how they begin.
const BINDING: &str = "a listener: binding a path";
const DROPPING: &str = "dropping a listener";
const ALL: &[&str] = &[
    BINDING,
    "accepting",
    "**making** a pair",
    "**packing**",
    "dropping an endpoint",
    DROPPING,
];

/// The calls of those rows.
const NUMBERS: &[(&str, i64)] = &[
    ("accept4", libc::SYS_accept4),
    ("bind", libc::SYS_bind),
    #[cfg(target_arch = "x86_64")]
    ("chmod", libc::SYS_chmod),
    #[cfg(not(target_arch = "x86_64"))]
    ("chmod", libc::SYS_fchmodat),
    ("close", libc::SYS_close),
    ("connect", libc::SYS_connect),
    ("dup3", libc::SYS_dup3),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("eventfd2", libc::SYS_eventfd2),
    ("fallocate", libc::SYS_fallocate),
    ("fchmod", libc::SYS_fchmod),
    ("fcntl", libc::SYS_fcntl),
    ("fstat", libc::SYS_fstat),
    ("ftruncate", libc::SYS_ftruncate),
    ("geteuid", libc::SYS_geteuid),
    ("getsockopt", libc::SYS_getsockopt),
    ("listen", libc::SYS_listen),
    ("madvise", libc::SYS_madvise),
    ("membarrier", libc::SYS_membarrier),
    ("memfd_create", libc::SYS_memfd_create),
    ("mmap", libc::SYS_mmap),
    ("munmap", libc::SYS_munmap),
    ("newfstatat", libc::SYS_newfstatat),
    ("openat", libc::SYS_openat),
    ("ppoll", libc::SYS_ppoll),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("socket", libc::SYS_socket),
    ("socketpair", libc::SYS_socketpair),
    ("unlinkat", libc::SYS_unlinkat),
];

/// Calls of which it depends on the C library whether they are made, or another one for them.
const EITHER: &[&str] = &["fstat"];

/// What any program makes: the allocator's calls, the locks of a channel, the end.
const CALLS_OF_PROGRAM: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_futex,
    libc::SYS_exit_group,
    // With debug assertions std looks whether a descriptor that it closes is open.
    #[cfg(debug_assertions)]
    libc::SYS_fcntl,
];

fn number(name: &str) -> Option<i64> {
    let found = NUMBERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number)
}

/// What stands in backticks in a row of the table, behind its title.
fn row(title: &str) -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/src/sandboxes.md");
    let guide = fs::read_to_string(guide).unwrap();
    let begin = format!("| {title}");
    let rows = guide.lines().filter(|line| line.starts_with(&begin));
    let [row] = rows.collect::<Vec<_>>()[..] else {
        panic!("the guide has not one row {title:?}");
    };
    let calls = row.split('|').nth(2).unwrap();
    let quoted = calls.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// From here on system calls of this thread that these rows do not list are deadly.
fn enter_sandbox(rows: &[&str]) {
    let names = rows.iter().flat_map(|title| row(title));
    // There are names of functions between them.
    let mut allowed: BTreeSet<_> = names.filter_map(|name| number(&name)).collect();
    if let Ok(name) = env::var(WITHOUT) {
        assert!(allowed.remove(&number(&name).unwrap()), "{name}");
    }
    allowed.extend(CALLS_OF_PROGRAM);
    let rules = allowed.into_iter().map(|call| (call, vec![]));
    let filter = SeccompFilter::new(
        rules.collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// Replaces a dead socket, serves one client, and goes, all in the sandbox.
fn server(path: String) {
    let (start, started) = mpsc::channel();
    let client = path.clone();
    // Its thread is not in the sandbox.
    thread::spawn(move || {
        started.recv().unwrap();
        let mut client = Stream::connect(client).unwrap();
        // As long as the other end is there.
        let _ = client.wait_readable(1, None);
    });
    // The first pair of a process takes more, once.
    drop(Stream::pair().unwrap());
    // So the mode has to be set afterwards.
    umask(Mode::S_IRWXU);

    enter_sandbox(ALL);
    let listener = StreamListener::bind(&path).unwrap_or_else(|_| leave(3));
    start.send(()).unwrap_or_else(|_| leave(4));
    let (endpoint, _) = listener.accept().unwrap_or_else(|_| leave(5));
    drop(endpoint);
    drop(listener);
    leave(0);
}

/// Replaces a dead socket, and is in the sandbox when it goes.
fn leaver(path: String) {
    let listener = StreamListener::bind(path).unwrap();
    enter_sandbox(&[DROPPING]);
    drop(listener);
    leave(0);
}

/// Ends the process at once. `std::process::exit` would make other calls first.
fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is needed any more.
    unsafe { libc::_exit(code) }
}

#[test]
fn child_entry() {
    let path = || env::var(PATH).unwrap();
    match env::var(ROLE).as_deref() {
        Ok("server") => server(path()),
        Ok("leaver") => leaver(path()),
        _ => {}
    }
}

/// Starts a child in a directory with a dead socket, which it is to replace and remove.
fn run(role: &str, without: Option<&str>) -> ExitStatus {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    // A child that another test starts has a copy until it is executed.
    while UnixStream::connect(&path).is_ok() {
        thread::yield_now();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_entry", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(PATH, &path);
    if let Some(name) = without {
        command.env(WITHOUT, name);
    }
    let status = command.status().unwrap();
    assert!(!status.success() || !path.exists());
    status
}

#[test]
fn calls_that_the_guide_lists_are_enough() {
    for role in ["server", "leaver"] {
        let status = run(role, None);
        assert_eq!(status.code(), Some(0), "{role}: {status}");
    }
}

#[test]
fn calls_that_the_guide_lists_are_needed() {
    for (title, role) in [(BINDING, "server"), (DROPPING, "leaver")] {
        for name in row(title) {
            assert!(number(&name).is_some(), "{title}: {name}");
            if !EITHER.contains(&name.as_str()) {
                let status = run(role, Some(&name));
                assert_eq!(status.signal(), Some(libc::SIGSYS), "{title}: {name}");
            }
        }
    }
}
