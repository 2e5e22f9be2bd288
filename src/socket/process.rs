//! Endpoints for child processes.
//!
//! The parent [spawns](spawn) a command with named endpoints; the child takes each
//! [by its name](crate::Stream::inherited). A command that others start, such as an
//! asynchronous runtime, gets them [attached](attach) before. Underneath, an envelope's
//! descriptor is inherited, and an environment variable, `ZOCKET_FD_` and the name, says its number
//! and, after a colon, its inode: the variable outlives the descriptor and reaches
//! grandchildren, where the number may be something else's.
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
//!
//! A child with one endpoint can do without a name: it gets the endpoint as its standard input.
//! ```no_run
//! # use zocket::Stream;
//! # use std::os::fd::{AsFd, OwnedFd};
//! # use std::process::Command;
//! // in the parent
//! let (ours, theirs) = Stream::pair()?;
//! let child = Command::new("worker").stdin(OwnedFd::from(theirs)).spawn()?;
//!
//! // in the child
//! let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
//! let endpoint = Stream::try_from(stdin)?;
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(
    unsafe_code,
    reason = "descriptors by number, and a hook between fork and exec"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::{env, fs, io};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::{Datagram, Stream, envelope};
use crate::error::{Error, Result};
use crate::layout::Kind;

/// The variable that says where the descriptor is, is this and the name.
pub const VARIABLE_PREFIX: &str = "ZOCKET_FD_";

fn variable(name: &str) -> OsString {
    format!("{VARIABLE_PREFIX}{name}").into()
}

/// Gives a command endpoints, each under a name, that the process inherits which it is started as.
///
/// For commands that somebody else starts, or that replace this process
/// ([`exec`](CommandExt::exec)); else [`spawn`] is simpler. The endpoints come packed
/// (`Stream::into_fd`), and the command keeps them: as long as it lives, the other ends do not see
/// that a child has ended before it took its endpoints. So drop it once it has been started. If it is
/// started twice, an endpoint is given to both processes, and is that one's which takes it first. If
/// `exec` fails, whatever this process starts before the command is dropped inherits them too. Names
/// are free, but for `=` and NUL.
///
/// # Errors
/// Whatever `fstat(2)` reports; the endpoints are closed then, and the command is not to be used.
///
/// # Examples
/// ```no_run
/// # use zocket::{Stream, process};
/// # use std::process::Command;
/// let (ours, theirs) = Stream::pair()?;
/// let mut command = Command::new("worker");
/// process::attach(&mut command, [("control", theirs.into())])?;
/// let child = command.spawn()?;
/// drop(command);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn attach<'a>(
    command: &mut Command,
    endpoints: impl IntoIterator<Item = (&'a str, OwnedFd)>,
) -> io::Result<()> {
    let (names, envelopes): (Vec<_>, Vec<_>) = endpoints.into_iter().unzip();
    for (name, envelope) in names.iter().zip(&envelopes) {
        // The child's descriptor has the number that it has here.
        let number = envelope.as_raw_fd();
        let inode = nix::sys::stat::fstat(envelope)?.st_ino;
        command.env(variable(name), format!("{number}:{inode}"));
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
    Ok(())
}

/// Starts a command that inherits endpoints, each under a name.
///
/// The endpoints come packed (`Stream::into_fd`); this process keeps no copy of
/// them. If the child ends, or is killed, the other ends see it, whether it had taken
/// its endpoints or not; unless it had started processes before, which inherit what it
/// has not taken. Names are free, but for `=` and NUL.
///
/// # Errors
/// Whatever `Command::spawn` reports; the endpoints are closed then.
pub fn spawn<'a>(
    mut command: Command,
    endpoints: impl IntoIterator<Item = (&'a str, OwnedFd)>,
) -> io::Result<Child> {
    attach(&mut command, endpoints)?;
    // The command, and the envelopes with it, is dropped when this returns.
    command.spawn()
}

/// Descriptor numbers that this process has taken from its environment already.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// The number and the inode in a variable.
fn parse_place(place: &str) -> Option<(RawFd, u64)> {
    let (number, inode) = place.split_once(':')?;
    let number = number.parse().ok().filter(|number| *number >= 0)?;
    Some((number, inode.parse().ok()?))
}

/// Takes over the envelope that was passed to this process under `name`, if it holds
/// an endpoint of this kind.
fn inherited(name: &str, kind: Kind) -> Result<OwnedFd> {
    let place = env::var(variable(name)).map_err(|_| Error::NotInherited)?;
    let (number, inode) = parse_place(&place).ok_or(Error::NotInherited)?;
    let mut taken = TAKEN.lock().unwrap_or_else(|e| e.into_inner());
    if taken.contains(&number) {
        return Err(Error::AlreadyClaimed);
    }
    // Asked by path, since nothing may be borrowed by number that is not known to be open.
    let found = fs::metadata(format!("/proc/self/fd/{number}"));
    if !found.is_ok_and(|found| found.ino() == inode) {
        return Err(Error::NotAnEndpoint);
    }
    // SAFETY: this is the socket that the parent made for this process, so it is open,
    // and nobody else here knows of it.
    let envelope = unsafe { BorrowedFd::borrow_raw(number) };
    // An endpoint of the other kind is left alone.
    envelope::check(envelope, kind)?;
    taken.insert(number);
    // SAFETY: as above; the set shows that this process has not taken it before.
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
                // The parent could do anything to us anyway.
                Ok(Self::claim_trusted(inherited(name, $kind)?)?)
            }
        }
    };
}

inherited!(Stream, Kind::Stream);
inherited!(Datagram, Kind::Datagram);
