//! Going to sleep and being woken, a million times and more in each fence mode.
//!
//! The models show that the handshake of sleeper and waker loses no wake-up if the
//! fences are fences. That `membarrier(2)` is one, on this kernel and this machine,
//! no model can show, and where a thread has ended on a CPU it is none; this test can fail to refute it. Two real processes with busy
//! waiting off go to sleep for data, for space, and for thresholds of both, as often
//! as they can, with random pauses of a few turns so that arming and publishing meet
//! in every possible way. A lost wake-up leaves one process asleep, and the other
//! soon after, or spinning for a sign that never comes: the test hangs. There is no
//! timeout that could hide that.
//!
//! `cargo test --release --test stress` races closest: there, the test hangs at once
//! if the heavy fence is left out. Without optimisation the waiter takes so long from
//! arming to looking again that it nearly always sees what it must.
//!
//! How often they slept is not their own word: the kernel counts voluntary context
//! switches.
//!
//! - `ZOCKET_STRESS_SLEEPS`: sleeps in each fence mode, one million if not set.
//! - `ZOCKET_SEED`: the seed of all random choices; printed by every run.

mod support_processes;

use std::sync::Mutex;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use zocket::{Error, FenceMode, Kind, Port, Signals};

use support_processes::control::{Control, Process, Role, run_role};
use support_processes::endpoint::{Endpoint, KINDS, kind_from, kind_number};
use support_processes::pattern::{Checker, Source};
use support_processes::rng::Rng;

const ROLES: &[Role] = &[("stress_peer", stress_peer)];

/// Not a test: where the child begins. Does nothing in the test process itself.
#[test]
fn child_entry() {
    run_role(ROLES);
}

/// The smallest ring there is: the most sleeps for the bytes.
const CAPACITY: usize = 4 << 10;
/// Most turns of a pause: about as long as arming and going to sleep takes.
const PAUSE: usize = 500;
/// Most turns of the pause before a race: the arming takes about as long.
const RACE: usize = 40;
/// How many sleeps of the other games allow for one more round of the races, which
/// are 400,000.
const SLEEPS_TO_RACES: u64 = 250_000;
/// Bytes of stores that a CPU can have under way.
const LONG_STORE: usize = 1 << 10;

/// What two processes do for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Game {
    /// One byte there, one back: each waits for data.
    PingPong,
    /// A signal there, one back, waited for in every way there is.
    Signals,
    /// Random pieces one way: the writer waits for space, the reader for data.
    Flow,
    /// Random pieces one way, but each waits until there is all that it wants.
    Thresholds,
    /// The reader waits until the ring is full, the writer for as little as it can
    /// get: somebody must give way whenever both are asleep.
    GiveWay,
    /// They meet awake, and a moment later one publishes a byte and the other arms
    /// for it, within the time that a store takes to become visible. Only this comes
    /// close to what the fences are for; but it sleeps less often than the others.
    RaceForData,
    /// The same with a full ring: one frees a byte, the other arms for space.
    RaceForSpace,
}

impl Game {
    /// Those that sleep whenever they can.
    const SLEEPY: [Self; 5] = [
        Self::PingPong,
        Self::Signals,
        Self::Flow,
        Self::Thresholds,
        Self::GiveWay,
    ];
    /// Those that need both processes to run at the same time.
    const RACES: [Self; 2] = [Self::RaceForData, Self::RaceForSpace];

    fn number(self) -> u64 {
        self as u64
    }

    fn from_number(number: u64) -> Self {
        let all = Self::SLEEPY.into_iter().chain(Self::RACES);
        all.into_iter()
            .find(|game| game.number() == number)
            .expect("the number of a game")
    }

    /// How long one round of it is: trips, or bytes.
    fn amount(self) -> u64 {
        match self {
            Self::PingPong | Self::Signals => 4_000,
            // Every piece is a wait, asleep or not, and takes its time.
            Self::Thresholds | Self::GiveWay => 2 << 20,
            Self::Flow => 6 << 20,
            Self::RaceForData | Self::RaceForSpace => 100_000,
        }
    }
}

/// Where the two processes run.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Both on one CPU: a wake-up is a switch, and sleeps are cheap.
    SameCpu,
    /// Each on its own: arming and publishing really race.
    TwoCpus,
    /// Wherever the kernel puts them.
    Anywhere,
}

/// A CPU, or any.
type Cpu = Option<usize>;

impl Place {
    fn cpus(self, all: &[usize]) -> [Cpu; 2] {
        let (first, last) = (all[0], all[all.len() - 1]);
        match self {
            Self::SameCpu => [Some(last), Some(last)],
            Self::TwoCpus => [Some(first), Some(last)],
            Self::Anywhere => [None, None],
        }
    }

