//! Intervals, empty classes, bad input, and what a metric shows of itself.

use candle_core::{DType, Device, Tensor};
use patchbay_metrics as metrics;
use patchbay_metrics::{Average, Interval};
use patchbay_show::Show;

const CPU: Device = Device::Cpu;

/// Evenly spread numbers from 0 to 1 (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }

    /// A true class and a prediction of it, right in 80, 60 or 40 % by class; classes are in 50, 35 and 15 %.
    fn pair(&mut self) -> (i64, i64) {
        let class = match self.next() {
            x if x < 0.5 => 0,
            x if x < 0.85 => 1,
            _ => 2,
        };
        let right = self.next() < [0.8, 0.6, 0.4][class as usize];
        let other = (class + 1 + i64::from(self.next() < 0.5)) % 3;
        (class, if right { class } else { other })
    }
}

fn classes(values: &[i64]) -> Tensor {
    Tensor::new(values, &CPU).unwrap()
}

fn floats(values: &[f64]) -> Tensor {
    Tensor::new(values, &CPU).unwrap()
}

fn text(value: &impl Show) -> String {
    value.show().data["text/plain"].as_str().unwrap().to_owned()
}

fn told<T>(result: candle_core::Result<T>) -> String {
    result.err().unwrap().to_string()
}

/// In how many of 100 runs the interval has the true value in it.
fn coverage(truth: f64, runs: usize, mut interval: impl FnMut(u64) -> Interval) -> f64 {
    let hits = (0..runs as u64).filter(|&seed| {
        let interval = interval(seed);
        interval.low <= truth && truth <= interval.high
    });
    100.0 * hits.count() as f64 / runs as f64
}

fn labels(seed: u64, count: usize) -> (Tensor, Tensor) {
    let mut random = Random(seed);
    let pairs: Vec<(i64, i64)> = (0..count).map(|_| random.pair()).collect();
    let (target, predicted): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
    (classes(&predicted), classes(&target))
}

#[test]
fn intervals_of_counts_hold_the_true_value_in_95_of_100_runs() {
    type Value = fn(&Tensor, &Tensor) -> Interval;
    let values: [(&str, Value); 6] = [
        ("macro F1", |x, y| metrics::f1_score(x, y).unwrap()),
        ("macro IoU", |x, y| metrics::iou(x, y).unwrap()),
        ("macro precision", |x, y| metrics::precision(x, y).unwrap()),
        ("weighted F1", |x, y| {
            let f1 = metrics::F1Score::new(3).average(Average::Weighted);
            f1.of(x, y).unwrap()
        }),
        ("kappa", |x, y| metrics::cohen_kappa(x, y).unwrap()),
        ("IoU of class 2", |x, y| {
            let mut iou = metrics::Iou::new(3);
            iou.update(x, y).unwrap();
            iou.per_class().unwrap().values[2]
        }),
    ];
    let (x, y) = labels(99, 2_000_000);
    for (name, value) in values {
        let truth = value(&x, &y).estimate;
        for count in [60, 400] {
            let share = coverage(truth, 600, |seed| {
                let (x, y) = labels(1000 + seed, count);
                value(&x, &y)
            });
            assert!(
                (91.5..=98.5).contains(&share),
                "{name} of {count}: {share} %"
            );
        }
    }
}

