//! Under which rules a model runs: how fences work, and what is left out.

use std::fmt;
use std::sync::atomic::Ordering;

use zocket::protocol::{Fence, Site, Step};

/// The one thing that a twin does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weakening {
    /// Accesses at this site are relaxed.
    Relax(Site),
    /// This fence is not there.
    Drop(Fence),
    /// This step is not carried out.
    Skip(Step),
}

impl fmt::Display for Weakening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relax(site) => write!(f, "{site:?} relaxed"),
            Self::Drop(fence) => write!(f, "{fence:?} dropped"),
            Self::Skip(step) => write!(f, "{step:?} skipped"),
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
}

impl Rules {
    /// The ordering of an access.
    pub fn ordering(&self, site: Site) -> Ordering {
        if self.weakening == Some(Weakening::Relax(site)) {
            Ordering::Relaxed
        } else {
            site.ordering()
        }
    }

    /// Whether this fence is there.
    pub fn has(&self, fence: Fence) -> bool {
        self.weakening != Some(Weakening::Drop(fence))
    }

    /// Whether this step is carried out.
    pub fn performs(&self, step: Step) -> bool {
        self.weakening != Some(Weakening::Skip(step))
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
