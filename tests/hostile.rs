//! The protocol core against memory that lies.
//!
//! One driver makes every call of the core, in every state of a direction, over
//! memory whose loads an enemy answers. First one load after the other is attacked with
//! every bad value there is; then random enemies attack all of them.
//!
//! What is checked after every call, besides that it returns at all: nothing outside
//! the data area was touched, results are within the buffer, the queue and the
//! capacity, nothing was published that had not been seen, and after an answer
//! that no correct peer gives, that end reports [`Error::Protocol`] for ever.

mod support;

use std::io::{IoSlice, IoSliceMut};

use proptest::prelude::*;
use support::heap::Heap;
use support::hostile::{Access, Ask, Enemy, Honest, Hostile, Target, World};
use zocket::protocol::events::{self, Interest, NEVER};
use zocket::protocol::signals::{self, State};
use zocket::protocol::{
    Deadline, End, Reader, Role, Site, Spinner, Word32, Word64, Writer, close, disable, fill,
    flags, hang_up, is_closed, set_disposition, shut_down, stored, take_over, waiter,
};
use zocket::{Disposition, Error, Kind, Result, Signals, Violation};

/// Small enough that everything wraps, large enough for long prefixes.
const CAPACITY: usize = 300;

/// One call of an endpoint, or one deed of its honest peer.
#[derive(Clone, Copy, Debug)]
enum Op {
    // Our producing end. Sizes are taken as they are, even if too large.
    Write(usize),
    WriteVectored(usize, usize),
    Send(usize),
    SendVectored(usize, usize),
    /// `least`, `most`, and how much of the grant to commit.
    Grant(usize, usize, usize),
    GrantAll(usize),
    CheckSpace(usize),
    Check,
    WaitSpace(usize),
    WaitSomeSpace(usize),
    ArmSpace(usize),
    // Our consuming end.
    Read(usize),
    ReadVectored(usize, usize),
    Peek(usize),
    Recv(usize),
    RecvVectored(usize, usize),
    PeekDatagram(usize),
    /// Look at what is there, then consume part of it.
    Chunk(usize),
    /// As many bytes as are there now.
    Now(usize),
    WaitData(usize),
    ArmData(usize),
    End,
    // Both.
    Close,
    HangUp,
    Disable(Role),
    Fill,
    IsClosed,
    TakeOver,
    Attach(Role),
    // Our endpoint as a whole. Dispositions are those of our writes and the peer's.
    SetDisposition(Disposition, Disposition),
    ShutDown(Disposition, Disposition),
    Look,
    /// `clear` and `set`, as they are.
    Signal(u32, u32),
    SignalPeer(u32, u32),
    SetReadThreshold(usize),
    SetWriteThreshold(usize),
    Thresholds,
    /// `how` and `wanted`, as they are; announces, and leaves it at that.
    WaitForSignals(u32, u32),
    GiveUpSignals,
    AlertOwn,
    // The honest peer, through the memory as it really is.
    PeerWrites(usize),
    PeerReads(usize),
    PeerWaitsForData(usize),
    PeerWaitsForSpace(usize),
    /// From so many queued or free bytes on.
    PeerWaitsForSignals(usize),
    PeerDisables(Role),
    PeerEnables(Role),
    PeerSignals(u32),
    PeerBeginsToWrite,
    PeerCloses,
}

/// One endpoint over a [`World`], with its honest peer and what was learnt of it.
struct Driver<'a> {
    world: &'a World,
    writer: Option<Writer<Hostile<'a>>>,
    reader: Option<Reader<Hostile<'a>>>,
    spinner: Spinner,
    /// The violation that each end has reported: for ever, from then on.
    broken: [Option<Violation>; 2],
    /// Our consuming end knows that the peer is closed: no bytes come any more.
    over: bool,
    /// The last look at our signals, and what is announced because of them.
    seen: State,
    armed: Interest,
}

/// Loads of a read-modify-write that the peer is in the way of each time.
const STUBBORN: u32 = 128;

/// Signals that an endpoint can have.
fn possible() -> Signals {
    Signals::all() - Signals::EVENT_SIGNALED - Signals::HANDLE_CLOSED
}

fn index(role: Role) -> usize {
    match role {
        Role::Producer => 0,
        Role::Consumer => 1,
    }
}

impl<'a> Driver<'a> {
    fn new(world: &'a World, spinner: Spinner) -> Self {
        let mut driver = Self {
            world,
            writer: None,
            reader: None,
            spinner,
            broken: [None; 2],
            over: false,
            seen: State::default(),
            armed: Interest::NONE,
        };
        driver.attach(Role::Producer);
        driver.attach(Role::Consumer);
        driver
    }

    /// Takes the end over anew, as a process does that receives the endpoint.
    fn attach(&mut self, role: Role) {
        let (kind, capacity) = (self.world.kind, self.world.capacity);
        let memory = self.world.memory(role);
        self.world.attaching(role);
        let error = match role {
            Role::Producer => {
                let writer = Writer::attach(memory, kind, capacity);
                let error = writer.as_ref().err().copied();
                self.writer = writer.ok();
                error
            }
            Role::Consumer => {
                let reader = Reader::attach(memory, kind, capacity);
                let error = reader.as_ref().err().copied();
                self.reader = reader.ok();
                self.over = false;
                error
            }
        };
        self.broken[index(role)] = None;
        let expected = if self.world.attached(role) {
            None
        } else {
            Some(Error::Protocol(Violation::TailOutOfRange))
        };
        assert_eq!(error, expected, "attach of the {role:?}");
    }

    /// Carries out `op` and checks everything that must hold whatever the enemy said.
    fn run(&mut self, op: Op) {
        self.world.begin_call();
        match op {
            Op::Attach(role) => self.attach(role),
            Op::Close => close(&self.memory(Role::Producer), &self.memory(Role::Consumer)),
            Op::HangUp => hang_up(&self.memory(Role::Producer), &self.memory(Role::Consumer)),
            Op::Disable(role) => disable(&self.memory(role), role),
            Op::TakeOver => take_over(&self.memory(Role::Producer), &self.memory(Role::Consumer)),
            Op::SetDisposition(..)
            | Op::ShutDown(..)
            | Op::Look
            | Op::Signal(..)
            | Op::SignalPeer(..)
            | Op::SetReadThreshold(_)
            | Op::SetWriteThreshold(_)
            | Op::Thresholds
            | Op::WaitForSignals(..)
            | Op::GiveUpSignals
            | Op::AlertOwn => self.manage(op),
            Op::Fill => {
                self.world.looks_on(0);
                for role in [Role::Producer, Role::Consumer] {
                    let fill = fill(&self.memory(role), self.world.capacity as u64);
                    assert!(fill.queued <= self.world.capacity as u64, "{fill:?}");
                }
            }
            Op::IsClosed => {
                is_closed(&self.memory(Role::Consumer), Role::Producer);
            }
            Op::Write(_)
            | Op::WriteVectored(..)
            | Op::Send(_)
            | Op::SendVectored(..)
            | Op::Grant(..)
            | Op::GrantAll(_)
            | Op::CheckSpace(_)
            | Op::Check
            | Op::WaitSpace(_)
            | Op::WaitSomeSpace(_)
            | Op::ArmSpace(_) => self.produce(op),
            Op::Read(_)
            | Op::ReadVectored(..)
            | Op::Peek(_)
            | Op::Recv(_)
            | Op::RecvVectored(..)
            | Op::PeekDatagram(_)
            | Op::Chunk(_)
            | Op::Now(_)
            | Op::WaitData(_)
            | Op::ArmData(_)
            | Op::End => self.consume(op),
            Op::PeerWrites(_)
            | Op::PeerReads(_)
            | Op::PeerWaitsForData(_)
            | Op::PeerWaitsForSpace(_)
            | Op::PeerWaitsForSignals(_)
            | Op::PeerDisables(_)
            | Op::PeerEnables(_)
            | Op::PeerSignals(_)
            | Op::PeerBeginsToWrite
            | Op::PeerCloses => self.peer(op),
        }
    }

