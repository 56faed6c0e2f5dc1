//! A component's sample: settings and inputs on which it can be tried.

use candle_core::{DType, Tensor, bail};
use serde_json::Value;

use patchbay_show::Result;

/// Settings and inputs of a component, and what tests are to know of it beside that.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The settings, as `create` takes them.
    pub settings: Value,
    /// The inputs by the names that the component's documented shapes have, in the order of the method's arguments.
    pub inputs: Inputs,
    /// The types that it computes in. `f32` and `f64` unless said otherwise.
    pub dtypes: Vec<DType>,
    /// The parameters and inputs whose gradient is not that of the values, by the beginning of their names, and why.
    pub other_gradient: Vec<(&'static str, &'static str)>,
    /// The parameters and inputs that get no gradient from the sample, or none but zeros, by the beginning of their names.
    pub untrained: Vec<&'static str>,
}

impl Sample {
    /// A sample with these settings and no inputs yet.
    pub fn new(settings: Value) -> Sample {
        Sample {
            settings,
            inputs: Inputs::default(),
            dtypes: vec![DType::F32, DType::F64],
            other_gradient: Vec::new(),
            untrained: Vec::new(),
        }
    }

    /// Adds an input. Floats are in the type that is tried, whatever they are here.
    pub fn input(mut self, name: &str, tensor: Tensor) -> Sample {
        self.inputs.0.push((name.to_owned(), tensor));
        self
    }

    /// The types that it computes in, in place of `f32` and `f64`.
    pub fn dtypes(mut self, dtypes: &[DType]) -> Sample {
        self.dtypes = dtypes.to_vec();
        self
    }

    /// Says that the gradient of a parameter or an input (`input logits`), by the beginning of its name, is not that of the
    /// value, and why: a paper's weights may be constants on the way back.
    pub fn other_gradient(mut self, name: &'static str, reason: &'static str) -> Sample {
        self.other_gradient.push((name, reason));
        self
    }

    /// Says that parameters whose names begin so get no gradient from these inputs.
    pub fn untrained(mut self, name: &'static str) -> Sample {
        self.untrained.push(name);
        self
    }
}

/// The inputs of a sample, in their order.
#[derive(Clone, Debug, Default)]
pub struct Inputs(pub Vec<(String, Tensor)>);

/// Outputs by name.
pub type Outputs = Vec<(String, Tensor)>;

impl Inputs {
    /// The input of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor)
    }

    /// The input of this name.
    ///
    /// # Errors
    ///
    /// Fails where there is none, naming those there are.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        match self.find(name) {
            Some(tensor) => Ok(tensor),
            None => bail!(
                "the sample has no input `{name}`; it has {:?}",
                self.names()
            ),
        }
    }

    /// The input at this place, counted from 0.
    ///
    /// # Errors
    ///
    /// Fails where there are fewer.
    pub fn at(&self, index: usize) -> Result<&Tensor> {
        match self.0.get(index) {
            Some((_, tensor)) => Ok(tensor),
            None => bail!(
                "a sample of this kind has at least {} inputs; this one has {:?}",
                index + 1,
                self.names()
            ),
        }
    }

    /// The inputs as a batch.
    pub fn batch(&self) -> std::collections::BTreeMap<String, Tensor> {
        self.0.iter().cloned().collect()
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}
