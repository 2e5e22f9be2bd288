//! `zocket exec` as its users run it.

mod support;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use zocket::{Datagram, Stream};

use support::{assert_fails, await_some, output, run, text, zocket};

fn exec<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["exec"], args].concat()
}

/// Runs two command lines of a shell.
fn join(options: &[&str], first: &str, second: &str) -> std::process::Output {
    let commands = ["--", "sh", "-c", first, "--", "sh", "-c", second];
    run(&exec(&[options, &commands].concat()))
}

#[track_caller]
fn assert_status(options: &[&str], first: &str, second: &str, status: i32) {
    let output = join(options, first, second);
    assert_eq!(text(&output.stderr), "", "{first}, {second}");
    assert_eq!(output.status.code(), Some(status), "{first}, {second}");
}

#[test]
fn what_one_command_writes_the_other_one_reads() {
    let output = join(
        &[],
        "echo ping; read answer; echo \"$answer\" >&2",
        "read question; echo \"$question? pong\"",
    );
    assert_eq!(text(&output.stderr), "ping? pong\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn command_that_has_ended_is_the_end_of_the_others_input() {
    let output = join(&[], "echo hi", "cat");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn command_that_closes_its_output_goes_on_reading() {
    let output = join(&[], "echo one; exec >&-; cat >&2", "cat; echo and the rest");
    assert_eq!(text(&output.stderr), "one\nand the rest\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn one_way_is_a_pipeline() {
    let commands = ["--one-way", "--", "tr", "a-z", "A-Z", "--", "cat", "-n"];
    let mut child = zocket(&exec(&commands))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"first\n").unwrap();
    let output = output(child);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout).trim(), "1\tFIRST");
}

#[test]
fn more_than_the_socket_holds_goes_through() {
    for capacity in ["4KiB", "1MiB"] {
        let output = join(
            &["-1", "--capacity", capacity],
            "head -c 10000000 /dev/zero; echo end",
            "cksum",
        );
        // That of the same command in a shell's pipeline.
        let shell = std::process::Command::new("sh")
            .args(["-c", "{ head -c 10000000 /dev/zero; echo end; } | cksum"])
            .output()
            .unwrap();
        assert_eq!(text(&output.stdout), text(&shell.stdout));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn what_is_on_its_way_arrives_though_both_commands_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let count = directory.path().join("count");
    let started = directory.path().join("started");
    // Reads only when it is told to: by then the other one has ended as well, as all of it fits on the way.
    let line = r#": >"$2"; exec 3<&0; { read go <"$0"; wc -c <&3 >"$1"; } >/dev/null 2>&1 &"#;
    let commands = [
        "-1",
        "--",
        "head",
        "-c",
        "200000",
        "/dev/zero",
        "--",
        "sh",
        "-c",
        line,
    ];
    let mut child = zocket(&exec(&commands));
    let mut child = child.args([&fifo, &count, &started]).spawn().unwrap();
    await_some(|| started.exists().then_some(()));
    // Both have ended, and were waited for. What copies goes on.
    await_some(|| children(&child).is_empty().then_some(()));
    assert_eq!(child.try_wait().unwrap(), None);
    fs::write(&fifo, "go\n").unwrap();
    assert_eq!(output(child).status.code(), Some(0));
    // All of it is in the pipe by then, at least.
    let counted = await_some(|| {
        let count = fs::read_to_string(&count).unwrap();
        count.ends_with('\n').then_some(count)
    });
    assert_eq!(counted.trim(), "200000");
}

#[test]
fn command_that_nobody_reads_is_stopped_and_has_not_failed() {
    let output = join(&["-1"], "exec yes", "exec head -n 2");
    assert_eq!(text(&output.stdout), "y\ny\n");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    assert_status(&[], "exec head -n 2 >/dev/null", "exec yes", 0);
}

#[test]
fn status_is_that_of_the_first_command_that_failed() {
    for options in [&[] as &[_], &["--one-way"], &["--endpoint"]] {
        assert_status(options, "exit 0", "exit 0", 0);
        assert_status(options, "exit 7", "exit 3", 7);
        assert_status(options, "exit 0", "exit 3", 3);
        assert_status(options, "kill -9 $$", "exit 3", 137);
        assert_status(options, "exit 0", "kill -15 $$", 143);
        // Nobody has stopped reading.
        assert_status(options, "kill -13 $$", "exit 0", 141);
    }
}

#[test]
fn command_that_cannot_be_started_is_said_and_the_other_one_ended() {
    for options in [&[] as &[_], &["--one-way"], &["--endpoint=x"]] {
        // Else this would not end.
        let waits = ["--", "sleep", "1000", "--"];
        let none = [options, &waits, &["no-such-command"]].concat();
        let words = ["cannot run no-such-command", "No such file", "sh -c"];
        assert_fails(&run(&exec(&none)), 127, &words);
        let no_program = [options, &waits, &["/proc/version"]].concat();
        let words = ["cannot run /proc/version", "denied"];
        assert_fails(&run(&exec(&no_program)), 126, &words);
    }
    let first = run(&exec(&["--", "no-such-command", "--", "true"]));
    assert_fails(&first, 127, &["no-such-command"]);
}

#[test]
fn command_that_cannot_be_started_for_want_of_means_is_a_failure_of_its_own() {
    // Enough to start the program, too few for a pair and the pipes of two commands.
    for limit in 8..24 {
        let line = format!(r#"ulimit -n {limit}; exec "$0" exec -- true -- true"#);
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", &line, env!("CARGO_BIN_EXE_zocket")]);
        let output = shell.output().unwrap();
        match output.status.code() {
            Some(0) => continue,
            _ => assert_fails(&output, 125, &["Too many open files"]),
        }
    }
}

#[test]
fn anything_but_two_commands_is_refused() {
    for args in [
        &[] as &[_],
        &["--", "true"],
        &["--", "true", "--"],
        &["--", "--", "true"],
        &["--", "true", "--", "true", "--", "true"],
        &["true", "--", "true"],
        &["--datagram", "--", "true", "--", "true"],
        &["--one-way", "--endpoint", "--", "true", "--", "true"],
        &["--endpoint=a=b", "--", "true", "--", "true"],
        &["--capacity=1", "--", "true", "--", "true"],
    ] {
        assert_fails(&run(&exec(args)), 2, &["error:", "--help"]);
    }
}

#[test]
fn separator_can_be_another_word() {
    let args = [
        "-1",
        "--separator=:",
        "--",
        "printf",
        "--",
        "%s",
        "x",
        ":",
        "cat",
        "--",
        "-",
    ];
    let output = run(&exec(&args));
    assert_eq!(text(&output.stdout), "x");
}

/// The processes that a `zocket exec` has started, both of them.
#[track_caller]
fn both_children(parent: &Child) -> Vec<Pid> {
    await_some(|| {
        let children = children(parent);
        (children.len() == 2).then_some(children)
    })
}

/// Whether a signal is ignored here, as under nohup, and so by all that is started here.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    ignored >> (signal as i32 - 1) & 1 != 0
}

#[test]
fn signals_that_end_it_are_passed_on() {
    let signals = [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)];
    // What the shell has ignored stays so.
    for (signal, status) in signals
        .into_iter()
        .filter(|(signal, _)| !is_ignored(*signal))
    {
        for option in ["--one-way", "--endpoint"] {
            let args = exec(&[option, "--", "sleep", "1000", "--", "sleep", "1000"]);
            let child = zocket(&args).spawn().unwrap();
            both_children(&child);
            kill(Pid::from_raw(child.id() as i32), signal).unwrap();
            let output = output(child);
            assert_eq!(output.status.code(), Some(status), "{option}");
        }
    }
}