    fn memory(&self, role: Role) -> Hostile<'a> {
        self.world.memory(role)
    }

    fn produce(&mut self, op: Op) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        let refused = self.is_refused(Role::Producer);
        let stream = self.world.kind == Kind::Stream;
        let capacity = self.world.capacity;
        let spinner = &mut self.spinner;
        let soon = Deadline::after(std::time::Duration::ZERO);
        // Whether a broken end may answer as if nothing were wrong: calls that need
        // no space do not look at the positions.
        let mut needs_nothing = false;
        let result: Result<usize> = match op {
            Op::Write(n) if stream => {
                needs_nothing = n == 0;
                // As the socket layer does.
                let bytes = vec![7; n];
                let at_once = writer.write_at_once(&bytes).then_some(Ok(n));
                at_once
                    .unwrap_or_else(|| writer.write(&bytes))
                    .inspect(|done| assert!(*done <= n))
            }
            Op::WriteVectored(m, n) if stream => {
                needs_nothing = m + n == 0;
                let (a, b) = (vec![1; m], vec![2; n]);
                writer
                    .write_vectored(&[IoSlice::new(&a), IoSlice::new(&b)])
                    .inspect(|done| assert!(*done <= m + n))
            }
            Op::Send(n) if !stream => {
                needs_nothing = n == 0;
                let bytes = vec![7; n];
                let at_once = writer.send_at_once(&bytes).then_some(Ok(n));
                at_once.unwrap_or_else(|| writer.send(&bytes).map(|()| n))
            }
            Op::SendVectored(m, n) if !stream => {
                needs_nothing = m + n == 0;
                let (a, b) = (vec![1; m], vec![2; n]);
                writer
                    .send_vectored(&[IoSlice::new(&a), IoSlice::new(&b)])
                    .inspect(|done| assert_eq!(*done, m + n))
            }
            Op::Grant(least, most, part) => {
                let (least, most) = if stream {
                    (least.min(most), most)
                } else {
                    (most, most)
                };
                needs_nothing = most == 0;
                writer.begin(least, most).map(|grant| {
                    let len = grant.len();
                    assert!((least..=most).contains(&len), "{len} of {least} to {most}");
                    let part = part.min(len);
                    match (part, stream) {
                        (0, _) => drop(grant),
                        (part, true) => {
                            grant.ring().copy_in(0, &vec![3; part]);
                            grant.commit(part);
                        }
                        (part, false) => grant.commit_datagram(part),
                    }
                    len
                })
            }
            Op::GrantAll(n) if stream => {
                // It need not say what is in the way.
                let grant = writer.begin_all(n);
                needs_nothing = grant.is_none();
                Ok(grant.map_or(0, |grant| {
                    assert!(n > 0 && grant.len() == n, "{} of {n}", grant.len());
                    grant.ring().copy_in(0, &vec![4; n]);
                    grant.commit(n);
                    n
                }))
            }
            Op::CheckSpace(n) => {
                needs_nothing = n == 0;
                writer.check_space(n).map(|()| 0)
            }
            Op::Check => {
                needs_nothing = true;
                writer.check().map(|()| 0)
            }
            Op::WaitSpace(n) => {
                needs_nothing = n > capacity;
                writer.wait(n, spinner, soon).map(|()| 0)
            }
            Op::WaitSomeSpace(n) => writer.wait_some(n, spinner, soon).map(|()| 0),
            Op::ArmSpace(n) => {
                needs_nothing = n > capacity;
                writer.arm(n).map(usize::from)
            }
            _ => {
                self.writer = Some(writer);
                return;
            }
        };
        assert!(result.unwrap_or(0) <= capacity, "{result:?}");
        self.check(Role::Producer, result, refused && !needs_nothing);
        self.writer = Some(writer);
    }

    fn consume(&mut self, op: Op) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let refused = self.is_refused(Role::Consumer);
        let stream = self.world.kind == Kind::Stream;
        let capacity = self.world.capacity;
        let spinner = &mut self.spinner;
        let soon = Deadline::after(std::time::Duration::ZERO);
        let mut needs_nothing = false;
        let mut buf = vec![0; 2 * CAPACITY];
        let result: Result<usize> = match op {
            Op::Read(n) if stream => {
                let cheaply = reader.read_cheaply(&mut buf[..n]).filter(|_| n > 0);
                cheaply
                    .map_or_else(|| reader.read(&mut buf[..n]), Ok)
                    .inspect(|done| assert!(*done <= n))
            }
            Op::Peek(n) if stream => reader
                .peek(&mut buf[..n])
                .inspect(|done| assert!(*done <= n)),
            Op::ReadVectored(m, n) if stream => {
                let (a, b) = buf.split_at_mut(m);
                reader
                    .read_vectored(&mut [IoSliceMut::new(a), IoSliceMut::new(&mut b[..n])])
                    .inspect(|done| assert!(*done <= m + n))
            }
            Op::Recv(n) if !stream => {
                let at_once = reader.recv_at_once(&mut buf[..n]);
                at_once
                    .map_or_else(|| reader.recv(&mut buf[..n]), Ok)
                    .inspect(|done| assert!(*done <= n))
            }
            Op::PeekDatagram(n) if !stream => reader
                .peek_datagram(&mut buf[..n])
                .inspect(|done| assert!(*done <= n)),
            Op::RecvVectored(m, n) if !stream => {
                let (a, b) = buf.split_at_mut(m);
                reader
                    .recv_vectored(&mut [IoSliceMut::new(a), IoSliceMut::new(&mut b[..n])])
                    .inspect(|done| assert!(*done <= m + n))
            }
            Op::Chunk(part) if stream => reader.available(usize::MAX).map(|queued| {
                assert!((1..=capacity as u64).contains(&queued));
                let part = part.min(queued as usize);
                reader.ring().copy_out(0, &mut buf[..part]);
                reader.consume(part);
                part
            }),
            Op::Now(n) if stream => {
                // It need not say why there is nothing.
                let before = reader.ring().queued();
                let queued = reader.at_once(n as u64);
                assert!(queued <= n as u64);
                assert!(
                    queued == 0 || !self.over || queued <= before,
                    "bytes after the end"
                );
                let len = queued as usize;
                needs_nothing = len == 0;
                reader.ring().copy_out(0, &mut buf[..len]);
                reader.consume(len);
                Ok(len)
            }
            Op::Chunk(_) => reader.first_datagram().map(|record| {
                let queued = reader.ring().queued();
                assert!(
                    (1..=queued).contains(&(record.payload as u64)),
                    "{record:?} of {queued}"
                );
                // A length has one form only.
                let prefix = if record.payload < 255 { 1 } else { 5 };
                assert_eq!(record.prefix, prefix, "{record:?}");
                reader
                    .ring()
                    .copy_out(record.prefix, &mut buf[..record.payload]);
                reader.consume_datagram(record);
                record.payload
            }),
            Op::WaitData(n) => {
                needs_nothing = n > capacity;
                reader.wait(n, spinner, soon).map(|()| 0)
            }
            Op::ArmData(n) => {
                needs_nothing = n > capacity;
                reader.arm(n).map(usize::from)
            }
            Op::End => {
                // Says nothing about data; its other answers are checked where they are used.
                needs_nothing = true;
                let end = reader.end();
                self.over |= end == Ok(Some(End::PeerClosed));
                end.map(|_| 0)
            }
            _ => {
                self.reader = Some(reader);
                return;
            }
        };
        assert!(reader.ring().queued() <= capacity as u64);
        assert!(result.unwrap_or(0) <= capacity, "{result:?}");
        self.check(Role::Consumer, result, refused && !needs_nothing);
        self.reader = Some(reader);
    }

    /// What concerns the endpoint as a whole: signals, dispositions, thresholds.
    fn manage(&mut self, op: Op) {
        let (outgoing, incoming) = (self.memory(Role::Producer), self.memory(Role::Consumer));
        let capacity = self.world.capacity as u64;
        // Two dispositions, and what an orphaned end stores about itself.
        self.world.looks_on(3 * STUBBORN);
        let result = match op {
            Op::SetDisposition(own, peer) => {
                let result = set_disposition(&outgoing, &incoming, own, peer);
                let enables = [own, peer].contains(&Disposition::WriteEnabled);
                assert!(result.is_ok() || (enables && result == Err(Error::UnreadData)));
                return;
            }
            Op::ShutDown(own, peer) => return shut_down(&outgoing, &incoming, own, peer),
            Op::Look => return self.look(),
            Op::Signal(clear, set) => {
                let [clear, set] = [clear, set].map(Signals::from_bits_retain);
                return signals::change_stored(&incoming, clear, set);
            }
            Op::SignalPeer(clear, set) => {
                let [clear, set] = [clear, set].map(Signals::from_bits_retain);
                return events::signal_peer(&outgoing, clear, set);
            }
            Op::SetReadThreshold(n) => (
                n,
                signals::set_read_threshold(&incoming, n as u64, capacity),
            ),
            Op::SetWriteThreshold(n) => {
                let set = signals::set_write_threshold(&outgoing, &incoming, n as u64, capacity);
                (n, set)
            }
            Op::Thresholds => {
                assert!(signals::read_threshold(&incoming, capacity) <= capacity);
                assert!(signals::write_threshold(&incoming, capacity) <= capacity);
                return;
            }
            Op::WaitForSignals(how, wanted) => return self.announce(how, wanted),
            Op::GiveUpSignals => {
                self.armed = Interest::NONE;
                return events::disarm(&outgoing, &incoming);
            }
            Op::AlertOwn => return events::alert_own(&incoming),
            _ => unreachable!("{op:?} does not concern the endpoint as a whole"),
        };
        match result {
            (n, Err(Error::TooLarge { .. })) => assert!(n as u64 > capacity),
            (n, Ok(()) | Err(Error::PeerClosed)) => assert!(n as u64 <= capacity),
            (n, Err(error)) => panic!("{error:?} of threshold {n}"),
        }
    }

    /// Looks at the signals, as whoever serves those that wait for them.
    fn look(&mut self) {
        let (outgoing, incoming) = (self.memory(Role::Producer), self.memory(Role::Consumer));
        let capacity = self.world.capacity as u64;
        let now = State::load(&outgoing, &incoming, capacity);
        signals::take_traces(&incoming, now.traces());
        assert!(now.queued <= capacity && now.free <= capacity, "{now:?}");
        assert!(now.read_threshold <= capacity && now.write_threshold <= capacity);
        let (on, risen) = (now.signals(), now.risen_since(&self.seen));
        assert!(
            possible().contains(on | risen),
            "{on:?} {risen:?} of {now:?}"
        );
        assert_eq!(on.contains(Signals::READABLE), now.queued > 0);
        assert_eq!(on.contains(Signals::PEER_CLOSED), now.peer_closed);
        assert!(!on.contains(Signals::WRITABLE | Signals::WRITE_DISABLED));
        assert!(possible().contains(now.with_queued(capacity).risen_since(&now)));
        assert!(possible().contains(now.with_free(0).signals()));
        self.seen = now;
    }

    /// Announces what is wanted, with a look after each attempt, as often as an endpoint does.
    fn announce(&mut self, how: u32, wanted: u32) {
        const ATTEMPTS: u32 = 4;
        self.world.looks_on((ATTEMPTS + 1) * (STUBBORN + 50));
        let (outgoing, incoming) = (self.memory(Role::Producer), self.memory(Role::Consumer));
        let capacity = self.world.capacity as u64;
        let how = how & waiter::EVENTS;
        let wanted = Signals::from_bits_retain(wanted);
        events::count(&incoming);
        self.look();
        for _ in 0..ATTEMPTS {
            let interest = Interest::new(how, wanted, &self.seen);
            assert_eq!(interest.how, how);
            for want in [interest.data, interest.space] {
                assert!(want == NEVER || (1..=capacity).contains(&want), "{want}");
            }
            if interest == self.armed && events::is_armed(&outgoing, &incoming, interest) {
                break;
            }
            match events::arm(&outgoing, &incoming, interest) {
                Ok(()) => self.armed = interest,
                Err(error) => return assert_eq!(error, Error::FenceRefused),
            }
            self.look();
        }
        events::before_sleep(&incoming, self.armed, &self.seen, capacity);
    }

    /// Whether this end has been lied to, or has said so, before this call.
    fn is_refused(&self, role: Role) -> bool {
        self.world.is_guilty(role) || self.broken[index(role)].is_some()
    }

    /// Checks that an answer is one that the core gives, and the violation again
    /// if `must_fail`.
    fn check(&mut self, role: Role, result: Result<usize>, must_fail: bool) {
        match result {
            Err(Error::Protocol(violation)) => {
                let known = self.broken[index(role)].get_or_insert(violation);
                assert_eq!(*known, violation, "another violation than before");
            }
            Err(
                Error::WouldBlock
                | Error::TimedOut
                | Error::PeerClosed
                | Error::WriteDisabled
                | Error::TooLarge { .. },
            )
            | Ok(_) => {
                assert!(!must_fail, "{result:?} after a violation");
            }
            // The system's doing, not the peer's, and it comes before any look.
            Err(Error::FenceRefused) => {}
            Err(error) => panic!("{error:?} is no answer of the core"),
        }
    }

    /// What a correct peer does, as far as what the victim stored lets it.
    fn peer(&mut self, op: Op) {
        let (kind, capacity) = (self.world.kind, self.world.capacity);
        let (theirs, ours) = (&self.world.incoming, &self.world.outgoing);
        match op {
            Op::PeerWrites(n) => {
                if let Ok(mut writer) = Writer::attach(theirs, kind, capacity) {
                    let _ = match kind {
                        Kind::Stream => writer.write(&vec![9; n]).map(drop),
                        Kind::Datagram => writer.send(&vec![9; n]),
                    };
                }
            }
            Op::PeerReads(n) => {
                if let Ok(mut reader) = Reader::attach(ours, kind, capacity) {
                    let _ = match kind {
                        Kind::Stream => reader.read(&mut vec![0; n]),
                        Kind::Datagram => reader.recv(&mut vec![0; n]),
                    };
                }
            }
            Op::PeerWaitsForData(n) => {
                ours.set64(Word64::ConsumerWant, n as u64);
                ours.set32_to(Word32::ConsumerWaiter, waiter::FUTEX | waiter::DOORBELL);
            }
            Op::PeerWaitsForSpace(n) => {
                theirs.set64(Word64::ProducerWant, n as u64);
                theirs.set32_to(Word32::ProducerWaiter, waiter::FUTEX | waiter::SOFT);
            }
            Op::PeerWaitsForSignals(n) => {
                ours.set64(Word64::ConsumerEventWant, n as u64);
                ours.set32_to(Word32::ConsumerWaiter, waiter::EVENTS);
                theirs.set64(Word64::ProducerEventWant, n as u64);
                theirs.set32_to(Word32::ProducerWaiter, waiter::EVENTS);
            }
            Op::PeerEnables(role) => {
                let heap = [theirs, ours][index(role)];
                let flags = heap.get32(Word32::ConsumerFlags);
                let odd = flags & flags::WRITE_DISABLED;
                heap.set32_to(Word32::ConsumerFlags, flags.wrapping_add(odd));
            }
            Op::PeerSignals(set) => {
                signals::change_stored(&theirs, Signals::empty(), Signals::from_bits_retain(set));
            }
            Op::PeerDisables(Role::Producer) => disable(&theirs, Role::Producer),
            Op::PeerDisables(Role::Consumer) => disable(&ours, Role::Consumer),
            Op::PeerBeginsToWrite => theirs.set32_to(Word32::Writing, 1),
            Op::PeerCloses => close(&theirs, &ours),
            _ => unreachable!("{op:?} is ours"),
        }
    }
}

