//! Cells, one after the other.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use patchbay_protocol::MimeBundle;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Channel, Kernel, comms, subshells};
use crate::{
    engines::AnySession,
    notebook::Engine,
    session::{CellError, CellReply, CellRequest, SessionEvent, StreamName, Timings},
    wire::Message,
};

/// How long requests that were sent together with a failed one may take to arrive, so that they
/// are aborted with it. The error's reply waits for them: what a client sends after the reply is
/// meant to run.
const ABORT_WINDOW: std::time::Duration = std::time::Duration::from_millis(10);

/// The cells that wait, in the order of their requests.
struct Queue {
    incoming: mpsc::UnboundedReceiver<Message>,
    /// What was taken from `incoming` and not executed.
    kept: VecDeque<Message>,
}

impl Queue {
    async fn next(&mut self) -> Option<Message> {
        match self.kept.pop_front() {
            Some(request) => Some(request),
            None => self.incoming.recv().await,
        }
    }

    /// Takes out what waits on the same subshell as `request`.
    fn take_of_subshell(&mut self, request: &Message) -> Vec<Message> {
        while let Ok(waiting) = self.incoming.try_recv() {
            self.kept.push_back(waiting);
        }
        let (taken, kept) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| {
                subshells::of(waiting) == subshells::of(request)
            });
        self.kept = kept;
        taken.into()
    }
}

/// Runs cells until the kernel ends.
pub async fn serve(
    mut session: AnySession,
    requests: mpsc::UnboundedReceiver<Message>,
    shell: Channel,
    stdin: Channel,
    kernel: Arc<Kernel>,
) {
    let mut execution_count = 0;
    let mut queue = Queue {
        incoming: requests,
        kept: VecDeque::new(),
    };
    while let Some(request) = queue.next().await {
        let aborted = execute(
            &mut session,
            &request,
            &mut queue,
            &mut execution_count,
            &shell,
            &stdin,
            &kernel,
        )
        .await;
        for request in aborted {
            kernel.status(&request, "busy");
            let content = json!({ "status": "aborted", "execution_count": execution_count });
            shell.send(&kernel.reply(&request, content), &kernel).await;
            kernel.status(&request, "idle");
        }
    }
}

/// Runs one cell. Returns the queued requests that are aborted with it.
async fn execute(
    session: &mut AnySession,
    request: &Message,
    queue: &mut Queue,
    execution_count: &mut u32,
    shell: &Channel,
    stdin: &Channel,
    kernel: &Arc<Kernel>,
) -> Vec<Message> {
    let content = &request.content;
    let flag = |name: &str, default: bool| content[name].as_bool().unwrap_or(default);
    let code = content["code"].as_str().unwrap_or_default().to_owned();
    let silent = flag("silent", false);
    let store_history = flag("store_history", !silent) && !silent;
    let allow_stdin = flag("allow_stdin", true);

    kernel.status(request, "busy");
    *kernel
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
    if store_history {
        *execution_count += 1;
        kernel.history().add(*execution_count, &code);
    }
    if !silent {
        let content = json!({ "code": code, "execution_count": *execution_count });
        kernel.publish("execute_input", Some(request), content);
    }

    let outputs = Outputs {
        request,
        silent,
        store_history,
        allow_stdin,
        execution_count: *execution_count,
        stdin,
        kernel,
    };
    let cell = CellRequest {
        code,
        execution_count: *execution_count,
    };
    let (reply, events) = run(session, cell, &outputs).await;

    let mut user_expressions = Map::new();
    if let (None, Some(expressions)) = (&reply.error, content["user_expressions"].as_object()) {
        for (name, expression) in expressions {
            let value = evaluate(
                session,
                expression.as_str().unwrap_or_default(),
                *execution_count,
            )
            .await;
            user_expressions.insert(name.clone(), value);
        }
    }

    let mut aborted = Vec::new();
    if reply.error.is_some() && flag("stop_on_error", true) && !silent {
        tokio::time::sleep(ABORT_WINDOW).await;
        aborted = queue.take_of_subshell(request);
    }
    let mut message = kernel.reply(
        request,
        match &reply.error {
            None => json!({
                "status": "ok",
                "execution_count": *execution_count,
                "payload": reply.payload,
                "user_expressions": user_expressions,
            }),
            Some(error) => {
                if !silent {
                    kernel.publish("error", Some(request), error_content(error));
                }
                let mut content = error_content(error);
                content["status"] = json!("error");
                content["execution_count"] = json!(*execution_count);
                content["payload"] = json!([]);
                content["user_expressions"] = json!({});
                content
            }
        },
    );
    message.metadata = timings(&reply.timings);
    shell.send(&message, kernel).await;
    *kernel
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = None;
    kernel.status(request, "idle");
    if !silent {
        tokio::spawn(publish_late_outputs(
            events,
            request.clone(),
            kernel.clone(),
        ));
    }
    aborted
}

