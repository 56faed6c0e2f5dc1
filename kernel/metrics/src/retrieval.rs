//! Retrieval: recall, hit rate, reciprocal rank and mean average precision over queries.

use candle_core::{DType, Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_ops as ops;
use patchbay_show::{MimeBundle, Result, Show};

use crate::{classification::shown, counting::same, input::numbers, rows::RowMoments};

/// What is measured of one query: `relevant[rank]`, the best document first, and how many documents are looked at.
type Measure = fn(&[bool], usize) -> f64;

/// Values of queries.
#[derive(Clone, Debug)]
struct Queries {
    k: Option<usize>,
    empty: Option<f64>,
    ignore_index: Option<i64>,
    moments: RowMoments,
}

impl Queries {
    fn new(k: Option<usize>) -> Queries {
        Queries {
            k,
            empty: None,
            ignore_index: Some(ops::IGNORE_INDEX),
            moments: RowMoments::default(),
        }
    }

    fn update(&mut self, scores: &Tensor, relevant: &Tensor, measure: Measure) -> Result<()> {
        let dims = scores.dims();
        if scores.dims() != relevant.dims()
            || !(1..=2).contains(&dims.len())
            || !scores.dtype().is_float()
            || !relevant.dtype().is_int()
        {
            bail!(
                "expected scores [queries, documents] of a float type and which of them are relevant, 0 or 1 of an integer type, \
                 of the same shape; got scores {} {dims:?} and {} {:?}",
                scores.dtype().as_str(),
                relevant.dtype().as_str(),
                relevant.dims()
            );
        }
        if self.k == Some(0) {
            bail!("the best 0 documents have none that is relevant: k is at least 1");
        }
        let documents = dims[dims.len() - 1];
        let ignored = self
            .ignore_index
            .map(|index| ops::ignored_value(relevant.dtype(), index));
        let values = numbers(scores)?;
        let marks = relevant.to_dtype(DType::I64)?.flatten_all()?;
        let marks = marks
            .to_device(&candle_core::Device::Cpu)?
            .to_vec1::<i64>()?;
        let mut moments = self.moments;
        let mut list: Vec<(f64, bool)> = Vec::with_capacity(documents);
        for (query, (scores, marks)) in values
            .chunks(documents.max(1))
            .zip(marks.chunks(documents.max(1)))
            .enumerate()
        {
            list.clear();
            for (document, (&score, &mark)) in scores.iter().zip(marks).enumerate() {
                if Some(mark) == ignored {
                    continue;
                }
                if score.is_nan() || !(0..=1).contains(&mark) {
                    bail!(
                        "query {query}, document {document}: the score is {score} and its relevance {mark}; expected a number, \
                         and 0 or 1"
                    );
                }
                list.push((score, mark == 1));
            }
            // Of equal scores the relevant documents come last: scores that are all the same find nothing.
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let ranked: Vec<bool> = list.iter().map(|&(_, relevant)| relevant).collect();
            let value = match ranked.contains(&true) {
                true => Some(measure(&ranked, self.k.unwrap_or(ranked.len()))),
                false => self.empty,
            };
            if let Some(value) = value {
                moments.add(value, 1);
            }
        }
        self.moments = moments;
        Ok(())
    }

    fn merge(&mut self, other: &Queries) -> Result<()> {
        let settings = |of: &Queries| (of.k, of.empty, of.ignore_index);
        same(&settings(self), &settings(other))?;
        self.moments.merge(&other.moments);
        Ok(())
    }
}

fn found(ranked: &[bool], k: usize) -> f64 {
    ranked.iter().take(k).filter(|&&relevant| relevant).count() as f64
}

/// Of what is relevant, the share among the best.
fn share_found(ranked: &[bool], k: usize) -> f64 {
    found(ranked, k) / found(ranked, ranked.len())
}

fn any_found(ranked: &[bool], k: usize) -> f64 {
    found(ranked, k).min(1.0)
}

fn reciprocal_rank(ranked: &[bool], k: usize) -> f64 {
    let rank = ranked.iter().take(k).position(|&relevant| relevant);
    rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0))
}

