//! What happened, as far as the answers do not tell: that the sequences reach it is asserted.

macro_rules! notes {
    ($($note:ident)*) => {
        /// Something worth reaching.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Note { $($note),* }

        /// All of them.
        pub(crate) const NOTES: &[Note] = &[$(Note::$note),*];
    };
}

notes! {
    EmptyWrite
    ShortWrite
    WholeWrite
    EmptyRead
    Read
    TruncatedDatagram
    Peeked
    PeekedTruncated
    LostDatagram
    Disabled
    EnabledAgain
    DispositionRepeated
    OrphanDisabled
    OrphanEnabled
    ThresholdOff
    ThresholdSet
    ThresholdOfCapacity
    ThresholdForEver
    LevelFiredAtOnce
    LevelFiredLater
    EdgeFired
    EdgeFiredForUnrelated
    CancelledRegistration
    CancelledPacket
    RegistrationDroppedWithHandle
    RegistrationDroppedWithPort
    ReplaceDestroyed
    PassedWithData
    PassedOrphan
    PassedDisabled
    PassedWithThreshold
    PassedWithUserSignals
}

/// How often each of them happened.
#[derive(Clone, Debug)]
pub(crate) struct Notes([u64; NOTES.len()]);

impl Default for Notes {
    fn default() -> Self {
        Self([0; NOTES.len()])
    }
}

impl Notes {
    pub(super) fn count(&mut self, note: Note) {
        self.0[note as usize] += 1;
    }

    pub(crate) fn of(&self, note: Note) -> u64 {
        self.0[note as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

impl Note {
    pub(super) fn short(short: bool) -> Self {
        match short {
            true => Self::ShortWrite,
            false => Self::WholeWrite,
        }
    }

    pub(super) fn read(peek: bool, truncated: bool) -> Self {
        match (peek, truncated) {
            (true, true) => Self::PeekedTruncated,
            (true, false) => Self::Peeked,
            (false, true) => Self::TruncatedDatagram,
            (false, false) => Self::Read,
        }
    }
}
