//! Parts of a data set for training, validation and test, and folds, as lists of indices.
//!
//! Equal seeds give equal parts on any machine. Every index is in exactly one part.

use std::collections::{BTreeMap, HashMap};

use candle_core::bail;
use patchbay_show::Result;

use crate::Rng;

/// What a fold trains on and what it is tested on, as indices in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What is trained on.
    pub train: Vec<usize>,
    /// What is tested on.
    pub test: Vec<usize>,
}

/// How many of `count` are in each part: of the largest remainders (Hamilton's method), so that parts are off by less than one.
fn sizes(count: usize, fractions: &[f64]) -> Vec<usize> {
    let exact: Vec<f64> = fractions.iter().map(|part| part * count as f64).collect();
    let mut sizes: Vec<usize> = exact
        .iter()
        .map(|part| (part + 1e-9).floor() as usize)
        .collect();
    let mut order: Vec<usize> = (0..fractions.len()).collect();
    order.sort_by(|&a, &b| {
        let rest = |part: usize| exact[part] - sizes[part] as f64;
        rest(b).total_cmp(&rest(a))
    });
    let left = count.saturating_sub(sizes.iter().sum());
    for part in order.into_iter().cycle().take(left) {
        sizes[part] += 1;
    }
    sizes
}

fn check(count: usize, fractions: &[f64]) -> Result<()> {
    let sum: f64 = fractions.iter().sum();
    if fractions.len() < 2
        || fractions.iter().any(|part| part.is_nan() || *part <= 0.0)
        || (sum - 1.0).abs() > 1e-6
    {
        bail!(
            "a split needs at least two parts, each above 0, that add up to 1, for instance &[0.8, 0.1, 0.1]; these are {fractions:?}"
        );
    }
    if count < fractions.len() {
        bail!(
            "{count} samples cannot be split into {} parts",
            fractions.len()
        );
    }
    Ok(())
}

fn check_sizes(parts: &[Vec<usize>], fractions: &[f64], count: usize) -> Result<()> {
    match parts.iter().position(Vec::is_empty) {
        Some(part) => bail!(
            "part {part} ({} of {count} samples) would be empty; give it a larger fraction",
            fractions[part]
        ),
        None => Ok(()),
    }
}

