//! A kernel that refuses: too few descriptors, no memory, forbidden system calls.
//!
//! Limits and seccomp filters are for good, so each case is a child of its own.
//! Each refusal is a clean error, leaves nothing open or mapped, and breaks no
//! endpoint that was there before.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};
use zocket::zx::{self, Status};
use zocket::{
    Builder, Datagram, Error, FenceMode, FencePolicy, Port, Signals, Stream, Trigger, WaitItem,
    wait_many,
};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::sleep_and_wake;
use crate::support_processes::observe::{endpoint_mappings, manner, open_descriptors, sleeper};

pub(crate) const ROLES: &[Role] = &[
    ("no_descriptors_for_pair", no_descriptors_for_pair),
    ("no_descriptors_for_envelope", no_descriptors_for_envelope),
    ("no_descriptors_for_claim", no_descriptors_for_claim),
    ("no_descriptors_for_watcher", no_descriptors_for_watcher),
    ("no_descriptors_at_all", no_descriptors_at_all),
    ("no_pages", no_pages),
    ("no_more_pages", no_more_pages),
    ("no_populating", no_populating),
    ("no_address_space", no_address_space),
    ("no_memfd", no_memfd),
    ("no_noexec_flag", no_noexec_flag),
    ("no_seals", no_seals),
    ("no_membarrier", no_membarrier),
    ("no_affinity", no_affinity),
    ("no_membarrier_to_attach", no_membarrier_to_attach),
    ("no_membarrier_later", no_membarrier_later),
    ("no_membarrier_for_writer", no_membarrier_for_writer),
    ("no_membarrier_under_a_wait", no_membarrier_under_a_wait),
    ("no_thread", no_thread),
    ("no_epoll", no_epoll),
    ("no_epoll_entry", no_epoll_entry),
    ("no_epoll_wait", no_epoll_wait),
    ("no_descriptors_for_handles", no_descriptors_for_handles),
    ("no_epoll_entry_for_port", no_epoll_entry_for_port),
    ("no_handles", no_handles),
];

// Forbidding.

/// From here on these system calls fail with `errno`, in all threads; 0 makes them
/// succeed and do nothing.
fn refuse(calls: &[(i64, Option<SeccompCondition>)], errno: i32) {
    let rules = calls.iter().map(|(call, condition)| {
        let rules = condition.iter().map(|condition| {
            SeccompRule::new(vec![condition.clone()]).expect("one condition is a rule")
        });
        (*call, rules.collect())
    });
    let arch: TargetArch = std::env::consts::ARCH.try_into().expect("a known machine");
    let action = SeccompAction::Errno(errno as u32);
    let filter = SeccompFilter::new(rules.collect(), SeccompAction::Allow, action, arch);
    let program: seccompiler::BpfProgram = filter
        .and_then(TryInto::try_into)
        .expect("the filter is well-formed");
    apply_filter_all_threads(&program).expect("the kernel has seccomp");
}

/// The same with one call.
pub(crate) fn refuse_call(call: i64, errno: i32) {
    refuse(&[(call, None)], errno);
}

/// The second argument, with `mask`, is `mask`.
fn flags_contain(mask: u64) -> Option<SeccompCondition> {
    let op = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(1, SeccompCmpArgLen::Dword, op, mask).ok()
}

/// The second argument is this.
fn command_is(command: i32) -> Option<SeccompCondition> {
    let op = SeccompCmpOp::Eq;
    SeccompCondition::new(1, SeccompCmpArgLen::Dword, op, command as u64).ok()
}

fn os(call: &'static str, errno: i32) -> Error {
    Error::Os { call, errno }
}

/// Runs `body`; sees that it leaves no more descriptors and mappings than it found.
fn leaves_nothing(body: impl FnOnce()) {
    let (descriptors, mappings) = (open_descriptors(), endpoint_mappings());
    body();
    // Less is possible: the watcher lets go of earlier endpoints a little later.
    assert!(open_descriptors() <= descriptors);
    assert!(endpoint_mappings() <= mappings);
}

/// The pair works, with a sleep in the kernel on each side.
fn works(a: &mut Stream, b: &mut Stream) {
    sleep_and_wake(a, b);
    sleep_and_wake(b, a);
}

