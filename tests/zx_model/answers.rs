//! What calls answer, as data: status, and whatever was written through pointers.

use std::fmt;

use zocket::zx::{self, Status};

use crate::text::{Word, put_bytes, take_bytes, word};

/// What the variable behind a pointer holds before the call.
pub(crate) const UNTOUCHED: u32 = 0x5A5A_5A5A;
/// As [`UNTOUCHED`], for sizes.
pub(crate) const UNTOUCHED_SIZE: usize = 0x5A5A_5A5A_5A5A;

/// Status and results of one call.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: i32,
    pub out: Out,
}

/// What was written through pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    Nothing,
    /// New handles. Their values are compared by what they stand for.
    Handles(Vec<u32>),
    /// Of a write.
    Actual(usize),
    /// Of a read.
    Bytes(Vec<u8>),
    Observed(u32),
    Pending(Vec<u32>),
    Info {
        record: Option<Record>,
        actual: usize,
        avail: usize,
    },
    Property(u64),
    Packet(Packet),
}

/// What `zx_object_get_info` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Basic {
        koid: u64,
        rights: u32,
        r#type: u32,
        related: u64,
    },
    Count(u32),
    Socket {
        options: u32,
        rx_max: usize,
        rx_size: usize,
        rx_available: usize,
        tx_max: usize,
        tx_size: usize,
    },
}

/// A packet out of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub key: u64,
    pub r#type: u32,
    pub status: i32,
    pub payload: Payload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    User([u64; 4]),
    Signal {
        trigger: u32,
        observed: u32,
        count: u64,
        /// The reference says 0 for none, 1 for monotonic, 2 for boot time.
        timestamp: i64,
        reserved: u64,
    },
}

impl Answer {
    pub(crate) fn failed(status: Status) -> Self {
        Self {
            status: status.into_raw(),
            out: Out::Nothing,
        }
    }

    /// The status of a call that has written `out` whether it succeeded or not.
    pub(crate) fn with(result: zx::Result, out: Out) -> Self {
        Self {
            status: raw(result),
            out,
        }
    }

    /// The handles that the call made.
    pub(crate) fn handles(&self) -> &[u32] {
        match &self.out {
            Out::Handles(handles) => handles,
            _ => &[],
        }
    }
}

fn raw(result: zx::Result) -> i32 {
    result.map_or_else(Status::into_raw, |()| zx::ZX_OK)
}

impl From<zx::Result<Out>> for Answer {
    fn from(result: zx::Result<Out>) -> Self {
        match result {
            Ok(out) => Self::with(Ok(()), out),
            Err(status) => Self::failed(status),
        }
    }
}

impl From<zx::Result> for Answer {
    fn from(result: zx::Result) -> Self {
        Self::with(result, Out::Nothing)
    }
}

impl Packet {
    /// The same, but for the time.
    pub(crate) fn timeless(mut self) -> Self {
        if let Payload::Signal { timestamp, .. } = &mut self.payload {
            *timestamp = 0;
        }
        self
    }

    /// Whether both are the same, but for the time; a time has both or none.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let timed = |packet: &Self| packet.timestamp() != 0;
        self.timeless() == other.timeless() && timed(self) == timed(other)
    }

    pub(crate) fn timestamp(&self) -> i64 {
        match self.payload {
            Payload::Signal { timestamp, .. } => timestamp,
            Payload::User(_) => 0,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Status::name_of(self.status).unwrap_or("unknown status");
        write!(f, "{name} ({}), {:?}", self.status, self.out)
    }
}

/// Words with spaces between them.
fn join(words: &[String]) -> String {
    words.join(" ")
}

impl Answer {
    pub(crate) fn put(&self, text: &mut String) {
        self.status.put(text);
        text.push(' ');
        self.out.put(text);
    }

    pub(crate) fn take(text: &str) -> Option<Self> {
        let (status, out) = text.split_once(' ')?;
        Some(Self {
            status: status.parse().ok()?,
            out: Out::take(out)?,
        })
    }
}

