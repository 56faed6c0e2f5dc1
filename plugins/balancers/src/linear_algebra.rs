//! A few numbers' worth of linear algebra, in f64: systems and eigenvalues of K x K matrices, K being the number of losses.

use patchbay::plugin::prelude::*;

/// Rows of equal length.
pub type Matrix = Vec<Vec<f64>>;

/// A x.
pub fn apply(a: &Matrix, x: &[f64]) -> Vec<f64> {
    a.iter().map(|row| dot(row, x)).collect()
}

/// Returns the scalar product of two vectors of the same length.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// xᵀ A x, never below zero: A is a Gram matrix.
pub fn square(a: &Matrix, x: &[f64]) -> f64 {
    dot(x, &apply(a, x)).max(0.0)
}

/// √Σ a².
pub fn frobenius(a: &Matrix) -> f64 {
    a.iter().flatten().map(|a| a * a).sum::<f64>().sqrt()
}

/// The largest entry of the diagonal, by which tolerances are measured.
pub fn scale(a: &Matrix) -> f64 {
    (0..a.len()).map(|i| a[i][i]).fold(0.0, f64::max)
}

/// Solves A x = b by elimination with pivots; A is square.
///
/// Rows and columns are scaled first, so that it does not matter how long the gradients are that A is made of.
///
/// # Errors
///
/// Fails where A is singular to working precision.
pub fn solve(a: &Matrix, b: &[f64]) -> Result<Vec<f64>> {
    let n = a.len();
    let (of_rows, of_columns) = equilibration(a);
    let mut rows: Matrix = (0..n)
        .map(|i| {
            let entries = a[i].iter().zip(&of_columns);
            let scaled = entries.map(|(entry, column)| entry * of_rows[i] * column);
            scaled.chain([b[i] * of_rows[i]]).collect()
        })
        .collect();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        let lead = rows[column][column];
        // The largest entries are 1. A comparison that NaN fails, too.
        if lead.abs().partial_cmp(&(1e-14 * n as f64)) != Some(std::cmp::Ordering::Greater) {
            bail!(
                "the {n} x {n} system of the gradients is singular: some are multiples of others, or zero"
            );
        }
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot_row = &above[column];
        for row in below {
            let factor = row[column] / lead;
            for (entry, above) in row[column..].iter_mut().zip(&pivot_row[column..]) {
                *entry -= factor * above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| rows[row][k] * x[k]).sum();
        x[row] = (rows[row][n] - known) / rows[row][row];
    }
    Ok(x.iter()
        .zip(of_columns)
        .map(|(x, scale)| x * scale)
        .collect())
}

/// Factors of rows and of columns that bring the largest entry of each to 1 (Ruiz 2001, A scaling algorithm to equilibrate
/// both rows and columns norms in matrices). Rows and columns of zeros keep a factor of 1.
fn equilibration(a: &Matrix) -> (Vec<f64>, Vec<f64>) {
    // Each pass takes the square root of what is amiss.
    const PASSES: usize = 12;
    let n = a.len();
    let (mut rows, mut columns) = (vec![1.0; n], vec![1.0; n]);
    for _ in 0..PASSES {
        let entry = |i: usize, j: usize| (a[i][j] * rows[i] * columns[j]).abs();
        let root = |most: f64| {
            if most > 0.0 && most.is_finite() {
                most.sqrt()
            } else {
                1.0
            }
        };
        let of_row = |i: usize| root((0..n).map(|j| entry(i, j)).fold(0.0, f64::max));
        let of_column = |j: usize| root((0..n).map(|i| entry(i, j)).fold(0.0, f64::max));
        let row_roots: Vec<f64> = (0..n).map(of_row).collect();
        let column_roots: Vec<f64> = (0..n).map(of_column).collect();
        for i in 0..n {
            rows[i] /= row_roots[i];
            columns[i] /= column_roots[i];
        }
    }
    (rows, columns)
}