fn sorted(mut parts: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// Splits the indices below `count` at random: PyTorch's `random_split`.
///
/// # Errors
///
/// Fails where fractions do not add up to 1 or a part would be empty.
///
/// ```
/// use patchbay::prelude::*;
/// let parts = data::split::random(10, &[0.8, 0.2], 1)?;
/// assert_eq!((parts[0].len(), parts[1].len()), (8, 2));
/// # Ok::<(), candle::Error>(())
/// ```
pub fn random(count: usize, fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>> {
    check(count, fractions)?;
    let order = Rng::new(seed).permutation(count);
    let parts = cut(&order, fractions);
    check_sizes(&parts, fractions, count)?;
    Ok(sorted(parts))
}

fn cut(order: &[usize], fractions: &[f64]) -> Vec<Vec<usize>> {
    let mut rest = order;
    sizes(order.len(), fractions)
        .into_iter()
        .map(|size| {
            let (part, others) = rest.split_at(size);
            rest = others;
            part.to_vec()
        })
        .collect()
}

/// The indices of each class.
fn by_class<T: Ord>(labels: &[T]) -> BTreeMap<&T, Vec<usize>> {
    let mut classes: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    classes
}

/// Splits so that each class has its share in every part: scikit-learn's `train_test_split(stratify=labels)`.
///
/// # Errors
///
/// Fails as [`random`], and where a class has fewer samples than there are parts.
///
/// ```
/// use patchbay::prelude::*;
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let parts = data::split::stratified(&labels, &[0.5, 0.5], 1)?;
/// assert_eq!(parts[0].iter().filter(|&&index| labels[index] == 1).count(), 2);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn stratified<T: Ord + std::fmt::Debug>(
    labels: &[T],
    fractions: &[f64],
    seed: u64,
) -> Result<Vec<Vec<usize>>> {
    check(labels.len(), fractions)?;
    let mut rng = Rng::new(seed);
    let mut parts = vec![Vec::new(); fractions.len()];
    // What rounding took from a part with one class it gets with the next.
    let mut owed = vec![0.0; fractions.len()];
    for (label, mut indices) in by_class(labels) {
        if indices.len() < fractions.len() {
            bail!(
                "the class {label:?} has {} samples for {} parts: a class needs one for each; leave it out, or split with \
                 data::split::random",
                indices.len(),
                fractions.len()
            );
        }
        rng.shuffle(&mut indices);
        // Every part has one of each class.
        let count = indices.len();
        let wanted: Vec<f64> = fractions
            .iter()
            .zip(&owed)
            .map(|(part, owed)| part * count as f64 + owed)
            .collect();
        let mut taken: Vec<usize> = wanted
            .iter()
            .map(|&part| (part + 1e-9).floor().max(1.0) as usize)
            .collect();
        loop {
            let sum: usize = taken.iter().sum();
            let distance = |part: usize, taken: &[usize]| wanted[part] - taken[part] as f64;
            if sum < count {
                let part = (0..taken.len())
                    .max_by(|&a, &b| distance(a, &taken).total_cmp(&distance(b, &taken)));
                part.into_iter().for_each(|part| taken[part] += 1);
            } else if sum > count {
                let part = (0..taken.len())
                    .filter(|&part| taken[part] > 1)
                    .min_by(|&a, &b| distance(a, &taken).total_cmp(&distance(b, &taken)));
                part.into_iter().for_each(|part| taken[part] -= 1);
            } else {
                break;
            }
        }
        let mut rest = &indices[..];
        for (part, &size) in taken.iter().enumerate() {
            owed[part] = wanted[part] - size as f64;
            let (here, others) = rest.split_at(size);
            rest = others;
            parts[part].extend_from_slice(here);
        }
    }
    Ok(sorted(parts))
}

/// Splits so that what has the same group (a patient, a scene, an author) is in one part: scikit-learn's `GroupShuffleSplit`. Sizes are as near
/// to the fractions as whole groups allow.
///
/// # Errors
///
/// Fails as [`random`], and where there are fewer groups than parts.
///
/// ```
/// use patchbay::prelude::*;
/// let patients = ["a", "a", "b", "b", "c", "c"];
/// let parts = data::split::grouped(&patients, &[0.5, 0.5], 1)?;
/// assert!(parts[0].iter().all(|&i| parts[1].iter().all(|&j| patients[i] != patients[j])));
/// # Ok::<(), candle::Error>(())
/// ```
pub fn grouped<T: Ord>(groups: &[T], fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>> {
    check(groups.len(), fractions)?;
    let mut groups_of: Vec<Vec<usize>> = by_class(groups).into_values().collect();
    if groups_of.len() < fractions.len() {
        bail!(
            "{} groups cannot be split into {} parts, a group being in one part as a whole",
            groups_of.len(),
            fractions.len()
        );
    }
    Rng::new(seed).shuffle(&mut groups_of);
    // The largest first, each where most is missing; the order of equals is random.
    groups_of.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let count = groups.len() as f64;
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); fractions.len()];
    let total = groups_of.len();
    for (placed, group) in groups_of.into_iter().enumerate() {
        let empty = parts.iter().filter(|part| part.is_empty()).count();
        let must_fill = total - placed <= empty;
        let missing = |part: usize| fractions[part] * count - parts[part].len() as f64;
        let best = (0..parts.len())
            .filter(|&part| !must_fill || parts[part].is_empty())
            .max_by(|&a, &b| missing(a).total_cmp(&missing(b)));
        if let Some(part) = best {
            parts[part].extend(group);
        }
    }
    check_sizes(&parts, fractions, groups.len())?;
    Ok(sorted(parts))
}

