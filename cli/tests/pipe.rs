//! `zocket pipe` as its users run it.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use support::{assert_fails, await_some, json, output, text, zocket};

/// `zocket pipe` with these arguments, and nothing at its standard input.
fn pipe(args: &[&str]) -> Command {
    zocket(&[&["pipe"], args].concat())
}

fn run(args: &[&str]) -> Output {
    output(pipe(args).spawn().unwrap())
}

/// Bytes without a short period.
fn data(len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    fastrand::Rng::with_seed(len as u64).fill(&mut data);
    data
}

fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A directory with a file `in` of this length, and the path of a file `out`.
fn directory(len: usize) -> (TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    fs::write(&input, data(len)).unwrap();
    (directory, input, output)
}

#[track_caller]
fn assert_round_trip(len: usize, options: &[&str]) {
    let (directory, input, out) = directory(len);
    let mut args = vec![str(&input), "-o", str(&out), "--json"];
    args.extend(options);
    let report = json(&run(&args));
    assert_eq!(report["bytes"], len, "{options:?}");
    assert!(
        fs::read(&out).unwrap() == data(len),
        "not the same: {len} bytes, {options:?}"
    );
    assert_eq!(names(directory.path()), ["in", "out"]);
}

#[test]
fn files_of_all_sizes_arrive_as_they_are() {
    const BLOCK: usize = 64 << 10;
    const CAPACITY: usize = 256 << 10;
    for len in [
        0,
        1,
        BLOCK - 1,
        BLOCK,
        BLOCK + 1,
        CAPACITY - 1,
        CAPACITY,
        CAPACITY + 1,
        5_000_000,
    ] {
        assert_round_trip(len, &["--no-compare"]);
    }
}

#[test]
fn files_arrive_through_every_transport() {
    for len in [0, 1, 1_000_003] {
        assert_round_trip(len, &[]);
        assert_round_trip(len, &["--datagram"]);
    }
}

#[test]
fn files_arrive_with_all_blocks_and_capacities() {
    for (block, capacity) in [
        ("1", "4096"),
        ("4095", "4096"),
        ("1MiB", "4096"),
        ("3KiB", "1MiB"),
        ("1MiB", "1MiB"),
    ] {
        assert_round_trip(
            20_003,
            &["--block", block, "--capacity", capacity, "--no-compare"],
        );
    }
}

#[test]
fn files_arrive_as_records() {
    for (record, block, capacity) in [
        ("1", "64KiB", "4096"),
        ("1000", "1500", "4096"),
        ("4096", "1", "4096"),
        ("100KiB", "64KiB", "256KiB"),
        ("1MiB", "1MiB", "1MiB"),
    ] {
        let options = [
            "--datagram",
            "--record",
            record,
            "--block",
            block,
            "--capacity",
            capacity,
        ];
        assert_round_trip(20_003, &options);
    }
}

#[test]
fn output_may_be_the_input() {
    let (directory, input, _) = directory(300_000);
    json(&run(&[str(&input), "-o", str(&input), "--json"]));
    assert!(fs::read(&input).unwrap() == data(300_000));
    assert_eq!(names(directory.path()), ["in"]);
}

#[test]
fn names_need_not_be_text() {
    let (directory, input, _) = directory(10);
    let odd = directory.path().join(OsStr::from_bytes(b"odd\xFF"));
    let mut command = pipe(&["--json", str(&input), "-o"]);
    json(&output(command.arg(&odd).spawn().unwrap()));
    json(&output(pipe(&["--json"]).arg(&odd).spawn().unwrap()));
    assert_eq!(fs::read(&odd).unwrap(), data(10));
}

#[test]
fn output_has_the_mode_of_a_new_file_or_of_the_one_it_replaces() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (_directory, input, out) = directory(10);
    let new = input.with_file_name("new");
    File::create(&new).unwrap();
    json(&run(&[str(&input), "-o", str(&out), "--json"]));
    assert_eq!(mode(&out), mode(&new));
    fs::set_permissions(&out, fs::Permissions::from_mode(0o604)).unwrap();
    json(&run(&[str(&input), "-o", str(&out), "--json"]));
    assert_eq!(mode(&out), 0o604);
}

