//! The same calls with the two endpoints of a socket in two processes, and with endpoints
//! that move from one to the other and back.

use zocket::zx;

use crate::answers::{Answer, Out};
use crate::calls::Call;
use crate::coverage::Wanted;
use crate::engine::{Engine, arrive};
use crate::harness::{Plan, check};
use crate::ops::Setting;
use crate::reference::CAPACITY;
use crate::remote::Remote;
use crate::system::System;

const PLAN: Plan = Plan {
    name: "two_processes",
    cases: 600,
    setting: Setting {
        processes: 2,
        passing: true,
        steps: 256,
        capacity: CAPACITY,
    },
    wanted: Wanted {
        rarity: 100_000,
        unreachable: &[],
    },
};

/// Process 0 is this one, process 1 a child.
#[derive(Debug)]
struct TwoProcesses {
    here: Engine,
    there: Remote,
}

impl TwoProcesses {
    fn start() -> Self {
        Self {
            here: Engine::default(),
            there: Remote::start("zx_engine"),
        }
    }

    fn pass(&mut self, from: u8, handle: u32) -> zx::Result<Out> {
        match from {
            0 => zx::handle_to_fd(handle).map(|fd| self.there.give(fd)),
            _ => {
                let fd = self.there.take(handle)?;
                Ok(Out::Handles(vec![arrive(fd)]))
            }
        }
    }
}

impl System for TwoProcesses {
    fn call(&mut self, process: u8, call: &Call) -> Answer {
        match (call, process) {
            (Call::Pass { handle, to }, _) if *to != process => {
                self.pass(process, handle.value()).into()
            }
            (_, 0) => self.here.call(0, call),
            _ => self.there.call(call),
        }
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        let of = |process| handles.iter().filter(move |(p, _)| *p == process);
        let here: Vec<_> = of(0).copied().collect();
        let mut here = self.here.signals(&here).into_iter();
        let there = of(1).map(|(_, handle)| *handle).collect();
        let mut there = self.there.signals(there).into_iter();
        let next = |(process, _): &(u8, u32)| match process {
            0 => here.next(),
            _ => there.next(),
        };
        handles.iter().filter_map(next).collect()
    }

    /// The child is killed, with all that it has.
    fn abandon(&mut self, handles: &[(u8, u32)]) {
        let here = handles.iter().filter(|(process, _)| *process == 0);
        let here: Vec<_> = here.copied().collect();
        self.here.abandon(&here);
    }

    fn end(self) {
        self.there.end();
    }
}

#[test]
fn engine_in_two_processes_answers_as_the_reference_does() {
    check(PLAN, TwoProcesses::start);
}

/// The reference, all of it in a child: the sequences and the conversation, without an engine.
#[derive(Debug)]
struct Elsewhere(Remote);

impl System for Elsewhere {
    fn call(&mut self, _: u8, call: &Call) -> Answer {
        self.0.call(call)
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        self.0
            .signals(handles.iter().map(|(_, handle)| *handle).collect())
    }

    fn abandon(&mut self, _: &[(u8, u32)]) {}

    fn end(self) {
        self.0.end();
    }
}

#[test]
fn reference_elsewhere_agrees_with_the_reference_here() {
    let plan = Plan {
        name: "reference_elsewhere",
        cases: 200,
        wanted: Wanted {
            rarity: u64::MAX,
            ..PLAN.wanted
        },
        ..PLAN
    };
    check(plan, || Elsewhere(Remote::start("zx_reference")));
}