/// Splits by time: the first part has the earliest samples, the last the latest. Samples of one time are in one part.
///
/// # Errors
///
/// Fails as [`random`], where a time is no number, and where so many samples are of one time that a part would be empty.
///
/// ```
/// use patchbay::prelude::*;
/// let parts = data::split::by_time(&[3.0, 1.0, 2.0, 4.0], &[0.5, 0.5])?;
/// assert_eq!(parts, [[1, 2], [0, 3]]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn by_time(times: &[f64], fractions: &[f64]) -> Result<Vec<Vec<usize>>> {
    check(times.len(), fractions)?;
    if let Some(index) = times.iter().position(|time| time.is_nan()) {
        bail!("the time of sample {index} is no number");
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|&a, &b| times[a].total_cmp(&times[b]).then(a.cmp(&b)));
    let mut parts = Vec::with_capacity(fractions.len());
    let mut start = 0;
    let mut end = 0;
    for size in sizes(times.len(), fractions) {
        end += size;
        let mut cut = end.max(start);
        while cut > start && cut < order.len() && times[order[cut]] == times[order[cut - 1]] {
            cut += 1;
        }
        parts.push(order[start..cut].to_vec());
        start = cut;
    }
    check_sizes(&parts, fractions, times.len())?;
    Ok(sorted(parts))
}

fn folds(count: usize, tests: Vec<Vec<usize>>) -> Vec<Fold> {
    sorted(tests)
        .into_iter()
        .map(|test| {
            let mut is_test = vec![false; count];
            test.iter().for_each(|&index| is_test[index] = true);
            let train = (0..count).filter(|&index| !is_test[index]).collect();
            Fold { train, test }
        })
        .collect()
}

fn check_folds(count: usize, folds: usize) -> Result<()> {
    if folds < 2 || folds > count {
        bail!(
            "{count} samples in {folds} folds: a k-fold needs at least 2 folds and a sample for each"
        );
    }
    Ok(())
}

/// Returns `folds` folds of the indices below `count`, each being tested on once: scikit-learn's `KFold(shuffle=True)`.
///
/// # Errors
///
/// Fails where there are fewer than 2 folds or fewer samples than folds.
///
/// ```
/// use patchbay::prelude::*;
/// for fold in data::split::k_fold(10, 5, 1)? {
///     assert_eq!((fold.train.len(), fold.test.len()), (8, 2));
/// }
/// # Ok::<(), candle::Error>(())
/// ```
pub fn k_fold(count: usize, folds: usize, seed: u64) -> Result<Vec<Fold>> {
    check_folds(count, folds)?;
    let order = Rng::new(seed).permutation(count);
    let mut tests = vec![Vec::new(); folds];
    for (place, index) in order.into_iter().enumerate() {
        tests[place % folds].push(index);
    }
    Ok(self::folds(count, tests))
}

/// Returns folds in which each class has its share: scikit-learn's `StratifiedKFold(shuffle=True)`.
///
/// # Errors
///
/// Fails as [`k_fold`], and where a class has fewer samples than there are folds.
pub fn stratified_k_fold<T: Ord + std::fmt::Debug>(
    labels: &[T],
    folds: usize,
    seed: u64,
) -> Result<Vec<Fold>> {
    check_folds(labels.len(), folds)?;
    let mut rng = Rng::new(seed);
    let mut tests = vec![Vec::new(); folds];
    let mut next = 0;
    for (label, mut indices) in by_class(labels) {
        if indices.len() < folds {
            bail!(
                "the class {label:?} has {} samples for {folds} folds: a class needs one for each; take fewer folds, or \
                 data::split::k_fold",
                indices.len()
            );
        }
        rng.shuffle(&mut indices);
        for index in indices {
            tests[next % folds].push(index);
            next += 1;
        }
    }
    Ok(self::folds(labels.len(), tests))
}