#[test]
fn intervals_of_scores_hold_the_true_value_in_95_of_100_runs() {
    let scored = |seed: u64, count: usize| {
        let mut random = Random(seed);
        let target: Vec<i64> = (0..count).map(|_| i64::from(random.next() < 0.3)).collect();
        let scores: Vec<f64> = target
            .iter()
            .map(|&t| random.normal() + 1.2 * t as f64)
            .collect();
        (floats(&scores), classes(&target))
    };
    let (x, y) = scored(7, 2_000_000);
    for (name, value) in [
        ("AUROC", metrics::auroc as fn(&Tensor, &Tensor) -> _),
        ("average precision", metrics::average_precision),
    ] {
        let truth = value(&x, &y).unwrap().estimate;
        for count in [100, 500] {
            let share = coverage(truth, 500, |seed| {
                let (x, y) = scored(5000 + seed, count);
                value(&x, &y).unwrap()
            });
            assert!(
                (91.0..=98.5).contains(&share),
                "{name} of {count}: {share} %"
            );
        }
    }
    // Of a normal distribution: √(2/π).
    let share = coverage((2.0 / std::f64::consts::PI).sqrt(), 500, |seed| {
        let mut random = Random(seed);
        let values: Vec<f64> = (0..40).map(|_| random.normal()).collect();
        metrics::mae(&floats(&values), &floats(&[0.0; 40])).unwrap()
    });
    assert!((91.0..=98.5).contains(&share), "MAE: {share} %");
}

/// Images differ from one another: pixels are no independent draws.
#[test]
fn intervals_of_images_are_over_images() {
    let images = |seed: u64, count: usize| {
        let mut random = Random(seed);
        let (mut predicted, mut target) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let right = 0.4 + 0.6 * random.next();
            for _ in 0..100 {
                let class = i64::from(random.next() < 0.4);
                target.push(class);
                predicted.push(if random.next() < right {
                    class
                } else {
                    1 - class
                });
            }
        }
        let image = |values| Tensor::from_vec(values, (count, 10, 10), &CPU).unwrap();
        (image(predicted), image(target))
    };
    let (x, y) = images(3, 10_000);
    let truth = metrics::iou(&x, &y).unwrap().estimate;
    for count in [8, 40] {
        let mut widths = (0.0, 0.0);
        let share = coverage(truth, 500, |seed| {
            let (x, y) = images(100 + seed, count);
            let interval = metrics::iou(&x, &y).unwrap();
            let flat = |x: Tensor| x.flatten_all().unwrap();
            let of_pixels = metrics::iou(&flat(x), &flat(y)).unwrap();
            widths = (
                widths.0 + interval.half_width(),
                widths.1 + of_pixels.half_width(),
            );
            interval
        });
        assert!((90.0..=98.5).contains(&share), "{count} images: {share} %");
        assert!(widths.0 > 1.5 * widths.1, "{widths:?}");
    }
    let (x, y) = images(1, 1);
    let one = metrics::iou(&x, &y).unwrap();
    assert_eq!((one.low, one.high), (0.0, 1.0));
}

#[test]
fn what_is_all_right_is_not_certain() {
    let target = classes(&[0, 1, 2, 0, 1, 2, 0, 0]);
    for value in [
        metrics::f1_score(&target, &target).unwrap(),
        metrics::iou(&target, &target).unwrap(),
        metrics::cohen_kappa(&target, &target).unwrap(),
        metrics::specificity(&target, &target).unwrap(),
    ] {
        assert_eq!((value.estimate, value.high), (1.0, 1.0));
        assert!(value.low > 0.2 && value.low < 0.9, "{value:?}");
    }
    // Two of two is less than four of four.
    let mut recall = metrics::Recall::new(3);
    recall.update(&target, &target).unwrap();
    let per_class = recall.per_class().unwrap();
    assert!(per_class.values[1].low < per_class.values[0].low);
    assert_eq!(
        per_class.values[0],
        patchbay_metrics::accuracy(&classes(&[0; 4]), &classes(&[0; 4])).unwrap()
    );
    let scores = floats(&[-2.0, -1.0, 1.0, 2.0]);
    let auroc = metrics::auroc(&scores, &classes(&[0, 0, 1, 1])).unwrap();
    assert_eq!(auroc.estimate, 1.0);
    assert!(auroc.low < 0.5, "{auroc:?}");
}

