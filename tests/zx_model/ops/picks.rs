//! Which handles calls are made with.

use zocket::zx;

use super::Generator;
use crate::calls::H;

/// What handle is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) r#type: u32,
    pub(super) rights: u32,
}

impl Want {
    pub(super) fn socket(rights: u32) -> Self {
        let r#type = zx::ZX_OBJ_TYPE_SOCKET;
        Self { r#type, rights }
    }

    pub(super) fn port(rights: u32) -> Self {
        let r#type = zx::ZX_OBJ_TYPE_PORT;
        Self { r#type, rights }
    }

    pub(super) fn event(rights: u32) -> Self {
        let r#type = zx::ZX_OBJ_TYPE_EVENT;
        Self { r#type, rights }
    }
}

impl Generator {
    /// The living handles of the present process that are wanted.
    pub(super) fn candidates(&self, want: Want) -> Vec<u32> {
        let wanted = |name: &u32| {
            let here = self.made[*name as usize].process == self.process;
            here && self.view(*name).is_some_and(|view| {
                view.r#type == want.r#type && view.rights & want.rights == want.rights
            })
        };
        self.living.iter().copied().filter(wanted).collect()
    }

    /// Those of them that are endpoints with a living peer.
    pub(super) fn connected(&self, mut names: Vec<u32>) -> Vec<u32> {
        names.retain(|name| {
            let socket = self.view(*name).and_then(|view| view.socket);
            socket.is_some_and(|socket| socket.peer.is_some())
        });
        names
    }

    /// A handle; mostly one that is wanted, often one that is not, sometimes none at all.
    pub(super) fn pick(&mut self, want: Want) -> H {
        match self.rng.below(100) {
            0..84 => self.pick_wanted(want),
            84..91 => self.pick_lacking(want),
            91..95 => self.pick_living(),
            95..98 => self.pick_made(),
            _ => self.pick_garbage(),
        }
    }

    pub(super) fn pick_wanted(&mut self, want: Want) -> H {
        let candidates = self.candidates(want);
        if let Some(focus) = self.focus.filter(|focus| candidates.contains(focus))
            && self.rng.chance(50)
        {
            return H::Named(focus);
        }
        let connected = self.connected(candidates.clone());
        if !connected.is_empty() && self.rng.chance(70) {
            return H::Named(self.rng.pick(&connected));
        }
        match candidates.is_empty() {
            true => self.pick_living(),
            false => H::Named(self.rng.pick(&candidates)),
        }
    }

    /// One of the right type without all the rights, if there is such a one.
    pub(super) fn pick_lacking(&mut self, want: Want) -> H {
        let mut lacking = self.candidates(Want { rights: 0, ..want });
        lacking.retain(|name| {
            let rights = self.view(*name).map_or(0, |view| view.rights);
            rights & want.rights != want.rights
        });
        match lacking.is_empty() {
            true => self.pick_living(),
            false => H::Named(self.rng.pick(&lacking)),
        }
    }

    pub(super) fn pick_living(&mut self) -> H {
        let here = |name: &u32| self.made[*name as usize].process == self.process;
        let living: Vec<u32> = self.living.iter().copied().filter(here).collect();
        match living.is_empty() {
            true => self.pick_garbage(),
            false => H::Named(self.rng.pick(&living)),
        }
    }

    /// One of those made lately, closed or not.
    pub(super) fn pick_made(&mut self) -> H {
        let names = 0..self.made.len() as u32;
        let here = |name: &u32| {
            let made = self.made[*name as usize];
            made.process == self.process && made.value != zx::ZX_HANDLE_INVALID
        };
        let made: Vec<u32> = names.rev().filter(here).take(30).collect();
        match made.is_empty() {
            true => self.pick_garbage(),
            false => H::Named(self.rng.pick(&made)),
        }
    }

    /// A number that is no handle: the player of the sequence sees to that.
    pub(super) fn pick_garbage(&mut self) -> H {
        let random = self.rng.next() as u32;
        H::Value(match self.rng.below(6) {
            0 | 1 => 0,
            2 => 3,
            3 => u32::MAX,
            4 => random | 3,
            _ => random & !1,
        })
    }
}
