//! Sequences of calls: as text, and as values that proptest generates and shrinks.

use std::fmt;
use std::rc::Rc;

use proptest::prelude::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::calls::Call;
use crate::ops::{Generator, Setting};
use crate::text::Word;

/// A call, who makes it, and what the handles that it makes are called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub process: u8,
    /// Number of the first handle that the call makes, if it makes any when it succeeds.
    pub made: Option<u32>,
    pub call: Call,
}

/// Calls in their order.
///
/// Handles are named by the step that made them, so that the rest keeps its meaning when
/// steps are left out.
#[derive(Clone, PartialEq)]
pub(crate) struct Sequence {
    /// What it was generated from.
    pub seed: u64,
    pub steps: Rc<[Step]>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("p{} ", self.process);
        if let Some(made) = self.made {
            text.push_str(&format!("h{made} = "));
        }
        self.call.put(&mut text);
        f.write_str(&text)
    }
}

impl Step {
    fn take(line: &str) -> Option<Self> {
        let (process, rest) = line.split_once(' ')?;
        let process = u8::take(process.strip_prefix('p')?)?;
        let (made, call) = match rest.split_once(" = ") {
            Some((made, call)) => (Some(made.strip_prefix('h')?.parse().ok()?), call),
            None => (None, rest),
        };
        let call = Call::take(&mut call.split(' '))?;
        if made.is_some() != (call.makes() > 0) {
            return None;
        }
        Some(Self {
            process,
            made,
            call,
        })
    }
}

/// One call a line, to be replayed.
impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} calls, from seed {}; ZOCKET_MODEL_REPLAY=file plays a file with them:",
            self.steps.len(),
            self.seed
        )?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl Sequence {
    pub(crate) fn generate(seed: u64, setting: Setting) -> Self {
        let steps = Generator::new(seed, setting).take(setting.steps).collect();
        Self { seed, steps }
    }

    /// The steps of a printed sequence; lines that do not begin with a process are skipped.
    ///
    /// # Panics
    /// On a line that does and is none of a sequence.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| line.starts_with("p0 ") || line.starts_with("p1 "));
        let step = |line: &str| Step::take(line).unwrap_or_else(|| panic!("not a step: {line}"));
        Self {
            seed: 0,
            steps: lines.map(step).collect(),
        }
    }
}

/// Makes sequences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequences(pub(crate) Setting);

impl Strategy for Sequences {
    type Tree = Shrinking;
    type Value = Sequence;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        Ok(Shrinking::new(Sequence::generate(seed, self.0)))
    }
}

/// Where the next attempt to make a sequence smaller is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attempt {
    /// Leave out so many steps from this one on.
    Remove {
        at: usize,
        count: usize,
    },
    /// Make this step smaller.
    Reduce {
        at: usize,
    },
    Over,
}

/// A sequence on its way to a smaller one that still fails: first ever fewer steps, in ever
/// finer portions, then smaller ones.
#[derive(Debug)]
pub(crate) struct Shrinking {
    seed: u64,
    steps: Rc<[Step]>,
    /// What to go back to if the present steps do not fail.
    failing: Rc<[Step]>,
    next: Attempt,
    /// The one that led to the present steps.
    last: Attempt,
    /// Whether anything was left out since the portions were this large.
    progress: bool,
}

impl Shrinking {
    pub(crate) fn new(sequence: Sequence) -> Self {
        let count = sequence.steps.len().div_ceil(2);
        Self {
            seed: sequence.seed,
            failing: sequence.steps.clone(),
            steps: sequence.steps,
            next: Attempt::Remove { at: 0, count },
            last: Attempt::Over,
            progress: false,
        }
    }

    /// Makes the next attempt, if there is one left.
    fn attempt(&mut self) -> bool {
        self.steps = self.failing.clone();
        loop {
            self.last = self.next;
            match self.next {
                Attempt::Remove { at, count } if at < self.steps.len() => {
                    self.next = Attempt::Remove {
                        at: at + count,
                        count,
                    };
                    self.steps = without(&self.steps, at, count);
                    return true;
                }
                Attempt::Remove { count, .. } => self.next = self.finer(count),
                Attempt::Reduce { at } if at < self.steps.len() => {
                    self.next = Attempt::Reduce { at: at + 1 };
                    if let Some(steps) = reduced(&self.steps, at) {
                        self.steps = steps;
                        return true;
                    }
                }
                Attempt::Reduce { .. } | Attempt::Over => {
                    self.next = Attempt::Over;
                    return false;
                }
            }
        }
    }

    fn finer(&mut self, count: usize) -> Attempt {
        let again = std::mem::take(&mut self.progress);
        match count {
            1 if again => Attempt::Remove { at: 0, count },
            1 => Attempt::Reduce { at: 0 },
            _ => Attempt::Remove {
                at: 0,
                count: count / 2,
            },
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Sequence;

    fn current(&self) -> Sequence {
        Sequence {
            seed: self.seed,
            steps: self.steps.clone(),
        }
    }

    /// The present steps fail.
    fn simplify(&mut self) -> bool {
        self.failing = self.steps.clone();
        match self.last {
            // What came after them has moved to where they were.
            Attempt::Remove { .. } => {
                self.progress = true;
                self.next = self.last;
            }
            Attempt::Reduce { .. } => self.next = self.last,
            Attempt::Over => (),
        }
        self.attempt()
    }

    /// The present steps do not fail: goes back, and on to the next attempt at once.
    fn complicate(&mut self) -> bool {
        self.attempt()
    }
}

fn without(steps: &[Step], at: usize, count: usize) -> Rc<[Step]> {
    let end = steps.len().min(at + count);
    [&steps[..at], &steps[end..]].concat().into()
}

fn reduced(steps: &[Step], at: usize) -> Option<Rc<[Step]>> {
    let call = steps[at].call.smaller()?;
    let mut steps = steps.to_vec();
    steps[at].call = call;
    Some(steps.into())
}

#[test]
fn printed_sequence_reads_back_as_it_was() {
    let setting = Setting {
        processes: 2,
        passing: true,
        steps: 5_000,
        capacity: 4096,
    };
    let sequence = Sequence::generate(1, setting);
    let read = Sequence::parse(&format!("some words before\n{sequence:?}and after"));
    assert_eq!(read.steps, sequence.steps);
}
