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

use patchbay::{channel, memory, plugin};
use patchbay_protocol::Event;
use serde_json::Value;

use crate::clock;

/// How long a question may keep the others waiting, in milliseconds.
const PATIENCE: u64 = 5000;

/// A question of the host.
pub struct Question {
    pub id: u64,
    /// The part of the SDK that answers.
    pub topic: String,
    pub content: Value,
}

struct Desk {
    waiting: VecDeque<Question>,
    /// The thread that answers; the ones before it end with what they are doing.
    clerk: u64,
    /// When the question that is being answered was taken up; 0 while there is none.
    since: u64,
}

static DESK: Mutex<Desk> = Mutex::new(Desk {
    waiting: VecDeque::new(),
    clerk: 0,
    since: 0,
});

static ASKED: Condvar = Condvar::new();

/// Hands in a question. It is answered, unless its own answer hangs.
pub fn ask(question: Question) {
    let id = question.id;
    let mut desk = desk();
    desk.waiting.push_back(question);
    if desk.clerk == 0 && !hire(&mut desk) {
        desk.waiting.pop_back();
        drop(desk);
        let content = Err("there is no thread to answer questions".to_owned());
        let _ = channel::send(&Event::Answer { id, content });
        return;
    }
    drop(desk);
    ASKED.notify_all();
}

/// Has another thread go on where a question keeps the others waiting for too long.
pub fn relieve() {
    let Ok(mut desk) = DESK.try_lock() else {
        return;
    };
    let is_stuck = desk.since != 0 && clock::now() - desk.since > PATIENCE;
    if is_stuck && !desk.waiting.is_empty() {
        hire(&mut desk);
        drop(desk);
        ASKED.notify_all();
    }
}

fn hire(desk: &mut Desk) -> bool {
    let own = desk.clerk + 1;
    let thread = thread::Builder::new()
        .name("patchbay-questions".to_owned())
        .spawn(move || answer_all(own));
    if thread.is_ok() {
        desk.clerk = own;
        desk.since = 0;
    }
    thread.is_ok()
}

fn answer_all(own: u64) {
    loop {
        let mut desk = ASKED
            .wait_while(self::desk(), |desk| {
                desk.clerk == own && desk.waiting.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if desk.clerk != own {
            return;
        }
        let Some(question) = desk.waiting.pop_front() else {
            continue;
        };
        desk.since = clock::now();
        drop(desk);
        let content = answer(&question);
        let event = Event::Answer {
            id: question.id,
            content,
        };
        if channel::send(&event).is_err() {
            return;
        }
        let mut desk = self::desk();
        if desk.clerk == own {
            desk.since = 0;
        }
    }
}

fn answer(question: &Question) -> Result<Value, String> {
    match question.topic.as_str() {
        // What a plugin does when it is loaded is its author's, and may panic; so may the panic's payload when it is dropped.
        "plugin" => {
            panic::catch_unwind(|| plugin::serve(&question.content)).unwrap_or_else(|payload| {
                if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                    std::mem::forget(another);
                }
                Err("a plugin panicked while it was asked".to_owned())
            })
        }
        "memory" => serde_json::to_value(memory::gpu_memory()).map_err(|error| error.to_string()),
        other => Err(format!("nobody answers questions about `{other}`")),
    }
}

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one question of the command line on stdout.
pub fn answer_once(topic: &str, content: &str) -> ExitCode {
    let content = match serde_json::from_str(content) {
        Ok(content) => content,
        Err(error) => {
            eprintln!("the question is no JSON: {error}");
            return ExitCode::from(2);
        }
    };
    match answer(&Question {
        id: 0,
        topic: topic.to_owned(),
        content,
    }) {
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
