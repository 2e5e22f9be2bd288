//! Failures of `zocket exec` itself, which have exit statuses of their own.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::process::ExitCode;

use nix::errno::Errno;

/// Why the commands did not run to their ends.
#[derive(Debug)]
pub(super) enum Failure {
    /// One was not started.
    NotStarted { program: OsString, error: io::Error },
    /// Anything else.
    Own(anyhow::Error),
}

impl Failure {
    pub(super) fn not_started(program: OsString, error: io::Error) -> Self {
        Self::NotStarted { program, error }
    }

    /// As shells and env(1) have it.
    fn status(&self) -> u8 {
        match self {
            Self::Own(_) => 125,
            Self::NotStarted { error, .. } => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT) => 127,
                // Nothing that is wrong with the command.
                None | Some(Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::ENOMEM) => 125,
                Some(_) => 126,
            },
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Own)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { program, error } => {
                write!(f, "cannot run {}: {error}", program.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound => {
                        f.write_str("; a command line of a shell is run by `sh -c 'COMMAND LINE'`")
                    }
                    _ => Ok(()),
                }
            }
            Self::Own(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Failure {}

/// The exit status that an error calls for, if it is one of these.
pub(crate) fn exit_code(error: &anyhow::Error) -> Option<ExitCode> {
    let failure: &Failure = error.downcast_ref()?;
    Some(ExitCode::from(failure.status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_tells_what_is_wrong_with_a_command_from_a_want_of_means() {
        for (errno, status) in [
            (Errno::ENOENT, 127),
            (Errno::EACCES, 126),
            (Errno::ENOEXEC, 126),
            (Errno::EMFILE, 125),
            (Errno::ENFILE, 125),
            (Errno::EAGAIN, 125),
            (Errno::ENOMEM, 125),
        ] {
            let failure = Failure::not_started("x".into(), errno.into());
            assert_eq!(failure.status(), status, "{errno}");
        }
    }
}
