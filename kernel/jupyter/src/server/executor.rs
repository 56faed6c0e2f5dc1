//! Cells, one after the other.

use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

use patchbay_protocol::MimeBundle;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{
    broadcast::broadcast,
    comm_messages,
    kernel::Kernel,
    late::{hold, publish_late},
    sockets::Channel,
    subshells,
};
use crate::wire::Message;
use patchbay_contract::{CellError, CellReply, CellRequest, Session, SessionEvent, Timings};

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
    mut session: Box<dyn Session>,
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
            &mut *session,
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
            shell.send(&kernel.reply(&request, content)).await;
            kernel.status(&request, "idle");
        }
    }
}

/// Runs one cell. Returns the queued requests that are aborted with it.
async fn execute(
    session: &mut dyn Session,
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
    *kernel.running() = Some(request.clone());
    if store_history {
        *execution_count += 1;
        kernel.history.add(*execution_count, &code);
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
        next_input: Mutex::new(None),
    };
    let cell = CellRequest {
        code,
        execution_count: *execution_count,
    };
    let (mut reply, mut events) = run(session, cell, &outputs, Some).await;

    let mut user_expressions = Map::new();
    if let (None, Some(expressions)) = (&reply.error, content["user_expressions"].as_object()) {
        for (name, expression) in expressions {
            // What threads of the cell still say goes on to its front ends.
            publish_late(events, Some(request), silent, kernel);
            let value;
            (value, events) =
                evaluate(session, expression.as_str().unwrap_or_default(), &outputs).await;
            user_expressions.insert(name.clone(), value);
        }
    }
    if let Some(text) = outputs.next_input() {
        reply
            .payload
            .push(json!({ "source": "set_next_input", "text": text, "replace": false }));
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
    shell.send(&message).await;
    {
        // Under the lock, so that no other task says `busy` after it.
        let mut running = kernel.running();
        *running = None;
        kernel.status(request, "idle");
    }
    publish_late(events, Some(request), silent, kernel);
    aborted
}

/// Runs a cell, publishing what it shows as far as `keep` passes it on; all of it is published when this returns.
async fn run(
    session: &mut dyn Session,
    cell: CellRequest,
    outputs: &Outputs<'_>,
    mut keep: impl FnMut(SessionEvent) -> Option<SessionEvent>,
) -> (CellReply, mpsc::UnboundedReceiver<SessionEvent>) {
    let (sender, mut events) = mpsc::unbounded_channel();
    let reply = {
        let execution = session.execute(cell, &sender);
        tokio::pin!(execution);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => if let Some(event) = keep(event) {
                    outputs.publish(event).await;
                },
                reply = &mut execution => break reply,
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        if let Some(event) = keep(event) {
            outputs.publish(event).await;
        }
    }
    (reply, events)
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
    /// The text for a new cell that was set last.
    next_input: Mutex<Option<String>>,
}

impl Outputs<'_> {
    fn next_input(&self) -> Option<String> {
        let mut text = self.next_input.lock();
        text.take()
    }

    async fn publish(&self, event: SessionEvent) {
        // It came before this event.
        self.kernel.late.publish_waiting();
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
                self.stdin.send(&message).await;
            }
            SessionEvent::Comm(message) => {
                comm_messages::publish(&message, Some(self.request), self.kernel);
            }
            SessionEvent::CommsLost => comm_messages::close_all(Some(self.request), self.kernel),
            SessionEvent::Barrier(barrier) => hold(barrier, self.kernel),
            SessionEvent::NextInput { text } => {
                *self.next_input.lock() = Some(text);
            }
            _ if self.silent => {}
            event => {
                if let (true, SessionEvent::Result { bundle }) = (self.store_history, &event)
                    && let Some(text) = bundle.data.get("text/plain").and_then(Value::as_str)
                {
                    self.kernel.history.add_output(self.execution_count, text);
                }
                if let Some((msg_type, content)) = broadcast(&event, Some(self.execution_count)) {
                    self.kernel.publish(msg_type, Some(self.request), content);
                }
            }
        }
    }
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

/// Evaluates an expression of the request's `user_expressions`. Its value is the answer; what it shows is not shown, and
/// there is nobody whom it could ask. What comm handlers say meanwhile is passed on.
async fn evaluate(
    session: &mut dyn Session,
    code: &str,
    outputs: &Outputs<'_>,
) -> (Value, mpsc::UnboundedReceiver<SessionEvent>) {
    let cell = CellRequest {
        code: code.to_owned(),
        execution_count: outputs.execution_count,
    };
    let mut value = MimeBundle::default();
    let (reply, events) = run(session, cell, outputs, |event| match event {
        SessionEvent::Result { bundle } => {
            value = bundle;
            None
        }
        SessionEvent::InputRequest { .. } => {
            outputs.kernel.control.answer_input(None);
            None
        }
        SessionEvent::Comm(_) | SessionEvent::CommsLost => Some(event),
        _ => None,
    })
    .await;
    let content = match &reply.error {
        Some(error) => {
            let mut content = error_content(error);
            content["status"] = json!("error");
            content
        }
        None => json!({ "status": "ok", "data": value.data, "metadata": value.metadata }),
    };
    (content, events)
}
