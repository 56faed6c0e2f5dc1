//! The state that the two ends of a widget share.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, LazyLock, Mutex, Once, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use patchbay_protocol::MimeBundle;
use serde_json::{Map, Value, json};

use crate::show::plain_text;
use patchbay_cell::comm::{self, Comm, Message};
use patchbay_cell::lock::lock;

const TARGET: &str = "jupyter.widget";

/// Where a front end that opens a notebook asks for all widgets at once.
const CONTROL_TARGET: &str = "jupyter.widget.control";

/// The version of the widgets' protocol.
const PROTOCOL: &str = "2.1.0";

/// How often a model's changes are sent at most. Jupyter's server takes a thousand messages a second from a kernel.
const INTERVAL: Duration = Duration::from_millis(50);

type Observer = Arc<Mutex<dyn FnMut(&Value) + Send>>;

/// A widget's model: its state, kept equal in the notebook.
#[derive(Clone)]
pub(super) struct Model(Arc<Inner>);

struct Inner {
    comm: Comm,
    state: Mutex<State>,
    /// Called with the new value of `value`, or with the content of a custom message.
    observer: Mutex<Option<Observer>>,
    /// Models that this one refers to; they live as long as it does.
    _parts: Vec<Model>,
}

struct State {
    values: Map<String, Value>,
    /// Changes that wait to be sent.
    held: Map<String, Value>,
    /// When changes were sent last.
    sent: Option<Instant>,
}

/// The models with changes that wait to be sent.
static HELD: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());

/// The widgets that were shown. They stay: a notebook may show them for as long as the process lives, whether or not
/// a variable holds them.
static SHOWN: Mutex<Vec<Model>> = Mutex::new(Vec::new());

/// The widgets that are alive, for front ends that ask for their state.
static ALIVE: LazyLock<Mutex<HashMap<String, Weak<Inner>>>> = LazyLock::new(Mutex::default);

impl Model {
    /// A control of `@jupyter-widgets/controls`, with a layout and a style of its own.
    pub(super) fn control(name: &str, style: &str, state: Value) -> Model {
        let layout = Model::open(
            "@jupyter-widgets/base",
            "LayoutModel",
            "LayoutView",
            json!({}),
            Vec::new(),
        );
        let style = Model::open(
            "@jupyter-widgets/controls",
            &format!("{style}Model"),
            "StyleView",
            json!({ "_view_module": "@jupyter-widgets/base", "description_width": "initial" }),
            Vec::new(),
        );
        let mut whole = json!({ "layout": layout.reference(), "style": style.reference() });
        merge(&mut whole, state);
        Model::open(
            "@jupyter-widgets/controls",
            &format!("{name}Model"),
            &format!("{name}View"),
            whole,
            vec![layout, style],
        )
    }

    fn open(module: &str, model: &str, view: &str, state: Value, parts: Vec<Model>) -> Model {
        listen_for_front_ends();
        let mut whole = json!({
            "_model_module": module, "_model_module_version": "2.0.0", "_model_name": model,
            "_view_module": module, "_view_module_version": "2.0.0", "_view_name": view,
        });
        merge(&mut whole, state);
        let state = whole.as_object().cloned().unwrap_or_default();
        let comm = Comm::open_with(
            TARGET,
            Message {
                data: json!({ "state": state, "buffer_paths": [] }),
                metadata: json!({ "version": PROTOCOL }),
                buffers: Vec::new(),
            },
        );
        let inner = Arc::new(Inner {
            comm: comm.clone(),
            state: Mutex::new(State {
                values: state,
                held: Map::new(),
                sent: None,
            }),
            observer: Mutex::new(None),
            _parts: parts,
        });
        lock(&ALIVE).insert(comm.id().to_owned(), Arc::downgrade(&inner));
        let weak = Arc::downgrade(&inner);
        comm.on_message(move |message| {
            if let Some(inner) = weak.upgrade() {
                inner.receive(&message.data);
            }
        });
        Model(inner)
    }

    fn reference(&self) -> String {
        format!("IPY_MODEL_{}", self.0.comm.id())
    }

    pub(super) fn get(&self, key: &str) -> Value {
        let state = lock(&self.0.state);
        state.values.get(key).cloned().unwrap_or_default()
    }

