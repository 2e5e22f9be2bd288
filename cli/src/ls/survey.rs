//! Who has which end of what: descriptors of processes and what is in the memory, put together.
//!
//! A process has an end if it has both the memory and the socket open that is the end's doorbell. The
//! kernel says both of it; only which socket belongs to which end is written in the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::time::Instant;

use anyhow::{Result, bail};
use nix::errno::Errno;
use serde::Serialize;
use zocket::inspect::{self, Pair, Waiter};
use zocket::{FenceMode, Kind};

use super::memory::{Key, Memfds};
use super::processes::{Found, Owner, Sockets, is_gone};

/// Everything that is found. Its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Survey {
    pub(super) pairs: Vec<PairView>,
    /// Memory of sockets that cannot be read: of another version of the layout, or broken.
    pub(super) not_understood: Vec<Unreadable>,
    /// How many processes the caller may not look at.
    pub(super) processes_not_looked_at: usize,
}

/// A pair of sockets.
#[derive(Debug, Serialize)]
pub(super) struct PairView {
    #[serde(skip)]
    pub(super) key: Key,
    /// When it was looked at.
    #[serde(skip)]
    pub(super) at: Instant,
    pub(super) kind: &'static str,
    /// Payload bytes that each direction holds.
    pub(super) capacity: usize,
    fence_mode: &'static str,
    huge_pages: bool,
    /// Inode of the memory.
    inode: u64,
    /// Bytes of the memory.
    memory: usize,
    /// Bytes of it that are there.
    memory_allocated: Option<u64>,
    pub(super) ends: [EndView; 2],
    /// Processes that have the memory, but neither end.
    pub(super) others: Vec<Holder>,
}

/// An end of a pair.
#[derive(Debug, Serialize)]
pub(super) struct EndView {
    pub(super) end: &'static str,
    koid: u64,
    /// Inode of the kernel's socket that is its doorbell.
    doorbell: Option<u64>,
    /// Those that have it.
    pub(super) processes: Vec<Holder>,
    pub(super) whereabouts: Whereabouts,
    pub(super) readable: u64,
    pub(super) unread_by_peer: u64,
    pub(super) total_read: u64,
    pub(super) total_written: u64,
    /// Null but for later looks of --watch.
    pub(super) read_per_second: Option<f64>,
    pub(super) written_per_second: Option<f64>,
    pub(super) closed: bool,
    pub(super) write_disabled: bool,
    writing: bool,
    /// As in `zx_signals_t`.
    user_signals: u32,
    read_threshold: u64,
    write_threshold: u64,
    pub(super) waits_for_data: WaitsView,
    pub(super) waits_for_space: WaitsView,
}

/// A process that has something.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Holder {
    pub(super) pid: i32,
    pub(super) command: String,
}

/// Where an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whereabouts {
    /// A process that can be looked at has it.
    Process,
    /// It exists: on its way, or in a process that cannot be looked at.
    Elsewhere,
    /// It is closed, or its process has ended.
    Gone,
    Unknown,
}

/// Who waits in one direction at an end.
#[derive(Debug, Serialize)]
pub(super) struct WaitsView {
    pub(super) bytes: Option<WaiterView>,
    pub(super) signals: Option<WaiterView>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct WaiterView {
    pub(super) threads: bool,
    pub(super) pollers: bool,
    /// Bytes that are waited for; null if no number of them is.
    pub(super) least: Option<u64>,
    /// Whether fewer will do, once the peer sleeps.
    pub(super) soft: bool,
}

/// What is called like memory of a socket, and is none that can be read.
#[derive(Debug, Serialize)]
pub(super) struct Unreadable {
    #[serde(flatten)]
    holder: Holder,
    fd: i32,
    why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { holder, fd, why } = self;
        let pid = holder.pid;
        write!(
            f,
            "descriptor {fd} of process {pid} looks like a socket, and cannot be shown: {why}"
        )
    }
}

/// Who has some memory, by which descriptors; each process's are side by side.
type Holdings<'a> = Vec<(&'a Owner, i32)>;

