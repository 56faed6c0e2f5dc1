//! Predictions and targets as numbers on the host, checked.

use candle_core::{DType, Device, Tensor, bail};
use rayon::prelude::*;

use patchbay_ops as ops;
use patchbay_show::Result;

/// Stands for the class of targets that do not count.
pub(crate) const IGNORED: u32 = u32::MAX;

/// How predictions and targets are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// How many classes there are.
    pub classes: usize,
    /// The class index of targets that do not count.
    pub ignore_index: Option<i64>,
    /// Whether scores are probabilities; `None`: nobody has said it, so they are taken for logits, and looked at.
    pub probabilities: Option<bool>,
    /// Above which score of one for each target the class is 1.
    pub threshold: Option<f64>,
}

impl Reading {
    pub(crate) fn new(classes: usize) -> Reading {
        Reading {
            classes,
            ignore_index: Some(ops::IGNORE_INDEX),
            probabilities: None,
            threshold: None,
        }
    }

    /// Whether this class is the one that does not count.
    pub(crate) fn ignores(&self, class: usize) -> bool {
        self.ignore_index == Some(class as i64)
    }

    fn ignore_text(&self) -> String {
        self.ignore_index
            .map_or_else(|| "not set".to_owned(), |index| index.to_string())
    }

    fn threshold(&self) -> f64 {
        let middle = match self.probabilities {
            Some(true) => 0.5,
            _ => 0.0,
        };
        self.threshold.unwrap_or(middle)
    }
}

/// Whether scores that are taken for logits look like probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Looks {
    like_probabilities: usize,
    like_logits: bool,
}

impl Looks {
    /// From how many scores on it is no chance that all are from 0 to 1.
    const ENOUGH: usize = 16;

    pub(crate) fn note(&mut self, likely: bool) {
        match likely {
            true => self.like_probabilities += 1,
            false => self.like_logits = true,
        }
    }

    pub(crate) fn merge(&mut self, other: &Looks) {
        self.like_probabilities += other.like_probabilities;
        self.like_logits |= other.like_logits;
    }

    /// # Errors
    ///
    /// Fails where nobody has said what the scores are, and all of them are what probabilities are.
    pub(crate) fn check(&self, reading: &Reading, what: &str) -> Result<()> {
        if reading.probabilities.is_none()
            && !self.like_logits
            && self.like_probabilities >= Self::ENOUGH
        {
            bail!(
                "{what} are taken for logits, and all {} are what probabilities are: say `.probabilities(true)` where they \
                 are, or `.probabilities(false)` where they are logits all the same",
                self.like_probabilities
            );
        }
        Ok(())
    }
}

/// One predicted class and one target for each position of each example.
#[derive(Debug)]
pub(crate) struct Labels {
    /// How many positions an example has: 1 of `[n]`, the pixels of an image of `[n, height, width]`.
    pub positions: usize,
    pub predicted: Vec<u32>,
    /// [`IGNORED`] where it does not count.
    pub target: Vec<u32>,
}

/// What predictions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Classes, of an integer type and the targets' shape.
    Labels,
    /// Logits or probabilities `[n, classes, ...]`.
    Classes,
    /// One score for each target: of the targets' shape, or `[n, 1, ...]`.
    Binary,
}

/// What `predictions` are, by their dtype and shape beside that of the targets.
///
/// # Errors
///
/// Names the shapes or dtypes that do not fit.
pub(crate) fn form(predictions: &Tensor, targets: &Tensor) -> Result<Form> {
    let (dims, target) = (predictions.dims(), targets.dims());
    if !targets.dtype().is_int() {
        bail!(
            "expected targets of an integer type, got {} {target:?}: `to_dtype(DType::I64)` makes classes of whole numbers",
            targets.dtype().as_str()
        );
    }
    if target.is_empty() {
        bail!("expected targets [n] or [n, ...], got a scalar []: `unsqueeze(0)` makes [1] of it");
    }
    if predictions.dtype().is_int() {
        if dims != target {
            bail!(
                "expected predicted classes of the targets' shape {target:?}, got {} {dims:?}; logits have a float type",
                predictions.dtype().as_str()
            );
        }
        return Ok(Form::Labels);
    }
    if dims == target {
        return Ok(Form::Binary);
    }
    let mut positions = dims.to_vec();
    if dims.len() > 1 {
        positions.remove(1);
    }
    if dims.len() < 2 || dims[1] == 0 || positions != target {
        bail!(
            "expected logits [n, classes, ...] with targets [n, ...], predicted classes of an integer type, or scores of the \
             positive class, of the targets' shape; got predictions {} {dims:?} and targets {target:?}",
            predictions.dtype().as_str()
        );
    }
    Ok(match dims[1] {
        1 => Form::Binary,
        _ => Form::Classes,
    })
}

