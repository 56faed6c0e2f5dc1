//! Answers to the host's questions, also while a cell runs.

use patchbay_protocol::{
    Question,
    question::{
        Component, DescribeComponent, ListComponents, LoadPlugin, Loaded, MemoryOfGpu, Setting,
        Settings, Shown,
    },
};
use serde::Serialize;
use serde_json::Value;

use super::{describe, description::setting_rows, list, load, resolve::resolve};
use patchbay_show::{memory, show::Show};

/// Answers a question of the host, with what [`Ask::Answer`](patchbay_protocol::Ask) says as JSON.
///
/// # Errors
///
/// Returns the text of what went wrong.
pub fn serve(question: &Question) -> Result<Value, String> {
    match question {
        Question::LoadPlugin(LoadPlugin { path }) => {
            let report = load(path).map_err(|error| error.to_string())?;
            json(Loaded {
                text: report.to_string(),
                components: report.components.iter().map(|(id, _)| id.clone()).collect(),
            })
        }
        Question::ListComponents(ListComponents { pattern }) => {
            let listing = list(pattern);
            json(Shown {
                text: listing.to_string(),
                bundle: listing.show(),
            })
        }
        Question::DescribeComponent(DescribeComponent { id }) => {
            let description = describe(id).map_err(|error| error.to_string())?;
            json(Shown {
                text: description.to_string(),
                bundle: description.show(),
            })
        }
        Question::Components(_) => {
            let rows = list("*").rows;
            let components = rows
                .into_iter()
                .map(|[id, _, summary, _]| Component { id, summary });
            json(components.collect::<Vec<_>>())
        }
        Question::Settings(Settings { id }) => {
            let entry = resolve(id).map_err(|error| error.to_string())?;
            let settings =
                setting_rows(&entry.spec).map(|[key, kind, default, _, meaning]| Setting {
                    key,
                    kind,
                    default,
                    meaning,
                });
            json(settings.collect::<Vec<_>>())
        }
        Question::GpuMemory(_) => json(memory::gpu_memory().map(|memory| MemoryOfGpu {
            name: memory.name,
            used: memory.used,
            total: memory.total,
        })),
    }
}

fn json(answer: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(answer).map_err(|error| error.to_string())
}
