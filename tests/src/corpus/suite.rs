//! All programs in all ways, by several sessions at a time.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Program, Way, expected, run};
use crate::Client;

/// What became of a program.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub program: Program,
    /// What rustc said against it, in which case no way was tried.
    pub refused: Option<String>,
    /// The ways that were tried, each with what was not as expected.
    pub ways: Vec<(Way, Option<String>)>,
}

/// Runs programs in these ways, `sessions` at a time, and returns the outcomes in the programs' order.
///
/// # Panics
///
/// Panics where a session's task ends by itself.
pub async fn run_all(
    programs: Vec<Program>,
    ways: &[Way],
    sessions: usize,
    each: fn(&Outcome),
) -> Vec<Outcome> {
    let next = Arc::new(AtomicUsize::new(0));
    let programs = Arc::new(programs);
    let workers: Vec<_> = (0..sessions)
        .map(|_| {
            let (next, programs, ways) = (Arc::clone(&next), Arc::clone(&programs), ways.to_vec());
            tokio::spawn(async move {
                let mut session = Session::default();
                let mut outcomes = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(program) = programs.get(index) else {
                        return outcomes;
                    };
                    let outcome = session.try_all(program, &ways).await;
                    each(&outcome);
                    outcomes.push((index, outcome));
                }
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for worker in workers {
        outcomes.extend(worker.await.expect("a session ends with its outcomes"));
    }
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// A kernel that is replaced where a program has ended it or made it hang.
#[derive(Default)]
struct Session {
    client: Option<Client>,
}

impl Session {
    async fn try_all(&mut self, program: &Program, ways: &[Way]) -> Outcome {
        let mut outcome = Outcome {
            program: program.clone(),
            refused: None,
            ways: Vec::new(),
        };
        let asked = program.clone();
        let expected = match tokio::task::spawn_blocking(move || expected(&asked)).await {
            Ok(Ok(expected)) => expected,
            Ok(Err(problem)) => {
                outcome.refused = Some(problem);
                return outcome;
            }
            Err(error) => {
                outcome.refused = Some(error.to_string());
                return outcome;
            }
        };
        for &way in ways {
            if way != Way::Statements || program.together.is_none() {
                let problem = self.attempt(program, way, &expected).await;
                outcome.ways.push((way, problem));
            }
        }
        outcome
    }

    async fn attempt(&mut self, program: &Program, way: Way, expected: &str) -> Option<String> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::start().await,
        };
        let (program, expected) = (program.clone(), expected.to_owned());
        // The client panics where an answer does not come; the other programs are still to be tried.
        let attempt = tokio::spawn(async move {
            let problem = run(&mut client, &program, way, &expected).await;
            (client, problem)
        });
        match attempt.await {
            Ok((client, problem)) => {
                self.client = Some(client);
                problem
            }
            Err(error) => {
                let panic = error.into_panic();
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("the client ended");
                Some(format!("the session did not answer: {text}"))
            }
        }
    }
}

/// How many programs did as expected, in one line.
pub fn summary(outcomes: &[Outcome]) -> String {
    let count = |way: Way| {
        let tried = outcomes
            .iter()
            .flat_map(|outcome| &outcome.ways)
            .filter(|(tried, _)| *tried == way);
        let (all, good) = tried.fold((0, 0), |(all, good), (_, problem)| {
            (all + 1, good + usize::from(problem.is_none()))
        });
        format!("{good}/{all} {}", way.name())
    };
    let mut text = format!("corpus: {} programs", outcomes.len());
    for way in Way::ALL {
        let _ = write!(text, ", {}", count(way));
    }
    text
}

/// What was not as expected, a paragraph each.
pub fn problems(outcomes: &[Outcome]) -> Vec<String> {
    let mut all = Vec::new();
    for Outcome {
        program,
        refused,
        ways,
    } in outcomes
    {
        let place = format!("{}: {}", program.file, program.name);
        all.extend(refused.iter().map(|problem| format!("{place}: {problem}")));
        for (way, problem) in ways {
            all.extend(
                problem
                    .iter()
                    .map(|problem| format!("{place}, {}: {problem}", way.name())),
            );
        }
    }
    all
}