#[test]
fn classes_that_are_nowhere_have_no_value_and_count_in_no_average() {
    // Class 1 is predicted and true, 2 only true, 3 only predicted, 4 nowhere.
    let (x, y) = (classes(&[0, 1, 3, 0]), classes(&[0, 1, 2, 2]));
    let mut f1 = metrics::F1Score::new(5);
    f1.update(&x, &y).unwrap();
    let values = f1.per_class().unwrap();
    let estimates = values.estimates();
    assert!((estimates[0] - 2.0 / 3.0).abs() < 1e-15);
    assert_eq!(&estimates[1..4], [1.0, 0.0, 0.0]);
    assert!(estimates[4].is_nan() && values.values[4].low.is_nan());
    assert!((f1.compute().unwrap().estimate - (2.0 / 3.0 + 1.0) / 4.0).abs() < 1e-15);
    assert_eq!(values.support, [1, 1, 2, 0, 0]);
    let table = text(&values);
    assert_eq!(table.lines().count(), 6);
    let last: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last, ["4", "0"]);
    // The precision of a class that is never predicted is 0, about which nothing is known.
    let mut precision = metrics::Precision::new(5);
    precision.update(&x, &y).unwrap();
    let of_missed = precision.per_class().unwrap().values[2];
    assert_eq!(
        (of_missed.estimate, of_missed.low, of_missed.high),
        (0.0, 0.0, 1.0)
    );
    // A class that is ignored has none, though it is predicted.
    let mut iou = metrics::Iou::new(3).ignore_index(0);
    iou.update(&classes(&[0, 1, 2, 0]), &classes(&[0, 1, 2, 2]))
        .unwrap();
    assert!(iou.per_class().unwrap().values[0].estimate.is_nan());
    assert_eq!(iou.compute().unwrap().estimate, 0.75);
    // One class only: chance gives everything.
    let kappa = metrics::cohen_kappa(&classes(&[1, 1]), &classes(&[1, 1])).unwrap();
    assert!(kappa.estimate.is_nan());
}

#[test]
fn what_nothing_was_given_to_says_so() {
    let f1 = metrics::F1Score::new(3);
    assert!(told(f1.compute()).contains("F1 has seen no target that counts: call `update("));
    assert_eq!(text(&f1), "F1: nothing counted yet");
    let mut f1 = f1.ignore_index(-1);
    f1.update(&classes(&[1]), &classes(&[-1])).unwrap();
    assert!(told(f1.compute()).contains("ignore_index is -1"));
    // Empty batches are no harm.
    let empty = Tensor::zeros((0, 3), DType::F32, &CPU).unwrap();
    let none = Tensor::zeros(0, DType::I64, &CPU).unwrap();
    f1.update(&empty, &none).unwrap();
    let mut auroc = metrics::Auroc::new(3);
    auroc.update(&empty, &none).unwrap();
    assert!(told(auroc.compute()).contains("AUROC has seen no target"));
    assert!(told(metrics::Mae::new().compute()).contains("MAE has seen no value"));
    assert!(told(metrics::Ssim::new(1.0).compute()).contains("SSIM has seen no image"));
    assert!(told(metrics::RetrievalMap::new().compute()).contains("mAP has seen no query"));
    assert!(told(metrics::CalibrationError::new(2).compute()).contains("calibration error"));
    assert!(told(metrics::TopKAccuracy::new(3, 2).compute()).contains("top-2 accuracy"));
    let empty_images = Tensor::zeros((0, 3, 20, 20), DType::F32, &CPU).unwrap();
    let mut ssim = metrics::Ssim::new(1.0);
    ssim.update(&empty_images, &empty_images).unwrap();
    assert!(ssim.per_image().is_empty());
    let no_pixels = Tensor::zeros((2, 0, 4), DType::I64, &CPU).unwrap();
    let mut iou = metrics::Iou::new(3);
    iou.update(&no_pixels, &no_pixels).unwrap();
    assert!(iou.compute().is_err());
}