/// Runs a cell, publishing what it shows; all of it is published when this returns.
async fn run(
    session: &mut AnySession,
    cell: CellRequest,
    outputs: &Outputs<'_>,
) -> (CellReply, mpsc::UnboundedReceiver<SessionEvent>) {
    let (sender, mut events) = mpsc::unbounded_channel();
    let reply = {
        let execution = session.execute(cell, &sender);
        tokio::pin!(execution);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => outputs.publish(event).await,
                reply = &mut execution => break reply,
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        outputs.publish(event).await;
    }
    (reply, events)
}

/// Passes on what threads of a cell print after its end, until the next cell begins.
async fn publish_late_outputs(
    mut events: mpsc::UnboundedReceiver<SessionEvent>,
    request: Message,
    kernel: Arc<Kernel>,
) {
    while let Some(event) = events.recv().await {
        if let SessionEvent::Comm(message) = &event {
            comms::publish(message, &request, &kernel);
        } else if let Some((msg_type, content)) = broadcast(&event, None) {
            kernel.publish(msg_type, Some(&request), content);
        }
    }
}

/// Where the outputs of a cell go.
struct Outputs<'a> {
    request: &'a Message,
    silent: bool,
    store_history: bool,
    allow_stdin: bool,
    execution_count: u32,
    stdin: &'a Channel,
    kernel: &'a Kernel,
}

impl Outputs<'_> {
    async fn publish(&self, event: SessionEvent) {
        match event {
            SessionEvent::InputRequest { prompt, password } => {
                if !self.allow_stdin {
                    return self.kernel.control.answer_input(None);
                }
                let content = json!({ "prompt": prompt, "password": password });
                let message = Message::new(
                    "input_request",
                    &self.kernel.session_id,
                    Some(self.request),
                    content,
                );
                self.stdin.send(&message, self.kernel).await;
            }
            SessionEvent::Comm(message) => comms::publish(&message, self.request, self.kernel),
            SessionEvent::CommsLost => comms::close_all(self.request, self.kernel),
            _ if self.silent => {}
            event => {
                if let (true, SessionEvent::Result { bundle }) = (self.store_history, &event)
                    && let Some(text) = bundle.data.get("text/plain").and_then(Value::as_str)
                {
                    self.kernel.history().add_output(self.execution_count, text);
                }
                if let Some((msg_type, content)) = broadcast(&event, Some(self.execution_count)) {
                    self.kernel.publish(msg_type, Some(self.request), content);
                }
            }
        }
    }
}

/// The broadcast message of an output.
fn broadcast(event: &SessionEvent, execution_count: Option<u32>) -> Option<(&'static str, Value)> {
    Some(match event {
        SessionEvent::Stream { name, text } => {
            let name = match name {
                StreamName::Stdout => "stdout",
                StreamName::Stderr => "stderr",
            };
            ("stream", json!({ "name": name, "text": text }))
        }
        SessionEvent::Display {
            bundle,
            display_id,
            update,
        } => {
            let transient = match display_id {
                Some(id) => json!({ "display_id": id }),
                None => json!({}),
            };
            let msg_type = if *update {
                "update_display_data"
            } else {
                "display_data"
            };
            let content =
                json!({ "data": bundle.data, "metadata": bundle.metadata, "transient": transient });
            (msg_type, content)
        }
        SessionEvent::Result { bundle } => (
            "execute_result",
            json!({
                "data": bundle.data,
                "metadata": bundle.metadata,
                "execution_count": execution_count.unwrap_or_default(),
            }),
        ),
        SessionEvent::Clear { wait } => ("clear_output", json!({ "wait": wait })),
        SessionEvent::InputRequest { .. } | SessionEvent::Comm(_) | SessionEvent::CommsLost => {
            return None;
        }
    })
}

fn error_content(error: &CellError) -> Value {
    json!({ "ename": error.name, "evalue": error.value, "traceback": error.traceback })
}

fn timings(timings: &Timings) -> Value {
    let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    json!({
        "patchbay": {
            "compile_ms": milliseconds(timings.compile_nanoseconds),
            "load_ms": milliseconds(timings.load_nanoseconds),
            "run_ms": milliseconds(timings.run_nanoseconds),
            "cached": timings.cached,
        }
    })
}

/// Evaluates an expression of the request's `user_expressions`.
async fn evaluate(session: &mut AnySession, code: &str, execution_count: u32) -> Value {
    let (sender, mut events) = mpsc::unbounded_channel();
    let cell = CellRequest {
        code: code.to_owned(),
        execution_count,
    };
    let reply = session.execute(cell, &sender).await;
    if let Some(error) = reply.error {
        let mut content = error_content(&error);
        content["status"] = json!("error");
        return content;
    }
    let mut bundle = MimeBundle::default();
    while let Ok(event) = events.try_recv() {
        if let SessionEvent::Result { bundle: result } = event {
            bundle = result;
        }
    }
    json!({ "status": "ok", "data": bundle.data, "metadata": bundle.metadata })
}
