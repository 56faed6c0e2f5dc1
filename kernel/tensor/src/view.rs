//! Shapes in which one length may be left to be found.

use candle_core::{Result, Shape, Tensor, bail};

/// A length of a dimension; -1 or `()` is the one that is found.
pub trait Extent: Copy {
    /// Returns the length, or -1.
    fn extent(self) -> i64;
}

impl Extent for () {
    fn extent(self) -> i64 {
        -1
    }
}

/// The shape that `view` takes: integers of any types, one of which may be -1.
pub trait ViewShape {
    /// Returns the lengths, -1 for the one that is found.
    fn extents(self) -> Vec<i64>;
}

impl ViewShape for () {
    fn extents(self) -> Vec<i64> {
        Vec::new()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Extent for $number {
            fn extent(self) -> i64 {
                // No tensor is so long.
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }

        impl ViewShape for $number {
            fn extents(self) -> Vec<i64> {
                vec![self.extent()]
            }
        }
    )*};
}

numbers!(i32, i64, isize, u32, usize);

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Extent),+> ViewShape for ($($name,)+) {
            #[allow(non_snake_case)]
            fn extents(self) -> Vec<i64> {
                let ($($name,)+) = self;
                vec![$($name.extent()),+]
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C E;
    A B C E F;
    A B C E F G;
}

impl<T: Extent, const N: usize> ViewShape for [T; N] {
    fn extents(self) -> Vec<i64> {
        self.map(Extent::extent).to_vec()
    }
}

impl<T: Extent> ViewShape for &[T] {
    fn extents(self) -> Vec<i64> {
        self.iter().map(|&length| length.extent()).collect()
    }
}

impl<T: Extent> ViewShape for Vec<T> {
    fn extents(self) -> Vec<i64> {
        self.as_slice().extents()
    }
}

impl ViewShape for &Shape {
    fn extents(self) -> Vec<i64> {
        self.dims().extents()
    }
}

/// Returns `x` in the shape of `extents`.
pub(crate) fn view(x: &Tensor, extents: &[i64]) -> Result<Tensor> {
    let open = extents.iter().filter(|&&length| length == -1).count();
    let known: i64 = extents
        .iter()
        .filter(|&&length| length != -1)
        .try_fold(1i64, |product, &length| product.checked_mul(length))
        .unwrap_or(i64::MAX);
    let count = x.elem_count() as i64;
    if open > 1 || extents.iter().any(|&length| length < -1) {
        bail!(
            "view: the shape is {extents:?}: must have one -1 at most, and no other negative length"
        )
    }
    let fits = match open {
        0 => known == count,
        _ => known > 0 && count % known == 0,
    };
    if !fits {
        bail!(
            "view: {:?} of {count} values does not fit into {extents:?}",
            x.dims()
        )
    }
    let lengths: Vec<usize> = extents
        .iter()
        .map(|&length| if length == -1 { count / known } else { length } as usize)
        .collect();
    x.reshape(lengths)
}
