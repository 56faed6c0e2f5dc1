//! How a file is read.

use patchbay_nn::PositionResampling;

use super::KeyMap;

/// What to do where a file's patch embedding is for other bands than the component's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Bands {
    /// A shape mismatch.
    #[default]
    Exact,
    /// Theirs one after the other, again from the first, scaled by their number over ours so that the sums
    /// stay as large (timm's `adapt_input_conv`; for one band it is the sum of theirs).
    Repeat,
    /// For each of ours the number of theirs that it begins with, counted from 0.
    Pick(Vec<usize>),
}

/// How [`load`](super::load) reads a file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Whose names the file has; none: recognized by its keys.
    pub keys: Option<KeyMap>,
    /// Only keys that begin with this are read, and it is taken off them. Empty: what all keys begin with is taken off where
    /// the rest fits better.
    pub prefix: String,
    /// Which state dict of a checkpoint is read, as `state_dict` or `ema.module`; "" is the top. None: a moving average (EMA)
    /// where there is one, else that under the usual names.
    pub container: Option<String>,
    /// How position embeddings become those of another grid; none: as the program does that wrote the file.
    pub positions: Option<PositionResampling>,
    /// Rows and columns of the file's position embeddings, where its grid is not square.
    pub grid: Option<(usize, usize)>,
    /// Whether to load what fits where not everything does.
    pub partial: bool,
    /// What to do where the images have other bands.
    pub bands: Bands,
}

impl LoadOptions {
    /// Strict, with the names of `keys`.
    pub fn new(keys: KeyMap) -> LoadOptions {
        LoadOptions {
            keys: Some(keys),
            ..LoadOptions::default()
        }
    }

    /// Loads what fits.
    pub fn partial(self) -> LoadOptions {
        LoadOptions {
            partial: true,
            ..self
        }
    }

    /// Reads the keys that begin with `prefix` only.
    pub fn prefix(self, prefix: &str) -> LoadOptions {
        LoadOptions {
            prefix: prefix.to_owned(),
            ..self
        }
    }

    /// Reads this state dict of a checkpoint.
    pub fn container(self, container: &str) -> LoadOptions {
        LoadOptions {
            container: Some(container.to_owned()),
            ..self
        }
    }

    /// Resizes position embeddings in this way.
    pub fn positions(self, positions: PositionResampling) -> LoadOptions {
        LoadOptions {
            positions: Some(positions),
            ..self
        }
    }

    /// Says that the file's position embeddings are for so many rows and columns of patches.
    pub fn grid(self, grid: (usize, usize)) -> LoadOptions {
        LoadOptions {
            grid: Some(grid),
            ..self
        }
    }

    /// Adapts the bands of the patch embedding.
    pub fn bands(self, bands: Bands) -> LoadOptions {
        LoadOptions { bands, ..self }
    }
}