/// Eigenvalues, ascending, and eigenvectors (as rows) of a symmetric matrix, by Jacobi's rotations (Golub and Van Loan,
/// Matrix Computations, section 8.5).
///
/// # Errors
///
/// Fails where it does not converge, as on a matrix with NaN.
pub fn eigen(a: &Matrix) -> Result<(Vec<f64>, Matrix)> {
    let n = a.len();
    let mut a = a.clone();
    let mut vectors: Matrix = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let size = frobenius(&a);
    let mut off = f64::INFINITY;
    for _ in 0..60 {
        off = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i][j] * a[i][j])
            .sum::<f64>()
            .sqrt();
        if off <= 1e-15 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (t * t + 1.0).sqrt();
                let sine = t * cosine;
                for row in &mut a {
                    let (x, y) = (row[p], row[q]);
                    row[p] = cosine * x - sine * y;
                    row[q] = sine * x + cosine * y;
                }
                for k in 0..n {
                    let (x, y) = (a[p][k], a[q][k]);
                    a[p][k] = cosine * x - sine * y;
                    a[q][k] = sine * x + cosine * y;
                    let (x, y) = (vectors[p][k], vectors[q][k]);
                    vectors[p][k] = cosine * x - sine * y;
                    vectors[q][k] = sine * x + cosine * y;
                }
            }
        }
    }
    if off.partial_cmp(&(1e-12 * size)) == Some(std::cmp::Ordering::Greater) || off.is_nan() {
        bail!("the eigenvalues of the gradients' {n} x {n} products did not converge: {a:?}");
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i][i].total_cmp(&a[j][j]));
    Ok((
        order.iter().map(|&i| a[i][i]).collect(),
        order.iter().map(|&i| vectors[i].clone()).collect(),
    ))
}

