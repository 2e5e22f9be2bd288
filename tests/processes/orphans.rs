//! `kill -9` of the process that made the pair and passed both its ends on. It
//! is not one of the two that use it, so they must not notice.

use std::process::Command;
use std::sync::Once;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use zocket::process;

use crate::kill::{State, rounds};
use crate::support_processes::control::{self, Control, Meeting, Process, Role};
use crate::support_processes::endpoint::{Endpoint, FENCES, KINDS, kind_from, kind_number};
use crate::support_processes::observe::{Thread, until_blocked};
use crate::support_processes::pattern::{Checker, LONGEST, Source};
use crate::support_processes::rng::Rng;

pub(crate) const ROLES: &[Role] = &[
    ("maker", maker),
    ("orphan_writer", orphan_writer),
    ("orphan_reader", orphan_reader),
];

const DIRECTION: u64 = 3;

/// Makes a pair, starts a child with each end, and waits for its fate.
fn maker(control: &Control) {
    let meeting = control.hear();
    let [kind, capacity, fence] = control.hear_numbers();
    let fence = FENCES[fence as usize];
    let (a, b) = Endpoint::pair(kind_from(kind), capacity as usize, fence).expect("a pair");
    for (role, end) in [("orphan_writer", a), ("orphan_reader", b)] {
        let mut command: Command = control::command(role);
        let (variable, value) = Meeting::variable(&meeting);
        command.env(variable, value);
        #[allow(
            clippy::zombie_processes,
            reason = "this process is killed, and the test waits for its orphans"
        )]
        process::spawn(command, [("end", end.into())]).expect("the binary starts");
    }
    control.hear_or_end();
    panic!("the test ended before this was killed");
}

fn introduce_oneself(control: &Control) -> (Endpoint, [u64; 3]) {
    let me = Thread::current();
    control.tell_numbers(&[u64::from(me.process), u64::from(me.id)]);
    let [kind, total, before, seed] = control.hear_numbers();
    let endpoint = Endpoint::inherited(kind_from(kind), "end").expect("it was passed");
    (endpoint, [total, before, seed])
}

/// Writes, pauses at `before` until told, writes the rest.
fn orphan_writer(control: &Control) {
    control.tell("writer");
    let (mut endpoint, [total, before, seed]) = introduce_oneself(control);
    let mut source = Source::new(DIRECTION, seed, endpoint.info().capacity);
    endpoint.send_until(&mut source, before);
    assert_eq!(control.hear(), "go on");
    endpoint.send_until(&mut source, total);
}

/// The same, reading; then expects the end.
fn orphan_reader(control: &Control) {
    control.tell("reader");
    let (mut endpoint, [total, before, _]) = introduce_oneself(control);
    let mut checker = Checker::new(DIRECTION);
    let mut buf = vec![0; LONGEST];
    let mut read_until = |bound: u64| {
        while checker.total() < bound {
            let n = endpoint.read(&mut buf).expect("the writer is there");
            assert!(n > 0, "the end came after {} bytes", checker.total());
            checker.take(&buf[..n]);
        }
        checker.total()
    };
    read_until(before);
    assert_eq!(control.hear(), "go on");
    assert_eq!(read_until(total), total);
    assert_eq!(endpoint.read(&mut buf).expect("the end"), 0);
}

/// A grandchild that is ours to wait for, once its parent is dead.
struct Orphan {
    control: Control,
    thread: Thread,
}

impl Orphan {
    fn finish(self) {
        let status = waitpid(Pid::from_raw(self.thread.process as i32), None);
        let pid = Pid::from_raw(self.thread.process as i32);
        assert_eq!(status, Ok(WaitStatus::Exited(pid, 0)));
    }
}

fn meet_both(meeting: &Meeting) -> [Orphan; 2] {
    let mut orphans = [None, None];
    for _ in 0..2 {
        let control = meeting.accept();
        let place = match control.hear().as_str() {
            "writer" => 0,
            _ => 1,
        };
        let [process, id] = control.hear_numbers();
        let (process, id) = (process as u32, id as u32);
        let thread = Thread { process, id };
        orphans[place] = Some(Orphan { control, thread });
    }
    orphans.map(|orphan| orphan.expect("one of each"))
}

/// Both ends in this state when their maker dies.
fn round(rng: &mut Rng, state: State) {
    let kind = rng.pick(&KINDS);
    let capacity = rng.pick(&[4 << 10, 64 << 10]);
    let total = 16 * capacity as u64 + rng.below(1 << 20) as u64;
    let meeting = Meeting::new();
    let mut maker = Process::start("maker", []);
    maker.tell(meeting.name());
    maker.tell_numbers(&[
        kind_number(kind),
        capacity as u64,
        rng.below(FENCES.len()) as u64,
    ]);
    let [writer, reader] = meet_both(&meeting);
    let some = rng.below(capacity / 2) as u64;
    // How far each goes before it waits to be told: the one that is to be blocked
    // goes on without being told.
    let (writes, reads) = match state {
        State::Idle => (some, some),
        State::Data => (some, total),
        State::Space => (total, 0),
        State::Transfer => (total, total),
    };
    let [kind, seed] = [kind_number(kind), rng.next()];
    writer.control.tell_numbers(&[kind, total, writes, seed]);
    reader.control.tell_numbers(&[kind, total, reads, seed]);
    match state {
        State::Data => until_blocked(reader.thread),
        State::Space => until_blocked(writer.thread),
        State::Idle | State::Transfer => {}
    }
    rng.spin(300_000);
    maker.kill();
    maker.finish_killed();
    writer.control.tell("go on");
    reader.control.tell("go on");
    writer.finish();
    reader.finish();
}

#[test]
fn killed_maker_of_a_pair_does_not_disturb_its_ends() {
    // Orphans become children of this process, which can then wait for them.
    static REAPER: Once = Once::new();
    REAPER.call_once(|| set_child_subreaper(true).expect("Linux 3.4"));
    let mut rng = Rng::for_test("killed_maker");
    for state in State::ALL.into_iter().cycle().take(rounds() / 3 + 2) {
        round(&mut rng, state);
    }
}
