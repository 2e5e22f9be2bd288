//! One half of an endpoint, of either role and kind: the core's reader or writer,
//! and when to wait, to ask the kernel, to give up.

use std::hint;
use std::sync::Arc;
#[cfg(feature = "_async")]
use std::time::Duration;

use super::lane::Lane;
use super::link::Link;
use super::misses::{Miss, Misses};
use crate::endpoint::signals::State;
use crate::endpoint::{Reader, Writer};
use crate::error::{Error, Result};
use crate::layout::Kind;
use crate::mem::Role;
use crate::observe::List;
use crate::signals::Disposition;
#[cfg(feature = "_async")]
use crate::wait::Limit;
use crate::wait::{Deadline, LOOKS, Spinner};

/// Most pauses for which a half that has caught up with its peer looks away: 20 to 60 measured the
/// same.
const MOST_PAUSES: usize = 24;
/// Bytes of capacity for each of them.
const PAUSE_PER: usize = 8 << 10;

/// The half that reads.
pub(crate) type Receiving = Half<Reader<Lane>>;
/// The half that writes.
pub(crate) type Sending = Half<Writer<Lane>>;

/// A half of an endpoint.
#[derive(Debug)]
pub(crate) struct Half<E: End> {
    end: E,
    spinner: Spinner,
    misses: Misses,
    /// Bytes that the endpoint had written when it last took a stream for one.
    answers: u64,
    /// Bytes that it had written, and wake-ups that it had made, when it last waited for an answer.
    asked: (u64, u32),
}

/// How many bytes a call waits for, queued ones or free ones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// All of these.
    All(usize),
    /// A useful part of these.
    Part(usize),
}

/// What reader and writer have in common.
pub(crate) trait End: Sized {
    const ROLE: Role;
    fn attach(lane: Lane, kind: Kind, capacity: usize) -> Result<Self>;
    fn lane(&self) -> &Lane;
    fn total(&self) -> u64;
    /// Bytes queued or free as last seen.
    fn seen(&self) -> u64;
    /// Bytes queued or free in a state of the endpoint.
    fn amount(state: &State) -> u64;
    /// The state of the endpoint with as many bytes queued or free.
    fn with_amount(state: State, bytes: u64) -> State;
    /// Whether this end may be on the heels of the peer, which does better with some space between them.
    fn is_on_heels(&self) -> bool;
    /// Whether it is: then the peer works at this moment.
    fn peer_is_working(&mut self) -> bool;
    fn wait(&mut self, want: Want, spinner: &mut Spinner, deadline: Deadline) -> Result<()>;
    fn arm(&mut self, want: Want) -> Result<bool>;
    /// Whether a call that wants a byte would go on.
    #[cfg(feature = "_async")]
    fn check(&mut self) -> Result<()>;
}

impl End for Reader<Lane> {
    const ROLE: Role = Role::Consumer;

    fn attach(lane: Lane, kind: Kind, capacity: usize) -> Result<Self> {
        Self::attach(lane, kind, capacity)
    }

    #[inline(always)]
    fn lane(&self) -> &Lane {
        self.mem()
    }

    #[inline(always)]
    fn total(&self) -> u64 {
        self.total()
    }

    fn seen(&self) -> u64 {
        self.ring().queued()
    }

    fn amount(state: &State) -> u64 {
        state.queued
    }

    fn with_amount(state: State, bytes: u64) -> State {
        state.with_queued(bytes)
    }

    #[inline(always)]
    fn is_on_heels(&self) -> bool {
        self.is_on_heels()
    }

    fn peer_is_working(&mut self) -> bool {
        self.producer_is_writing(hint::spin_loop)
    }

    fn wait(&mut self, want: Want, spinner: &mut Spinner, deadline: Deadline) -> Result<()> {
        match want {
            Want::All(least) => self.wait(least, spinner, deadline),
            // Any data is useful.
            Want::Part(_) => self.wait(1, spinner, deadline),
        }
    }

    fn arm(&mut self, want: Want) -> Result<bool> {
        match want {
            Want::All(least) => self.arm(least),
            Want::Part(_) => self.arm(1),
        }
    }

    #[cfg(feature = "_async")]
    fn check(&mut self) -> Result<()> {
        self.available(1).map(drop)
    }
}

impl End for Writer<Lane> {
    const ROLE: Role = Role::Producer;