/// The pair works, as far as that can be seen without a sleep.
fn is_connected(a: &mut Stream, b: &mut Stream) {
    let mut buf = [0; 4];
    for _ in 0..2 {
        assert_eq!(a.try_write(b"data"), Ok(4));
        assert_eq!(b.try_read(&mut buf), Ok(4));
        std::mem::swap(a, b);
    }
}

fn run(role: &str) {
    Process::start(role, []).finish();
}

// Descriptors.

/// A table of descriptors with little room.
struct Table {
    limit: RawFd,
    filling: Vec<OwnedFd>,
}

impl Table {
    /// Fills the table to the last place.
    fn fill() -> Self {
        let limit = 64;
        setrlimit(Resource::RLIMIT_NOFILE, limit, limit).expect("less is always allowed");
        let null = File::open("/dev/null").expect("it is there");
        let mut filling = Vec::new();
        while let Ok(fd) = null.try_clone() {
            filling.push(fd.into());
        }
        filling.push(null.into());
        let limit = limit as RawFd;
        Self { limit, filling }
    }

    /// Makes room for so many descriptors.
    fn free(&mut self, count: usize) {
        for _ in 0..count {
            drop(self.filling.pop().expect("there were many"));
        }
    }

    /// Open descriptors, counted without one.
    fn open(&self) -> usize {
        #[allow(unsafe_code, reason = "a descriptor by its number, which may be none")]
        let is_open = |fd: &RawFd| {
            // SAFETY: reads a flag of whatever has this number, or fails.
            unsafe { libc::fcntl(*fd, libc::F_GETFD) >= 0 }
        };
        (0..self.limit).filter(is_open).count()
    }
}

fn no_descriptors_for_pair(_: &Control) {
    let mut table = Table::fill();
    for room in 0..3 {
        let open = table.open();
        let error = Stream::pair().unwrap_err();
        let call = if room < 2 {
            "socketpair"
        } else {
            "memfd_create"
        };
        assert_eq!(error, os(call, libc::EMFILE));
        assert_eq!(table.open(), open);
        table.free(1);
    }
    let (mut a, mut b) = Stream::pair().expect("room for three");
    table.free(8);
    works(&mut a, &mut b);
}

#[test]
fn pair_without_descriptors_left_is_an_error_and_leaks_none() {
    run("no_descriptors_for_pair");
}

fn no_descriptors_for_envelope(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    works(&mut a, &mut b);
    let mut table = Table::fill();
    for _ in 0..2 {
        let open = table.open();
        let error = b.into_fd().unwrap_err();
        assert_eq!(error.error(), os("socketpair", libc::EMFILE));
        b = error.into_endpoint();
        assert_eq!(table.open(), open);
        is_connected(&mut a, &mut b);
        table.free(1);
    }
    let envelope = b.into_fd().expect("room for two");
    table.free(8);
    let mut b = Stream::try_from(envelope).expect("it is inside");
    works(&mut a, &mut b);
}

#[test]
fn packing_without_descriptors_left_gives_the_endpoint_back() {
    run("no_descriptors_for_envelope");
}

fn no_descriptors_for_claim(_: &Control) {
    let pairs: Vec<_> = (0..3).map(|_| Stream::pair().expect("a pair")).collect();
    let (a, b) = UnixStream::pair().expect("descriptors are left");
    let mut envelopes = Vec::new();
    let mut kept = Vec::new();
    for (ours, theirs) in pairs {
        kept.push(ours);
        envelopes.push(OwnedFd::from(theirs));
    }
    let (to_send, theirs) = Stream::pair().expect("a pair");
    kept.push(to_send);
    theirs.send_to(&a).expect("there is room");
    let mut table = Table::fill();
    // Nothing arrives of the one that was sent.
    let open = table.open();
    let (expected, found) = (1, 0);
    let error = Stream::receive_from(&b).unwrap_err();
    assert_eq!(error, Error::DescriptorCount { expected, found });
    assert_eq!(table.open(), open);
    // With room for none, and for one, what is in the envelope cannot come out.
    for found in 0..2 {
        let envelope = envelopes.pop().expect("three");
        let open = table.open();
        let error = Stream::try_from(envelope).unwrap_err();
        let expected = 2;
        assert_eq!(error.error(), Error::DescriptorCount { expected, found });
        assert_eq!(table.open(), open - 1, "the envelope alone is gone");
    }
    // The table has the places of two envelopes now: all that a claim takes.
    let mut last = Stream::try_from(envelopes.pop().expect("three")).expect("room for two");
    table.free(8);
    works(&mut kept[0], &mut last);
    // The peers of the lost ones are told so, at once.
    for lost in &mut kept[1..] {
        assert_eq!(lost.read(&mut [0]).expect("an end, not an error"), 0);
    }
}

