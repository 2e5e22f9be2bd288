//! Looking again for a while before going to sleep, as long as that pays.
//!
//! A sleep and a wake-up across CPUs cost tens of microseconds, a look costs ten nanoseconds. So a
//! waiter looks for some time before it sleeps, its *budget*, learned from how the last waits ended:
//!
//! - One that ended while looking allows the next twice the time that it took, and a margin. One that
//!   ended soon, between arming and sleeping, says the same.
//! - One that ended in a sleep takes half of the budget away, unless it is the first: one answer that is late is
//!   no reason to be late for the next. So a peer that is idle, or that cannot run because we keep its CPU
//!   busy, brings it to nothing.
//!
//! That alone has two stable states for a peer that answers at once: both sides look, or both
//! sleep. In the second each answer takes as long as waking the peer and being woken, which is more
//! than any budget that has shrunk. So every so often comes a *trial*: a few waits in a row look for
//! many times as long as the last sleep lasted. If the peer is one that answers promptly once it
//! is awake, the answers after the first come at once, and both are back in the first state. If
//! not, the next trial comes after twice as many waits. A sleep that lasts longer than any wake-up takes
//! leads to no trial.
//!
//! Many times as long, as a hypervisor likes to put a virtual CPU that is woken on the physical one of its
//! waker: as long as these two take turns in sleeping it does so each time, and only when both have wanted
//! to run for a millisecond or so does it part them. Trials as long as a sleep ended in vain then, all of them,
//! for seconds. In a trial that takes longer than the sleep did, a thread offers its CPU
//! to others, as the peer may be one that waits for it.
//!
//! A trial of one end succeeds if the other one looks a moment too, which its budget does not allow. But it
//! can see that it was answered before it had to wake anybody, and that its own answer woke nobody. So an
//! end whose peer was awake when asked *hopes*: it looks for a moment. Where both
//! are on one CPU the peer was only kept from going to sleep, and the hope keeps it from answering; so after
//! one that came to nothing the next comes after twice as many sleeps, and one that comes later than it might
//! looks for longer.
//!
//! Waits that do not look read no clock either, but for the one before a trial is due: after a rest, when
//! nothing is in the caches, that costs microseconds.

use std::time::{Duration, Instant};

use super::{Condition, Deadline, Park};
use crate::error::Result;

/// Most time that a wait looks: what one sleep and wake-up across CPUs costs, so a wait costs at
/// most twice the better choice.
const MOST: Duration = Duration::from_micros(25);
/// The same for tasks, which the reactor of a runtime wakes: from the ring to its thread running it takes 42 to
/// 54 us (the median, of three runs), where a futex takes 25 to 35. A request over hyper took 54 to 67 us
/// with 25 here, and 30 to 49 with 50.
#[cfg(feature = "_async")]
const MOST_OF_TASKS: Duration = Duration::from_micros(50);
/// The budget of a waiter that knows nothing yet.
const FIRST: Duration = Duration::from_micros(10);
/// What is added to twice the time that the last wait took.
const MARGIN: Duration = Duration::from_micros(2);
/// Least time that a hope looks. A peer that does nothing but answer does so within this time.
const HOPE: Duration = Duration::from_micros(5);
/// Sleeps that last longer are not due to slow wake-ups. An answer for which both ends sleep takes 80 to
/// 130 us where idle CPUs are slow to wake, and up to 440 where two virtual ones share one: with 100 us
/// here two ends stayed asleep for good, and with 250 now and then.
const WORTH_A_TRIAL: Duration = Duration::from_micros(500);
/// Waits of a trial: one in which the peer has to be woken, and one that shows what that was good for. With four,
/// 16 pairs that were not pinned were served less evenly (the slowest made 0.3 of the mean instead of 0.6), and round
/// trips with rests of 100 us took a fifth more CPU.
const TRIAL: u16 = 2;
/// How long each looks: so many times as long as the last sleep lasted, but no longer than this. Of trials
/// where virtual CPUs had to be parted, half ended within 0.7 ms, and one in seven took more than 2 ms.
const TRIAL_LOOKS: (u32, Duration) = (32, Duration::from_millis(2));
/// Sleeps between two trials, at first and at most.
const GAPS: [u16; 2] = [8, 1024];
/// Most sleeps until a trial after [`MOST_PROMPT`] prompt answers: a hypervisor that takes a CPU away for
/// a moment leaves both ends asleep.
const SOON: u16 = 2;
/// Most sleeps between two hopes: where all are in vain, as on one CPU, they take 1 % of the time. With more,
/// ends that could both be awake were not for as many round trips.
const MOST_HOPELESS: u16 = 63;
/// Waits in a row that are answered at once before a thread offers its CPU to others. Two that keep
/// each other from sleeping keep the CPUs too, for as long as the scheduler lets them; of 4
/// pairs of threads on 2 CPUs the one that was served least made 0.1 % of what it should. Once in so many
/// this costs 0.2 % where there are no others.
const MOST_PROMPT: u16 = 1024;
/// Looks between two readings of the clock.
pub(crate) const LOOKS: u32 = 16;

