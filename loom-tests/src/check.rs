//! Running a model, and seeing to it that its twins fail.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::BROKEN_CLAIM;
use crate::rules::{Fencing, Rules, Weakening};
use crate::trace;

/// A property, as a run that loom repeats in every possible way.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What happens in it.
    pub name: &'static str,
    /// How often loom interrupts a thread that could go on; `None` is without
    /// limit. Models that are too large without a limit say why theirs is enough.
    pub preemptions: Option<usize>,
    /// The run, which makes its [`claim!`](crate::claim)s.
    pub run: fn(Rules),
    /// How it can be made to fail.
    pub twins: &'static [Twin],
}

/// A model under rules under which it must fail.
#[derive(Clone, Copy, Debug)]
pub struct Twin {
    /// What it does without.
    pub weakening: Weakening,
    /// How it fails.
    pub failure: Failure,
}

/// How a model fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A [`claim!`](crate::claim) does not hold.
    Claim,
    /// A payload byte, or what a lock guards or a handle stands for, is written or
    /// freed while somebody else reads or writes it.
    Race,
    /// Nobody can go on: a wake-up was lost.
    Deadlock,
}

impl Failure {
    /// Which failure a panic reports; `None` for one that no twin may hide behind,
    /// such as a bug in the model.
    fn of(message: &str) -> Option<Self> {
        if message.starts_with(BROKEN_CLAIM) {
            Some(Self::Claim)
        } else if message.contains("Causality violation") {
            Some(Self::Race)
        } else if message.starts_with("deadlock;") {
            Some(Self::Deadlock)
        } else {
            None
        }
    }
}

/// A run that failed.
#[derive(Debug)]
pub struct Report {
    /// In which way, if it is one of those that a twin may have.
    pub failure: Option<Failure>,
    message: String,
    trace: String,
    executions: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message,
            trace,
            executions,
            ..
        } = self;
        write!(f, "execution {executions}: {message}\n{trace}")
    }
}

/// Explores `model` under `rules`; returns how many executions there are.
///
/// # Errors
/// The first execution that fails.
pub fn explore(model: &Model, rules: Rules) -> Result<usize, Report> {
    let mut builder = loom::model::Builder::new();
    // The environment may ask for a deeper or a shallower search.
    builder.preemption_bound = builder.preemption_bound.or(model.preemptions);
    let executions = Arc::new(AtomicUsize::new(0));
    let (run, count) = (model.run, Arc::clone(&executions));
    let result = silently(|| {
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            trace::clear();
            run(rules);
        });
    });
    let executions = executions.load(Ordering::Relaxed);
    match result {
        Ok(()) => Ok(executions),
        Err(payload) => {
            let message = message(payload.as_ref());
            Err(Report {
                failure: Failure::of(&message),
                message,
                trace: trace::render(),
                executions,
            })
        }
    }
}

/// Checks `model` as it is, in every execution.
///
/// # Panics
/// With a report if an execution fails.
pub fn must_hold(model: &Model, fencing: Fencing) {
    let rules = Rules {
        fencing,
        weakening: None,
        full_fences: 0,
    };
    match explore(model, rules) {
        Ok(executions) => {
            println!("{} ({rules}): {executions} executions", model.name);
            assert!(
                executions > 1,
                "a model with one execution explores nothing"
            );
        }
        Err(report) => panic!("{} ({rules}) fails in {report}", model.name),
    }
}

/// Checks that `model` fails when `twin` says that it must, in that way.
///
/// Twins run with asymmetric fences: those promise less, and hide nothing.
///
/// # Panics
/// If the model holds, or fails in another way.
pub fn must_fail(model: &Model, twin: Twin) {
    let rules = Rules {
        fencing: Fencing::Asymmetric,
        weakening: Some(twin.weakening),
        full_fences: 0,
    };
    match explore(model, rules) {
        Ok(executions) => panic!(
            "{} ({rules}) holds in all {executions} executions: the model is too weak, \
             or the protocol does more than it needs to",
            model.name
        ),
        Err(report) if report.failure == Some(twin.failure) => {
            println!("{} ({rules}): {:?} in {report}", model.name, twin.failure);
        }
        Err(report) => panic!(
            "{} ({rules}) should fail with {:?}, not in {report}",
            model.name, twin.failure
        ),
    }
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and catches its panic, without the message and the backtrace that
/// would be printed: for a twin it is no news, and `must_hold` tells it in full.
fn silently(f: impl FnOnce()) -> std::thread::Result<()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                usual(info);
            }
        }));
    });
    SILENT.set(true);
    // Nothing that `f` leaves half done is used again.
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    SILENT.set(false);
    result
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
