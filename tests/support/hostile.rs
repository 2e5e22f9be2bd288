//! Memory whose words and bytes are whatever an [`Enemy`] says at each load.
//!
//! Underneath lies honest memory, so an enemy can lie about one load and tell the
//! truth about all others. Every copy is checked against the area here, loads
//! are counted for each call so that an endless loop is a failure and not a
//! hang, and a [`Judge`] who follows the positions on its own decides which answers
//! a correct end must refuse, and whether it ever publishes what it may not.

use std::cell::{Cell, RefCell};

use zocket::protocol::{
    Deadline, Fence, Memory, Notify, Park, Role, Site, Wake, Word32, Word64, waiter,
};
use zocket::{Error, Kind, Result};

use super::heap::Heap;

/// A way in which a value reaches us from shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A load of a 64-bit word.
    Load64(Word64, Site),
    /// A load of a 32-bit word.
    Load32(Word32, Site),
    /// The result of a read-modify-write.
    Change(Word32, Site),
    /// What an exchange finds instead of what it expects.
    Exchange32(Word32, Site),
    /// The same of a 64-bit word.
    Exchange64(Word64, Site),
    /// A copy out of the data area.
    Bytes,
}

/// An access by us in one of our two roles.
pub(crate) type Target = (Role, Access);

/// What an enemy is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// The access that it may lie about.
    pub(crate) target: Target,
    /// How many accesses of this kind came before.
    pub(crate) nth: u32,
    /// What is really there.
    pub(crate) honest: u64,
    /// Our own position in this direction, as we published it last.
    pub(crate) own: u64,
    /// Payload bytes of the direction.
    pub(crate) capacity: u64,
}

/// Who decides what a load returns.
pub(crate) trait Enemy {
    /// The value to return for a word.
    fn word(&mut self, ask: Ask) -> u64;
    /// Changes the bytes of a copy; `dst` holds what is really there.
    fn bytes(&mut self, ask: Ask, dst: &mut [u8]);
}

/// No enemy at all.
pub(crate) struct Honest;

impl Enemy for Honest {
    fn word(&mut self, ask: Ask) -> u64 {
        ask.honest
    }

    fn bytes(&mut self, _: Ask, _: &mut [u8]) {}
}

/// Follows the positions of one direction from what was loaded and stored, with
/// arithmetic of its own.
#[derive(Clone, Copy, Debug)]
struct Judge {
    role: Role,
    capacity: u64,
    tail: u64,
    head: u64,
    attaching: bool,
    /// A position was answered that no correct peer publishes.
    guilty: bool,
}

impl Judge {
    fn new(role: Role, capacity: u64) -> Self {
        Self {
            role,
            capacity,
            tail: 0,
            head: 0,
            attaching: true,
            guilty: false,
        }
    }

    /// Bytes queued between two positions, if they can be: positions count
    /// modulo 2^64, so the distance is exact in 128 bits whichever way they wrap.
    fn distance(&self, tail: u64, head: u64) -> Option<u64> {
        let (tail, head) = (u128::from(tail), u128::from(head));
        let ahead = if tail >= head {
            tail - head
        } else {
            tail + (1 << 64) - head
        };
        u64::try_from(ahead).ok().filter(|n| *n <= self.capacity)
    }

    fn queued(&self) -> u64 {
        self.distance(self.tail, self.head).unwrap_or(0)
    }

    fn saw(&mut self, word: Word64, value: u64) {
        if self.attaching {
            match word {
                Word64::Tail => self.tail = value,
                _ => self.head = value,
            }
            return;
        }
        match (self.role, word) {
            // The tail may only grow, up to a full ring.
            (Role::Consumer, Word64::Tail) => match self.distance(value, self.head) {
                Some(queued) if queued >= self.queued() => self.tail = value,
                _ => self.guilty = true,
            },
            // The head may only grow, up to the tail.
            (Role::Producer, Word64::Head) => match self.distance(self.tail, value) {
                Some(queued) if queued <= self.queued() => self.head = value,
                _ => self.guilty = true,
            },
            _ => {}
        }
    }