/// Solves A x = x^(-1/power) for x > 0, where A is a Gram matrix: the minimum of the strictly convex ½ xᵀ A x + Σ φ(x),
/// φ' = -x^(-1/power), by Newton's method with steps that are halved until the value falls.
///
/// Power 1 is the bargaining problem of Nash-MTL, others are the fairness of FairGrad.
///
/// # Errors
///
/// Fails where a gradient is zero (no x is best), and where it does not converge.
pub fn bargain(a: &Matrix, power: f64) -> Result<Vec<f64>> {
    let n = a.len();
    if let Some(zero) = (0..n).find(|&i| a[i][i] <= 0.0) {
        bail!(
            "the gradient of loss {zero} of {n} is zero at the shared parameters: there is nothing to bargain for"
        );
    }
    let exponent = -1.0 / power;
    let potential = |x: f64| {
        if power == 1.0 {
            -x.ln()
        } else {
            -x.powf(exponent + 1.0) / (exponent + 1.0)
        }
    };
    let value = |x: &[f64]| 0.5 * square(a, x) + x.iter().map(|&x| potential(x)).sum::<f64>();
    // The solution if the gradients were orthogonal.
    let mut x: Vec<f64> = (0..n)
        .map(|i| a[i][i].powf(-power / (power + 1.0)))
        .collect();
    for _ in 0..200 {
        let residual: Vec<f64> = apply(a, &x)
            .iter()
            .zip(&x)
            .map(|(ax, x)| ax - x.powf(exponent))
            .collect();
        let worst = residual
            .iter()
            .zip(&x)
            .map(|(r, x)| r.abs() / x.powf(exponent))
            .fold(0.0, f64::max);
        if worst < 1e-10 {
            return Ok(x);
        }
        let mut hessian = a.clone();
        for i in 0..n {
            hessian[i][i] -= exponent * x[i].powf(exponent - 1.0);
        }
        let step = solve(&hessian, &residual)?;
        let slope = -dot(&residual, &step);
        let before = value(&x);
        let mut length = 1.0;
        loop {
            let next: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x - length * s).collect();
            let falls = next.iter().all(|&x| x > 0.0)
                && value(&next) <= before + 1e-4 * length * slope + 1e-14 * before.abs();
            if falls {
                x = next;
                break;
            }
            length /= 2.0;
            if length < 1e-12 {
                bail!(
                    "the bargaining problem of the gradients' products {a:?} did not converge: no step leads down"
                );
            }
        }
    }
    bail!("the bargaining problem of the gradients' products {a:?} did not converge in 200 steps")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Matrix {
        vec![
            vec![4.0, 1.0, -0.5],
            vec![1.0, 3.0, 0.2],
            vec![-0.5, 0.2, 2.0],
        ]
    }

    #[test]
    fn systems_are_solved_and_singular_ones_told() {
        let x = solve(&sample(), &[1.0, -2.0, 3.0]).unwrap();
        for (got, expected) in apply(&sample(), &x).iter().zip([1.0, -2.0, 3.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
        let singular = vec![vec![1.0, 2.0], vec![2.0, 4.0]];
        assert!(
            solve(&singular, &[1.0, 1.0])
                .unwrap_err()
                .to_string()
                .contains("singular")
        );
        let nan = vec![vec![f64::NAN]];
        assert!(solve(&nan, &[1.0]).is_err());
        // Multiples stay multiples, however long they are; others are none, however long.
        for length in [1.0, 1e7, 1e-9, 1e100] {
            let gram = |product: f64| {
                vec![
                    vec![1.0, product * length],
                    vec![product * length, length * length],
                ]
            };
            assert!(solve(&gram(1.0), &[1.0, 1.0]).is_err(), "{length}");
            let x = solve(&gram(0.6), &[1.0, length]).unwrap();
            assert!((x[0] - 0.625).abs() < 1e-12 && (x[1] * length - 0.625).abs() < 1e-12);
        }
    }

    #[test]
    fn eigenvectors_are_turned_into_their_multiples() {
        let (values, vectors) = eigen(&sample()).unwrap();
        assert!(values.is_sorted());
        for (value, vector) in values.iter().zip(&vectors) {
            for (image, x) in apply(&sample(), vector).iter().zip(vector) {
                assert!((image - value * x).abs() < 1e-12);
            }
            assert!((dot(vector, vector) - 1.0).abs() < 1e-12);
        }
        assert!(eigen(&vec![vec![f64::NAN, 1.0], vec![1.0, 0.0]]).is_err());
    }

    #[test]
    fn bargains_are_where_each_gains_alike() {
        for power in [0.5, 1.0, 2.0, 10.0] {
            let x = bargain(&sample(), power).unwrap();
            for (ax, x) in apply(&sample(), &x).iter().zip(&x) {
                assert!((ax - x.powf(-1.0 / power)).abs() < 1e-8, "{power}");
            }
        }
        // The same gradients with lengths that differ by up to 1e14.
        for power in [0.5, 1.0, 2.0, 10.0] {
            for lengths in [[1.0, 1e7, 1.0], [1e-7, 1e7, 1.0], [3e9, 1e4, 20.0]] {
                let gram: Matrix = (0..3)
                    .map(|i| {
                        (0..3)
                            .map(|j| sample()[i][j] * lengths[i] * lengths[j])
                            .collect()
                    })
                    .collect();
                let x = bargain(&gram, power).unwrap();
                for (ax, x) in apply(&gram, &x).iter().zip(&x) {
                    let expected = x.powf(-1.0 / power);
                    assert!((ax / expected - 1.0).abs() < 1e-8, "{power} {lengths:?}");
                }
            }
        }
        let opposed = vec![vec![1.0, -0.999], vec![-0.999, 1.0]];
        let x = bargain(&opposed, 1.0).unwrap();
        assert!((x[0] - x[1]).abs() < 1e-6);
        let zero = vec![vec![1.0, 0.0], vec![0.0, 0.0]];
        assert!(
            bargain(&zero, 1.0)
                .unwrap_err()
                .to_string()
                .contains("loss 1 of 2 is zero")
        );
    }
}
