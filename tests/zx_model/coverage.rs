//! What the sequences reached: without it, a test that compares nothing would pass.

use std::collections::BTreeMap;
use std::fmt;

use zocket::zx::Status;

use crate::answers::{Answer, Out, Payload};
use crate::calls::Call;
use crate::reference::{NOTES, Note, Notes};

/// Counts over all sequences of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    /// Calls really made, and not left out because a handle of theirs was never made.
    pub steps: u64,
    /// Looks at the signals of one object.
    pub looks: u64,
    statuses: BTreeMap<(&'static str, i32), u64>,
    on: [u64; 32],
    off: [u64; 32],
    /// Of users, of registrations without a time, with a monotonic one, with a boot one.
    packets: [u64; 4],
    notes: Notes,
}

impl Coverage {
    pub(crate) fn count_call(&mut self, call: &Call, expected: &Answer) {
        self.steps += 1;
        *self
            .statuses
            .entry((call.name(), expected.status))
            .or_default() += 1;
        if let Out::Packet(packet) = &expected.out {
            self.packets[match packet.payload {
                Payload::User(_) => 0,
                Payload::Signal { timestamp, .. } => 1 + timestamp as usize,
            }] += 1;
        }
    }

    pub(crate) fn count_signals(&mut self, signals: u32) {
        self.looks += 1;
        for bit in 0..32 {
            let counts = match signals >> bit & 1 {
                1 => &mut self.on,
                _ => &mut self.off,
            };
            counts[bit as usize] += 1;
        }
    }

    pub(crate) fn add_notes(&mut self, notes: &Notes) {
        self.notes.add(notes);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.looks += other.looks;
        for (key, count) in &other.statuses {
            *self.statuses.entry(*key).or_default() += count;
        }
        for bit in 0..32 {
            self.on[bit] += other.on[bit];
            self.off[bit] += other.off[bit];
        }
        for (sum, count) in self.packets.iter_mut().zip(other.packets) {
            *sum += count;
        }
        self.notes.add(&other.notes);
    }

    /// What was expected at least once in `rarity` steps and was not.
    pub(crate) fn missing(&self, wanted: &Wanted) -> Vec<String> {
        let least = self.steps / wanted.rarity;
        let statuses = STATUSES.iter().flat_map(|(name, statuses)| {
            statuses.iter().map(move |status| {
                let count = self.statuses.get(&(*name, status.into_raw()));
                (format!("{name}: {status}"), count.copied().unwrap_or(0))
            })
        });
        let successes = SUCCEEDING.iter().map(|name| {
            let count = self.statuses.get(&(*name, 0));
            (format!("{name}: ZX_OK"), count.copied().unwrap_or(0))
        });
        let signals = SIGNALS.iter().map(|bit| {
            let (on, off) = (self.on[*bit], self.off[*bit]);
            (format!("signal {bit} on and off"), on.min(off))
        });
        let packets = (0..4).map(|kind| (format!("packet kind {kind}"), self.packets[kind]));
        let notes = NOTES
            .iter()
            .map(|note| (format!("{note:?}"), self.notes.of(*note)));
        let all = statuses
            .chain(successes)
            .chain(signals)
            .chain(packets)
            .chain(notes);
        all.filter(|(name, count)| *count < least && !wanted.unreachable.contains(&&name[..]))
            .map(|(name, count)| format!("{name}: {count}, wanted {}", least))
            .collect()
    }

    /// # Panics
    /// If something that must be common was not.
    pub(crate) fn assert_wide(&self, wanted: &Wanted) {
        let missing = self.missing(wanted);
        assert!(
            missing.is_empty(),
            "hardly or never reached:\n{}\n{self}",
            missing.join("\n")
        );
    }
}

/// How much must have been reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Everything listed happens once in so many steps, or more often.
    pub rarity: u64,
    /// Except for these.
    pub unreachable: &'static [&'static str],
}

const SIGNALS: &[usize] = &[0, 1, 2, 3, 4, 5, 10, 11, 24, 25, 26, 27, 28, 29, 30, 31];