#[test]
fn claiming_without_descriptors_left_is_an_error_and_leaks_none() {
    run("no_descriptors_for_claim");
}

fn no_descriptors_for_watcher(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    let mut table = Table::fill();
    let open = table.open();
    for _ in 0..2 {
        assert_eq!(
            a.wait_readable(1, None),
            Err(os("epoll_create1", libc::EMFILE))
        );
        assert_eq!(table.open(), open);
    }
    // Nothing is lost by that, and with descriptors it works.
    b.write_all(b"data").expect("there is space");
    let mut buf = [0; 4];
    assert_eq!(a.try_read(&mut buf), Ok(4));
    table.free(8);
    works(&mut a, &mut b);
}

#[test]
fn first_sleep_without_descriptors_left_is_an_error_and_loses_nothing() {
    run("no_descriptors_for_watcher");
}

// Memory.

/// A sandbox that allows no descriptor from here on, as `poll(2)` notices and no other
/// call on descriptors that are open. Twice, since what is under way goes on.
fn no_descriptors_at_all(_: &Control) {
    let mut pairs = [(); 3].map(|()| {
        let (mut a, b) = Stream::pair().expect("a pair");
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(1);
        assert_eq!(a.wait_readable(1, Some(soon)), Err(Error::TimedOut));
        (a, b.into_fd().expect("packed"))
    });
    let (a, b) = Stream::pair().expect("a pair");
    let unwatched = (a, b.into_fd().expect("packed"));
    setrlimit(Resource::RLIMIT_NOFILE, 0, 0).expect("less is always allowed");
    let tries = pairs.each_mut().map(|(a, _)| a.try_read(&mut [0]));
    assert_eq!(tries, [Err(Error::WouldBlock); 3]);
    for (mut a, envelope) in pairs {
        let reader = std::thread::spawn(move || a.read(&mut [0]).expect("an end"));
        drop(envelope);
        assert_eq!(reader.join().expect("the reader ends"), 0);
    }
    let (mut a, envelope) = unwatched;
    drop(envelope);
    while a.try_read(&mut [0]) == Err(Error::WouldBlock) {}
}

#[test]
fn hang_up_is_noticed_by_a_process_that_may_open_nothing() {
    run("no_descriptors_at_all");
}

/// From here on no memory can be had for rings.
fn refuse_pages() {
    // Where an access would be a SIGBUS.
    refuse_call(libc::SYS_madvise, libc::EFAULT);
    refuse_call(libc::SYS_fallocate, libc::ENOSPC);
}

fn no_pages(_: &Control) {
    refuse_pages();
    leaves_nothing(|| {
        assert_eq!(Stream::pair().unwrap_err(), Error::NoMemory);
        assert_eq!(Datagram::pair().unwrap_err(), Error::NoMemory);
        let all = Builder::new().reserve(true);
        assert_eq!(all.stream_pair().unwrap_err(), Error::NoMemory);
        assert_eq!(all.datagram_pair().unwrap_err(), Error::NoMemory);
    });
}

#[test]
fn pair_without_pages_is_no_memory() {
    run("no_pages");
}

