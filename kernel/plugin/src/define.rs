//! How a component describes itself, once: listing, parsing, docs and tests come from this.

use std::{any::Any, path::Path, sync::Arc};

use serde_json::Value;

use super::{Component, Config, Context, Error, Kind, Sample, config, error::candle_text};

/// The static description of a component, and its construction.
pub trait Define: Component + Sized {
    /// The kind, `dyn Loss` for instance.
    type Kind: ?Sized + Kind;
    /// The settings; `()` for none.
    type Config: Config;
    /// `kind/name`.
    const ID: &'static str;
    /// One line: what it is and when to use it.
    const SUMMARY: &'static str;
    /// Formula, reference, shapes, example.
    const DETAILS: Details;
    /// The id that the component had in an earlier release, by which cells still find it; nothing where it had no other.
    const FORMER_ID: &'static str = "";

    /// Makes the component. Parameters and buffers are made through `context`.
    ///
    /// # Errors
    ///
    /// Fails where the settings contradict each other or a tensor cannot be made.
    fn build(config: Self::Config, context: &Context) -> patchbay_show::Result<Self>;

    /// Published weights that fit the component, as a list of `weights::Preset` in JSON. Without this function there are none.
    fn presets() -> Value {
        Value::Array(Vec::new())
    }

    /// Settings and inputs on which the component can be tried: all that the tests of its kind need to know
    /// ([`trial`](super::trial)). Files that it reads go into the folder `scratch`.
    ///
    /// ```ignore
    /// fn sample(_scratch: &Path) -> Result<Sample> {
    ///     let prediction = Tensor::new(&[[0.3f32, -1.2], [2.0, 0.1]], &Device::Cpu)?;
    ///     let target = Tensor::new(&[[0.5f32, 0.0], [1.0, -0.4]], &Device::Cpu)?;
    ///     Ok(Sample::new(json!({})).input("prediction", prediction).input("target", target))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails where a tensor cannot be made or a file not written; and where a component has no sample, which is how it is
    /// without this function.
    fn sample(scratch: &Path) -> patchbay_show::Result<Sample> {
        let _ = scratch;
        Err(candle_core::Error::Msg(NO_SAMPLE.to_owned()))
    }
}

/// Message of a component that has no sample.
pub(crate) const NO_SAMPLE: &str = "there is no sample";

/// Details that `describe` tells beside the summary and the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details {
    /// The formula, as text.
    pub formula: &'static str,
    /// Paper with equation or section, or the implementation that it follows.
    pub reference: &'static str,
    /// Symbolic shapes of inputs and output.
    pub shapes: &'static str,
    /// Whether it has parameters that are trained.
    pub trainable: bool,
    /// A cell that runs as it stands.
    pub example: &'static str,
}

impl Details {
    /// Nothing said; for `..Details::NONE`.
    pub const NONE: Details = Details {
        formula: "",
        reference: "",
        shapes: "",
        trainable: false,
        example: "",
    };
}

/// The description of a registered component.
#[derive(Clone, Debug)]
pub struct Spec {
    /// `kind/name`.
    pub id: String,
    /// The id that it had in an earlier release, or nothing.
    pub former_id: &'static str,
    /// The kind's name, `loss` for instance.
    pub kind: &'static str,
    /// The version of the plugin that it is in.
    pub version: String,
    /// One line on what it is.
    pub summary: &'static str,
    /// Details that `describe` adds to that.
    pub details: Details,
    /// The JSON schema of the settings.
    pub config: Value,
    /// The type that it is, with its module.
    pub type_name: &'static str,
    /// Makes the list of published weights that fit, in JSON.
    pub presets: fn() -> Value,
}

/// A function that makes a component of kind `K` from its settings and says what the complete
/// settings are.
pub(crate) type Factory<K> = fn(&Value, &Context) -> Result<(Arc<K>, Value), Error>;

/// A component as its plugin hands it to the registry. [`export_plugin!`](crate::export_plugin)
/// makes these.
pub struct Registration {
    pub(crate) spec: Spec,
    /// A `Factory<dyn Kind>`; the kind is known by the id.
    pub(crate) factory: Box<dyn Any + Send + Sync>,
    pub(crate) sample: MakeSample,
}

/// Makes a component's sample, with a folder for its files.
pub(crate) type MakeSample = fn(&Path) -> patchbay_show::Result<Sample>;

/// Makes the registration of a component.
#[doc(hidden)]
pub fn registration<D: Define>(version: &str, factory: Factory<D::Kind>) -> Registration {
    const {
        assert!(
            is_of_kind(D::ID, <D::Kind as Kind>::NAME),
            "the ID of a component is `kind/name`, with the NAME of its kind"
        );
    }
    Registration {
        spec: Spec {
            id: D::ID.to_owned(),
            former_id: D::FORMER_ID,
            kind: <D::Kind as Kind>::NAME,
            version: version.to_owned(),
            summary: D::SUMMARY,
            details: D::DETAILS,
            config: config::schema::<D::Config>(),
            type_name: std::any::type_name::<D>(),
            presets: D::presets,
        },
        factory: Box::new(factory),
        sample: D::sample,
    }
}

/// Whether an id is a kind's name, a slash and a name.
const fn is_of_kind(id: &str, kind: &str) -> bool {
    let (id, kind) = (id.as_bytes(), kind.as_bytes());
    let mut at = 0;
    while at < kind.len() {
        if at >= id.len() || id[at] != kind[at] {
            return false;
        }
        at += 1;
    }
    id.len() > at + 1 && id[at] == b'/'
}

/// Parses the settings and builds; also returns the settings with all defaults filled in.
#[doc(hidden)]
pub fn build<D: Define>(given: &Value, context: &Context) -> Result<(D, Value), Error> {
    let (config, complete) = config::parse(D::ID, given)?;
    let component = D::build(config, context).map_err(|error| cannot_be_made(D::ID, &error))?;
    Ok((component, complete))
}

fn cannot_be_made(id: &str, error: &candle_core::Error) -> Error {
    Error::new(format!("{id} cannot be made: {}", candle_text(error)))
}
