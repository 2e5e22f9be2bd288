//! The one error type, and how it becomes an [`io::Error`].

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::layout::Kind;

/// Why a call on an endpoint did not do what was asked.
///
/// Every variant says in its text what was wrong and, where the caller can do
/// something about it, what. `From<Error> for io::Error` maps each variant to
/// the [`io::ErrorKind`] that std's own sockets use for it and keeps this value
/// as the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to read, or no space to write, at this moment.
    WouldBlock,
    /// The deadline passed first. Nothing was moved.
    TimedOut,
    /// The other endpoint is closed, or its process is gone.
    PeerClosed,
    /// Writing in this direction was shut down, by either end.
    WriteDisabled,
    /// Writing cannot be enabled again before the other end has read everything that was
    /// written before it was disabled.
    UnreadData,
    /// Signals that are not the user's were to be set or cleared.
    NotUserSignals,
    /// A datagram, a reservation or a threshold is larger than the capacity.
    TooLarge {
        /// What was asked for, in bytes.
        requested: u64,
        /// The capacity of the direction, in bytes.
        capacity: u64,
    },
    /// A capacity outside 4 KiB to 1 GiB was asked for.
    InvalidCapacity {
        /// What was asked for, in bytes.
        requested: usize,
    },
    /// A timeout of zero was set; use the non-blocking calls for that.
    ZeroTimeout,
    /// The system has no memory, or no huge pages, for the rings.
    NoMemory,
    /// The peer put values into the shared memory that no correct peer writes.
    /// The endpoint has disconnected itself and stays that way.
    Protocol(Violation),
    /// The pair relies on `membarrier(2)`, which this process is not allowed to
    /// use, or on a child that visits every CPU once, which it cannot have. Create the pair with [`FenceMode::Symmetric`](crate::FenceMode).
    FenceRefused,
    /// The endpoint belongs to the process that this one was forked from.
    Forked,
    /// The descriptor is not an endpoint that was packed for sending.
    NotAnEndpoint,
    /// The endpoint was already taken out of this descriptor.
    AlreadyClaimed,
    /// The endpoint is of the other kind.
    WrongKind {
        /// The kind that the descriptor holds.
        found: Kind,
    },
    /// The endpoint was sent without some of the rights that this type takes for
    /// granted; see [`zx::handle_from_fd`](crate::zx::handle_from_fd).
    MissingRights,
    /// The endpoint was made by a version with another memory layout.
    UnsupportedVersion {
        /// The layout version that was found.
        found: u32,
    },
    /// The memory that came with the endpoint can still be resized by others.
    MissingSeals,
    /// The memory that came with the endpoint is not as long as it must be.
    WrongMemorySize {
        /// The length that its header calls for, in bytes.
        expected: u64,
        /// The length that it has, in bytes.
        found: u64,
    },
    /// The memory that came with the endpoint is made of huge pages, which are taken
    /// from trusted senders only; see [`Stream::claim_trusted`](crate::Stream::claim_trusted).
    HugePages,
    /// A field of the shared header has a value that this version never writes.
    BadHeader(&'static str),
    /// More or fewer descriptors arrived than an endpoint consists of.
    DescriptorCount {
        /// How many must arrive.
        expected: usize,
        /// How many did; when the kernel cut the list off, how many were left.
        found: usize,
    },
    /// Nothing was passed to this process under the name that was asked for.
    NotInherited,
    /// A listener's name is empty, has a NUL in it, or is longer than the 107 bytes that a Unix
    /// socket's may have.
    InvalidName,
    /// What listens there is not a listener for endpoints: a Unix socket of another type, or one
    /// that answers something else.
    NotAListener,
    /// The policy of the listener refused this process.
    Refused,
    /// The policy of this process refused the one that listens there.
    Distrusted,
    /// The listener has taken the connection, but had not the means to make a pair.
    ListenerExhausted,
    /// A system call failed.
    Os {
        /// The call.
        call: &'static str,
        /// Its `errno`.
        errno: i32,
    },
}

