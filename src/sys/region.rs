//! The shared memory of a pair: made, sealed, checked, mapped, reserved.
//!
//! Pages exist before anything is written to them: if there are none that is an error of a call,
//! and never a SIGBUS. The page with the control words exists from the beginning. The others are
//! reserved as a producer first comes to them, unless it is wished otherwise: 129 pages at once took
//! 135 us, and 75 us to give back, where all else about a pair takes 25.

#![allow(unsafe_code, reason = "addresses into a mapping")]

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{FileStat, fstat};
use nix::sys::statfs::fstatfs;
use nix::unistd::ftruncate;

use crate::error::{Error, Result, errno_of};
use crate::layout::{HEADER_SIZE, HUGE_PAGE_SHIFT, Header, PAGE_SHIFT};

/// What to ask of the memory beyond its existence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Every page exists at once.
    pub(crate) reserve: bool,
    /// Every page is entered into the page table at once.
    pub(crate) prefault: bool,
    /// Pages are locked in memory.
    pub(crate) lock: bool,
}

impl Wishes {
    /// Whether all pages must exist at once, for this wish or for another.
    fn all_pages(self, header: &Header) -> bool {
        self.reserve || self.prefault || self.lock || header.page_shift == HUGE_PAGE_SHIFT
    }
}

/// What the memfd of every pair is called, for people to see.
pub(crate) const NAME: &CStr = c"zocket";

/// Who has sent a memfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Anybody.
    Stranger,
    /// Somebody who would not have pages vanish under us.
    Trusted,
}

/// A mapped memfd whose size nobody can change.
#[derive(Debug)]
pub(crate) struct Region {
    map: MmapRaw,
    memfd: OwnedFd,
    header: Header,
    /// Bytes from the beginning whose pages exist before anything is written.
    reserved: usize,
}

/// No later change of the size, and no change of the seals.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

impl Region {
    /// Makes the memory that `header` describes.
    ///
    /// # Errors
    /// [`Error::NoMemory`] if there is not that much, or no huge pages; else the
    /// call that failed.
    pub(crate) fn create(header: Header, wishes: Wishes) -> Result<Self> {
        let memfd = create_memfd(header.page_shift)?;
        let len = header.total_size();
        ftruncate(&memfd, len as libc::off_t).map_err(|e| Error::memory("ftruncate", e))?;
        // Sealed before anybody else can have it, and before it is filled.
        fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals())).map_err(|e| Error::os("fcntl", e))?;
        if wishes.all_pages(&header) {
            reserve(&memfd, 0..len)?;
            let region = Self::map(memfd, header, len)?;
            region.apply(wishes)?;
            region.write_header();
            Ok(region)
        } else {
            let region = Self::map(memfd, header, 1 << PAGE_SHIFT)?;
            region.reserve(0..1 << PAGE_SHIFT)?;
            region.write_header();
            Ok(region)
        }
    }

    /// Maps a memfd that somebody sent, if it is what it must be.
    ///
    /// # Errors
    /// [`Error::MissingSeals`], [`Error::WrongMemorySize`], [`Error::HugePages`] from a
    /// stranger, and whatever
    /// [`Header::parse`] reports. Nothing was mapped then.
    pub(crate) fn attach(memfd: OwnedFd, sender: Sender) -> Result<Self> {
        let (header, stat) = read_header(&memfd)?;
        if sender == Sender::Stranger && is_huge(&memfd)? {
            return Err(Error::HugePages);
        }
        // Only a hint: whoever can reserve pages can give them back, too.
        let reserved = match allocated(&stat) >= header.total_size() as u64 {
            true => header.total_size(),
            false => 1 << PAGE_SHIFT,
        };
        Self::map(memfd, header, reserved)
    }

    fn map(memfd: OwnedFd, header: Header, reserved: usize) -> Result<Self> {
        let map = MmapOptions::new()
            .len(header.total_size())
            .map_raw(&memfd)
            .map_err(|e| Error::memory("mmap", errno_of(&e)))?;
        Ok(Self {
            map,
            memfd,
            header,
            reserved,
        })
    }

    fn apply(&self, wishes: Wishes) -> Result<()> {
        if wishes.prefault {
            self.map
                .advise(Advice::PopulateWrite)
                .map_err(|e| Error::memory("madvise", errno_of(&e)))?;
        }
        if wishes.lock {
            // ENOMEM is RLIMIT_MEMLOCK here, not want of memory: the call is named.
            self.map.lock().map_err(|e| Error::io("mlock", &e))?;
        }
        Ok(())
    }

    fn write_header(&self) {
        let bytes = self.header.to_bytes();
        let at = self.at(0, HEADER_SIZE);
        // SAFETY: `at` checked that HEADER_SIZE bytes are mapped there; nobody else
        // has the memory yet; `bytes` is a private array.
        unsafe { at.copy_from_nonoverlapping(NonNull::from(&bytes).cast(), HEADER_SIZE) };
    }

    /// What the pair was made with.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The descriptor of the memory.
    pub(crate) fn memfd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }

    /// Bytes from the beginning whose pages exist for all that is known.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    /// Has the pages of a range exist, and returns where the last of them ends. The content of
    /// those that do is kept.
    ///
    /// They are entered into the page table by the same call, where the kernel can do that:
    /// `fallocate`, and a page fault for each, take 1.4 times as long.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; else [`Error::Os`].
    pub(crate) fn reserve(&self, range: Range<usize>) -> Result<usize> {
        let populate = Advice::PopulateWrite;
        let end = range.end.next_multiple_of(1 << PAGE_SHIFT);
        let result = self.map.advise_range(populate, range.start, range.len());
        match result.map_err(|e| errno_of(&e)) {
            Ok(()) => Ok(end),
            // Linux before 5.14.
            Err(Errno::EINVAL) => reserve(&self.memfd, range).map(|()| end),
            // Where an access would be a SIGBUS.
            Err(Errno::EFAULT) => Err(Error::NoMemory),
            Err(errno) => Err(Error::memory("madvise", errno)),
        }
    }

    /// How far into the region an address lies.
    pub(crate) fn offset_of(&self, address: NonNull<u8>) -> usize {
        address.addr().get() - self.at(0, 0).addr().get()
    }

    /// The address of `offset`, of which `len` bytes are mapped as long as `self`.
    ///
    /// # Panics
    /// If the range is not inside the region.
    pub(crate) fn at(&self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(offset <= self.map.len() && len <= self.map.len() - offset);
        let start = NonNull::new(self.map.as_mut_ptr()).expect("a mapping is never at null");
        // SAFETY: the offset is inside the mapping, by the assertion.
        unsafe { start.add(offset) }
    }
}

