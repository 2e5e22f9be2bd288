//! A process that makes its first pair is reached by barriers on every CPU, also on one that has run it
//! before and been idle since.
//!
//! Whether a barrier interrupts a CPU is the kernel's to say: it counts interrupts. On such a CPU
//! it counted none, before a child of the registration came by there.

use std::env;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use zocket::{FenceMode, Stream};

const ROLE: &str = "ZOCKET_TEST_ROLE";
/// Barriers that are called for. Some find the other process in the kernel, or another one.
const BARRIERS: u64 = 2000;
/// What else runs on the machine may come by on the CPU in between, and hide what would be wrong.
const ROUNDS: usize = 5;

fn run_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// Two CPUs that this process may run on, if there are two.
fn two_cpus() -> Option<(usize, usize)> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut cpus = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap());
    Some((cpus.next()?, cpus.next()?))
}

/// How often CPUs have been asked by others to do something, as barriers are.
fn interrupts() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/interrupts").ok()?;
    let line = all.lines().find(|line| line.contains("Function call"))?;
    let counts = line.split_whitespace().map_while(|word| {
        let count = word.parse::<u64>();
        count.ok().or(word.ends_with(':').then_some(0))
    });
    Some(counts.sum())
}

/// Runs on one CPU, leaves it idle, registers on another, and goes back.
fn registered(first: usize, second: usize) {
    run_on(first);
    std::thread::sleep(Duration::from_millis(3));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2) {}
    run_on(second);
    let pair = Stream::pair().unwrap();
    assert_eq!(pair.0.info().fence_mode, FenceMode::Asymmetric);
    run_on(first);
    println!("ready");
    // Until it is killed, or the test is gone.
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        for _ in 0..1_000_000 {
            std::hint::spin_loop();
        }
    }
}

/// Calls for barriers as a waiter does, when it is told to.
fn caller(_: usize, second: usize) {
    run_on(second);
    // Before the other process registers: what this registration visits helps that one too.
    let mut pair = Stream::pair().unwrap();
    pair.0.set_busy_wait(false);
    println!("waiting");
    hear(&mut std::io::stdin(), |word| {
        (word == "ready").then_some(())
    });
    let before = interrupts().unwrap();
    for _ in 0..BARRIERS {
        let soon = Instant::now() + Duration::from_nanos(1);
        pair.0.wait_readable(1, Some(soon)).unwrap_err();
    }
    println!("{}", interrupts().unwrap() - before);
}

#[test]
fn child_entry() {
    let Some((first, second)) = two_cpus() else {
        return;
    };
    match env::var(ROLE).as_deref() {
        Ok("registered") => registered(first, second),
        Ok("caller") => caller(first, second),
        _ => {}
    }
}

fn child(role: &str, stdin: Stdio, stdout: Stdio) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_entry", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    command.stdin(stdin).stdout(stdout).spawn().unwrap()
}

/// Reads until the last word of a line is what is looked for, past what a test harness says.
fn hear<T>(from: &mut impl Read, is_it: impl Fn(&str) -> Option<T>) -> T {
    let mut line = String::new();
    let mut byte = [0];
    loop {
        from.read_exact(&mut byte)
            .expect("the other process says more");
        line.push(byte[0].into());
        if byte[0] == b'\n' {
            if let Some(found) = line.split_whitespace().last().and_then(&is_it) {
                return found;
            }
            line.clear();
        }
    }
}

#[test]
fn barriers_reach_a_cpu_that_was_left_before_the_registration() {
    if two_cpus().is_none() || interrupts().is_none() {
        eprintln!("not shown: it takes two CPUs and a kernel that counts interrupts");
        return;
    }
    for _ in 0..ROUNDS {
        let count = interrupts_for_barriers();
        println!("{count} interrupts for {BARRIERS} barriers");
        assert!(count > BARRIERS / 10, "{count} of {BARRIERS}");
    }
}

/// As counted while one process calls for barriers and the other runs on the CPU that it had left.
fn interrupts_for_barriers() -> u64 {
    // The two do without this process: it would run on one of the CPUs in between.
    let (ready, say_ready) = std::io::pipe().unwrap();
    let mut caller = child("caller", ready.into(), Stdio::piped());
    let mut answers = caller.stdout.take().unwrap();
    hear(&mut answers, |word| (word == "waiting").then_some(()));
    let mut registered = child("registered", Stdio::null(), say_ready.into());
    let count: u64 = hear(&mut answers, |word| word.parse().ok());
    registered.kill().unwrap();
    registered.wait().unwrap();
    assert!(caller.wait().unwrap().success());
    count
}
