//! Plays many sequences against a system, on as many threads as there are processors, but
//! not more than four: which sequences a seed stands for depends on that.
//!
//! - `ZOCKET_SEED`: the seed of all random choices; printed by every run.
//! - `ZOCKET_MODEL_CASES`: sequences of every test, in place of what it says itself.
//! - `ZOCKET_MODEL_REPLAY`: a file that contains a printed sequence (among other lines, if it
//!   must be), to be played aloud by every test in place of random ones.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use zocket::zx;

use crate::answers::{Out, Record};
use crate::calls::{Buffer, Call, H};
use crate::compare::{Difference, compare, compare_aloud};
use crate::coverage::{Coverage, Wanted};
use crate::ops::Setting;
use crate::sequence::{Sequence, Sequences};
use crate::system::System;

/// Attempts to make a failing sequence smaller.
const SHRINKING: u32 = 20_000;

/// A number out of the environment.
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

/// The seed of a test; says how to get the same one again.
fn seed(name: &str) -> u64 {
    let seed = variable("ZOCKET_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.expect("the clock is past 1970").as_nanos() as u64
    });
    eprintln!("{name}: ZOCKET_SEED={seed}");
    seed
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub name: &'static str,
    pub cases: u32,
    pub setting: Setting,
    /// What must have been reached when no variable has changed the number of cases.
    pub wanted: Wanted,
}

/// Plays random sequences, or the one to be replayed, and asserts that they reached enough.
///
/// # Panics
/// On a difference, with the shortest sequence found that leads to one.
pub(crate) fn check<S: System>(plan: Plan, system: impl Fn() -> S + Sync) {
    if let Ok(path) = std::env::var("ZOCKET_MODEL_REPLAY") {
        return replay(&path, system());
    }
    let plan = Plan {
        setting: Setting {
            capacity: default_capacity(system()).unwrap_or(plan.setting.capacity),
            ..plan.setting
        },
        ..plan
    };
    let (seed, begin) = (seed(plan.name), Instant::now());
    let coverage = explore(plan, seed, &system);
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{}: {seconds:.1} s, {coverage}", plan.name);
    coverage.assert_wide(&plan.wanted);
}

/// The capacity of a socket that is made without saying one, if sockets can be made.
fn default_capacity<S: System>(mut system: S) -> Option<usize> {
    let (options, capacity) = (0, None);
    let made = system.call(0, &Call::Create { options, capacity });
    let handles: Vec<H> = made
        .handles()
        .iter()
        .map(|handle| H::Value(*handle))
        .collect();
    let info = Call::GetInfo {
        handle: *handles.first()?,
        topic: zx::ZX_INFO_SOCKET,
        buffer: Buffer::good(48),
        actual: false,
        avail: false,
    };
    let info = system.call(0, &info);
    system.call(0, &Call::CloseMany { handles });
    system.end();
    match info.out {
        Out::Info {
            record: Some(Record::Socket { rx_max, .. }),
            ..
        } => Some(rx_max),
        _ => None,
    }
}

fn replay<S: System>(path: &str, system: S) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let sequence = Sequence::parse(&text);
    compare_aloud(&sequence, system).unwrap_or_else(|difference| panic!("{difference}"));
}

fn explore<S: System>(plan: Plan, seed: u64, system: &(impl Fn() -> S + Sync)) -> Coverage {
    let cases = variable("ZOCKET_MODEL_CASES").map_or(plan.cases, |cases| cases as u32);
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(4) as u32;
    let explore = |thread: u32| {
        let seed = seed.wrapping_add(thread.into());
        shrunk(cases.div_ceil(threads), seed, plan.setting, system)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|n| scope.spawn(move || explore(n)))
            .collect();
        let mut sum = Coverage::default();
        for thread in threads {
            let explored = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            sum.add(&explored.unwrap_or_else(|report| panic!("{report}")));
        }
        sum
    })
}

/// Plays so many sequences.
///
/// # Errors
/// The difference that the shortest failing sequence leads to, and that sequence.
pub(crate) fn shrunk<S: System>(
    cases: u32,
    seed: u64,
    setting: Setting,
    system: &impl Fn() -> S,
) -> Result<Coverage, Difference> {
    let coverage = Mutex::new(Coverage::default());
    let play = |sequence: Sequence| {
        // A panic of the engine leaves counts that nobody reads.
        let mut coverage = coverage
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        compare(&sequence, system(), &mut coverage).map_err(TestCaseError::fail)
    };
    match runner(cases, seed).run(&Sequences(setting), play) {
        Ok(()) => Ok(coverage
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner())),
        Err(error) => Err(error.to_string()),
    }
}

fn runner(cases: u32, seed: u64) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: SHRINKING,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
