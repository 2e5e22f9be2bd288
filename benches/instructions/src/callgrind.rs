//! Runs this program under callgrind, and reads what that has counted.
//!
//! A ring behaves in the same way each time round, so a path is taken through it once to warm up
//! and once to be counted. Which instructions those were is known one by one: the file has, for
//! every function that was in use, the address of each instruction and how often it was executed
//! (<https://valgrind.org/docs/manual/cl-format.html>).

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

use crate::paths::{COUNTED, Path, Turn};

/// As many messages of 8 bytes as an endpoint's ring holds. What happens once each time round
/// has its share in the average.
const CALLS: u32 = (256 << 10) / 8;
/// What fewer calls than one of so many execute is counted, but they may do what they like: once
/// each time round the ring looks full to the writer, which takes the long way then to look again.
const RARE: u64 = 1000;

/// What the counted calls of a path have executed.
pub(crate) struct Profile {
    functions: BTreeMap<String, Function>,
}

#[derive(Default)]
struct Function {
    /// The file that it is in.
    object: String,
    /// How often the instruction at each address was executed.
    executed: BTreeMap<u64, u64>,
}

/// What the program does when callgrind runs it.
pub(crate) fn serve(path: &Path) {
    let mut turn = (path.set_up)();
    take_turns(&mut turn);
    measured_turns(&mut turn);
}

fn take_turns(turn: &mut Turn) {
    for _ in 0..CALLS {
        turn();
    }
}

/// Part of the name of [`measured_turns`] as callgrind knows it.
const MEASURED: &str = "measured_turns";

/// Callgrind forgets what it has counted when this begins.
#[inline(never)]
fn measured_turns(turn: &mut Turn) {
    take_turns(turn);
}

/// Has callgrind count what a path executes.
pub(crate) fn profile(path: &Path) -> Result<Profile> {
    let out = NamedTempFile::new()?;
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--dump-instr=yes"])
        .args([
            "--dump-line=no",
            "--compress-strings=no",
            "--compress-pos=no",
        ])
        .arg(format!("--toggle-collect=*{COUNTED}*"))
        .arg(format!("--zero-before=*{MEASURED}*"))
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(env::current_exe()?)
        .args(["--serve", path.name])
        .status()
        .context("cannot run valgrind")?;
    ensure!(status.success(), "{} fails under callgrind", path.name);
    let profile = Profile::parse(&fs::read_to_string(out.path())?)?;
    profile
        .check()
        .with_context(|| format!("callgrind has not counted {} as it should", path.name))?;
    Ok(profile)
}

impl Profile {
    fn parse(text: &str) -> Result<Self> {
        let mut functions = BTreeMap::<_, Function>::new();
        let (mut object, mut name) = ("", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match line.split_once('=') {
                Some(("ob", value)) => object = value,
                Some(("fn", value)) => name = value,
                // The cost of what was called is listed there as well.
                Some(("calls", _)) => _ = lines.next(),
                Some(_) => {}
                None => {
                    if let Some((address, count)) = cost(line)? {
                        let function = functions.entry(name.to_owned()).or_default();
                        function.object = object.to_owned();
                        *function.executed.entry(address).or_default() += count;
                    }
                }
            }
        }
        Ok(Self { functions })
    }

    /// Checks that callgrind has understood what to count, and knows the functions by name.
    fn check(&self) -> Result<()> {
        for (name, function) in &self.functions {
            if name.starts_with("0x") {
                bail!(
                    "it does not know the functions of {}: install the C library's debugging \
                     symbols (apt-get install libc6-dbg)",
                    function.object
                );
            }
        }
        let entry = self
            .functions
            .iter()
            .filter(|(name, _)| name.contains(COUNTED))
            .find_map(|(_, function)| function.executed.values().next());
        ensure!(
            entry == Some(&CALLS.into()),
            "{entry:?} calls instead of {CALLS}"
        );
        Ok(())
    }

    /// Instructions of one call, without those of `memcpy`.
    pub(crate) fn instructions(&self) -> f64 {
        self.per_call(|name| !is_memcpy(name))
    }

    /// Instructions of `memcpy` in one call.
    pub(crate) fn memcpy(&self) -> f64 {
        self.per_call(is_memcpy)
    }

    fn per_call(&self, belongs: impl Fn(&str) -> bool) -> f64 {
        let functions = self.functions.iter().filter(|(name, _)| belongs(name));
        let total: u64 = functions
            .flat_map(|(_, function)| function.executed.values())
            .sum();
        // What happens once each time round is less than what is printed.
        (total as f64 / f64::from(CALLS) * 10.0).round() / 10.0
    }

    /// Functions that are called, if not rarely.
    pub(crate) fn callees(&self) -> Vec<&str> {
        let others = self.functions.iter().filter(|(name, function)| {
            !name.contains(COUNTED) && !is_memcpy(name) && function.usual().next().is_some()
        });
        others.map(|(name, _)| name.as_str()).collect()
    }

    /// Addresses of the instructions of this program that are executed, if not rarely.
    pub(crate) fn executed(&self) -> Result<Vec<u64>> {
        let program = env::current_exe()?;
        let ours = self
            .functions
            .values()
            .filter(|function| program == *function.object);
        Ok(ours.flat_map(Function::usual).collect())
    }
}

impl Function {
    fn usual(&self) -> impl Iterator<Item = u64> {
        self.executed
            .iter()
            .filter(|&(_, &count)| count * RARE >= CALLS.into())
            .map(|(&address, _)| address)
    }
}

/// An address and how often the instruction there was executed, if a line is about that.
fn cost(line: &str) -> Result<Option<(u64, u64)>> {
    let Some((address, count)) = line
        .strip_prefix("0x")
        .and_then(|rest| rest.split_once(' '))
    else {
        return Ok(None);
    };
    Ok(Some((u64::from_str_radix(address, 16)?, count.parse()?)))
}

/// The C library has one for each kind of CPU, and `memmove` is often the same function.
fn is_memcpy(function: &str) -> bool {
    let name = function.trim_start_matches('_');
    name.starts_with("memcpy") || name.starts_with("memmove")
}
