//! Sizes that belong together: the paper's for its data sets, and a small network.

use patchbay::plugin::prelude::*;

use crate::tide::SkipStart;

/// Sizes that belong together: those of the paper for a data set (Das et al. 2023, Table 5; lookback 720, batch 512),
/// or `compact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Preset {
    /// Traffic: occupancy of roads, hourly, 862 series.
    Traffic,
    /// Electricity: consumption of customers, hourly, 321 series.
    Electricity,
    /// ETTm1: temperature of a transformer, every 15 minutes, 7 series.
    Ettm1,
    /// ETTm2: temperature of a second transformer, every 15 minutes, 7 series.
    Ettm2,
    /// ETTh1: the transformer of ETTm1, hourly, 7 series.
    Etth1,
    /// ETTh2: the transformer of ETTm2, hourly, 7 series.
    Etth2,
    /// Weather: measurements of one station, every 10 minutes, 21 series.
    Weather,
    /// A small network that begins where five ridge regressions end: hidden 64, p 4, temporal decoder 16, dropout 0.5,
    /// `skip_start: "ridge_mean"`. What to begin with.
    Compact,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Width of the dense layers.
    pub hidden: usize,
    /// Number of residual blocks of the encoder.
    pub encoder_layers: usize,
    /// Number of residual blocks of the dense decoder.
    pub decoder_layers: usize,
    /// Width of the dense decoder's output for each step of the horizon; p in the paper.
    pub decoder_output: usize,
    /// Width inside the temporal decoder.
    pub temporal_decoder_hidden: usize,
    /// Probability of dropout in the residual blocks, in training only.
    pub dropout: f64,
    /// Whether all residual blocks but the last one end in a layer norm.
    pub layer_norm: bool,
    /// Learning rate for training, where no other is given: the paper's for its data sets.
    pub learning_rate: f64,
    /// Whether windows are normalized by the mean and deviation of their past, and forecasts scaled back (RevIN).
    pub reversible: bool,
    /// Way in which the linear skip from lookback to horizon begins.
    pub skip_start: SkipStart,
}

impl Preset {
    /// The table's row.
    #[rustfmt::skip]
    pub fn sizes(self) -> Sizes {
        let row = |hidden, layers, decoder_output, temporal_decoder_hidden, dropout, layer_norm, learning_rate, reversible| Sizes {
            hidden,
            encoder_layers: layers,
            decoder_layers: layers,
            decoder_output,
            temporal_decoder_hidden,
            dropout,
            layer_norm,
            learning_rate,
            reversible,
            skip_start: SkipStart::Random,
        };
        match self {
            Preset::Traffic     => row(256,  1, 16, 64,  0.3, false, 6.55e-5, true),
            Preset::Electricity => row(1024, 2, 8,  64,  0.5, true,  9.99e-4, false),
            Preset::Ettm1       => row(1024, 1, 8,  128, 0.5, true,  8.39e-5, false),
            Preset::Ettm2       => row(512,  2, 16, 128, 0.0, true,  2.52e-4, true),
            Preset::Etth1       => row(256,  2, 8,  128, 0.3, true,  3.82e-5, true),
            Preset::Etth2       => row(512,  2, 32, 16,  0.2, true,  2.24e-4, true),
            Preset::Weather     => row(512,  1, 8,  16,  0.0, true,  3.01e-5, false),
            Preset::Compact     => Sizes {
                skip_start: SkipStart::RidgeMean,
                ..row(64, 2, 4, 16, 0.5, false, 3e-5, true)
            },
        }
    }

    /// The sizes without a preset.
    pub fn otherwise() -> Sizes {
        Sizes {
            hidden: 256,
            encoder_layers: 2,
            decoder_layers: 2,
            decoder_output: 8,
            temporal_decoder_hidden: 128,
            dropout: 0.0,
            layer_norm: false,
            learning_rate: 1e-3,
            reversible: true,
            skip_start: SkipStart::Random,
        }
    }
}
