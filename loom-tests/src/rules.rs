//! Under which rules a model runs: how fences work, and what is left out.

use std::fmt;
use std::sync::atomic::Ordering;

use zocket::protocol::{Fence, Site, Step, local};

/// The one thing that a twin does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weakening {
    /// Accesses at this site are relaxed.
    Relax(Site),
    /// This fence is not there.
    Drop(Fence),
    /// This step is not carried out.
    Skip(Step),
    /// Accesses at this site within one process are relaxed.
    RelaxLocal(local::Site),
    /// This fence within one process is not there.
    DropLocal(local::Fence),
    /// This step within one process is not carried out.
    SkipLocal(local::Step),
}

/// What a run does without when it does without one thing.
macro_rules! weakens {
    ($($what:ty => $how:ident,)*) => {$(
        impl From<$what> for Weakening {
            fn from(what: $what) -> Self {
                Self::$how(what)
            }
        }
    )*};
}

weakens! {
    Site => Relax,
    Fence => Drop,
    Step => Skip,
    local::Site => RelaxLocal,
    local::Fence => DropLocal,
    local::Step => SkipLocal,
}

impl fmt::Display for Weakening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relax(site) => write!(f, "{site:?} relaxed"),
            Self::Drop(fence) => write!(f, "{fence:?} dropped"),
            Self::Skip(step) => write!(f, "{step:?} skipped"),
            Self::RelaxLocal(site) => write!(f, "{site:?} relaxed"),
            Self::DropLocal(fence) => write!(f, "{fence:?} dropped"),
            Self::SkipLocal(step) => write!(f, "{step:?} skipped"),
        }
    }
}

/// What the two kinds of fence are.
///
/// These are the crate's two fence modes. The asymmetric one promises less, so
/// it finds more; the symmetric one is checked for its own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fencing {
    /// Both are loom's `fence(SeqCst)`, which also acquires and releases.
    Symmetric,
    /// The heavy one is `membarrier(2)` as its manual page describes it, the light
    /// one holds the compiler back and nothing else; see the module `fences`.
    Asymmetric,
}

/// What holds in one run of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How fences work.
    pub fencing: Fencing,
    /// What the twin does without; `None` for the model itself.
    pub weakening: Option<Weakening>,
    /// How many full fences an end makes after it has woken the other one.
    pub full_fences: u32,
}

impl Rules {
    /// The ordering of an access to shared memory.
    pub fn ordering(&self, site: Site) -> Ordering {
        self.relaxed(site).unwrap_or(site.ordering())
    }

    /// The ordering of an access within one process.
    pub fn local_ordering(&self, site: local::Site) -> Ordering {
        self.relaxed(site).unwrap_or(site.ordering())
    }

    fn relaxed(&self, site: impl Into<Weakening>) -> Option<Ordering> {
        self.lacks(site).then_some(Ordering::Relaxed)
    }

    /// Whether this fence is there.
    pub fn has(&self, fence: impl Into<Weakening>) -> bool {
        !self.lacks(fence)
    }

    /// Whether this step is carried out.
    pub fn performs(&self, step: impl Into<Weakening>) -> bool {
        !self.lacks(step)
    }

    fn lacks(&self, what: impl Into<Weakening>) -> bool {
        self.weakening == Some(what.into())
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weakening {
            Some(weakening) => write!(f, "{:?} fences, {weakening}", self.fencing),
            None => write!(f, "{:?} fences", self.fencing),
        }
    }
}
