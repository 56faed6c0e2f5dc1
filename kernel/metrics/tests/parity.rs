//! Values beside those of torchmetrics and scikit-learn: numbers by reference/metrics.py.

use std::{collections::BTreeMap, path::Path};

use candle_core::{DType, Device, Tensor};
use patchbay_metrics as metrics;
use patchbay_metrics::{Average, CalibrationNorm, Interval, PerClass};
use serde_json::Value;

const CPU: Device = Device::Cpu;

/// The generator of reference/metrics.py.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = (1_103_515_245 * self.0 + 12345) % (1 << 31);
        (self.0 >> 7) as f64 / f64::from(1 << 24)
    }

    fn uniform(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }

    fn classes(&mut self, classes: usize, count: usize) -> Vec<i64> {
        (0..count)
            .map(|_| (self.next().powi(2) * classes as f64) as i64)
            .collect()
    }
}

fn f64s(values: Vec<f64>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

fn i64s(values: Vec<i64>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

fn logits(numbers: &mut Numbers, target: &[i64], classes: usize, shape: &[usize]) -> Vec<f64> {
    let inner: usize = shape[2..].iter().product();
    let mut values: Vec<f32> = numbers
        .uniform(target.len() * classes)
        .into_iter()
        .map(|value| (value * 4.0 - 2.0) as f32)
        .collect();
    for (at, &class) in target.iter().enumerate() {
        values[(at / inner * classes + class as usize) * inner + at % inner] += 1.0;
    }
    values.into_iter().map(f64::from).collect()
}

fn inputs() -> BTreeMap<&'static str, (Tensor, Tensor)> {
    let mut numbers = Numbers(1);
    let flat_target = numbers.classes(5, 300);
    let flat = logits(&mut numbers, &flat_target, 5, &[300, 5]);
    let gaps_target = numbers.classes(5, 60);
    let mut gaps = logits(&mut numbers, &gaps_target, 7, &[60, 7]);
    for row in gaps.chunks_mut(7) {
        row[5] += 1.0;
        row[6] = -100.0;
    }
    let mut ignored = flat_target.clone();
    ignored
        .iter_mut()
        .step_by(7)
        .for_each(|target| *target = -100);
    let mut image_target = numbers.classes(4, 4 * 12 * 9);
    let image = logits(&mut numbers, &image_target, 4, &[4, 4, 12, 9]);
    for (at, target) in image_target.iter_mut().enumerate() {
        let (row, column) = (at / 9 % 12, at % 9);
        if (2..5).contains(&row) && column >= 3 {
            *target = 255;
        }
    }
    let labels: Vec<i64> = numbers
        .uniform(250)
        .iter()
        .map(|&value| i64::from(value < 0.4))
        .collect();
    let binary: Vec<f64> = numbers
        .uniform(250)
        .iter()
        .zip(&labels)
        .map(|(value, &label)| {
            let quarters = (value * 4.0 - 2.0 + label as f64) * 4.0;
            quarters.round_ties_even() / 4.0
        })
        .collect();
    let series_target: Vec<f64> = numbers.uniform(240).iter().map(|x| x * 10.0).collect();
    let noise = numbers.uniform(240);
    let series = series_target.iter().zip(noise);
    let series: Vec<f64> = series.map(|(x, noise)| x + noise * 3.0 - 1.2).collect();
    let steps = numbers.uniform(300);
    let walk = steps.chunks(50).flat_map(|steps| {
        steps.iter().scan(0.0, |sum, step| {
            *sum += step - 0.5;
            Some(*sum)
        })
    });
    let training: Vec<f64> = walk.collect();
    let mut quantiles: Vec<f64> = numbers
        .uniform(720)
        .iter()
        .map(|x| x * 12.0 - 1.0)
        .collect();
    quantiles
        .chunks_mut(3)
        .for_each(|row| row.sort_by(f64::total_cmp));
    let samples: Vec<f64> = numbers
        .uniform(1680)
        .iter()
        .map(|x| x * 12.0 - 1.0)
        .collect();
    let pictures_target = numbers.uniform(3 * 3 * 24 * 37);
    let noise = numbers.uniform(3 * 3 * 24 * 37);
    let pictures = pictures_target.iter().zip(noise);
    let pictures: Vec<f64> = pictures
        .map(|(x, noise)| (x + noise * 0.6 - 0.3).clamp(0.0, 1.0))
        .collect();
    let large_target = numbers.uniform(2 * 2 * 176 * 192);
    let noise = numbers.uniform(2 * 2 * 176 * 192);
    let large = large_target.iter().zip(noise);
    let large: Vec<f64> = large.map(|(x, noise)| x + noise * 0.8 - 0.4).collect();
    let scores = numbers.uniform(360);
    let relevant = numbers.uniform(360);
    let relevant = relevant.iter().enumerate();
    let relevant: Vec<i64> = relevant
        .map(|(at, &value)| i64::from(value < 0.2 && at / 30 != 3))
        .collect();
    let bytes = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .map(|value| (value * 255.0).round_ties_even())
            .collect()
    };
    let (of_bytes, of_bytes_target) = (bytes(&pictures), bytes(&pictures_target));
    let picture = [3, 3, 24, 37];
    let target = f64s(series_target, &[40, 6]);
    BTreeMap::from([
        (
            "flat",
            (f64s(flat.clone(), &[300, 5]), i64s(flat_target, &[300])),
        ),
        ("gaps", (f64s(gaps, &[60, 7]), i64s(gaps_target, &[60]))),
        ("ignored", (f64s(flat, &[300, 5]), i64s(ignored, &[300]))),
        (
            "image",
            (f64s(image, &[4, 4, 12, 9]), i64s(image_target, &[4, 12, 9])),
        ),
        ("binary", (f64s(binary, &[250]), i64s(labels, &[250]))),
        ("series", (f64s(series, &[40, 6]), target.clone())),
        ("training", (f64s(training, &[6, 50]), target.clone())),
        ("quantiles", (f64s(quantiles, &[40, 6, 3]), target.clone())),
        ("samples", (f64s(samples, &[40, 6, 7]), target)),
        (
            "pictures",
            (f64s(pictures, &picture), f64s(pictures_target, &picture)),
        ),
        (
            "bytes",
            (f64s(of_bytes, &picture), f64s(of_bytes_target, &picture)),
        ),
        (
            "large",
            (
                f64s(large, &[2, 2, 176, 192]),
                f64s(large_target, &[2, 2, 176, 192]),
            ),
        ),
        (
            "queries",
            (f64s(scores, &[12, 30]), i64s(relevant, &[12, 30])),
        ),
    ])
}

