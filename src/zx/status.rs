//! Errors, as numbers and as a type.

use std::ffi::CStr;
use std::fmt;

use super::types::*;
use crate::error::Error;

/// Why a call did not do what was asked: a status other than `ZX_OK`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(zx_status_t);

/// What the calls return.
pub type Result<T = (), E = Status> = std::result::Result<T, E>;

macro_rules! statuses {
    ($($name:ident $value:ident $doc:literal)*) => {
        impl Status {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*

            /// As [`name_of`](Self::name_of), for C.
            pub fn c_name_of(raw: zx_status_t) -> Option<&'static CStr> {
                match raw {
                    ZX_OK => Some(c"ZX_OK"),
                    $($value => Some(const { c_name(concat!(stringify!($value), "\0")) }),)*
                    _ => None,
                }
            }
        }
    };
}

const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a name ends with its only zero"),
    }
}

statuses! {
    INTERNAL ZX_ERR_INTERNAL "A fault of the implementation, or a system call that failed for no reason named here."
    NOT_SUPPORTED ZX_ERR_NOT_SUPPORTED "Not possible with this object, or on this system."
    NO_RESOURCES ZX_ERR_NO_RESOURCES "Out of descriptors, threads, or the like."
    NO_MEMORY ZX_ERR_NO_MEMORY "Out of memory, or of handles."
    INVALID_ARGS ZX_ERR_INVALID_ARGS "An argument that is wrong whatever the state, a bad pointer included."
    BAD_HANDLE ZX_ERR_BAD_HANDLE "No handle, or not one any more."
    WRONG_TYPE ZX_ERR_WRONG_TYPE "A handle to an object of another type."
    BAD_SYSCALL ZX_ERR_BAD_SYSCALL "No such call."
    OUT_OF_RANGE ZX_ERR_OUT_OF_RANGE "Too large: can never succeed with this object."
    BUFFER_TOO_SMALL ZX_ERR_BUFFER_TOO_SMALL "The caller's buffer is too small."
    BAD_STATE ZX_ERR_BAD_STATE "Not in this state of the object."
    TIMED_OUT ZX_ERR_TIMED_OUT "The deadline passed."
    SHOULD_WAIT ZX_ERR_SHOULD_WAIT "Would block."
    CANCELED ZX_ERR_CANCELED "The handle was closed under a wait."
    PEER_CLOSED ZX_ERR_PEER_CLOSED "The other endpoint is closed, or its process is gone."
    NOT_FOUND ZX_ERR_NOT_FOUND "Nothing of that kind is there."
    ALREADY_EXISTS ZX_ERR_ALREADY_EXISTS "It is there already."
    UNAVAILABLE ZX_ERR_UNAVAILABLE "Cannot be had now."
    ACCESS_DENIED ZX_ERR_ACCESS_DENIED "The handle lacks a right."
}

impl Status {
    /// The number that C gets.
    pub fn into_raw(self) -> zx_status_t {
        self.0
    }

    /// The status with this number, which is not that of success.
    pub(super) const fn error(raw: zx_status_t) -> Self {
        Self(raw)
    }

    /// Makes a result of a number: `Ok` of `ZX_OK`.
    ///
    /// # Errors
    /// Any other number.
    pub fn ok(raw: zx_status_t) -> Result {
        match raw {
            ZX_OK => Ok(()),
            raw => Err(Self(raw)),
        }
    }

    /// The name of a status, that of success included; `None` for other numbers.
    pub fn name_of(raw: zx_status_t) -> Option<&'static str> {
        Self::c_name_of(raw)?.to_str().ok()
    }
}

/// What a failure is called here.
impl From<Error> for Status {
    // Out of line, as it is never on a path that matters.
    #[cold]
    #[inline(never)]
    fn from(error: Error) -> Self {
        match error {
            Error::WouldBlock => Self::SHOULD_WAIT,
            Error::TimedOut => Self::TIMED_OUT,
            // A peer that broke the protocol was disconnected.
            Error::PeerClosed | Error::Protocol(_) => Self::PEER_CLOSED,
            Error::WriteDisabled | Error::UnreadData => Self::BAD_STATE,
            Error::TooLarge { .. } | Error::InvalidCapacity { .. } => Self::OUT_OF_RANGE,
            Error::NoMemory => Self::NO_MEMORY,
            // The handle is the parent's.
            Error::Forked => Self::BAD_HANDLE,
            Error::FenceRefused | Error::UnsupportedVersion { .. } => Self::NOT_SUPPORTED,
            Error::NotAnEndpoint | Error::NotAListener | Error::WrongKind { .. } => {
                Self::WRONG_TYPE
            }
            Error::AlreadyClaimed | Error::NotInherited => Self::NOT_FOUND,
            Error::HugePages | Error::MissingRights | Error::Refused | Error::Distrusted => {
                Self::ACCESS_DENIED
            }
            Error::ListenerExhausted => Self::NO_RESOURCES,
            Error::NotUserSignals
            | Error::ZeroTimeout
            | Error::InvalidName
            | Error::MissingSeals
            | Error::WrongMemorySize { .. }
            | Error::BadHeader(_)
            | Error::DescriptorCount { .. } => Self::INVALID_ARGS,
            Error::Os { errno, .. } => match errno {
                libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ETOOMANYREFS => {
                    Self::NO_RESOURCES
                }
                libc::ENOMEM | libc::ENOSPC => Self::NO_MEMORY,
                libc::EPERM | libc::EACCES | libc::ENOSYS => Self::NOT_SUPPORTED,
                _ => Self::INTERNAL,
            },
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::name_of(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl std::error::Error for Status {}
