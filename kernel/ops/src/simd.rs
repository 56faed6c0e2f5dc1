//! Kernels that are compiled for several instruction sets; the widest that the processor has runs.

use std::ops::Range;

use rayon::prelude::*;

/// Defines a function whose body is compiled for the baseline, for AVX2 and for AVX-512, with the choice made
/// at run time. What the body calls must be `#[inline(always)]`, and it takes no closures: what is not inlined
/// is compiled for the baseline.
macro_rules! simd_kernel {
    (
        $(#[$attribute:meta])*
        fn $name:ident[$life:lifetime, $real:ident: $bound:ident $(, $other:ident: $other_bound:path)*](
            $($argument:ident: $type:ty),* $(,)?
        ) -> $output:ty $body:block
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        fn $name<$life, $real: $bound $(, $other: $other_bound)*>($($argument: $type),*) -> $output {
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

/// How many rows a piece of work holds, where `work` is the number of values that a row costs.
pub(crate) fn rows_of_a_piece(rows: usize, work: usize) -> usize {
    let smallest = GRAIN.div_ceil(work.max(1));
    // Four pieces a thread even out threads that are slowed down by something else.
    let even = rows.div_ceil(4 * rayon::current_num_threads());
    smallest.max(even).max(1)
}

/// Calls `f` with the pieces of `out`, on several threads where it is long: the range of rows, and their part
/// of `out`. A row has `width` values and costs as much as `work` values.
pub(crate) fn for_rows<T: Send>(
    out: &mut [T],
    width: usize,
    work: usize,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let rows = out.len() / width;
    let piece = rows_of_a_piece(rows, work);
    if piece >= rows {
        f(0..rows, out);
        return;
    }
    out.par_chunks_mut(piece * width)
        .enumerate()
        .for_each(|(index, part)| {
            let first = index * piece;
            f(first..first + part.len() / width, part);
        });
}

/// How many partial results the reductions below keep: they fill the widest registers.
pub(crate) const LANES: usize = 16;
