//! Making objects, and all that is done to handles.

use zocket::zx;

use super::{Generator, SMALL, Want};
use crate::calls::{Call, H};

impl Generator {
    pub(super) fn create(&mut self) -> Call {
        Call::Create {
            options: self
                .rng
                .weighted(&[(48, 0), (48, 1), (1, 2), (1, 4), (2, u32::MAX)]),
            capacity: self
                .rng
                .weighted(&[(90, Some(SMALL)), (7, Some(2 * SMALL)), (3, None)]),
        }
    }

    pub(super) fn make(&mut self) -> Call {
        match self.rng.below(6) {
            0..2 => self.create(),
            2..4 => Call::PortCreate {
                options: self.rng.pick(&[0, 0, 1, 2, u32::MAX]),
            },
            _ => Call::EventCreate {
                options: self.options(&[1, u32::MAX]),
            },
        }
    }

    pub(super) fn close(&mut self) -> Call {
        if self.rng.chance(75) {
            let handle = self.pick_any(0);
            return Call::Close { handle };
        }
        let count = self.rng.weighted(&[(10, 0), (30, 2), (30, 3), (10, 5)]);
        let mut handles: Vec<H> = (0..count).map(|_| self.pick_any(0)).collect();
        if self.rng.chance(20) {
            handles.extend(handles.first().copied());
        }
        if self.setting.passing {
            self.leave_peers_out(&mut handles);
        }
        Call::CloseMany { handles }
    }

    /// Leaves out handles to peers of others among them.
    ///
    /// Whether a handle that is closed in the same call as the peer still gets its packet
    /// is nowhere promised, and depends on who looks when if the ends seem to be apart.
    fn leave_peers_out(&self, handles: &mut Vec<H>) {
        let mut objects = Vec::new();
        handles.retain(|handle| {
            let H::Named(name) = *handle else { return true };
            let Some(view) = self.view(name) else {
                return true;
            };
            let peer = view.socket.and_then(|socket| socket.peer);
            let alone = !peer.is_some_and(|peer| objects.contains(&peer));
            objects.push(view.object);
            alone
        });
    }

    pub(super) fn exchange(&mut self) -> Call {
        let want = self.rng.weighted(&[
            (55, Want::socket(zx::ZX_RIGHT_DUPLICATE)),
            (10, Want::event(zx::ZX_RIGHT_DUPLICATE)),
            (35, Want::port(zx::ZX_RIGHT_DUPLICATE)),
        ]);
        let handle = self.pick(want);
        let rights = self.rights_for(handle);
        match self.rng.below(10) {
            0..5 => Call::Duplicate { handle, rights },
            5..8 => Call::Replace { handle, rights },
            8 => Call::CheckValid { handle },
            _ => Call::CheckValid {
                handle: self.pick_garbage(),
            },
        }
    }

    /// Mostly fewer than the handle has.
    fn rights_for(&mut self, handle: H) -> u32 {
        let has = match handle {
            H::Named(name) => self.view(name).map_or(0, |view| view.rights),
            H::Value(_) => 0,
        };
        let random = self.rng.next() as u32;
        match self.rng.below(10) {
            0..3 => zx::ZX_RIGHT_SAME_RIGHTS,
            3 => has,
            4..6 => has & random,
            6 => has & (random | random.rotate_left(13) | zx::ZX_RIGHTS_BASIC),
            7 => 0,
            8 => has & !(1 << self.rng.below(32)),
            _ => has | 1 << self.rng.below(32),
        }
    }

    pub(super) fn pass(&mut self) -> Call {
        let handle = self.pick(Want::socket(zx::ZX_RIGHT_TRANSFER));
        self.pass_on(handle)
    }

    /// To the other process, if there is one.
    pub(super) fn pass_on(&self, handle: H) -> Call {
        let to = match self.setting.processes {
            1 => 0,
            _ => 1 - self.process,
        };
        Call::Pass { handle, to }
    }
}
