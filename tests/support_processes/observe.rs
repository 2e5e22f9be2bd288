//! What the kernel shows of threads: the only way to know, without guessing
//! with time, that one is really asleep.

use std::fs;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, gettid};

/// `FUTEX_WAIT_BITSET` without the private flag: a wait for an endpoint or event. The locks of
/// this crate and std's own mutexes and joins set the flag.
const SHARED_WAIT: u64 = libc::FUTEX_WAIT_BITSET as u64;

/// A thread, of whatever process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub process: u32,
    pub id: u32,
}

impl Thread {
    /// The calling one.
    pub(crate) fn current() -> Self {
        Self {
            process: std::process::id(),
            id: gettid().as_raw() as u32,
        }
    }

    pub(crate) fn tid(self) -> Pid {
        Pid::from_raw(self.id as i32)
    }

    fn file(self, name: &str) -> String {
        let path = format!("/proc/{}/task/{}/{name}", self.process, self.id);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The number of the system call that it sleeps in, or -1.
    fn call(self) -> i64 {
        let text = self.file("syscall");
        let number = text.split_ascii_whitespace().next();
        number.and_then(|n| n.parse().ok()).unwrap_or(-1)
    }

    /// Whether it sleeps in this manner.
    pub(crate) fn is_in(self, manner: &[i64]) -> bool {
        manner.contains(&self.call())
    }

    /// How often it has gone to sleep.
    pub(crate) fn sleeps(self) -> u64 {
        let status = self.file("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|n| n.trim().parse().ok()).expect("a number")
    }

    /// Whether it sleeps in the kernel, in a wait for an endpoint.
    pub(crate) fn is_blocked(self) -> bool {
        // "number arg0 arg1 ...", or "running".
        let text = self.file("syscall");
        let mut fields = text.split_ascii_whitespace();
        let number = fields.next().and_then(|n| n.parse::<i64>().ok());
        let operation = fields
            .nth(1)
            .and_then(|f| u64::from_str_radix(f.trim_start_matches("0x"), 16).ok());
        number == Some(libc::SYS_futex) && operation == Some(SHARED_WAIT)
    }
}

/// Returns once the thread sleeps in a wait for an endpoint.
///
/// # Panics
/// If the thread ends instead.
pub(crate) fn until_blocked(thread: Thread) {
    while !thread.is_blocked() {
        thread::yield_now();
    }
}

/// How a thread of this crate sleeps.
pub(crate) mod manner {
    /// On the futex of one endpoint.
    pub(crate) const FUTEX: &[i64] = &[libc::SYS_futex];
    /// On the futexes of several.
    pub(crate) const FUTEXES: &[i64] = &[libc::SYS_futex_waitv];
    /// On their descriptors.
    pub(crate) const POLL: &[i64] = &[libc::SYS_ppoll];
    /// On a port.
    pub(crate) const PORT: &[i64] = &[libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
}

/// The timeout of calls that somebody ends well before it; see [`Sleeper::result_in_time`].
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A thread that was started to sleep in a call.
#[derive(Debug)]
pub(crate) struct Sleeper<'scope, T> {
    pub thread: Thread,
    handle: ScopedJoinHandle<'scope, T>,
}

/// Starts `call` on a thread of its own.
pub(crate) fn sleeper<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    call: impl FnOnce() -> T + Send + 'scope,
) -> Sleeper<'scope, T> {
    let (announce, announced) = mpsc::channel();
    let handle = scope.spawn(move || {
        announce.send(Thread::current()).expect("the test goes on");
        call()
    });
    let thread = announced.recv().expect("the thread begins");
    Sleeper { thread, handle }
}

impl<T> Sleeper<'_, T> {
    /// Returns once the thread sleeps in this manner.
    ///
    /// # Panics
    /// If it ends instead.
    pub(crate) fn until(self, manner: &[i64]) -> Self {
        until_in(self.thread, manner);
        self
    }

    /// What the call returned.
    pub(crate) fn result(self) -> T {
        self.handle.join().expect("the call returns")
    }

    /// What a call with a deadline returned, after whatever was to wake it.
    ///
    /// # Panics
    /// If it is not back long before [`PATIENCE`] is over: a sleeper that nobody has woken would
    /// look again at its deadline, find what it waited for, and so hide the lost wake-up.
    #[track_caller]
    pub(crate) fn result_in_time(self) -> T {
        let start = Instant::now();
        while !self.handle.is_finished() {
            assert!(start.elapsed() < PATIENCE / 2, "never woken");
            thread::yield_now();
        }
        self.result()
    }
}

/// Has a thread wait `rounds` times, calls `pulse` each time that it sleeps in this manner, and
/// `check` with what the wait returned.
pub(crate) fn never_missed<T: Send>(
    rounds: u32,
    manner: &[i64],
    wait: impl Fn() -> T + Send,
    pulse: impl Fn(u32),
    check: impl Fn(T, u32),
) {
    let (say, hear) = mpsc::channel();
    let (start, started) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = sleeper(scope, move || {
            for () in started {
                say.send(wait()).expect("the test goes on");
            }
        });
        for round in 0..rounds {
            start.send(()).expect("the waiter goes on");
            until_in(waiter.thread, manner);
            pulse(round);
            check(hear.recv().expect("the wait returns"), round);
        }
        drop(start);
        waiter.result();
    });
}

/// Returns once the thread sleeps in this manner.
///
/// # Panics
/// If it ends instead.
pub(crate) fn until_in(thread: Thread, manner: &[i64]) {
    if manner == manner::FUTEX {
        return until_blocked(thread);
    }
    while !thread.is_in(manner) {
        thread::yield_now();
    }
}

/// Every thread of a process.
pub(crate) fn threads(process: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
    let id = |task: fs::DirEntry| task.file_name().to_str().and_then(|n| n.parse().ok());
    tasks
        .map(|task| Thread {
            process,
            id: id(task.expect("a task")).expect("a number"),
        })
        .collect()
}

/// The thread of this name.
pub(crate) fn thread_named(process: u32, name: &str) -> Option<Thread> {
    threads(process)
        .into_iter()
        .find(|thread| thread.file("comm").trim_end() == name)
}

/// How often threads came onto a CPU or left it, and how long they were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Activity {
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// User and system time together, in clock ticks.
    pub cpu_ticks: u64,
}

/// The activity of all threads of a process together.
pub(crate) fn activity(process: u32) -> Activity {
    let mut sum = Activity {
        voluntary_switches: 0,
        involuntary_switches: 0,
        cpu_ticks: 0,
    };
    for thread in threads(process) {
        let status = thread.file("status");
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|l| l.trim().parse().ok()).expect(name)
        };
        sum.voluntary_switches += field("voluntary_ctxt_switches:");
        sum.involuntary_switches += field("nonvoluntary_ctxt_switches:");
        let stat = thread.file("stat");
        // The name, in parentheses, may hold anything; utime is the 12th field after it.
        let after_name = stat.rsplit_once(')').expect("a name").1;
        let ticks = after_name.split_ascii_whitespace().skip(11).take(2);
        sum.cpu_ticks += ticks.map(|t| t.parse::<u64>().expect("ticks")).sum::<u64>();
    }
    sum
}

/// How many descriptors this process has open, but for the one used to look.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("proc is mounted")
        .count()
        - 1
}

/// How many mappings of endpoints this process has.
pub(crate) fn endpoint_mappings() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("proc is mounted");
    maps.lines().filter(|l| l.contains("memfd:zocket")).count()
}