/// A pair that has no memory but its first page writes what fits there and loses nothing; one that
/// has all, here or where it went, knows no want.
fn no_more_pages(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    let (mut c, mut d) = Datagram::pair().expect("a pair");
    let all = Builder::new().reserve(true);
    let (mut e, mut f) = all.stream_pair().expect("a pair");
    refuse_pages();

    let mut buf = vec![0; 256 << 10];
    let n = a.try_write(&[7; 10_000]).expect("the rest of a page");
    assert!((2000..4096).contains(&n), "{n} bytes were written");
    assert_eq!(a.try_write(&[8]), Err(Error::NoMemory));
    let error = a.write_all(&[8]).expect_err("no memory");
    assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
    assert_eq!(a.try_reserve(1).unwrap_err(), Error::NoMemory);
    assert_eq!(b.try_read(&mut buf), Ok(n));
    assert!(buf[..n].iter().all(|&byte| byte == 7));
    assert_eq!(b.try_write(&[1]), Err(Error::NoMemory), "a page of its own");
    assert!(a.signals().contains(Signals::WRITABLE), "there is space");

    assert_eq!(c.try_send(&[1; 3000]), Err(Error::NoMemory));
    assert_eq!(c.try_send(&[2; 300]), Ok(300));
    assert_eq!(d.try_recv(&mut buf), Ok(300));

    for _ in 0..3 {
        works(&mut e, &mut f);
        assert_eq!(e.try_write(&buf), Ok(buf.len()));
        assert_eq!(f.try_read(&mut buf), Ok(buf.len()));
        let envelope = OwnedFd::from(e);
        e = Stream::try_from(envelope).expect("claimed");
    }
    drop(b);
    assert_eq!(
        a.try_write(&[8]),
        Err(Error::PeerClosed),
        "the same as ever"
    );
}

#[test]
fn write_for_which_there_are_no_pages_is_no_memory_and_loses_nothing() {
    run("no_more_pages");
}

/// As on Linux before 5.14.
fn no_populating(_: &Control) {
    refuse_call(libc::SYS_madvise, libc::EINVAL);
    let (mut a, mut b) = Stream::pair().expect("a pair");
    let (data, mut buf) = (vec![7; 256 << 10], vec![0; 256 << 10]);
    assert_eq!(a.try_write(&data), Ok(data.len()));
    assert_eq!(b.try_read(&mut buf), Ok(data.len()));
    assert_eq!(buf, data);
    refuse_call(libc::SYS_fallocate, libc::ENOSPC);
    assert_eq!(b.try_write(&data), Err(Error::NoMemory));
    assert_eq!(Stream::pair().unwrap_err(), Error::NoMemory);
}

#[test]
fn old_kernel_reserves_pages_in_its_own_way() {
    run("no_populating");
}

fn no_address_space(_: &Control) {
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("a known resource");
    let limit = 1 << 30;
    setrlimit(Resource::RLIMIT_AS, limit, hard).expect("less is always allowed");
    let builder = Builder::new().capacity(1 << 30);
    leaves_nothing(|| {
        assert_eq!(builder.stream_pair().unwrap_err(), Error::NoMemory);
        assert_eq!(builder.datagram_pair().unwrap_err(), Error::NoMemory);
    });
    let (mut a, mut b) = Stream::pair().expect("a small one fits");
    works(&mut a, &mut b);
}

#[test]
fn pair_without_address_space_is_no_memory() {
    run("no_address_space");
}

fn no_memfd(_: &Control) {
    refuse_call(libc::SYS_memfd_create, libc::EPERM);
    leaves_nothing(|| {
        assert_eq!(Stream::pair().unwrap_err(), os("memfd_create", libc::EPERM));
    });
}

#[test]
fn pair_without_memfd_is_an_error() {
    run("no_memfd");
}

/// A kernel before 6.3 does not know the flag.
fn no_noexec_flag(_: &Control) {
    let flag = flags_contain(u64::from(libc::MFD_NOEXEC_SEAL));
    refuse(&[(libc::SYS_memfd_create, flag)], libc::EINVAL);
    let (mut a, mut b) = Stream::pair().expect("it works without");
    works(&mut a, &mut b);
    let mut b = Stream::try_from(OwnedFd::from(b)).expect("it is sealed all the same");
    works(&mut a, &mut b);
}

#[test]
fn pair_on_an_older_kernel_does_without_the_newer_flag() {
    run("no_noexec_flag");
}

fn no_seals(_: &Control) {
    let add_seals = command_is(libc::F_ADD_SEALS);
    refuse(&[(libc::SYS_fcntl, add_seals)], libc::EPERM);
    leaves_nothing(|| {
        assert_eq!(Stream::pair().unwrap_err(), os("fcntl", libc::EPERM));
    });
}

