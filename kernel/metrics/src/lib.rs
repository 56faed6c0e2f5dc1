//! Metrics of classification, segmentation, regression, images and retrieval, each with a 95 % interval.
//!
//! A metric is made with its settings, gets batches by `update`, and gives its value by `compute`; `reset` forgets what was
//! counted, and `merge` adds what another one has counted. For all at once there is a function of the metric's name:
//! `metrics::f1_score(&logits, &target)?`. Values do not depend on how the data are cut into batches: counts are whole numbers, sums
//! are in f64, and metrics of ordered scores keep all of them.
//!
//! ```
//! # use patchbay::prelude::*;
//! let mut miou = metrics::Iou::new(3).class_names(["road", "grass", "roof"]).ignore_index(255);
//! for _ in 0..2 {
//!     let logits = torch::randn((4, 3, 16, 16))?;
//!     let mask = torch::randint(0, 3, (4, 16, 16))?;
//!     miou.update(&logits, &mask)?;
//! }
//! miou.compute()?;                                     // 0.1987 (95 % interval 0.18 to 0.21)
//! miou.per_class()?;                                   // a table with a row for each class
//! # Ok::<(), patchbay::candle::Error>(())
//! ```
//!
//! # What they agree on
//!
//! - Targets are of any integer type; those that are `ignore_index` (-100 where nothing is said, as with losses and plots) do not
//!   count. Predictions are logits `[n, classes, ...]`, classes of an integer type, or scores of the positive class.
//! - A class that is in neither predictions nor targets has no value (NaN, an empty cell of a table) and counts in no average. A
//!   class in one of them has one: 0 where its denominator is 0. That is what torchmetrics and scikit-learn count.
//! - Scores are logits unless `.probabilities(true)` says otherwise; where all of them are what probabilities are, `compute` asks.
//! - Intervals of shares are Wilson's; those of other counts are Wilson's of as many trials as would have their variance, which is
//!   that of the linearization. Where an example has several targets, as an image has pixels, the interval is over the examples
//!   along the first axis. Of one image nothing can be said: its interval goes from 0 to 1.
//! - Shapes that differ, classes beyond the classes and NaN are errors, and nothing of such a batch is counted.

mod auroc;
mod average;
mod average_precision;
mod calibration;
mod classification;
mod confusion;
mod counting;
mod distribution;
mod image;
mod input;
mod interval;
mod kappa;
mod per_class;
mod ranking;
mod ratio;
mod regression;
mod report;
mod retrieval;
mod rows;
mod tally;
mod top_k;

pub use auroc::{Auroc, auroc};
pub use average::Average;
pub use average_precision::{AveragePrecision, average_precision};
pub use calibration::{CalibrationError, CalibrationNorm, calibration_error};
pub use classification::{
    Accuracy, Dice, F1Score, Iou, Precision, Recall, Specificity, dice, f1_score, iou, precision,
    recall, specificity,
};
pub use confusion::{ConfusionMatrix, confusion_matrix};
pub use distribution::{Coverage, Crps, PinballLoss, coverage, crps, pinball_loss};
pub use image::{MsSsim, Psnr, Ssim, ms_ssim, psnr, ssim};
pub use kappa::{CohenKappa, cohen_kappa};
pub use patchbay_evaluation::stats::{Interval, accuracy, top_k_accuracy};
pub use per_class::PerClass;
pub use regression::{Mae, Mase, Mse, Rmse, mae, mase, mse, rmse};
pub use report::{ClassificationReport, Report, classification_report};
pub use retrieval::{
    RetrievalHitRate, RetrievalMap, RetrievalMrr, RetrievalRecall, retrieval_hit_rate,
    retrieval_map, retrieval_mrr, retrieval_recall,
};
pub use top_k::TopKAccuracy;
