//! What is done, and how often.

/// What is done most for a while: states such as "full" need many calls of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mood {
    Fill,
    Drain,
    Control,
    Ports,
    Handles,
    Travel,
    Everything,
}

/// What is done next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Write,
    Read,
    Disposition,
    Threshold,
    Signal,
    Info,
    Wait,
    Async,
    Port,
    Make,
    Handle,
    Close,
    Pass,
}

/// How often each begins.
pub(super) const MOODS: &[(usize, Mood)] = &[
    (5, Mood::Fill),
    (4, Mood::Drain),
    (4, Mood::Control),
    (5, Mood::Ports),
    (2, Mood::Handles),
    (2, Mood::Travel),
    (4, Mood::Everything),
];

impl Mood {
    /// How often each is done.
    pub(super) fn deeds(self) -> &'static [(usize, Deed)] {
        use Deed::*;
        match self {
            Self::Fill => &[
                (60, Write),
                (10, Read),
                (8, Threshold),
                (8, Async),
                (6, Disposition),
                (5, Info),
                (2, Pass),
            ],
            Self::Drain => &[
                (10, Write),
                (60, Read),
                (8, Threshold),
                (8, Async),
                (6, Disposition),
                (5, Info),
                (2, Pass),
            ],
            Self::Control => &[
                (14, Write),
                (14, Read),
                (30, Disposition),
                (14, Threshold),
                (14, Signal),
                (6, Async),
                (3, Close),
                (3, Pass),
            ],
            Self::Ports => &[
                (8, Write),
                (8, Read),
                (8, Signal),
                (30, Async),
                (30, Port),
                (9, Handle),
                (3, Disposition),
                (2, Threshold),
                (3, Make),
            ],
            Self::Handles => &[
                (6, Write),
                (6, Read),
                (10, Async),
                (10, Make),
                (30, Handle),
                (20, Close),
                (8, Info),
                (4, Pass),
            ],
            Self::Travel => &[
                (30, Pass),
                (10, Write),
                (10, Read),
                (8, Disposition),
                (8, Threshold),
                (8, Signal),
                (5, Async),
                (3, Port),
                (2, Info),
            ],
            Self::Everything => &[
                (12, Write),
                (12, Read),
                (8, Disposition),
                (8, Threshold),
                (8, Signal),
                (8, Info),
                (14, Wait),
                (8, Async),
                (8, Port),
                (4, Make),
                (5, Handle),
                (4, Close),
                (4, Pass),
            ],
        }
    }
}