/// Cuts along the first axis: a metric gets them one after the other, and its values are those of all at once.
fn batches(x: &Tensor, y: &Tensor) -> Vec<(Tensor, Tensor)> {
    let count = x.dim(0).unwrap();
    let mut at = 0;
    let mut all = Vec::new();
    for size in [1, 2, 7, 1, usize::MAX] {
        let size = size.min(count - at);
        if size > 0 {
            let part = |tensor: &Tensor| tensor.narrow(0, at, size).unwrap();
            all.push((part(x), part(y)));
            at += size;
        }
    }
    all
}

/// The values of a metric that gets batches, of which the later half are of another one that is merged.
macro_rules! streamed {
    ($new:expr, $x:expr, $y:expr) => {{
        let (mut metric, mut other) = ($new, $new);
        let parts = batches($x, $y);
        for (index, (x, y)) in parts.iter().enumerate() {
            match index < 3 {
                true => metric.update(x, y).unwrap(),
                false => other.update(x, y).unwrap(),
            }
        }
        metric.merge(&other).unwrap();
        metric
    }};
}

fn average(case: &Value) -> Average {
    match case["average"].as_str().unwrap_or("macro") {
        "micro" => Average::Micro,
        "weighted" => Average::Weighted,
        "binary" => Average::Binary,
        _ => Average::Macro,
    }
}

/// What has no value is -1 in the reference where the library has none, and 0 where it says so.
fn of_classes(values: PerClass, missing: f64) -> Vec<f64> {
    let estimates = values.estimates().into_iter();
    estimates
        .map(|x| if x.is_nan() { missing } else { x })
        .collect()
}

fn one(value: Interval) -> Vec<f64> {
    assert!(
        value.low <= value.estimate + 1e-12 && value.estimate <= value.high + 1e-12,
        "{value:?}"
    );
    vec![value.estimate]
}

