//! How many instructions do the calls take that everybody makes all the time?
//!
//! `cargo run --release -p zocket-instructions`, and after `--`:
//! - `--check` fails if there are more than before, or than a limit;
//! - `--update` takes what is counted now for what was before.
//!
//! Callgrind counts (it is part of valgrind), so neither the clock nor who else is on the machine
//! plays a part: two runs of one program count the same. See `docs/verification.md`.

mod baseline;
mod callgrind;
mod paths;
mod program;

use std::env::consts::ARCH;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Parser;

use baseline::Baseline;
use callgrind::Profile;
use paths::{PATHS, Path};

/// A change by more than this part of the baseline is one that somebody should know about.
const TOLERANCE: f64 = 0.05;

#[derive(Debug, Parser)]
struct Cli {
    /// Fails if a path takes more instructions than in the baseline, or than its limit.
    #[arg(long, conflicts_with_all = ["update", "filter"])]
    check: bool,
    /// Writes the baseline.
    #[arg(long, conflicts_with = "filter")]
    update: bool,
    /// What this program does under callgrind.
    #[arg(long, hide = true, value_name = "PATH")]
    serve: Option<String>,
    /// Only paths with this in their names.
    filter: Option<String>,
}

impl Cli {
    fn paths(&self) -> impl Iterator<Item = &'static Path> {
        let filter = self.filter.as_deref().unwrap_or_default();
        PATHS.iter().filter(move |path| path.name.contains(filter))
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(name) = &cli.serve {
        let path = PATHS.iter().find(|path| path.name == name);
        callgrind::serve(path.context("no such path")?);
        return Ok(ExitCode::SUCCESS);
    }
    find_tools()?;
    measure(&cli)
}

/// Says what to install, if something is missing that counts.
fn find_tools() -> Result<()> {
    let tools = [
        ("valgrind", "valgrind libc6-dbg"),
        ("objdump", "binutils"),
        ("readelf", "binutils"),
    ];
    for (tool, packages) in tools {
        let mut command = Command::new(tool);
        command.arg("--version").stdout(Stdio::null());
        let status = command.status();
        status.with_context(|| format!("{tool} does not run (apt-get install {packages})"))?;
    }
    Ok(())
}

/// Counts, prints and compares.
fn measure(cli: &Cli) -> Result<ExitCode> {
    let compiler = program::compiler()?;
    let before = match Baseline::load()? {
        Some(before) => before,
        None if cli.check => bail!("{}", missing_baseline()),
        None => Baseline::default(),
    };
    let mut now = Baseline::by(compiler);
    let mut findings = Vec::new();
    print_head();
    for path in cli.paths() {
        let profile = callgrind::profile(path)?;
        let baseline = before.instructions.get(path.name).copied();
        print_row(path, &profile, baseline);
        findings.extend(find(path, &profile, baseline)?);
        now.add(path.name, profile.instructions());
    }
    println!();
    if cli.update {
        now.save()?;
        println!("Written to {}.", baseline::file().display());
        findings.retain(|finding| finding.of == Of::Call);
    } else if before.is_empty() {
        println!("Note: {}.", missing_baseline());
        findings.retain(|finding| finding.of == Of::Call);
    } else {
        print_compilers(&now, &before);
    }
    for finding in &findings {
        println!("{}", finding.text);
    }
    let fails = cli.check && findings.iter().any(|finding| finding.of != Of::Fall);
    Ok(ExitCode::from(u8::from(fails)))
}

fn missing_baseline() -> String {
    let file = baseline::file();
    format!(
        "there is no baseline for {ARCH}; --update makes {}",
        file.display()
    )
}

fn print_head() {
    println!("instructions of one call, those of memcpy apart");
    println!(
        "{:28} {:>7} {:>7} {:>9} {:>8} {:>6}",
        "path", "count", "memcpy", "baseline", "change", "limit"
    );
}

fn print_row(path: &Path, profile: &Profile, baseline: Option<f64>) {
    let count = profile.instructions();
    let (baseline, change) = match baseline {
        Some(baseline) => (
            format!("{baseline:.1}"),
            format!("{:+.1} %", (count / baseline - 1.0) * 100.0),
        ),
        None => ("-".to_owned(), "-".to_owned()),
    };
    println!(
        "{:28} {count:7.1} {:7.1} {baseline:>9} {change:>8} {:6}",
        path.name,
        profile.memcpy(),
        path.limit
    );
}

/// Another compiler makes other instructions of the same code.
fn print_compilers(now: &Baseline, before: &Baseline) {
    if now.compiler == before.compiler {
        println!("Compiled by {}, as for the baseline.", now.compiler);
    } else {
        println!(
            "Note: compiled by {}, but for the baseline by {}. What has changed may be the compiler.",
            now.compiler, before.compiler
        );
    }
}

/// Something that somebody should know.
struct Finding {
    of: Of,
    text: String,
}

/// What a finding is about.
#[derive(PartialEq)]
enum Of {
    /// The call, whatever it was before.
    Call,
    /// More than before, or nothing to compare with.
    Rise,
    /// Less than before: good news, but the next rise should be seen too.
    Fall,
}

/// What there is to say about a path.
fn find(path: &Path, profile: &Profile, baseline: Option<f64>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut say = |of, text: String| {
        findings.push(Finding {
            of,
            text: format!("{}: {text}", path.name),
        });
    };
    let count = profile.instructions();
    if count > path.limit {
        say(
            Of::Call,
            format!(
                "{count:.1} instructions are too many, the limit is {}",
                path.limit
            ),
        );
    }
    match baseline {
        None => say(
            Of::Rise,
            "not in the baseline; add it with --update".to_owned(),
        ),
        Some(baseline) if count > baseline * (1.0 + TOLERANCE) => {
            say(
                Of::Rise,
                format!("{count:.1} instructions, up from {baseline:.1}"),
            );
        }
        Some(baseline) if count < baseline * (1.0 - TOLERANCE) => say(
            Of::Fall,
            format!(
                "only {count:.1} instructions, down from {baseline:.1}; please --update the baseline"
            ),
        ),
        Some(_) => {}
    }
    if !path.may_call {
        for callee in profile.callees() {
            say(Of::Call, format!("calls {callee}"));
        }
    }
    if program::KNOWS_HEAVY {
        for instruction in program::heavy(&profile.executed()?)? {
            say(Of::Call, format!("executes {instruction}"));
        }
    }
    Ok(findings)
}
