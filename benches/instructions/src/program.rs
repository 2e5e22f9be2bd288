//! What binutils say about this program: who compiled it, and into what.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The compiler and its version, as it has written them into the program.
pub(crate) fn compiler() -> Result<String> {
    let comments = output("readelf", &["--string-dump=.comment".to_owned()])?;
    let version = comments
        .lines()
        .find_map(|line| Some(&line[line.find("rustc version ")?..]))
        .context("the program does not say which rustc has compiled it")?;
    Ok(version.replace("rustc version", "rustc"))
}

/// Whether [`heavy`] knows the instructions of this architecture.
pub(crate) const KNOWS_HEAVY: bool = cfg!(target_arch = "x86_64");

/// Those of the instructions at these addresses that count for many: locked ones, fences and
/// system calls.
pub(crate) fn heavy(addresses: &[u64]) -> Result<Vec<String>> {
    let (first, last) = (addresses.iter().min(), addresses.iter().max());
    let (first, last) = first.zip(last).context("nothing was executed")?;
    let range = [
        "--disassemble".to_owned(),
        "--no-show-raw-insn".to_owned(),
        format!("--start-address={first:#x}"),
        format!("--stop-address={:#x}", last + 1),
    ];
    let listing = output("objdump", &range)?;
    let mut missing: BTreeSet<_> = addresses.iter().collect();
    let mut heavy = Vec::new();
    for line in listing.lines() {
        let Some((address, instruction)) = line.split_once(":\t") else {
            continue;
        };
        let address = u64::from_str_radix(address.trim(), 16)?;
        if missing.remove(&address) && is_heavy(instruction) {
            heavy.push(format!("{address:#x}: {instruction}"));
        }
    }
    ensure!(missing.is_empty(), "objdump does not list {missing:x?}");
    Ok(heavy)
}

fn is_heavy(instruction: &str) -> bool {
    const NAMES: [&str; 6] = ["lock", "mfence", "lfence", "sfence", "syscall", "sysenter"];
    // An exchange with memory is locked without saying so.
    let exchanges = instruction.starts_with("xchg") && instruction.contains('(');
    exchanges
        || instruction
            .split_whitespace()
            .any(|word| NAMES.contains(&word))
}

fn output(tool: &str, args: &[String]) -> Result<String> {
    let output = Command::new(tool)
        .args(args)
        .arg(env::current_exe()?)
        .output()
        .with_context(|| format!("cannot run {tool}"))?;
    ensure!(output.status.success(), "{tool} fails: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}
