//! Chooses calls. It has a reference of its own, so that it knows what would be interesting:
//! sizes around what fits, handles that are closed or of the wrong type, cancelling of what
//! was registered.

mod control;
mod handles;
mod moods;
mod picks;
mod transfer;
mod waits;

use std::collections::HashMap;

use moods::{Deed, MOODS, Mood};
use picks::Want;

use crate::calls::{Call, H};
use crate::reference::{Hint, Reference, SocketView, View};
use crate::sequence::Step;
use crate::support_processes::rng::Rng;
use zocket::zx;

/// What kind of sequences to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// 1 or 2.
    pub processes: u8,
    /// Endpoints move, from one process to the other or out of the only one and in again.
    pub passing: bool,
    pub steps: usize,
    /// Of sockets that are made without saying one.
    pub capacity: usize,
}

/// The capacity of most sockets: a page, soon full.
const SMALL: usize = 4096;
/// Handles beyond which more are closed than made.
const MANY: usize = 20;
/// Steps after which the mood changes.
const MOOD: usize = 16;

/// A handle that was made, maybe closed since; or one that could have been made.
#[derive(Clone, Copy, Debug)]
struct Made {
    process: u8,
    /// In the generator's reference. 0 if the call failed.
    value: u32,
}

/// A registration that was made, maybe gone since.
#[derive(Clone, Copy, Debug)]
struct Registered {
    process: u8,
    port: H,
    source: H,
    key: u64,
}

/// An endless sequence.
#[derive(Debug)]
pub(crate) struct Generator {
    rng: Rng,
    setting: Setting,
    reference: Reference,
    made: Vec<Made>,
    /// Numbers of those that are not closed.
    living: Vec<u32>,
    registered: Vec<Registered>,
    /// For a port, a key and wanted signals, the only source and options that use them.
    makers: HashMap<(usize, u64, u32), (H, u32)>,
    mood: Mood,
    left: usize,
    /// A handle that is used more than others.
    focus: Option<u32>,
    /// Where the content of the next write begins.
    position: u64,
    /// The process that makes the present call.
    process: u8,
    /// An endpoint in the same process as its peer, just made.
    together: Option<u32>,
}

impl Generator {
    pub(crate) fn new(seed: u64, setting: Setting) -> Self {
        Self {
            rng: Rng::new(seed),
            setting,
            reference: Reference::new(0),
            made: Vec::new(),
            living: Vec::new(),
            registered: Vec::new(),
            makers: HashMap::new(),
            mood: Mood::Everything,
            left: MOOD,
            focus: None,
            position: seed >> 1,
            process: 0,
            together: None,
        }
    }

    fn change_mood(&mut self) {
        self.mood = self.rng.weighted(MOODS);
        self.left = 1 + self.rng.below(2 * MOOD);
        let sockets = self.connected(self.candidates(Want::socket(0)));
        self.focus = (!sockets.is_empty()).then(|| self.rng.pick(&sockets));
    }

    fn choose(&mut self) -> Call {
        if let Some(name) = self.together.take()
            && self.rng.chance(80)
        {
            self.process = self.made[name as usize].process;
            return self.pass_on(H::Named(name));
        }
        let connected = self.connected(self.candidates(Want::socket(0)));
        if connected.len() < 2 && self.rng.chance(30) {
            return self.create();
        }
        if self.living.len() > MANY && self.rng.chance(40) {
            return self.close();
        }
        let deed = self.rng.weighted(self.mood.deeds());
        match deed {
            Deed::Write => self.write(),
            Deed::Read => self.read(),
            Deed::Disposition => self.disposition(),
            Deed::Threshold => self.threshold(),
            Deed::Signal => self.signal(),
            Deed::Info => self.info(),
            Deed::Wait => self.wait(),
            Deed::Async => self.wait_async(),
            Deed::Port => self.port(),
            Deed::Make => self.make(),
            Deed::Handle => self.exchange(),
            Deed::Close => self.close(),
            Deed::Pass if self.setting.passing => self.pass(),
            Deed::Pass => self.info(),
        }
    }

    /// Carries the call out, to know what comes of it.
    fn carry_out(&mut self, call: Call) -> Step {
        let mut looked_up = call.clone();
        looked_up.visit_handles(&mut |handle| {
            if let H::Named(name) = *handle {
                *handle = H::Value(self.made[name as usize].value);
            }
        });
        let hint = Hint {
            capacity: match call {
                Call::Create { capacity, .. } => capacity.or(Some(self.setting.capacity)),
                _ => None,
            },
            packet: None,
        };
        let answer = self.reference.answer(&looked_up, hint);
        let first = self.made.len() as u32;
        let process = match call {
            Call::Pass { to, .. } => to,
            _ => self.process,
        };
        for index in 0..call.makes() {
            let made = answer.handles().get(index as usize);
            let value = made.copied().unwrap_or(zx::ZX_HANDLE_INVALID);
            self.made.push(Made { process, value });
            self.living.push(first + index);
        }
        self.living.retain(|name| {
            let value = self.made[*name as usize].value;
            self.reference.view(value).is_some()
        });
        if matches!(call, Call::Create { .. }) && self.setting.processes == 2 {
            self.together = answer.handles().first().map(|_| first);
        }
        Step {
            process: self.process,
            made: (call.makes() > 0).then_some(first),
            call,
        }
    }

    fn view(&self, name: u32) -> Option<View> {
        self.reference.view(self.made[name as usize].value)
    }

    fn socket(&self, handle: H) -> Option<SocketView> {
        match handle {
            H::Named(name) => self.view(name)?.socket,
            H::Value(_) => None,
        }
    }

    fn key(&mut self) -> u64 {
        self.rng.pick(&[0, 1, 2, u64::MAX])
    }

    fn deadline(&mut self) -> i64 {
        self.rng.pick(&[zx::ZX_TIME_INFINITE_PAST, 0, -1, 1])
    }
}

impl Iterator for Generator {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        self.process = self.rng.below(self.setting.processes.into()) as u8;
        match self.left {
            0 => self.change_mood(),
            _ => self.left -= 1,
        }
        let call = self.choose();
        Some(self.carry_out(call))
    }
}