    fn attach(lane: Lane, kind: Kind, capacity: usize) -> Result<Self> {
        Self::attach(lane, kind, capacity)
    }

    #[inline(always)]
    fn lane(&self) -> &Lane {
        self.mem()
    }

    #[inline(always)]
    fn total(&self) -> u64 {
        self.total()
    }

    fn seen(&self) -> u64 {
        self.free()
    }

    fn amount(state: &State) -> u64 {
        state.free
    }

    fn with_amount(state: State, bytes: u64) -> State {
        state.with_free(bytes)
    }

    #[inline(always)]
    fn is_on_heels(&self) -> bool {
        false
    }

    fn peer_is_working(&mut self) -> bool {
        false
    }

    fn wait(&mut self, want: Want, spinner: &mut Spinner, deadline: Deadline) -> Result<()> {
        match want {
            Want::All(least) => self.wait(least, spinner, deadline),
            Want::Part(len) => self.wait_some(len, spinner, deadline),
        }
    }

    fn arm(&mut self, want: Want) -> Result<bool> {
        match want {
            Want::All(least) => self.arm(least),
            Want::Part(len) => self.arm_some(len),
        }
    }

    #[cfg(feature = "_async")]
    fn check(&mut self) -> Result<()> {
        self.check_space(1)
    }
}

impl<E: End> Half<E> {
    /// The half of `link` in this role.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the positions in its memory are impossible.
    pub(crate) fn new(link: Arc<Link>) -> Result<Self> {
        let (kind, capacity) = (link.header().kind, link.header().capacity);
        let end = E::attach(Lane::new(Arc::clone(&link), E::ROLE), kind, capacity)?;
        link.add_half();
        Ok(Self {
            end,
            spinner: Spinner::adaptive(),
            misses: Misses::default(),
            answers: 0,
            asked: (0, 0),
        })
    }

    #[inline(always)]
    pub(crate) fn link(&self) -> &Arc<Link> {
        self.end.lane().link()
    }

    /// The core's reader or writer, for grants that outlive an attempt.
    #[inline(always)]
    pub(crate) fn end(&mut self) -> &mut E {
        &mut self.end
    }

    /// Carries out `call` without waiting.
    #[inline(always)]
    pub(crate) fn attempt<T>(&mut self, mut call: impl FnMut(&mut E) -> Result<T>) -> Result<T> {
        if !self.is_unobserved() {
            return self.attempt_observed(call);
        }
        self.fall_back();
        match call(&mut self.end) {
            Ok(value) => Ok(value),
            Err(error) => self.attempt_again(error, call),
        }
    }

    /// Whether the endpoint works here and nobody waits for its signals, so that what costs little
    /// may be tried with [`end`](Self::end) before an [`attempt`](Self::attempt): that is compiled into
    /// the caller, with the attempt out of line behind it.
    #[inline(always)]
    pub(crate) fn is_unobserved(&self) -> bool {
        self.link().is_unobserved()
    }

    /// As [`attempt`](Self::attempt), for results that an error can be made part of.
    ///
    /// Such a result, if it fits into a register, stays there: what the calls that are out of
    /// line return is not put where the usual result would have to go too. (Both made of one that is
    /// generic over `From<Result<T>>`: 8 % slower for a `Result`.)
    #[inline(always)]
    pub(crate) fn attempt_as<T: From<Error>>(
        &mut self,
        mut call: impl FnMut(&mut E) -> Result<T>,
    ) -> T {
        if !self.is_unobserved() {
            return self.attempt_observed_as(call);
        }
        self.fall_back();
        match call(&mut self.end) {
            Ok(value) => value,
            Err(error) => self.attempt_again_as(error, call),
        }
    }

    #[cold]
    #[inline(never)]
    fn attempt_again_as<T: From<Error>>(
        &mut self,
        error: Error,
        call: impl FnMut(&mut E) -> Result<T>,
    ) -> T {
        self.attempt_again(error, call).unwrap_or_else(T::from)
    }

    #[cold]
    #[inline(never)]
    fn attempt_observed_as<T: From<Error>>(&mut self, call: impl FnMut(&mut E) -> Result<T>) -> T {
        self.attempt_observed(call).unwrap_or_else(T::from)
    }

    /// Out of line, so that the first attempt is compiled into its caller.
    #[cold]
    #[inline(never)]
    fn attempt_again<T>(
        &mut self,
        error: Error,
        mut call: impl FnMut(&mut E) -> Result<T>,
    ) -> Result<T> {
        if self.look_into(error) {
            call(&mut self.end)
        } else {
            Err(error)
        }
    }