/// The `errno` of a system call that failed inside a library.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// What a peer did that no correct peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The producer's position is behind the consumer's, or more than the
    /// capacity ahead of it.
    TailOutOfRange,
    /// The consumer's position is ahead of the producer's, or further behind
    /// than the capacity.
    HeadOutOfRange,
    /// A datagram's length is zero, or larger than what is queued.
    RecordLength,
}

/// The result of most calls here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error of system call `call` that has just failed with `errno`.
    pub(crate) fn os(call: &'static str, errno: Errno) -> Self {
        Self::Os {
            call,
            errno: errno as i32,
        }
    }

    /// The error of library call `call` that has just failed with `error`.
    pub(crate) fn io(call: &'static str, error: &io::Error) -> Self {
        Self::os(call, errno_of(error))
    }

    /// The error of system call `call`, which was to get memory for the rings.
    pub(crate) fn memory(call: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::ENOMEM | Errno::ENOSPC => Self::NoMemory,
            errno => Self::os(call, errno),
        }
    }

    /// The kind under which std would report this.
    fn kind(self) -> io::ErrorKind {
        use io::ErrorKind as K;
        match self {
            Self::WouldBlock => K::WouldBlock,
            Self::TimedOut => K::TimedOut,
            Self::PeerClosed | Self::WriteDisabled => K::BrokenPipe,
            Self::UnreadData | Self::ListenerExhausted => K::ResourceBusy,
            Self::MissingRights | Self::Refused | Self::Distrusted => K::PermissionDenied,
            Self::TooLarge { .. }
            | Self::InvalidCapacity { .. }
            | Self::ZeroTimeout
            | Self::InvalidName
            | Self::NotUserSignals => K::InvalidInput,
            Self::NoMemory => K::OutOfMemory,
            Self::FenceRefused => K::Unsupported,
            Self::NotInherited => K::NotFound,
            Self::Forked | Self::AlreadyClaimed => K::NotConnected,
            Self::Os { errno, .. } => io::Error::from_raw_os_error(errno).kind(),
            Self::Protocol(_)
            | Self::NotAnEndpoint
            | Self::NotAListener
            | Self::WrongKind { .. }
            | Self::UnsupportedVersion { .. }
            | Self::MissingSeals
            | Self::WrongMemorySize { .. }
            | Self::HugePages
            | Self::BadHeader(_)
            | Self::DescriptorCount { .. } => K::InvalidData,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldBlock => f.write_str("operation would block"),
            Self::TimedOut => f.write_str("the deadline passed"),
            Self::PeerClosed => f.write_str("the other endpoint is closed"),
            Self::WriteDisabled => f.write_str("writing in this direction was shut down"),
            Self::UnreadData => {
                f.write_str("writing can be enabled again once everything was read")
            }
            Self::NotUserSignals => {
                f.write_str("only user signals can be set and cleared; the others follow the state")
            }
            Self::MissingRights => f.write_str(
                "the endpoint was sent with fewer rights than a Rust endpoint has; take it as a zx handle",
            ),
            Self::TooLarge {
                requested,
                capacity,
            } => write!(
                f,
                "{requested} bytes can never fit into a capacity of {capacity}; create the pair with more"
            ),
            Self::InvalidCapacity { requested } => write!(
                f,
                "a capacity of {requested} bytes is not between 4 KiB and 1 GiB"
            ),
            Self::ZeroTimeout => f.write_str("a timeout of zero; use the try_ calls instead"),
            Self::NoMemory => f.write_str("not enough memory, or huge pages, for the rings"),
            Self::Protocol(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::FenceRefused => f.write_str(
                "membarrier(2) is refused to this process; create the pair with symmetric fences",
            ),
            Self::Forked => f.write_str(
                "the endpoint belongs to the parent process; pack it into a descriptor before fork",
            ),
            Self::NotAnEndpoint => f.write_str("the descriptor does not hold a zocket endpoint"),
            Self::AlreadyClaimed => f.write_str("the endpoint was already taken from here"),
            Self::WrongKind { found } => write!(f, "the endpoint is of the other kind, {found}"),
            Self::UnsupportedVersion { found } => write!(
                f,
                "the endpoint has memory layout {found}, this process knows only {}",
                crate::layout::VERSION
            ),
            Self::MissingSeals => {
                f.write_str("the memory of the endpoint is not sealed against resizing")
            }
            Self::WrongMemorySize { expected, found } => write!(
                f,
                "the memory of the endpoint has {found} bytes instead of {expected}"
            ),
            Self::HugePages => f.write_str(
                "the endpoint is on huge pages, and its sender was not said to be trusted",
            ),
            Self::BadHeader(field) => write!(f, "the header of the endpoint has a bad {field}"),
            Self::DescriptorCount { expected, found } if expected == found => {
                write!(
                    f,
                    "there was no room for more than {found} of the descriptors"
                )
            }
            Self::DescriptorCount { expected, found } => {
                write!(f, "{found} descriptors arrived instead of {expected}")
            }
            Self::NotInherited => {
                f.write_str("nothing of this name was passed to this process")
            }
            Self::InvalidName => {
                f.write_str("a listener's name has 1 to 107 bytes, none of which is NUL in a path")
            }
            Self::NotAListener => {
                f.write_str("what listens there does not hand out zocket endpoints")
            }
            Self::Refused => f.write_str("the listener's policy refused this process"),
            Self::Distrusted => {
                f.write_str("this process's policy refused the one that listens there")
            }
            Self::ListenerExhausted => {
                f.write_str("the listener had no descriptors or no memory left; try again later")
            }
            Self::Os { call, errno } => {
                let hint = match (call, errno) {
                    ("mlock", libc::ENOMEM | libc::EPERM) => "; raise RLIMIT_MEMLOCK",
                    (_, libc::EMFILE) => "; raise RLIMIT_NOFILE",
                    _ => "",
                };
                let error = io::Error::from_raw_os_error(errno);
                write!(f, "{call}: {error}{hint}")
            }
        }
    }
}

