//! Questions that are answered while a cell runs: on a thread of their own, in order.
//!
//! A plugin's code that a question calls may hang. Then another thread takes over those that wait.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use patchbay::{channel, plugin};
use patchbay_protocol::{Event, Question};
use serde_json::Value;

use crate::clock;

/// How long a question may keep the others waiting, in milliseconds.
const PATIENCE: u64 = 5000;

struct Questions {
    /// The questions with their ids.
    waiting: VecDeque<(u64, Question)>,
    /// The thread that answers; the ones before it end with what they are doing.
    answering: u64,
    /// When the question that is being answered was taken up; 0 while there is none.
    since: u64,
}

static QUESTIONS: Mutex<Questions> = Mutex::new(Questions {
    waiting: VecDeque::new(),
    answering: 0,
    since: 0,
});

static ASKED: Condvar = Condvar::new();

/// Hands in a question. It is answered, unless its own answer hangs.
pub fn ask(id: u64, question: Question) {
    let mut questions = questions();
    questions.waiting.push_back((id, question));
    if questions.answering == 0 && !start_thread(&mut questions) {
        questions.waiting.pop_back();
        drop(questions);
        let content = Err("there is no thread to answer questions".to_owned());
        let _ = channel::send(&Event::Answer { id, content });
        return;
    }
    drop(questions);
    ASKED.notify_all();
}

/// Has another thread go on where a question keeps the others waiting for too long.
pub fn relieve() {
    let Ok(mut questions) = QUESTIONS.try_lock() else {
        return;
    };
    let is_stuck = questions.since != 0 && clock::now() - questions.since > PATIENCE;
    if is_stuck && !questions.waiting.is_empty() {
        start_thread(&mut questions);
        drop(questions);
        ASKED.notify_all();
    }
}

fn start_thread(questions: &mut Questions) -> bool {
    let own = questions.answering + 1;
    let thread = thread::Builder::new()
        .name("patchbay-questions".to_owned())
        .spawn(move || answer_all(own));
    if thread.is_ok() {
        questions.answering = own;
        questions.since = 0;
    }
    thread.is_ok()
}

fn answer_all(own: u64) {
    loop {
        let mut questions = ASKED
            .wait_while(self::questions(), |questions| {
                questions.answering == own && questions.waiting.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if questions.answering != own {
            return;
        }
        let Some((id, question)) = questions.waiting.pop_front() else {
            continue;
        };
        questions.since = clock::now();
        drop(questions);
        let content = answer(&question);
        if channel::send(&Event::Answer { id, content }).is_err() {
            return;
        }
        let mut questions = self::questions();
        if questions.answering == own {
            questions.since = 0;
        }
    }
}

/// What a plugin does when it is loaded is its author's, and may panic; so may the panic's payload when it is dropped.
fn answer(question: &Question) -> Result<Value, String> {
    panic::catch_unwind(|| plugin::serve(question)).unwrap_or_else(|payload| {
        if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(another);
        }
        Err("a plugin panicked while it was asked".to_owned())
    })
}

fn questions() -> MutexGuard<'static, Questions> {
    QUESTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one question of the command line, as JSON, by the answer's text on stdout.
pub fn answer_once(question: &str) -> ExitCode {
    let question = match serde_json::from_str(question) {
        Ok(question) => question,
        Err(error) => {
            eprintln!("the question is not one that the SDK knows: {error}");
            return ExitCode::from(2);
        }
    };
    match answer(&question) {
        Ok(answer) => {
            println!("{}", answer["text"].as_str().unwrap_or_default().trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