    /// Changes a part of the state, in the notebook, too. What is unchanged is not sent; changes that follow each other
    /// closely are sent together.
    pub(super) fn set(&self, key: &str, value: Value) {
        let mut state = lock(&self.0.state);
        if state.values.insert(key.to_owned(), value.clone()) == Some(value.clone()) {
            return;
        }
        let waits = !state.held.is_empty();
        state.held.insert(key.to_owned(), value);
        if waits {
            return;
        }
        if state.sent.is_none_or(|sent| sent.elapsed() >= INTERVAL) {
            self.0.send_held(&mut state);
        } else {
            drop(state);
            hold(&self.0);
        }
    }

    /// Calls `observer` with each new value that comes from the notebook, or with the content of each custom message.
    pub(super) fn observe(&self, observer: impl FnMut(&Value) + Send + 'static) {
        *lock(&self.0.observer) = Some(Arc::new(Mutex::new(observer)));
    }

    /// Shown as a view of the model; front ends without widgets show `plain`.
    pub(super) fn view(&self, plain: String) -> MimeBundle {
        {
            let mut shown = lock(&SHOWN);
            if !shown.iter().any(|model| Arc::ptr_eq(&model.0, &self.0)) {
                shown.push(self.clone());
            }
        }
        let mut bundle = plain_text(plain);
        bundle.data.insert(
            "application/vnd.jupyter.widget-view+json".to_owned(),
            json!({ "version_major": 2, "version_minor": 0, "model_id": self.0.comm.id() }),
        );
        bundle
    }
}

impl Inner {
    fn receive(&self, data: &Value) {
        match data["method"].as_str() {
            Some("update") => {
                let Some(changes) = data["state"].as_object() else {
                    return;
                };
                let mut state = lock(&self.state);
                // A value of another kind is no value that this widget can have.
                let fits = |key: &str, value: &Value| {
                    key != "value"
                        || state.values.get(key).is_none_or(|known| {
                            mem::discriminant(known) == mem::discriminant(value)
                        })
                };
                let changes: Map<String, Value> = changes
                    .iter()
                    .filter(|(key, value)| fits(key, value))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                for key in changes.keys() {
                    state.held.remove(key);
                }
                state.values.extend(changes.clone());
                drop(state);
                if let Some(value) = changes.get("value").or_else(|| changes.get("index")) {
                    self.tell(value);
                }
            }
            Some("request_state") => self.comm.send(update(self.whole())),
            Some("custom") => self.tell(&data["content"]),
            _ => {}
        }
    }

    fn tell(&self, value: &Value) {
        // Without the lock: the observer may read and change the widget.
        let observer = lock(&self.observer).clone();
        if let Some(observer) = observer {
            lock(&observer)(value);
        }
    }

    fn whole(&self) -> Value {
        Value::Object(lock(&self.state).values.clone())
    }

    /// Sends the changes that wait. The caller keeps the state locked, so that values arrive in their order.
    fn send_held(&self, state: &mut State) {
        if state.held.is_empty() {
            return;
        }
        state.sent = Some(Instant::now());
        let held = mem::take(&mut state.held);
        self.comm.send(update(Value::Object(held)));
    }
}

/// Has the changes of a model sent when it is time.
fn hold(inner: &Arc<Inner>) {
    static CLOCK: LazyLock<Option<mpsc::Sender<()>>> = LazyLock::new(|| {
        let (sender, ticks) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name("patchbay-widgets".to_owned())
            .spawn(move || {
                while ticks.recv().is_ok() {
                    thread::sleep(INTERVAL);
                    send_held();
                }
            });
        thread.is_ok().then_some(sender)
    });
    let first = {
        let mut held = lock(&HELD);
        held.push(Arc::downgrade(inner));
        held.len() == 1
    };
    let ticks = !first || CLOCK.as_ref().is_some_and(|clock| clock.send(()).is_ok());
    if !ticks {
        // Without a thread nothing waits.
        send_held();
    }
}

/// Sends all changes that wait; called at the end of each cell, too.
///
/// The list is locked until they are sent. Otherwise a cell could end while the clock's thread still had the last
/// values in its hands, and they would arrive after the cell.
pub(crate) fn send_held() {
    let mut held = lock(&HELD);
    for inner in mem::take(&mut *held).iter().filter_map(Weak::upgrade) {
        inner.send_held(&mut lock(&inner.state));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&ALIVE).remove(self.comm.id());
        self.comm.close();
    }
}

/// Takes each lock for a moment.
pub(crate) fn probe() {
    drop(lock(&HELD));
    drop(lock(&SHOWN));
    let alive: Vec<_> = lock(&ALIVE).values().filter_map(Weak::upgrade).collect();
    for inner in alive {
        drop(lock(&inner.state));
        drop(lock(&inner.observer));
    }
}

fn update(state: Value) -> Value {
    json!({ "method": "update", "state": state, "buffer_paths": [] })
}

