//! The command line of `zocket exec`.

use std::ffi::OsString;
use std::process::Command;

use bytesize::ByteSize;
use clap::Parser;
use clap::error::ErrorKind;

use crate::size::size_within;

/// Run two commands that are joined by a pair of sockets.
///
/// What the first command writes to its standard output the second one reads from its standard input, and
/// the other way round. When one closes its standard output, the other one reads what is left and
/// then the end; when one reads no more, the other one soon cannot write any more (SIGPIPE).
///
/// With --one-way it is a shell's pipeline. With --endpoint the commands' input and output are left alone,
/// and they get the sockets themselves.
#[derive(Debug, Parser)]
#[command(
    override_usage = "zocket exec [OPTIONS] -- COMMAND [ARG]... -- COMMAND [ARG]...",
    after_long_help = "\
Examples:
  zocket exec -- sh -c 'echo ping; read answer; echo $answer >&2' -- sed -u s/i/o/
  zocket exec --one-way -- tar -c . -- zstd -o all.tar.zst
  zocket exec --separator : -- git log -- src : grep -c fix
  zocket exec --endpoint=data -- ./producer -- ./consumer

Exit status:
  That of the first command if it is not 0, else that of the second. A command that was killed by a
  signal counts as 128 and the signal's number, as in a shell; one that SIGPIPE killed because the other
  one had stopped reading counts as 0.
    2  the command line is wrong
  125  zocket itself failed: no memory, no descriptors...
  126  a command cannot be executed
  127  a command is not found

Ends:
  When both commands have ended, what is on its way to a process that one of them has left behind still
  arrives: zocket ends when it is read, or cannot be any more. It does not wait for what such a process may
  still write.

Signals:
  SIGTERM and SIGHUP are passed on to both commands. SIGINT and SIGQUIT, which a terminal sends to all
  of them, are left to them: zocket goes on until both have ended.

Endpoints:
  With --endpoint=NAME each command has a variable ZOCKET_FD_NAME in its environment, and takes its end by
  `Stream::inherited(\"NAME\")`, or `Datagram` with --datagram."
)]
pub(crate) struct Args {
    /// Leave input and output alone, and have the commands inherit the sockets under this name [default: exec]
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          default_missing_value = "exec", value_parser = name)]
    pub(super) endpoint: Option<String>,

    /// Have the commands inherit datagram sockets, instead of streams
    #[arg(long, requires = "endpoint")]
    pub(super) datagram: bool,

    /// Join only the first command's output and the second one's input, as a shell's `|`
    ///
    /// The first command's input and the second one's output are those of zocket.
    #[arg(short = '1', long, conflicts_with = "endpoint")]
    pub(super) one_way: bool,

    /// How much each direction can hold
    #[arg(long, value_name = "SIZE", default_value = "256KiB",
          value_parser = size_within(zocket::MIN_CAPACITY as u64, zocket::MAX_CAPACITY as u64))]
    capacity: ByteSize,

    /// What stands between the commands, if one of them has a `--` of its own
    #[arg(long, value_name = "WORD", default_value = "--")]
    separator: OsString,

    /// The commands and their arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<OsString>,
}

impl Args {
    pub(super) fn capacity(&self) -> usize {
        self.capacity.0 as usize
    }

    /// The two commands. Ends the program if there are not two.
    pub(super) fn commands(&self) -> [Command; 2] {
        self.split().unwrap_or_else(|problem| {
            crate::refuse("exec", ErrorKind::WrongNumberOfValues, problem)
        })
    }

    fn split(&self) -> Result<[Command; 2], String> {
        let separator = self.separator.to_string_lossy();
        let is_separator = |word: &&OsString| **word == self.separator;
        let place = self.words.iter().position(|word| is_separator(&word));
        let Some(place) = place else {
            return Err(format!(
                "there is one command; a second one belongs behind another `{separator}`"
            ));
        };
        let (first, second) = (&self.words[..place], &self.words[place + 1..]);
        if second.iter().any(|word| is_separator(&word)) {
            return Err(format!(
                "`{separator}` stands there more than once; if it is an argument of a command, \
                 choose another --separator"
            ));
        }
        match (command(first), command(second)) {
            (Some(first), Some(second)) => Ok([first, second]),
            _ => Err(format!("there is no command on one side of `{separator}`")),
        }
    }
}

fn command(words: &[OsString]) -> Option<Command> {
    let (program, args) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(args);
    Some(command)
}

/// What can be part of the name of a variable.
fn name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['=', '\0']) {
        true => Err("a name is not empty and has no `=`".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str]) -> Result<[String; 2], String> {
        let args = Args::try_parse_from(["exec"].iter().chain(words)).unwrap();
        args.split()
            .map(|commands| commands.map(|command| format!("{command:?}")))
    }

    #[test]
    fn commands_stand_on_either_side_of_the_separator() {
        let commands = split(&["--", "a", "-x", "--", "b", "--y"]).unwrap();
        assert_eq!(commands, [r#""a" "-x""#, r#""b" "--y""#]);
        let commands = split(&["--separator", ":", "--", "a", "--", "x", ":", "b"]).unwrap();
        assert_eq!(commands, [r#""a" "--" "x""#, r#""b""#]);
    }

    #[test]
    fn anything_but_two_commands_is_refused() {
        for (words, problem) in [
            (&["--", "a", "b"] as &[_], "there is one command"),
            (&["--", "a", "--"], "on one side"),
            (&["--", "--", "b"], "on one side"),
            (&["--", "a", "--", "b", "--", "c"], "more than once"),
        ] {
            let error = split(words).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
