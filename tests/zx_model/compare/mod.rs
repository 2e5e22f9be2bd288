//! A system beside the reference: the same calls, and every difference an error.

mod handles;
mod report;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use zocket::zx;

use crate::answers::{Answer, Out, Packet, Record};
use crate::calls::{Buffer, Call, H};
use crate::coverage::Coverage;
use crate::reference::{Hint, Reference};
use crate::sequence::{Sequence, Step};
use crate::system::System;

/// What is different, and where.
pub(crate) type Difference = String;

/// A handle in both systems. Stays when the handle is closed: such ones are used, too.
#[derive(Clone, Copy, Debug)]
struct Pair {
    process: u8,
    reference: u32,
    real: u32,
}

/// What the two systems have in common so far.
#[derive(Debug)]
struct Run<'a, S: System> {
    reference: Reference,
    system: &'a mut S,
    /// Calls and answers are printed.
    aloud: bool,
    /// All handles are closed.
    finished: bool,
    coverage: &'a mut Coverage,
    /// By number of the handle.
    pairs: Vec<Option<Pair>>,
    /// Numbers of the handles that were not closed when last looked at.
    living: Vec<u32>,
    /// Handle values of the system, of each process.
    used: [HashSet<u32>; 2],
    /// Koids of the reference and what the system has in their place.
    koids: HashMap<u64, u64>,
    /// The highest koid of the system that each process has made.
    newest: [u64; 2],
    /// The last monotonic and boot times out of each port.
    times: HashMap<usize, [i64; 3]>,
}

/// Plays a sequence on both and compares everything after every step; at the end empties all
/// ports and closes all handles.
///
/// # Errors
/// The first difference.
pub(crate) fn compare<S: System>(
    sequence: &Sequence,
    system: S,
    coverage: &mut Coverage,
) -> Result<(), Difference> {
    play(sequence, system, coverage, false)
}

/// [`compare`], and prints every call with what the system answers.
///
/// # Errors
/// The first difference.
pub(crate) fn compare_aloud<S: System>(sequence: &Sequence, system: S) -> Result<(), Difference> {
    play(sequence, system, &mut Coverage::default(), true)
}

fn play<S: System>(
    sequence: &Sequence,
    mut system: S,
    coverage: &mut Coverage,
    aloud: bool,
) -> Result<(), Difference> {
    let mut run = Run {
        reference: Reference::new(0x00C0_FFEE),
        system: &mut system,
        aloud,
        finished: false,
        coverage,
        pairs: Vec::new(),
        living: Vec::new(),
        used: Default::default(),
        koids: HashMap::from([(0, 0)]),
        newest: [zx::ZX_KOID_FIRST - 1; 2],
        times: HashMap::new(),
    };
    for (index, step) in sequence.steps.iter().enumerate() {
        let at = |what| format!("call {index}, {step}\n{what}");
        run.step(step).map_err(at)?;
    }
    run.finish()?;
    run.coverage.add_notes(run.reference.notes());
    run.finished = true;
    drop(run);
    system.end();
    Ok(())
}

/// After a difference, or a panic of the system: what leaks would sooner or later make other
/// sequences fail, for want of descriptors.
impl<S> Drop for Run<'_, S>
where
    S: System,
{
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let all = (0..)
            .zip(&self.used)
            .flat_map(|(process, values)| values.iter().map(move |value| (process, *value)));
        let all: Vec<(u8, u32)> = all.collect();
        // A system that has panicked may well do so again, and has failed already.
        let _ = catch_unwind(AssertUnwindSafe(|| self.system.abandon(&all)));
    }
}

