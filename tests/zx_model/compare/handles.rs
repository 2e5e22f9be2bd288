//! Which handle and which koid of the system stands for which of the reference.

use zocket::zx;

use super::{Difference, Pair, Run};
use crate::answers::{Answer, Out, Record};
use crate::calls::{Buffer, Call, H};
use crate::reference::Hint;
use crate::sequence::Step;
use crate::system::System;

impl<S: System> Run<'_, S> {
    /// Binds new handles to each other.
    pub(super) fn meet_handles(
        &mut self,
        step: &Step,
        expected: &Answer,
        answer: &Answer,
    ) -> Result<(), Difference> {
        let process = match step.call {
            Call::Pass { to, .. } => to,
            _ => step.process,
        };
        let made = expected.handles().iter().zip(answer.handles());
        let pairs: Vec<Pair> = made
            .map(|(&reference, &real)| Pair {
                process,
                reference,
                real,
            })
            .collect();
        if matches!(
            step.call,
            Call::Create { .. } | Call::PortCreate { .. } | Call::EventCreate { .. }
        ) {
            self.meet_koids(&pairs)?;
        }
        let names = step.made.unwrap_or_default()..;
        pairs
            .iter()
            .zip(names)
            .try_for_each(|(pair, name)| self.meet_handle(*pair, name))
    }

    fn meet_handle(&mut self, pair: Pair, name: u32) -> Result<(), Difference> {
        let fixed = zx::ZX_HANDLE_FIXED_BITS_MASK;
        if pair.real & fixed != fixed {
            return Err(format!("{:#x} has not both low bits set", pair.real));
        }
        if !self.used[usize::from(pair.process)].insert(pair.real) {
            return Err(format!("{:#x} is used again", pair.real));
        }
        let index = name as usize;
        self.pairs.resize(self.pairs.len().max(index + 1), None);
        self.pairs[index] = Some(pair);
        self.living.push(name);
        self.check_basic(pair)
    }

    /// Compares what is known of a new handle.
    fn check_basic(&mut self, pair: Pair) -> Result<(), Difference> {
        let call = |handle| Call::GetInfo {
            handle: H::Value(handle),
            topic: zx::ZX_INFO_HANDLE_BASIC,
            buffer: Buffer::good(32),
            actual: true,
            avail: true,
        };
        let expected = self
            .reference
            .answer(&call(pair.reference), Hint::default());
        let answer = self.system.call(pair.process, &call(pair.real));
        self.compare_answers(&expected, &answer, None)
            .map_err(|what| format!("the new handle {:#x}: {what}", pair.real))
    }

    /// Koids of new objects are new, and higher than all that the process has made before.
    fn meet_koids(&mut self, pairs: &[Pair]) -> Result<(), Difference> {
        let newest = pairs
            .first()
            .map_or(0, |pair| self.newest[usize::from(pair.process)]);
        for pair in pairs {
            let basic = self.get_info(pair.process, pair.real, zx::ZX_INFO_HANDLE_BASIC);
            let Some(Record::Basic { koid, .. }) = basic else {
                return Err(format!("no information about {:#x}: {basic:?}", pair.real));
            };
            if koid <= newest || koid >> 63 != 0 || self.koids.values().any(|old| *old == koid) {
                return Err(format!("koid {koid} after {newest} and {:?}", self.koids));
            }
            let process = usize::from(pair.process);
            self.newest[process] = self.newest[process].max(koid);
            let name = self.reference_koid(pair.reference);
            self.koids.insert(name, koid);
        }
        Ok(())
    }

    fn reference_koid(&mut self, handle: u32) -> u64 {
        let call = Call::GetInfo {
            handle: H::Value(handle),
            topic: zx::ZX_INFO_HANDLE_BASIC,
            buffer: Buffer::good(32),
            actual: false,
            avail: false,
        };
        match self.reference.answer(&call, Hint::default()).out {
            Out::Info {
                record: Some(Record::Basic { koid, .. }),
                ..
            } => koid,
            out => panic!("the handle was just made: {out:?}"),
        }
    }
}
