//! How much memory there is of what.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// KiB of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// This process's own.
    pub(super) own: f64,
    /// Pages of memory files that it has open, used or not.
    pub(super) shared: f64,
    /// Objects and page tables of the kernel, for everybody.
    pub(super) kernel: f64,
}

impl Memory {
    /// What there is at the moment.
    pub(super) fn now() -> Result<Self> {
        let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
        let kernel = fs::read_to_string("/proc/meminfo")?;
        Ok(Self {
            // With those of shared pages, these would be counted twice.
            own: amount(&rollup, "Pss_Anon:")?,
            shared: memory_files()?,
            // What pipes hold is not among them: up to two pages each, once they were used.
            kernel: amount(&kernel, "Slab:")? + amount(&kernel, "PageTables:")?,
        })
    }

    /// What came to be since `before`, for each of so many.
    pub(super) fn each_since(self, before: Self, count: usize) -> Self {
        let each = |after: f64, before: f64| (after - before) / count as f64;
        Self {
            own: each(self.own, before.own),
            shared: each(self.shared, before.shared),
            kernel: each(self.kernel, before.kernel),
        }
    }
}

/// The number of kilobytes in a line such as "Slab:  1234 kB".
fn amount(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.with_context(|| format!("no {name}"))?;
    Ok(number.parse()?)
}

/// KiB allocated in files that are nowhere but in memory, each counted once.
fn memory_files() -> Result<f64> {
    let mut blocks = HashMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // The directory's own descriptor is gone again.
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        let target = target.to_string_lossy();
        if target.starts_with("/memfd:") || target.starts_with("/dev/shm/") {
            let found = fs::metadata(&path)?;
            blocks.insert((found.dev(), found.ino()), found.blocks());
        }
    }
    // Blocks have 512 bytes, whatever the file system's do.
    Ok(blocks.into_values().sum::<u64>() as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};

    #[test]
    fn amounts_are_found_by_their_whole_name() {
        let text = "SlabX:  1 kB\nSlab:   4321 kB\n";
        assert_eq!(amount(text, "Slab:").unwrap(), 4321.0);
        assert!(amount(text, "Pss_Anon:").is_err());
    }

    #[test]
    fn each_is_the_difference_by_the_number() {
        let memory = |own, shared, kernel| Memory {
            own,
            shared,
            kernel,
        };
        let each = memory(30.0, 8.0, 100.0).each_since(memory(10.0, 0.0, 60.0), 4);
        assert_eq!(each, memory(5.0, 2.0, 10.0));
    }

    #[test]
    fn file_with_two_descriptors_counts_once() {
        let file = memfd_create(c"counted", MFdFlags::MFD_CLOEXEC).unwrap();
        let before = memory_files().unwrap();
        nix::unistd::write(&file, &[1; 8192]).unwrap();
        let _other = file.try_clone().unwrap();
        assert_eq!(memory_files().unwrap() - before, 8.0);
    }
}