    /// Percent of all sleeps. Sleeps on one CPU cost a tenth of the others.
    fn share(self) -> u64 {
        match self {
            Self::SameCpu => 60,
            Self::TwoCpus => 30,
            Self::Anywhere => 10,
        }
    }
}

fn usable_cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("this thread exists");
    let is_usable = |cpu: &usize| set.is_set(*cpu) == Ok(true);
    (0..CpuSet::count()).filter(is_usable).collect()
}

fn run_on(cpu: Cpu, all: &[usize]) {
    let mut set = CpuSet::new();
    let chosen = cpu.map_or(all.to_vec(), |cpu| vec![cpu]);
    for cpu in chosen {
        set.set(cpu).expect("a CPU that there is");
    }
    sched_setaffinity(Pid::from_raw(0), &set).expect("a CPU that there is");
}

/// Lets a thread end on this CPU: from then on, and until another process runs there, the kernel does not
/// know that barriers between processes concern it.
fn end_a_thread() {
    std::thread::spawn(|| ()).join().expect("it does nothing");
}

/// How often this thread has given its CPU away to wait.
fn sleeps() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a known subject");
    usage.voluntary_context_switches() as u64
}

/// One process's part in a round.
struct Player {
    endpoint: Endpoint,
    rng: Rng,
    amount: u64,
    seed: u64,
}

impl Player {
    fn pause(&mut self) {
        let most = self.rng.length(PAUSE);
        self.rng.spin(most);
    }

    fn source(&self, longest: usize) -> Source {
        Source::new(1, self.seed, longest)
    }

    /// Plays the end that begins, or writes.
    fn lead(&mut self, game: Game) {
        match game {
            Game::PingPong => self.ping(),
            Game::Signals => self.signal(true),
            Game::Flow => self.write_pieces(match self.endpoint {
                Endpoint::Stream(_) => 3 * CAPACITY,
                Endpoint::Datagram(_) => CAPACITY,
            }),
            Game::Thresholds => self.write_wholes(),
            Game::GiveWay => self.write_pieces(match self.endpoint {
                Endpoint::Stream(_) => 3 * CAPACITY,
                // A datagram does not give way: it needs its space, so that the reader
                // may want no more than what is left beside the longest.
                Endpoint::Datagram(_) => CAPACITY / 2,
            }),
            Game::RaceForData => self.publish_bytes(),
            Game::RaceForSpace => self.free_bytes(),
        }
    }

    /// Plays the other end.
    fn follow(&mut self, game: Game) {
        match game {
            Game::PingPong => self.pong(),
            Game::Signals => self.signal(false),
            Game::Flow => self.read_pieces(),
            Game::Thresholds => self.read_wholes(CAPACITY / 2),
            Game::GiveWay => self.read_wholes(match self.endpoint {
                Endpoint::Stream(_) => CAPACITY,
                Endpoint::Datagram(_) => CAPACITY / 2,
            }),
            Game::RaceForData => self.wait_for_bytes(),
            Game::RaceForSpace => self.wait_for_space(),
        }
    }

    fn ping(&mut self) {
        let mut answer = [0];
        for trip in 0..self.amount {
            self.endpoint
                .write(&[trip as u8])
                .expect("the peer is there");
            self.pause();
            assert_eq!(self.endpoint.read(&mut answer).expect("an answer"), 1);
            assert_eq!(answer, [!(trip as u8)]);
            self.pause();
        }
    }

    fn pong(&mut self) {
        let mut ball = [0];
        for trip in 0..self.amount {
            assert_eq!(self.endpoint.read(&mut ball).expect("the peer is there"), 1);
            assert_eq!(ball, [trip as u8]);
            self.pause();
            self.endpoint.write(&[!ball[0]]).expect("the peer is there");
            self.pause();
        }
    }

    /// Signals and waits in turn; who leads begins.
    fn signal(&mut self, leads: bool) {
        const NONE: Signals = Signals::empty();
        let port = Port::new().expect("descriptors");
        for trip in 0..self.amount {
            if leads || trip > 0 {
                let set = self.endpoint.signal_peer(NONE, Signals::USER_0);
                set.expect("the peer is there");
                self.pause();
            }
            let how = self.rng.length(3);
            self.endpoint.wait_for(how, Signals::USER_0, &port);
            let cleared = self.endpoint.signal(Signals::USER_0, NONE);
            cleared.expect("this is not a fork");
            self.pause();
        }
        if !leads {
            let set = self.endpoint.signal_peer(NONE, Signals::USER_0);
            set.expect("the peer is there");
        }
    }

    /// Gives the other process the sign to race, without a sleep.
    fn give_sign(&mut self) {
        assert_eq!(self.endpoint.try_write(b"!"), Ok(1));
    }

