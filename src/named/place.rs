//! A socket's place in the file system: how a listener comes to it, and leaves it.
//!
//! Whoever binds holds a lock meanwhile, so that of two servers that find a stale path one does
//! not remove what the other has just made. The lock is on a file of its own beside the path, for
//! want of anything else: sockets cannot be opened, and a lock on the directory could be held by
//! anybody who can read it, for as long as he likes. The file is removed before the lock is given up; so
//! whoever comes by the lock looks whether the file is still the one that has the name, and begins
//! anew if not. Killed in between, a process leaves the file behind, which the next one uses and
//! removes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

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

    fn stat(&self, name: &OsStr) -> Result<FileStat, Errno> {
        fstatat(&self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir)
    }

    /// Waits for the lock on this name.
    fn lock(&self) -> Result<Lock<'_>> {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".zocket-lock");
        loop {
            let file = self.open_lock(&name)?;
            while let Err(error) = file.lock() {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(Error::io("flock", &error));
                }
            }
            let locked = fstat(&file).map_err(|e| Error::os("fstat", e))?;
            match self.stat(&name) {
                Ok(named) if identity(&named) == identity(&locked) => {
                    return Ok(Lock {
                        entry: self,
                        name,
                        file,
                    });
                }
                // Whoever had the lock before has removed the file.
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(Error::os("fstatat", errno)),
            }
        }
    }

    fn open_lock(&self, name: &OsStr) -> Result<File> {
        let flags = OFlag::O_RDWR
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file =
            openat(&self.directory, name, flags, mode).map_err(|e| Error::os("openat", e))?;
        let stat = fstat(&file).map_err(|e| Error::os("fstat", e))?;
        // Nobody else shall keep us waiting, with a file that he has put there.
        if !is_type(&stat, SFlag::S_IFREG) || stat.st_uid != geteuid().as_raw() {
            return Err(Error::os("openat", Errno::EACCES));
        }
        Ok(file.into())
    }

    fn is_socket(&self) -> Result<bool> {
        match self.stat(&self.name) {
            Ok(stat) => Ok(is_type(&stat, SFlag::S_IFSOCK)),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(Error::os("fstatat", errno)),
        }
    }

    /// Whether the name is a socket's that nobody has any more. `address` leads to it.
    fn is_stale(&self, address: &UnixAddr) -> Result<bool> {
        // The kernel refuses connections to other files in the same way.
        if !self.is_socket()? {
            return Ok(false);
        }
        // A socket of another type than listeners have: if there is one it is of the wrong type,
        // or is connected to, which a datagram socket does not notice. So this leaves no client in
        // anybody's queue.
        let (flags, domain) = (SockFlag::SOCK_CLOEXEC, AddressFamily::Unix);
        let probe =
            socket(domain, SockType::Datagram, flags, None).map_err(|e| Error::os("socket", e))?;
        Ok(connect(probe.as_raw_fd(), address) == Err(Errno::ECONNREFUSED))
    }
}

/// The right to bind a name, for as long as it lives.
#[derive(Debug)]
struct Lock<'a> {
    entry: &'a Entry,
    name: OsString,
    file: File,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // While it is locked. If this fails, the file stays for the next one.
        let _ = self.entry.remove(&self.name);
        // Closing does not unlock it if this process was forked meanwhile.
        let _ = self.file.unlock();
    }
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
    /// Binds `socket`, and has `listen` done before anybody else binds here.
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
        let lock = entry.lock()?;
        let mode = Mode::from_bits_truncate(mode & PERMISSIONS);
        // Linux makes the file with the mode of the socket, less the umask.
        fchmod(socket, mode).map_err(|e| Error::os("fchmod", e))?;
        entry.bind(socket, address)?;
        let identity = match entry
            .settle(mode)
            .and_then(|found| listen().map(|()| found))
        {
            Ok(found) => found,
            Err(error) => {
                if entry.is_socket()? {
                    let _ = entry.remove(&entry.name);
                }
                return Err(error);
            }
        };
        drop(lock);
        Ok(Self {
            entry,
            identity: Some(identity),
            generation: fork::generation(),
        })
    }

    /// Leaves the path where it is.
    pub(super) fn keep(mut self) {
        self.identity = None;
    }
}

impl Entry {
    fn bind(&self, socket: &OwnedFd, address: &UnixAddr) -> Result<()> {
        let attempt = || bind(socket.as_raw_fd(), address);
        let mut bound = attempt();
        if bound == Err(Errno::EADDRINUSE) && self.is_stale(address)? {
            match self.remove(&self.name) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(Error::os("unlinkat", errno)),
            }
            bound = attempt();
        }
        bound.map_err(|e| Error::os("bind", e))
    }

    /// Gives the path that was just bound what the umask has taken from its mode, and says which
    /// file it is.
    fn settle(&self, mode: Mode) -> Result<Identity> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = openat(&self.directory, self.name.as_os_str(), flags, Mode::empty())
            .map_err(|e| Error::os("openat", e))?;
        let stat = fstat(&found).map_err(|e| Error::os("fstat", e))?;
        if !is_type(&stat, SFlag::S_IFSOCK) {
            // Somebody has put something else there.
            return Err(Error::os("bind", Errno::EADDRINUSE));
        }
        if stat.st_mode & PERMISSIONS != mode.bits() {
            // By descriptor, so that it is this very file.
            let link = format!("/proc/self/fd/{}", found.as_fd().as_raw_fd());
            fs::set_permissions(link, Permissions::from_mode(mode.bits()))
                .map_err(|e| Error::io("chmod", &e))?;
        }
        Ok(identity(&stat))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            return;
        }
        let entry = &self.entry;
        let found = entry.stat(&entry.name);
        if found.is_ok_and(|found| self.identity == Some(identity(&found))) {
            // Nothing to be done if this fails: the next listener replaces it.
            let _ = entry.remove(&entry.name);
        }
    }
}