#[test]
fn a_batch_that_is_refused_leaves_no_trace() {
    let (x, y) = labels(1, 50);
    let mut report = metrics::ClassificationReport::new(3);
    report.update(&x, &y).unwrap();
    let before = report.compute().unwrap().to_string();
    assert!(report.update(&classes(&[0, 1]), &classes(&[0, 7])).is_err());
    assert!(report.update(&classes(&[0, 9]), &classes(&[0, 1])).is_err());
    assert_eq!(report.compute().unwrap().to_string(), before);
    let mut matrix = metrics::ConfusionMatrix::new(2);
    assert!(matrix.update(&classes(&[0, 1]), &classes(&[0, 2])).is_err());
    assert_eq!(matrix.counts(), [[0, 0], [0, 0]]);
    let mut coverage = metrics::Coverage::new();
    let (low, high) = (floats(&[0.0, 3.0]), floats(&[1.0, 2.0]));
    let text = told(coverage.update(&low, &high, &floats(&[0.5, 2.5])));
    assert!(
        text.contains("position 1") && text.contains("from 3 down to 2"),
        "{text}"
    );
    assert!(coverage.compute().is_err());
}

#[test]
fn bad_input_is_told() {
    let nan = floats(&[0.1, f64::NAN]);
    let y = classes(&[0, 1]);
    assert!(told(metrics::auroc(&nan, &y)).contains("contain NaN"));
    assert!(told(metrics::f1_score(&nan, &y)).contains("contain NaN"));
    assert!(told(metrics::mae(&nan, &floats(&[0.0, 0.0]))).contains("position 1"));
    let text = told(metrics::mae(&floats(&[0.0, 0.0]), &nan));
    assert!(text.contains("skip_missing(true)"), "{text}");
    let mut mae = metrics::Mae::new().skip_missing(true);
    mae.update(&floats(&[1.0, f64::INFINITY]), &nan).unwrap();
    assert!((mae.compute().unwrap().estimate - 0.9).abs() < 1e-15);
    let text = told(metrics::mae(&floats(&[0.0]), &floats(&[0.0, 1.0])));
    assert!(text.contains("[1]") && text.contains("[2]"), "{text}");
    let text = told(metrics::auroc(&floats(&[0.1, 0.2]), &classes(&[1, 1])));
    assert!(text.contains("all 2 targets are of one class"), "{text}");
    let text = told(metrics::auroc(&y, &y));
    assert!(
        text.contains("predicted classes") && text.contains("no order"),
        "{text}"
    );
    let mut f1 = metrics::F1Score::new(3).class_names(["a", "b"]);
    assert!(told(f1.update(&y, &y)).contains("3 classes and 2 class names"));
    let mut f1 = metrics::F1Score::new(3).average(Average::Binary);
    assert!(told(f1.update(&y, &y)).contains("Average::Macro"));
    let mut micro = metrics::Auroc::new(3).average(Average::Micro);
    let logits = Tensor::zeros((2, 3), DType::F32, &CPU).unwrap();
    assert!(told(micro.update(&logits, &y)).contains("no common order"));
    let mut top = metrics::TopKAccuracy::new(3, 4);
    assert!(told(top.update(&logits, &y)).contains("best 4 of 3"));
    let infinite = (logits.ones_like().unwrap() * f64::INFINITY).unwrap();
    let mut error = metrics::CalibrationError::new(3);
    assert!(told(error.update(&infinite, &y)).contains("infinite"));
    let mut zero_bins = metrics::CalibrationError::new(3).bins(0);
    assert!(told(zero_bins.update(&logits, &y)).contains("at least one bin"));
    let image = Tensor::zeros((1, 1, 8, 8), DType::F32, &CPU).unwrap();
    assert!(told(metrics::ssim(&image, &image, 1.0)).contains("at least 11 pixels"));
    assert!(told(metrics::psnr(&image, &image, 0.0)).contains("data range"));
    assert!(told(metrics::psnr(&image.get(0).unwrap(), &image, 1.0)).contains("unsqueeze(0)"));
    assert!(told(metrics::ms_ssim(&image, &image, 1.0)).contains("176"));
    let training = floats(&[1.0, 1.0, 1.0]);
    assert!(told(metrics::Mase::new(&training, 1)).contains("naive error of series 0"));
    assert!(told(metrics::Mase::new(&training, 3)).contains("season 3"));
    assert!(told(metrics::PinballLoss::new([0.5, 1.0])).contains("between 0 and 1"));
    let scores = floats(&[0.1, 0.2, 0.3]);
    let text = told(metrics::retrieval_map(&scores, &classes(&[0, 2, 1])));
    assert!(
        text.contains("document 1") && text.contains("relevance 2"),
        "{text}"
    );
    assert!(
        told(metrics::retrieval_recall(&scores, &classes(&[0, 1, 1]), 0)).contains("at least 1")
    );
    let text = told(metrics::f1_score(
        &classes(&[0, 1]),
        &classes(&[0, 4_294_967_295]),
    ));
    assert!(text.contains("ignore_index(4294967295)"), "{text}");
}