    /// Waits for that sign, looking without a pause.
    fn await_sign(&mut self) {
        let mut sign = [0];
        while self.endpoint.try_read(&mut sign) == Err(Error::WouldBlock) {
            std::hint::spin_loop();
        }
        assert_eq!(&sign, b"!");
    }

    /// Before arming: both processes are about as long on their way from the sign to
    /// the word that they race for.
    fn aim(&mut self) {
        self.rng.spin(RACE);
    }

    /// Before publishing: as often next to the arming as anywhere from there to the
    /// sleep, since a `membarrier(2)` in between takes microseconds.
    fn aim_further(&mut self) {
        let most = self.rng.length(PAUSE);
        self.rng.spin(most);
    }

    /// Long pieces, too: their stores all have to become visible before that of the
    /// position, while the look for a waiter may be over. The worst case for it.
    fn publish_bytes(&mut self) {
        let mut source = self.source(LONG_STORE);
        for _ in 0..self.amount {
            self.await_sign();
            self.aim_further();
            let piece = source.piece();
            assert_eq!(self.endpoint.try_write(piece), Ok(piece.len()));
            source.sent(piece.len());
        }
    }

    fn wait_for_bytes(&mut self) {
        let mut checker = Checker::new(1);
        let mut buf = [0; LONG_STORE];
        for _ in 0..self.amount {
            self.give_sign();
            self.aim();
            let n = self.endpoint.read(&mut buf).expect("the peer is there");
            assert!(n > 0, "the end after {} bytes", checker.total());
            checker.take(&buf[..n]);
        }
    }

    fn free_bytes(&mut self) {
        let mut byte = [0];
        for trial in 0..self.amount {
            // Full again, so the other process has seen its last wait end.
            while self.endpoint.info().readable < CAPACITY {
                std::hint::spin_loop();
            }
            self.give_sign();
            self.aim_further();
            assert_eq!(self.endpoint.try_read(&mut byte), Ok(1));
            assert_eq!(byte, [trial as u8]);
        }
    }

    fn wait_for_space(&mut self) {
        for byte in 0..CAPACITY {
            assert_eq!(self.endpoint.try_write(&[byte as u8]), Ok(1));
        }
        for trial in 0..self.amount {
            self.await_sign();
            self.aim();
            let byte = [(trial + CAPACITY as u64) as u8];
            assert_eq!(self.endpoint.write(&byte).expect("the peer is there"), 1);
        }
    }

    fn write_pieces(&mut self, longest: usize) {
        let mut source = self.source(longest);
        while source.total() < self.amount {
            let left = (self.amount - source.total()) as usize;
            let piece = source.piece();
            let piece = &piece[..piece.len().min(left)];
            source.sent(self.endpoint.write(piece).expect("the peer is there"));
            self.pause();
        }
    }

    fn read_pieces(&mut self) {
        let mut checker = Checker::new(1);
        let mut buf = [0; CAPACITY];
        while checker.total() < self.amount {
            let len = match self.endpoint {
                Endpoint::Stream(_) => self.rng.length(CAPACITY),
                // All of the datagram.
                Endpoint::Datagram(_) => CAPACITY,
            };
            let n = self
                .endpoint
                .read(&mut buf[..len])
                .expect("the peer is there");
            assert!(n > 0, "the end after {} bytes", checker.total());
            checker.take(&buf[..n]);
            self.pause();
        }
    }

    /// What was waited for must be there: the write that follows may not be cut short.
    fn write_wholes(&mut self) {
        let mut source = self.source(CAPACITY / 2);
        while source.total() < self.amount {
            let left = (self.amount - source.total()) as usize;
            let piece = source.piece();
            let piece = &piece[..piece.len().min(left)];
            self.endpoint.wait_writable(piece.len()).expect("a wait");
            let sent = match &mut self.endpoint {
                Endpoint::Stream(s) => s.try_write(piece),
                Endpoint::Datagram(d) => d.try_send(piece),
            };
            assert_eq!(sent, Ok(piece.len()));
            source.sent(piece.len());
            self.pause();
        }
    }

    /// The same for reads. With `most` and the writer's longest piece together no more
    /// than the capacity, the two never wait for each other.
    fn read_wholes(&mut self, most: usize) {
        let mut checker = Checker::new(1);
        let mut buf = [0; CAPACITY];
        while checker.total() < self.amount {
            let left = (self.amount - checker.total()) as usize;
            let gives_way = most == CAPACITY;
            let wanted = if gives_way {
                CAPACITY
            } else {
                self.rng.length(most)
            };
            let wanted = wanted.min(left);
            self.endpoint.wait_readable(wanted).expect("a wait");
            // Of a full ring sometimes less is taken than the writer would like to have.
            let taken = if gives_way {
                self.rng.length(wanted)
            } else {
                wanted
            };
            let mut read = 0;
            while read < taken {
                let n = match &mut self.endpoint {
                    Endpoint::Stream(s) => s.try_read(&mut buf[..taken - read]),
                    Endpoint::Datagram(d) => d.try_recv(&mut buf),
                };
                assert_ne!(n, Err(Error::WouldBlock), "{read} of {wanted} bytes");
                let n = n.expect("the peer is there");
                assert!(n > 0, "the end after {} bytes", checker.total());
                checker.take(&buf[..n]);
                read += n;
            }
            self.pause();
        }
    }
}

