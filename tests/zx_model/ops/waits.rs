//! Waits, registrations, ports.

use zocket::zx;

use super::{Generator, Registered, Want};
use crate::calls::{Call, H, Item, UserPacket};

/// Registrations that are remembered, to be cancelled.
const REMEMBERED: usize = 8;

impl Generator {
    pub(super) fn wait(&mut self) -> Call {
        match self.rng.chance(60) {
            true => Call::WaitOne {
                handle: self.pick_any(zx::ZX_RIGHT_WAIT),
                signals: self.signals(),
                deadline: self.deadline(),
                observed: self.rng.chance(85),
            },
            false => self.wait_many(),
        }
    }

    fn wait_many(&mut self) -> Call {
        let count = self
            .rng
            .weighted(&[(2, 0), (5, 1), (10, 2), (10, 3), (1, 64), (2, 65)]);
        let item = |_| Item {
            handle: match self.rng.chance(95) {
                true => self.pick_wanted(Want::socket(zx::ZX_RIGHT_WAIT)),
                false => self.pick_any(zx::ZX_RIGHT_WAIT),
            },
            signals: self.signals(),
        };
        let items = (0..count).map(item).collect();
        let deadline = self.deadline();
        Call::WaitMany { items, deadline }
    }

    /// A mask of what may be on or off.
    fn signals(&mut self) -> u32 {
        const SINGLE: &[u32] = &[
            zx::ZX_SOCKET_READABLE,
            zx::ZX_SOCKET_WRITABLE,
            zx::ZX_SOCKET_PEER_CLOSED,
            zx::ZX_EVENT_SIGNALED,
            zx::ZX_SOCKET_PEER_WRITE_DISABLED,
            zx::ZX_SOCKET_WRITE_DISABLED,
            zx::ZX_SOCKET_READ_THRESHOLD,
            zx::ZX_SOCKET_WRITE_THRESHOLD,
            zx::ZX_USER_SIGNAL_0,
            zx::ZX_USER_SIGNAL_7,
            zx::ZX_USER_SIGNAL_ALL,
        ];
        match self.rng.below(20) {
            0 => 0,
            1 => u32::MAX,
            2 => zx::ZX_SIGNAL_HANDLE_CLOSED,
            3..8 => self.rng.pick(SINGLE) | self.rng.pick(SINGLE),
            _ => self.rng.pick(SINGLE),
        }
    }

    pub(super) fn wait_async(&mut self) -> Call {
        if self.candidates(Want::port(0)).is_empty() {
            return Call::PortCreate { options: 0 };
        }
        let port = self.pick(Want::port(zx::ZX_RIGHT_WRITE));
        let source = match self.rng.chance(85) {
            true => self.pick(Want::socket(zx::ZX_RIGHT_WAIT)),
            false => self.pick_any(zx::ZX_RIGHT_WAIT),
        };
        let signals = self.signals();
        let options = self.rng.weighted(&[
            (40, 0),
            (10, 1),
            (30, 2),
            (8, 3),
            (6, 4),
            (3, 6),
            (1, 5),
            (1, 8),
            (1, u32::MAX),
        ]);
        let key = self.key_for(port, source, signals, options);
        self.remember(port, source, key);
        Call::WaitAsync {
            handle: source,
            port,
            key,
            signals,
            options,
        }
    }

    /// A key that tells the packet from those of other sources and with other clocks.
    ///
    /// If one call fires two registrations, nobody can see from equal packets which of them
    /// was taken out; but which one is left shows when its source is cancelled.
    fn key_for(&mut self, port: H, source: H, signals: u32, options: u32) -> u64 {
        let object = match port {
            H::Named(name) => self.view(name).map_or(0, |view| view.object),
            H::Value(_) => 0,
        };
        let key = self.key();
        let maker = (source, options & !zx::ZX_WAIT_ASYNC_EDGE);
        let known = *self.makers.entry((object, key, signals)).or_insert(maker);
        match known == maker {
            true => key,
            false => 1 << 32 | self.rng.next() >> 32,
        }
    }

    fn remember(&mut self, port: H, source: H, key: u64) {
        self.registered.push(Registered {
            process: self.process,
            port,
            source,
            key,
        });
        if self.registered.len() > REMEMBERED {
            self.registered.remove(0);
        }
    }

    pub(super) fn port(&mut self) -> Call {
        match self.rng.below(20) {
            0..10 => Call::PortWait {
                port: self.pick(Want::port(zx::ZX_RIGHT_READ)),
                deadline: self.deadline(),
            },
            10..13 => self.port_queue(),
            13..17 => self.port_cancel(),
            _ => Call::PortCancelKey {
                port: self.pick(Want::port(zx::ZX_RIGHT_WRITE)),
                options: self.options(&[1, u32::MAX]),
                key: self.key(),
            },
        }
    }

    fn port_queue(&mut self) -> Call {
        let port = self.pick(Want::port(zx::ZX_RIGHT_WRITE));
        let packet = UserPacket {
            key: self.key(),
            r#type: self.rng.pick(&[0, 1, 2, u32::MAX]),
            status: self.rng.pick(&[0, -1, 7, i32::MIN]),
            content: self.rng.next(),
        };
        let packet = self.rng.chance(93).then_some(packet);
        Call::PortQueue { port, packet }
    }

    /// Mostly of something that was registered.
    fn port_cancel(&mut self) -> Call {
        let process = self.process;
        let here = |r: &Registered| r.process == process;
        let registered: Vec<Registered> = self.registered.iter().copied().filter(here).collect();
        if !registered.is_empty() && self.rng.chance(75) {
            let Registered {
                port, source, key, ..
            } = self.rng.pick(&registered);
            return Call::PortCancel { port, source, key };
        }
        Call::PortCancel {
            port: self.pick(Want::port(zx::ZX_RIGHT_WRITE)),
            source: self.pick_any(zx::ZX_RIGHT_WAIT),
            key: self.key(),
        }
    }
}