/// How long to look before sleeping, learned from how the last waits ended.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    enabled: bool,
    /// Most time that a wait looks.
    most: Nanos,
    budget: Nanos,
    /// Whether the last wait ended in a sleep.
    has_failed: bool,
    trial: Trial,
    /// Sleeps until the next trial, and between it and the one after.
    until_trial: u16,
    gap: u16,
    hope: Hope,
    /// Waits without a sleep that were answered at once.
    prompt: u16,
}

/// Waits that look longer than the budget allows.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    /// Waits that are left.
    left: u16,
    /// How long each looks.
    look: Nanos,
    /// How long the last sleep took.
    usual: Nanos,
}

/// What a wait may do before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How long it looks.
    pub(crate) look: Duration,
    /// After which time it offers the CPU to others between looks.
    pub(crate) usual: Duration,
}

/// When to hope for an answer of a peer that is awake.
#[derive(Clone, Copy, Debug, Default)]
struct Hope {
    /// Whether the wait under way is a hope.
    is_on: bool,
    /// Sleeps since the last one, and until there may be another.
    rested: u16,
    gap: u16,
}

impl Hope {
    /// How long one looks that begins now: the longer, the more sleeps it has rested, so that what is in vain takes
    /// no larger part of the time. `None` if it is too soon.
    fn look(self, most: Duration) -> Option<Duration> {
        let times = (self.rested / self.gap.max(1)).max(1);
        (self.rested >= self.gap).then(|| (HOPE * times.into()).min(most))
    }
}

/// A time of less than a second, kept small as every endpoint has some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nanos(u32);

impl Nanos {
    const ZERO: Self = Self(0);

    fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0.into())
    }
}

impl From<Duration> for Nanos {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX))
    }
}

/// A wait for which looking has ended without success.
#[derive(Debug)]
pub(super) struct Failed {
    /// When it began, if its time matters.
    start: Option<Instant>,
}

impl Spinner {
    /// A spinner that looks before it sleeps.
    pub fn adaptive() -> Self {
        Self {
            enabled: true,
            most: MOST.into(),
            budget: FIRST.into(),
            has_failed: false,
            trial: Trial::default(),
            until_trial: GAPS[0],
            gap: GAPS[0],
            hope: Hope::default(),
            prompt: 0,
        }
    }