impl Survey {
    /// Looks at all processes, and keeps what concerns some of them, or all if none are named.
    pub(super) fn make(memfds: &Memfds, pids: &[i32]) -> Result<Self> {
        let found = Found::all()?;
        check(pids, &found)?;
        let is_wanted = |pid| pids.is_empty() || pids.contains(&pid);
        let (all, mut not_understood) = group(memfds, &found.owners)?;
        not_understood.retain(|unreadable| is_wanted(unreadable.holder.pid));
        let mut pairs = Vec::new();
        let mut sockets = Sockets::default();
        for (key, holdings) in all {
            // Nothing is opened of processes that nobody asks for.
            let Some(&(owner, fd)) = holdings.iter().find(|(owner, _)| is_wanted(owner.pid)) else {
                continue;
            };
            match look(memfds, key, &holdings, &mut sockets) {
                Ok(pair) => pairs.extend(pair),
                Err(error) => not_understood.push(Unreadable::new(owner, fd, error)?),
            }
        }
        pairs.sort_by_key(|pair: &PairView| {
            (pair.holders().map(|holder| holder.pid).min(), pair.koid())
        });
        Ok(Self {
            pairs,
            not_understood,
            processes_not_looked_at: found.closed_off.len(),
        })
    }
}

/// Refuses to say nothing about processes of which nothing is known.
fn check(pids: &[i32], found: &Found) -> Result<()> {
    for &pid in pids {
        if found.closed_off.contains(&pid) {
            bail!("process {pid} may not be looked at: it takes its user, or root");
        }
        if fs::metadata(format!("/proc/{pid}")).is_err() {
            bail!("there is no process {pid}");
        }
    }
    Ok(())
}

/// Finds out who has the same memory, without opening any.
fn group<'a>(
    memfds: &Memfds,
    owners: &'a [Owner],
) -> Result<(BTreeMap<Key, Holdings<'a>>, Vec<Unreadable>)> {
    let mut all: BTreeMap<Key, Holdings<'a>> = BTreeMap::new();
    let mut not_understood = Vec::new();
    let descriptors = owners
        .iter()
        .flat_map(|owner| owner.memories.iter().map(move |&fd| (owner, fd)));
    for (owner, fd) in descriptors {
        match memfds.find(owner.pid, fd) {
            Ok(Some(memfd)) => all.entry(memfd.key).or_default().push((owner, fd)),
            // It has closed it meanwhile, or it is something else.
            Ok(None) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => not_understood.push(Unreadable::new(owner, fd, error)?),
        }
    }
    Ok((all, not_understood))
}