#[test]
fn standard_input_is_taken_from_a_pipe() {
    for args in [&["--json"] as &[_], &["-", "--json"]] {
        let mut child = pipe(args).stdin(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(&data(500_000))
            .unwrap();
        let report = json(&output(child));
        assert_eq!(report["source"], "standard input");
        assert_eq!(report["spooled"], true);
        assert_eq!(report["bytes"], 500_000);
    }
}

#[test]
fn standard_input_is_taken_from_a_file_without_a_copy() {
    let (_directory, input, _) = directory(500_000);
    let file = File::open(input).unwrap();
    let report = json(&output(pipe(&["--json"]).stdin(file).spawn().unwrap()));
    assert_eq!(report["spooled"], false);
    assert_eq!(report["bytes"], 500_000);
}

#[test]
fn standard_input_may_be_empty() {
    let mut child = pipe(&["--json"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    assert_eq!(json(&output(child))["bytes"], 0);
}

#[test]
fn data_is_generated_when_asked_for_whatever_standard_input_is() {
    let child = pipe(&["--size", "10MiB", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let report = json(&output(child));
    assert_eq!(report["source"], "generated data");
    assert_eq!(report["bytes"], 10 << 20);
}

#[test]
fn json_tells_everything() {
    let (_directory, input, out) = directory(100_000);
    let report = json(&run(&[
        str(&input),
        "--json",
        "--rounds",
        "2",
        "-o",
        str(&out),
    ]));
    assert_eq!(report["source"], str(&input));
    assert_eq!(report["spooled"], false);
    assert_eq!(report["bytes"], 100_000);
    assert_eq!(report["digest_kind"], "xxh3-128");
    let digest = xxhash_rust::xxh3::xxh3_128(&data(100_000));
    assert_eq!(report["digest"], format!("{digest:032x}"));
    assert_eq!(report["verified"], true);
    assert_eq!(report["block"], 65_536);
    assert_eq!(report["record"], Value::Null);
    assert_eq!(report["rounds"], 2);
    assert_eq!(report["output"], str(&out));
    assert!(report["output_seconds"].as_f64().unwrap() > 0.0);
    let transports = report["transports"].as_array().unwrap();
    let names: Vec<_> = transports.iter().map(|t| &t["transport"]).collect();
    assert_eq!(names, ["zocket-stream", "pipe", "unix-stream"]);
    assert_eq!(transports[0]["capacity"], 1 << 20);
    let zocket = transports[0]["seconds"].as_f64().unwrap();
    for transport in transports {
        let seconds = transport["seconds"].as_f64().unwrap();
        assert!(seconds > 0.0);
        let rate = transport["bytes_per_second"].as_f64().unwrap();
        assert!((rate * seconds - 1e5).abs() < 1.0);
        let all = transport["all_seconds"].as_array().unwrap();
        assert_eq!(all.len(), 2);
        match transport["times_zocket"].as_f64() {
            None => assert_eq!(transport["transport"], "zocket-stream"),
            Some(ratio) => assert!((ratio * zocket - seconds).abs() < 1e-9),
        }
    }
}

#[test]
fn json_tells_of_records() {
    let report = json(&run(&["--size", "100000", "--datagram", "--json"]));
    assert_eq!(report["record"], 4096);
    let transports = report["transports"].as_array().unwrap();
    let names: Vec<_> = transports.iter().map(|t| &t["transport"]).collect();
    assert_eq!(
        names,
        ["zocket-datagram", "pipe", "unix-stream", "unix-seqpacket"]
    );
}

#[test]
fn table_tells_size_times_rates_and_ratios() {
    let output = run(&["--size", "20MiB"]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    for words in [
        "generated data: 20,971,520 bytes",
        "GB/s",
        "zocket stream",
        "kernel pipe",
        "AF_UNIX stream",
        "as fast",
        "the same at both ends of every transport",
    ] {
        assert!(table.contains(words), "no {words:?} in:\n{table}");
    }
}

#[test]
fn progress_is_drawn_on_a_terminal_alone() {
    let terminal = openpty(None, None).unwrap();
    let child = pipe(&["--size", "100MB", "--json", "--no-compare", "--rounds=1"])
        .stderr(terminal.slave)
        .spawn()
        .unwrap();
    let mut drawn = File::from(terminal.master);
    let watcher = thread::spawn(move || {
        let mut all = Vec::new();
        // Ends with EIO when the last process has closed the terminal.
        let _ = drawn.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    });
    let output = output(child);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert!(watcher.join().unwrap().contains("zocket stream"));
    // That nothing is drawn elsewhere is asserted wherever standard error is: `json`.
}

#[test]
fn what_cannot_be_read_is_said() {
    let (directory, _, _) = directory(0);
    let missing = directory.path().join("missing");
    let cases = [
        (str(&missing), "No such file"),
        (str(directory.path()), "it is a directory"),
        ("/dev/zero", "it is a device"),
    ];
    for (path, why) in cases {
        assert_fails(&run(&[path]), 1, &["cannot read", path, why]);
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_read() {
    let (directory, _, _) = directory(0);
    let beyond = directory.path().join("missing/out");
    let cases = [
        (str(&beyond), "missing is not a directory"),
        (str(directory.path()), "it is a directory"),
        ("/dev/null", "it is no regular file"),
        ("/proc/out", "cannot create a file"),
    ];
    for (path, why) in cases {
        let output = run(&["/no/such/file", "-o", path]);
        assert_fails(&output, 1, &["cannot write", path, why]);
    }
    assert_eq!(names(directory.path()), ["in"]);
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &["--size", "lots"] as &[_],
        &["--block", "0"],
        &["--capacity", "1"],
        &["--record", "1"],
        &["--datagram", "--record", "2MiB"],
        &["file", "--size", "1"],
        &["one", "two"],
    ] {
        let output = run(args);
        assert_fails(&output, 2, &["error:", "--help"]);
    }
}

#[test]
fn receiver_alone_says_what_it_is_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_zocket"))
        .args(["pipe-receive", "--transport=zocket-stream", "--block=1"])
        .output()
        .unwrap();
    assert_fails(&output, 1, &["for `zocket pipe` itself"]);
}

/// The processes that `parent` has started and not yet waited for.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.parse().ok()
    });
    processes
        .filter(|&pid| stat(pid).is_some_and(|(_, its_parent)| its_parent == parent))
        .collect()
}

/// State and parent of a process, if there is one.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything, even parentheses.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The receiver of a `zocket pipe`, once it has run its own program.
#[track_caller]
fn receiver(sender: &Child) -> u32 {
    await_some(|| {
        let pid = *children(sender.id()).first()?;
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains("pipe-receive").then_some(pid)
    })
}

fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// Waits until data is moving: a part file has some.
#[track_caller]
fn await_data(directory: &Path) {
    await_some(|| {
        let moving = |name: &String| {
            name.ends_with(".part")
                && fs::metadata(directory.join(name)).is_ok_and(|part| part.len() > 0)
        };
        names(directory).iter().any(moving).then_some(())
    });
}

/// Whether the receiver of a zocket has read anything.
fn has_read(receiver: u32) -> bool {
    let mut list = zocket(&["ls", "--json", "--pid", &receiver.to_string()]);
    let list = output(list.spawn().unwrap());
    let list: Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
    list["pairs"][0]["ends"][1]["total_read"].as_u64() > Some(0)
}

/// The receiver of a certain transport, once it has read a megabyte.
#[track_caller]
fn busy_receiver(sender: &Child, transport: &str) -> u32 {
    await_some(|| {
        let pid = *children(sender.id()).first()?;
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let read: u64 = io.lines().next()?.strip_prefix("rchar: ")?.parse().ok()?;
        (line.contains(transport) && read > 1 << 20).then_some(pid)
    })
}

#[test]
fn receiver_of_a_kernel_socket_that_is_killed_ends_the_sender() {
    // Each write is one piece to the kernel: one of which a part was taken would not fail at first.
    let args = ["--size=200MB", "--rounds=1", "--block=4KiB"];
    let sender = pipe(&args).spawn().unwrap();
    let receiver = busy_receiver(&sender, "--transport=unix-stream");
    // It leaves something unread.
    let pid = Pid::from_raw(receiver.try_into().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    await_some(|| (stat(receiver)?.0 == 'T').then_some(()));
    // And the sender has no room to write any more.
    await_some(|| (stat(sender.id())?.0 == 'S').then_some(()));
    kill_9(receiver);
    let words = ["ended before it had everything", "SIGKILL", "AF_UNIX"];
    assert_fails(&output(sender), 4, &words);
}

#[test]
fn receiver_that_is_killed_ends_the_sender() {
    for options in [&["--no-compare"] as &[_], &["--no-compare", "--datagram"]] {
        let mut args = vec!["--size", "1000GiB"];
        args.extend(options);
        let sender = pipe(&args).spawn().unwrap();
        let receiver = receiver(&sender);
        await_some(|| has_read(receiver).then_some(()));
        kill_9(receiver);
        assert_fails(
            &output(sender),
            4,
            &["ended before it had everything", "SIGKILL", "zocket"],
        );
    }
}

#[test]
fn receiver_that_is_killed_leaves_no_output() {
    let (directory, _, out) = directory(0);
    fs::write(&out, "as before").unwrap();
    let sender = pipe(&["--size", "1000GiB", "-o", str(&out), "--no-compare"])
        .spawn()
        .unwrap();
    let receiver = receiver(&sender);
    await_data(directory.path());
    kill_9(receiver);
    assert_fails(&output(sender), 4, &["SIGKILL"]);
    assert_eq!(names(directory.path()), ["in", "out"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "as before");
}

#[test]
fn sender_that_is_killed_ends_the_receiver_and_leaves_no_output() {
    let (directory, _, out) = directory(0);
    let mut sender = pipe(&["--size", "1000GiB", "-o", str(&out), "--no-compare"])
        .spawn()
        .unwrap();
    let receiver = receiver(&sender);
    await_data(directory.path());
    sender.kill().unwrap();
    sender.wait().unwrap();
    // Who has adopted it may leave it as a zombie.
    await_some(|| match stat(receiver) {
        None | Some(('Z', _)) => Some(()),
        Some(_) => None,
    });
    assert_eq!(names(directory.path()), ["in"]);
    let mut error = String::new();
    sender.stderr.unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(
        error,
        "zocket: the sender ended before it confirmed what arrived\n"
    );
}

#[test]
fn receiver_that_cannot_write_says_why() {
    let (directory, _, out) = directory(0);
    // A limit on the size of files, which the receiver inherits. The memory of the ring is
    // a file as well, and must be smaller.
    let line = r#"ulimit -f 2000; trap "" XFSZ
        exec "$0" pipe --size 100MB --no-compare --capacity 64KiB -o "$1""#;
    let child = Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_zocket"), str(&out)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_fails(
        &output(child),
        1,
        &["receiver", "writing the output", "too large"],
    );
    assert_eq!(names(directory.path()), ["in"]);
}