impl Violation {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [
        Self::TailOutOfRange,
        Self::HeadOutOfRange,
        Self::RecordLength,
    ];
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TailOutOfRange => "producer position out of range",
            Self::HeadOutOfRange => "consumer position out of range",
            Self::RecordLength => "datagram length out of range",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            // Without an allocation: these two are ordinary answers.
            Error::WouldBlock => Self::from(io::ErrorKind::WouldBlock),
            Error::TimedOut => Self::from(io::ErrorKind::TimedOut),
            error => Self::new(error.kind(), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_error_keeps_kind_and_source() {
        let error = io::Error::from(Error::Protocol(Violation::RecordLength));
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let source = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        assert_eq!(source, Some(&Error::Protocol(Violation::RecordLength)));
    }

    #[test]
    fn io_error_kinds_are_those_of_std() {
        for (error, kind) in [
            (Error::WouldBlock, io::ErrorKind::WouldBlock),
            (Error::TimedOut, io::ErrorKind::TimedOut),
            (Error::PeerClosed, io::ErrorKind::BrokenPipe),
            (Error::WriteDisabled, io::ErrorKind::BrokenPipe),
            (Error::NoMemory, io::ErrorKind::OutOfMemory),
            (Error::MissingSeals, io::ErrorKind::InvalidData),
            (Error::ZeroTimeout, io::ErrorKind::InvalidInput),
        ] {
            assert_eq!(io::Error::from(error).kind(), kind, "{error}");
        }
    }

    /// Each error at least once, with every text that it can have.
    fn samples() -> Vec<Error> {
        macro_rules! samples {
            ($($pattern:pat => [$($sample:expr),+])+) => {{
                // Does not compile when there is one more: it must be here, and in the guide.
                let _exhaustive = |error| match error {
                    $($pattern => {})+
                };
                vec![$($($sample),+),+]
            }};
        }
        let os = |call, errno| Error::Os { call, errno };
        let count = |expected, found| Error::DescriptorCount { expected, found };
        samples! {
            Error::WouldBlock => [Error::WouldBlock]
            Error::TimedOut => [Error::TimedOut]
            Error::PeerClosed => [Error::PeerClosed]
            Error::WriteDisabled => [Error::WriteDisabled]
            Error::UnreadData => [Error::UnreadData]
            Error::NotUserSignals => [Error::NotUserSignals]
            Error::TooLarge { .. } => [Error::TooLarge { requested: 5000, capacity: 4096 }]
            Error::InvalidCapacity { .. } => [Error::InvalidCapacity { requested: 100 }]
            Error::ZeroTimeout => [Error::ZeroTimeout]
            Error::NoMemory => [Error::NoMemory]
            Error::Protocol(Violation::TailOutOfRange) => [Error::Protocol(Violation::TailOutOfRange)]
            Error::Protocol(Violation::HeadOutOfRange) => [Error::Protocol(Violation::HeadOutOfRange)]
            Error::Protocol(Violation::RecordLength) => [Error::Protocol(Violation::RecordLength)]
            Error::FenceRefused => [Error::FenceRefused]
            Error::Forked => [Error::Forked]
            Error::NotAnEndpoint => [Error::NotAnEndpoint]
            Error::AlreadyClaimed => [Error::AlreadyClaimed]
            Error::WrongKind { .. } => [Error::WrongKind { found: Kind::Datagram }]
            Error::MissingRights => [Error::MissingRights]
            Error::UnsupportedVersion { .. } => [Error::UnsupportedVersion { found: 2 }]
            Error::MissingSeals => [Error::MissingSeals]
            Error::WrongMemorySize { .. } => [Error::WrongMemorySize { expected: 2, found: 1 }]
            Error::HugePages => [Error::HugePages]
            Error::BadHeader(_) => [Error::BadHeader("capacity")]
            Error::DescriptorCount { .. } => [count(1, 2), count(1, 1)]
            Error::NotInherited => [Error::NotInherited]
            Error::InvalidName => [Error::InvalidName]
            Error::NotAListener => [Error::NotAListener]
            Error::Refused => [Error::Refused]
            Error::Distrusted => [Error::Distrusted]
            Error::ListenerExhausted => [Error::ListenerExhausted]
            Error::Os { .. } => [
                os("socketpair", libc::EMFILE),
                os("mlock", libc::ENOMEM),
                os("memfd_create", libc::EPERM)
            ]
        }
    }

    /// A text without the digits in it, since the numbers in the guide are examples.
    fn without_numbers(text: &str) -> String {
        text.replace(|c: char| c.is_ascii_digit(), "")
    }

    #[test]
    fn guide_has_every_error_by_its_text() {
        let chapter = include_str!("../docs/guide/src/troubleshooting.md");
        // Every text stands there as code.
        let texts: Vec<_> = chapter.split('`').map(without_numbers).collect();
        for error in samples() {
            let text = without_numbers(&error.to_string());
            let is_there = match error {
                // What the system's own messages are like is up to the C library.
                Error::Os { call, .. } => {
                    let hint = text.split_once("(os error )").map_or("", |(_, hint)| hint);
                    let end = format!("(os error ){hint}");
                    let begin = format!("{call}: ");
                    let mut named = texts.iter().filter(|text| text.starts_with(&begin));
                    named.any(|text| text.ends_with(&end))
                }
                _ => texts.contains(&text),
            };
            assert!(is_there, "not in the guide: {error}");
        }
    }

    #[test]
    fn failed_calls_for_memory_are_no_memory() {
        assert_eq!(Error::memory("fallocate", Errno::ENOSPC), Error::NoMemory);
        let refused = Error::memory("memfd_create", Errno::EMFILE);
        assert_eq!(
            io::Error::from(refused).kind(),
            io::Error::from_raw_os_error(libc::EMFILE).kind()
        );
        assert!(refused.to_string().starts_with("memfd_create: "));
    }
}