/// Whole numbers in row-major order.
fn whole(tensor: &Tensor) -> Result<Vec<i64>> {
    tensor
        .to_device(&Device::Cpu)?
        .to_dtype(DType::I64)?
        .flatten_all()?
        .to_vec1::<i64>()
}

/// Numbers in row-major order, in f64.
///
/// # Errors
///
/// Fails where they cannot be read.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    let tensor = tensor.detach().to_device(&Device::Cpu)?.flatten_all()?;
    match tensor.dtype() {
        DType::F64 => tensor.to_vec1::<f64>(),
        dtype if dtype.is_int() => tensor.to_dtype(DType::F64)?.to_vec1::<f64>(),
        _ => {
            let values = tensor.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            Ok(values.into_iter().map(f64::from).collect())
        }
    }
}

/// The targets, [`IGNORED`] where they do not count.
///
/// # Errors
///
/// Names a target that is no class.
fn targets(targets: &Tensor, reading: &Reading) -> Result<Vec<u32>> {
    let ignored = reading
        .ignore_index
        .map(|index| ops::ignored_value(targets.dtype(), index));
    let count = reading.classes as i64;
    let values = whole(targets)?;
    let mut classes = Vec::with_capacity(values.len());
    for (position, &value) in values.iter().enumerate() {
        if Some(value) == ignored {
            classes.push(IGNORED);
        } else if (0..count).contains(&value) {
            classes.push(value as u32);
        } else {
            bail!(
                "the target at position {position} of {:?} is class {value}; there are {count} classes, 0 to {}, and \
                 ignore_index is {}",
                targets.dims(),
                count - 1,
                reading.ignore_text()
            );
        }
    }
    Ok(classes)
}

fn check_classes(reading: &Reading, form: Form, predictions: &Tensor) -> Result<()> {
    if reading.classes == 0 {
        bail!("a metric of classes needs at least one class, and was made for 0");
    }
    let given = match form {
        Form::Classes => predictions.dims()[1],
        Form::Binary if reading.classes != 2 => bail!(
            "scores of the positive class alone, {:?}, are of two classes, and this metric was made for {}: give logits \
             [n, {}, ...], or make it with 2",
            predictions.dims(),
            reading.classes,
            reading.classes
        ),
        Form::Binary | Form::Labels => reading.classes,
    };
    if given != reading.classes {
        bail!(
            "the logits {:?} have {given} classes, and this metric was made for {}: make it with {given}",
            predictions.dims(),
            reading.classes
        );
    }
    Ok(())
}

/// Predicted and true classes. Of logits the largest is taken, of equal ones the first.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit, a class is beyond the classes, or a score of a target that counts is NaN.
pub(crate) fn labels(
    predictions: &Tensor,
    target: &Tensor,
    reading: &Reading,
    looks: &mut Looks,
) -> Result<Labels> {
    let form = form(predictions, target)?;
    check_classes(reading, form, predictions)?;
    let truth = targets(target, reading)?;
    let predicted = match form {
        Form::Labels => predicted(predictions, &truth, reading)?,
        Form::Classes => largest(predictions, &truth)?,
        Form::Binary => {
            let scores = binary_scores(predictions, &truth, reading)?;
            let threshold = reading.threshold();
            let mut classes = Vec::with_capacity(scores.len());
            for (&score, &truth) in scores.iter().zip(&truth) {
                if truth != IGNORED {
                    looks.note((0.0..=1.0).contains(&score));
                }
                classes.push(u32::from(score > threshold));
            }
            classes
        }
    };
    Ok(Labels {
        positions: target.dims()[1..].iter().product(),
        predicted,
        target: truth,
    })
}

fn predicted(predictions: &Tensor, truth: &[u32], reading: &Reading) -> Result<Vec<u32>> {
    let count = reading.classes as i64;
    let values = whole(predictions)?;
    let mut classes = Vec::with_capacity(values.len());
    for (position, (&value, &truth)) in values.iter().zip(truth).enumerate() {
        if truth == IGNORED {
            classes.push(IGNORED);
        } else if (0..count).contains(&value) {
            classes.push(value as u32);
        } else {
            bail!(
                "the predicted class at position {position} of {:?} is {value}; there are {count} classes, 0 to {}",
                predictions.dims(),
                count - 1
            );
        }
    }
    Ok(classes)
}

fn nan(predictions: &Tensor) -> candle_core::Error {
    candle_core::Error::Msg(format!(
        "the predictions {:?} contain NaN at targets that count: the training diverged",
        predictions.dims()
    ))
    .bt()
}