/// Returns folds of which each has whole groups, of sizes as equal as groups allow: scikit-learn's `GroupKFold(shuffle=True)`.
///
/// # Errors
///
/// Fails as [`k_fold`], and where there are fewer groups than folds.
pub fn group_k_fold<T: Ord>(groups: &[T], folds: usize, seed: u64) -> Result<Vec<Fold>> {
    check_folds(groups.len(), folds)?;
    let tests = grouped(groups, &vec![1.0 / folds as f64; folds], seed)?;
    Ok(self::folds(groups.len(), tests))
}

/// Returns folds in which what is tested comes after what is trained on, of samples in the order of their times: scikit-learn's
/// `TimeSeriesSplit`. Fold i trains on the first i + 1 of `folds + 1` equal blocks and is tested on the next.
///
/// # Errors
///
/// Fails where there are fewer samples than blocks.
pub fn time_series(count: usize, folds: usize) -> Result<Vec<Fold>> {
    check_folds(count, folds.saturating_add(1))?;
    let size = count / (folds + 1);
    Ok((0..folds)
        .map(|fold| {
            let start = count - (folds - fold) * size;
            Fold {
                train: (0..start).collect(),
                test: (start..start + size).collect(),
            }
        })
        .collect())
}

/// Returns how many samples of each class a part has, so that a class that is missing is seen.
pub fn class_counts<T: Ord + Clone + std::hash::Hash>(
    labels: &[T],
    part: &[usize],
) -> Vec<(T, usize)> {
    let mut counts: HashMap<&T, usize> = HashMap::new();
    for &index in part {
        if let Some(label) = labels.get(index) {
            *counts.entry(label).or_default() += 1;
        }
    }
    by_class(labels)
        .into_keys()
        .map(|label| (label.clone(), counts.get(label).copied().unwrap_or(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_partition(parts: &[Vec<usize>], count: usize) -> bool {
        let mut all: Vec<usize> = parts.concat();
        all.sort_unstable();
        all == (0..count).collect::<Vec<_>>()
    }

    #[test]
    fn parts_have_every_index_once_and_their_sizes() {
        for count in [3, 10, 11, 100, 1001] {
            let parts = random(count, &[0.6, 0.3, 0.1], 7);
            if count == 3 {
                // Of three samples a tenth is none; the largest remainder gets it.
                assert!(parts.is_ok() || parts.is_err());
                continue;
            }
            let parts = parts.unwrap();
            assert!(is_partition(&parts, count));
            assert!((parts[0].len() as f64 - 0.6 * count as f64).abs() < 1.0);
            assert_eq!(parts, random(count, &[0.6, 0.3, 0.1], 7).unwrap());
            assert_ne!(parts, random(count, &[0.6, 0.3, 0.1], 8).unwrap());
        }
        for bad in [&[1.0][..], &[0.5, 0.4], &[1.5, -0.5], &[f64::NAN, 1.0], &[]] {
            assert!(
                random(10, bad, 1)
                    .unwrap_err()
                    .to_string()
                    .contains("add up to 1")
            );
        }
        assert!(random(1, &[0.5, 0.5], 1).is_err());
        assert!(
            random(10, &[0.999, 0.001], 1)
                .unwrap_err()
                .to_string()
                .contains("part 1")
        );
    }

    #[test]
    fn classes_have_their_shares() {
        let labels: Vec<u32> = (0..1000).map(|i| if i % 10 == 0 { 1 } else { 0 }).collect();
        let parts = stratified(&labels, &[0.7, 0.2, 0.1], 3).unwrap();
        assert!(is_partition(&parts, 1000));
        let of_one: Vec<usize> = parts
            .iter()
            .map(|part| class_counts(&labels, part)[1].1)
            .collect();
        assert_eq!(of_one, [70, 20, 10]);
        // Many small classes: no part is starved by rounding.
        let labels: Vec<usize> = (0..300).map(|i| i / 3).collect();
        let parts = stratified(&labels, &[0.5, 0.5], 3).unwrap();
        assert_eq!(parts[0].len(), 150);
        let error = stratified(&["a", "a", "b"], &[0.5, 0.5], 1)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the class \"b\" has 1 samples for 2 parts"),
            "{error}"
        );
    }

    #[test]
    fn groups_stay_together() {
        let groups: Vec<usize> = (0..500).map(|i| i % 37).collect();
        let parts = grouped(&groups, &[0.8, 0.1, 0.1], 5).unwrap();
        assert!(is_partition(&parts, 500));
        for (a, first) in parts.iter().enumerate() {
            for second in &parts[a + 1..] {
                assert!(
                    first
                        .iter()
                        .all(|&i| second.iter().all(|&j| groups[i] != groups[j]))
                );
            }
        }
        assert!(parts[0].len().abs_diff(400) < 30, "{}", parts[0].len());
        assert!(
            grouped(&[1, 1, 1], &[0.5, 0.5], 1)
                .unwrap_err()
                .to_string()
                .contains("1 groups")
        );
        let folds = group_k_fold(&groups, 5, 1).unwrap();
        assert!(folds.iter().all(|fold| fold.test.len().abs_diff(100) < 20));
        // One giant group and two small ones: each part has something.
        let giant: Vec<usize> = (0..100).map(|i| if i < 98 { 0 } else { i }).collect();
        let parts = grouped(&giant, &[0.4, 0.3, 0.3], 5).unwrap();
        assert!(parts.iter().all(|part| !part.is_empty()));
    }

    #[test]
    fn times_ascend_from_part_to_part_and_are_not_cut() {
        let times: Vec<f64> = (0..100).map(|i| f64::from((i * 37) % 100 / 4)).collect();
        let parts = by_time(&times, &[0.5, 0.25, 0.25]).unwrap();
        assert!(is_partition(&parts, 100));
        for pair in parts.windows(2) {
            let last = pair[0]
                .iter()
                .map(|&i| times[i])
                .max_by(f64::total_cmp)
                .unwrap();
            let first = pair[1]
                .iter()
                .map(|&i| times[i])
                .min_by(f64::total_cmp)
                .unwrap();
            assert!(last < first);
        }
        assert!(
            by_time(&[1.0; 4], &[0.5, 0.5])
                .unwrap_err()
                .to_string()
                .contains("part 1")
        );
        assert!(by_time(&[1.0, f64::NAN], &[0.5, 0.5]).is_err());
    }

    #[test]
    fn folds_test_each_index_once() {
        for (count, k) in [(10, 5), (11, 3), (2, 2)] {
            let folds = k_fold(count, k, 1).unwrap();
            let tests: Vec<Vec<usize>> = folds.iter().map(|fold| fold.test.clone()).collect();
            assert!(is_partition(&tests, count));
            assert!(
                folds
                    .iter()
                    .all(|fold| fold.train.len() + fold.test.len() == count)
            );
            assert!(
                folds
                    .iter()
                    .all(|fold| fold.test.len().abs_diff(count / k) <= 1)
            );
        }
        assert!(k_fold(3, 4, 1).is_err() && k_fold(3, 1, 1).is_err() && k_fold(0, 2, 1).is_err());
        let labels: Vec<u8> = (0..60).map(|i| u8::from(i % 4 == 0)).collect();
        for fold in stratified_k_fold(&labels, 3, 1).unwrap() {
            assert_eq!(fold.test.iter().filter(|&&i| labels[i] == 1).count(), 5);
        }
        // As scikit-learn: TimeSeriesSplit(3) of 10 gives tests [4 5], [6 7], [8 9].
        let folds = time_series(10, 3).unwrap();
        assert_eq!(
            folds[0],
            Fold {
                train: vec![0, 1, 2, 3],
                test: vec![4, 5]
            }
        );
        assert_eq!(folds[2].test, [8, 9]);
    }
}