fn found(case: &Value, all: &BTreeMap<&'static str, (Tensor, Tensor)>) -> Vec<f64> {
    let (name, input) = (
        case["metric"].as_str().unwrap(),
        case["input"].as_str().unwrap(),
    );
    let (x, y) = all.get(input).unwrap_or(&all["series"]);
    let classes = match input {
        "gaps" => 7,
        "image" => 4,
        "binary" => 2,
        _ => 5,
    };
    let ignore: Option<i64> = match input {
        "image" => Some(255),
        _ => Some(-100),
    };
    let none = case["average"] == "none";
    let k = case["k"].as_u64().unwrap_or(1) as usize;
    macro_rules! counted {
        ($metric:ident, $missing:expr) => {{
            let new = metrics::$metric::new(classes).average(average(case));
            let new = new.ignore_index(ignore);
            let metric = streamed!(new.clone(), x, y);
            match none {
                true => of_classes(metric.per_class().unwrap(), $missing),
                false => {
                    let whole = new.clone();
                    let mut whole = whole;
                    whole.update(x, y).unwrap();
                    assert_eq!(
                        whole.compute().unwrap(),
                        metric.compute().unwrap(),
                        "{case}"
                    );
                    one(metric.compute().unwrap())
                }
            }
        }};
    }
    macro_rules! plain {
        ($new:expr) => {
            one(streamed!($new, x, y).compute().unwrap())
        };
    }
    macro_rules! queries {
        ($new:expr) => {{
            let new = match case["empty"] == "neg" {
                true => $new.empty_queries(0.0),
                false => $new,
            };
            plain!(new.clone())
        }};
    }
    match name {
        "precision" => counted!(Precision, 0.0),
        "recall" => counted!(Recall, 0.0),
        "f1_score" => counted!(F1Score, 0.0),
        "iou" => counted!(Iou, 0.0),
        "dice" => counted!(Dice, 0.0),
        // Nothing is taken for a class that is nowhere.
        "specificity" => counted!(Specificity, 1.0),
        "accuracy" if input == "binary" => plain!(metrics::Accuracy::binary()),
        "accuracy" => counted!(Accuracy, 0.0),
        "auroc" => counted!(Auroc, -1.0),
        "average_precision" => counted!(AveragePrecision, -1.0),
        "cohen_kappa" => plain!(metrics::CohenKappa::new(classes).ignore_index(ignore)),
        "top_k" => plain!(metrics::TopKAccuracy::new(classes, k).ignore_index(ignore)),
        "confusion_matrix" => {
            let metric = streamed!(
                metrics::ConfusionMatrix::new(classes).ignore_index(ignore),
                x,
                y
            );
            let counts = metric.counts().concat().into_iter();
            counts.map(|count| count as f64).collect()
        }
        "calibration_error" => {
            let norm = match case["norm"].as_str().unwrap() {
                "l1" => CalibrationNorm::L1,
                "l2" => CalibrationNorm::L2,
                _ => CalibrationNorm::Max,
            };
            let bins = case["bins"].as_u64().unwrap() as usize;
            let new = metrics::CalibrationError::new(classes).bins(bins);
            plain!(new.clone().norm(norm).ignore_index(ignore))
        }
        "mae" => plain!(metrics::Mae::new()),
        "mse" => plain!(metrics::Mse::new()),
        "rmse" => plain!(metrics::Rmse::new()),
        "mase" => {
            let season = case["season"].as_u64().unwrap() as usize;
            let training = &all["training"].0;
            let (training, shape): (Tensor, &[usize]) = match input {
                "one" => (training.get(0).unwrap(), &[40, 6]),
                _ => (training.clone(), &[40, 6, 1]),
            };
            let (x, y) = (x.reshape(shape).unwrap(), y.reshape(shape).unwrap());
            let new = || metrics::Mase::new(&training, season).unwrap();
            one(streamed!(new(), &x, &y).compute().unwrap())
        }
        "pinball" => plain!(metrics::PinballLoss::new([0.1, 0.5, 0.9]).unwrap()),
        "pinball_levels" => {
            let metric = streamed!(metrics::PinballLoss::new([0.1, 0.5, 0.9]).unwrap(), x, y);
            let losses = metric.per_level().unwrap().into_iter();
            losses.flat_map(|(_, loss)| one(loss)).collect()
        }
        "coverage" => {
            let end = |at: usize| x.narrow(2, at, 1).unwrap().squeeze(2).unwrap();
            one(metrics::coverage(&end(0), &end(2), y).unwrap())
        }
        "crps" => plain!(metrics::Crps::new()),
        "crps_fair" => plain!(metrics::Crps::new().fair(true)),
        "psnr" => streamed!(metrics::Psnr::new(1.0), x, y)
            .compute()
            .map(one)
            .unwrap(),
        "psnr_pooled" => vec![streamed!(metrics::Psnr::new(1.0), x, y).pooled().unwrap()],
        "ssim" => {
            let range = if input == "bytes" { 255.0 } else { 1.0 };
            let metric = streamed!(metrics::Ssim::new(range), x, y);
            metric.per_image().to_vec()
        }
        "ms_ssim" => streamed!(metrics::MsSsim::new(1.8), x, y)
            .per_image()
            .to_vec(),
        "retrieval_map" => queries!(metrics::RetrievalMap::new()),
        "retrieval_mrr" => queries!(metrics::RetrievalMrr::new()),
        "retrieval_recall" => queries!(metrics::RetrievalRecall::new(k)),
        "retrieval_hit_rate" => queries!(metrics::RetrievalHitRate::new(k)),
        other => panic!("{other} is not tried"),
    }
}

