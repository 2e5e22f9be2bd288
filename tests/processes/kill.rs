//! `kill -9` of one end, in every state, at random moments.
//!
//! Each round has a child and the test process as the two ends of a pair. Both
//! are brought into a state; where such a state is asleep, the test makes sure
//! that they are. Then the child is killed. The survivor's blocked call must
//! return, what was committed must come out first, an intact prefix of what the
//! child sent, and then reads say end and writes say broken pipe.

use std::io;
use std::sync::mpsc;
use std::thread;

use zocket::{FenceMode, Kind};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::{Endpoint, FENCES, KINDS, kind_from, kind_number};
use crate::support_processes::observe::{Thread, until_blocked};
use crate::support_processes::pattern::{Checker, LONGEST, Source};
use crate::support_processes::rng::Rng;

pub(crate) const ROLES: &[Role] = &[("victim", victim)];

/// Rounds of this module and of `orphans` together.
pub(crate) fn rounds() -> usize {
    std::env::var("ZOCKET_KILL_ROUNDS").map_or(200, |n| n.parse().expect("a number of rounds"))
}

/// What an end is doing when the child is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds its endpoint and does nothing with it.
    Idle,
    /// It reads whatever comes, and waits for more.
    Data,
    /// It writes as long as there is space, and waits for more.
    Space,
    /// Both, in two threads.
    Transfer,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Idle, Self::Data, Self::Space, Self::Transfer];

    fn reads(self) -> bool {
        matches!(self, Self::Data | Self::Transfer)
    }

    fn writes(self) -> bool {
        matches!(self, Self::Space | Self::Transfer)
    }

    /// Whether an end in this state comes to sleep for good, its peer being in that one.
    fn blocks(self, peer: Self) -> bool {
        match self {
            Self::Data => !peer.writes(),
            Self::Space => !peer.reads(),
            Self::Idle | Self::Transfer => false,
        }
    }
}

/// The direction that the child writes, and the other one.
const FROM_VICTIM: u64 = 1;
const FROM_SURVIVOR: u64 = 2;

fn victim(control: &Control) {
    let [kind, state, seed, first] = control.hear_numbers();
    let mut endpoint = Endpoint::inherited(kind_from(kind), "end").expect("it was passed");
    let longest = endpoint.info().capacity;
    let mut source = Source::new(FROM_VICTIM, seed, longest);
    endpoint.send_until(&mut source, first);
    control.tell(Thread::current().id);
    let mut checker = Checker::new(FROM_SURVIVOR);
    // None of these ends but by the kill.
    match State::ALL[state as usize] {
        State::Idle => drop(control.hear_or_end()),
        State::Data => endpoint.split().0.check_to_end(&mut checker),
        State::Space => endpoint.split().1.send_to_end(&mut source),
        State::Transfer => {
            let (mut read, mut write) = endpoint.split();
            thread::scope(|scope| {
                scope.spawn(|| write.send_to_end(&mut source));
                read.check_to_end(&mut checker);
            });
        }
    }
    panic!("the test ended before this was killed");
}

/// Does what the state says until the peer is gone, or, when idle, until told.
fn survive(
    endpoint: Endpoint,
    state: State,
    killed: &mpsc::Receiver<()>,
    source: &mut Source,
    checker: &mut Checker,
) -> Endpoint {
    let (mut read, mut write) = endpoint.split();
    match state {
        State::Idle => killed.recv().expect("the test goes on"),
        State::Data => read.check_to_end(checker),
        State::Space => write.send_to_end(source),
        State::Transfer => thread::scope(|scope| {
            scope.spawn(|| write.send_to_end(source));
            read.check_to_end(checker);
        }),
    }
    Endpoint::reunite(read, write)
}

