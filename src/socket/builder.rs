//! Making pairs.

use std::sync::Arc;

use super::link::Link;
use super::{Datagram, Stream};
use crate::error::{Error, Result};
use crate::layout::{self, FenceMode, Header, Kind};
use crate::sys::doorbell::Doorbell;
use crate::sys::region::{Region, Wishes};
use crate::sys::{fork, koid, membarrier};

/// How to choose the [`FenceMode`] of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FencePolicy {
    /// Asymmetric if this process may use `membarrier(2)`, else symmetric. To find out it is called: a
    /// filter that kills for that kills.
    #[default]
    Auto,
    /// Exactly this one.
    Exactly(FenceMode),
}

/// Makes a pair with other properties than [`Stream::pair`] gives it.
///
/// What the system refuses is an error of [`stream_pair`](Self::stream_pair) or
/// [`datagram_pair`](Self::datagram_pair), never silently left out.
///
/// # Examples
/// ```
/// use zocket::Builder;
///
/// let (a, b) = Builder::new().capacity(1 << 20).prefault(true).stream_pair()?;
/// assert_eq!(a.info().capacity, 1 << 20);
/// # drop(b);
/// # Ok::<(), zocket::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder makes nothing until a pair is asked of it"]
pub struct Builder {
    capacity: usize,
    fence: FencePolicy,
    huge_pages: bool,
    wishes: Wishes,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A builder with the properties of [`Stream::pair`]: 256 KiB in each
    /// direction, ordinary pages, and fences as the system allows.
    pub fn new() -> Self {
        Self {
            capacity: layout::DEFAULT_CAPACITY,
            fence: FencePolicy::Auto,
            huge_pages: false,
            wishes: Wishes::default(),
        }
    }

    /// Sets how many payload bytes each direction holds: 4 KiB to 1 GiB, rounded up
    /// to whole pages. [`Info::capacity`](crate::Info::capacity) says what it became.
    /// A stream pair takes twice as much memory, a datagram pair four times.
    /// `RLIMIT_FSIZE` applies to it, as to any file.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// Sets how the fence mode is chosen.
    pub fn fence(mut self, policy: FencePolicy) -> Self {
        self.fence = policy;
        self
    }

    /// Reserves the memory of both directions at once.
    ///
    /// Without this, memory is reserved as writes first come to it, some pages at a time, by
    /// `MADV_POPULATE_WRITE` (`fallocate(2)` before Linux 5.14): a pair is made in a tenth of the time, and one that is used little takes little
    /// memory; but a write can fail with [`Error::NoMemory`], and makes that system call now and
    /// then until all of the ring was used once. With this, want of memory is an error here, and
    /// nowhere later. For processes that are to make no system calls, too.
    pub fn reserve(mut self, on: bool) -> Self {
        self.wishes.reserve = on;
        self
    }

    /// Reserves the memory, as [`reserve`](Self::reserve), and enters every page into this
    /// process's page table at once, so that no first access takes a page fault. A process that
    /// the endpoint is passed to still takes its own. Needs Linux 5.14.
    pub fn prefault(mut self, on: bool) -> Self {
        self.wishes.prefault = on;
        self
    }

    /// Reserves the memory, as [`reserve`](Self::reserve), and locks it, so that it is never
    /// swapped out while this process has it mapped. Bounded by `RLIMIT_MEMLOCK`.
    pub fn lock(mut self, on: bool) -> Self {
        self.wishes.lock = on;
        self
    }

    /// Uses 2 MiB pages, of which the administrator must have set enough aside
    /// (`vm.nr_hugepages`); otherwise the pair cannot be made
    /// ([`Error::NoMemory`]). The capacity becomes a multiple of 2 MiB.
    ///
    /// Only for a peer that is trusted: it can give pages back to the system, and with
    /// huge pages an access may then find none (`SIGBUS`). So `try_from` refuses such
    /// endpoints ([`Error::HugePages`]); see [`Stream::claim_trusted`].
    pub fn huge_pages(mut self, on: bool) -> Self {
        self.huge_pages = on;
        self
    }

    /// Makes a pair of connected byte streams.
    ///
    /// # Errors
    /// - [`Error::InvalidCapacity`] outside 4 KiB to 1 GiB.
    /// - [`Error::NoMemory`] if the memory cannot be reserved.
    /// - [`Error::FenceRefused`] if asymmetric fences were demanded and
    ///   `membarrier(2)` is not allowed.
    /// - [`Error::Os`] with the call that failed, such as `EMFILE` when there are
    ///   no descriptors left.
    pub fn stream_pair(self) -> Result<(Stream, Stream)> {
        let [a, b] = self.links(Kind::Stream)?;
        Ok((Stream::from_link(a)?, Stream::from_link(b)?))
    }

    /// Makes a pair of connected datagram endpoints.
    ///
    /// # Errors
    /// As [`stream_pair`](Self::stream_pair).
    pub fn datagram_pair(self) -> Result<(Datagram, Datagram)> {
        let [a, b] = self.links(Kind::Datagram)?;
        Ok((Datagram::from_link(a)?, Datagram::from_link(b)?))
    }

    pub(crate) fn links(self, kind: Kind) -> Result<[Arc<Link>; 2]> {
        fork::install();
        let doorbells = Doorbell::pair()?;
        let header = self.header(kind, &doorbells)?;
        Ok(Link::pair(Region::create(header, self.wishes)?, doorbells))
    }

    fn header(self, kind: Kind, doorbells: &(Doorbell, Doorbell)) -> Result<Header> {
        let page_shift = if self.huge_pages {
            layout::HUGE_PAGE_SHIFT
        } else {
            layout::PAGE_SHIFT
        };
        Ok(Header {
            kind,
            fence_mode: self.fence_mode()?,
            page_shift,
            capacity: layout::round_capacity(self.capacity, page_shift)?,
            koids: koid::new_pair(),
            doorbells: [doorbells.0.inode(), doorbells.1.inode()],
        })
    }

    fn fence_mode(self) -> Result<FenceMode> {
        let registered = match self.fence {
            FencePolicy::Exactly(FenceMode::Symmetric) => return Ok(FenceMode::Symmetric),
            FencePolicy::Exactly(FenceMode::Asymmetric) | FencePolicy::Auto => {
                membarrier::register()
            }
        };
        match (self.fence, registered) {
            (FencePolicy::Auto, Err(Error::FenceRefused)) => Ok(FenceMode::Symmetric),
            (_, registered) => registered.map(|()| FenceMode::Asymmetric),
        }
    }
}