    /// Our own end publishes: it may not go beyond what it has seen.
    fn publishes(&mut self, word: Word64, value: u64) {
        let before = self.queued();
        match (self.role, word) {
            (Role::Producer, Word64::Tail) => {
                assert!(
                    !self.guilty || value == self.tail,
                    "wrote after a violation"
                );
                let queued = self.distance(value, self.head);
                assert!(
                    queued.is_some_and(|queued| queued >= before),
                    "published tail {value} over {self:?}"
                );
                self.tail = value;
            }
            (Role::Consumer, Word64::Head) => {
                assert!(!self.guilty || value == self.head, "read after a violation");
                let queued = self.distance(self.tail, value);
                assert!(
                    queued.is_some_and(|queued| queued <= before),
                    "published head {value} over {self:?}"
                );
                self.head = value;
            }
            _ => {}
        }
    }
}

/// The two directions of one endpoint, the enemy at the other end, and the books.
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) capacity: usize,
    /// Where we write; the peer reads it honestly through the heap.
    pub(crate) outgoing: Heap,
    /// Where we read.
    pub(crate) incoming: Heap,
    enemy: RefCell<Box<dyn Enemy>>,
    judges: [Cell<Judge>; 2],
    /// How often each target was accessed.
    counts: RefCell<Vec<(Target, u32)>>,
    /// Targets of which a lie was told.
    attacked: RefCell<Vec<Target>>,
    /// Loads of the current call.
    loads: Cell<u32>,
    /// Most loads that a call may make.
    pub(crate) load_limit: Cell<u32>,
    /// As many more may the current call make.
    extra_loads: Cell<u32>,
    /// The current call looks at positions for no end of a direction.
    onlooker: Cell<bool>,
    /// How often the current call told the peer to look.
    alerts: Cell<u32>,
    /// Sleeps of the current call.
    sleeps: Cell<u32>,
    /// Wake-ups for nothing before each deadline passes.
    pub(crate) false_wakes: Cell<u32>,
    /// Which heavy fence from here on is refused, if any: a sandbox, not the peer.
    pub(crate) refuse_fence: Cell<Option<u32>>,
    /// Whether one was refused in the current call.
    fence_refused: Cell<bool>,
}

impl World {
    /// Directions of `capacity` that begin at `position`, with `enemy` at the other end.
    pub(crate) fn new(kind: Kind, capacity: usize, position: u64, enemy: Box<dyn Enemy>) -> Self {
        let area = match kind {
            Kind::Stream => capacity,
            Kind::Datagram => 2 * capacity,
        };
        let (outgoing, incoming) = (Heap::new(area), Heap::new(area));
        outgoing.start_at(position);
        incoming.start_at(position);
        Self {
            kind,
            capacity,
            outgoing,
            incoming,
            enemy: RefCell::new(enemy),
            judges: [Role::Producer, Role::Consumer]
                .map(|role| Cell::new(Judge::new(role, capacity as u64))),
            counts: RefCell::default(),
            attacked: RefCell::default(),
            loads: Cell::new(0),
            load_limit: Cell::new(200),
            extra_loads: Cell::new(0),
            onlooker: Cell::new(false),
            alerts: Cell::new(0),
            sleeps: Cell::new(0),
            false_wakes: Cell::new(2),
            refuse_fence: Cell::new(None),
            fence_refused: Cell::new(false),
        }
    }