/// Lives of an endpoint that together come by every load of the core, honestly. They
/// differ in how they end: by disabling, by the peer's closing with data queued, by ours. The
/// fourth is of those who wait for signals.
fn programs(kind: Kind) -> [Vec<Op>; 4] {
    use Op::*;
    let by_kind = match kind {
        Kind::Stream => [
            Read(4),
            Peek(4),
            ReadVectored(2, 3),
            Chunk(1),
            Now(4),
            PeerWrites(200),
            Now(10),
            Now(10),
            Read(50),
            Peek(400),
            ReadVectored(30, 40),
            Chunk(30),
            PeerWaitsForSpace(290),
            Read(20),
            Read(400),
            Write(150),
            PeerWaitsForData(280),
            Write(100),
            WriteVectored(20, 400),
            Write(1),
            PeerReads(170),
            Grant(10, 60, 50),
            Grant(1, 20, 0),
            GrantAll(30),
            GrantAll(0),
            WriteVectored(30, 40),
            Write(0),
            PeerReads(300),
            Write(300),
            PeerReads(300),
            PeerWrites(120),
            PeerWaitsForSpace(100),
            Chunk(60),
            Peek(10),
            Read(60),
        ]
        .to_vec(),
        Kind::Datagram => [
            Recv(4),
            PeekDatagram(4),
            RecvVectored(2, 3),
            Chunk(1),
            PeerWrites(3),
            PeerWrites(260),
            PeerWrites(7),
            Recv(0),
            Recv(400),
            PeekDatagram(400),
            PeerWaitsForSpace(290),
            RecvVectored(30, 400),
            Chunk(1),
            Send(150),
            PeerWaitsForData(280),
            Send(100),
            SendVectored(20, 30),
            Send(1),
            Send(400),
            PeerReads(400),
            PeerReads(400),
            Grant(150, 150, 90),
            Grant(20, 20, 0),
            Send(0),
            PeerReads(400),
            PeerReads(400),
            PeerReads(400),
            Grant(290, 290, 20),
            SendVectored(100, 155),
            PeerReads(400),
            PeerReads(400),
            PeerWrites(260),
            PeerWaitsForSpace(300),
            Recv(3),
            PeerWrites(255),
            PeerWrites(40),
            Recv(400),
            PeerWrites(12),
            PeekDatagram(1),
            Recv(12),
            Chunk(1),
        ]
        .to_vec(),
    };
    let around = [
        // Waiting on an empty incoming and a full outgoing direction, with others
        // armed already.
        CheckSpace(10),
        WaitData(1),
        ArmData(5),
        WaitData(3),
        WaitSpace(300),
        ArmSpace(299),
        WaitSpace(298),
        WaitSomeSpace(100),
        CheckSpace(300),
        Check,
        Fill,
        IsClosed,
        PeerWaitsForSpace(1),
        PeerWaitsForData(1),
        WaitData(2),
        WaitSomeSpace(300),
        WaitData(301),
        ArmData(301),
        WaitSpace(301),
        ArmSpace(301),
        WaitData(0),
        WaitSpace(0),
    ];
    let disabled = [
        // Somebody of ours waits at each end when writing is disabled; the peer is in the
        // middle of a write then, which ends.
        Send(200),
        Write(200),
        Attach(Role::Consumer),
        ArmData(300),
        ArmSpace(300),
        PeerBeginsToWrite,
        Disable(Role::Consumer),
        Disable(Role::Producer),
        End,
        Read(1),
        Recv(1),
        ArmData(1),
        TakeOver,
        Attach(Role::Producer),
        Attach(Role::Consumer),
        PeerDisables(Role::Producer),
        PeerDisables(Role::Consumer),
        PeerWaitsForData(1),
        Write(1),
        Send(1),
        PeerWaitsForData(1),
        Grant(0, 0, 0),
        End,
        WaitData(9),
        WaitSpace(9),
        Read(1),
        Recv(1),
        ArmSpace(200),
    ];
    let closed_by_peer = [
        // The peer is known to be gone while its last bytes are still queued.
        PeerWrites(40),
        PeerWrites(260),
        PeerWaitsForSpace(1),
        PeerCloses,
        IsClosed,
        End,
        WaitData(300),
        ArmData(301),
        Peek(4),
        PeekDatagram(4),
        Read(4),
        Recv(4),
        Chunk(30),
        Chunk(1),
        Now(5),
        Read(300),
        Recv(300),
        Read(1),
        Recv(1),
        Now(1),
        WaitData(1),
        ArmData(1),
        End,
        Write(1),
        Send(1),
        Grant(1, 1, 1),
        GrantAll(1),
        WaitSpace(300),
        ArmSpace(300),
        Fill,
    ];
    let closed_by_us = [
        Send(200),
        Write(200),
        PeerWaitsForData(300),
        PeerWaitsForSpace(300),
        ArmData(300),
        ArmSpace(300),
        Close,
        ArmData(300),
        ArmSpace(300),
        HangUp,
        Read(1),
        Recv(1),
        Write(1),
        Send(1),
        Fill,
        IsClosed,
    ];
    let life = [&by_kind[..], &fill_up(kind), &around, &by_kind].concat();
    let [a, b, c] =
        [&disabled[..], &closed_by_peer, &closed_by_us].map(|end| [&life, end].concat());
    [a, b, c, signals_program()]
}