/// Answers a front end that asks for the state of all widgets, from the start of the process on.
#[doc(hidden)]
pub fn listen_for_front_ends() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        comm::register_target(CONTROL_TARGET, |comm, _| {
            let answer = comm.clone();
            comm.on_message(move |message| {
                if message.data["method"] == "request_states" {
                    let alive: Vec<_> = lock(&ALIVE).values().filter_map(Weak::upgrade).collect();
                    let states: Map<String, Value> = alive
                        .iter()
                        .map(|inner| {
                            let state = inner.whole();
                            let entry = json!({
                                "model_name": state["_model_name"],
                                "model_module": state["_model_module"],
                                "model_module_version": state["_model_module_version"],
                                "state": state,
                            });
                            (inner.comm.id().to_owned(), entry)
                        })
                        .collect();
                    answer.send(
                        json!({ "method": "update_states", "states": states, "buffer_paths": [] }),
                    );
                }
            });
        });
    });
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_change_the_state() {
        let model = Model::control("FloatSlider", "SliderStyle", json!({ "value": 1.0 }));
        assert_eq!(model.get("_model_name"), "FloatSliderModel");
        assert!(
            model
                .get("layout")
                .as_str()
                .unwrap()
                .starts_with("IPY_MODEL_")
        );
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let same = model.clone();
        // An observer may look at the widget.
        model.observe(move |value| lock(&sink).push((value.clone(), same.get("value"))));
        model
            .0
            .receive(&json!({ "method": "update", "state": { "value": 2.5 }, "buffer_paths": [] }));
        model
            .0
            .receive(&json!({ "method": "custom", "content": { "event": "click" } }));
        assert_eq!(model.get("value"), 2.5);
        assert_eq!(lock(&seen)[0], (json!(2.5), json!(2.5)));
        assert_eq!(lock(&seen)[1].0, json!({ "event": "click" }));
        let view = model.view("2.5".to_owned());
        assert_eq!(
            view.data["application/vnd.jupyter.widget-view+json"]["model_id"],
            model.0.comm.id()
        );
    }

    #[test]
    fn values_of_another_kind_are_left_out() {
        let model = Model::control("FloatSlider", "SliderStyle", json!({ "value": 1.0 }));
        model.0.receive(
            &json!({ "method": "update", "state": { "value": "text", "step": 0.5 }, "buffer_paths": [] }),
        );
        assert_eq!(model.get("value"), 1.0);
        assert_eq!(model.get("step"), 0.5);
    }

    #[test]
    fn what_the_front_end_sets_is_newer_than_what_waits() {
        let model = Model::control("FloatProgress", "ProgressStyle", json!({ "value": 0.0 }));
        lock(&model.0.state).held = Map::from_iter([
            ("value".to_owned(), json!(3.0)),
            ("bar_style".to_owned(), json!("success")),
        ]);
        model
            .0
            .receive(&json!({ "method": "update", "state": { "value": 4.0 }, "buffer_paths": [] }));
        assert_eq!(model.get("value"), 4.0);
        let mut state = lock(&model.0.state);
        assert!(!state.held.contains_key("value") && state.held.contains_key("bar_style"));
        model.0.send_held(&mut state);
        assert!(state.held.is_empty() && state.sent.is_some());
    }

    #[test]
    fn nothing_waits_once_all_is_sent_whoever_sends_it() {
        let model = Model::control("FloatProgress", "ProgressStyle", json!({ "value": 0.0 }));
        for round in 1..=2000 {
            {
                let mut state = lock(&model.0.state);
                state.held.insert("value".to_owned(), json!(round));
            }
            lock(&HELD).push(Arc::downgrade(&model.0));
            // As the clock's thread does, at the moment at which a cell ends.
            let clock = thread::spawn(send_held);
            while !lock(&HELD).is_empty() {
                thread::yield_now();
            }
            send_held();
            assert!(lock(&model.0.state).held.is_empty(), "round {round}");
            clock.join().unwrap();
        }
    }

    #[test]
    fn a_widget_that_was_never_shown_closes_its_comm_when_it_is_dropped() {
        for shown in [false, true] {
            let model = Model::control("Button", "ButtonStyle", json!({}));
            let comm = model.0.comm.clone();
            assert!(comm.is_open() && lock(&ALIVE).contains_key(comm.id()));
            if shown {
                model.view(String::new());
            }
            drop(model);
            assert_eq!(comm.is_open(), shown);
            assert_eq!(lock(&ALIVE).contains_key(comm.id()), shown);
        }
    }
}
