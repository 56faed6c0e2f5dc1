//! Convex problems over the simplex {w : w >= 0, Σ w = 1} and over a cone.

use patchbay::plugin::prelude::*;

use crate::linear_algebra::{Matrix, apply, scale, solve};

/// How many steps a solver may take. A few losses need some dozens.
const STEPS: usize = 100_000;

/// The minimum over the simplex of a convex function with this gradient, by pairwise steps of Frank and Wolfe's method
/// (Lacoste-Julien and Jaggi 2015) with an exact search along each: they converge linearly on a simplex.
///
/// `tolerance` bounds how far the value is from the best one.
///
/// # Errors
///
/// Fails where it does not converge.
pub fn minimize(
    count: usize,
    tolerance: f64,
    gradient: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Vec<f64>> {
    let mut w = vec![1.0 / count as f64; count];
    let mut gap = f64::NAN;
    for _ in 0..STEPS {
        let g = gradient(&w);
        let order = |i: &usize, j: &usize| g[*i].total_cmp(&g[*j]);
        let to = (0..count).min_by(order).unwrap_or(0);
        let from = (0..count)
            .filter(|&i| w[i] > 0.0)
            .max_by(order)
            .unwrap_or(0);
        let best = g[to];
        gap = w.iter().zip(&g).map(|(w, g)| w * (g - best)).sum();
        if gap <= tolerance {
            return Ok(w);
        }
        // Along the line that moves weight from the worst to the best, the slope changes its sign once.
        let room = w[from];
        let moved = |length: f64| {
            let mut next = w.clone();
            next[from] -= length;
            next[to] += length;
            next
        };
        let slope = |length: f64| {
            let g = gradient(&moved(length));
            g[to] - g[from]
        };
        let length = if slope(room) <= 0.0 {
            room
        } else {
            let (mut low, mut high) = (0.0, room);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if slope(middle) <= 0.0 {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            0.5 * (low + high)
        };
        w = moved(length);
        if length == room {
            w[from] = 0.0;
        }
    }
    bail!(
        "the problem over the simplex did not converge: after {STEPS} steps the weights {w:?} are {gap:e} from the best"
    )
}

/// The weights of the shortest convex combination of gradients with these products: min wᵀ G w (MGDA).
///
/// # Errors
///
/// As [`minimize`].
pub fn shortest(gram: &Matrix) -> Result<Vec<f64>> {
    minimize(gram.len(), 1e-12 * scale(gram), |w| apply(gram, w))
}

/// The point of the simplex that is nearest to x (Held, Wolfe and Crowder 1974, Validation of subgradient optimization).
pub fn project(x: &[f64]) -> Vec<f64> {
    let mut falling = x.to_vec();
    falling.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (at, value) in falling.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (at + 1) as f64;
        // As long as the entry stays above zero.
        if *value > candidate {
            shift = candidate;
        }
    }
    x.iter().map(|value| (value - shift).max(0.0)).collect()
}

/// The v >= lower with the least vᵀ G v, by the active-set method of Lawson and Hanson (1974, chapter 23).
///
/// # Errors
///
/// Fails where it does not converge, and where G is singular on the free entries.
pub fn above(gram: &Matrix, lower: &[f64]) -> Result<Vec<f64>> {
    let count = lower.len();
    let mut v = lower.to_vec();
    let mut free = vec![false; count];
    let tolerance = 1e-13 * scale(gram);
    for _ in 0..STEPS {
        let g = apply(gram, &v);
        // The entry at its bound that would fall fastest if it were let up.
        let entering = (0..count)
            .filter(|&i| !free[i] && g[i] < -tolerance)
            .min_by(|&i, &j| g[i].total_cmp(&g[j]));
        let Some(entering) = entering else {
            return Ok(v);
        };
        free[entering] = true;
        loop {
            let best = unconstrained(gram, &v, &free)?;
            // As far towards it as all free entries stay above their bounds.
            let mut length = 1.0;
            let mut blocking = None;
            for i in (0..count).filter(|&i| free[i]) {
                if best[i] < lower[i] {
                    let reach = (v[i] - lower[i]) / (v[i] - best[i]);
                    if reach < length {
                        (length, blocking) = (reach, Some(i));
                    }
                }
            }
            for i in 0..count {
                v[i] += length * (best[i] - v[i]);
            }
            let Some(blocking) = blocking else { break };
            free[blocking] = false;
            v[blocking] = lower[blocking];
        }
    }
    bail!(
        "the projection on the cone of the gradients with the products {gram:?} did not converge in {STEPS} steps"
    )
}

/// The best point if only the free entries may change.
fn unconstrained(gram: &Matrix, v: &[f64], free: &[bool]) -> Result<Vec<f64>> {
    let index: Vec<usize> = (0..v.len()).filter(|&i| free[i]).collect();
    let matrix: Matrix = index
        .iter()
        .map(|&i| index.iter().map(|&j| gram[i][j]).collect())
        .collect();
    let right: Vec<f64> = index
        .iter()
        .map(|&i| {
            let held = (0..v.len()).filter(|&j| !free[j]);
            -held.map(|j| gram[i][j] * v[j]).sum::<f64>()
        })
        .collect();
    let solution = solve(&matrix, &right)?;
    let mut best = v.to_vec();
    for (&i, x) in index.iter().zip(solution) {
        best[i] = x;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear_algebra::square;

    #[test]
    fn the_shortest_combination_of_two_is_known_in_closed_form() {
        // γ = (g2·g2 - g1·g2) / |g1 - g2|², within 0..=1 (Sener and Koltun 2018, algorithm 2).
        for [a, b, c] in [[2.0, 0.5, 1.0], [1.0, 3.0, 9.5], [4.0, -1.0, 1.0]] {
            let weights = shortest(&vec![vec![a, b], vec![b, c]]).unwrap();
            let expected = ((c - b) / (a + c - 2.0 * b)).clamp(0.0, 1.0);
            assert!(
                (weights[0] - expected).abs() < 1e-5,
                "{weights:?} {expected}"
            );
        }
    }

    #[test]
    fn no_neighbor_of_a_minimum_is_better() {
        let gram = vec![
            vec![3.0, -1.0, 0.4, 0.0],
            vec![-1.0, 2.0, 0.3, 0.1],
            vec![0.4, 0.3, 5.0, -0.2],
            vec![0.0, 0.1, -0.2, 0.5],
        ];
        let best = shortest(&gram).unwrap();
        for from in 0..4 {
            for to in 0..4 {
                let mut other = best.clone();
                let step = 1e-3f64.min(other[from]);
                other[from] -= step;
                other[to] += step;
                assert!(square(&gram, &other) >= square(&gram, &best) - 1e-12);
            }
        }
    }

    #[test]
    fn points_are_projected_to_the_nearest_of_the_simplex() {
        for x in [
            vec![0.2, 0.3, 0.5],
            vec![3.0, -1.0, 0.5],
            vec![0.1, 0.1],
            vec![-5.0, -5.0, -4.9, -7.0],
            vec![0.7],
        ] {
            let nearest = project(&x);
            assert!(
                (nearest.iter().sum::<f64>() - 1.0).abs() < 1e-12,
                "{nearest:?}"
            );
            let distance = |w: &[f64]| w.iter().zip(&x).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            for from in 0..x.len() {
                for to in 0..x.len() {
                    let mut other = nearest.clone();
                    let step = 1e-3f64.min(other[from]);
                    other[from] -= step;
                    other[to] += step;
                    assert!(distance(&other) >= distance(&nearest) - 1e-12, "{x:?}");
                }
            }
        }
    }

    #[test]
    fn bounds_hold_and_gradients_vanish_where_they_do_not_bind() {
        let gram = vec![
            vec![1.0, -0.8, 0.1],
            vec![-0.8, 1.0, -0.3],
            vec![0.1, -0.3, 1.0],
        ];
        let v = above(&gram, &[1.0, 0.0, 0.0]).unwrap();
        let g = apply(&gram, &v);
        for i in 0..3 {
            let lower = if i == 0 { 1.0 } else { 0.0 };
            assert!(v[i] >= lower - 1e-12 && g[i] >= -1e-12);
            assert!((v[i] - lower).abs() < 1e-9 || g[i].abs() < 1e-9);
        }
        assert!(v[1] > 0.5);
    }
}
