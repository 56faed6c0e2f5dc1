//! PyTorch, as a process that is asked for one round at a time, for the benchmarks of this repository.

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Starts the benchmark once more with memory and threads as in the kernel's runtime process, unless they are so
/// already: the allocator reads its settings when a process starts.
pub fn compute_as_the_kernel_does() -> Result<(), Box<dyn Error>> {
    let settings = patchbay::COMPUTING;
    if settings.iter().any(|(name, _)| env::var_os(name).is_none()) {
        let status = Command::new(env::current_exe()?)
            .args(env::args().skip(1))
            .envs(settings)
            .status()?;
        std::process::exit(status.code().unwrap_or(1));
    }
    patchbay::ops::threads::join_pool();
    Ok(())
}

/// OpenMP's threads, which PyTorch computes on, go on turning in a loop for some milliseconds after their work, and hold
/// the cores that the other side needs.
const REST: Duration = Duration::from_millis(50);

/// How long a side works before it is timed, as `rounds.py` does: threads that have been asleep may share one core for
/// some milliseconds while another is idle.
const WARM_UP: Duration = Duration::from_millis(30);

/// A script of this folder that runs in PyTorch.
pub struct Peer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What the script says first: the version of torch.
    pub version: String,
}

impl Peer {
    /// The command of a script of this folder. `PYTHON` names the interpreter.
    pub fn command(script: &str, threads: usize) -> Command {
        let folder = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new(env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned()));
        // Settings for the memory of our own process; torch runs with its defaults.
        for variable in ["GLIBC_TUNABLES", "CANDLE_BARRIER_POOL_SPIN_LIMIT"] {
            command.env_remove(variable);
        }
        command
            .arg(format!("{folder}/{script}"))
            .arg(threads.to_string());
        command
    }

    /// Starts the script and reads its first line.
    pub fn start(script: &str, threads: usize) -> Result<Peer, Box<dyn Error>> {
        let mut process = Peer::command(script, threads)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut version = String::new();
        output.read_line(&mut version)?;
        if version.is_empty() {
            return Err(
                "PyTorch's side did not start: does PYTHON name an interpreter with torch?".into(),
            );
        }
        Ok(Peer {
            process,
            input,
            output,
            version: version.trim().to_owned(),
        })
    }

    /// The seconds of one repetition. Neither side begins before the other one's threads are at rest.
    fn round(&mut self, name: &str, repetitions: usize) -> Result<f64, Box<dyn Error>> {
        thread::sleep(REST);
        writeln!(self.input, "{name}\t{repetitions}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        thread::sleep(REST);
        Ok(line.trim().parse()?)
    }

    /// The seconds of one repetition of `step` and of the script's case, taking turns: the fastest round of each, since
    /// what else the machine does slows rounds down.
    pub fn take_turns<T, E: Into<Box<dyn Error>>>(
        &mut self,
        name: &str,
        rounds: usize,
        repetitions: usize,
        mut step: impl FnMut() -> Result<T, E>,
    ) -> Result<(f64, f64), Box<dyn Error>> {
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..rounds {
            let start = Instant::now();
            while start.elapsed() < WARM_UP {
                step().map_err(Into::into)?;
            }
            let start = Instant::now();
            for _ in 0..repetitions {
                step().map_err(Into::into)?;
            }
            ours = ours.min(start.elapsed().as_secs_f64() / repetitions as f64);
            theirs = theirs.min(self.round(name, repetitions)?);
        }
        Ok((ours, theirs))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself, with its input.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
