//! `zocket bench` as its users run it. How fast anything is, is asserted nowhere.

mod support;

use std::fs;
use std::os::fd::AsRawFd;
use std::process;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::Value;

use support::{assert_fails, json, run, text};

#[track_caller]
fn assert_complete(report: &Value, transports: &[&str]) {
    let names = |lines: &[Value]| -> Vec<String> {
        let names = lines.iter().map(|line| line["transport"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let trips = report["round_trips"].as_array().unwrap();
    assert_eq!(names(trips), transports);
    for line in trips {
        let (p50, p99) = (
            line["p50_ns"].as_f64().unwrap(),
            line["p99_ns"].as_f64().unwrap(),
        );
        assert!(0.0 < p50 && p50 <= p99, "{line}");
        assert!(line["times_zocket"].as_f64().unwrap() > 0.0);
    }
    let streams = report["one_way"].as_array().unwrap();
    let sizes = [64, 4 << 10, 64 << 10];
    for (lines, size) in streams.chunks(transports.len()).zip(sizes) {
        assert_eq!(names(lines), transports);
        for line in lines {
            assert_eq!(line["bytes"], size);
            let rate = line["bytes_per_second"].as_f64().unwrap();
            let messages = line["messages_per_second"].as_f64().unwrap();
            assert!(rate > 0.0 && (messages * size as f64 / rate - 1.0).abs() < 1e-9);
            let rounds = line["all_bytes_per_second"].as_array().unwrap();
            assert_eq!(report["rounds"], rounds.len());
        }
    }
    assert_eq!(streams.len(), sizes.len() * transports.len());
}

#[test]
fn everything_is_measured_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let plot = directory.path().join("plot.svg");
    let plot_to = plot.to_str().unwrap();
    let report = json(&run(&["bench", "--quick", "--json", "--plot", plot_to]));
    let cpus = report["machine"]["cpus"].as_array().unwrap();
    // With one CPU nobody spins.
    let mut transports = vec!["zocket-blocking", "zocket-spinning", "pipe", "unix-stream"];
    if cpus[0] == cpus[1] {
        transports.remove(1);
    }
    assert_complete(&report, &transports);
    assert_eq!(report["rounds"], 2);
    assert!(fs::read_to_string(plot).unwrap().starts_with("<svg"));
}

#[test]
fn processes_share_a_cpu_if_that_is_asked_for() {
    let report = json(&run(&["bench", "--quick", "--json", "--rounds=1"]));
    let cpu = report["machine"]["cpus"][0].as_u64().unwrap();
    let cpus = format!("--cpus={cpu},{cpu}");
    let output = run(&["bench", "--quick", "--rounds=1", &cpus]);
    assert_eq!(text(&output.stderr), "");
    for words in ["for both processes", "64 KiB", "kernel pipe", "p99"] {
        assert!(text(&output.stdout).contains(words), "no {words}");
    }
    assert!(!text(&output.stdout).contains("spinning"));
}

#[test]
fn figures_are_printed_even_if_the_plot_cannot_be_written() {
    // Can be opened for writing, but not written.
    let memfd = memfd_create(c"plot", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
    let memfd = memfd.unwrap();
    fcntl(&memfd, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).unwrap();
    let plot = format!("--plot=/proc/{}/fd/{}", process::id(), memfd.as_raw_fd());
    let output = run(&["bench", "--quick", "--rounds=1", "--json", &plot]);
    assert!(text(&output.stderr).contains("cannot write /proc/"));
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rounds"], 1);
}

#[test]
fn what_cannot_be_done_is_said() {
    let nowhere = ["bench", "--quick", "--cpus=0,1000000"];
    assert_fails(&run(&nowhere), 1, &["may not run on CPU 1000000"]);
    let unwritable = ["bench", "--plot=/proc/plot"];
    assert_fails(&run(&unwritable), 1, &["cannot write /proc/plot"]);
    let no_file = ["bench", "--plot=/dev/full"];
    assert_fails(&run(&no_file), 1, &["cannot write /dev/full: it is no"]);
    for args in [
        &["bench", "--cpus=0"] as &[_],
        &["bench", "--cpus=a,b"],
        &["bench", "--rounds=0"],
        &["bench", "name"],
    ] {
        assert_fails(&run(args), 2, &["error:", "--help"]);
    }
}