    /// Carries out `call` while somebody waits for signals: under the observers' lock, so
    /// that they see the state before and the one after. Or does not, if the endpoint does not work.
    #[cold]
    #[inline(never)]
    fn attempt_observed<T>(&mut self, mut call: impl FnMut(&mut E) -> Result<T>) -> Result<T> {
        self.link().check_owner()?;
        let link = Arc::clone(self.link());
        let result = observed(&mut self.end, &link, &mut call);
        result.or_else(|error| self.attempt_again(error, call))
    }

    /// Counts a call that finds nothing, and does what that calls for; says whether the peer turns out
    /// to be gone.
    #[inline(always)]
    fn has_learned_of_hang_up(&mut self) -> bool {
        match self.misses.count(self.end.total()) {
            Miss::Usual => false,
            Miss::Ask => !self.link().is_watched() && self.link().look_for_hang_up(),
            Miss::CaughtUp => {
                self.let_peer_get_ahead();
                false
            }
        }
    }

    /// On the heels of the peer, lets it get ahead.
    #[inline(always)]
    fn fall_back(&mut self) {
        if self.end.is_on_heels() && self.end.peer_is_working() {
            self.let_peer_get_ahead();
        }
    }

    /// Looks away for a moment, a short one if the ring is small: about a microsecond, in which the
    /// peer can read, or write, no more than a part of what it holds. (A pause takes 30 to 90 ns on
    /// processors of today.)
    #[cold]
    #[inline(never)]
    fn let_peer_get_ahead(&mut self) {
        let link = self.end.lane().link();
        // What was asked for is no stream: its other end waits for each answer.
        let answers = match E::ROLE {
            Role::Consumer => link.written(),
            Role::Producer => 0,
        };
        let is_asked = answers != self.answers;
        self.answers = answers;
        if is_asked || !link.settings.busy_wait() {
            return;
        }
        for _ in 0..(link.header().capacity / PAUSE_PER).min(MOST_PAUSES) {
            hint::spin_loop();
        }
    }

    /// Does what an error calls for; says whether the answer may be another now.
    fn look_into(&mut self, error: Error) -> bool {
        match error {
            Error::WouldBlock => self.has_learned_of_hang_up(),
            Error::Protocol(violation) => {
                self.link().disconnect(violation);
                false
            }
            _ => false,
        }
    }

    /// Carries out `call`; while that would block, waits for what it wants, until
    /// `deadline`. On a non-blocking endpoint, does not wait.
    pub(super) fn complete<T>(
        &mut self,
        deadline: impl FnOnce(&Link) -> Deadline,
        want: Want,
        mut call: impl FnMut(&mut E) -> Result<T>,
    ) -> Result<T> {
        match self.attempt(&mut call) {
            Err(Error::WouldBlock) if !self.link().settings.nonblocking() => {}
            result => return result,
        }
        // Only a call that has to wait looks at the clock.
        let deadline = deadline(self.link());
        self.complete_later(deadline, want, call)
    }

    /// As [`complete`](Self::complete), where the call has just been seen to block.
    fn complete_later<T>(
        &mut self,
        deadline: Deadline,
        want: Want,
        mut call: impl FnMut(&mut E) -> Result<T>,
    ) -> Result<T> {
        loop {
            self.wait(want, deadline)?;
            match self.attempt(&mut call) {
                Err(Error::WouldBlock) if self.link().is_gone() => return self.attempt_last(call),
                Err(Error::WouldBlock) if deadline.has_passed() => return Err(Error::TimedOut),
                Err(Error::WouldBlock) => {}
                result => return result,
            }
        }
    }

    /// Carries out `call` now that the kernel has shown that the peer is gone: what that wrote before is
    /// there. If it would block even so, what ended the wait was taken back: by a peer that had writing
    /// disabled for a moment, or an enemy.
    #[cold]
    #[inline(never)]
    fn attempt_last<T>(&mut self, call: impl FnMut(&mut E) -> Result<T>) -> Result<T> {
        match self.attempt(call) {
            Err(Error::WouldBlock) => Err(Error::PeerClosed),
            result => result,
        }
    }

    /// The deadline of a call that has none of its own.
    pub(super) fn usual_deadline(link: &Link) -> Deadline {
        link.settings.deadline(E::ROLE)
    }

