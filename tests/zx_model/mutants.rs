//! That the comparison bites: references with one fault each are found out, within few
//! calls, and the sequence that shows it shrinks to a handful.

use zocket::zx;

use crate::answers::{Answer, Out, Packet, Payload, Record};
use crate::calls::{Call, H};
use crate::compare::compare;
use crate::coverage::Coverage;
use crate::harness::shrunk;
use crate::ops::Setting;
use crate::reference::{CAPACITY, Reference};
use crate::sequence::Sequence;
use crate::system::System;

/// Sequences in which every fault must show.
const CASES: u32 = 40;
/// Calls that every fault can be shown with.
const SHORT: usize = 12;
const SETTING: Setting = Setting {
    processes: 1,
    passing: true,
    steps: 256,
    capacity: CAPACITY,
};

/// A fault in what a call does or answers.
type Calls = fn(&mut Reference, &Call) -> Answer;
/// A fault in what the signals seem to be.
type Signals = fn(u32) -> u32;

/// A reference with a fault.
#[derive(Debug)]
struct Mutant {
    reference: Reference,
    calls: Calls,
    signals: Signals,
}

impl System for Mutant {
    fn call(&mut self, _: u8, call: &Call) -> Answer {
        (self.calls)(&mut self.reference, call)
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        let signals = self.reference.signals(handles);
        signals.into_iter().map(self.signals).collect()
    }

    fn abandon(&mut self, _: &[(u8, u32)]) {}

    fn end(self) {}
}

fn right(reference: &mut Reference, call: &Call) -> Answer {
    System::call(reference, 0, call)
}

/// Shows that a fault is found, and that the report of it can be replayed.
fn is_found_in<S: System>(mutant: impl Fn() -> S) {
    let report = shrunk(CASES, 1, SETTING, &mutant).expect_err("there is a fault");
    let sequence = Sequence::parse(&report);
    assert!((1..=SHORT).contains(&sequence.steps.len()), "{report}");
    let again = compare(&sequence, mutant(), &mut Coverage::default());
    assert!(again.is_err(), "the fault does not show again:\n{report}");
    let sound = compare(&sequence, Reference::new(7), &mut Coverage::default());
    assert_eq!(sound, Ok(()), "the fault is not what was found");
}

fn is_found(calls: Calls, signals: Signals) {
    is_found_in(|| Mutant {
        reference: Reference::new(7),
        calls,
        signals,
    });
}

/// A fault in the calls alone.
fn is_found_in_calls(calls: Calls) {
    is_found(calls, |signals| signals);
}

#[test]
fn oversized_datagram_refused_before_full_buffer_is_found() {
    is_found_in_calls(|reference, call| {
        let mut answer = right(reference, call);
        if let Call::Write { buffer, .. } = call
            && answer.status == zx::ZX_ERR_SHOULD_WAIT
            && buffer.size > 8192
        {
            answer.status = zx::ZX_ERR_OUT_OF_RANGE;
        }
        answer
    });
}

#[test]
fn right_checked_before_type_is_found() {
    is_found_in_calls(|reference, call| {
        let mut answer = right(reference, call);
        if answer.status == zx::ZX_ERR_WRONG_TYPE {
            answer.status = zx::ZX_ERR_ACCESS_DENIED;
        }
        answer
    });
}

#[test]
fn wrong_byte_is_found() {
    is_found_in_calls(|reference, call| {
        let mut answer = right(reference, call);
        if let Out::Bytes(bytes) = &mut answer.out
            && bytes.len() > 100
        {
            bytes.swap(98, 99);
        }
        answer
    });
}

#[test]
fn consuming_peek_is_found() {
    is_found_in_calls(|reference, call| {
        let mut call = call.clone();
        if let Call::Read { options, .. } = &mut call {
            *options &= !zx::ZX_SOCKET_PEEK;
        }
        right(reference, &call)
    });
}

#[test]
fn edge_taken_for_level_is_found() {
    is_found_in_calls(|reference, call| {
        let mut call = call.clone();
        if let Call::WaitAsync { options, .. } = &mut call
            && *options < 8
        {
            *options &= !zx::ZX_WAIT_ASYNC_EDGE;
        }
        right(reference, &call)
    });
}

#[test]
fn cancelling_through_any_handle_is_found() {
    is_found_in_calls(|reference, call| match *call {
        Call::PortCancel { port, source, key } if source != H::Value(0) => {
            let answer = right(reference, call);
            let options = 0;
            right(reference, &Call::PortCancelKey { port, options, key });
            answer
        }
        _ => right(reference, call),
    });
}