/// Looks at a pair, with its memory open only meanwhile: there may be more pairs than descriptors to be had.
/// `None` if nobody has it any more.
fn look(
    memfds: &Memfds,
    key: Key,
    holdings: &Holdings<'_>,
    sockets: &mut Sockets,
) -> io::Result<Option<PairView>> {
    for (owner, fd) in holdings {
        match memfds.find(owner.pid, *fd) {
            Ok(Some(memfd)) if memfd.key == key => {
                let pair = Pair::open(memfd.open()?)?;
                return Ok(Some(PairView::look(key, &pair, holdings, sockets)?));
            }
            // This one has closed it meanwhile.
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

impl Unreadable {
    /// What cannot be read, and why. That this process has no means to read it is an error: so it could be with
    /// everything.
    fn new(owner: &Owner, fd: i32, error: io::Error) -> Result<Self> {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if let Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) = errno {
            let problem = format!("cannot look at descriptor {fd} of process {}", owner.pid);
            return Err(anyhow::Error::from(error).context(problem));
        }
        Ok(Self {
            holder: owner.into(),
            fd,
            why: error.to_string(),
        })
    }
}

impl PairView {
    fn look(
        key: Key,
        pair: &Pair,
        holdings: &Holdings<'_>,
        sockets: &mut Sockets,
    ) -> zocket::Result<Self> {
        let mut owners: Vec<&Owner> = holdings.iter().map(|&(owner, _)| owner).collect();
        owners.dedup_by_key(|owner| owner.pid);
        let doorbells = pair.doorbells();
        let has = |owner: &Owner, doorbell: Option<u64>| {
            doorbell.is_some_and(|inode| owner.sockets.contains(&inode))
        };
        let having = |doorbell| {
            let holders = owners.iter().filter(|owner| has(owner, doorbell));
            holders.map(|&owner| owner.into()).collect()
        };
        let looks = pair.look()?;
        let at = Instant::now();
        let others = owners
            .iter()
            .filter(|owner| !doorbells.iter().any(|&doorbell| has(owner, doorbell)));
        let mut ends = [0, 1].map(|index| EndView {
            end: ["A", "B"][index],
            koid: pair.koids()[index],
            doorbell: doorbells[index],
            processes: having(doorbells[index]),
            ..EndView::from(looks[index])
        });
        locate(&mut ends, &owners, sockets);
        Ok(Self {
            key,
            at,
            kind: match pair.kind() {
                Kind::Stream => "stream",
                Kind::Datagram => "datagram",
            },
            capacity: pair.capacity(),
            fence_mode: match pair.fence_mode() {
                FenceMode::Asymmetric => "asymmetric",
                FenceMode::Symmetric => "symmetric",
            },
            huge_pages: pair.has_huge_pages(),
            inode: key.inode,
            memory: pair.size(),
            memory_allocated: pair.allocated().ok(),
            ends,
            others: others.map(|&owner| owner.into()).collect(),
        })
    }

    fn koid(&self) -> u64 {
        self.ends[0].koid
    }

    /// Everybody who has anything of it.
    fn holders(&self) -> impl Iterator<Item = &Holder> {
        let of_ends = self.ends.iter().flat_map(|end| &end.processes);
        of_ends.chain(&self.others)
    }
}

/// Finds out where those ends are that no process has which could be looked at.
fn locate(ends: &mut [EndView; 2], owners: &[&Owner], sockets: &mut Sockets) {
    let is_held = |end: &EndView| !end.processes.is_empty();
    let lost = ends.iter().any(|end| !is_held(end) && !end.closed);
    let exists = match owners.first() {
        Some(owner) if lost => sockets.around(owner.pid),
        _ => None,
    };
    let doorbells = ends.each_ref().map(|end| end.doorbell);
    for (index, end) in ends.iter_mut().enumerate() {
        let peers = doorbells[1 - index];
        end.whereabouts = match (is_held(end), end.closed) {
            (true, _) => Whereabouts::Process,
            (false, true) => Whereabouts::Gone,
            (false, false) => look_up(end.doorbell, peers, exists),
        };
    }
}

/// Where an end is that no process has, by the sockets of a network namespace.
fn look_up(
    doorbell: Option<u64>,
    peers: Option<u64>,
    exists: Option<&BTreeSet<u64>>,
) -> Whereabouts {
    let is_there = |inode: Option<u64>| Some(exists?.contains(&inode?));
    match (is_there(doorbell), is_there(peers)) {
        (Some(true), _) => Whereabouts::Elsewhere,
        // Both were made in one namespace, so this is it.
        (Some(false), Some(true)) => Whereabouts::Gone,
        _ => Whereabouts::Unknown,
    }
}

impl From<inspect::End> for EndView {
    fn from(look: inspect::End) -> Self {
        Self {
            end: "",
            koid: 0,
            doorbell: None,
            processes: Vec::new(),
            whereabouts: Whereabouts::Unknown,
            readable: look.readable,
            unread_by_peer: look.unread_by_peer,
            total_read: look.total_read,
            total_written: look.total_written,
            read_per_second: None,
            written_per_second: None,
            closed: look.closed,
            write_disabled: look.write_disabled,
            writing: look.writing,
            user_signals: look.user_signals.bits(),
            read_threshold: look.read_threshold,
            write_threshold: look.write_threshold,
            waits_for_data: look.for_data.into(),
            waits_for_space: look.for_space.into(),
        }
    }
}

impl From<inspect::Waits> for WaitsView {
    fn from(waits: inspect::Waits) -> Self {
        Self {
            bytes: waits.bytes.map(WaiterView::from),
            signals: waits.signals.map(WaiterView::from),
        }
    }
}

impl From<Waiter> for WaiterView {
    fn from(waiter: Waiter) -> Self {
        Self {
            threads: waiter.threads,
            pollers: waiter.pollers,
            least: waiter.least,
            soft: waiter.soft,
        }
    }
}

impl From<&Owner> for Holder {
    fn from(owner: &Owner) -> Self {
        Self {
            pid: owner.pid,
            command: owner.command.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_that_nobody_has_is_looked_up_among_the_sockets() {
        let sockets = BTreeSet::from([1, 2]);
        let look = |doorbell, peers| look_up(doorbell, peers, Some(&sockets));
        assert_eq!(look(Some(1), Some(2)), Whereabouts::Elsewhere);
        assert_eq!(look(Some(3), Some(2)), Whereabouts::Gone);
        // In another namespace, or written by somebody who lies.
        assert_eq!(look(Some(3), Some(4)), Whereabouts::Unknown);
        assert_eq!(look(None, Some(2)), Whereabouts::Unknown);
        assert_eq!(look_up(Some(3), Some(2), None), Whereabouts::Unknown);
    }
}