#[test]
fn metrics_of_other_settings_do_not_merge() {
    let mut f1 = metrics::F1Score::new(3);
    assert!(told(f1.merge(&metrics::F1Score::new(4))).contains("other settings"));
    assert!(
        f1.merge(&metrics::F1Score::new(3).ignore_index(255))
            .is_err()
    );
    assert!(f1.merge(&metrics::F1Score::new(3)).is_ok());
    let mut ssim = metrics::Ssim::new(1.0);
    assert!(ssim.merge(&metrics::Ssim::new(255.0)).is_err());
    let mut recall = metrics::RetrievalRecall::new(3);
    assert!(recall.merge(&metrics::RetrievalRecall::new(5)).is_err());
}

#[test]
fn scores_of_the_positive_class_are_logits_unless_said_otherwise() {
    let (x, y) = labels(3, 200);
    let (x, y) = (x.ge(1i64).unwrap(), y.ge(1i64).unwrap());
    let expected = {
        let mut f1 = metrics::F1Score::binary();
        f1.update(&x, &y).unwrap();
        f1.compute().unwrap()
    };
    let logits = x.to_dtype(DType::F32).unwrap().affine(4.0, -2.0).unwrap();
    assert_eq!(metrics::f1_score(&logits, &y).unwrap(), expected);
    assert_eq!(
        metrics::f1_score(&logits.unsqueeze(1).unwrap(), &y).unwrap(),
        expected
    );
    let probabilities = x.to_dtype(DType::F32).unwrap().affine(0.6, 0.2).unwrap();
    assert!(told(metrics::f1_score(&probabilities, &y)).contains(".probabilities(true)"));
    let f1 = metrics::F1Score::binary().probabilities(true);
    assert_eq!(f1.of(&probabilities, &y).unwrap(), expected);
    let f1 = metrics::F1Score::binary()
        .probabilities(true)
        .threshold(0.9);
    assert_eq!(f1.of(&probabilities, &y).unwrap().estimate, 0.0);
    // Of several classes the softmax of probabilities is another order.
    let rows = Tensor::new(&[[0.2f32, 0.3, 0.5]; 20], &CPU).unwrap();
    let target = classes(&[0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]);
    assert!(told(metrics::auroc(&rows, &target)).contains(".probabilities(true)"));
    let mut auroc = metrics::Auroc::new(3).probabilities(true);
    auroc.update(&rows, &target).unwrap();
    assert_eq!(auroc.compute().unwrap().estimate, 0.5);
}

#[test]
fn equal_scores_find_nothing_in_retrieval_and_half_in_auroc() {
    let (scores, relevant) = (floats(&[1.0; 4]), classes(&[1, 0, 0, 1]));
    assert_eq!(metrics::auroc(&scores, &relevant).unwrap().estimate, 0.5);
    assert_eq!(
        metrics::retrieval_recall(&scores, &relevant, 2)
            .unwrap()
            .estimate,
        0.0
    );
    let map = metrics::retrieval_map(&scores, &relevant).unwrap().estimate;
    assert!((map - (1.0 / 3.0 + 0.5) / 2.0).abs() < 1e-15);
    // Places without a document.
    let padded = classes(&[1, 0, -100, -100]);
    let scores = floats(&[0.5, 0.1, 0.9, 0.9]);
    assert_eq!(
        metrics::retrieval_mrr(&scores, &padded).unwrap().estimate,
        1.0
    );
}

