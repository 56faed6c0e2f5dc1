//! The Lovász extension of the Jaccard loss, for its two components.

/// The slopes of the Jaccard loss by each error, given whether each position is of the class, in the order of falling
/// errors: how much the loss grows when this position becomes wrong, after all before it.
///
/// Berman et al. 2018, arXiv 1705.08790, algorithm 1.
fn jaccard_slopes(
    falling: impl Iterator<Item = bool>,
    positives: usize,
) -> impl Iterator<Item = f64> {
    let mut hits = 0.0;
    let mut misses = 0.0;
    let mut before = 0.0;
    let positives = positives as f64;
    falling.map(move |positive| {
        if positive {
            hits += 1.0;
        } else {
            misses += 1.0;
        }
        let jaccard = 1.0 - (positives - hits) / (positives + misses);
        std::mem::replace(&mut before, jaccard).mul_add(-1.0, jaccard)
    })
}

/// The slope of each position, in the order of the positions: `errors` and whether each position is of the class.
pub fn slopes(errors: &[f32], positive: impl Fn(usize) -> bool) -> Vec<f32> {
    // Errors that are at least 0 have the order of their bits; others come last, in any order: their slope is
    // multiplied with 0.
    let mut falling: Vec<u64> = errors
        .iter()
        .enumerate()
        .map(|(index, error)| (u64::from(error.max(0.0).to_bits()) << 32) | index as u64)
        .collect();
    falling.sort_unstable_by(|a, b| b.cmp(a));
    let index = |key: u64| (key & u64::from(u32::MAX)) as usize;
    let positives = (0..errors.len()).filter(|&i| positive(i)).count();
    let mut slopes = vec![0.0; errors.len()];
    let in_order = jaccard_slopes(falling.iter().map(|&key| positive(index(key))), positives);
    for (&key, slope) in falling.iter().zip(in_order) {
        slopes[index(key)] = slope as f32;
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slopes_add_up_to_the_jaccard_loss_of_all_wrong() {
        let slopes = slopes(&[0.9, 0.1, 0.5, 0.3], |i| i % 2 == 0);
        assert!(
            (slopes.iter().sum::<f32>() - 1.0).abs() < 1e-6,
            "{slopes:?}"
        );
        assert_eq!(slopes[0], 0.5);
    }
}
