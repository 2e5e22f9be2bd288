//! `zocket ls` as its users run it.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process;
use std::thread;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Uid, geteuid};
use serde_json::Value;
use zocket::{Builder, Datagram, Disposition, Signals, Stream};

use support::{
    assert_fails, await_some, json, output, program_for_all, run, text, zocket, zocket_at,
};

const CAPACITY: usize = 8192;

fn pair() -> (Stream, Stream) {
    Builder::new().capacity(CAPACITY).stream_pair().unwrap()
}

fn own_pid() -> String {
    process::id().to_string()
}

/// What is listed of this process.
#[track_caller]
fn list() -> Value {
    json(&run(&["ls", "--json", "--pid", &own_pid()]))
}

/// What is listed of the pair of which A has this koid.
#[track_caller]
fn listed(koid: u64) -> Value {
    let list = list();
    let mut pairs = list["pairs"].as_array().unwrap().iter();
    let pair = pairs.find(|pair| pair["ends"][0]["koid"] == koid);
    pair.expect("the pair is listed").clone()
}

/// The only process that has an end.
#[track_caller]
fn owner(end: &Value) -> u32 {
    let processes = end["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{end}");
    processes[0]["pid"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn pair_in_one_process_is_listed_with_its_figures() {
    let (mut a, mut b) = pair();
    a.write_all(&[0; 100]).unwrap();
    assert_eq!(b.try_read(&mut [0; 30]), Ok(30));
    b.write_all(&[0; 7]).unwrap();
    b.set_read_threshold(12).unwrap();
    a.signal(Signals::empty(), Signals::USER_0).unwrap();
    let pair = listed(a.info().koid);
    assert_eq!(pair["kind"], "stream");
    assert_eq!(pair["capacity"], CAPACITY);
    assert_eq!(pair["huge_pages"], false);
    assert_eq!(pair["memory"], 4096 + 2 * CAPACITY);
    assert!(pair["memory_allocated"].as_u64().unwrap() >= 4096);
    let [at_a, at_b] = [&pair["ends"][0], &pair["ends"][1]];
    for (end, name, koid) in [(at_a, "A", a.info().koid), (at_b, "B", b.info().koid)] {
        assert_eq!(end["end"], name);
        assert_eq!(end["koid"], koid);
        assert_eq!(owner(end), process::id());
        assert_eq!(end["whereabouts"], "process");
        assert_eq!(end["closed"], false);
        assert_eq!(end["write_disabled"], false);
        assert_eq!(end["waits_for_data"]["bytes"], Value::Null);
    }
    for (end, figures) in [(at_a, [7, 70, 0, 100]), (at_b, [70, 7, 30, 7])] {
        let names = ["readable", "unread_by_peer", "total_read", "total_written"];
        for (name, figure) in names.into_iter().zip(figures) {
            assert_eq!(end[name], figure, "{name} of {end}");
        }
    }
    assert_eq!(at_b["read_threshold"], 12);
    assert_eq!(at_a["user_signals"], Signals::USER_0.bits());
    // And it was not disturbed.
    assert_eq!(b.try_read(&mut [0; 100]), Ok(70));
}

#[test]
fn table_has_a_row_for_each_end() {
    let (mut a, _b) = Builder::new().capacity(1 << 20).datagram_pair().unwrap();
    a.send(&[0; 4321]).unwrap();
    let output = run(&["ls", "--pid", &own_pid()]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head[..3], ["PID", "COMMAND", "END"]);
    let rows: Vec<_> = lines.filter(|line| line.contains("4321")).collect();
    assert_eq!(rows.len(), 2, "{table}");
    for (row, end) in rows.iter().zip(["A", "B"]) {
        let pid = own_pid();
        assert!(row.trim_start().starts_with(&pid), "{row}");
        for word in [end, &pid, "datagram", "MiB", "open"] {
            assert!(row.split_whitespace().any(|cell| cell == word), "{row}");
        }
    }
}

#[test]
fn ends_are_listed_with_the_processes_that_have_them() {
    let args = ["pipe", "--size=1000GiB", "--no-compare", "--datagram"];
    let mut sender = zocket(&args).spawn().unwrap();
    let pid = sender.id().to_string();
    let pair = await_some(|| {
        let output = run(&["ls", "--json", "--pid", &pid]);
        let list: Value = serde_json::from_slice(&output.stdout).ok()?;
        let pair = list["pairs"].as_array()?.first()?.clone();
        let far = &pair["ends"][1];
        let moves = far["total_read"].as_u64()? > 0;
        // Processes are looked at before the memory: one may have taken its end in between.
        let is_taken = !far["processes"].as_array()?.is_empty();
        (moves && is_taken).then_some(pair)
    });
    let [near, far] = [&pair["ends"][0], &pair["ends"][1]];
    assert_eq!(pair["kind"], "datagram");
    assert_eq!(owner(near), sender.id());
    assert_ne!(owner(far), sender.id());
    let parent = fs::read_to_string(format!("/proc/{}/status", owner(far))).unwrap();
    assert!(parent.contains(&format!("PPid:\t{pid}\n")), "{parent}");
    assert!(near["total_written"].as_u64() >= far["total_read"].as_u64());
    assert_eq!(near["total_read"], 0);
    sender.kill().unwrap();
    sender.wait().unwrap();
}

#[test]
fn sleepers_and_pollers_are_listed_with_what_they_wait_for() {
    let (mut a, mut b) = pair();
    let koid = a.info().koid;
    b.write_all(&[0; 8]).unwrap();
    a.arm_write(CAPACITY).unwrap();
    a.write_all(&[0; 20]).unwrap();
    a.arm_write(CAPACITY).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| a.wait_readable(55, None).unwrap());
        let waits = await_some(|| {
            let waits = listed(koid)["ends"][0].clone();
            waits["waits_for_data"]["bytes"]
                .is_object()
                .then_some(waits)
        });
        let sleeper = &waits["waits_for_data"]["bytes"];
        assert_eq!(sleeper["threads"], true);
        assert_eq!(sleeper["pollers"], false);
        assert_eq!(sleeper["least"], 55);
        let poller = &waits["waits_for_space"]["bytes"];
        assert_eq!(poller["threads"], false);
        assert_eq!(poller["pollers"], true);
        assert_eq!(poller["least"], CAPACITY);
        let output = run(&["ls", "--pid", &own_pid()]);
        let expected = format!("thread: 55 to read; poller: {CAPACITY} to write");
        assert!(text(&output.stdout).contains(&expected));
        // It still sleeps, and wakes for what it waits for.
        b.write_all(&[0; 47]).unwrap();
    });
}

