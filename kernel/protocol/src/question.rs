//! The host's questions to the SDK, which are answered while a cell runs, too. Each has its answer's type.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::MimeBundle;

/// Any question, as [`Command::Ask`](crate::Command::Ask) carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// Loads a plugin.
    LoadPlugin(LoadPlugin),
    /// Lists components.
    ListComponents(ListComponents),
    /// Describes a component.
    DescribeComponent(DescribeComponent),
    /// Asks for all components, for completion.
    Components(Components),
    /// Asks for the settings of a component.
    Settings(Settings),
    /// Asks for the memory of the GPUs.
    GpuMemory(GpuMemory),
}

/// A question and the type of its answer.
pub trait Ask: Into<Question> {
    /// The type of the answer.
    type Answer: Serialize + DeserializeOwned;
}

macro_rules! questions {
    ($($question:ident => $answer:ty),* $(,)?) => {
        $(
            impl From<$question> for Question {
                fn from(question: $question) -> Question {
                    Question::$question(question)
                }
            }

            impl Ask for $question {
                type Answer = $answer;
            }
        )*
    };
}

questions! {
    LoadPlugin => Loaded,
    ListComponents => Shown,
    DescribeComponent => Shown,
    Components => Vec<Component>,
    Settings => Vec<Setting>,
    GpuMemory => Option<MemoryOfGpu>,
}

/// Load a plugin's library into the cells' process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPlugin {
    /// The plugin's library.
    pub path: PathBuf,
}

/// A plugin that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The report for the user.
    pub text: String,
    /// The ids of its components.
    pub components: Vec<String>,
}

/// Show the table of the components whose ids fit a pattern: `loss/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListComponents {
    /// A part of the ids, or a pattern with `*`; empty for all.
    pub pattern: String,
}

/// Show all that is known of a component: `loss/focal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribeComponent {
    /// The component's id.
    pub id: String,
}

/// An answer to be shown, as text and for a front end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The text for consoles.
    pub text: String,
    /// The same in each of its MIME types.
    pub bundle: MimeBundle,
}

/// Return all components, loaded or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Components {}

/// A component by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The component's id.
    pub id: String,
    /// The component's summary, one line.
    pub summary: String,
}

/// Return the settings of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The component's id.
    pub id: String,
}

/// A setting of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The setting's name.
    pub key: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: String,
    /// The default, as JSON.
    pub default: String,
    /// What it does.
    pub meaning: String,
}

/// Return the memory of the cells' GPU, if they have asked for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuMemory {}

/// The memory of a GPU in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryOfGpu {
    /// The device's name.
    pub name: String,
    /// The bytes in use.
    pub used: usize,
    /// The bytes that there are.
    pub total: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_come_back_and_unknown_ones_are_refused() {
        let question = Question::from(Settings {
            id: "loss/focal".to_owned(),
        });
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(text, r#"{"question":"settings","id":"loss/focal"}"#);
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        for wrong in [
            r#"{"question":"setting","id":"x"}"#,
            r#"{"question":"settings"}"#,
            r#"{"question":"gpu_memory","id":"x"}"#,
        ] {
            assert!(serde_json::from_str::<Question>(wrong).is_err(), "{wrong}");
        }
    }
}