impl<S: System> Run<'_, S> {
    /// The status, unless the call could not be made.
    fn step(&mut self, step: &Step) -> Result<Option<i32>, Difference> {
        let Some((expected, real)) = self.resolve(step) else {
            return Ok(None);
        };
        let port = match &expected {
            Call::PortWait { port, .. } => self.reference.view(port.value()).map(|v| v.object),
            _ => None,
        };
        let answer = self.system.call(step.process, &real);
        if self.aloud {
            eprintln!("{step}\n        {}", report::short(&answer));
        }
        let hint = self.hint(step, &answer);
        let expected = self.reference.answer(&expected, hint);
        self.coverage.count_call(&step.call, &expected);
        self.compare_answers(&expected, &answer, port)?;
        self.meet_handles(step, &expected, &answer)?;
        self.compare_signals()?;
        Ok(Some(expected.status))
    }

    /// The call as either system is to get it; `None` if it cannot be made, because it names
    /// a handle that was not made, or is in another process.
    fn resolve(&self, step: &Step) -> Option<(Call, Call)> {
        let (mut expected, mut real) = (step.call.clone(), step.call.clone());
        let mut known = true;
        let mut look = |handle: &mut H, value: fn(&Pair) -> u32| match *handle {
            H::Named(name) => match self.pairs.get(name as usize) {
                Some(Some(pair)) if pair.process == step.process => {
                    *handle = H::Value(value(pair));
                }
                _ => known = false,
            },
            H::Value(value) => known &= self.is_free(step.process, value),
        };
        expected.visit_handles(&mut |handle| look(handle, |pair| pair.reference));
        real.visit_handles(&mut |handle| look(handle, |pair| pair.real));
        known.then_some((expected, real))
    }

    /// Whether the value is a handle nowhere.
    fn is_free(&self, process: u8, value: u32) -> bool {
        let used = &self.used[usize::from(process)];
        !used.contains(&value) && self.reference.view(value).is_none()
    }

    /// What the system chose.
    fn hint(&mut self, step: &Step, answer: &Answer) -> Hint {
        let packet = match answer.out {
            Out::Packet(packet) => Some(packet),
            _ => None,
        };
        let capacity = match (&step.call, answer.handles()) {
            (Call::Create { .. }, [handle, _]) => self.capacity_of(step.process, *handle),
            _ => None,
        };
        Hint { capacity, packet }
    }

    fn get_info(&mut self, process: u8, handle: u32, topic: u32) -> Option<Record> {
        let call = Call::GetInfo {
            handle: H::Value(handle),
            topic,
            buffer: Buffer::good(48),
            actual: false,
            avail: false,
        };
        match self.system.call(process, &call).out {
            Out::Info { record, .. } => record,
            _ => None,
        }
    }

    fn capacity_of(&mut self, process: u8, handle: u32) -> Option<usize> {
        match self.get_info(process, handle, zx::ZX_INFO_SOCKET)? {
            Record::Socket { rx_max, .. } => Some(rx_max),
            _ => None,
        }
    }

    fn compare_answers(
        &mut self,
        expected: &Answer,
        answer: &Answer,
        port: Option<usize>,
    ) -> Result<(), Difference> {
        let same = match (&expected.out, &answer.out) {
            (Out::Handles(expected), Out::Handles(got)) => expected.len() == got.len(),
            (Out::Packet(expected), Out::Packet(got)) => {
                let port = port.expect("a packet is out of a port");
                self.is_same_packet(expected, got, port)
            }
            (Out::Info { .. }, _) => self.with_real_koids(&expected.out) == answer.out,
            (expected, got) => expected == got,
        };
        match same && expected.status == answer.status {
            true => Ok(()),
            false => Err(report::differ(expected, answer)),
        }
    }

    fn is_same_packet(&mut self, expected: &Packet, got: &Packet, port: usize) -> bool {
        let clock = expected.timestamp() as usize;
        let time = got.timestamp();
        let last = &mut self.times.entry(port).or_default()[clock];
        let in_time = match clock {
            0 => time == 0,
            _ => time > 0 && time >= *last,
        };
        *last = time;
        in_time && expected.timeless() == got.timeless()
    }

    /// What the reference says, with the koids of the system.
    fn with_real_koids(&self, out: &Out) -> Out {
        let mut out = out.clone();
        if let Out::Info {
            record: Some(Record::Basic { koid, related, .. }),
            ..
        } = &mut out
        {
            for koid in [koid, related] {
                *koid = self.koids.get(koid).copied().unwrap_or(u64::MAX);
            }
        }
        out
    }

    /// One living handle with the right WAIT to every object that has one.
    fn watched(&mut self) -> Vec<(u32, Pair)> {
        let mut living = std::mem::take(&mut self.living);
        let (mut objects, mut watched) = (Vec::new(), Vec::new());
        living.retain(|name| {
            let pair = self.pairs[*name as usize].expect("it was bound");
            let Some(view) = self.reference.view(pair.reference) else {
                return false;
            };
            if view.is_waitable() && !objects.contains(&view.object) {
                objects.push(view.object);
                watched.push((*name, pair));
            }
            true
        });
        self.living = living;
        watched
    }

    fn compare_signals(&mut self) -> Result<(), Difference> {
        let watched = self.watched();
        let ask: Vec<_> = watched.iter().map(|(_, p)| (p.process, p.real)).collect();
        let expect: Vec<_> = watched.iter().map(|(_, p)| (0, p.reference)).collect();
        let got = self.system.signals(&ask);
        let expected = self.reference.signals(&expect);
        for (index, (name, _)) in watched.iter().enumerate() {
            self.coverage.count_signals(expected[index]);
            if expected[index] != got[index] {
                let (expected, got) = (expected[index], got[index]);
                return Err(format!(
                    "signals of h{name}: expected {expected:#x}, got {got:#x}"
                ));
            }
        }
        Ok(())
    }

    /// Takes all packets out of all ports, then closes everything.
    fn finish(&mut self) -> Result<(), Difference> {
        for name in 0..self.pairs.len() as u32 {
            while self.drain(name)? {}
        }
        for name in 0..self.pairs.len() as u32 {
            let close = Call::Close {
                handle: H::Named(name),
            };
            self.last_step(name, close)?;
        }
        Ok(())
    }

    /// Takes one packet out of a port. Whether there may be more.
    fn drain(&mut self, name: u32) -> Result<bool, Difference> {
        let Some(Some(pair)) = self.pairs.get(name as usize) else {
            return Ok(false);
        };
        let view = self.reference.view(pair.reference);
        if view.is_none_or(|view| view.r#type != zx::ZX_OBJ_TYPE_PORT) {
            return Ok(false);
        }
        let deadline = zx::ZX_TIME_INFINITE_PAST;
        let port = H::Named(name);
        let status = self.last_step(name, Call::PortWait { port, deadline })?;
        Ok(status == Some(zx::ZX_OK))
    }

    /// A call that no sequence holds, with a handle, by the process that has it.
    fn last_step(&mut self, name: u32, call: Call) -> Result<Option<i32>, Difference> {
        let Some(Some(pair)) = self.pairs.get(name as usize) else {
            return Ok(None);
        };
        let step = Step {
            process: pair.process,
            made: None,
            call,
        };
        let at = |what| format!("in the end, {step}\n{what}");
        self.step(&step).map_err(at)
    }
}