#[test]
fn end_without_a_process_is_elsewhere_until_it_is_gone() {
    let (a, b) = Datagram::pair().unwrap();
    let koid = a.info().koid;
    let packed = b.into_fd().unwrap();
    let far = &listed(koid)["ends"][1];
    assert_eq!(far["whereabouts"], "elsewhere");
    assert_eq!(far["processes"].as_array().unwrap().len(), 0);
    // Nobody closes it, as when its process is killed.
    drop(packed);
    let far = &listed(koid)["ends"][1];
    assert_eq!(far["closed"], false);
    assert_eq!(far["whereabouts"], "gone");
}

#[test]
fn closed_and_disabled_ends_are_listed_so() {
    let (a, b) = pair();
    let koid = a.info().koid;
    a.set_disposition(Disposition::WriteDisabled, Disposition::Unchanged)
        .unwrap();
    let near = &listed(koid)["ends"][0];
    assert_eq!(near["write_disabled"], true);
    drop(b);
    let pair = listed(koid);
    assert_eq!(pair["ends"][0]["closed"], false);
    assert_eq!(pair["ends"][1]["closed"], true);
    assert_eq!(pair["ends"][1]["whereabouts"], "gone");
}

#[test]
fn watching_shows_rates_from_the_second_look_on() {
    let (mut a, mut b) = pair();
    let koid = a.info().koid;
    thread::scope(|scope| {
        // Until the other end is dropped.
        scope.spawn(|| while b.read(&mut [0; 100]).is_ok_and(|len| len > 0) {});
        let args = ["ls", "--watch", "0.05", "--count=3", "--json"];
        let mut watch = zocket(&args);
        let watch = watch.args(["--pid", &own_pid()]).spawn().unwrap();
        let watch = scope.spawn(|| output(watch));
        while !watch.is_finished() {
            a.write_all(&[0; 100]).unwrap();
        }
        drop(a);
        let output = watch.join().unwrap();
        assert_eq!(text(&output.stderr), "");
        let looks: Vec<Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(looks.len(), 3);
        let rates = looks.iter().map(|look| {
            let mut pairs = look["pairs"].as_array().unwrap().iter();
            let pair = pairs.find(|pair| pair["ends"][0]["koid"] == koid).unwrap();
            assert_eq!(
                pair["ends"][0]["read_per_second"].as_f64().unwrap_or(0.0),
                0.0
            );
            pair["ends"][0]["written_per_second"].as_f64()
        });
        let rates: Vec<_> = rates.collect();
        assert_eq!(rates[0], None);
        assert!(rates[1..].iter().all(|rate| rate.is_some()), "{rates:?}");
        assert!(rates[2].unwrap() > 0.0);
    });
}