/// What a case is called in the module.
fn named(metric: &str) -> &str {
    match metric {
        "top_k" => "TopKAccuracy",
        "pinball" => "pinball_loss",
        "pinball_levels" => "PinballLoss::per_level",
        "crps_fair" => "Crps::fair",
        "psnr_pooled" => "Psnr::pooled",
        other => other,
    }
}

/// The table is in the documentation. `UPDATE_DOCS=1 cargo test` writes it there.
fn assert_documented(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (
        "<!-- parity of metrics -->\n",
        "<!-- end of parity of metrics -->",
    );
    let (before, rest) = text.split_once(start).unwrap();
    let (documented, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            documented, table,
            "run UPDATE_DOCS=1 cargo test to write the table"
        );
    }
}

#[test]
fn values_are_those_of_torchmetrics_and_scikit_learn() {
    let cases: Value = serde_json::from_str(include_str!("reference/metrics.json")).unwrap();
    let all = inputs();
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    // By metric: of each library the number of values, and the largest difference, relative above 1.
    let mut rows: BTreeMap<&str, BTreeMap<&str, (usize, f64)>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let found = found(case, &all);
        for library in [
            "torchmetrics",
            "sklearn",
            "formula",
            "scikit_image",
            "pytorch_msssim",
        ] {
            let expected: Vec<f64> = match &case[library] {
                Value::Null => continue,
                Value::Array(values) => values.iter().map(|x| x.as_f64().unwrap()).collect(),
                value => vec![value.as_f64().unwrap()],
            };
            *compared.entry(library).or_default() += 1;
            let name = case["metric"].as_str().unwrap();
            let row = rows.entry(name).or_default().entry(library).or_default();
            row.0 += expected.len();
            for (a, b) in found.iter().zip(&expected) {
                row.1 = row.1.max((a - b).abs() / b.abs().max(1.0));
            }
            // torchmetrics computes some in single precision.
            let fits = found.len() == expected.len()
                && found.iter().zip(&expected).all(|(a, b)| {
                    let tolerance = match library {
                        "torchmetrics" | "pytorch_msssim" => 2e-6,
                        _ => 1e-9,
                    };
                    (a - b).abs() <= tolerance * b.abs().max(1.0)
                });
            if !fits {
                wrong.push(format!("{case}: {found:?}, {library} {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut table = String::from(
        "| function | compared with | values | largest difference |\n|---|---|---|---|\n",
    );
    for (metric, libraries) in rows {
        for (library, (count, most)) in libraries {
            let library = match library {
                "sklearn" => "scikit-learn",
                "scikit_image" => "scikit-image",
                "pytorch_msssim" => "pytorch-msssim",
                "formula" => "its definition, in NumPy",
                other => other,
            };
            // torchmetrics computes some values in single precision.
            let most = if most <= 1e-9 { "1e-9" } else { "2e-6" };
            table += &format!(
                "| `{}` | {library} | {count} | below {most} |\n",
                named(metric)
            );
        }
    }
    assert_documented(&table);
    assert!(
        compared["torchmetrics"] > 100 && compared["sklearn"] > 80,
        "{compared:?}"
    );
}

#[test]
fn all_types_of_targets_and_of_predictions_give_the_same() {
    let all = inputs();
    for input in ["flat", "image"] {
        let (x, y) = &all[input];
        let classes = x.dim(1).unwrap();
        let value = |x: &Tensor, y: &Tensor| {
            let mut iou = metrics::Iou::new(classes).ignore_index(255);
            iou.update(x, y).unwrap();
            iou.compute().unwrap()
        };
        let expected = value(x, y);
        let labels = x.argmax(1).unwrap();
        for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64] {
            let (x32, y) = (x.to_dtype(DType::F32).unwrap(), y.to_dtype(dtype).unwrap());
            assert_eq!(value(&x32, &y), expected, "{dtype:?}");
            assert_eq!(value(&labels.to_dtype(dtype).unwrap(), &y), expected);
            assert_eq!(value(&labels.to_dtype(DType::I64).unwrap(), &y), expected);
        }
    }
    // What -100 becomes in u32.
    let (x, y) = &all["ignored"];
    let expected = metrics::f1_score(x, y).unwrap();
    for dtype in [DType::U32, DType::I32] {
        let y = y.to_dtype(dtype).unwrap();
        assert_eq!(metrics::f1_score(x, &y).unwrap(), expected, "{dtype:?}");
    }
}
