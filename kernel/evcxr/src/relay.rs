//! What evcxr takes for the process that runs cells: it starts that process, and passes on what it
//! prints so that nothing of it can be taken for one of evcxr's own lines.

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use patchbay_protocol::{Failure, FailureKind};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
};

use crate::lines::{
    ERROR_OCCURRED, EXECUTION_COMPLETE, PANIC_NOTIFICATION, Piece, RELAY_PREFIX, Relayed, Splitter,
    cut_character, print_relayed,
};

/// Set for the process that the relay starts.
pub const IS_RELAYED: &str = "PATCHBAY_RELAYED";

/// How long text that may go on, or belong to an error, is held back.
const GATHER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// How often it is looked whether the process has ended while others hold its pipes open.
const IDLE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Relays until the process ends, and ends as it did.
pub fn run() -> ExitCode {
    match relay() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(98)
        }
    }
}

fn relay() -> Result<u8> {
    // A cell that never ends must not outlive the kernel.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let program = env::current_exe().context("the path of the running program is not known")?;
    let (stdout, stdout_writer) = pipe()?;
    let (stderr, stderr_writer) = pipe()?;
    let mut child = Command::new(program)
        .args(env::args_os().skip(1))
        .env(IS_RELAYED, "1")
        // evcxr asks for backtraces, which candle's errors would then carry in their text.
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::from(stdout_writer))
        .stderr(Stdio::from(stderr_writer))
        .spawn()
        .context("the process that runs cells does not start")?;
    let mut streams = Streams {
        stdout,
        stderr,
        splitter: Splitter::default(),
        errors: Vec::new(),
        panic: None,
        ended: false,
    };
    while !streams.ended {
        let quiet = streams.step()?;
        if quiet && child.try_wait()?.is_some() {
            break;
        }
    }
    let status = child.wait()?;
    streams.pass_on(true);
    streams.pass_errors(true);
    // A shell's way to tell a signal.
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A pipe whose reading end does not block.
fn pipe() -> Result<(File, OwnedFd)> {
    let (reader, writer) = io::pipe().context("no pipe for what cells print")?;
    let reader = OwnedFd::from(reader);
    fcntl_setfl(&reader, OFlags::NONBLOCK).context("a pipe cannot be set to return at once")?;
    Ok((File::from(reader), writer.into()))
}

struct Streams {
    stdout: File,
    stderr: File,
    splitter: Splitter,
    /// What came on stderr and was not passed on yet.
    errors: Vec<u8>,
    /// The last panic of the cells' thread, until it is known that nobody has caught it.
    panic: Option<Failure>,
    ended: bool,
}

impl Streams {
    /// Waits for something to read and passes it on. Returns whether there was nothing.
    fn step(&mut self) -> Result<bool> {
        let mut descriptors = [
            PollFd::new(&self.stdout, PollFlags::IN),
            PollFd::new(&self.stderr, PollFlags::IN),
        ];
        let holds = !self.errors.is_empty() || !self.splitter.is_empty();
        let ready = match poll(&mut descriptors, Some(if holds { &GATHER } else { &IDLE })) {
            Ok(ready) => ready,
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error).context("the cells' output cannot be waited for"),
        };
        let mut bytes = Vec::new();
        let stdout_closed = read_available(&mut self.stdout, &mut bytes);
        self.splitter.push(&bytes);
        let stderr_closed = read_available(&mut self.stderr, &mut self.errors);
        self.pass_on(ready == 0);
        if ready == 0 {
            self.pass_errors(false);
        }
        self.ended = stdout_closed && stderr_closed;
        if stdout_closed != stderr_closed {
            // A closed pipe is always ready; the other one is looked at a few times a second.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(ready == 0 || stdout_closed)
    }

    fn pass_on(&mut self, flush: bool) {
        while let Some(piece) = self.splitter.next(flush) {
            match piece {
                Piece::Text(text) => {
                    print_relayed(&Relayed::Stream {
                        stderr: false,
                        text,
                    });
                }
                Piece::Line(line) => self.pass_line(&line),
            }
        }
    }

    fn pass_line(&mut self, line: &str) {
        let relayed = line.strip_prefix(RELAY_PREFIX);
        if let Some(Relayed::Panic { failure }) =
            relayed.and_then(|text| serde_json::from_str(text).ok())
        {
            self.panic = Some(failure);
            return;
        }
        match line {
            PANIC_NOTIFICATION => {
                if let Some(failure) = self.panic.take() {
                    print_relayed(&Relayed::Failed { failure });
                }
            }
            ERROR_OCCURRED => {
                // evcxr prints the error to stderr right before this line.
                read_available(&mut self.stderr, &mut self.errors);
                let text = String::from_utf8_lossy(&self.errors).trim_end().to_owned();
                self.errors.clear();
                print_relayed(&Relayed::Failed {
                    failure: Failure {
                        kind: FailureKind::Error,
                        message: text,
                        causes: Vec::new(),
                        location: None,
                        functions: Vec::new(),
                        frames: Vec::new(),
                    },
                });
            }
            EXECUTION_COMPLETE => {
                self.panic = None;
                read_available(&mut self.stderr, &mut self.errors);
                self.pass_errors(true);
            }
            _ => {}
        }
        let mut stdout = io::stdout().lock();
        // Where evcxr has gone, the process is about to end.
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }

    fn pass_errors(&mut self, flush: bool) {
        let end = if flush {
            self.errors.len()
        } else {
            self.errors.len() - cut_character(&self.errors)
        };
        if end > 0 {
            let bytes: Vec<u8> = self.errors.drain(..end).collect();
            print_relayed(&Relayed::Stream {
                stderr: true,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
    }
}

/// Reads what is there. Returns whether the other end is closed.
fn read_available(file: &mut File, bytes: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
