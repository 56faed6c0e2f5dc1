//! What metrics of ordered scores do: they keep all scores, and look at each class against the others.

use candle_core::{Tensor, bail};
use rayon::prelude::*;

use patchbay_evaluation::stats::Interval;
use patchbay_show::Result;

use crate::{
    average::Average,
    counting::{check_names, same},
    input::{Looks, Reading, scores},
    interval::{Estimate, undefined},
    per_class::{PerClass, names},
};

/// All scores of targets that count.
#[derive(Clone, Debug)]
pub(crate) struct Ranking {
    pub reading: Reading,
    pub average: Average,
    pub names: Vec<String>,
    looks: Looks,
    /// `[n, width]`; 1 wide where scores are of the positive class alone.
    values: Vec<f64>,
    target: Vec<u32>,
    width: usize,
}

/// The value of one class against the others.
pub(crate) struct Against {
    pub value: f64,
    /// How much each example moves the value.
    pub influence: Vec<f64>,
    /// How many examples the value is a share of, where its variance is 0.
    pub trials: f64,
}

/// The scores of one class and whether each example is of it, to its value; `None` where it has none.
pub(crate) type Measure = fn(&[f64], &[bool]) -> Option<Against>;

impl Ranking {
    pub(crate) fn new(classes: usize, average: Average) -> Ranking {
        Ranking {
            reading: Reading::new(classes),
            average,
            names: Vec::new(),
            looks: Looks::default(),
            values: Vec::new(),
            target: Vec::new(),
            width: 0,
        }
    }

    pub(crate) fn update(&mut self, predictions: &Tensor, target: &Tensor) -> Result<()> {
        check_names(&self.names, self.reading.classes)?;
        if self.average == Average::Micro {
            bail!(
                "scores of different classes have no common order: take `Average::Macro` or `Average::Weighted`"
            );
        }
        let mut looks = self.looks;
        let found = scores(predictions, target, &self.reading, &mut looks)?;
        if self.width != 0 && self.width != found.width {
            bail!(
                "scores of the positive class and logits of all classes do not mix: this batch is {:?}, and those before were \
                 {} wide",
                predictions.dims(),
                self.width
            );
        }
        self.looks = looks;
        self.width = found.width;
        self.values.extend(found.values);
        self.target.extend(found.target);
        Ok(())
    }

    fn check(&self, metric: &str) -> Result<()> {
        if self.target.is_empty() {
            bail!(
                "{metric} has seen no target that counts: call `update(&scores, &target)?` before"
            );
        }
        // The order of one score for each target is the same; of several classes the softmax changes it.
        match self.width {
            1 => Ok(()),
            _ => self.looks.check(&self.reading, "the scores"),
        }
    }

    /// The classes that have a value: 1 where scores are of the positive class alone.
    fn classes(&self) -> Vec<usize> {
        match self.width {
            1 => vec![1],
            width => (0..width)
                .filter(|&class| !self.reading.ignores(class))
                .filter(|&class| self.average != Average::Binary || class == 1)
                .collect(),
        }
    }

    fn of_class(&self, class: usize, measure: Measure) -> Option<Against> {
        let own: Vec<bool> = self
            .target
            .iter()
            .map(|&target| target as usize == class)
            .collect();
        if self.width == 1 {
            return measure(&self.values, &own);
        }
        let rows = self.values.chunks_exact(self.width);
        let scores: Vec<f64> = rows.map(|row| row[class]).collect();
        measure(&scores, &own)
    }

    pub(crate) fn compute(&self, metric: &str, measure: Measure) -> Result<Interval> {
        self.check(metric)?;
        let classes = self.classes();
        let mut found = Vec::new();
        for &class in &classes {
            if let Some(value) = self.of_class(class, measure) {
                let targets = self.target.iter().filter(|&&of| of as usize == class);
                found.push((value, targets.count() as f64));
            }
        }
        if found.is_empty() {
            bail!(
                "{metric} compares targets of a class with those of others, and all {} targets are of one class",
                self.target.len()
            );
        }
        let all: f64 = found.iter().map(|(_, targets)| targets).sum();
        let mut influence = vec![0.0; self.target.len()];
        let (mut value, mut spread) = (0.0, 0.0);
        for (of_class, targets) in &found {
            let weight = match self.average {
                Average::Weighted => targets / all,
                _ => 1.0 / found.len() as f64,
            };
            value += weight * of_class.value;
            spread += weight * weight / of_class.trials.max(1.0);
            for (sum, own) in influence.iter_mut().zip(&of_class.influence) {
                *sum += weight * own;
            }
        }
        Ok(estimate(value, &influence, 1.0 / spread).share())
    }

    pub(crate) fn per_class(&self, metric: &str, measure: Measure) -> Result<PerClass> {
        self.check(metric)?;
        let classes = self.reading.classes;
        let mut values = vec![undefined(); classes];
        for class in self.classes() {
            if let Some(found) = self.of_class(class, measure) {
                values[class] = estimate(found.value, &found.influence, found.trials).share();
            }
        }
        let count = |class: usize| {
            let own = self.target.iter().filter(|&&of| of as usize == class);
            own.count() as u64
        };
        Ok(PerClass {
            metric: metric.to_owned(),
            names: names(&self.names, classes),
            values,
            support: (0..classes).map(count).collect(),
        })
    }

    pub(crate) fn reset(&mut self) {
        self.values.clear();
        self.target.clear();
        self.looks = Looks::default();
        self.width = 0;
    }