const SUCCEEDING: &[&str] = &[
    "create",
    "write",
    "read",
    "set_disposition",
    "shutdown",
    "close",
    "close_many",
    "duplicate",
    "replace",
    "check_valid",
    "signal",
    "signal_peer",
    "wait_one",
    "wait_many",
    "wait_async",
    "get_info",
    "get_property",
    "set_property",
    "port_create",
    "port_queue",
    "port_wait",
    "port_cancel",
    "port_cancel_key",
    "event_create",
    "pass",
];

const ARGS: Status = Status::INVALID_ARGS;
const HANDLE: Status = Status::BAD_HANDLE;
const TYPE: Status = Status::WRONG_TYPE;
const DENIED: Status = Status::ACCESS_DENIED;
const STATE: Status = Status::BAD_STATE;
const PEER: Status = Status::PEER_CLOSED;
const WAIT: Status = Status::SHOULD_WAIT;
const TIME: Status = Status::TIMED_OUT;
const FOUND: Status = Status::NOT_FOUND;
const RANGE: Status = Status::OUT_OF_RANGE;
const SMALL: Status = Status::BUFFER_TOO_SMALL;
const SUPPORTED: Status = Status::NOT_SUPPORTED;

/// Every error of every call that a caller can bring about. (The waits and `signal_peer` have
/// `NOT_SUPPORTED` for objects whose handles never carry the right that is checked before.)
const STATUSES: &[(&str, &[Status])] = &[
    ("create", &[ARGS]),
    (
        "write",
        &[ARGS, HANDLE, TYPE, DENIED, PEER, STATE, WAIT, RANGE],
    ),
    ("read", &[ARGS, HANDLE, TYPE, DENIED, PEER, STATE, WAIT]),
    ("set_disposition", &[ARGS, HANDLE, TYPE, DENIED, STATE]),
    ("shutdown", &[ARGS, HANDLE, TYPE, DENIED]),
    ("close", &[HANDLE]),
    ("close_many", &[HANDLE]),
    ("duplicate", &[ARGS, HANDLE, DENIED]),
    ("replace", &[ARGS, HANDLE]),
    ("check_valid", &[ARGS, RANGE, FOUND]),
    ("signal", &[ARGS, HANDLE, DENIED]),
    ("signal_peer", &[ARGS, HANDLE, DENIED, PEER]),
    ("wait_one", &[HANDLE, DENIED, TIME]),
    ("wait_many", &[HANDLE, DENIED, TIME, RANGE]),
    ("wait_async", &[ARGS, HANDLE, TYPE, DENIED]),
    ("get_info", &[ARGS, HANDLE, TYPE, DENIED, SMALL, SUPPORTED]),
    (
        "get_property",
        &[ARGS, HANDLE, TYPE, DENIED, SMALL, SUPPORTED],
    ),
    (
        "set_property",
        &[ARGS, HANDLE, TYPE, DENIED, SMALL, SUPPORTED, PEER],
    ),
    ("port_create", &[ARGS]),
    ("port_queue", &[ARGS, HANDLE, TYPE, DENIED]),
    ("port_wait", &[HANDLE, TYPE, DENIED, TIME]),
    ("port_cancel", &[HANDLE, TYPE, DENIED, FOUND]),
    ("port_cancel_key", &[ARGS, HANDLE, TYPE, DENIED, FOUND]),
    ("event_create", &[ARGS]),
    ("pass", &[HANDLE, TYPE, DENIED, STATE]),
];

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls, {} looks at signals", self.steps, self.looks)?;
        for ((name, status), count) in &self.statuses {
            let status = Status::name_of(*status).unwrap_or("unknown");
            writeln!(f, "{name:16} {status:20} {count}")?;
        }
        for bit in SIGNALS {
            writeln!(
                f,
                "signal {bit:2}: on {}, off {}",
                self.on[*bit], self.off[*bit]
            )?;
        }
        writeln!(f, "packets {:?}", self.packets)?;
        let count = |note: &Note| self.notes.of(*note);
        NOTES
            .iter()
            .try_for_each(|note| writeln!(f, "{note:?}: {}", count(note)))
    }
}