/// An empty memfd for pages of this size.
fn create_memfd(page_shift: u32) -> Result<OwnedFd> {
    let mut flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    if page_shift == HUGE_PAGE_SHIFT {
        flags |= MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB;
    }
    let no_exec = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    match memfd_create(NAME, flags | no_exec) {
        // Linux before 6.3 does not know MFD_NOEXEC_SEAL.
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        result => result,
    }
    .map_err(|e| Error::memory("memfd_create", e))
}

/// Gives the file its pages in a range, some at a time: a signal makes the kernel take back
/// what a call has done so far, and a program with a timer should get on all the same.
fn reserve(memfd: &OwnedFd, range: Range<usize>) -> Result<()> {
    const PIECE: usize = 16 << 20;
    let mut done = range.start;
    while done < range.end {
        let piece = PIECE.min(range.end - done);
        let (offset, len) = (done as libc::off_t, piece as libc::off_t);
        match fallocate(memfd, FallocateFlags::empty(), offset, len) {
            Ok(()) => done += piece,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::memory("fallocate", errno)),
        }
    }
    Ok(())
}

/// The header in a memfd that anybody may have made, and what the kernel says about the memfd, if it
/// is what a pair's must be. Maps and changes nothing; a descriptor for reading is enough.
///
/// # Errors
/// [`Error::MissingSeals`], [`Error::WrongMemorySize`], whatever [`Header::parse`] reports.
pub(crate) fn read_header(memfd: &OwnedFd) -> Result<(Header, FileStat)> {
    check_seals(memfd)?;
    // The size is final now, and not before. Every field is copied out before it is checked.
    let stat = stat(memfd)?;
    let found = stat.st_size as u64;
    let mut bytes = [0; HEADER_SIZE];
    let read = nix::sys::uio::pread(memfd, &mut bytes, 0).map_err(|e| Error::os("pread", e))?;
    if read < HEADER_SIZE {
        let expected = HEADER_SIZE as u64;
        return Err(Error::WrongMemorySize { expected, found });
    }
    let header = Header::parse(&bytes)?;
    let expected = header.total_size() as u64;
    if found != expected {
        return Err(Error::WrongMemorySize { expected, found });
    }
    Ok((header, stat))
}

/// What the kernel says about a memfd.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn stat(memfd: &OwnedFd) -> Result<FileStat> {
    fstat(memfd).map_err(|e| Error::os("fstat", e))
}

/// Bytes of the pages that a memfd has.
pub(crate) fn allocated(stat: &FileStat) -> u64 {
    // Blocks are of 512 bytes.
    stat.st_blocks as u64 * 512
}

/// Whether a memfd is on huge pages, by its own word and not by the header's.
fn is_huge(memfd: &OwnedFd) -> Result<bool> {
    // Not by its block size: that may be large with ordinary pages too.
    let system = fstatfs(memfd).map_err(|e| Error::os("fstatfs", e))?;
    Ok(system.filesystem_type().0 == libc::HUGETLBFS_MAGIC)
}

/// Whether nobody can change the size any more.
fn check_seals(memfd: &OwnedFd) -> Result<()> {
    // EINVAL: not a file that can be sealed at all.
    let found = fcntl(memfd, FcntlArg::F_GET_SEALS).map_err(|_| Error::MissingSeals)?;
    if SealFlag::from_bits_retain(found).contains(seals()) {
        Ok(())
    } else {
        Err(Error::MissingSeals)
    }
}