    /// The direction in which we have `role`, as the enemy shows it.
    pub(crate) fn memory(&self, role: Role) -> Hostile<'_> {
        Hostile { world: self, role }
    }

    /// A new call begins: its loads and sleeps count from zero.
    pub(crate) fn begin_call(&self) {
        self.loads.set(0);
        self.sleeps.set(0);
        self.alerts.set(0);
        self.extra_loads.set(0);
        self.onlooker.set(false);
        self.fence_refused.set(false);
    }

    /// The call that has begun is no end's, so what it sees of the positions binds none;
    /// and it may make so many loads more than others.
    pub(crate) fn looks_on(&self, extra_loads: u32) {
        self.onlooker.set(true);
        self.extra_loads.set(extra_loads);
    }

    /// From here to [`attached`](Self::attached), positions are taken over.
    pub(crate) fn attaching(&self, role: Role) {
        self.judge(role).set(Judge::new(role, self.capacity as u64));
        self.begin_call();
    }

    /// Whether the positions that were just loaded are possible.
    pub(crate) fn attached(&self, role: Role) -> bool {
        let mut judge = self.judge(role).get();
        judge.attaching = false;
        judge.guilty = judge.distance(judge.tail, judge.head).is_none();
        self.judge(role).set(judge);
        !judge.guilty
    }

    /// Whether an impossible position was answered in this direction.
    pub(crate) fn is_guilty(&self, role: Role) -> bool {
        self.judge(role).get().guilty
    }

    /// Whether this call has slept.
    pub(crate) fn has_slept(&self) -> bool {
        self.sleeps.get() > 0
    }

    /// Every target that was accessed, with how often.
    pub(crate) fn counts(&self) -> Vec<(Target, u32)> {
        self.counts.borrow().clone()
    }

    /// Every target of which a lie was told.
    pub(crate) fn attacked(&self) -> Vec<Target> {
        self.attacked.borrow().clone()
    }

    fn judge(&self, role: Role) -> &Cell<Judge> {
        match role {
            Role::Producer => &self.judges[0],
            Role::Consumer => &self.judges[1],
        }
    }

    fn ask(&self, target: Target, honest: u64) -> Ask {
        self.loads.set(self.loads.get() + 1);
        assert!(
            self.loads.get() <= self.load_limit.get() + self.extra_loads.get(),
            "{} loads in one call, now {target:?}",
            self.loads.get()
        );
        let mut counts = self.counts.borrow_mut();
        let nth = match counts.iter_mut().find(|(counted, _)| *counted == target) {
            Some((_, count)) => {
                *count += 1;
                *count - 1
            }
            None => {
                counts.push((target, 1));
                0
            }
        };
        let judge = self.judge(target.0).get();
        Ask {
            target,
            nth,
            honest,
            own: match target.0 {
                Role::Producer => judge.tail,
                Role::Consumer => judge.head,
            },
            capacity: self.capacity as u64,
        }
    }

    fn lied(&self, target: Target) {
        let mut attacked = self.attacked.borrow_mut();
        if !attacked.contains(&target) {
            attacked.push(target);
        }
    }

    fn answer(&self, target: Target, honest: u64) -> u64 {
        let ask = self.ask(target, honest);
        let answer = self.enemy.borrow_mut().word(ask);
        if answer != honest {
            self.lied(target);
        }
        answer
    }
}

/// One direction of a [`World`].
#[derive(Clone, Copy)]
pub(crate) struct Hostile<'a> {
    world: &'a World,
    role: Role,
}

impl Hostile<'_> {
    fn heap(&self) -> &Heap {
        match self.role {
            Role::Producer => &self.world.outgoing,
            Role::Consumer => &self.world.incoming,
        }
    }

    fn changed(&self, word: Word32, site: Site, honest: u32) -> u32 {
        let target = (self.role, Access::Change(word, site));
        self.world.answer(target, honest.into()) as u32
    }
}