/// One score for each target.
fn binary_scores(predictions: &Tensor, truth: &[u32], reading: &Reading) -> Result<Vec<f64>> {
    let scores = numbers(predictions)?;
    for (position, (&score, &truth)) in scores.iter().zip(truth).enumerate() {
        if truth == IGNORED {
            continue;
        }
        if score.is_nan() {
            return Err(nan(predictions));
        }
        if reading.probabilities == Some(true) && !(0.0..=1.0).contains(&score) {
            bail!(
                "the score at position {position} of {:?} is {score}, which is no probability: leave out \
                 `.probabilities(true)` where these are logits",
                predictions.dims()
            );
        }
    }
    Ok(scores)
}

/// The class of the largest logit of each position.
fn largest(predictions: &Tensor, truth: &[u32]) -> Result<Vec<u32>> {
    let dims = predictions.dims();
    let predictions = predictions.detach();
    if !predictions.device().is_cpu() {
        // NaN is the only number that is not itself.
        let bad = ops::sum(&predictions.ne(&predictions)?, 1)?;
        let bad = whole(&bad)?;
        if bad.iter().zip(truth).any(|(&n, &t)| n > 0 && t != IGNORED) {
            return Err(nan(&predictions));
        }
        let found = whole(&predictions.argmax(1)?)?;
        return Ok(found.into_iter().map(|class| class as u32).collect());
    }
    let (classes, inner) = (dims[1], dims[2..].iter().product());
    let found = match predictions.dtype() {
        DType::F64 => {
            let values = predictions.flatten_all()?.to_vec1::<f64>()?;
            largest_of(&values, classes, inner, truth)
        }
        _ => {
            let values = predictions.to_dtype(DType::F32)?.flatten_all()?;
            largest_of(&values.to_vec1::<f32>()?, classes, inner, truth)
        }
    };
    found.ok_or_else(|| nan(&predictions))
}

/// The class of the largest value along the middle axis of `[n, classes, inner]`; `None` where one that counts is NaN.
fn largest_of<T: Copy + PartialOrd>(
    values: &[T],
    classes: usize,
    inner: usize,
    truth: &[u32],
) -> Option<Vec<u32>> {
    let mut found = vec![0u32; truth.len()];
    // NaN is the only number that is not equal to itself.
    #[allow(clippy::eq_op)]
    let is_nan = |value: T| value != value;
    if inner == 1 {
        for ((row, found), &truth) in values.chunks_exact(classes).zip(&mut found).zip(truth) {
            let (mut best, mut bad) = (row[0], false);
            for (class, &value) in row.iter().enumerate() {
                bad |= is_nan(value);
                if value > best {
                    (best, *found) = (value, class as u32);
                }
            }
            if bad && truth != IGNORED {
                return None;
            }
        }
        return Some(found);
    }
    let mut bad = vec![false; inner];
    let slabs = values.chunks_exact((classes * inner).max(1));
    for ((image, found), truth) in slabs
        .zip(found.chunks_exact_mut(inner.max(1)))
        .zip(truth.chunks_exact(inner.max(1)))
    {
        let mut best = image[..inner].to_vec();
        bad.fill(false);
        for (class, slab) in image.chunks_exact(inner).enumerate() {
            let class = class as u32;
            for (((&value, best), found), bad) in
                slab.iter().zip(&mut best).zip(&mut *found).zip(&mut bad)
            {
                *bad |= is_nan(value);
                let larger = value > *best;
                *best = if larger { value } else { *best };
                *found = if larger { class } else { *found };
            }
        }
        if bad.iter().zip(truth).any(|(&bad, &t)| bad && t != IGNORED) {
            return None;
        }
    }
    Some(found)
}

/// Probabilities, or scores that are ordered as they are, of targets that count.
#[derive(Debug)]
pub(crate) struct Scores {
    /// 1 of scores of the positive class alone, else the number of classes.
    pub width: usize,
    /// `[n, width]`.
    pub values: Vec<f64>,
    /// `[n]`.
    pub target: Vec<u32>,
}

/// What the scores of one target are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    LikeLogits,
    LikeProbabilities,
    Nan,
    Infinite,
}

