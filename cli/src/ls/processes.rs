//! What processes have open.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use procfs::ProcError;
use procfs::process::{FDTarget, Process, StatFlags};
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
        let processes = procfs::process::all_processes()
            .context("cannot list processes: /proc is needed for that")?;
        let mut found = Self::default();
        // One that is gone by now has nothing to show.
        for process in processes.flatten() {
            match Owner::look(&process) {
                Ok(Some(owner)) => found.owners.push(owner),
                Err(ProcError::PermissionDenied(_)) if has_descriptors(&process) => {
                    found.closed_off.insert(process.pid);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Owner {
    fn look(process: &Process) -> Result<Option<Self>, ProcError> {
        let (mut memories, mut sockets) = (Vec::new(), BTreeSet::new());
        for fd in process.fd()? {
            let fd = fd?;
            match fd.target {
                FDTarget::Socket(inode) => {
                    sockets.insert(inode);
                }
                FDTarget::MemFD(name) if memfd_link(&name) == inspect::LINK => {
                    memories.push(fd.fd);
                }
                _ => {}
            }
        }
        if memories.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            pid: process.pid,
            command: process.stat()?.comm,
            memories,
            sockets,
        }))
    }
}

/// The link of which the name of a memfd was taken.
fn memfd_link(name: &str) -> String {
    format!("/memfd:{name}")
}

/// Whether a process can have any: threads of the kernel have none, and what has ended neither.
fn has_descriptors(process: &Process) -> bool {
    process.stat().is_ok_and(|stat| {
        let flags = StatFlags::from_bits_truncate(stat.flags);
        !flags.contains(StatFlags::PF_KTHREAD) && !matches!(stat.state, 'Z' | 'X')
    })
}

/// The sockets that exist in the network namespace of a process, whoever has them open; `None` if they cannot be
/// listed.
pub(super) fn unix_sockets(pid: i32) -> Option<BTreeSet<u64>> {
    let sockets = Process::new(pid).and_then(|process| process.unix()).ok()?;
    Some(sockets.into_iter().map(|socket| socket.inode).collect())
}