#[test]
fn replacing_that_spares_the_source_on_error_is_found() {
    is_found_in_calls(|reference, call| match *call {
        Call::Replace { handle, rights } => {
            let duplicate = Call::Duplicate { handle, rights };
            match reference.view(handle.value()) {
                Some(view) if rights & !view.rights != 0 && rights != zx::ZX_RIGHT_SAME_RIGHTS => {
                    let mut answer = right(reference, &duplicate);
                    answer.status = zx::ZX_ERR_INVALID_ARGS;
                    answer
                }
                _ => right(reference, call),
            }
        }
        _ => right(reference, call),
    });
}

fn with_packet(answer: Answer, change: fn(&mut Packet)) -> Answer {
    match answer.out {
        Out::Packet(mut packet) => {
            change(&mut packet);
            Answer {
                out: Out::Packet(packet),
                ..answer
            }
        }
        _ => answer,
    }
}

#[test]
fn packet_that_observed_only_what_was_wanted_is_found() {
    is_found_in_calls(|reference, call| {
        with_packet(right(reference, call), |packet| {
            if let Payload::Signal {
                trigger, observed, ..
            } = &mut packet.payload
            {
                *observed &= *trigger;
            }
        })
    });
}

#[test]
fn time_that_nobody_asked_for_is_found() {
    is_found_in_calls(|reference, call| {
        with_packet(right(reference, call), |packet| {
            if let Payload::Signal { timestamp, .. } = &mut packet.payload {
                *timestamp |= 1;
            }
        })
    });
}

#[test]
fn time_that_runs_backwards_is_found() {
    is_found_in_calls(|reference, call| {
        with_packet(right(reference, call), |packet| {
            if let Payload::Signal { timestamp, .. } = &mut packet.payload
                && *timestamp != 0
            {
                *timestamp = i64::MAX - *timestamp;
            }
        })
    });
}

fn with_record(answer: Answer, change: fn(&mut Record)) -> Answer {
    let mut answer = answer;
    if let Out::Info {
        record: Some(record),
        ..
    } = &mut answer.out
    {
        change(record);
    }
    answer
}

#[test]
fn wrong_count_of_handles_is_found() {
    is_found_in_calls(|reference, call| {
        with_record(right(reference, call), |record| {
            if let Record::Count(count) = record {
                *count = (*count).min(1);
            }
        })
    });
}

#[test]
fn related_koid_that_is_not_the_peers_is_found() {
    is_found_in_calls(|reference, call| {
        with_record(right(reference, call), |record| {
            if let Record::Basic { koid, related, .. } = record {
                *related = *koid;
            }
        })
    });
}

#[test]
fn handle_without_its_fixed_bits_is_found() {
    is_found_in_calls(|reference, call| {
        let mut answer = right(reference, call);
        if let Out::Handles(handles) = &mut answer.out {
            handles[0] &= !1;
        }
        answer
    });
}

#[test]
fn write_threshold_that_dies_with_the_peer_is_found() {
    is_found(right, |signals| match signals & zx::ZX_SOCKET_PEER_CLOSED {
        0 => signals,
        _ => signals & !zx::ZX_SOCKET_WRITE_THRESHOLD,
    });
}

#[test]
fn orphan_that_is_never_writable_is_found() {
    is_found(right, |signals| match signals & zx::ZX_SOCKET_PEER_CLOSED {
        0 => signals,
        _ => signals & !zx::ZX_SOCKET_WRITABLE,
    });
}

/// A reference whose ports give the second packet before the first.
#[derive(Debug)]
struct Swapping {
    reference: Reference,
    /// The answer that should have come first, and whose it is.
    kept: Option<(H, Answer)>,
}

impl System for Swapping {
    fn call(&mut self, _: u8, call: &Call) -> Answer {
        let Call::PortWait { port, .. } = *call else {
            return right(&mut self.reference, call);
        };
        if let Some((_, kept)) = self.kept.take_if(|(of, _)| *of == port) {
            return kept;
        }
        let first = right(&mut self.reference, call);
        let second = right(&mut self.reference, call);
        match second.out {
            Out::Packet(_) if self.kept.is_none() => {
                self.kept = Some((port, first));
                second
            }
            _ => first,
        }
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        self.reference.signals(handles)
    }

    fn abandon(&mut self, _: &[(u8, u32)]) {}

    fn end(self) {}
}

/// The packets of one call may come in any order (every reference that is compared makes use
/// of that); those of different calls may not.
#[test]
fn packets_of_two_calls_in_the_wrong_order_are_found() {
    is_found_in(|| Swapping {
        reference: Reference::new(7),
        kept: None,
    });
}