/// Scores of the targets that count: logits `[n, classes, ...]` become probabilities by softmax; one score for each target stays as
/// it is, since a sigmoid makes 1 of all large ones.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit, a class is beyond the classes, a score of a target that counts is NaN or +inf, or
/// one that is said to be a probability is none.
pub(crate) fn scores(
    predictions: &Tensor,
    target: &Tensor,
    reading: &Reading,
    looks: &mut Looks,
) -> Result<Scores> {
    let form = form(predictions, target)?;
    check_classes(reading, form, predictions)?;
    let dims = predictions.dims();
    let truth = targets(target, reading)?;
    let kept: Vec<usize> = (0..truth.len()).filter(|&i| truth[i] != IGNORED).collect();
    let target = kept.iter().map(|&i| truth[i]).collect();
    let is_logit = reading.probabilities != Some(true);
    match form {
        Form::Labels => bail!(
            "expected scores of a float type, logits or probabilities, got predicted classes {} {dims:?}: they have no order",
            predictions.dtype().as_str()
        ),
        Form::Binary => {
            let scores = binary_scores(predictions, &truth, reading)?;
            let values = kept
                .iter()
                .map(|&i| {
                    looks.note((0.0..=1.0).contains(&scores[i]));
                    scores[i]
                })
                .collect();
            Ok(Scores {
                width: 1,
                values,
                target,
            })
        }
        Form::Classes => {
            let classes = dims[1];
            let inner: usize = dims[2..].iter().product();
            let all = numbers(predictions)?;
            let mut values = vec![0.0; kept.len() * classes];
            let rows = values.par_chunks_exact_mut(classes).zip(&kept);
            let found: Vec<Row> = rows
                .map(|(row, &at)| {
                    let first = at / inner.max(1) * classes * inner + at % inner.max(1);
                    for (class, value) in row.iter_mut().enumerate() {
                        *value = all[first + class * inner];
                    }
                    if row.iter().any(|value| value.is_nan()) {
                        return Row::Nan;
                    }
                    let likely = is_distribution(row);
                    if is_logit {
                        softmax(row);
                        if row[0].is_nan() {
                            return Row::Infinite;
                        }
                    }
                    if likely {
                        Row::LikeProbabilities
                    } else {
                        Row::LikeLogits
                    }
                })
                .collect();
            for (index, row) in found.iter().enumerate() {
                match row {
                    Row::Nan => return Err(nan(predictions)),
                    Row::Infinite => {
                        bail!("the logits {dims:?} contain infinite values: the training diverged")
                    }
                    Row::LikeLogits if !is_logit => bail!(
                        "the scores at position {} of the targets are {:?}, which are no probabilities of {classes} classes (from \
                         0 to 1, with the sum 1): leave out `.probabilities(true)` where these are logits",
                        kept[index],
                        &values[index * classes..][..classes.min(8)]
                    ),
                    row => looks.note(matches!(row, Row::LikeProbabilities)),
                }
            }
            Ok(Scores {
                width: classes,
                values,
                target,
            })
        }
    }
}

/// Whether these are probabilities of classes, to the precision of half floats.
fn is_distribution(row: &[f64]) -> bool {
    row.iter().all(|value| (0.0..=1.0).contains(value))
        && (row.iter().sum::<f64>() - 1.0).abs() < 1e-2
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - most).exp();
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}

