//! An endpoint on its way through processes while its peer goes on.

use std::process::Command;
use std::thread;

use zocket::{Kind, process};

use crate::support_processes::control::{self, Control, Meeting, Process, Role};
use crate::support_processes::endpoint::{Endpoint, FENCES, KINDS, kind_from, kind_number};
use crate::support_processes::pattern::{Checker, LONGEST, Source};
use crate::support_processes::rng::Rng;

pub(crate) const ROLES: &[Role] = &[
    ("pass_peer", pass_peer),
    ("pass_through", pass_through),
    ("courier", courier),
    ("pass_back", pass_back),
];

const CAPACITY: usize = 16 << 10;
/// Bytes in each direction.
const TOTAL: u64 = 12 << 20;
const TO_PEER: u64 = 1;
const FROM_PEER: u64 = 2;

/// Reads and writes without a pause, whoever has the other end.
fn pass_peer(control: &Control) {
    let [kind, seed] = control.hear_numbers();
    let endpoint = Endpoint::inherited(kind_from(kind), "end").expect("it was passed");
    let (mut read, mut write) = endpoint.split();
    let mut source = Source::new(FROM_PEER, seed, CAPACITY);
    let mut checker = Checker::new(TO_PEER);
    thread::scope(|scope| {
        scope.spawn(|| {
            while source.total() < TOTAL {
                let piece = source.piece();
                let len = piece.len().min((TOTAL - source.total()) as usize);
                let sent = write.write(&piece[..len]).expect("somebody reads");
                source.sent(sent);
            }
        });
        let mut buf = vec![0; LONGEST];
        while checker.total() < TOTAL {
            let n = read.read(&mut buf).expect("somebody writes");
            assert!(n > 0, "hang-up after {} bytes", checker.total());
            checker.take(&buf[..n]);
        }
    });
    assert_eq!(checker.total(), TOTAL);
}

/// Where the owner of the travelling end stands.
#[derive(Clone, Copy)]
struct Journey {
    kind: Kind,
    written: u64,
    read: u64,
    seed: u64,
}

impl Journey {
    fn tell(self, control: &Control) {
        control.tell_numbers(&[kind_number(self.kind), self.written, self.read, self.seed]);
    }

    fn hear(control: &Control) -> Self {
        let [kind, written, read, seed] = control.hear_numbers();
        let kind = kind_from(kind);
        Self {
            kind,
            written,
            read,
            seed,
        }
    }

    /// Moves about `amount` bytes both ways, as far as there are as many.
    fn leg(&mut self, endpoint: &mut Endpoint, amount: u64) {
        let mut rng = Rng::new(self.seed);
        self.seed = rng.next();
        let mut source = Source::new(TO_PEER, self.seed, CAPACITY).resume(self.written);
        let mut checker = Checker::new(FROM_PEER).resume(self.read);
        let bound = |at: u64| (at + amount).min(TOTAL);
        let (written, read) = (bound(self.written), bound(self.read));
        let mut buf = vec![0; LONGEST];
        while source.total() < written || checker.total() < read {
            // In turns, by one thread: the peer does both at once, so neither blocks for good.
            let next = source.total() + rng.length(CAPACITY) as u64;
            endpoint.send_until(&mut source, next.min(written));
            if checker.total() < read {
                // A datagram is taken whole; of the stream no more than was agreed.
                let most = match self.kind {
                    Kind::Stream => buf.len().min((read - checker.total()) as usize),
                    _ => buf.len(),
                };
                let n = endpoint.read(&mut buf[..most]).expect("the peer is there");
                assert!(n > 0, "hang-up after {} bytes", checker.total());
                checker.take(&buf[..n]);
            }
        }
        (self.written, self.read) = (source.total(), checker.total());
        let info = endpoint.info();
        assert_eq!(info.total_written, self.written);
        assert_eq!(info.total_read, self.read);
    }
}

/// B: receives the end over a socket, uses it, has a courier carry it on.
fn pass_through(control: &Control) {
    let meeting = control.hear();
    let mut journey = Journey::hear(control);
    let mut endpoint = Endpoint::receive_from(journey.kind, control.socket()).expect("it was sent");
    journey.leg(&mut endpoint, TOTAL / 7);
    let mut command: Command = control::command("courier");
    let (variable, value) = Meeting::variable(&meeting);
    command.env(variable, value);
    let mut child = process::spawn(command, [("end", endpoint.into())]).expect("it starts");
    journey.tell(control);
    assert!(child.wait().expect("our child").success());
}

/// Holds the envelope, does not open it, and passes it on by just being the parent.
fn courier(control: &Control) {
    control.tell("courier");
    let meeting = control.hear();
    let mut command = control::command("pass_back");
    let (variable, value) = Meeting::variable(&meeting);
    command.env(variable, value);
    let mut child = command.spawn().expect("it starts");
    assert!(child.wait().expect("our child").success());
}

/// C: takes the end out, uses it, sends it back to where it came from.
fn pass_back(control: &Control) {
    control.tell("pass_back");
    let mut journey = Journey::hear(control);
    let mut endpoint = Endpoint::inherited(journey.kind, "end").expect("it was passed");
    journey.leg(&mut endpoint, TOTAL / 5);
    journey.tell(control);
    endpoint
        .send_to(control.socket())
        .expect("the test receives");
}

/// A uses it, B and C do, A has it again, and so on, till everything is through.
fn travel(rng: &mut Rng, kind: Kind) {
    let fence = rng.pick(&FENCES);
    let (mut ours, theirs) = Endpoint::pair(kind, CAPACITY, fence).expect("a pair");
    let peer = Process::start("pass_peer", [("end", theirs.into())]);
    peer.tell_numbers(&[kind_number(kind), rng.next()]);
    let mut journey = Journey {
        kind,
        written: 0,
        read: 0,
        seed: rng.next(),
    };
    while journey.written < TOTAL || journey.read < TOTAL {
        journey.leg(&mut ours, rng.below(1 << 20) as u64);
        let meeting = Meeting::new();
        let b = Process::start("pass_through", []);
        b.tell(meeting.name());
        journey.tell(&b);
        ours.send_to(b.socket()).expect("B receives");
        journey = Journey::hear(&b);
        let courier = meeting.accept();
        assert_eq!(courier.hear(), "courier");
        courier.tell(meeting.name());
        let c = meeting.accept();
        assert_eq!(c.hear(), "pass_back");
        journey.tell(&c);
        journey = Journey::hear(&c);
        ours = Endpoint::receive_from(kind, c.socket()).expect("C sends");
        b.finish();
    }
    assert_eq!((journey.written, journey.read), (TOTAL, TOTAL));
    peer.finish();
}

#[test]
fn endpoint_passed_on_in_mid_transfer_loses_and_doubles_nothing() {
    let mut rng = Rng::for_test("pass");
    for kind in KINDS {
        travel(&mut rng, kind);
    }
}
