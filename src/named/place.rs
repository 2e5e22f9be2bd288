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
//! To bind takes no lock, and a socket that is being bound looks dead: for a moment the kernel has the file and
//! no socket with it, and refuses connections. It holds the directory's own lock all that time, as
//! does every `bind`. So, under our lock:
//!
//! 1. Look which file has the name. It keeps it, as nobody else may remove it now.
//! 2. Bind once more. If the name is in use still, the `bind` that made the file has come to its end.
//! 3. Connect. If that is refused the socket is dead, and stays so: a file is bound but once.
//! 4. Look again, and remove it if it is the same file: who heeds no lock (a user with `rm`) may have made room
//!    for another one, of which the steps before say nothing.
//!
//! To bind and to connect is done by path, the rest in the directory that it led to at first. Where that
//! is another one by now, nothing is removed.
//!
//! Abstract names belong to everybody in the network namespace. Another user who takes this one and
//! keeps it can do that much harm: dead sockets stay until they are removed by hand. So does a process that was
//! forked while another thread had the lock, until it executes something or ends: it has a copy. And
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
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, stat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::{Error, Result};
use crate::sys::fork;

/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o777;

/// Somebody has the path, or is about to.
const IN_USE: Error = Error::Os {
    call: "bind",
    errno: libc::EADDRINUSE,
};

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
    /// The way to it.
    parent: PathBuf,
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
        let parent = PathBuf::from(directory);
        let directory = open(&parent, flags, Mode::empty()).map_err(|e| Error::os("open", e))?;
        Ok(Self {
            directory,
            parent,
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

    /// Whether the path leads here still, which it does not if a directory on its way was renamed, or
    /// a relative one begins at another directory by now.
    fn is_led_to(&self) -> Result<bool> {
        let now = stat(&self.parent).map_err(|e| Error::os("stat", e))?;
        let held = fstat(&self.directory).map_err(|e| Error::os("fstat", e))?;
        Ok(identity(&now) == identity(&held))
    }

    /// Whether the name is still that of the file that was found here, and the path leads here.
    fn is_still(&self, found: &FileStat) -> Result<bool> {
        let now = self.stat()?;
        Ok(now.is_some_and(|now| identity(&now) == identity(found)) && self.is_led_to()?)
    }

    /// Binds `socket` to the name, to which `address` leads, in place of a dead one. See the
    /// [module](self) for why in this order.
    fn bind(&self, socket: &OwnedFd, address: &UnixAddr) -> Result<()> {
        while !has_bound(socket, address)? {
            let lock = self.lock()?.ok_or(IN_USE)?;
            if !self.is_led_to()? {
                return Err(IN_USE);
            }
            if let Some(found) = self.stat()? {
                if has_bound(socket, address)? {
                    break;
                }
                self.remove_dead(&found, address)?;
            }
            // Somebody else may be at what is free now before us, and die again.
            drop(lock);
        }
        Ok(())
    }

    /// Removes the file that was found here, if it is a socket that nobody has any more. Under the
    /// lock, and once all has come to its end that was being bound when it was found.
    ///
    /// # Errors
    /// [`IN_USE`]; what does not let this process find out.
    fn remove_dead(&self, found: &FileStat, address: &UnixAddr) -> Result<()> {
        // The kernel refuses connections to other files than sockets as it does to dead ones.
        let is_dead = is_type(found, SFlag::S_IFSOCK) && is_refused(address)?;
        match is_dead && self.is_still(found)? {
            true => self.remove(),
            false => Err(IN_USE),
        }
    }
}

/// Binds a socket, and says whether the name was free.
fn has_bound(socket: &OwnedFd, address: &UnixAddr) -> Result<bool> {
    match bind(socket.as_raw_fd(), address) {
        Ok(()) => Ok(true),
        Err(Errno::EADDRINUSE) => Ok(false),
        Err(errno) => Err(Error::os("bind", errno)),
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
///
/// # Errors
/// [`Error::Os`], with `EACCES` if this process may not write to it.
fn is_refused(address: &UnixAddr) -> Result<bool> {
    // A socket of another type than listeners have: if there is one it is of the wrong type,
    // whether it listens yet or not, or is connected to, which a datagram socket does not notice.
    // So this leaves no client in anybody's queue.
    let probe = unix_socket(SockType::Datagram)?;
    match connect(probe.as_raw_fd(), address) {
        Err(Errno::ECONNREFUSED) => Ok(true),
        // Nothing is known of it then.
        Err(Errno::EACCES) => Err(Error::os("connect", Errno::EACCES)),
        _ => Ok(false),
    }
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
    /// [`Error::Os`], and then nothing is left behind, unless the path leads elsewhere by then.
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
        let found = found.ok_or(IN_USE)?;
        if !self.entry.is_led_to()? {
            // So it is not what was bound.
            return Err(IN_USE);
        }
        self.identity = Some(identity(&found));
        if found.st_mode & PERMISSIONS == mode.bits() {
            return Ok(());
        }
        // By descriptor, so that it is this very file.
        let file = self.entry.open()?;
        let opened = fstat(&file).map_err(|e| Error::os("fstat", e))?;
        if self.identity != Some(identity(&opened)) {
            return Err(IN_USE);
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
    use std::{env, thread};

    use nix::sched::{CloneFlags, unshare};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn dead_socket_is_left_to_whoever_removes_it_already() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let (entry, address) = (Entry::of(&path).unwrap(), UnixAddr::new(&path).unwrap());

        let lock = entry.lock().unwrap();
        assert!(lock.is_some());
        let socket = unix_socket(SockType::SeqPacket).unwrap();
        assert_eq!(entry.bind(&socket, &address), Err(IN_USE));
        assert!(path.exists());

        drop(lock);
        assert_eq!(entry.bind(&socket, &address), Ok(()));
        assert_eq!(is_refused(&address), Ok(false), "what is there is alive");
    }

    /// Two directories: `one` has a listener at its socket, `other` one that is dead.
    fn one_alive() -> (TempDir, [PathBuf; 2], UnixListener) {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        for path in [&one, &other] {
            fs::create_dir(path).unwrap();
        }
        let alive = UnixListener::bind(one.join("socket")).unwrap();
        drop(UnixListener::bind(other.join("socket")).unwrap());
        (directory, [one, other], alive)
    }

    #[test]
    fn path_that_leads_to_another_directory_by_now_is_in_use() {
        let (directory, [one, other], _alive) = one_alive();
        let path = one.join("socket");
        let (entry, address) = (Entry::of(&path).unwrap(), UnixAddr::new(&path).unwrap());
        let moved = directory.path().join("moved");
        fs::rename(&one, &moved).unwrap();
        fs::rename(&other, &one).unwrap();
        let socket = unix_socket(SockType::SeqPacket).unwrap();
        assert_eq!(entry.bind(&socket, &address), Err(IN_USE));
        assert!(moved.join("socket").exists() && path.exists());

        // Nor is it bound for ever where only the other directory has the name.
        fs::remove_file(moved.join("socket")).unwrap();
        assert_eq!(entry.bind(&socket, &address), Err(IN_USE));
        assert!(path.exists());
    }

    #[test]
    fn relative_path_with_another_working_directory_by_now_is_in_use() {
        let (_directory, [one, other], _alive) = one_alive();
        let bind_elsewhere = || {
            // A working directory of this thread's own.
            unshare(CloneFlags::CLONE_FS).unwrap();
            env::set_current_dir(&one).unwrap();
            let entry = Entry::of(Path::new("socket")).unwrap();
            let address = UnixAddr::new("socket").unwrap();
            env::set_current_dir(&other).unwrap();
            let socket = unix_socket(SockType::SeqPacket).unwrap();
            entry.bind(&socket, &address)
        };
        let bound = thread::scope(|scope| scope.spawn(bind_elsewhere).join().unwrap());
        assert_eq!(bound, Err(IN_USE));
        assert!(one.join("socket").exists() && other.join("socket").exists());
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