/// A life in which both sides wait for signals; calls of the other kind do nothing.
fn signals_program() -> Vec<Op> {
    use Disposition::{Unchanged, WriteDisabled, WriteEnabled};
    use Op::*;
    const ALL: u32 = u32::MAX;
    let user = |n: u32| Signals::USER_0.bits() << n;
    let bytes = (Signals::READABLE | Signals::WRITABLE).bits();
    let thresholds = (Signals::READ_THRESHOLD | Signals::WRITE_THRESHOLD).bits();
    let head = [
        // Whoever waits for signals is told of bytes and of space, of more than there is, and
        // of user signals; a reader waits beside them.
        Look,
        WaitForSignals(waiter::EVENT, bytes),
        WaitForSignals(waiter::EVENT, bytes),
        PeerWaitsForSignals(1),
        Write(20),
        Send(20),
        PeerWaitsForSignals(200),
        Write(20),
        Send(20),
        Look,
        PeerWrites(30),
        WaitForSignals(waiter::EVENTS, ALL),
        PeerWaitsForSignals(1),
        Read(10),
        Recv(10),
        SetReadThreshold(100),
        SetWriteThreshold(290),
        SetReadThreshold(301),
        SetWriteThreshold(301),
        Thresholds,
        WaitForSignals(waiter::EVENT_BELL, thresholds),
        ArmData(5),
        ArmSpace(300),
        WaitForSignals(waiter::EVENT_BELL, thresholds),
        PeerWaitsForSpace(300),
        WaitForSignals(waiter::EVENT_BELL, thresholds),
        PeerWrites(50),
        Look,
        PeerReads(400),
        Look,
        Signal(0, user(0) | user(7)),
        Signal(user(0), user(1)),
        Signal(user(1), user(1)),
        Look,
        PeerWaitsForSignals(1),
        SignalPeer(0, user(2)),
        SignalPeer(user(2), 0),
        PeerSignals(user(3)),
        WaitForSignals(waiter::EVENT, user(4)),
        PeerSignals(user(4)),
        Look,
        GiveUpSignals,
        AlertOwn,
        // Another kind of waiter sleeps at the full ring while the peer waits for signals.
        Write(CAPACITY),
        Send(255),
        Send(1),
        PeerWaitsForSignals(1),
        WaitSomeSpace(100),
    ];
    let dispositions = [
        (WriteDisabled, Unchanged),
        (Unchanged, WriteDisabled),
        (WriteEnabled, Unchanged),
        (Unchanged, WriteEnabled),
        (WriteDisabled, WriteDisabled),
        (WriteEnabled, WriteDisabled),
        (WriteDisabled, WriteEnabled),
        (WriteEnabled, WriteEnabled),
        (Unchanged, Unchanged),
    ];
    let settings = dispositions.iter().flat_map(|(own, peer)| {
        // Before and after everything was read, and with the end seen in between.
        [
            PeerWaitsForSignals(1),
            SetDisposition(*own, *peer),
            Look,
            End,
            Read(400),
            Recv(400),
            Read(1),
            Recv(1),
            PeerReads(400),
            SetDisposition(*own, *peer),
            PeerWrites(10),
            Write(10),
            Send(10),
        ]
    });
    let tail = [
        ShutDown(WriteDisabled, Unchanged),
        PeerEnables(Role::Consumer),
        ShutDown(Unchanged, WriteDisabled),
        PeerEnables(Role::Producer),
        Look,
        WaitForSignals(waiter::EVENTS, ALL),
        TakeOver,
        PeerSignals(user(5)),
        TakeOver,
        PeerCloses,
        Look,
        SetReadThreshold(1),
        SetWriteThreshold(1),
        SetDisposition(WriteEnabled, WriteEnabled),
        Look,
        SetDisposition(WriteDisabled, Unchanged),
        ShutDown(WriteDisabled, WriteDisabled),
        SignalPeer(0, user(0)),
        WaitForSignals(waiter::EVENT, ALL),
        HangUp,
        Look,
    ];
    head.into_iter().chain(settings).chain(tail).collect()
}