    /// A spinner that lets every wait sleep at once.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::adaptive()
        }
    }

    /// Looks until `condition` holds (then the answer is `None`), the budget is used up, or
    /// `deadline` has passed.
    ///
    /// # Errors
    /// Whatever the condition reports.
    pub(super) fn spin<C: Condition>(
        &mut self,
        condition: &mut C,
        deadline: Deadline,
    ) -> Result<Option<Failed>> {
        let limit = self.limit();
        if limit.look.is_zero() {
            return Ok(Some(self.failed_unseen()));
        }
        // The clock is read after the first looks: a prompt answer does not wait for that.
        if look(condition)? {
            self.answered_at_once();
            return Ok(None);
        }
        let start = Instant::now();
        let mut now = start;
        while now - start < limit.look && !deadline.has_passed() {
            let is_overdue = now - start >= limit.usual;
            if is_overdue {
                std::thread::yield_now();
            }
            let found = look(condition)?;
            now = Instant::now();
            if found {
                // What took so long says nothing, nor how soon it came after the peer was let run.
                if !is_overdue {
                    self.answered(now - start);
                }
                return Ok(None);
            }
        }
        Ok(Some(Failed { start: Some(start) }))
    }

    /// A wait that does not look.
    fn failed_unseen(&self) -> Failed {
        let start = (self.until_trial <= 1).then(Instant::now);
        Failed { start }
    }

    /// Has a thread wait next.
    #[cfg(feature = "_async")]
    pub(crate) fn set_for_thread(&mut self) {
        self.most = MOST.into();
        self.budget.0 = self.budget.0.min(self.most.0);
    }

    /// Has a task wait next.
    #[cfg(feature = "_async")]
    pub(crate) fn set_for_task(&mut self) {
        self.most = MOST_OF_TASKS.into();
    }

    /// The peer was awake when it was asked for what the next wait is for.
    pub(crate) fn hope(&mut self) {
        if self.expects_an_answer() {
            return;
        }
        if let Some(look) = self.hope.look(self.most.into()) {
            self.hope.is_on = true;
            self.trial = Trial {
                left: 1,
                look: look.into(),
                usual: look.into(),
            };
        }
    }

    /// Whether the next wait will look before it sleeps.
    pub(crate) fn expects_an_answer(&self) -> bool {
        self.enabled && (self.trial.left > 0 || !self.budget.is_zero())
    }

    /// Whether it will if there is [reason to hope](Self::hope).
    #[cfg(feature = "_async")]
    pub(crate) fn could_look(&self) -> bool {
        self.enabled && (self.expects_an_answer() || self.hope.look(self.most.into()).is_some())
    }

    /// Whether it ever looks.
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How long the coming wait may look, and after which time it offers the CPU to others.
    pub(crate) fn limit(&mut self) -> Limit {
        let budget = Duration::from(self.budget);
        if self.trial.left == 0 {
            return Limit {
                look: budget,
                usual: budget,
            };
        }
        self.trial.left -= 1;
        Limit {
            look: budget.max(self.trial.look.into()),
            usual: budget.max(self.trial.usual.into()),
        }
    }

    /// A wait has ended with the first looks, as most do where two threads are awake.
    #[inline]
    pub(crate) fn answered_at_once(&mut self) {
        let has_doubts = self.trial.left > 0 || self.gap > GAPS[0] || self.hope.gap > 0;
        if has_doubts || Duration::from(self.budget) < MARGIN {
            self.answered(Duration::ZERO);
        }
        self.prompt += 1;
        if self.prompt == MOST_PROMPT {
            self.prompt = 0;
            self.until_trial = self.until_trial.min(SOON);
            std::thread::yield_now();
        }
    }

    /// A wait has ended while looking.
    pub(crate) fn answered(&mut self, took: Duration) {
        // A peer that had to be woken would have taken longer; if not, it may as well be waited for.
        if took <= self.most.into() {
            self.gap = GAPS[0];
            self.hope = Hope::default();
            self.trial.left = 0;
        } else if self.budget.is_zero() {
            // In a trial: the peer had to be woken. The next answer shows what that was good for.
            return;
        }
        self.has_failed = false;
        let due = (2 * took + MARGIN).min(self.most.into());
        self.budget = Duration::from(self.budget).max(due).into();
    }

    /// A wait has ended after looking had: in a sleep, or just before.
    pub(super) fn learn(&mut self, failed: &Failed, slept: bool) {
        match failed.start {
            Some(start) => self.ended(start.elapsed(), slept),
            None if slept => {
                self.prompt = 0;
                self.until_trial -= 1;
                self.hope.rested = self.hope.rested.saturating_add(1);
            }
            // Between arming and sleeping there is no time to speak of.
            None => self.answered(Duration::ZERO),
        }
    }

    /// The same, with the time that the wait took.
    pub(crate) fn ended(&mut self, took: Duration, slept: bool) {
        if !slept && took <= self.most.into() {
            return self.answered(took);
        }
        self.prompt = 0;
        // Of any wait, and not of occasions: where both sleep these come with the peer's trials only.
        self.hope.rested = self.hope.rested.saturating_add(1);
        self.looked_in_vain();
        self.until_trial -= 1;
        if self.until_trial > 0 {
            return;
        }
        self.until_trial = self.gap;
        if took <= WORTH_A_TRIAL {
            let (times, most) = TRIAL_LOOKS;
            self.trial = Trial {
                left: TRIAL,
                look: (times * took).min(most).into(),
                usual: took.into(),
            };
            self.gap = (2 * self.gap).min(GAPS[1]);
        }
    }

    /// A wait has ended for which looking was of no use.
    fn looked_in_vain(&mut self) {
        if self.hope.is_on {
            self.hope = Hope {
                gap: (2 * self.hope.gap + 1).min(MOST_HOPELESS),
                ..Hope::default()
            };
        }
        self.trial.left = 0;
        if self.has_failed {
            self.budget.0 /= 2;
        }
        self.has_failed = true;
        if Duration::from(self.budget) < Duration::from_micros(1) {
            self.budget = Nanos::ZERO;
        }
    }
}

