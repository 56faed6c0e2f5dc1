//! The rows of one image in bands, one a thread.

use rayon::join;

/// Rows of a plane: `width` values each.
pub struct Rows<'a, T> {
    values: &'a mut [T],
    width: usize,
}

impl<'a, T> Rows<'a, T> {
    pub fn new(values: &'a mut [T], width: usize) -> Rows<'a, T> {
        Rows { values, width }
    }

    /// All values, row after row.
    pub fn slice(&mut self) -> &mut [T] {
        self.values
    }

    /// As [`Rows::slice`], for as long as the values live.
    pub fn into_slice(self) -> &'a mut [T] {
        self.values
    }
}

/// What is cut between two rows.
pub trait Parts: Send + Sized {
    fn split(self, rows: usize) -> (Self, Self);
}

impl<T: Send> Parts for Rows<'_, T> {
    fn split(self, rows: usize) -> (Self, Self) {
        let (first, second) = self.values.split_at_mut(rows * self.width);
        (Rows::new(first, self.width), Rows::new(second, self.width))
    }
}

impl Parts for () {
    fn split(self, _rows: usize) -> (Self, Self) {
        ((), ())
    }
}

impl<A: Parts> Parts for Option<A> {
    fn split(self, rows: usize) -> (Self, Self) {
        self.map(|part| part.split(rows)).unzip()
    }
}

impl<A: Parts, B: Parts> Parts for (A, B) {
    fn split(self, rows: usize) -> (Self, Self) {
        let (a, c) = self.0.split(rows);
        let (b, d) = self.1.split(rows);
        ((a, b), (c, d))
    }
}

impl<A: Parts, const N: usize> Parts for [A; N] {
    fn split(self, rows: usize) -> (Self, Self) {
        let mut seconds = [const { None }; N];
        let mut index = 0;
        let firsts = self.map(|part| {
            let (first, second) = part.split(rows);
            seconds[index] = Some(second);
            index += 1;
            first
        });
        // `map` has visited every index.
        (
            firsts,
            seconds.map(|second| second.expect("one second half a part")),
        )
    }
}

/// Calls `work(first row, number of rows, its parts, its scratch)` for one band of rows a scratch,
/// side by side where there are several. With one scratch it is a plain call, without the pool.
pub fn in_bands<P: Parts, S: Send>(
    height: usize,
    parts: P,
    scratch: &mut [S],
    work: &(impl Fn(usize, usize, P, &mut S) + Sync),
) {
    let bands = scratch.len().min(height.max(1));
    go(0, height, parts, &mut scratch[..bands], work);
}

fn go<P: Parts, S: Send>(
    first: usize,
    rows: usize,
    parts: P,
    scratch: &mut [S],
    work: &(impl Fn(usize, usize, P, &mut S) + Sync),
) {
    if let [scratch] = scratch {
        work(first, rows, parts, scratch);
        return;
    }
    let half = scratch.len() / 2;
    let upper = rows * half / scratch.len();
    let (above, below) = parts.split(upper);
    let (scratch_above, scratch_below) = scratch.split_at_mut(half);
    join(
        || go(first, upper, above, scratch_above, work),
        || go(first + upper, rows - upper, below, scratch_below, work),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_visited_once_by_any_number_of_bands() {
        for bands in 1..9 {
            for height in [0, 1, 2, 7, 8, 30] {
                let mut values = vec![0; height * 3];
                let mut other = vec![0; height];
                let parts = (Rows::new(&mut values, 3), [Rows::new(&mut other, 1)]);
                in_bands(
                    height,
                    parts,
                    &mut vec![(); bands],
                    &|first, rows, parts, ()| {
                        let (values, [other]) = parts;
                        assert_eq!(other.values.len(), rows);
                        for (row, values) in values.into_slice().chunks_exact_mut(3).enumerate() {
                            values.iter_mut().for_each(|value| *value += first + row);
                        }
                        other.into_slice().iter_mut().for_each(|value| *value += 1);
                    },
                );
                let expected: Vec<usize> = (0..height).flat_map(|row| [row; 3]).collect();
                assert_eq!(values, expected);
                assert!(other.iter().all(|&count| count == 1));
            }
        }
    }
}