/// Fills the outgoing direction and empties the incoming one.
fn fill_up(kind: Kind) -> Vec<Op> {
    match kind {
        Kind::Stream => vec![Op::Write(CAPACITY), Op::Read(CAPACITY)],
        Kind::Datagram => vec![Op::Send(255), Op::Send(44), Op::Send(1)],
    }
}

/// Every way in which a value of the peer's reaches the core.
fn targets(kind: Kind) -> Vec<Target> {
    use Access::{Bytes, Change, Exchange32, Exchange64, Load32, Load64};
    let (p, c) = (Role::Producer, Role::Consumer);
    let mut targets = vec![
        // Positions, at attach and after.
        (p, Load64(Word64::Tail, Site::ObserveTail)),
        (p, Load64(Word64::Head, Site::ObserveHead)),
        (c, Load64(Word64::Tail, Site::ObserveTail)),
        (c, Load64(Word64::Head, Site::ObserveHead)),
        // May a write go on, has the stream ended.
        (p, Load32(Word32::ConsumerFlags, Site::CheckFlags)),
        (c, Load32(Word32::ProducerFlags, Site::ObserveClosed)),
        (c, Load32(Word32::ConsumerFlags, Site::ObserveDisabled)),
        (c, Load32(Word32::Writing, Site::ObserveWrite)),
        // The peer waits.
        (p, Load32(Word32::ConsumerWaiter, Site::LookForWaiter)),
        (p, Load64(Word64::ConsumerWant, Site::ReadWant)),
        (p, Change(Word32::ConsumerWaiter, Site::TakeWaiter)),
        (c, Load32(Word32::ProducerWaiter, Site::LookForWaiter)),
        (c, Load64(Word64::ProducerWant, Site::ReadWant)),
        (c, Change(Word32::ProducerWaiter, Site::TakeWaiter)),
        // We wait. These words are ours, but the peer can write them too.
        (p, Load32(Word32::ProducerWaiter, Site::LookForWaiter)),
        (p, Load64(Word64::ProducerWant, Site::ReadWant)),
        (p, Change(Word32::ProducerWaiter, Site::Arm)),
        (p, Change(Word32::ProducerWaiter, Site::Disarm)),
        (p, Change(Word32::ProducerWaiter, Site::TakeWaiter)),
        (c, Load32(Word32::ConsumerWaiter, Site::LookForWaiter)),
        (c, Load64(Word64::ConsumerWant, Site::ReadWant)),
        (c, Change(Word32::ConsumerWaiter, Site::Arm)),
        (c, Change(Word32::ConsumerWaiter, Site::Disarm)),
        (c, Change(Word32::ConsumerWaiter, Site::TakeWaiter)),
        // Ends.
        (p, Change(Word32::ConsumerFlags, Site::Close)),
        (p, Change(Word32::ProducerFlags, Site::Close)),
        (c, Change(Word32::ConsumerFlags, Site::Close)),
        (c, Change(Word32::ProducerFlags, Site::Close)),
        (p, Load32(Word32::ConsumerFlags, Site::ObserveDisabled)),
        (p, Exchange32(Word32::ConsumerFlags, Site::SetDisposition)),
        (c, Exchange32(Word32::ConsumerFlags, Site::SetDisposition)),
        // Signals, the peer's and ours.
        (p, Load32(Word32::ConsumerFlags, Site::ObserveClosed)),
        (p, Load64(Word64::ConsumerEventWant, Site::ReadWant)),
        (c, Load64(Word64::ProducerEventWant, Site::ReadWant)),
        (p, Load64(Word64::Signals, Site::ObserveSignals)),
        (c, Load64(Word64::Signals, Site::ObserveSignals)),
        (p, Exchange64(Word64::Signals, Site::StoreSignals)),
        (c, Exchange64(Word64::Signals, Site::StoreSignals)),
        (c, Load64(Word64::ReadThreshold, Site::Threshold)),
        (c, Load64(Word64::WriteThreshold, Site::Threshold)),
        (c, Load32(Word32::Events, Site::CountEvents)),
        // Whether the other end makes full fences.
        (c, Load32(Word32::ProducerAnnounced, Site::ObserveAnnounced)),
        (p, Load32(Word32::ConsumerAnnounced, Site::ObserveAnnounced)),
        // Payload, and for datagrams the lengths in it.
        (c, Bytes),
    ];
    if kind == Kind::Datagram {
        targets.extend([
            // Where in the ring an end goes on, which a position says in a stream.
            (p, Load64(Word64::TailCursor, Site::Cursor)),
            (c, Load64(Word64::HeadCursor, Site::Cursor)),
            // The payload moves up when a long reservation becomes a short datagram.
            (p, Bytes),
        ]);
    }
    targets
}

/// Every site whose value comes from the memory. All others only store.
const LOADS: [Site; 19] = [
    Site::ObserveTail,
    Site::ObserveHead,
    Site::Cursor,
    Site::ObserveWrite,
    Site::CheckFlags,
    Site::ObserveClosed,
    Site::ObserveDisabled,
    Site::ReadWant,
    Site::LookForWaiter,
    Site::Close,
    Site::SetDisposition,
    Site::ObserveSignals,
    Site::StoreSignals,
    Site::CountEvents,
    Site::Threshold,
    Site::Arm,
    Site::Disarm,
    Site::TakeWaiter,
    Site::ObserveAnnounced,
];

fn site((_, access): Target) -> Option<Site> {
    match access {
        Access::Load64(_, site)
        | Access::Exchange64(_, site)
        | Access::Load32(_, site)
        | Access::Change(_, site)
        | Access::Exchange32(_, site) => Some(site),
        Access::Bytes => None,
    }
}

/// A bad value, relative to what is known when it is told.
#[derive(Clone, Copy, Debug)]
enum Bad {
    /// Exactly this.
    Value(u64),
    /// So much more, modulo 2^64, than what is really there.
    Honest(i64),
    /// So much more than our own position in the direction.
    Own(i64),
}

impl Bad {
    fn value(self, ask: Ask) -> u64 {
        match self {
            Self::Value(value) => value,
            Self::Honest(by) => ask.honest.wrapping_add_signed(by),
            Self::Own(by) => ask.own.wrapping_add_signed(by),
        }
    }