/// The mean of the precision at each relevant document among the best.
fn mean_precision(ranked: &[bool], k: usize) -> f64 {
    let (mut count, mut sum) = (0.0, 0.0);
    for (rank, _) in ranked
        .iter()
        .take(k)
        .enumerate()
        .filter(|(_, relevant)| **relevant)
    {
        count += 1.0;
        sum += count / (rank as f64 + 1.0);
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

macro_rules! retrievals {
    ($($(#[$doc:meta])* $metric:ident, $function:ident, $name:literal, $measure:ident, ($($k:ident: $k_type:ty)?) => $k_value:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// A query without a relevant document has no value and counts in no mean, unless [`Self::empty_queries`] gives it one.
        /// Of equal scores the relevant documents come last, so that scores which are all the same find nothing.
        #[derive(Clone, Debug)]
        pub struct $metric {
            queries: Queries,
        }

        impl $metric {
            /// Without a query yet.
            #[allow(clippy::new_without_default)]
            pub fn new($($k: $k_type)?) -> Self {
                Self {
                    queries: Queries::new($k_value),
                }
            }

            /// The value of a query without a relevant document: 0 is torchmetrics' `empty_target_action="neg"`.
            #[must_use]
            pub fn empty_queries(mut self, value: f64) -> Self {
                self.queries.empty = Some(value);
                self
            }

            /// The relevance of places in which no document stands, -100 where nothing is said: queries with fewer documents are
            /// filled up by it.
            #[must_use]
            pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> Self {
                self.queries.ignore_index = index.into();
                self
            }

            /// Adds queries: scores `[queries, documents]` of a float type, the best document having the highest, and relevance
            /// of the same shape, 0 or 1 of an integer type; `[documents]` of a single query.
            ///
            /// # Errors
            ///
            /// Fails where shapes or dtypes do not fit, a score is NaN, or a relevance is neither 0 nor 1.
            pub fn update(&mut self, scores: &Tensor, relevant: &Tensor) -> Result<()> {
                self.queries.update(scores, relevant, $measure)
            }

            /// The mean over the queries with its 95 % interval.
            ///
            /// # Errors
            ///
            /// Fails where no query had a relevant document.
            pub fn compute(&self) -> Result<Interval> {
                let mean = self.queries.moments.estimate($name);
                let mean = mean.map_err(|_| {
                    candle_core::Error::Msg(concat!($name, " has seen no query with a relevant document").to_owned()).bt()
                })?;
                Ok(mean.share())
            }

            /// Forgets the queries; the settings stay.
            pub fn reset(&mut self) {
                self.queries.moments = RowMoments::default();
            }

            /// Adds the queries of another one.
            ///
            /// # Errors
            ///
            /// Fails where the settings differ.
            pub fn merge(&mut self, other: &Self) -> Result<()> {
                self.queries.merge(&other.queries)
            }
        }

        impl Show for $metric {
            fn show(&self) -> MimeBundle {
                shown($name, self.compute())
            }
        }

        #[doc = concat!("[`", stringify!($metric), "`] of all queries at once, with its 95 % interval.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($metric), "::update`] and [`", stringify!($metric), "::compute`].")]
        pub fn $function(scores: &Tensor, relevant: &Tensor $(, $k: $k_type)?) -> Result<Interval> {
            let mut metric = $metric::new($($k)?);
            metric.update(scores, relevant)?;
            metric.compute()
        }
    )*};
}

retrievals! {
    /// Recall at k: of the relevant documents of a query, the share among the `k` best. torchmetrics' `RetrievalRecall`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let scores = torch::tensor([[0.9, 0.2, 0.5, 0.1]])?;
    /// let relevant = torch::tensor([[1, 1, 0, 0]])?.long()?;
    /// assert_eq!(metrics::retrieval_recall(&scores, &relevant, 2)?.estimate, 0.5);
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    RetrievalRecall, retrieval_recall, "recall at k", share_found, (k: usize) => Some(k);

    /// Hit rate at k: the share of queries with a relevant document among the `k` best, which image-text retrieval calls recall
    /// at k ([`retrieval::recall`](patchbay_evaluation::retrieval::recall)). torchmetrics' `RetrievalHitRate`.
    RetrievalHitRate, retrieval_hit_rate, "hit rate at k", any_found, (k: usize) => Some(k);

    /// Mean average precision (mAP) of retrieval: the precision at each relevant document, averaged over these and then over the
    /// queries. torchmetrics' `RetrievalMAP`.
    RetrievalMap, retrieval_map, "mAP", mean_precision, () => None;

    /// Mean reciprocal rank: one over the place of the first relevant document, averaged over the queries. torchmetrics'
    /// `RetrievalMRR`.
    RetrievalMrr, retrieval_mrr, "MRR", reciprocal_rank, () => None;
}