#[test]
fn pair_that_cannot_be_sealed_is_an_error() {
    run("no_seals");
}

// Fences.

fn exactly(mode: FenceMode) -> Builder {
    Builder::new().fence(FencePolicy::Exactly(mode))
}

fn no_membarrier(_: &Control) {
    refuse_call(libc::SYS_membarrier, libc::EPERM);
    leaves_nothing(|| {
        let error = exactly(FenceMode::Asymmetric).stream_pair().unwrap_err();
        assert_eq!(error, Error::FenceRefused);
    });
    for builder in [Builder::new(), exactly(FenceMode::Symmetric)] {
        let (mut a, mut b) = builder.stream_pair().expect("symmetric mode needs no call");
        assert_eq!(a.info().fence_mode, FenceMode::Symmetric);
        works(&mut a, &mut b);
    }
}

#[test]
fn pair_without_membarrier_is_symmetric_and_works() {
    run("no_membarrier");
}

fn no_affinity(_: &Control) {
    refuse_call(libc::SYS_sched_setaffinity, libc::EPERM);
    leaves_nothing(|| {
        let error = exactly(FenceMode::Asymmetric).stream_pair().unwrap_err();
        assert_eq!(error, Error::FenceRefused);
    });
    let (mut a, mut b) = Stream::pair().expect("symmetric mode needs no visits");
    assert_eq!(a.info().fence_mode, FenceMode::Symmetric);
    works(&mut a, &mut b);
}

#[test]
fn pair_whose_registration_may_not_reach_every_cpu_is_symmetric() {
    run("no_affinity");
}

fn no_membarrier_to_attach(control: &Control) {
    refuse_call(libc::SYS_membarrier, libc::EPERM);
    leaves_nothing(|| {
        let error = Stream::receive_from(control.socket()).unwrap_err();
        assert_eq!(error, Error::FenceRefused);
    });
    let mut symmetric = Stream::inherited("symmetric").expect("nothing is refused to it");
    symmetric.write_all(b"data").expect("the test reads");
    control.hear();
}

#[test]
fn attaching_an_asymmetric_endpoint_without_membarrier_is_refused() {
    let (mut ours, theirs) = exactly(FenceMode::Asymmetric)
        .stream_pair()
        .expect("a pair");
    let (mut other, its_peer) = exactly(FenceMode::Symmetric).stream_pair().expect("a pair");
    let child = Process::start("no_membarrier_to_attach", [("symmetric", its_peer.into())]);
    theirs.send_to(child.socket()).expect("the child receives");
    // The peer of the refused one is told.
    assert_eq!(ours.read(&mut [0]).expect("an end, not an error"), 0);
    let mut buf = [0; 4];
    other.read_exact(&mut buf).expect("the child writes");
    assert_eq!(&buf, b"data");
    child.tell("end");
    child.finish();
}

/// A sandbox entered after the pair was made. Sleeping would be unsafe: nobody may.
fn no_membarrier_later(control: &Control) {
    let mut stream = Stream::inherited("end").expect("it was passed");
    let (mut local, _local_peer) = Datagram::pair().expect("a pair");
    refuse_call(libc::SYS_membarrier, libc::EPERM);
    leaves_nothing(|| {
        for busy in [false, true] {
            stream.set_busy_wait(busy);
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
            assert_eq!(stream.wait_readable(2, None), Err(Error::FenceRefused));
            assert_eq!(stream.arm_read(1), Err(Error::FenceRefused));
            assert_eq!(local.recv(&mut [0]), Err(Error::FenceRefused));
        }
    });
    // Nothing that does not sleep is affected, and nothing was lost.
    control.tell("write");
    let mut buf = [0; 8];
    control.hear();
    assert_eq!(stream.try_read(&mut buf), Ok(4));
    assert_eq!(&buf[..4], b"data");
    assert_eq!(stream.try_write(&buf[..4]), Ok(4));
    // New pairs are symmetric: the registration of before is no excuse.
    let (mut a, mut b) = Stream::pair().expect("symmetric mode needs no call");
    assert_eq!(a.info().fence_mode, FenceMode::Symmetric);
    works(&mut a, &mut b);
    control.tell("done");
    control.hear();
}