    /// Waits for what is wanted, or until there will be no more of it.
    pub(super) fn wait(&mut self, want: Want, deadline: Deadline) -> Result<()> {
        self.link().check_owner()?;
        let result = if self.link().settings.busy_wait() {
            #[cfg(feature = "_async")]
            self.spinner.set_for_thread();
            if self.has_asked_one_awake() {
                self.spinner.hope();
            }
            self.end.wait(want, &mut self.spinner, deadline)
        } else {
            self.end.wait(want, &mut Spinner::disabled(), deadline)
        };
        match result {
            // Nothing to wait for any more: what there is can be had without waiting.
            Err(Error::PeerClosed) => Ok(()),
            result => self.disconnect_if_broken(result),
        }
    }

    /// Whether the endpoint has written since it last waited to read, and the peer was awake.
    fn has_asked_one_awake(&mut self) -> bool {
        if E::ROLE == Role::Producer {
            return false;
        }
        let (written, wake_ups) = (self.link().written(), self.link().wake_ups());
        let before = std::mem::replace(&mut self.asked, (written, wake_ups));
        written != before.0 && wake_ups == before.1
    }

    /// How long a task that begins to wait may look.
    #[cfg(feature = "_async")]
    pub(super) fn begin_wait(&mut self) -> Limit {
        if !self.link().settings.busy_wait() {
            return Limit::default();
        }
        self.spinner.set_for_task();
        if self.has_asked_one_awake() {
            self.spinner.hope();
        }
        self.spinner.limit()
    }

    /// Whether a task that begins to wait looks, if it has asked a peer that is awake.
    #[cfg(feature = "_async")]
    pub(super) fn would_look(&self) -> bool {
        self.link().settings.busy_wait() && self.spinner.could_look()
    }

    /// The wait of a task has ended after so long, in a sleep or while it looked.
    #[cfg(feature = "_async")]
    pub(super) fn end_wait(&mut self, took: Duration, slept: bool) {
        match slept {
            true => self.spinner.ended(took, true),
            false => self.spinner.answered(took),
        }
    }

    /// Whether a call that wants a byte would not block.
    #[cfg(feature = "_async")]
    pub(super) fn check(&mut self) -> Result<()> {
        self.attempt(E::check)
    }

    /// Arms the doorbell for what is wanted; says whether it did, or that was there.
    pub(super) fn arm(&mut self, want: Want) -> Result<bool> {
        let armed = self.arm_unlooked(want)?;
        // A peer that was killed will not ring, and its hang-up, which a poller sees,
        // should not be the only sign.
        Ok(armed && !self.link().look_for_hang_up())
    }

    /// As [`arm`](Self::arm), for one to whom the hang-up is sign enough.
    pub(super) fn arm_unlooked(&mut self, want: Want) -> Result<bool> {
        self.link().check_owner()?;
        let result = self.end.arm(want);
        self.disconnect_if_broken(result)
    }

    /// Ends writing in this half's direction, as nobody will write, or read, it any more.
    pub(super) fn shut_down(&self) {
        let disabled = Disposition::WriteDisabled;
        let (own, peer) = match E::ROLE {
            Role::Producer => (disabled, Disposition::Unchanged),
            Role::Consumer => (Disposition::Unchanged, disabled),
        };
        // In a fork the endpoint is the parent's, and goes on.
        let _ = self.link().shut_down(own, peer);
    }

    fn disconnect_if_broken<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error @ Error::Protocol(_)) = result {
            self.look_into(error);
        }
        result
    }
}

impl Receiving {
    /// After a cheap call that read nothing: whether nothing is there and that is
    /// all there is to say. Then the call would block, and that is counted. If not, an
    /// [`attempt`](Self::attempt) tells.
    #[inline(always)]
    pub(super) fn finds_nothing(&mut self) -> bool {
        self.end.is_idle() && !self.has_learned_of_hang_up()
    }

