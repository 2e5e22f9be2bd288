//! `zocket completions` and `zocket man`: the program's command line, told to shells and to man(1).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// Print what makes a shell complete the command line of zocket.
#[derive(Debug, Parser)]
#[command(after_long_help = "\
To have it in every new shell:
  zocket completions bash > ~/.local/share/bash-completion/completions/zocket
  zocket completions zsh > ~/.zfunc/_zocket     (with ~/.zfunc in $fpath)
  zocket completions fish > ~/.config/fish/completions/zocket.fish

Exit status:
  0  it was printed
  1  it could not be printed
  2  the command line is wrong")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Print the manual page, of zocket or of one of its commands.
#[derive(Debug, Parser)]
#[command(after_long_help = "\
To read one: zocket man ls | man -l -
To install all: zocket man --dir ~/.local/share/man/man1

Exit status:
  0  it was printed, or all of them were written
  1  it could not be written
  2  the command line is wrong")]
pub(crate) struct ManArgs {
    /// Whose page [default: that of zocket itself]
    command: Option<String>,

    /// Write all pages to files in this directory, which is made if it is missing
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Carries out `zocket completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "zocket", &mut text);
    print(&text)
}

/// Carries out `zocket man`.
pub(crate) fn man(args: &ManArgs) -> Result<()> {
    if let Some(directory) = &args.dir {
        return write_pages(directory);
    }
    let program = program();
    let command = match &args.command {
        Some(name) => find(&program, name),
        None => &program,
    };
    print(&page(command)?)
}

fn print(text: &[u8]) -> Result<()> {
    match io::stdout().write_all(text) {
        // Somebody has read enough of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print it"),
    }
}

fn write_pages(directory: &Path) -> Result<()> {
    let problem = || format!("cannot write manual pages to {}", directory.display());
    fs::create_dir_all(directory).with_context(problem)?;
    let program = program();
    for command in [&program].into_iter().chain(program.get_subcommands()) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        fs::write(directory.join(name).with_extension("1"), page(command)?)
            .with_context(problem)?;
    }
    Ok(())
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let rest = command.get_after_long_help();
    let rest = rest.map(ToString::to_string).unwrap_or_default();
    sections(&rest).to_writer(&mut text)?;
    Ok(text)
}

/// What stands behind the options of a help text. A line with a colon at its end is a heading; what is
/// indented is left as it stands.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut is_indented = false;
    for line in text.lines() {
        if line.starts_with(' ') != is_indented && !line.is_empty() {
            is_indented = !is_indented;
            roff.control(if is_indented { "nf" } else { "fi" }, []);
        }
        match line.strip_suffix(':') {
            Some(heading) if !is_indented => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
            }
            _ if line.is_empty() => {
                roff.control("PP", []);
            }
            _ => {
                roff.text([roman(line)]);
            }
        }
    }
    if is_indented {
        roff.control("fi", []);
    }
    roff
}

/// The command of this name. Ends the program if there is none.
fn find<'a>(program: &'a Command, name: &str) -> &'a Command {
    program.find_subcommand(name).unwrap_or_else(|| {
        let names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        let names = names.join(", ");
        let problem = format!("there is no command `{name}`, but there are {names}");
        crate::refuse("man", ErrorKind::InvalidValue, problem)
    })
}

/// The program, with the whole names of its commands.
fn program() -> Command {
    let mut program = crate::Cli::command();
    program.build();
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_headings_and_what_is_indented_stands_as_it_is() {
        let roff = sections("Exit status:\n  0  well\n  1  ill\n\nNotes:\nSome text.");
        let text = roff.to_roff();
        let expected = [
            ".SH \"EXIT STATUS\"",
            ".nf",
            "  0  well",
            "  1  ill",
            ".PP",
            ".fi",
            ".SH NOTES",
            "Some text.",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