    pub(crate) fn merge(&mut self, other: &Ranking) -> Result<()> {
        same(&self.reading, &other.reading)?;
        if self.width != 0 && other.width != 0 && self.width != other.width {
            bail!("scores of the positive class and logits of all classes do not mix");
        }
        self.width = self.width.max(other.width);
        self.values.extend_from_slice(&other.values);
        self.target.extend_from_slice(&other.target);
        self.looks.merge(&other.looks);
        Ok(())
    }
}

fn estimate(value: f64, influence: &[f64], trials: f64) -> Estimate {
    Estimate {
        value,
        variance: influence.iter().map(|own| own * own).sum(),
        trials,
        units: None,
    }
}

/// The examples with falling scores, equal ones together.
pub(crate) struct Falling {
    order: Vec<usize>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl Falling {
    pub(crate) fn of(scores: &[f64]) -> Falling {
        let mut pairs: Vec<(f64, usize)> = scores.iter().copied().zip(0..).collect();
        pairs.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut ends: Vec<usize> = Vec::new();
        for (at, pair) in pairs.windows(2).enumerate() {
            if pair[0].0 != pair[1].0 {
                ends.push(at + 1);
            }
        }
        if !pairs.is_empty() {
            ends.push(pairs.len());
        }
        Falling {
            order: pairs.into_iter().map(|(_, example)| example).collect(),
            ends,
        }
    }

    /// The groups, the highest score first.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = &[usize]> + ExactSizeIterator {
        (0..self.ends.len()).map(|group| {
            let first = group.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.order[first..self.ends[group]]
        })
    }
}

/// The settings and methods of metrics of ordered scores, whose state is in a field `ranking`.
macro_rules! rankings {
    ($($(#[$doc:meta])* $metric:ident, $function:ident, $name:literal, $measure:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $metric {
            ranking: $crate::ranking::Ranking,
        }

        impl $metric {
            /// Of so many classes, each against all others.
            pub fn new(classes: usize) -> Self {
                Self {
                    ranking: $crate::ranking::Ranking::new(classes, $crate::Average::Macro),
                }
            }

            /// Of two classes: the positive one against the other.
            pub fn binary() -> Self {
                Self {
                    ranking: $crate::ranking::Ranking::new(2, $crate::Average::Binary),
                }
            }

            /// How the values of the classes become one. Classes without a target, or without one of another class, have no
            /// value and count in no average.
            #[must_use]
            pub fn average(mut self, average: $crate::Average) -> Self {
                self.ranking.average = average;
                self
            }

            /// The class index of targets that do not count, such as 255; `None`: all count.
            #[must_use]
            pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> Self {
                self.ranking.reading.ignore_index = index.into();
                self
            }

            /// The names of the classes, for tables.
            #[must_use]
            pub fn class_names<T: ToString>(mut self, names: impl IntoIterator<Item = T>) -> Self {
                self.ranking.names = names.into_iter().map(|name| name.to_string()).collect();
                self
            }

            /// Whether scores are probabilities; otherwise they are logits, of which the softmax (or the sigmoid) is taken.
            #[must_use]
            pub fn probabilities(mut self, are: bool) -> Self {
                self.ranking.reading.probabilities = Some(are);
                self
            }

            /// Keeps the scores of a batch: logits or probabilities `[n, classes, ...]`, or, of two classes, scores of the
            /// positive one, `[n, ...]` or `[n, 1, ...]`; `target` are classes `[n, ...]` of an integer type.
            ///
            /// # Errors
            ///
            /// Fails where shapes or dtypes do not fit, a class is beyond the classes, a score of a target that counts is NaN,
            /// or one that is said to be a probability is none.
            pub fn update(
                &mut self,
                scores: &candle_core::Tensor,
                target: &candle_core::Tensor,
            ) -> patchbay_show::Result<()> {
                self.ranking.update(scores, target)
            }

            /// The value with its 95 % interval, in which examples are taken for independent of one another.
            ///
            /// # Errors
            ///
            /// Fails where no target has been counted, all are of one class, or scores of several classes were taken for
            /// logits, which all are probabilities.
            pub fn compute(&self) -> patchbay_show::Result<patchbay_evaluation::stats::Interval> {
                self.ranking.compute($name, $measure)
            }

            /// The value of each class against all others.
            ///
            /// # Errors
            ///
            /// As [`Self::compute`].
            pub fn per_class(&self) -> patchbay_show::Result<$crate::PerClass> {
                self.ranking.per_class($name, $measure)
            }

            /// Forgets the scores; the settings stay.
            pub fn reset(&mut self) {
                self.ranking.reset();
            }

            /// Adds the scores of another one, of other batches.
            ///
            /// # Errors
            ///
            /// Fails where the settings differ.
            pub fn merge(&mut self, other: &Self) -> patchbay_show::Result<()> {
                self.ranking.merge(&other.ranking)
            }
        }

        impl patchbay_show::Show for $metric {
            fn show(&self) -> patchbay_show::MimeBundle {
                $crate::classification::shown($name, self.compute())
            }
        }

        #[doc = concat!("[`", stringify!($metric), "`] of all scores at once, with its 95 % interval.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($metric), "::update`] and [`", stringify!($metric), "::compute`].")]
        pub fn $function(
            scores: &candle_core::Tensor,
            target: &candle_core::Tensor,
        ) -> patchbay_show::Result<patchbay_evaluation::stats::Interval> {
            let mut metric = match $crate::input::classes_of(scores, target)? {
                (_, true) => $metric::binary(),
                (classes, false) => $metric::new(classes),
            };
            metric.update(scores, target)?;
            metric.compute()
        }
    )*};
}
pub(crate) use rankings;