#[test]
fn memory_that_cannot_be_read_is_said() {
    let memfd = memfd_create(c"zocket", MFdFlags::MFD_ALLOW_SEALING).unwrap();
    let mut file = File::from(memfd);
    file.write_all(&[0; 4096]).unwrap();
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals)).unwrap();
    let list = list();
    let not_understood = list["not_understood"].as_array().unwrap();
    let pid = u64::from(process::id());
    assert!(not_understood.iter().any(|memory| memory["pid"] == pid));
    let output = run(&["ls", "--pid", &own_pid()]);
    assert!(text(&output.stdout).contains("cannot be shown"));
}

#[test]
fn processes_of_others_are_counted_and_not_listed() {
    if !geteuid().is_root() {
        // Nobody else's to start a process as.
        return;
    }
    let (a, _b) = pair();
    let nobody = Uid::from_raw(65534);
    let program = program_for_all();
    let as_nobody = |args: &[&str]| {
        let mut command = process::Command::new(&program.path);
        command.args(args).uid(nobody.as_raw()).output()
    };
    let all = as_nobody(&["ls", "--json"]).unwrap();
    let list = json(&all);
    assert!(list["processes_not_looked_at"].as_u64().unwrap() > 0);
    let koid = a.info().koid;
    let mut pairs = list["pairs"].as_array().unwrap().iter();
    assert!(!pairs.any(|pair| pair["ends"][0]["koid"] == koid));
    let table = as_nobody(&["ls"]).unwrap();
    assert!(text(&table.stdout).contains("could not be looked at"));
    let ours = as_nobody(&["ls", "--pid", &own_pid()]).unwrap();
    assert_fails(&ours, 1, &["may not be looked at", "root"]);
}

#[test]
fn processes_whose_descriptors_cannot_be_read_are_counted_as_well() {
    if !geteuid().is_root() {
        // Nothing to give up.
        return;
    }
    let program = program_for_all();
    let name = format!("@zocket-test-ls-{}", process::id());
    let mut other = zocket_at(&program.path, &["listen", &name]);
    let mut other = other.uid(65534).spawn().unwrap();
    // Until it is another user's, and has run its program.
    let pid = other.id().to_string();
    await_some(|| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        command.contains(&name).then_some(())
    });
    // May read every directory, and yet see no other user's descriptors.
    let without = |args: &[&str]| {
        let mut command = process::Command::new("setpriv");
        command
            .arg("--bounding-set=-sys_ptrace")
            .arg("--inh-caps=-all");
        command.arg(env!("CARGO_BIN_EXE_zocket")).args(args);
        command.output().unwrap()
    };
    let one = without(&["ls", "--pid", &pid]);
    assert_fails(&one, 1, &["may not be looked at"]);
    let list = json(&without(&["ls", "--json"]));
    assert!(list["processes_not_looked_at"].as_u64().unwrap() > 0);
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn list_is_complete_or_fails_however_few_descriptors_there_are() {
    let pairs: Vec<_> = (0..40).map(|_| pair()).collect();
    let (mut failed, mut listed) = (0, 0);
    // With fewer no program starts.
    for limit in 4..40 {
        let line = format!(r#"ulimit -n {limit}; exec "$0" ls --json --pid "$1""#);
        let mut command = process::Command::new("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_zocket"), &own_pid()]);
        let output = command.output().unwrap();
        if output.status.code() == Some(1) {
            assert!(text(&output.stderr).starts_with("zocket: cannot "));
            failed += 1;
            continue;
        }
        let list = json(&output);
        let koids = list["pairs"].as_array().unwrap().iter();
        let koids: BTreeSet<_> = koids.map(|pair| pair["ends"][0]["koid"].as_u64()).collect();
        for (a, _) in &pairs {
            assert!(
                koids.contains(&Some(a.info().koid)),
                "with {limit} descriptors"
            );
        }
        listed += 1;
    }
    assert!(failed > 0 && listed > 25, "{failed}, {listed}");
}

#[test]
fn process_that_is_not_there_is_said() {
    // Ended and waited for, so its number is free again.
    let mut child = process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let gone = child.id().to_string();
    assert_fails(&run(&["ls", "-p", &gone]), 1, &["no process", &gone]);
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &["ls", "--pid", "0"] as &[_],
        &["ls", "--pid", "x"],
        &["ls", "--watch", "0"],
        &["ls", "--count", "3"],
        &["ls", "name"],
    ] {
        assert_fails(&run(args), 2, &["error:", "--help"]);
    }
}

#[test]
fn reader_that_leaves_ends_the_watch() {
    let mut watch = zocket(&["ls", "--watch=0.01"]).spawn().unwrap();
    drop(watch.stdout.take());
    let output = output(watch);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}
