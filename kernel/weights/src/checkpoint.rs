//! A checkpoint that was read.

use crate::tensor::Tensors;

/// The tensors of a file, and where in it they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The tensors, by name.
    pub tensors: Tensors,
    /// The names of the dictionaries around them, joined by dots, as `state_dict` or `ema.module`; empty where there are
    /// none.
    pub container: String,
    /// Whether they are a moving average of the weights (EMA), by the container's name.
    pub is_average: bool,
    /// The other containers of the file that have tensors: optimizers and the like are not among them.
    pub others: Vec<String>,
    /// Where the file has averages without names, which cannot be read.
    pub unnamed_average: Option<String>,
    /// The format.
    pub source: Source,
}

impl Checkpoint {
    /// Returns the checkpoint of a format without containers.
    pub(crate) fn flat(tensors: Tensors, container: Option<&str>) -> Result<Checkpoint, String> {
        match container {
            Some(name) if !name.is_empty() => Err(format!(
                "a file without containers: leave {name:?} away; a prefix chooses among its names"
            )),
            _ => Ok(Checkpoint {
                tensors,
                container: String::new(),
                is_average: false,
                others: Vec::new(),
                unnamed_average: None,
                source: Source::Dict,
            }),
        }
    }
}

/// What the tensors are members of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A dictionary of tensors.
    Dict,
    /// A pickled network.
    Network,
    /// A network of TorchScript.
    Script,
}