    /// Those for a word, or the length of a datagram.
    fn all(access: Access) -> Vec<Self> {
        let c = CAPACITY as i64;
        let values = match access {
            Access::Load32(..) | Access::Change(..) | Access::Exchange32(..) => {
                // The last ones: the count of dispositions just before and at its end.
                let counts = [u32::MAX - 3, u32::MAX - 1, u32::MAX].map(u64::from);
                let bits = [0, 1, 2, 3, 4, 5, 7, 8, 16, 24, 1 << 31];
                bits.into_iter().chain(counts).collect()
            }
            Access::Load64(Word64::Signals, _) | Access::Exchange64(..) => {
                let user = u64::from(Signals::USER_ALL.bits());
                let rises = user << stored::RISEN_SHIFT;
                vec![
                    0,
                    2,
                    1 << 24,
                    user,
                    rises,
                    user | rises,
                    u64::MAX >> 1,
                    u64::MAX,
                ]
            }
            Access::Load64(..) => vec![0, 1, c as u64 + 1, (1 << 63) - 1, 1 << 63, u64::MAX],
            // Below 256 a first byte; above, the long form of what is below bit 40.
            Access::Bytes => {
                let short = [0, 1, 2, 127, 254, 255];
                let long = [
                    0,
                    1,
                    254,
                    255,
                    256,
                    260,
                    261,
                    299,
                    300,
                    301,
                    600,
                    1 << 31,
                    0xFFFF_FFFF,
                ];
                short.into_iter().chain(long.map(|n| LONG | n)).collect()
            }
        };
        let mut bads: Vec<Self> = values.into_iter().map(Self::Value).collect();
        if let Access::Load64(word, _) = access
            && word != Word64::Signals
        {
            bads.extend([-c - 1, -c, -1, 1, c, c + 1].map(Self::Honest));
            bads.extend([-c - 1, -c, -1, 0, 1, c - 1, c, c + 1].map(Self::Own));
        }
        bads
    }
}

/// Marks a bad length that is to be written in the long form.
const LONG: u64 = 1 << 40;

/// When a scripted enemy lies.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Once.
    Once,
    /// Always from then on.
    Onward,
    /// Every other time from then on.
    Toggling,
    /// Always, and with less each time.
    Falling,
    /// Always, and with more each time.
    Rising,
}

const MODES: [Mode; 5] = [
    Mode::Once,
    Mode::Onward,
    Mode::Toggling,
    Mode::Falling,
    Mode::Rising,
];

/// Lies about one target only, from its `from`th access on.
#[derive(Clone, Debug)]
struct Script {
    target: Target,
    from: u32,
    bad: Bad,
    mode: Mode,
    /// Bytes of a length that the next copies get.
    carried: Vec<u8>,
}

impl Script {
    fn lie(&self, ask: Ask) -> Option<u64> {
        if ask.target != self.target {
            return None;
        }
        let since = ask.nth.checked_sub(self.from)?;
        let bad = self.bad.value(ask);
        match self.mode {
            Mode::Once => (since == 0).then_some(bad),
            Mode::Onward => Some(bad),
            Mode::Toggling => (since % 2 == 0).then_some(bad),
            Mode::Falling => Some(bad.wrapping_sub(since.into())),
            Mode::Rising => Some(bad.wrapping_add(since.into())),
        }
    }
}

impl Enemy for Script {
    fn word(&mut self, ask: Ask) -> u64 {
        self.lie(ask).unwrap_or(ask.honest)
    }

    fn bytes(&mut self, ask: Ask, dst: &mut [u8]) {
        if self.carried.is_empty()
            && let Some(bad) = self.lie(ask)
        {
            self.carried = match bad {
                LONG.. => [&[255], &(bad as u32).to_le_bytes()[..]].concat(),
                short => vec![short as u8],
            };
        }
        let n = dst.len().min(self.carried.len());
        dst[..n].copy_from_slice(&self.carried[..n]);
        self.carried.drain(..n);
    }
}

/// Prints what was being done if a check fails.
struct Story<T: std::fmt::Debug>(T);

impl<T: std::fmt::Debug> Drop for Story<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("while running {:#?}", self.0);
        }
    }
}

/// Positions at which a direction begins: at the beginning, somewhere, and just
/// before the end of 64 bits. The last one does not divide by the area, as an
/// enemy may choose it.
const POSITIONS: [u64; 3] = [0, 1_000_003, u64::MAX - 100];

fn run(world: &World, program: &[Op], spinner: Spinner) {
    let mut driver = Driver::new(world, spinner);
    for op in program {
        let story = Story(op);
        driver.run(*op);
        drop(story);
    }
}

fn honest_counts(kind: Kind, program: &[Op]) -> Vec<(Target, u32)> {
    let world = World::new(kind, CAPACITY, 0, Box::new(Honest));
    run(&world, program, Spinner::disabled());
    assert!(world.attacked().is_empty());
    world.counts()
}

#[test]
fn programs_come_by_every_load_of_the_core() {
    for kind in [Kind::Stream, Kind::Datagram] {
        let mut found: Vec<Target> = Vec::new();
        for program in programs(kind) {
            found.extend(honest_counts(kind, &program).into_iter().map(|(t, _)| t));
        }
        let listed = targets(kind);
        for target in &listed {
            assert!(found.contains(target), "{kind}: {target:?} is never loaded");
        }
        for target in &found {
            assert!(listed.contains(target), "{kind}: {target:?} is not listed");
        }
        for wanted in LOADS {
            let sites = || listed.iter().copied().filter_map(site);
            let is_for_datagrams = wanted == Site::Cursor;
            assert!(
                sites().any(|s| s == wanted) || is_for_datagrams && kind == Kind::Stream,
                "{kind}: {wanted:?}"
            );
            assert!(sites().all(|s| LOADS.contains(&s)));
        }
    }
}

#[test]
fn every_load_with_every_bad_value_is_refused_or_bounded() {
    let mut runs = 0;
    for kind in [Kind::Stream, Kind::Datagram] {
        let mut attacked: Vec<Target> = Vec::new();
        for program in programs(kind) {
            for (target, count) in honest_counts(kind, &program) {
                for script in scripts(target, count) {
                    let position = POSITIONS[runs % POSITIONS.len()];
                    let story = Story((&script, position));
                    let world = World::new(kind, CAPACITY, position, Box::new(script.clone()));
                    run(&world, &program, Spinner::disabled());
                    for target in world.attacked() {
                        if !attacked.contains(&target) {
                            attacked.push(target);
                        }
                    }
                    drop(story);
                    runs += 1;
                }
            }
        }
        for target in targets(kind) {
            assert!(
                attacked.contains(&target),
                "{kind}: {target:?} was never attacked"
            );
        }
    }
    // Below this the loops above have been cut short by mistake.
    assert!(runs > 10_000, "{runs} runs");
}

/// Every script for a target that an honest run accesses `count` times.
fn scripts(target: Target, count: u32) -> Vec<Script> {
    let mut places = vec![0, 1, count / 2, count - 1];
    places.retain(|place| *place < count);
    places.sort_unstable();
    places.dedup();
    let mut scripts = Vec::new();
    for from in places {
        for bad in Bad::all(target.1) {
            scripts.extend(MODES.map(|mode| Script {
                target,
                from,
                bad,
                mode,
                carried: Vec::new(),
            }));
        }
    }
    scripts
}

/// One answer of an enemy that goes by the dice.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Honest,
    Lie(Bad),
    /// What it answered last, whatever that was about.
    Again,
}

/// Answers from a list, over and over.
#[derive(Debug)]
struct Dice {
    answers: Vec<Answer>,
    next: usize,
    last: u64,
}

impl Dice {
    fn answer(&mut self, ask: Ask) -> u64 {
        let answer = self.answers[self.next % self.answers.len()];
        self.next += 1;
        self.last = match answer {
            Answer::Honest => ask.honest,
            Answer::Lie(bad) => bad.value(ask),
            Answer::Again => self.last,
        };
        self.last
    }
}

