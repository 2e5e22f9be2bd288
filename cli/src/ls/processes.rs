//! What processes have open.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::errno::Errno;
use procfs::process::{Process, StatFlags};
use zocket::inspect;

/// All processes that have memory of sockets, as far as they can be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) owners: Vec<Owner>,
    /// Those that the caller may not look at.
    pub(super) closed_off: BTreeSet<i32>,
}

/// A process that has the memory of a socket, or what is called so.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) pid: i32,
    pub(super) command: String,
    /// Descriptors that are called like memory of a socket.
    pub(super) memories: Vec<i32>,
    /// Inodes of the kernel's sockets that it has.
    pub(super) sockets: BTreeSet<u64>,
}

impl Found {
    /// Looks at every process.
    pub(super) fn all() -> Result<Self> {
        let mut found = Self::default();
        for pid in pids().context("cannot list processes: /proc is needed for that")? {
            match Owner::look(pid) {
                Ok(Some(owner)) => found.owners.push(owner),
                Ok(None) => {}
                // It has nothing to show by now.
                Err(error) if is_gone(&error) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    if has_descriptors(pid) {
                        found.closed_off.insert(pid);
                    }
                }
                Err(error) => {
                    let problem = format!("cannot see what process {pid} has open");
                    return Err(anyhow::Error::from(error).context(problem));
                }
            }
        }
        Ok(found)
    }
}

/// All processes.
fn pids() -> io::Result<Vec<i32>> {
    let names = fs::read_dir("/proc")?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<OsString> = names.collect::<io::Result<_>>()?;
    Ok(names.iter().filter_map(number).collect())
}

fn number(name: &OsString) -> Option<i32> {
    name.to_str()?.parse().ok()
}

/// Whether an error means that a process, or what it had open, is not there any more.
pub(super) fn is_gone(error: &io::Error) -> bool {
    [Errno::ENOENT, Errno::ESRCH].contains(&errno(error))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

impl Owner {
    fn look(pid: i32) -> io::Result<Option<Self>> {
        let (mut memories, mut sockets) = (Vec::new(), BTreeSet::new());
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let entry = entry?;
            let Some(link) = link(entry.path())? else {
                continue;
            };
            if link == inspect::LINK {
                memories.extend(number(&entry.file_name()));
            } else {
                sockets.extend(socket(&link));
            }
        }
        if memories.is_empty() {
            return Ok(None);
        }
        // In the order of their numbers, whatever the kernel's is.
        memories.sort_unstable();
        let command = fs::read(format!("/proc/{pid}/comm"))?;
        let command = command.strip_suffix(b"\n").unwrap_or(&command);
        Ok(Some(Self {
            pid,
            command: String::from_utf8_lossy(command).into_owned(),
            memories,
            sockets,
        }))
    }
}

/// What a descriptor is called; `None` if it is closed by now.
fn link(descriptor: PathBuf) -> io::Result<Option<OsString>> {
    match fs::read_link(descriptor) {
        Ok(link) => Ok(Some(link.into())),
        Err(error) if is_gone(&error) => Ok(None),
        // A path that is longer than the kernel says any: not what is looked for.
        Err(error) if errno(&error) == Errno::ENAMETOOLONG => Ok(None),
        Err(error) => Err(error),
    }
}

/// The inode of a socket that is called so.
fn socket(link: &OsString) -> Option<u64> {
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

/// Whether a process can have any: threads of the kernel have none, and what has ended neither.
fn has_descriptors(pid: i32) -> bool {
    let stat = Process::new(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| {
        let flags = StatFlags::from_bits_truncate(stat.flags);
        !flags.contains(StatFlags::PF_KTHREAD) && !matches!(stat.state, 'Z' | 'X')
    })
}

/// The sockets that exist in network namespaces, whoever has them open.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// By namespace, as it is called. None where they cannot be listed.
    listed: BTreeMap<PathBuf, Option<BTreeSet<u64>>>,
}

impl Sockets {
    /// Those in the namespace of a process; `None` if they cannot be listed. Each is listed once.
    pub(super) fn around(&mut self, pid: i32) -> Option<&BTreeSet<u64>> {
        let namespace = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        let list = || Some(inodes(&fs::read(format!("/proc/{pid}/net/unix")).ok()?));
        self.listed.entry(namespace).or_insert_with(list).as_ref()
    }
}

/// The inodes in a list like /proc/net/unix. Names, at the ends of the lines, are bytes that
/// anybody has chosen, with ends of lines among them.
fn inodes(list: &[u8]) -> BTreeSet<u64> {
    let lines = list.split(|&byte| byte == b'\n').skip(1);
    lines.filter_map(inode).collect()
}

fn inode(line: &[u8]) -> Option<u64> {
    let words = line.split(u8::is_ascii_whitespace);
    let inode = words.filter(|word| !word.is_empty()).nth(6)?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sockets_do_not_spoil_the_list() {
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01    11 @\xff\xfe\n\
            and more of a name\n\
            \n\
            0000000000000000: 00000003 00000000 00000000 0001 03  4222\n";
        assert_eq!(inodes(list), BTreeSet::from([11, 4222]));
    }
}
