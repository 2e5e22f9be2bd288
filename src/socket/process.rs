//! Endpoints for child processes.
//!
//! The parent [spawns](spawn) a command with named endpoints; the child takes each
//! [by its name](crate::Stream::inherited). Underneath, an envelope's descriptor is
//! inherited, and an environment variable says its number: `ZOCKET_FD_` and the name.
//!
//! # Examples
//! ```no_run
//! # use zocket::{Stream, process};
//! # use std::process::Command;
//! // in the parent
//! let (ours, theirs) = Stream::pair()?;
//! let child = process::spawn(Command::new("worker"), [("control", theirs.into())])?;
//!
//! // in the child
//! let control = Stream::inherited("control")?;
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(
    unsafe_code,
    reason = "descriptors by number, and a hook between fork and exec"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::{env, io};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::{Datagram, Stream, envelope};
use crate::error::{Error, Result};
use crate::layout::Kind;

/// The variable that says the number of the descriptor is this and the name.
pub const VARIABLE_PREFIX: &str = "ZOCKET_FD_";

fn variable(name: &str) -> OsString {
    format!("{VARIABLE_PREFIX}{name}").into()
}

/// Starts a command that inherits endpoints, each under a name.
///
/// The endpoints come packed (`Stream::into_fd`); this process keeps no copy of
/// them. If the child ends, or is killed, the other ends see it, whether it had taken
/// its endpoints or not. Names are free, but for `=` and NUL.
///
/// # Errors
/// Whatever `Command::spawn` reports; the endpoints are closed then.
pub fn spawn<'a>(
    mut command: Command,
    endpoints: impl IntoIterator<Item = (&'a str, OwnedFd)>,
) -> io::Result<Child> {
    let (names, envelopes): (Vec<_>, Vec<_>) = endpoints.into_iter().unzip();
    for (name, envelope) in names.iter().zip(&envelopes) {
        // The child's descriptor has the number that it has here.
        command.env(variable(name), envelope.as_raw_fd().to_string());
    }
    let inherit = move || {
        for envelope in &envelopes {
            // Without the flag that closes it on exec. In the child alone, so that no other
            // command started meanwhile inherits it.
            fcntl(envelope, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: `inherit` runs between fork and exec, where only async-signal-safe calls
    // are allowed: it calls `fcntl` and iterates over memory allocated before.
    unsafe { command.pre_exec(inherit) };
    // The command, and the envelopes with it, is dropped when this returns.
    command.spawn()
}

/// Descriptor numbers that this process has taken from its environment already.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Takes over the envelope that was passed to this process under `name`, if it holds
/// an endpoint of this kind.
fn inherited(name: &str, kind: Kind) -> Result<OwnedFd> {
    let number = env::var(variable(name)).map_err(|_| Error::NotInherited)?;
    let number: RawFd = number.parse().map_err(|_| Error::NotInherited)?;
    if number < 0 {
        return Err(Error::NotInherited);
    }
    let mut taken = TAKEN.lock().unwrap_or_else(|e| e.into_inner());
    if taken.contains(&number) {
        return Err(Error::AlreadyClaimed);
    }
    // SAFETY: the number is not -1. If it is not open the calls on it say so; nobody
    // closes it meanwhile, unless this process has broken the rule that inherited
    // descriptors are left to those that they are meant for.
    let envelope = unsafe { BorrowedFd::borrow_raw(number) };
    // Whatever else has this number is left alone, an endpoint of the other kind too.
    envelope::check(envelope, kind)?;
    taken.insert(number);
    // SAFETY: the descriptor holds an endpoint for this process, and the set shows
    // that nobody has taken the number before.
    let envelope = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&envelope, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|e| Error::os("fcntl", e))?;
    Ok(envelope)
}

/// What takes endpoints from the environment, the same for both kinds.
macro_rules! inherited {
    ($endpoint:ident, $kind:expr) => {
        impl $endpoint {
            /// Takes the endpoint that the parent passed to this process under `name`; see
            /// [`process`](crate::process).
            ///
            /// # Errors
            /// [`Error::NotInherited`] if there is none; [`Error::AlreadyClaimed`] if it was
            /// taken before; [`Error::NotAnEndpoint`] or [`Error::WrongKind`] if the
            /// descriptor is something else, which is then left alone; and as `try_from`.
            pub fn inherited(name: &str) -> Result<Self> {
                Ok(Self::try_from(inherited(name, $kind)?)?)
            }
        }
    };
}

inherited!(Stream, Kind::Stream);
inherited!(Datagram, Kind::Datagram);
