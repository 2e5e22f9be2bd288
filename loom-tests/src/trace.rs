//! What the current execution did, for the report of one that failed.

use std::cell::RefCell;

use zocket::protocol::{Fence, Site, Word32, Word64, local};

/// One access, with what it found or left.
#[allow(dead_code, reason = "the fields are for the report, which prints them")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Load64(Word64, Site, u64),
    Store64(Word64, Site, u64),
    Load32(Word32, Site, u32),
    Store32(Word32, Site, u32),
    /// A read-modify-write: before, after.
    Change32(Word32, Site, u32, u32),
    CopyIn(usize, usize),
    CopyOut(usize, usize),
    Fence(Fence),
    Sleep(Word32, u32),
    Awake(Word32),
    Wake(Word32),
    Ring,
    Local(Local),
}

/// An event within one process.
#[allow(dead_code, reason = "the fields are for the report, which prints them")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Local {
    Load(local::Site, u64),
    Store(local::Site, u64),
    /// A read-modify-write: before, after.
    Change(local::Site, u64, u64),
    /// An exchange that found something else.
    NoChange(local::Site, u64),
    Fence(local::Fence),
    Refused(local::Fence),
    Sleep,
    Awake,
    Wake,
    Pin,
    Unpin,
    Free,
}

impl From<Local> for Event {
    fn from(event: Local) -> Self {
        Self::Local(event)
    }
}

thread_local! {
    /// Loom runs all threads of a model on the thread that runs the test.
    static EVENTS: RefCell<Vec<(loom::thread::ThreadId, Event)>> = const { RefCell::new(Vec::new()) };
}

/// Called when an execution begins.
pub(crate) fn clear() {
    EVENTS.with_borrow_mut(Vec::clear);
}

/// Notes what the current thread did.
pub(crate) fn record(event: impl Into<Event>) {
    let event = event.into();
    let thread = loom::thread::current().id();
    EVENTS.with_borrow_mut(|events| events.push((thread, event)));
}

/// The execution so far, one line for each access.
pub(crate) fn render() -> String {
    EVENTS.with_borrow(|events| {
        let line = |(thread, event): &(_, _)| format!("  {thread:?} {event:?}\n");
        events.iter().map(line).collect()
    })
}

/// Whether this thread unwinds from a failure that loom has reported. What is
/// dropped then must not enter loom again: it would panic for a second time.
pub(crate) fn unwinding() -> bool {
    std::thread::panicking()
}