#[test]
fn blocking_wait_without_membarrier_is_refused_rather_than_unsafe() {
    let (mut ours, theirs) = exactly(FenceMode::Asymmetric)
        .stream_pair()
        .expect("a pair");
    let child = Process::start("no_membarrier_later", [("end", theirs.into())]);
    assert_eq!(child.hear(), "write");
    // This end is not in the sandbox and sleeps as ever.
    ours.write_all(b"data").expect("there is space");
    child.tell("written");
    let mut buf = [0; 4];
    ours.read_exact(&mut buf).expect("the child writes");
    assert_eq!(child.hear(), "done");
    child.tell("end");
    child.finish();
}

fn no_membarrier_for_writer(_: &Control) {
    let builder = exactly(FenceMode::Asymmetric).capacity(4 << 10);
    let (mut a, mut b) = builder.stream_pair().expect("a pair");
    refuse_call(libc::SYS_membarrier, libc::EPERM);
    assert_eq!(a.write(&[7; 5000]).expect("there is some space"), 4096);
    let error = a.write(&[7]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(a.wait_writable(1, None), Err(Error::FenceRefused));
    assert_eq!(a.arm_write(1), Err(Error::FenceRefused));
    let mut buf = [0; 5000];
    assert_eq!(b.try_read(&mut buf), Ok(4096));
    assert_eq!(a.try_write(&[7]), Ok(1));
    drop(a);
    assert_eq!(b.try_read(&mut buf), Ok(1));
    assert_eq!(b.read(&mut buf).expect("the end needs no fence"), 0);
}

#[test]
fn blocking_write_without_membarrier_is_refused_rather_than_unsafe() {
    run("no_membarrier_for_writer");
}

/// Entered while a thread sleeps, which nobody could tell of what the next one wants.
fn no_membarrier_under_a_wait(_: &Control) {
    let builder = exactly(FenceMode::Asymmetric);
    let (mut a, mut b) = builder.stream_pair().expect("a pair");
    let port = Port::new().expect("descriptors are left");
    std::thread::scope(|scope| {
        let b = &b;
        let first = sleeper(scope, || b.wait(Signals::USER_0, None)).until(manner::FUTEX);
        refuse_call(libc::SYS_membarrier, libc::EPERM);
        let refused = b.wait(Signals::READABLE, None);
        // Comes too late for who was told before.
        b.signal(Signals::empty(), Signals::USER_0)
            .expect("it is ours");
        assert_eq!(first.result(), Err(Error::FenceRefused));
        assert_eq!(refused, Err(Error::FenceRefused));
    });
    b.signal(Signals::USER_0, Signals::empty())
        .expect("it is ours");
    for trigger in [Trigger::Level, Trigger::Edge] {
        let refused = port.register(&b, 1, Signals::READABLE, trigger);
        assert_eq!(refused, Err(Error::FenceRefused));
    }
    // No registration was left behind.
    is_connected(&mut a, &mut b);
    let past = Some(std::time::Instant::now());
    assert_eq!(port.wait(past), Err(Error::TimedOut));
    assert!(!port.cancel(&b, 1));
    // What is so already needs no fence.
    assert_eq!(b.wait(Signals::WRITABLE, None), Ok(Signals::WRITABLE));
}

#[test]
fn sleeper_is_told_when_the_fence_is_refused_to_the_next() {
    run("no_membarrier_under_a_wait");
}

// Threads and the watcher.

/// A wait that cannot be watched over fails; all else goes on.
fn waits_fail_with(expected: Error) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    leaves_nothing(|| {
        for _ in 0..3 {
            assert_eq!(a.wait_readable(1, None), Err(expected));
            assert_eq!(b.wait_readable(1, None), Err(expected));
            a.read(&mut [0]).expect_err("it would have to sleep");
        }
    });
    b.write_all(b"data").expect("there is space");
    let mut buf = [0; 5];
    // No wait is needed here, so none fails.
    assert_eq!(a.read(&mut buf).expect("it is there"), 4);
    assert_eq!(a.wait_readable(1, None), Err(expected));
    drop(b);
    assert_eq!(a.wait_readable(1, None), Ok(()));
    assert_eq!(a.read(&mut buf).expect("the end"), 0);
}

