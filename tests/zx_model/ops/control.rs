//! Dispositions, thresholds, signals, questions.

use zocket::zx;

use super::{Generator, Want};
use crate::calls::{Buffer, Call, H, Memory};

impl Generator {
    pub(super) fn disposition(&mut self) -> Call {
        if self.rng.chance(18) {
            return self.shutdown();
        }
        let handle = self.pick(Want::socket(zx::ZX_RIGHT_MANAGE_SOCKET));
        let (disabled, peer_disabled) = self
            .socket(handle)
            .map_or((false, false), |s| (s.disabled, s.peer_disabled));
        Call::SetDisposition {
            handle,
            own: self.disposition_of(disabled),
            peer: self.disposition_of(peer_disabled),
        }
    }

    /// What is disabled is soon enabled again: most calls need it.
    fn disposition_of(&mut self, disabled: bool) -> u32 {
        let choices: &[(usize, u32)] = match disabled {
            true => &[(30, 0), (10, 1), (56, 2), (2, 3), (2, 4)],
            false => &[(68, 0), (12, 1), (14, 2), (2, 3), (2, u32::MAX)],
        };
        self.rng.weighted(choices)
    }

    fn shutdown(&mut self) -> Call {
        Call::Shutdown {
            handle: self.pick(Want::socket(zx::ZX_RIGHT_WRITE)),
            options: self.rng.pick(&[0, 1, 1, 2, 2, 3, 3, 4, u32::MAX]),
        }
    }

    pub(super) fn threshold(&mut self) -> Call {
        let set = self.rng.chance(75);
        let right = match set {
            true => zx::ZX_RIGHT_SET_PROPERTY,
            false => zx::ZX_RIGHT_GET_PROPERTY,
        };
        let handle = self.pick(Want::socket(right));
        let property = self.property();
        let buffer = self.property_buffer();
        match set {
            true => Call::SetProperty {
                handle,
                property,
                buffer,
                value: self.threshold_for(handle, property) as u64,
            },
            false => Call::GetProperty {
                handle,
                property,
                buffer,
            },
        }
    }

    fn property(&mut self) -> u32 {
        self.rng.weighted(&[
            (40, zx::ZX_PROP_SOCKET_RX_THRESHOLD),
            (50, zx::ZX_PROP_SOCKET_TX_THRESHOLD),
            (12, zx::ZX_PROP_NAME),
            (2, 0),
            (2, 14),
            (1, u32::MAX),
        ])
    }

    fn property_buffer(&mut self) -> Buffer {
        let size =
            self.rng
                .weighted(&[(80, 8), (3, 7), (3, 0), (3, 9), (8, 32), (2, 31), (3, 100)]);
        self.buffer(size)
    }

    /// Around what is there now.
    fn threshold_for(&mut self, handle: H, property: u32) -> usize {
        let socket = self.socket(handle);
        let (queued, free, capacity) = socket.map_or((1, 1, 1), |s| (s.queued, s.free, s.capacity));
        let now = match property {
            zx::ZX_PROP_SOCKET_RX_THRESHOLD => queued,
            _ => free,
        };
        match self.rng.below(16) {
            0 | 1 => 0,
            2 => 1,
            3..6 => now,
            6..8 => now + 1,
            8 => now.saturating_sub(1),
            9..12 => 1 + self.rng.below(capacity),
            12 | 13 => capacity,
            14 => capacity + 1,
            _ => usize::MAX,
        }
    }

    pub(super) fn signal(&mut self) -> Call {
        let peer = self.rng.chance(40);
        let (clear, set) = (self.user_mask(), self.user_mask());
        if peer {
            let handle = self.pick(Want::socket(zx::ZX_RIGHT_SIGNAL_PEER));
            return Call::SignalPeer { handle, clear, set };
        }
        if self.rng.chance(40) {
            let handle = self.pick(Want::event(zx::ZX_RIGHT_SIGNAL));
            let own = self.rng.pick(&[(0, 8), (8, 0), (8, 8), (0, 0)]);
            let (clear, set) = (clear | own.0, set | own.1);
            return Call::Signal { handle, clear, set };
        }
        let handle = self.pick(Want::socket(zx::ZX_RIGHT_SIGNAL));
        Call::Signal { handle, clear, set }
    }

    /// Some user signals, rarely with one that is none.
    fn user_mask(&mut self) -> u32 {
        let bit = |generator: &mut Self| zx::ZX_USER_SIGNAL_0 << generator.rng.below(8);
        match self.rng.below(12) {
            0..5 => 0,
            5..8 => bit(self),
            8 | 9 => bit(self) | bit(self),
            10 => zx::ZX_USER_SIGNAL_ALL,
            _ => {
                let bad = self.rng.pick(&[1, 2, 4, 8, 1 << 23, u32::MAX]);
                bit(self) | bad
            }
        }
    }

    pub(super) fn info(&mut self) -> Call {
        let topic = self.rng.weighted(&[
            (6, zx::ZX_INFO_HANDLE_VALID),
            (20, zx::ZX_INFO_HANDLE_BASIC),
            (30, zx::ZX_INFO_HANDLE_COUNT),
            (40, zx::ZX_INFO_SOCKET),
            (2, zx::ZX_INFO_NONE),
            (2, 3),
        ]);
        let size = self
            .rng
            .pick(&[0, 3, 4, 5, 31, 32, 33, 47, 48, 48, 48, 49, 200, usize::MAX]);
        let mut buffer = self.buffer(size);
        if size == usize::MAX {
            buffer.memory = Memory::Good;
        }
        Call::GetInfo {
            handle: self.pick_any(zx::ZX_RIGHT_INSPECT),
            topic,
            buffer,
            actual: self.rng.chance(80),
            avail: self.rng.chance(80),
        }
    }

    /// A handle to a socket, mostly.
    pub(super) fn pick_any(&mut self, rights: u32) -> H {
        let want = self.rng.weighted(&[
            (70, Want::socket(rights)),
            (15, Want::event(rights)),
            (15, Want::port(rights)),
        ]);
        self.pick(want)
    }
}
