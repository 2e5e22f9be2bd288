//! What the program says about itself.

mod support;

use std::fs;

use support::{assert_fails, run, text};

const COMMANDS: [&str; 8] = [
    "ls",
    "exec",
    "listen",
    "connect",
    "pipe",
    "bench",
    "completions",
    "man",
];

#[track_caller]
fn printed(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout).to_owned()
}

#[test]
fn completions_know_every_command_and_none_that_is_not_for_users() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "no {command} for {shell}");
        }
        assert!(script.contains("--one-way") || script.contains("one-way"));
        assert!(!script.contains("pipe-receive") && !script.contains("bench-peer"));
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_exit_statuses() {
    let whole = printed(&["man"]);
    assert!(whole.contains(".TH zocket 1"));
    for command in COMMANDS {
        assert!(
            whole.contains(&format!("zocket\\-{command}(1)")),
            "{command}"
        );
        let page = printed(&["man", command]);
        assert!(
            page.contains(&format!(".TH zocket-{command} 1")),
            "{command}"
        );
        assert!(page.contains(".SH \"EXIT STATUS\""), "{command}");
    }
    assert!(!whole.contains("receive"));
}

#[test]
fn manual_pages_are_written_to_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("share/man1");
    assert_eq!(printed(&["man", "--dir", pages.to_str().unwrap()]), "");
    let mut names: Vec<_> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = COMMANDS
        .map(|command| format!("zocket-{command}.1"))
        .to_vec();
    expected.push("zocket.1".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    let page = fs::read_to_string(pages.join("zocket-ls.1")).unwrap();
    assert_eq!(page, printed(&["man", "ls"]));
    assert_fails(
        &run(&["man", "--dir", "/proc/none"]),
        1,
        &["cannot write manual pages", "/proc/none"],
    );
}

#[test]
fn every_command_says_what_it_exits_with() {
    for command in COMMANDS {
        assert!(
            printed(&[command, "--help"]).contains("Exit status:"),
            "{command}"
        );
    }
    assert!(printed(&["--help"]).contains("Exit status:"));
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &[] as &[_],
        &["list"],
        &["completions"],
        &["completions", "cmd"],
        &["man", "nothing"],
        &["man", "ls", "--dir", "x"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(text(&output.stdout), "");
    }
    assert_fails(
        &run(&["man", "nothing"]),
        2,
        &["nothing", "ls, exec, listen, connect, pipe"],
    );
}
