//! Has a target read mutations of its seeds for some time: `mutate TARGET [SECONDS [SEED]]`.
//!
//! The first input that makes it panic, hang or take too much memory is written to a file, and the program fails.

use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    process::{self, ExitCode},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use patchbay_fuzz::{Mutator, PATIENCE, Target};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let target = Target::named(&name)?;
    let mut number = |what: &str, default: u64| match arguments.next() {
        Some(text) => text
            .parse()
            .map_err(|_| format!("expected {what}, got `{text}`")),
        None => Ok(default),
    };
    let seconds = number("a number of seconds", 60)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number("a seed", now.map_or(0, |now| now.as_secs()))?;
    let seeds = target
        .seeds()
        .map_err(|error| format!("{}: {error}", target.seed_folder().display()))?;
    let inputs = seeds.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(target, inputs, seed);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;

    let present = Arc::new((AtomicU64::new(0), Mutex::new(Vec::new())));
    let watched = present.clone();
    let found = move |why: &str, input: &[u8]| -> PathBuf {
        let path = env::temp_dir().join(format!("fuzz-{name}-{why}-{seed}"));
        if let Err(error) = fs::write(&path, input) {
            eprintln!("{}: {error}", path.display());
        }
        path
    };
    let found_by_watch = found.clone();
    thread::spawn(move || {
        let mut before = (0, Instant::now());
        loop {
            thread::sleep(Duration::from_secs(1));
            let count = watched.0.load(Ordering::SeqCst);
            if count != before.0 {
                before = (count, Instant::now());
            } else if before.1.elapsed() > Duration::from_secs(PATIENCE) {
                let input = watched.1.lock().unwrap_or_else(PoisonError::into_inner);
                eprintln!("hangs: {}", found_by_watch("hang", &input).display());
                process::exit(1);
            }
        }
    });

    let start = Instant::now();
    while start.elapsed().as_secs() < seconds {
        let input = mutator.input();
        present
            .1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&input);
        present.0.fetch_add(1, Ordering::SeqCst);
        let read = || target.read(&input, folder.path());
        if panic::catch_unwind(AssertUnwindSafe(read)).is_err() {
            return Err(format!("panics: {}", found("panic", &input).display()));
        }
    }
    println!(
        "{}: {} inputs in {} s from seed {seed}, nothing found",
        target.name,
        present.0.load(Ordering::SeqCst),
        start.elapsed().as_secs()
    );
    Ok(())
}