/// How many classes predictions and targets have, for functions that are called once, and whether they are scores of the
/// positive class.
///
/// # Errors
///
/// As [`form`].
pub(crate) fn classes_of(predictions: &Tensor, target: &Tensor) -> Result<(usize, bool)> {
    match form(predictions, target)? {
        Form::Binary => Ok((2, true)),
        Form::Classes => Ok((predictions.dims()[1], false)),
        Form::Labels => {
            let ignored = ops::ignored_value(target.dtype(), ops::IGNORE_INDEX);
            let truth = whole(target)?;
            let pairs = whole(predictions)?.into_iter().zip(truth);
            let most = pairs
                .filter(|&(_, truth)| truth != ignored)
                .map(|(predicted, truth)| predicted.max(truth))
                .max()
                .unwrap_or(0);
            const MOST: i64 = 1 << 20;
            if most >= MOST {
                bail!(
                    "a class is {most}, which is beyond {MOST}: where such targets do not count, make the metric with its \
                     number of classes and `.ignore_index({most})`"
                );
            }
            Ok((usize::try_from(most).map_or(1, |most| most + 1), false))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32], shape: &[usize]) -> Tensor {
        Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
    }

    fn read(predictions: &Tensor, target: &Tensor, classes: usize) -> Result<Labels> {
        labels(
            predictions,
            target,
            &Reading::new(classes),
            &mut Looks::default(),
        )
    }

    #[test]
    fn the_largest_of_images_is_candles_argmax() {
        let values: Vec<f32> = (0..3 * 5 * 4 * 7).map(|i| (i as f32 * 1.7).sin()).collect();
        let logits = rows(&values, &[3, 5, 4, 7]);
        let target = Tensor::zeros((3, 4, 7), DType::I64, &Device::Cpu).unwrap();
        let expected = whole(&logits.argmax(1).unwrap()).unwrap();
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let logits = logits.to_dtype(dtype).unwrap();
            let found = read(&logits, &target, 5).unwrap();
            let expected = match dtype {
                DType::F32 | DType::F64 => expected.clone(),
                _ => whole(&logits.to_dtype(DType::F32).unwrap().argmax(1).unwrap()).unwrap(),
            };
            let found: Vec<i64> = found.predicted.iter().map(|&c| i64::from(c)).collect();
            assert_eq!(found, expected, "{dtype:?}");
        }
        // Not contiguous, and a view with an offset.
        let turned = logits.transpose(2, 3).unwrap();
        let target = target.transpose(1, 2).unwrap();
        let found = read(&turned, &target, 5).unwrap().predicted;
        let expected = whole(&turned.contiguous().unwrap().argmax(1).unwrap()).unwrap();
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(&a, &b)| i64::from(a) == b)
        );
    }

    #[test]
    fn nan_counts_where_its_target_does() {
        let nan = f32::NAN;
        for (shape, target_shape) in [(&[2usize, 2][..], &[2usize][..]), (&[1, 2, 2], &[1, 2])] {
            let logits = match shape.len() {
                2 => rows(&[1.0, nan, 0.0, 1.0], shape),
                _ => rows(&[1.0, 0.0, nan, 1.0], shape),
            };
            let target =
                |first: i64| Tensor::from_slice(&[first, 1], target_shape, &Device::Cpu).unwrap();
            let text = read(&logits, &target(0), 2).unwrap_err().to_string();
            assert!(text.contains("contain NaN"), "{text}");
            assert_eq!(
                read(&logits, &target(-100), 2).unwrap().target,
                [IGNORED, 1]
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let cpu = Device::Cpu;
        let logits = rows(&[0.0; 6], &[2, 3]);
        let told = |predictions: &Tensor, target: &Tensor, classes: usize| {
            read(predictions, target, classes).unwrap_err().to_string()
        };
        let classes = |values: &[i64]| Tensor::new(values, &cpu).unwrap();
        let text = told(&logits, &classes(&[0, 3]), 3);
        assert!(
            text.contains("position 1 of [2] is class 3") && text.contains("0 to 2"),
            "{text}"
        );
        let text = told(&logits, &classes(&[0, -1]), 3);
        assert!(text.contains("class -1"), "{text}");
        let text = told(&logits, &classes(&[0, 1, 2]), 3);
        assert!(text.contains("[2, 3]") && text.contains("[3]"), "{text}");
        let text = told(&logits, &classes(&[0, 1]), 4);
        assert!(
            text.contains("have 3 classes") && text.contains("for 4"),
            "{text}"
        );
        let text = told(&classes(&[0, 5]), &classes(&[0, 1]), 3);
        assert!(
            text.contains("predicted class at position 1") && text.contains("is 5"),
            "{text}"
        );
        let text = told(&logits, &rows(&[0.0, 1.0], &[2]), 3);
        assert!(text.contains("integer type, got f32"), "{text}");
        let text = told(&rows(&[0.1, 0.2], &[2]), &classes(&[0, 1]), 3);
        assert!(text.contains("two classes"), "{text}");
        let scalar = Tensor::new(1i64, &cpu).unwrap();
        assert!(told(&scalar, &scalar, 2).contains("a scalar"));
        let text = told(&classes(&[0]), &classes(&[0]), 0);
        assert!(text.contains("made for 0"), "{text}");
    }

    #[test]
    fn probabilities_that_are_taken_for_logits_are_told() {
        let cpu = Device::Cpu;
        let target = Tensor::zeros(20, DType::U8, &cpu).unwrap();
        let probabilities = rows(&[0.3; 20], &[20]);
        let mut looks = Looks::default();
        let mut reading = Reading::new(2);
        labels(&probabilities, &target, &reading, &mut looks).unwrap();
        let text = looks.check(&reading, "scores").unwrap_err().to_string();
        assert!(text.contains(".probabilities(true)"), "{text}");
        reading.probabilities = Some(false);
        looks.check(&reading, "scores").unwrap();
        reading.probabilities = Some(true);
        let mut looks = Looks::default();
        let found = labels(&probabilities, &target, &reading, &mut looks).unwrap();
        assert!(found.predicted.iter().all(|&class| class == 0));
        let text = labels(&rows(&[1.5; 20], &[20]), &target, &reading, &mut looks);
        assert!(text.unwrap_err().to_string().contains("no probability"));
    }
}
