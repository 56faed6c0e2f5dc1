//! Hard negatives for image-text matching.

use patchbay::{ops::Stream, plugin::prelude::*};

/// For each row of similarities `[batch, batch]` (over the temperature) another column, drawn with the probability of a softmax
/// over the columns that are allowed: never the row's own, and where `ids` are given none with the row's id. `None` where a
/// batch of one has no other.
///
/// The official program takes the softmax first and clears the diagonal then, which leaves a row of zeros where the own
/// similarity has all the weight, and fails there. Leaving the diagonal out of the softmax gives the same frequencies and
/// works always. Where all others have the row's id, the id is passed over.
///
/// # Errors
///
/// Fails where there is not one id for each row.
pub fn hard_negatives(
    similarity: &Tensor,
    ids: Option<&[i64]>,
    stream: Stream,
) -> Result<Option<Vec<u32>>> {
    let rows: Vec<Vec<f32>> = similarity.detach().to_dtype(DType::F32)?.to_vec2()?;
    let batch = rows.len();
    if let Some(ids) = ids.filter(|ids| ids.len() != batch) {
        bail!("there are {} ids for {batch} pairs", ids.len());
    }
    if batch < 2 {
        return Ok(None);
    }
    let draws = stream.uniform(batch);
    let chosen = rows
        .iter()
        .zip(draws)
        .enumerate()
        .map(|(own, (row, draw))| {
            let others = |allowed: &dyn Fn(usize) -> bool| -> Vec<usize> {
                (0..batch)
                    .filter(|&column| column != own && allowed(column))
                    .collect()
            };
            let mut candidates = match ids {
                Some(ids) => others(&|column| ids[column] != ids[own]),
                None => others(&|_| true),
            };
            if candidates.is_empty() {
                candidates = others(&|_| true);
            }
            draw_by_softmax(row, &candidates, draw) as u32
        });
    Ok(Some(chosen.collect()))
}

/// One of the candidates (at least one), by a number in 0..1.
fn draw_by_softmax(row: &[f32], candidates: &[usize], draw: f64) -> usize {
    let score = |&column: &usize| f64::from(row[column]);
    let largest = candidates
        .iter()
        .map(score)
        .fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = candidates
        .iter()
        .map(|column| (score(column) - largest).exp())
        .collect();
    let mut left = draw * weights.iter().sum::<f64>();
    for (&column, weight) in candidates.iter().zip(weights) {
        left -= weight;
        if left < 0.0 {
            return column;
        }
    }
    candidates[candidates.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(rows: &[Vec<f32>], ids: Option<&[i64]>) -> Vec<u32> {
        let count = rows.len();
        let flat: Vec<f32> = rows.concat();
        let similarity = Tensor::from_vec(flat, (count, count), &Device::Cpu).unwrap();
        hard_negatives(&similarity, ids, Stream::next())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn frequencies_are_those_of_the_softmax_without_the_own_column() {
        nn::seed_all(7).unwrap();
        let rows = vec![
            vec![2.0, 0.0, 1.0, -1.0],
            vec![0.5, 3.0, 0.0, 0.0],
            vec![0.0, 0.0, 0.0, 0.0],
            vec![1.0, 2.0, 3.0, 9.0],
        ];
        let draws = 20_000;
        let mut counts = vec![[0f64; 4]; 4];
        for _ in 0..draws {
            for (row, column) in draw(&rows, None).into_iter().enumerate() {
                counts[row][column as usize] += 1.0;
            }
        }
        for (own, (row, counts)) in rows.iter().zip(&counts).enumerate() {
            let weight = |column: usize| {
                if column == own {
                    0.0
                } else {
                    f64::from(row[column]).exp()
                }
            };
            let total: f64 = (0..4).map(weight).sum();
            for (column, &count) in counts.iter().enumerate() {
                let p = weight(column) / total;
                // Four and a half standard deviations.
                let noise = 4.5 * (p * (1.0 - p) / f64::from(draws)).sqrt();
                let found = count / f64::from(draws);
                assert!(
                    (found - p).abs() <= noise,
                    "row {own}, column {column}: {found}, expected {p}"
                );
            }
        }
    }

    #[test]
    fn saturated_rows_equal_ids_and_single_pairs_are_safe() {
        let saturated = vec![
            vec![1e4, -1e4, -1e4],
            vec![-1e4, 1e4, -2e4],
            vec![0.0, 0.0, 1e4],
        ];
        for _ in 0..50 {
            let drawn = draw(&saturated, None);
            assert!(drawn[0] != 0 && drawn[1] == 0 && drawn[2] != 2, "{drawn:?}");
            // The first two are the same picture.
            assert_eq!(draw(&saturated, Some(&[5, 5, 6]))[..2], [2, 2]);
            assert_ne!(draw(&saturated, Some(&[5, 5, 5]))[0], 0);
        }
        let one = Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap();
        assert!(
            hard_negatives(&one, None, Stream::next())
                .unwrap()
                .is_none()
        );
        assert!(hard_negatives(&one, Some(&[1, 2]), Stream::next()).is_err());
    }
}