    /// Receives into `buf`: `cheaply`, or by `call`, which can do and tells everything; until `deadline`. On
    /// a non-blocking endpoint, does not wait.
    #[inline(always)]
    pub(super) fn receive(
        &mut self,
        buf: &mut [u8],
        deadline: impl FnOnce(&Link) -> Deadline,
        cheaply: impl Fn(&mut Reader<Lane>, &mut [u8]) -> Option<usize>,
        call: impl Fn(&mut Reader<Lane>, &mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        let want = Want::All(1);
        if !self.is_unobserved() || self.link().settings.nonblocking() {
            return self.complete(deadline, want, |reader| call(reader, buf));
        }
        if let Some(len) = cheaply(&mut self.end, buf) {
            return Ok(len);
        }
        if !self.finds_nothing() {
            return self.complete(deadline, want, |reader| call(reader, buf));
        }
        if let Some(len) = self.look_for_a_moment(|reader| cheaply(reader, buf)) {
            return Ok(len);
        }
        // What is cheap has just been in use, and all the rest may be in no cache.
        let deadline = deadline(self.link());
        self.complete_later(deadline, want, |reader| match cheaply(reader, buf) {
            Some(len) => Ok(len),
            None => call(reader, buf),
        })
    }

    /// Tries what costs little a few times, if answers have come at once of late. On the way to a wait,
    /// and back, an answer that takes 100 ns would be late.
    fn look_for_a_moment<T>(
        &mut self,
        mut cheaply: impl FnMut(&mut Reader<Lane>) -> Option<T>,
    ) -> Option<T> {
        if !self.link().settings.busy_wait() || !self.spinner.expects_an_answer() {
            return None;
        }
        for _ in 0..LOOKS {
            if let Some(value) = cheaply(&mut self.end) {
                self.spinner.answered_at_once();
                return Some(value);
            }
            // Something that costs more: it is there, and no look will make it cheaper.
            if !self.end.ring().is_known_empty() {
                return None;
            }
            hint::spin_loop();
        }
        None
    }
}

/// Carries out `call` under the lock of the endpoint's observers, and shows them the state before and
/// the one after.
pub(super) fn observed<E: End, T>(end: &mut E, link: &Link, call: impl FnOnce(&mut E) -> T) -> T {
    link.with_observers(|list| {
        link.look_once(list);
        let before = end.total();
        let result = call(end);
        let moved = end.total().wrapping_sub(before);
        if moved > 0 {
            show_move::<E>(list, end.seen() + moved, moved);
        }
        // Threads have been told if they cannot be told of what is to come; the call was made.
        let _ = link.look_and_arm(list);
        result
    })
}

/// Shows observers that so many bytes were there, as far as a call has seen, and some of them are no more.
pub(super) fn show_move<E: End>(list: &mut List<State>, seen: u64, moved: u64) {
    // What the call saw was there before it moved any of it, whoever looked; what the last
    // look saw was there too, even if the call had no need to see it.
    let there = E::amount(list.before()).max(seen);
    list.look(E::with_amount(*list.before(), there));
    list.note(E::with_amount(*list.before(), there - moved));
}

/// The last half closes the endpoint; the peer sees it before the drop returns.
impl<E: End> Drop for Half<E> {
    fn drop(&mut self) {
        self.link().drop_half();
    }
}

/// The end of the data as `Read` reports it: nothing read, and no error.
#[inline(always)]
pub(super) fn end_is_zero(result: Result<usize>) -> Result<usize> {
    match result {
        Err(Error::PeerClosed | Error::WriteDisabled) => Ok(0),
        result => result,
    }
}

#[cfg(all(test, feature = "_async"))]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn thread_does_not_look_as_long_as_the_task_before_it() -> Result<()> {
        let links = Builder::new().links(Kind::Stream)?;
        let mut receiving = Receiving::new(Arc::clone(&links[0]))?;
        receiving.begin_wait();
        receiving.end_wait(Duration::from_millis(1), false);
        let task = receiving.begin_wait();

        let over = Deadline::after(Duration::ZERO);
        let nothing = receiving.wait(Want::All(1), over);
        assert_eq!(nothing, Err(Error::TimedOut));
        assert_eq!(receiving.spinner.limit().look, task.look / 2);
        assert_eq!(receiving.begin_wait().look, task.look / 2);
        Ok(())
    }

    #[test]
    fn what_the_peer_wrote_before_it_went_is_read() -> Result<()> {
        let links = Builder::new().links(Kind::Stream)?;
        let mut receiving = Receiving::new(Arc::clone(&links[0]))?;
        links[0].hang_up();
        let mut attempts = 0;
        let read = receiving.complete_later(Deadline::NEVER, Want::All(1), |_| {
            attempts += 1;
            match attempts {
                1 => Err(Error::WouldBlock),
                _ => Ok(5),
            }
        });
        assert_eq!(read, Ok(5));
        Ok(())
    }
}
