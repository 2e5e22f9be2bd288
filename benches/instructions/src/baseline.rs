//! What the paths took before, kept beside this file for each architecture.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const HEADER: &str = "# Instructions of one call, without those of memcpy. Written by
# cargo run --release -p zocket-instructions -- --update";

/// Instructions of one call of each path, and the compiler that made it so many.
#[derive(Default)]
pub(crate) struct Baseline {
    pub(crate) compiler: String,
    pub(crate) instructions: BTreeMap<String, f64>,
}

/// Where the baseline of this architecture is.
pub(crate) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{ARCH}.txt"))
}

impl Baseline {
    /// One without paths.
    pub(crate) fn by(compiler: String) -> Self {
        Self {
            compiler,
            ..Self::default()
        }
    }

    /// Whether it has no paths.
    pub(crate) fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    pub(crate) fn add(&mut self, path: &str, instructions: f64) {
        self.instructions.insert(path.to_owned(), instructions);
    }

    /// The one of this architecture, if there is one.
    pub(crate) fn load() -> Result<Option<Self>> {
        let file = file();
        match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => Self::parse(&text?)
                .map(Some)
                .with_context(|| format!("{} is not a baseline", file.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut baseline = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with("rustc ") {
                baseline.compiler = line.to_owned();
                continue;
            }
            let (name, count) = line.split_once(' ').context("a line without a count")?;
            baseline.add(name, count.trim().parse()?);
        }
        Ok(baseline)
    }

    pub(crate) fn save(&self) -> Result<()> {
        let mut text = format!("{HEADER}\n{}\n", self.compiler);
        for (name, count) in &self.instructions {
            text += &format!("{name:28} {count:6.1}\n");
        }
        let file = file();
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
