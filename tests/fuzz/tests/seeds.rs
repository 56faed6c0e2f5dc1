//! What fuzzing has found stays mended, and a few mutations of each seed.

use std::{sync::mpsc, thread, time::Duration};

use patchbay_fuzz::{Mutator, TARGETS};

/// How many mutations each target reads.
const MUTATIONS: usize = 300;

/// After this time something hangs.
const NEVER: Duration = Duration::from_secs(600);

#[test]
fn seeds_and_mutations_are_read() {
    let (sender, receiver) = mpsc::channel();
    // One after the other: the memory of the process is measured.
    let reader = thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        for target in TARGETS {
            let seeds = target.seeds().unwrap();
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            let mut inputs = Vec::new();
            for (path, input) in seeds {
                sender.send(path.display().to_string()).unwrap();
                target.read(&input, folder.path());
                inputs.push(input);
            }
            let mut mutator = Mutator::new(target, inputs, 1);
            for number in 0..MUTATIONS {
                sender
                    .send(format!("mutation {number} of {}", target.name))
                    .unwrap();
                target.read(&mutator.input(), folder.path());
            }
        }
    });
    let mut last = String::new();
    loop {
        match receiver.recv_timeout(NEVER) {
            Ok(present) => last = present,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{last} hangs"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    assert!(reader.join().is_ok(), "{last}");
}
