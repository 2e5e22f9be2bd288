//! Listeners that somebody else has made for this process: socket activation.
//!
//! [sd_listen_fds(3)](https://man7.org/linux/man-pages/man3/sd_listen_fds.3.html)

#![allow(unsafe_code, reason = "descriptors by number")]

use std::env;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process;
use std::sync::Mutex;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::listener::check;
use super::{ByName, Listener};
use crate::error::{Error, Result};

/// The number of the first descriptor that is passed.
const FIRST: RawFd = 3;
/// The name of descriptors when no names are passed.
const UNKNOWN: &str = "unknown";

pub(super) fn set_close_on_exec(fd: &impl AsFd) -> Result<()> {
    let flag = FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
    fcntl(fd, flag).map(drop).map_err(|e| Error::os("fcntl", e))
}

/// What was passed to this process.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    count: RawFd,
    /// As many, with colons between them.
    names: Option<String>,
}

impl Passed {
    fn from_env() -> Result<Self> {
        let variable = |name| env::var(name).ok();
        Self::parse(
            process::id(),
            variable("LISTEN_PID"),
            variable("LISTEN_FDS"),
            variable("LISTEN_FDNAMES"),
        )
        .ok_or(Error::NotInherited)
    }

    fn parse(
        this: u32,
        pid: Option<String>,
        count: Option<String>,
        names: Option<String>,
    ) -> Option<Self> {
        // Else the variables are meant for an ancestor.
        pid?.parse().ok().filter(|pid: &u32| *pid == this)?;
        let count: RawFd = count?.parse().ok()?;
        let in_range = count > 0 && FIRST.checked_add(count).is_some();
        let named = names
            .as_ref()
            .is_none_or(|names| names.split(':').count() == count as usize);
        (in_range && named).then_some(Self { count, names })
    }

    fn numbers_of(&self, name: &str) -> Vec<RawFd> {
        let Some(names) = &self.names else {
            return match name {
                UNKNOWN => (FIRST..FIRST + self.count).collect(),
                _ => Vec::new(),
            };
        };
        let numbered = (FIRST..).zip(names.split(':'));
        let matching = numbered.filter(|(_, found)| *found == name);
        matching.map(|(number, _)| number).collect()
    }
}

/// Takes the socket with this number, if it was passed and is one that listens.
fn take(number: RawFd) -> Result<OwnedFd> {
    /// Held between the look whether somebody has taken it and the mark that somebody has.
    static TAKING: Mutex<()> = Mutex::new(());
    let _taking = TAKING.lock().unwrap_or_else(|e| e.into_inner());
    // Asked by path, since nothing may be borrowed by number that is not known to be open.
    fs::symlink_metadata(format!("/proc/self/fd/{number}")).map_err(|_| Error::NotInherited)?;
    // SAFETY: it was open just now. Whoever passes descriptors says that they are for this process
    // to find by number, so nobody else closes it; see also below.
    let socket = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl(socket, FcntlArg::F_GETFD).map_err(|e| Error::os("fcntl", e))?;
    // What is passed by exec has this flag not. So it was taken, or is something that this process
    // has opened since: as std and everybody does who knows of exec.
    if FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC) {
        return Err(Error::AlreadyClaimed);
    }
    check(socket)?;
    set_close_on_exec(&socket)?;
    // SAFETY: it is open, was passed to this process, and is taken just once: whoever comes next
    // finds the flag, under the lock.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Socket activation.
impl<E: ByName> Listener<E> {
    /// Takes over the listening socket that systemd, or whoever speaks its protocol, has passed to this
    /// process: the only one. If there may be several, see
    /// [`from_env_named`](Self::from_env_named).
    ///
    /// In a `.socket` unit that is `ListenSequentialPacket=`; the service begins with its first client, and
    /// clients that come while it restarts wait. The variables `LISTEN_PID`, `LISTEN_FDS` and
    /// `LISTEN_FDNAMES` are read and left as they are. As by [`TryFrom`], the socket is made
    /// non-blocking and closes on exec, and its path stays when the listener is dropped: it is whose
    /// it was. Its mode, too, is set there (`SocketMode=`).
    ///
    /// Call it before anything is started that closes descriptors which it does not know.
    ///
    /// # Errors
    /// [`Error::NotInherited`] if nothing was passed to this process, or `/proc` is not mounted;
    /// [`Error::DescriptorCount`] if more than one was; [`Error::AlreadyClaimed`] if it was taken
    /// before; [`Error::NotAListener`] if it is something else than a Unix socket of type
    /// `SOCK_SEQPACKET` that listens, which is then left alone; [`Error::Os`].
    ///
    /// # Examples
    /// ```no_run
    /// use zocket::Error;
    /// use zocket::named::StreamListener;
    ///
    /// let listener = match StreamListener::from_env() {
    ///     // Started by hand.
    ///     Err(Error::NotInherited) => StreamListener::bind("/run/user/1000/echo")?,
    ///     listener => listener?,
    /// };
    /// # Ok::<(), zocket::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        match Passed::from_env()?.count {
            1 => Self::try_from(take(FIRST)?),
            count => Err(Error::DescriptorCount {
                expected: 1,
                found: count as usize,
            }),
        }
    }

    /// Takes over the listening socket with this name (`FileDescriptorName=`, or else the name of the
    /// `.socket` unit), like [`from_env`](Self::from_env). If there are several of that name, the
    /// first that was not taken before.
    ///
    /// # Errors
    /// [`Error::NotInherited`] if none of that name was passed to this process; as
    /// [`from_env`](Self::from_env) else.
    pub fn from_env_named(name: &str) -> Result<Self> {
        let mut outcome = Err(Error::NotInherited);
        for number in Passed::from_env()?.numbers_of(name) {
            outcome = take(number);
            if !matches!(outcome, Err(Error::AlreadyClaimed)) {
                break;
            }
        }
        Self::try_from(outcome?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pid: &str, count: &str, names: Option<&str>) -> Option<Passed> {
        let text = |text: &str| Some(text.to_owned());
        Passed::parse(7, text(pid), text(count), names.map(str::to_owned))
    }

    #[test]
    fn what_is_passed_to_others_is_not_passed() {
        assert_eq!(parse("8", "1", None), None);
        assert_eq!(parse("", "1", None), None);
        assert_eq!(Passed::parse(7, None, Some("1".into()), None), None);
        assert_eq!(Passed::parse(7, Some("7".into()), None, None), None);
        assert!(parse("7", "1", None).is_some());
    }

    #[test]
    fn counts_and_names_that_do_not_fit_are_nothing() {
        for count in ["0", "-1", "x", "", "2147483647", "99999999999"] {
            assert_eq!(parse("7", count, None), None, "{count}");
        }
        assert_eq!(parse("7", "2", Some("one")), None);
        assert_eq!(parse("7", "2", Some("one:two:three")), None);
    }

    #[test]
    fn names_lead_to_their_numbers() {
        let passed = parse("7", "4", Some("a:b::a")).unwrap();
        assert_eq!(passed.numbers_of("a"), [3, 6]);
        assert_eq!(passed.numbers_of("b"), [4]);
        assert_eq!(passed.numbers_of(""), [5]);
        assert_eq!(passed.numbers_of("c"), []);
        let passed = parse("7", "2", None).unwrap();
        assert_eq!(passed.numbers_of("unknown"), [3, 4]);
        assert_eq!(passed.numbers_of("a"), []);
    }
}