/// Looks a few times.
#[inline]
fn look<C: Condition>(condition: &mut C) -> Result<bool> {
    for _ in 0..LOOKS {
        condition.mem().relax();
        if condition.holds()? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAKE_UP: Duration = Duration::from_micros(100);
    const REST: Duration = Duration::from_millis(10);

    /// So many waits that end in a sleep; says before which of them looking was allowed.
    fn sleep(spinner: &mut Spinner, times: usize, each: Duration) -> Vec<usize> {
        let looked = |_: &usize| {
            let looked = !spinner.limit().look.is_zero();
            spinner.ended(each, true);
            looked
        };
        (0..times).filter(looked).collect()
    }

    /// One whose budget is used up.
    fn asleep() -> Spinner {
        let mut spinner = Spinner::adaptive();
        let looked = sleep(&mut spinner, 5, REST);
        assert_eq!(
            looked,
            [0, 1, 2, 3, 4],
            "each sleep but the first takes half of the first budget"
        );
        spinner.until_trial = GAPS[0];
        spinner
    }

    #[test]
    fn idle_waits_look_no_more() {
        let mut spinner = asleep();
        assert_eq!(
            sleep(&mut spinner, 10_000, REST),
            [],
            "long sleeps lead to no trial"
        );
    }

    #[test]
    fn trials_become_rarer() {
        let mut spinner = asleep();
        let looked = sleep(&mut spinner, 5_000, WAKE_UP);
        let gaps: Vec<usize> = looked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(looked[0], usize::from(GAPS[0]));
        assert_eq!(gaps[..3], [8, 16, 32]);
        assert_eq!(gaps.last(), Some(&usize::from(GAPS[1])));
    }

    #[test]
    fn trial_looks_until_cpus_are_parted_and_a_prompt_answer_ends_it_for_good() {
        let mut spinner = asleep();
        sleep(&mut spinner, GAPS[0].into(), WAKE_UP);
        let limit = Limit {
            look: TRIAL_LOOKS.1,
            usual: WAKE_UP,
        };
        for _ in 0..TRIAL - 1 {
            assert_eq!(spinner.limit(), limit);
            // The peer had to be woken.
            spinner.answered(WAKE_UP / 2);
        }
        let answer = Duration::from_micros(1);
        spinner.answered(answer);
        assert_eq!(spinner.limit().look, 2 * answer + MARGIN);
        assert_eq!(
            spinner.limit().look,
            2 * answer + MARGIN,
            "and after the trial"
        );
        assert_eq!(spinner.gap, GAPS[0]);
    }

    #[test]
    fn trial_comes_soon_where_answers_were_prompt_for_long() {
        let mut spinner = Spinner::adaptive();
        for _ in 0..MOST_PROMPT {
            spinner.answered_at_once();
        }
        let absence = WORTH_A_TRIAL / 2;
        sleep(&mut spinner, SOON.into(), absence);
        assert_eq!(spinner.limit().look, TRIAL_LOOKS.1);
    }

    #[test]
    fn trial_of_late_answers_teaches_nothing() {
        let mut spinner = asleep();
        let quick = Duration::from_micros(3);
        sleep(&mut spinner, GAPS[0].into(), quick);
        for _ in 0..TRIAL {
            assert_eq!(spinner.limit().look, TRIAL_LOOKS.0 * quick);
            spinner.answered(WAKE_UP / 2);
        }
        assert_eq!(spinner.limit().look, Duration::ZERO);
    }

    #[test]
    fn one_late_answer_takes_nothing_away() {
        let mut spinner = Spinner::adaptive();
        let answer = MOST / 2;
        spinner.answered(answer);
        // Not as many as lead to a trial.
        for _ in 0..GAPS[0] / 2 {
            sleep(&mut spinner, 1, WAKE_UP);
            assert_eq!(spinner.limit().look, MOST);
            spinner.answered(answer);
        }
        sleep(&mut spinner, 2, WAKE_UP);
        assert_eq!(spinner.limit().look, MOST / 2, "but the second does");
    }

    #[test]
    fn answer_that_takes_as_long_as_a_wake_up_is_worth_waiting_for() {
        let mut spinner = asleep();
        sleep(&mut spinner, GAPS[0].into(), WAKE_UP);
        spinner.limit();
        spinner.answered(WAKE_UP / 2);
        assert_eq!(spinner.limit().usual, WAKE_UP);
        spinner.answered(MOST);
        assert_eq!(spinner.limit().look, MOST);
    }

    #[test]
    fn hope_looks_the_longer_the_longer_there_was_none() {
        let mut spinner = asleep();
        spinner.hope = Hope {
            gap: MOST_HOPELESS,
            ..Hope::default()
        };
        for (rests, expected) in [(1, HOPE), (2, 2 * HOPE), (4, 4 * HOPE), (100, MOST)] {
            sleep(&mut spinner, usize::from(MOST_HOPELESS) * rests, REST);
            spinner.hope();
            assert_eq!(spinner.limit().look, expected);
            spinner.ended(REST, true);
        }
    }

    #[test]
    fn hope_looks_for_a_prompt_answer_and_becomes_rarer_if_there_is_none() {
        let mut spinner = asleep();
        spinner.hope = Hope::default();
        let mut hoped = Vec::new();
        for occasion in 0..5_000 {
            spinner.hope();
            if !spinner.limit().look.is_zero() {
                assert_eq!(
                    spinner.hope.is_on.then_some(spinner.trial.look),
                    Some(HOPE.into())
                );
                hoped.push(occasion);
            }
            spinner.ended(REST, true);
        }
        let gaps: Vec<u16> = hoped.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..3], [2, 4, 8]);
        assert_eq!(gaps.last(), Some(&(MOST_HOPELESS + 1)));
    }

    #[test]
    fn prompt_answers_of_any_kind_give_hope_again() {
        let mut spinner = asleep();
        for _ in 0..100 {
            spinner.hope();
            spinner.limit();
            spinner.ended(REST, true);
        }
        assert_eq!(spinner.hope.gap, MOST_HOPELESS);
        spinner.budget = MOST.into();
        spinner.answered_at_once();
        assert_eq!(spinner.hope.gap, 0);
        sleep(&mut spinner, 10, REST);
        spinner.hope();
        assert_eq!(spinner.limit().look, MOST);
    }

    #[test]
    fn hope_that_comes_true_is_budget() {
        let mut spinner = asleep();
        spinner.hope();
        assert_ne!(spinner.limit().look, Duration::ZERO);
        spinner.answered(HOPE / 5);
        assert_eq!(spinner.limit().look, 2 * HOPE / 5 + MARGIN);
    }

    #[test]
    fn budget_has_a_limit() {
        let mut spinner = Spinner::adaptive();
        spinner.answered(20 * MOST);
        assert_eq!(spinner.limit().look, MOST);
    }

    #[cfg(feature = "_async")]
    #[test]
    fn thread_looks_no_longer_for_what_a_task_has_learned() {
        let mut spinner = Spinner::adaptive();
        spinner.set_for_task();
        spinner.answered(MOST_OF_TASKS);
        assert_eq!(spinner.limit().look, MOST_OF_TASKS);
        spinner.set_for_thread();
        assert_eq!(spinner.limit().look, MOST);
        spinner.answered(MOST_OF_TASKS);
        assert_eq!(spinner.limit().look, MOST);
    }

    #[test]
    fn wait_that_does_not_look_is_timed_only_before_a_trial() {
        let mut spinner = asleep();
        for left in (2..=GAPS[0]).rev() {
            assert_eq!(spinner.until_trial, left);
            let failed = spinner.failed_unseen();
            assert!(failed.start.is_none(), "{left}");
            spinner.learn(&failed, true);
        }
        assert!(spinner.failed_unseen().start.is_some());
        spinner.learn(&Failed { start: None }, false);
        assert_eq!(spinner.limit().look, MARGIN, "it did not come to a sleep");
    }
}