impl Enemy for Dice {
    fn word(&mut self, ask: Ask) -> u64 {
        self.answer(ask)
    }

    fn bytes(&mut self, ask: Ask, dst: &mut [u8]) {
        let answer = self.answer(ask);
        if answer != ask.honest {
            let bytes = answer.to_le_bytes();
            let n = dst.len().min(bytes.len());
            dst[..n].copy_from_slice(&bytes[..n]);
        }
    }
}

/// What the dice mean. Plain numbers, decoded here, are made and shrunk many times
/// faster than trees of alternatives; 0 is the tamest of each.
fn answer((choice, number): (u8, u64)) -> Answer {
    let c = CAPACITY as i64;
    let within = |range: i64| (number % (2 * range as u64 + 1)) as i64 - range;
    Answer::Lie(match choice {
        0..14 => return Answer::Honest,
        14..16 => return Answer::Again,
        16..20 => Bad::Value(number % 10),
        20 => Bad::Value(number),
        21 => Bad::Value(number & u64::from(u32::MAX)),
        22 => Bad::Value(1 << (number % 64)),
        23 => Bad::Value([250, 254, 255, 256, 299, 300, 301, 600][number as usize % 8]),
        24..27 => Bad::Honest(within(2)),
        27 => Bad::Honest(within(2 * c)),
        _ => Bad::Own(within(2 * c)),
    })
}

/// As [`answer`], for calls.
fn op((choice, a, b, c): (u8, usize, usize, usize)) -> Op {
    let role = [Role::Producer, Role::Consumer][a % 2];
    match choice {
        0 => Op::Read(a),
        1 => Op::Recv(a),
        2 => Op::Write(a),
        3 => Op::Send(a),
        4 => Op::PeerWrites(a),
        5 => Op::PeerReads(a),
        6 => Op::WriteVectored(a, b),
        7 => Op::SendVectored(a, b),
        8 => Op::ReadVectored(a, b.min(2 * CAPACITY - a)),
        9 => Op::RecvVectored(a, b.min(2 * CAPACITY - a)),
        10 => Op::Grant(a, b, c),
        11 => Op::Peek(a),
        12 => Op::PeekDatagram(a),
        13 => Op::Chunk(a),
        14 => Op::CheckSpace(a),
        15 => Op::WaitSpace(a),
        16 => Op::WaitSomeSpace(a),
        17 => Op::ArmSpace(a),
        18 => Op::WaitData(a),
        19 => Op::ArmData(a),
        20 => Op::PeerWaitsForData(a),
        21 => Op::PeerWaitsForSpace(a),
        22 => Op::End,
        23 => Op::Fill,
        24 => [Op::GrantAll, Op::Now][b % 2](a),
        25 => Op::Look,
        26 => Op::WaitForSignals((b % 4) as u32 * waiter::EVENT, bits(a, c)),
        27 => Op::PeerWaitsForSignals(a),
        28 => Op::SetDisposition(disposition(a), disposition(b)),
        29 => [Op::Signal, Op::SignalPeer][a % 2](bits(b, c), bits(c, a)),
        30 => match b % 6 {
            0 => Op::SetReadThreshold(a),
            1 => Op::SetWriteThreshold(a),
            2 => Op::Thresholds,
            3 => Op::GiveUpSignals,
            4 => Op::AlertOwn,
            _ => Op::PeerSignals(bits(a, c)),
        },
        31 => Op::PeerEnables(role),
        // These end most of what can happen; so they come seldom.
        _ => [
            Op::Check,
            Op::IsClosed,
            Op::TakeOver,
            Op::Attach(role),
            Op::PeerBeginsToWrite,
            Op::PeerDisables(role),
            Op::Disable(role),
            Op::PeerCloses,
            Op::Close,
            Op::HangUp,
            Op::ShutDown(Disposition::WriteDisabled, Disposition::Unchanged),
            Op::ShutDown(Disposition::Unchanged, Disposition::WriteDisabled),
        ][b % 12],
    }
}

fn disposition(n: usize) -> Disposition {
    [
        Disposition::Unchanged,
        Disposition::WriteDisabled,
        Disposition::WriteEnabled,
    ][n % 3]
}

/// Two bits of a mask of signals, often one that means something.
fn bits(a: usize, b: usize) -> u32 {
    1 << (a % 32) | 1 << (b % 12)
}

proptest! {
    // A failure is printed with its seed and the shrunk input.
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::WithSource("proptest-regressions"),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_lies_are_refused_or_bounded(
        stream: bool,
        position in prop::sample::select(POSITIONS.to_vec()),
        answers in prop::collection::vec((0..32u8, any::<u64>()), 1..60),
        ops in prop::collection::vec(
            (0..32u8, 0..=CAPACITY + 1, 0..=CAPACITY + 1, 0..=CAPACITY + 1),
            1..40,
        ),
        spins in prop::bool::weighted(0.05),
        false_wakes in 0..6u32,
        refuse_fence in prop::option::weighted(0.1, 0..4u32),
    ) {
        let kind = if stream { Kind::Stream } else { Kind::Datagram };
        let spinner = if spins { Spinner::adaptive() } else { Spinner::disabled() };
        let answers = answers.into_iter().map(answer).collect();
        let dice = Dice { answers, next: 0, last: 0 };
        let world = World::new(kind, CAPACITY, position, Box::new(dice));
        let ops: Vec<Op> = ops.into_iter().map(op).collect();
        // A spinner looks 1000 times at most, with a few loads each.
        world.load_limit.set(if spins { 10_000 } else { 300 });
        world.false_wakes.set(false_wakes);
        world.refuse_fence.set(refuse_fence);
        run(&world, &ops, spinner);
    }
}

/// Answers by a function, and leaves bytes alone.
struct Function<F>(F);

impl<F: FnMut(Ask) -> u64> Enemy for Function<F> {
    fn word(&mut self, ask: Ask) -> u64 {
        (self.0)(ask)
    }

    fn bytes(&mut self, _: Ask, _: &mut [u8]) {}
}

/// Numbers that look random, the same ones each time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 29)
}