impl Out {
    fn put(&self, text: &mut String) {
        let words = match self {
            Self::Nothing => "nothing".into(),
            Self::Handles(handles) => join(&["handles".into(), word(handles)]),
            Self::Actual(size) => join(&["actual".into(), word(size)]),
            Self::Bytes(bytes) => {
                text.push_str("bytes ");
                return put_bytes(text, bytes);
            }
            Self::Observed(signals) => join(&["observed".into(), word(signals)]),
            Self::Pending(pending) => join(&["pending".into(), word(pending)]),
            Self::Info {
                record,
                actual,
                avail,
            } => {
                let record = record.map_or_else(|| "none".into(), Record::words);
                join(&["info".into(), word(actual), word(avail), record])
            }
            Self::Property(value) => join(&["property".into(), word(value)]),
            Self::Packet(packet) => join(&["packet".into(), packet.words()]),
        };
        text.push_str(&words);
    }

    fn take(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let kind = words.next()?;
        let words = &mut words;
        Some(match kind {
            "nothing" => Self::Nothing,
            "handles" => Self::Handles(next(words)?),
            "actual" => Self::Actual(next(words)?),
            "bytes" => Self::Bytes(take_bytes(words.next()?)?),
            "observed" => Self::Observed(next(words)?),
            "pending" => Self::Pending(next(words)?),
            "info" => Self::Info {
                actual: next(words)?,
                avail: next(words)?,
                record: Record::take(words)?,
            },
            "property" => Self::Property(next(words)?),
            "packet" => Self::Packet(Packet::take(words)?),
            _ => return None,
        })
    }
}

fn next<'a, T: Word>(words: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    T::take(words.next()?)
}

impl Record {
    fn words(self) -> String {
        match self {
            Self::Basic {
                koid,
                rights,
                r#type,
                related,
            } => join(&[
                "basic".into(),
                word(&koid),
                word(&rights),
                word(&r#type),
                word(&related),
            ]),
            Self::Count(count) => join(&["count".into(), word(&count)]),
            Self::Socket {
                options,
                rx_max,
                rx_size,
                rx_available,
                tx_max,
                tx_size,
            } => join(&[
                "socket".into(),
                word(&options),
                word(&rx_max),
                word(&rx_size),
                word(&rx_available),
                word(&tx_max),
                word(&tx_size),
            ]),
        }
    }

    fn take<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Option<Self>> {
        Some(Some(match words.next()? {
            "none" => return Some(None),
            "basic" => Self::Basic {
                koid: next(words)?,
                rights: next(words)?,
                r#type: next(words)?,
                related: next(words)?,
            },
            "count" => Self::Count(next(words)?),
            "socket" => Self::Socket {
                options: next(words)?,
                rx_max: next(words)?,
                rx_size: next(words)?,
                rx_available: next(words)?,
                tx_max: next(words)?,
                tx_size: next(words)?,
            },
            _ => return None,
        }))
    }
}

impl Packet {
    fn words(self) -> String {
        let head = [word(&self.key), word(&self.r#type), word(&self.status)];
        let payload = match self.payload {
            Payload::User(bytes) => join(&["user".into(), word(&bytes.to_vec())]),
            Payload::Signal {
                trigger,
                observed,
                count,
                timestamp,
                reserved,
            } => join(&[
                "signal".into(),
                word(&trigger),
                word(&observed),
                word(&count),
                word(&timestamp),
                word(&reserved),
            ]),
        };
        format!("{} {payload}", join(&head))
    }

    fn take<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self {
            key: next(words)?,
            r#type: next(words)?,
            status: next(words)?,
            payload: match words.next()? {
                "user" => Payload::User(next::<Vec<u64>>(words)?.try_into().ok()?),
                "signal" => Payload::Signal {
                    trigger: next(words)?,
                    observed: next(words)?,
                    count: next(words)?,
                    timestamp: next(words)?,
                    reserved: next(words)?,
                },
                _ => return None,
            },
        })
    }
}
