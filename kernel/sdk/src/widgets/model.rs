//! The state that the two ends of a widget share.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError, Weak},
};

use patchbay_protocol::MimeBundle;
use serde_json::{Map, Value, json};

use crate::{
    comm::{self, Comm, Message},
    show::plain_text,
};

const TARGET: &str = "jupyter.widget";

/// Where a front end that opens a notebook asks for all widgets at once.
const CONTROL_TARGET: &str = "jupyter.widget.control";

/// The version of the widgets' protocol.
const PROTOCOL: &str = "2.1.0";

type Observer = Arc<Mutex<dyn FnMut(&Value) + Send>>;

/// A widget's model: its state, kept equal in the notebook.
#[derive(Clone)]
pub(super) struct Model(Arc<Inner>);

struct Inner {
    comm: Comm,
    state: Mutex<Map<String, Value>>,
    /// Called with the new value of `value`, or with the content of a custom message.
    observer: Mutex<Option<Observer>>,
    /// Models that this one refers to; they live as long as it does.
    _parts: Vec<Model>,
}

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
            state: Mutex::new(state),
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
        lock(&self.0.state).get(key).cloned().unwrap_or_default()
    }

    /// Changes a part of the state, in the notebook, too. What is unchanged is not sent.
    pub(super) fn set(&self, key: &str, value: Value) {
        if lock(&self.0.state).insert(key.to_owned(), value.clone()) != Some(value.clone()) {
            self.0.comm.send(update(json!({ key: value })));
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
                lock(&self.state).extend(changes.clone());
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
        Value::Object(lock(&self.state).clone())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&ALIVE).remove(self.comm.id());
        self.comm.close();
    }
}

fn update(state: Value) -> Value {
    json!({ "method": "update", "state": state, "buffer_paths": [] })
}

/// Answers a front end that asks for the state of all widgets, once a process.
fn listen_for_front_ends() {
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

/// A panic of an observer leaves the state whole.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