fn no_thread(_: &Control) {
    // glibc asks for clone3 first, and takes ENOSYS for an old kernel.
    refuse_call(libc::SYS_clone3, libc::ENOSYS);
    refuse_call(libc::SYS_clone, libc::EAGAIN);
    leaves_nothing(|| waits_fail_with(os("clone", libc::EAGAIN)));
}

#[test]
fn first_sleep_without_a_thread_is_an_error_and_loses_nothing() {
    run("no_thread");
}

fn no_epoll(_: &Control) {
    refuse_call(libc::SYS_epoll_create1, libc::EPERM);
    leaves_nothing(|| waits_fail_with(os("epoll_create1", libc::EPERM)));
}

#[test]
fn first_sleep_without_epoll_is_an_error_and_loses_nothing() {
    run("no_epoll");
}

fn no_epoll_entry(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    works(&mut a, &mut b);
    drop((a, b));
    let add = command_is(libc::EPOLL_CTL_ADD);
    refuse(&[(libc::SYS_epoll_ctl, add)], libc::EPERM);
    let descriptors = open_descriptors();
    for _ in 0..100 {
        waits_fail_with(os("epoll_ctl", libc::EPERM));
    }
    assert_eq!(open_descriptors(), descriptors);
    // What the watcher let go of is freed a little later, but not never.
    assert!(endpoint_mappings() <= 4, "{} mappings", endpoint_mappings());
}

#[test]
fn sleep_that_cannot_be_watched_is_an_error_and_loses_nothing() {
    run("no_epoll_entry");
}

/// The watcher, asleep when it is forbidden, notices with the next hang-up.
fn no_epoll_wait(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    let (mut watched, its_peer) = Stream::pair().expect("a pair");
    let soon = || Some(std::time::Instant::now() + std::time::Duration::from_micros(50));
    assert_eq!(watched.wait_readable(1, soon()), Err(Error::TimedOut));
    let calls = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
    refuse(&calls.map(|call| (call, None)), libc::EPERM);
    drop(its_peer);
    let refused = os("epoll_wait", libc::EPERM);
    loop {
        match a.wait_readable(1, soon()) {
            Err(Error::TimedOut) => {}
            result => break assert_eq!(result, Err(refused)),
        }
    }
    // Nobody may sleep any more, in whatever way; all else goes on.
    assert_eq!(a.wait(Signals::USER_0, soon()), Err(refused));
    let mut items = [&a, &b].map(|end| WaitItem::new(end, Signals::USER_0));
    assert_eq!(wait_many(&mut items, soon()), Err(refused));
    is_connected(&mut a, &mut b);
    assert_eq!(a.wait(Signals::WRITABLE, None), Ok(Signals::WRITABLE));
    assert_eq!(watched.try_read(&mut [0]), Ok(0));
}

#[test]
fn sleep_whose_watcher_may_wait_no_more_is_an_error_and_loses_nothing() {
    run("no_epoll_wait");
}

// Handles.

fn socket() -> zx::Result<(zx::zx_handle_t, zx::zx_handle_t)> {
    zx::zx_socket_create(zx::ZX_SOCKET_STREAM)
}

/// The pair behind these handles works, as far as that can be seen without a sleep.
fn handles_are_connected(a: zx::zx_handle_t, b: zx::zx_handle_t) {
    for (from, to) in [(a, b), (b, a)] {
        assert_eq!(zx::zx_socket_write(from, 0, b"data"), Ok(4));
        assert_eq!(zx::zx_socket_read(to, 0, &mut [0; 8]), Ok(4));
    }
}

fn no_descriptors_for_handles(_: &Control) {
    let (a, b) = socket().expect("a pair");
    let port = zx::zx_port_create(0).expect("a port");
    let mut table = Table::fill();
    let handles = zx::handle_count();
    let none_left = Status::NO_RESOURCES;
    for room in 0..2 {
        let open = table.open();
        assert_eq!(socket(), Err(none_left));
        assert_eq!(zx::zx_port_create(0), Err(none_left));
        assert_eq!(zx::handle_to_fd(b).unwrap_err(), none_left);
        // The first sleep would start the watcher.
        let forever = zx::ZX_TIME_INFINITE;
        let slept = zx::zx_object_wait_one(b, zx::ZX_SOCKET_READABLE, forever, None);
        assert_eq!(slept, Err(none_left));
        if room == 0 {
            assert_eq!(zx::port_descriptor(port).unwrap_err(), none_left);
        }
        assert_eq!((table.open(), zx::handle_count()), (open, handles));
        handles_are_connected(a, b);
        table.free(1);
    }
    table.free(8);
    let b = zx::handle_from_fd(zx::handle_to_fd(b).expect("there is room")).expect("it is inside");
    handles_are_connected(a, b);
}