#[test]
fn interrupt_is_left_to_the_commands() {
    if is_ignored(Signal::SIGINT) {
        // As of a job in the background. No shell can trap what was ignored when it began.
        return;
    }
    let waits = "trap 'exit 5' INT; echo ready >&2; while :; do sleep 0.01; done";
    let args = exec(&[
        "--endpoint",
        "--",
        "sh",
        "-c",
        waits,
        "--",
        "cat",
        "/dev/null",
    ]);
    let mut child = zocket(&args).spawn().unwrap();
    let mut ready = [0; 6];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    // As from a terminal, to all of them.
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    for pid in children(&child) {
        let _ = kill(pid, Signal::SIGINT);
    }
    assert_eq!(output(child).status.code(), Some(5));
}

/// Those of its children that it has not waited for.
fn children(parent: &Child) -> Vec<Pid> {
    let pid = parent.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace();
    children
        .map(|child| Pid::from_raw(child.parse().unwrap()))
        .collect()
}

/// This program again, as a command that runs one of the tests below.
fn part(name: &str) -> Vec<String> {
    let program = env::current_exe().unwrap();
    let program = program.into_os_string().into_string().unwrap();
    let args = ["--exact", "--ignored", "--nocapture", name];
    let words = [program].into_iter().chain(args.map(str::to_owned));
    words.collect()
}

#[track_caller]
fn assert_parts_succeed(options: &[&str], first: &str, second: &str) {
    let mut command = zocket(&["exec"]);
    command.args(options).arg("--").args(part(first));
    command.arg("--").args(part(second));
    let output = output(command.spawn().unwrap());
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn endpoints_are_inherited_under_the_name() {
    assert_parts_succeed(&["--endpoint"], "stream_asks", "stream_answers");
    assert_parts_succeed(
        &["--endpoint=data", "--datagram", "--capacity=8KiB"],
        "datagram_asks",
        "datagram_answers",
    );
}

#[test]
#[ignore = "a command of another test's"]
fn stream_asks() {
    let mut end = Stream::inherited("exec").unwrap();
    end.write_all(b"question").unwrap();
    let mut answer = String::new();
    end.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
#[ignore = "a command of another test's"]
fn stream_answers() {
    let mut end = Stream::inherited("exec").unwrap();
    let mut question = [0; 8];
    end.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    end.write_all(b"answer").unwrap();
}

#[test]
#[ignore = "a command of another test's"]
fn datagram_asks() {
    let mut end = Datagram::inherited("data").unwrap();
    assert_eq!(end.info().capacity, 8192);
    end.send(b"question").unwrap();
    let mut answer = [0; 20];
    assert_eq!(end.recv(&mut answer), Ok(6));
}

#[test]
#[ignore = "a command of another test's"]
fn datagram_answers() {
    let mut end = Datagram::inherited("data").unwrap();
    let mut question = [0; 20];
    assert_eq!(end.recv(&mut question), Ok(8));
    end.send(b"answer").unwrap();
}