impl Memory for Hostile<'_> {
    type Local<'a>
        = &'a Self
    where
        Self: 'a;

    fn local(&self) -> &Self {
        self
    }

    fn load64(&self, word: Word64, site: Site) -> u64 {
        let target = (self.role, Access::Load64(word, site));
        let answer = self.world.answer(target, self.heap().get64(word));
        let position = matches!(site, Site::ObserveTail | Site::ObserveHead);
        if position && !self.world.onlooker.get() {
            let judge = self.world.judge(self.role);
            let mut opinion = judge.get();
            opinion.saw(word, answer);
            judge.set(opinion);
        }
        answer
    }

    fn store64(&self, word: Word64, value: u64, site: Site) {
        if matches!(site, Site::PublishTail | Site::PublishHead) {
            let judge = self.world.judge(self.role);
            let mut opinion = judge.get();
            opinion.publishes(word, value);
            judge.set(opinion);
        }
        self.heap().set64(word, value);
    }

    fn load32(&self, word: Word32, site: Site) -> u32 {
        let target = (self.role, Access::Load32(word, site));
        let honest = self.heap().get32(word).into();
        self.world.answer(target, honest) as u32
    }

    fn store32(&self, word: Word32, value: u32, _: Site) {
        self.heap().set32_to(word, value);
    }

    fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        let target = (self.role, Access::Exchange32(word, site));
        match self.world.answer(target, current.into()) as u32 {
            found if found == current => self.heap().exchange32(word, current, new, site),
            found => Err(found),
        }
    }

    fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64> {
        let target = (self.role, Access::Exchange64(word, site));
        match self.world.answer(target, current) {
            found if found == current => self.heap().exchange64(word, current, new, site),
            found => Err(found),
        }
    }

    fn raise32(&self, word: Word32, site: Site) {
        self.heap().raise32(word, site);
    }

    fn set32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        let honest = self.heap().set32(word, bits, site);
        self.changed(word, site, honest)
    }

    fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        let honest = self.heap().clear32(word, bits, site);
        self.changed(word, site, honest)
    }

    fn clear64(&self, word: Word64, bits: u64, site: Site) {
        self.heap().clear64(word, bits, site);
    }

    fn area(&self) -> usize {
        self.heap().area()
    }

    fn copy_in(&self, offset: usize, src: &[u8]) {
        self.heap().copy_in(offset, src);
    }

    fn copy_out(&self, offset: usize, dst: &mut [u8]) {
        self.heap().copy_out(offset, dst);
        if dst.is_empty() {
            return;
        }
        let target = (self.role, Access::Bytes);
        let ask = self.world.ask(target, dst[0].into());
        let honest = dst.to_vec();
        self.world.enemy.borrow_mut().bytes(ask, dst);
        if *dst != honest[..] {
            self.world.lied(target);
        }
    }

    fn light_fence(&self, _: Fence) {}

    fn full_fence(&self, _: Fence) {}

    fn is_symmetric(&self) -> bool {
        false
    }

    fn heavy_fence(&self, _: Fence) -> Result<()> {
        match self.world.refuse_fence.get() {
            Some(0) => {
                self.world.fence_refused.set(true);
                Err(Error::FenceRefused)
            }
            left => {
                self.world.refuse_fence.set(left.map(|n| n - 1));
                Ok(())
            }
        }
    }

    fn wake_futex(&self, _: Word32) {}
}

impl Notify for Hostile<'_> {
    fn ring(&self) {}

    /// However the waiter word changes, one call tells the peer a few times at most.
    fn alert(&self, bits: u32) {
        assert!(bits & waiter::EVENTS != 0, "alerted for {bits:#x}");
        self.world.alerts.set(self.world.alerts.get() + 1);
        assert!(self.world.alerts.get() <= 4, "alerts without end");
    }
}

impl Park for Hostile<'_> {
    /// Wakes for nothing a number of times; then every deadline has passed. A
    /// caller that goes on after that runs into the limit of loads.
    fn sleep(&self, _: Word32, _: u32, _: Deadline) -> Result<Wake> {
        assert!(!self.world.fence_refused.get(), "slept without a fence");
        let sleeps = self.world.sleeps.get();
        self.world.sleeps.set(sleeps + 1);
        Ok(if sleeps < self.world.false_wakes.get() {
            Wake::Woken
        } else {
            Wake::TimedOut
        })
    }

    fn relax(&self) {}
}