#[test]
fn equal_images_have_no_finite_ratio() {
    let image = Tensor::rand(0f32, 1.0, (2, 1, 12, 12), &CPU).unwrap();
    let psnr = metrics::psnr(&image, &image, 1.0).unwrap();
    assert!(psnr.estimate.is_infinite());
    let bytes = (image * 255.0).unwrap().to_dtype(DType::U8).unwrap();
    let noisy = bytes
        .to_dtype(DType::F32)
        .unwrap()
        .affine(1.0, 1.0)
        .unwrap();
    let psnr = metrics::psnr(&noisy, &bytes, 255.0).unwrap();
    assert!((psnr.estimate - 20.0 * 255f64.log10()).abs() < 1e-9);
}

#[test]
fn many_classes_are_counted_by_the_pairs_that_occur() {
    let count = 50_000;
    let (mut random, mut target, mut predicted) = (Random(5), Vec::new(), Vec::new());
    for _ in 0..2000 {
        let class = (random.next() * count as f64) as i64;
        target.push(class);
        predicted.push(if random.next() < 0.7 {
            class
        } else {
            (class + 1) % count
        });
    }
    let mut accuracy = metrics::Accuracy::new(count as usize);
    accuracy
        .update(&classes(&predicted), &classes(&target))
        .unwrap();
    assert_eq!(
        accuracy.compute().unwrap(),
        metrics::accuracy(&classes(&predicted), &classes(&target)).unwrap()
    );
    let mut f1 = metrics::F1Score::new(count as usize);
    f1.update(&classes(&predicted), &classes(&target)).unwrap();
    assert!(f1.compute().unwrap().half_width() > 0.0);
    assert!(
        told(metrics::confusion_matrix(
            &classes(&predicted),
            &classes(&target)
        ))
        .contains("classes has")
    );
}

#[test]
fn metrics_show_themselves_briefly() {
    let (x, y) = labels(11, 400);
    let accuracy = metrics::accuracy(&x, &y).unwrap();
    let shown = text(&accuracy);
    assert!(
        shown.starts_with("0.6") && shown.contains("(95 % interval 0.6"),
        "{shown}"
    );
    let mut f1 = metrics::F1Score::new(3);
    f1.update(&x, &y).unwrap();
    assert!(
        text(&f1).starts_with("F1: 0.") && text(&f1).contains("95 % interval"),
        "{}",
        text(&f1)
    );
    f1.reset();
    assert_eq!(text(&f1), "F1: nothing counted yet");
    let mut report = metrics::ClassificationReport::new(3).class_names(["cat", "dog", "owl"]);
    report.update(&x, &y).unwrap();
    let report = report.compute().unwrap();
    let table = text(&report);
    let rows: Vec<&str> = table
        .lines()
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(
        rows,
        [
            "class",
            "cat",
            "dog",
            "owl",
            "accuracy",
            "macro average",
            "weighted average"
        ]
    );
    assert!(
        report.show().data["text/html"]
            .as_str()
            .unwrap()
            .contains("<table>")
    );
    let plain = metrics::classification_report(&x, &y).unwrap();
    assert_eq!(plain.macro_average, report.macro_average);
    let matrix = metrics::confusion_matrix(&x, &y).unwrap();
    assert!(text(&matrix).starts_with("true \\ predicted"));
    assert_eq!(matrix.counts().concat().iter().sum::<u64>(), 400);
    assert_eq!(matrix.tensor().unwrap().dims(), [3, 3]);
    assert!((matrix.shares()[0].iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let mut large = metrics::ConfusionMatrix::new(100);
    large.update(&x, &y).unwrap();
    assert!(text(&large).contains("of 400 right"), "{}", text(&large));
}
