//! A socket's place in the file system: how a listener comes to it, and leaves it.
//!
//! There is no call that removes a path only if it still leads to the socket that was looked at. So
//! paths are removed under a lock, lest of two servers that find a dead socket one removes what
//! the other has just put in its place. The lock is an abstract name made of the directory's
//! identity and the name in it: it goes with the process that has it, however that ends, and
//! nothing but the socket itself is ever in the file system. Nobody waits for it. Whoever wants
//! to bind and does not get it has met somebody who is ahead of him; a listener that does not get
//! it when it goes leaves a dead socket, for the next one to replace.
//!
//! Abstract names belong to everybody in the network namespace. Another user who takes this one and
//! keeps it can do that much harm: dead sockets stay until they are removed by hand. And
//! containers that share a directory and not the network have a lock each: two of them that
//! begin at the same moment where a dead socket stands are not kept apart.
//!
//! Rejected: a lock on a file beside the path, which stays when its process is killed; a lock on
//! the directory, which anybody can take who can read it, also from sockets that are private.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::{Error, Result};
use crate::sys::fork;

/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o777;

/// What tells one file from another.
type Identity = (u64, u64);

fn identity(stat: &FileStat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

fn is_type(stat: &FileStat, wanted: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == wanted
}

/// A name in a directory that is held, so that both stay the same whatever happens to the
/// working directory.
#[derive(Debug)]
struct Entry {
    directory: OwnedFd,
    name: OsString,
}

impl Entry {
    fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or(Error::InvalidName)?;
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // All that is wanted of it is to go on from there.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(directory, flags, Mode::empty()).map_err(|e| Error::os("open", e))?;
        Ok(Self {
            directory,
            name: name.into(),
        })
    }

    /// What has the name now, if anything.
    fn stat(&self) -> Result<Option<FileStat>> {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        match fstatat(&self.directory, self.name.as_os_str(), flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::os("fstatat", errno)),
        }
    }

    /// A descriptor of what has the name now, which is good for nothing but to name it.
    fn open(&self) -> Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.directory, self.name.as_os_str(), flags, Mode::empty())
            .map_err(|e| Error::os("openat", e))
    }

    fn remove(&self) -> Result<()> {
        let flags = UnlinkatFlags::NoRemoveDir;
        match unlinkat(&self.directory, self.name.as_os_str(), flags) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::os("unlinkat", errno)),
        }
    }

    /// The right to remove what has this name, until it is dropped. `None` if somebody else has it.
    fn lock(&self) -> Result<Option<OwnedFd>> {
        let directory = fstat(&self.directory).map_err(|e| Error::os("fstat", e))?;
        let name = lock_name(identity(&directory), self.name.as_bytes());
        let name = UnixAddr::new_abstract(&name).map_err(|e| Error::os("bind", e))?;
        let lock = unix_socket(SockType::Stream)?;
        match bind(lock.as_raw_fd(), &name) {
            Ok(()) => Ok(Some(lock)),
            Err(Errno::EADDRINUSE) => Ok(None),
            Err(errno) => Err(Error::os("bind", errno)),
        }
    }

    /// Removes the socket of this name if nobody has it any more, and says whether the name is
    /// free now. `address` leads to it.
    fn remove_stale(&self, address: &UnixAddr) -> Result<bool> {
        let Some(_lock) = self.lock()? else {
            return Ok(false);
        };
        let Some(found) = self.stat()? else {
            return Ok(true);
        };
        // The kernel refuses connections to other files than sockets as it does to dead ones. One
        // that is dead stays so, and here until the lock is given up.
        let is_stale = is_type(&found, SFlag::S_IFSOCK) && is_refused(address)?;
        if is_stale {
            self.remove()?;
        }
        Ok(is_stale)
    }

    /// Binds `socket` to the name, to which `address` leads, in place of a dead one.
    fn bind(&self, socket: &OwnedFd, address: &UnixAddr) -> Result<()> {
        loop {
            match bind(socket.as_raw_fd(), address) {
                // Somebody else may be at what is free now before us, and die again.
                Err(Errno::EADDRINUSE) if self.remove_stale(address)? => {}
                bound => return bound.map_err(|e| Error::os("bind", e)),
            }
        }
    }
}

/// What the lock on a name in a directory is called.
fn lock_name((device, inode): Identity, name: &[u8]) -> Vec<u8> {
    let mut lock = format!("zocket-path-{device:x}-{inode:x}-").into_bytes();
    // As much as an address can hold. Those that differ before share the lock, which is no harm
    // but that two of them may not replace dead sockets at the same moment.
    let room = 107 - lock.len();
    lock.extend_from_slice(&name[name.len().saturating_sub(room)..]);
    lock
}

