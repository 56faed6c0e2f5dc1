//! `patchbay completions` and `patchbay man`: what shells and `man` know of the command line.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap_complete::Shell;

/// Print what a shell needs to complete the command line
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    patchbay completions bash > ~/.local/share/bash-completion/completions/patchbay\n  \
    patchbay completions zsh > \"${fpath[1]}/_patchbay\"\n  \
    patchbay completions fish > ~/.config/fish/completions/patchbay.fish")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write one for each command into a folder
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    patchbay man | man -l -\n  \
    patchbay man --folder ~/.local/share/man/man1")]
pub struct ManArguments {
    /// The folder, which is made where it is not there
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub fn main(arguments: &Arguments, mut command: clap::Command) -> Result<ExitCode> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    print(&text)
}

pub fn man(arguments: &ManArguments, command: clap::Command) -> Result<ExitCode> {
    match &arguments.folder {
        Some(folder) => {
            fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .with_context(|| format!("the pages cannot be written to {}", folder.display()))?;
            println!("the pages are in {}", folder.display());
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text)?;
            print(&text)
        }
    }
}

/// Prints a text; a reader that has gone has read enough.
fn print(text: &[u8]) -> Result<ExitCode> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("stdout cannot be written to")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
