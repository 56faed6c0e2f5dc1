//! Shell commands: `!ls`.

use std::{
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::{Duration, Instant},
};

use patchbay::interrupt;

/// How long a command that is asked to end may take for it.
const GRACE: Duration = Duration::from_millis(500);

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The process group of the command that runs, or 0.
static GROUP: AtomicI32 = AtomicI32::new(0);

/// How a command ended, if not well.
pub enum Failure {
    /// The user has interrupted it.
    Interrupted,
    Failed(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Failed(error)
    }
}

/// Runs a command line in `sh`, in a process group of its own, so that an interrupt ends all that it has started.
pub fn run(command: &str) -> Result<(), Failure> {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id()).unwrap_or(0);
    GROUP.store(group, Ordering::SeqCst);
    let status = wait(&mut child, group);
    GROUP.store(0, Ordering::SeqCst);
    let status = status?;
    if status.success() {
        Ok(())
    } else {
        let how = match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => status.to_string(),
        };
        Err(io::Error::other(format!("`{command}`: {how}")).into())
    }
}

fn wait(child: &mut Child, group: i32) -> Result<ExitStatus, Failure> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt::requested() {
            signal(group, libc::SIGTERM);
            let deadline = Instant::now() + GRACE;
            while child.try_wait()?.is_none() && Instant::now() < deadline {
                thread::sleep(LOOK);
            }
            // The shell may have gone before what it has started.
            signal(group, libc::SIGKILL);
            child.wait()?;
            return Err(Failure::Interrupted);
        }
        thread::sleep(LOOK);
    }
}

/// Asks what the runtime has started to end: the running shell command, and the processes that cells have started where the runtime
/// leads the group that they are in.
pub fn ask_all_to_end() {
    signal(GROUP.load(Ordering::SeqCst), libc::SIGTERM);
    // SAFETY: the call only asks for a number.
    let own = unsafe { libc::getpgrp() };
    if i32::try_from(std::process::id()) == Ok(own) {
        // SAFETY: ignoring a signal runs no code; it keeps the next call from ending this process first.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        signal(own, libc::SIGTERM);
    }
}

/// Kills the running shell command with what it has started.
pub fn kill_command() {
    signal(GROUP.load(Ordering::SeqCst), libc::SIGKILL);
}

/// Sends a signal to a process group; one that has gone takes none.
fn signal(group: i32, signal: i32) {
    if group > 1 {
        // SAFETY: a call with two numbers; the group is that of a child or of this process.
        unsafe { libc::killpg(group, signal) };
    }
}