/// Takes what was committed, and looks twice whether the end is the end.
fn drain(mut endpoint: Endpoint, source: &Source, checker: &mut Checker) {
    let mut buf = vec![0; LONGEST];
    loop {
        match endpoint
            .read(&mut buf)
            .expect("a killed peer is an end, not an error")
        {
            0 => break,
            n => checker.take(&buf[..n]),
        }
    }
    for _ in 0..2 {
        assert_eq!(endpoint.read(&mut buf).expect("still the end"), 0);
        let error = endpoint.write(b"x").expect_err("nobody will read it");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    let info = endpoint.info();
    assert!(info.peer_closed, "{info:?}");
    assert_eq!(info.readable, 0);
    assert_eq!(info.total_read, checker.total());
    assert_eq!(info.total_written, source.total());
}

fn round(rng: &mut Rng, victim: State, survivor: State) {
    let kind = rng.pick(&KINDS);
    let fence = rng.pick(&FENCES);
    let capacity = rng.pick(&[4 << 10, 16 << 10, 256 << 10]);
    let what = format!("{victim:?} killed, {survivor:?} survives, {kind} {fence:?} {capacity}");
    let (ours, theirs) = Endpoint::pair(kind, capacity, fence).expect("a pair");
    ours.set_busy_wait(rng.chance(50));
    // Queued before the state begins; not beyond the capacity, since nobody reads yet.
    let first = match victim {
        State::Idle | State::Data => rng.below(capacity + 1) as u64,
        State::Space | State::Transfer => 0,
    };
    let mut child = Process::start("victim", [("end", theirs.into())]);
    let index = State::ALL.iter().position(|s| *s == victim);
    child.tell_numbers(&[
        kind_number(kind),
        index.expect("one of all") as u64,
        rng.next(),
        first,
    ]);
    let [id] = child.hear_numbers();
    let their_thread = Thread {
        process: child.id(),
        id: id as u32,
    };
    let (mut source, mut checker) = (
        Source::new(FROM_SURVIVOR, rng.next(), capacity),
        Checker::new(FROM_VICTIM),
    );
    let (killed, is_killed) = mpsc::channel();
    let (announce, announced) = mpsc::channel();
    thread::scope(|scope| {
        let (source, checker) = (&mut source, &mut checker);
        scope.spawn(move || {
            announce.send(Thread::current()).expect("the test goes on");
            let endpoint = survive(ours, survivor, &is_killed, source, checker);
            drain(endpoint, source, checker);
        });
        let our_thread = announced.recv().expect("the survivor begins");
        if survivor.blocks(victim) {
            until_blocked(our_thread);
        }
        if victim.blocks(survivor) {
            until_blocked(their_thread);
        }
        // A random moment of what goes on; for the sleepers one is like another.
        rng.spin(300_000);
        child.kill();
        // Only an idle survivor waits for this; others may have ended.
        let _ = killed.send(());
    });
    child.finish_killed();
    let received = checker.total();
    match victim {
        State::Idle | State::Data => assert_eq!(received, first, "{what}"),
        // It slept for want of space, so the ring was full to the last byte.
        State::Space if victim.blocks(survivor) && kind == Kind::Stream => {
            assert_eq!(received, capacity as u64, "{what}");
        }
        State::Space | State::Transfer => {}
    }
}

/// Rounds with the child in `victims`, in turn, each against every state.
fn rounds_of(name: &str, victims: &[State], count: usize) {
    let mut rng = Rng::for_test(name);
    let combinations = victims
        .iter()
        .flat_map(|v| State::ALL.map(|s| (*v, s)))
        .cycle();
    for (victim, survivor) in combinations.take(count) {
        round(&mut rng, victim, survivor);
    }
}

#[test]
fn killed_writer_leaves_an_intact_prefix_and_an_end() {
    rounds_of(
        "killed_writer",
        &[State::Space, State::Transfer],
        rounds() / 3,
    );
}

#[test]
fn killed_reader_breaks_the_pipe_for_blocked_writers() {
    rounds_of("killed_reader", &[State::Data, State::Idle], rounds() / 3);
}

/// A child that holds the other end and does nothing, and our end.
fn with_idle_child() -> (Process, Endpoint) {
    let (ours, theirs) =
        Endpoint::pair(Kind::Stream, 4 << 10, FenceMode::Asymmetric).expect("a pair");
    let child = Process::start("victim", [("end", theirs.into())]);
    child.tell_numbers(&[kind_number(Kind::Stream), 0, 7, 100]);
    let [_] = child.hear_numbers();
    (child, ours)
}

/// No sleep, so no watcher: the endpoint must find out by asking.
#[test]
fn killed_peer_is_noticed_by_callers_that_never_wait() {
    let (mut child, ours) = with_idle_child();
    child.kill();
    child.finish_killed();
    let Endpoint::Stream(ours) = ours else {
        unreachable!("a stream was asked for")
    };
    let (mut read, mut write) = ours.into_split();
    let mut buf = [0; 64];
    let mut checker = Checker::new(FROM_VICTIM);
    loop {
        match read.try_read(&mut buf) {
            Ok(0) => break,
            Ok(n) => checker.take(&buf[..n]),
            Err(error) => assert_eq!(error, zocket::Error::WouldBlock),
        }
    }
    assert_eq!(checker.total(), 100);
    assert_eq!(write.try_write(b"x"), Err(zocket::Error::PeerClosed));
}

/// The same for one that only writes, which goes on until the ring is full.
#[test]
fn killed_reader_is_noticed_by_writers_that_never_wait() {
    let (mut child, ours) = with_idle_child();
    child.kill();
    child.finish_killed();
    let Endpoint::Stream(ours) = ours else {
        unreachable!("a stream was asked for")
    };
    let (_read, mut write) = ours.into_split();
    loop {
        match write.try_write(&[0; 64]) {
            Ok(_) | Err(zocket::Error::WouldBlock) => {}
            Err(error) => {
                assert_eq!(error, zocket::Error::PeerClosed);
                break;
            }
        }
    }
}

/// A poller has no watcher either; its descriptor tells.
#[test]
fn killed_peer_hangs_up_on_pollers() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    let (mut child, ours) = with_idle_child();
    let Endpoint::Stream(mut ours) = ours else {
        unreachable!("a stream was asked for")
    };
    let mut buf = [0; 200];
    assert_eq!(ours.try_read(&mut buf), Ok(100));
    assert_eq!(ours.arm_read(1), Ok(zocket::Readiness::Armed));
    child.kill();
    let mut fds = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
    let events = fds[0].revents().expect("known flags");
    assert!(events.contains(PollFlags::POLLHUP), "{events:?}");
    ours.acknowledge();
    assert_eq!(ours.try_read(&mut buf), Ok(0));
    assert_eq!(ours.try_write(b"x"), Err(zocket::Error::PeerClosed));
    child.finish_killed();
}