#[test]
fn handle_calls_without_descriptors_left_are_no_resources_and_spare_the_handle() {
    run("no_descriptors_for_handles");
}

fn no_epoll_entry_for_port(_: &Control) {
    let (a, b) = socket().expect("a pair");
    let port = zx::zx_port_create(0).expect("a port");
    let add = command_is(libc::EPOLL_CTL_ADD);
    refuse(&[(libc::SYS_epoll_ctl, add)], libc::ENOSPC);
    let wanted = zx::ZX_SOCKET_READABLE;
    let registered = zx::zx_object_wait_async(b, port, 1, wanted, 0);
    assert_eq!(registered, Err(Status::NO_MEMORY));
    // Nothing was registered.
    assert_eq!(zx::zx_port_cancel(port, b, 1), Err(Status::NOT_FOUND));
    handles_are_connected(a, b);
    assert_eq!(zx::zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
    // An event has no descriptor to watch.
    let event = zx::zx_event_create(0).expect("an event");
    zx::zx_object_wait_async(event, port, 2, zx::ZX_EVENT_SIGNALED, 0).expect("never refused");
}

#[test]
fn registration_that_cannot_be_watched_is_no_memory_and_leaves_nothing() {
    run("no_epoll_entry_for_port");
}

fn count_of(handle: zx::zx_handle_t) -> u32 {
    let mut record = [0; size_of::<zx::zx_info_handle_count_t>()];
    let topic = zx::ZX_INFO_HANDLE_COUNT;
    zx::zx_object_get_info(handle, topic, &mut record[..], None, None).expect("it may be asked");
    u32::from_ne_bytes(record)
}

fn no_handles(_: &Control) {
    let (peer, packed) = Stream::pair().expect("a pair");
    let packed = OwnedFd::from(packed);
    let event = zx::zx_event_create(0).expect("the first handle");
    let duplicate = || zx::zx_handle_duplicate(event, zx::ZX_RIGHT_SAME_RIGHTS);
    let mut copies = Vec::new();
    let full = loop {
        match duplicate() {
            Ok(copy) => copies.push(copy),
            Err(status) => break status,
        }
    };
    let no_memory = Status::NO_MEMORY;
    assert_eq!(full, no_memory);
    leaves_nothing(|| {
        assert_eq!(zx::zx_event_create(0), Err(no_memory));
        assert_eq!(zx::zx_port_create(0), Err(no_memory));
        // With room for none of two, and for one.
        for _ in 0..2 {
            let handles = zx::handle_count();
            assert_eq!(socket(), Err(no_memory));
            assert_eq!(zx::handle_count(), handles);
            zx::zx_handle_close(copies.pop().expect("many")).expect("it is open");
        }
    });
    copies.extend([(); 2].map(|()| duplicate().expect("two were closed")));
    // What is taken out of a descriptor and cannot be given a handle is closed.
    let refused = zx::handle_from_fd(packed).unwrap_err();
    assert_eq!(refused.status(), no_memory);
    assert!(refused.into_fd().is_none());
    assert_eq!(peer.signals(), Signals::PEER_CLOSED);
    // None that could not be made is counted.
    assert_eq!(count_of(event) as usize, copies.len() + 1);
    // In the place of one that is closed there is room.
    let last = copies.pop().expect("many");
    let last = zx::zx_handle_replace(last, zx::ZX_RIGHT_SAME_RIGHTS).expect("it has a place");
    zx::zx_handle_close_many(&copies).expect("all are open");
    zx::zx_handle_close_many(&[event, last]).expect("they are open");
    let (a, b) = socket().expect("there is room");
    handles_are_connected(a, b);
}

#[test]
fn calls_without_handles_left_are_no_memory_and_count_nothing() {
    run("no_handles");
}