/// Whether no process has the socket that `address` leads to.
fn is_refused(address: &UnixAddr) -> Result<bool> {
    // A socket of another type than listeners have: if there is one it is of the wrong type,
    // whether it listens yet or not, or is connected to, which a datagram socket does not notice.
    // So this leaves no client in anybody's queue.
    let probe = unix_socket(SockType::Datagram)?;
    Ok(connect(probe.as_raw_fd(), address) == Err(Errno::ECONNREFUSED))
}

fn unix_socket(kind: SockType) -> Result<OwnedFd> {
    socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|e| Error::os("socket", e))
}

/// The path of a listener, which goes when the listener does.
#[derive(Debug)]
pub(super) struct Place {
    entry: Entry,
    /// `None` if it is to stay.
    identity: Option<Identity>,
    /// A forked child has a copy of the listener, but the path is its parent's.
    generation: u32,
}

impl Place {
    /// Binds `socket` and has `listen` done.
    ///
    /// The path is never open to more than `mode` allows, and to nobody before `listen`.
    ///
    /// # Errors
    /// [`Error::Os`], and then nothing is left behind.
    pub(super) fn take(
        path: &Path,
        address: &UnixAddr,
        mode: u32,
        socket: &OwnedFd,
        listen: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        fork::install();
        let entry = Entry::of(path)?;
        let mode = Mode::from_bits_truncate(mode & PERMISSIONS);
        // Linux makes the file with the mode of the socket, less the umask.
        fchmod(socket, mode).map_err(|e| Error::os("fchmod", e))?;
        // The descriptor that removing the path takes, if it comes to that.
        let spare = unix_socket(SockType::Stream)?;
        entry.bind(socket, address)?;
        let mut place = Self {
            entry,
            identity: None,
            generation: fork::generation(),
        };
        let begun = place.settle(mode).and_then(|()| listen());
        drop(spare);
        begun.map(|()| place)
    }

    /// Notes which file was just bound, and gives it what the umask has taken from its mode.
    fn settle(&mut self, mode: Mode) -> Result<()> {
        let found = self.entry.stat()?;
        // `None` if somebody has put something else there.
        let found = found.filter(|found| is_type(found, SFlag::S_IFSOCK));
        let found = found.ok_or(Error::os("bind", Errno::EADDRINUSE))?;
        self.identity = Some(identity(&found));
        if found.st_mode & PERMISSIONS == mode.bits() {
            return Ok(());
        }
        // By descriptor, so that it is this very file.
        let file = self.entry.open()?;
        let opened = fstat(&file).map_err(|e| Error::os("fstat", e))?;
        if self.identity != Some(identity(&opened)) {
            return Err(Error::os("bind", Errno::EADDRINUSE));
        }
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::set_permissions(link, Permissions::from_mode(mode.bits()))
            .map_err(|e| Error::io("chmod", &e))
    }

    /// Leaves the path where it is.
    pub(super) fn keep(mut self) {
        self.identity = None;
    }

    /// Removes the path if it is still this listener's.
    fn remove_own(&self) -> Result<()> {
        let Some(identity_of_own) = self.identity else {
            return Ok(());
        };
        let Some(_lock) = self.entry.lock()? else {
            return Ok(());
        };
        let found = self.entry.stat()?;
        if found.is_some_and(|found| identity(&found) == identity_of_own) {
            self.entry.remove()?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            return;
        }
        // The next listener replaces what stays here.
        let _ = self.remove_own();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn dead_socket_is_left_to_whoever_removes_it_already() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let (entry, address) = (Entry::of(&path).unwrap(), UnixAddr::new(&path).unwrap());

        let lock = entry.lock().unwrap();
        assert!(lock.is_some());
        assert_eq!(entry.remove_stale(&address), Ok(false));
        assert!(path.exists());
        let other = Entry::of(&directory.path().join("other")).unwrap();
        assert_eq!(other.remove_stale(&address), Ok(true));

        drop(lock);
        assert_eq!(entry.remove_stale(&address), Ok(true));
        assert!(!path.exists());
    }

    #[test]
    fn lock_has_a_name_for_the_longest_of_names() {
        let longest = [b'x'; 255];
        for name in [&b"socket"[..], &longest[..107], &longest] {
            let lock = lock_name((u64::MAX, u64::MAX), name);
            assert!(UnixAddr::new_abstract(&lock).is_ok());
        }
        assert_ne!(lock_name((1, 2), b"a"), lock_name((1, 2), b"b"));
        assert_ne!(lock_name((1, 2), b"a"), lock_name((1, 3), b"a"));
    }
}
