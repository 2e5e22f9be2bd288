//! Section 12. Nobody else runs, so a wait whose condition does not hold ends at once.

use zocket::zx::{self, Status};

use super::{Note, Reference};
use crate::answers::{Answer, Out, UNTOUCHED};
use crate::calls::{Call, Item};

const OPTIONS: u32 =
    zx::ZX_WAIT_ASYNC_TIMESTAMP | zx::ZX_WAIT_ASYNC_EDGE | zx::ZX_WAIT_ASYNC_BOOT_TIMESTAMP;
const BOTH_CLOCKS: u32 = zx::ZX_WAIT_ASYNC_TIMESTAMP | zx::ZX_WAIT_ASYNC_BOOT_TIMESTAMP;

/// A notification that was asked for and has not fired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    /// The very handle that it was made with.
    pub(super) handle: u32,
    pub(super) port: super::Id,
    pub(super) key: u64,
    pub(super) wanted: u32,
    pub(super) options: u32,
}

impl Registration {
    pub(super) fn is_edge(&self) -> bool {
        self.options & zx::ZX_WAIT_ASYNC_EDGE != 0
    }

    pub(super) fn fires(&self, now: u32, risen: u32) -> bool {
        now & self.wanted != 0 && (!self.is_edge() || risen != 0)
    }
}

impl Reference {
    pub(super) fn answer_wait(&mut self, call: &Call) -> Answer {
        match call {
            Call::WaitOne {
                handle,
                signals,
                observed,
                ..
            } => self.wait_one(handle.value(), *signals, *observed),
            Call::WaitMany { items, .. } => self.wait_many(items),
            Call::WaitAsync {
                handle,
                port,
                key,
                signals,
                options,
            } => {
                let registration = Registration {
                    handle: handle.value(),
                    port: 0,
                    key: *key,
                    wanted: *signals,
                    options: *options,
                };
                self.wait_async(port.value(), registration).into()
            }
            _ => unreachable!("{call:?} is for others"),
        }
    }

    fn wait_one(&mut self, handle: u32, wanted: u32, observed: bool) -> Answer {
        let out = |signals| match observed {
            true => Out::Observed(signals),
            false => Out::Nothing,
        };
        match self.lookup_waitable(handle) {
            Err(status) => Answer::with(Err(status), out(UNTOUCHED)),
            Ok(object) => {
                let now = self.signals_of(object);
                Answer::with(held(now & wanted != 0), out(now))
            }
        }
    }

    fn wait_many(&mut self, items: &[Item]) -> Answer {
        let untouched = Out::Pending(vec![UNTOUCHED; items.len()]);
        if items.len() > zx::ZX_WAIT_MANY_MAX_ITEMS {
            return Answer::with(Err(Status::OUT_OF_RANGE), untouched);
        }
        let look = |item: &Item| {
            let object = self.lookup_waitable(item.handle.value())?;
            Ok(self.signals_of(object))
        };
        let now: Vec<u32> = match items.iter().map(look).collect() {
            Ok(now) => now,
            Err(status) => return Answer::with(Err(status), untouched),
        };
        let met = items
            .iter()
            .zip(&now)
            .any(|(item, now)| item.signals & now != 0);
        Answer::with(held(met), Out::Pending(now))
    }

    fn wait_async(&mut self, port: u32, registration: Registration) -> zx::Result {
        let options = registration.options;
        if options & !OPTIONS != 0 || options & BOTH_CLOCKS == BOTH_CLOCKS {
            return Err(Status::INVALID_ARGS);
        }
        let port = self.lookup_port(port, zx::ZX_RIGHT_WRITE)?;
        let object = self.lookup_waitable(registration.handle)?;
        let registration = Registration {
            port,
            ..registration
        };
        let now = self.signals_of(object);
        if !registration.is_edge() && registration.wanted & now != 0 {
            self.note(Note::LevelFiredAtOnce);
            self.queue_signals(&registration, now);
        } else {
            self.objects[object].registrations.push(registration);
        }
        Ok(())
    }

    pub(super) fn fire(&mut self, registration: &Registration, now: u32, risen: u32) {
        let unrelated = registration.wanted & risen == 0;
        self.note_fired(registration.is_edge(), unrelated);
        self.queue_signals(registration, now);
    }

    /// Drops the registrations that `doomed` names, and says how many those were.
    pub(super) fn drop_registrations(&mut self, doomed: impl Fn(&Registration) -> bool) -> usize {
        let mut count = 0;
        for object in &mut self.objects {
            let before = object.registrations.len();
            object
                .registrations
                .retain(|registration| !doomed(registration));
            count += before - object.registrations.len();
        }
        count
    }
}

fn held(met: bool) -> zx::Result {
    match met {
        true => Ok(()),
        false => Err(Status::TIMED_OUT),
    }
}
