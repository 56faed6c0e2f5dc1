//! Questions that are answered while a cell runs: on a thread of their own, in order.

use std::{panic, process::ExitCode, sync::mpsc, thread};

use patchbay::{channel, memory, plugin};
use patchbay_protocol::Event;
use serde_json::Value;

/// A question of the host.
pub struct Question {
    pub id: u64,
    /// The part of the SDK that answers.
    pub topic: String,
    pub content: Value,
}

/// Where questions are handed in.
pub struct Desk(Option<mpsc::Sender<Question>>);

impl Desk {
    /// Starts the thread that answers.
    pub fn open() -> Desk {
        let (sender, questions) = mpsc::channel::<Question>();
        let thread = thread::Builder::new()
            .name("patchbay-questions".to_owned())
            .spawn(move || {
                while let Ok(question) = questions.recv() {
                    let content = answer(&question);
                    let event = Event::Answer {
                        id: question.id,
                        content,
                    };
                    if channel::send(&event).is_err() {
                        return;
                    }
                }
            });
        Desk(thread.is_ok().then_some(sender))
    }

    /// Hands in a question. It is answered, whatever happens.
    pub fn ask(&self, question: Question) {
        let id = question.id;
        let taken = self
            .0
            .as_ref()
            .is_some_and(|desk| desk.send(question).is_ok());
        if !taken {
            let content = Err("the thread that answers questions has ended".to_owned());
            let _ = channel::send(&Event::Answer { id, content });
        }
    }
}

fn answer(question: &Question) -> Result<Value, String> {
    match question.topic.as_str() {
        // What a plugin does when it is loaded is its author's, and may panic.
        "plugin" => panic::catch_unwind(|| plugin::serve(&question.content))
            .unwrap_or_else(|_| Err("a plugin panicked while it was asked".to_owned())),
        "memory" => serde_json::to_value(memory::gpu_memory()).map_err(|error| error.to_string()),
        other => Err(format!("nobody answers questions about `{other}`")),
    }
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
