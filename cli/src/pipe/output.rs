//! The file that what arrived is written to.
//!
//! It appears under its name whole or not at all. Until it is verified it is a *part
//! file* beside it. The sender makes that, so that it can complain before anything is
//! moved, and removes it if the receiver dies; the receiver removes it if the
//! sender does.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// Where the file is to be.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    directory: PathBuf,
    /// Those of the file that is replaced.
    permissions: Option<Permissions>,
}

/// What arrives until it is verified. Removed when dropped.
#[derive(Debug)]
pub(super) struct Part {
    file: NamedTempFile,
    target: PathBuf,
}

impl Output {
    /// Looks whether a file can be put there.
    pub(super) fn new(path: &Path) -> Result<Self> {
        Self::look(path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn look(path: &Path) -> Result<Self> {
        // A link is not what is replaced, but what it leads to.
        let (path, permissions) = match fs::canonicalize(path) {
            Ok(existing) => {
                let metadata = fs::metadata(&existing)?;
                if metadata.is_dir() {
                    bail!("it is a directory");
                }
                if !metadata.is_file() {
                    bail!("it is no regular file, which could be replaced");
                }
                (existing, Some(metadata.permissions()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
            Err(e) => return Err(e.into()),
        };
        if path.file_name().is_none() {
            bail!("it has no file name");
        }
        let directory = match path.parent() {
            Some(directory) if directory != Path::new("") => directory.to_owned(),
            _ => PathBuf::from("."),
        };
        if !fs::metadata(&directory).is_ok_and(|m| m.is_dir()) {
            bail!("{} is not a directory", directory.display());
        }
        let output = Self {
            path,
            directory,
            permissions,
        };
        output.create_part()?;
        Ok(output)
    }

    /// Makes a part file.
    pub(super) fn create_part(&self) -> Result<Part> {
        let file = tempfile::Builder::new()
            .prefix(".zocket-")
            .suffix(".part")
            // As of any new file: what the umask leaves of it.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.directory)
            .with_context(|| format!("cannot create a file in {}", self.directory.display()))?;
        if let Some(permissions) = &self.permissions {
            file.as_file().set_permissions(permissions.clone())?;
        }
        Ok(Part {
            file,
            target: self.path.clone(),
        })
    }
}

impl Part {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its name. On disk before that, so that even a crash of the
    /// system cannot leave the name to half a file.
    pub(super) fn keep(self) -> Result<()> {
        self.file
            .as_file()
            .sync_all()
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(self.file.persist(&self.target)?))
            .with_context(|| format!("cannot write {}", self.target.display()))?;
        Ok(())
    }
}

/// The same file in the receiver, by its path. Removed when dropped before the sender has
/// confirmed it.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) file: File,
    path: PathBuf,
    confirmed: bool,
}

impl Incoming {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::options()
            .write(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            confirmed: false,
        })
    }

    pub(super) fn confirm(mut self) {
        self.confirmed = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.confirmed {
            // The sender may have been faster.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn part_that_is_not_kept_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let part = Output::new(&dir.path().join("out"))
            .unwrap()
            .create_part()
            .unwrap();
        assert_eq!(names(dir.path()).len(), 1);
        drop(part);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn part_that_is_kept_replaces_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        let part = Output::new(&link).unwrap().create_part().unwrap();
        let mut incoming = Incoming::open(part.path()).unwrap();
        incoming.file.write_all(b"new").unwrap();
        part.keep().unwrap();
        incoming.confirm();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(names(dir.path()), ["link", "real"]);
    }

    #[test]
    fn incoming_that_is_not_confirmed_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        fs::write(&path, "").unwrap();
        drop(Incoming::open(&path).unwrap());
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn places_that_cannot_be_replaced_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null"), &dir.path().join("no/x")] {
            let error = Output::new(path).unwrap_err();
            let expected = format!("cannot write {}: ", path.display());
            assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
        }
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
