//! Kernels that are compiled for several instruction sets; the widest that the processor has runs.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use crate::real::Real;

/// Defines a function whose body is compiled for the baseline, for AVX2 and for AVX-512, with the choice made
/// at run time. What the body calls must be `#[inline(always)]`, and it takes no closures: what is not inlined
/// is compiled for the baseline.
macro_rules! simd_kernel {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident[$life:lifetime, $real:ident: $bound:ident $(, $other:ident: $other_bound:path)*](
            $($argument:ident: $type:ty),* $(,)?
        ) -> $output:ty $body:block
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name<$life, $real: $bound $(, $other: $other_bound)*>($($argument: $type),*) -> $output {
            struct Kernel<$life, $real: $bound $(, $other: $other_bound)*> {
                $($argument: $type,)*
                marker: std::marker::PhantomData<(&$life $real, $($other),*)>,
            }
            impl<$life, $real: $bound $(, $other: $other_bound)*> pulp::NullaryFnOnce
                for Kernel<$life, $real $(, $other)*>
            {
                type Output = $output;
                #[inline(always)]
                fn call(self) -> $output {
                    let Kernel { $($argument,)* marker: _ } = self;
                    $body
                }
            }
            let kernel = Kernel::<$life, $real $(, $other)*> {
                $($argument,)*
                marker: std::marker::PhantomData,
            };
            pulp::Arch::new().dispatch(kernel)
        }
    };
}
pub(crate) use simd_kernel;

/// How many values a thread takes at least: handing work to another thread costs some microseconds.
pub(crate) const GRAIN: usize = 16 * 1024;

/// How many values a piece of work holds at most: as many as a core's second-level cache has room for, beside
/// those that are read.
const LARGEST: usize = 64 * 1024;

/// How many rows a piece of work holds, where `work` is the number of values that a row costs.
pub(crate) fn rows_of_a_piece(rows: usize, work: usize) -> usize {
    let smallest = GRAIN.div_ceil(work.max(1));
    let largest = (LARGEST / work.max(1)).max(smallest);
    // Four pieces a thread even out threads that are slowed down by something else.
    let even = rows.div_ceil(4 * rayon::current_num_threads());
    even.clamp(smallest, largest)
}

/// Makes `rows` rows of `width` values on several threads, where a row costs as much as `work` values.
///
/// `f` gets the range of rows of a piece and the piece, which holds zeros; what it returns comes back in the
/// order of the pieces. The memory is fresh and each thread clears its own part while it is in its cache: a
/// vector of zeros from the allocator would be written twice, first by a single thread.
pub(crate) fn produce<T: Real, R: Send>(
    rows: usize,
    width: usize,
    work: usize,
    f: impl Fn(Range<usize>, &mut [T]) -> R + Sync,
) -> (Vec<T>, Vec<R>) {
    let length = rows * width;
    let mut values = Vec::with_capacity(length);
    if length == 0 {
        return (values, Vec::new());
    }
    let piece = rows_of_a_piece(rows, work);
    let one = |(index, part): (usize, &mut [MaybeUninit<T>])| {
        let first = index * piece;
        for value in part.iter_mut() {
            value.write(T::ZERO);
        }
        // SAFETY: the loop has written every value of the part.
        let part = unsafe { part.assume_init_mut() };
        f(first..first + part.len() / width, part)
    };
    let spare = &mut values.spare_capacity_mut()[..length];
    let results = if piece >= rows {
        vec![one((0, spare))]
    } else {
        spare
            .par_chunks_mut(piece * width)
            .enumerate()
            .map(one)
            .collect()
    };
    // SAFETY: the pieces cover all values, and each has been written.
    unsafe { values.set_len(length) };
    (values, results)
}

/// [`produce`] where the pieces return nothing.
pub(crate) fn fill<T: Real>(
    rows: usize,
    width: usize,
    work: usize,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    produce(rows, width, work, f).0
}

/// Zeros, written by all threads.
pub(crate) fn zeros<T: Real>(length: usize) -> Vec<T> {
    fill(length, 1, 1, |_, _| {})
}

/// How many partial results the reductions below keep: they fill the widest registers.
pub(crate) const LANES: usize = 16;