/// The other process: plays until there are no more rounds.
fn stress_peer(control: &Control) {
    let all = usable_cpus();
    while let Some(line) = control.hear_or_end() {
        assert_eq!(line, "round");
        let [game, kind, cpu, amount, seed] = control.hear_numbers();
        run_on(all.iter().copied().find(|c| *c as u64 == cpu), &all);
        let endpoint = Endpoint::receive_from(kind_from(kind), control.socket());
        let mut player = Player {
            endpoint: endpoint.expect("it was sent"),
            rng: Rng::new(!seed),
            amount,
            seed,
        };
        player.endpoint.set_busy_wait(false);
        end_a_thread();
        control.tell("ready");
        let before = sleeps();
        player.follow(Game::from_number(game));
        control.tell(sleeps() - before);
    }
}

/// Plays one round; returns how often the two slept.
fn round(
    rng: &mut Rng,
    child: &Process,
    game: Game,
    kind: Kind,
    fence: FenceMode,
    their_cpu: Cpu,
) -> u64 {
    let (ours, theirs) = Endpoint::pair(kind, CAPACITY, fence).expect("a pair");
    ours.set_busy_wait(false);
    let seed = rng.next();
    let amount = game.amount();
    child.tell("round");
    child.tell_numbers(&[
        game.number(),
        kind_number(kind),
        their_cpu.map_or(u64::MAX, |cpu| cpu as u64),
        amount,
        seed,
    ]);
    theirs.send_to(child.socket()).expect("the child receives");
    assert_eq!(child.hear(), "ready");
    let mut player = Player {
        endpoint: ours,
        rng: Rng::new(seed),
        amount,
        seed,
    };
    end_a_thread();
    let before = sleeps();
    player.lead(game);
    let ours = sleeps() - before;
    let [theirs] = child.hear_numbers();
    ours + theirs
}

/// The CPUs are for one stress test at a time.
static CPUS: Mutex<()> = Mutex::new(());

fn sleep_and_wake(name: &str, fence: FenceMode) {
    let _alone = CPUS.lock().unwrap_or_else(|e| e.into_inner());
    let mut rng = Rng::for_test(name);
    let goal = std::env::var("ZOCKET_STRESS_SLEEPS")
        .map_or(1_000_000, |n| n.parse().expect("a number of sleeps"));
    let all = usable_cpus();
    let child = Process::start("stress_peer", []);
    let mut play = |games: &[Game], [our_cpu, their_cpu]: [Cpu; 2]| {
        run_on(our_cpu, &all);
        let mut slept = 0;
        for game in games {
            for kind in KINDS {
                slept += round(&mut rng, &child, *game, kind, fence, their_cpu);
            }
        }
        slept
    };
    let mut total = 0;
    for place in [Place::SameCpu, Place::TwoCpus, Place::Anywhere] {
        let goal = goal * place.share() / 100;
        let (mut slept, start) = (0, Instant::now());
        // As many of each game and kind as it takes, so that none is left out.
        while slept < goal {
            slept += play(&Game::SLEEPY, place.cpus(&all));
        }
        eprintln!("{name}: {place:?}: {slept} sleeps, {:?}", start.elapsed());
        total += slept;
    }
    // On one CPU there are no races: each would only wait for the other to be put off it.
    if all.len() > 1 {
        let (mut slept, start) = (0, Instant::now());
        for _ in 0..goal.div_ceil(SLEEPS_TO_RACES) {
            slept += play(&Game::RACES, Place::TwoCpus.cpus(&all));
        }
        eprintln!("{name}: races: {slept} sleeps, {:?}", start.elapsed());
        total += slept;
    }
    run_on(None, &all);
    // Rounding aside; the loops above have counted.
    assert!(total + 3 >= goal, "{total} sleeps");
    // Its loop ends with the control connection.
    child.finish_talking();
}

#[test]
fn a_million_sleeps_with_asymmetric_fences_lose_no_wake_up() {
    sleep_and_wake("asymmetric", FenceMode::Asymmetric);
}

#[test]
fn a_million_sleeps_with_symmetric_fences_lose_no_wake_up() {
    sleep_and_wake("symmetric", FenceMode::Symmetric);
}