/// Flags and mark of a direction that change at every look, with a peer that is honest
/// about bytes: the end comes and is taken back, and no byte is lost or read twice.
#[test]
fn reader_whose_flags_flicker_loses_no_byte() {
    let mut ends = 0;
    for seed in 0..500 {
        let calm = std::rc::Rc::new(std::cell::Cell::new(false));
        let (mut state, calmed) = (seed, std::rc::Rc::clone(&calm));
        let flicker = Function(move |ask: Ask| {
            let flags = matches!(
                ask.target.1,
                Access::Load32(Word32::ConsumerFlags | Word32::Writing, _)
            );
            match (flags && !calmed.get(), random(&mut state)) {
                (true, n) if n % 4 == 0 => n >> 32,
                (true, n) => ((n >> 32) % 8) & !u64::from(flags::CLOSED),
                (false, _) => ask.honest,
            }
        });
        let world = World::new(Kind::Stream, CAPACITY, POSITIONS[1], Box::new(flicker));
        let mut driver = Driver::new(&world, Spinner::disabled());
        let reader = driver.reader.as_mut().unwrap();
        let mut peer = Writer::attach(&world.incoming, Kind::Stream, CAPACITY).unwrap();
        let (mut sent, mut received) = (0u64, 0u64);
        let mut buf = [0; 40];
        for round in 0..300 {
            // At last the flags are what they are, and the rest must come.
            calm.set(round >= 250);
            if !calm.get() {
                let len = (random(&mut { seed + round }) % 30) as usize;
                let bytes: Vec<u8> = (sent..).take(len).map(|n| n as u8).collect();
                sent += peer.write(&bytes).unwrap_or(0) as u64;
            }
            world.begin_call();
            match reader.read(&mut buf) {
                Ok(n) => {
                    for byte in &buf[..n] {
                        assert_eq!(*byte, received as u8);
                        received += 1;
                    }
                }
                Err(Error::WriteDisabled) => ends += 1,
                Err(Error::WouldBlock) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(received <= sent);
        }
        assert_eq!(received, sent, "seed {seed}");
    }
    assert!(ends > 100, "the end was seen {ends} times only");
}

/// A writer that is let in and refused as the flags flicker: what it says was
/// accepted is what the peer reads.
#[test]
fn writer_whose_flags_flicker_publishes_what_it_reports() {
    for seed in 0..500 {
        let mut state = seed;
        let flicker = Function(move |ask: Ask| match ask.target.1 {
            Access::Load32(Word32::ConsumerFlags, _) => random(&mut state) >> 32,
            Access::Load32(Word32::ConsumerWaiter, _) => random(&mut state) % 32,
            Access::Load64(Word64::ConsumerWant | Word64::ConsumerEventWant, _) => {
                random(&mut state) >> (random(&mut state) % 64)
            }
            _ => ask.honest,
        });
        let world = World::new(Kind::Stream, CAPACITY, POSITIONS[2], Box::new(flicker));
        let mut driver = Driver::new(&world, Spinner::disabled());
        let writer = driver.writer.as_mut().unwrap();
        let mut peer = Reader::attach(&world.outgoing, Kind::Stream, CAPACITY).unwrap();
        let (mut accepted, mut refused) = (0u64, 0);
        for round in 0..200 {
            let len = (random(&mut { seed + round }) % 60) as usize;
            let bytes: Vec<u8> = (accepted..).take(len).map(|n| n as u8).collect();
            world.begin_call();
            let before = accepted;
            match writer.write(&bytes) {
                Ok(n) => accepted += n as u64,
                Err(Error::PeerClosed | Error::WriteDisabled) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            let mut buf = [0; CAPACITY];
            let n = peer.read(&mut buf).unwrap_or(0);
            assert_eq!(n as u64, accepted - before, "seed {seed}");
            assert!((before..accepted).zip(buf).all(|(n, byte)| n as u8 == byte));
        }
        assert!(accepted > 0 && refused > 0, "seed {seed}");
    }
}

/// The count of dispositions goes on at its end from the beginning, and the closed bit
/// beside it stays what it is.
#[test]
fn count_of_dispositions_wraps_beside_the_closed_bit() {
    let (unchanged, disabled) = (Disposition::Unchanged, Disposition::WriteDisabled);
    for closed in [0, flags::CLOSED] {
        let (ours, theirs) = (Heap::new(CAPACITY), Heap::new(CAPACITY));
        ours.set32_to(Word32::ConsumerFlags, (u32::MAX - 3) | closed);
        let look = || State::load(&&ours, &&theirs, CAPACITY as u64);
        let enabled = look();
        assert!(!enabled.signals().contains(Signals::WRITE_DISABLED));
        shut_down(&&ours, &&theirs, disabled, unchanged);
        let last = look();
        assert_eq!(ours.get32(Word32::ConsumerFlags), !flags::CLOSED | closed);
        assert_eq!(last.risen_since(&enabled), Signals::WRITE_DISABLED);
        let enable = Disposition::WriteEnabled;
        set_disposition(&&ours, &&theirs, enable, unchanged).unwrap();
        assert_eq!(ours.get32(Word32::ConsumerFlags), closed);
        let first = look();
        assert!(!first.signals().contains(Signals::WRITE_DISABLED));
        assert!(first.risen_since(&last).contains(Signals::WRITABLE));
        // Both at once, since the count went on by two.
        let both = Signals::WRITABLE | Signals::WRITE_DISABLED;
        assert_eq!(first.risen_since(&enabled) & both, both);
    }
}

/// A peer that is in the way of every exchange does not keep us, and has its way.
#[test]
fn exchange_that_never_succeeds_is_given_up() {
    let stubborn = |ask: Ask| match ask.target.1 {
        Access::Exchange32(..) | Access::Exchange64(..) => !ask.honest,
        _ => ask.honest,
    };
    let world = World::new(Kind::Stream, CAPACITY, 0, Box::new(Function(stubborn)));
    let mut driver = Driver::new(&world, Spinner::disabled());
    let user = Signals::USER_ALL.bits();
    let disabled = Disposition::WriteDisabled;
    for op in [
        Op::SetDisposition(disabled, disabled),
        Op::ShutDown(disabled, disabled),
        Op::Signal(0, user),
        Op::SignalPeer(0, user),
    ] {
        driver.run(op);
    }
    for heap in [&world.incoming, &world.outgoing] {
        assert_eq!(heap.get32(Word32::ConsumerFlags), 0);
        assert_eq!(heap.get64(Word64::Signals), 0);
    }
    // In the way of taking traces nobody can be.
    for op in [Op::WaitForSignals(waiter::EVENTS, user), Op::TakeOver] {
        let traces = u64::from(user) << stored::RISEN_SHIFT;
        world.incoming.set64(Word64::Signals, traces);
        driver.run(op);
        assert_eq!(world.incoming.get64(Word64::Signals), 0, "{op:?}");
    }
}

/// A wait whose condition never comes ends with the deadline, however often the
/// enemy wakes for nothing, and however it answers meanwhile.
#[test]
fn wait_woken_for_nothing_ends_at_its_deadline() {
    for kind in [Kind::Stream, Kind::Datagram] {
        let world = World::new(kind, CAPACITY, 0, Box::new(Honest));
        world.false_wakes.set(1000);
        world.load_limit.set(20_000);
        let mut driver = Driver::new(&world, Spinner::disabled());
        let soon = Deadline::after(std::time::Duration::ZERO);
        let reader = driver.reader.as_mut().unwrap();
        let result = reader.wait(1, &mut Spinner::disabled(), soon);
        assert_eq!(result, Err(Error::TimedOut));
        assert!(world.has_slept());
    }
}

/// Nobody sleeps without the fence that makes sure of the wake-up.
#[test]
fn wait_when_the_fence_is_refused_reports_it_and_does_not_sleep() {
    let world = World::new(Kind::Stream, CAPACITY, 0, Box::new(Honest));
    world.refuse_fence.set(Some(0));
    let mut driver = Driver::new(&world, Spinner::disabled());
    let reader = driver.reader.as_mut().unwrap();
    let result = reader.wait(1, &mut Spinner::disabled(), Deadline::NEVER);
    assert_eq!(result, Err(Error::FenceRefused));
    assert!(!world.has_slept());
    assert_eq!(
        world.incoming.get32(Word32::ConsumerWaiter),
        0,
        "still armed"
    );
}

/// The same core over honest heap memory, from two threads that really sleep: so what
/// the tests above attack is a core that works.
#[test]
fn honest_heap_memory_carries_every_byte_between_two_threads() {
    const TOTAL: usize = 100_000;
    let heap = Heap::new(64);
    let byte = |i: usize| (i % 251) as u8;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = Writer::attach(&heap, Kind::Stream, 64).unwrap();
            let mut spinner = Spinner::adaptive();
            let mut sent = 0;
            while sent < TOTAL {
                let chunk: Vec<u8> = (sent..TOTAL.min(sent + 100)).map(byte).collect();
                match writer.write(&chunk) {
                    Ok(n) => sent += n,
                    Err(Error::WouldBlock) => {
                        let want = chunk.len();
                        writer
                            .wait_some(want, &mut spinner, Deadline::NEVER)
                            .unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            close(&&heap, &&Heap::new(1));
        });
        let mut reader = Reader::attach(&heap, Kind::Stream, 64).unwrap();
        let mut spinner = Spinner::adaptive();
        let mut received = 0;
        let mut buf = [0; 37];
        loop {
            match reader.read(&mut buf) {
                Ok(n) => {
                    for got in &buf[..n] {
                        assert_eq!(*got, byte(received));
                        received += 1;
                    }
                }
                Err(Error::WouldBlock) => reader.wait(1, &mut spinner, Deadline::NEVER).unwrap(),
                Err(Error::PeerClosed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(received, TOTAL);
    });
}
