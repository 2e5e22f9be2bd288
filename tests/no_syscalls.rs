//! While both sides are awake, an exchange makes no system call: not few, none.
//!
//! Shown by a seccomp filter that kills the process at the first one. Only leaving
//! is allowed.

#![allow(unsafe_code, reason = "leaves without the runtime's own system calls")]

use std::collections::BTreeMap;
use std::env;
use std::hint;
use std::process::{Command, ExitStatus};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use zocket::zx::{
    Status, ZX_SOCKET_PEER_CLOSED, ZX_SOCKET_READABLE, ZX_SOCKET_STREAM, ZX_SOCKET_WRITABLE,
    ZX_TIME_INFINITE, zx_object_wait_one, zx_socket_create, zx_socket_read, zx_socket_write,
};
use zocket::{Builder, Error, Signals, Stream, process};

/// What a re-executed test binary is to be.
const ROLE: &str = "ZOCKET_TEST_ROLE";
const MESSAGES: u64 = 300_000;

/// From here on every system call of this thread but the exit is deadly.
fn forbid_system_calls() {
    let leave = BTreeMap::from([(nix::libc::SYS_exit_group, vec![])]);
    let filter = SeccompFilter::new(
        leave,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// Ends the process at once. `std::process::exit` would make other calls first.
fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is needed any more.
    unsafe { nix::libc::_exit(code) }
}

/// Without this a write reserves memory when it first comes to a place in the ring.
fn reserved() -> Builder {
    Builder::new().reserve(true)
}

fn read(stream: &mut Stream, message: &mut [u8; 8]) {
    loop {
        match stream.try_read(message) {
            Ok(8) => return,
            Err(Error::WouldBlock) => hint::spin_loop(),
            // No panic: its message would be a system call.
            _ => leave(3),
        }
    }
}

fn write(stream: &mut Stream, message: &[u8; 8]) {
    loop {
        match stream.try_write(message) {
            Ok(8) => return,
            Err(Error::WouldBlock) => hint::spin_loop(),
            _ => leave(4),
        }
    }
}

/// Both processes: sleep once, so that the watcher looks after the peer's life and
/// tries need not; then exchange numbers both ways under the filter.
fn exchange(mut stream: Stream) {
    let mut message = [0; 8];
    stream.set_busy_wait(false);
    stream.try_write(&[1; 8]).unwrap();
    std::io::Read::read_exact(&mut stream, &mut message).unwrap();
    // Whoever came second did not have to sleep above; this one is never fulfilled.
    let soon = std::time::Instant::now() + std::time::Duration::from_millis(1);
    assert_eq!(stream.wait_readable(4096, Some(soon)), Err(Error::TimedOut));
    forbid_system_calls();
    for i in 0..MESSAGES {
        write(&mut stream, &i.to_le_bytes());
        read(&mut stream, &mut message);
        if message != i.to_le_bytes() {
            leave(5);
        }
    }
    leave(0);
}

/// One thread with both ends: every operation finds what it needs.
fn all_operations() {
    let (mut a, mut b) = reserved().stream_pair().unwrap();
    let (mut c, mut d) = reserved().datagram_pair().unwrap();
    let mut buf = [0; 1024];
    let mut sum = 0;
    forbid_system_calls();
    for _ in 0..1000 {
        sum += a.try_write(&buf).unwrap_or(0);
        sum += b.try_peek(&mut buf).unwrap_or(0);
        sum += b.try_read(&mut buf).unwrap_or(0);
        if let Ok(mut space) = b.try_reserve(700) {
            space.write(0, &buf[..700]);
            space.commit(700);
        }
        if let Ok(chunk) = a.try_chunk() {
            sum += chunk.len();
            chunk.consume(700);
        }
        sum += c.try_send(&buf[..300]).unwrap_or(0);
        sum += d.try_recv(&mut buf).unwrap_or(0);
        sum += d.try_send(&buf[..10]).unwrap_or(0);
        sum += c.try_next_len().unwrap_or(0);
        sum += c.try_recv(&mut buf).unwrap_or(0);
        sum += a.info().readable + c.info().readable;
    }
    leave(if sum == 1000 * (3 * 1024 + 700 + 600 + 30) {
        0
    } else {
        6
    });
}

/// One thread with both ends: what is so is found without asking anybody.
fn signals_that_are_on() {
    let (mut a, mut b) = reserved().stream_pair().unwrap();
    let (x, y) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
    // The first call of a thread numbers it, and becomes the owner of the direction. The first
    // that comes to a place in the ring reserves memory for it.
    let mut full = vec![0; 256 << 10];
    for (from, to) in [(x, y), (y, x)] {
        assert_eq!(zx_socket_write(from, 0, &full), Ok(full.len()));
        assert_eq!(zx_socket_read(to, 0, &mut full), Ok(full.len()));
    }
    let both = Signals::READABLE | Signals::WRITABLE;
    let mut buf = [0; 64];
    let mut right = 0;
    let past = Some(std::time::Instant::now());
    let closed = (Signals::PEER_CLOSED, ZX_SOCKET_PEER_CLOSED);
    forbid_system_calls();
    for _ in 0..1000 {
        let _ = a.try_write(b"x");
        right += u32::from(b.signals() == both);
        right += u32::from(b.wait(Signals::READABLE, None) == Ok(both));
        right += u32::from(a.signal_peer(Signals::USER_1, Signals::USER_0).is_ok());
        right += u32::from(b.wait(Signals::USER_0, None) == Ok(both | Signals::USER_0));
        right += u32::from(b.signal(Signals::USER_0, Signals::empty()).is_ok());
        let _ = b.try_read(&mut buf);
        // Of a peer in this process the kernel knows no more.
        right += u32::from(b.wait(closed.0, past) == Err(Error::TimedOut));

        let mut observed = 0;
        right += u32::from(zx_socket_write(x, 0, b"data") == Ok(4));
        let wait = zx_object_wait_one(y, ZX_SOCKET_READABLE, ZX_TIME_INFINITE, Some(&mut observed));
        right += u32::from(wait.is_ok() && observed == ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
        right += u32::from(zx_socket_read(y, 0, &mut buf) == Ok(4));
        let look = zx_object_wait_one(y, closed.1, 0, None);
        right += u32::from(look == Err(Status::TIMED_OUT));
    }
    leave(if right == 10 * 1000 { 0 } else { 7 });
}

/// One task with both ends: every operation finds what it needs.
fn tasks() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let talk = async {
        let (a, b) = reserved().stream_pair().unwrap();
        let (c, d) = reserved().datagram_pair().unwrap();
        let [mut a, mut b] = [a, b].map(|end| zocket::tokio::Stream::from_blocking(end).unwrap());
        let [mut c, mut d] = [c, d].map(|end| zocket::tokio::Datagram::from_blocking(end).unwrap());
        let mut buf = [0; 64];
        let mut sum = 0;
        forbid_system_calls();
        for _ in 0..1000 {
            sum += a.write(&buf).await.unwrap_or(0);
            sum += b.read(&mut buf).await.unwrap_or(0);
            sum += c.send(&buf).await.unwrap_or(0);
            sum += d.recv(&mut buf).await.unwrap_or(0);
        }
        leave(if sum == 4 * 64 * 1000 { 0 } else { 8 });
    };
    // Else it would let others have their turn, and the runtime look what the kernel has for them.
    runtime.block_on(tokio::task::unconstrained(talk));
}

/// Must be allowed to call, or the filter shows nothing.
fn one_system_call() {
    forbid_system_calls();
    nix::unistd::getpid();
    leave(0);
}

#[test]
fn child_entry() {
    match env::var(ROLE).as_deref() {
        Ok("exchange") => exchange(Stream::inherited("peer").unwrap()),
        Ok("all operations") => all_operations(),
        Ok("signals that are on") => signals_that_are_on(),
        Ok("tasks") => tasks(),
        Ok("one system call") => one_system_call(),
        _ => {}
    }
}

fn child(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_entry", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    command
}

fn run(role: &str) -> ExitStatus {
    child(role).status().unwrap()
}

#[test]
fn exchange_between_processes_that_are_awake_makes_no_system_call() {
    let (a, b) = reserved().stream_pair().unwrap();
    let mut first = process::spawn(child("exchange"), [("peer", a.into())]).unwrap();
    let mut second = process::spawn(child("exchange"), [("peer", b.into())]).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

#[test]
fn operations_that_need_not_wait_make_no_system_call() {
    assert_eq!(run("all operations").code(), Some(0));
}

#[test]
fn looks_and_waits_for_what_is_so_make_no_system_call() {
    assert_eq!(run("signals that are on").code(), Some(0));
}

#[test]
fn tasks_that_need_not_wait_make_no_system_call() {
    assert_eq!(run("tasks").code(), Some(0));
}

#[test]
fn filter_kills_at_a_system_call() {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(run("one system call").signal(), Some(nix::libc::SIGSYS));
}
