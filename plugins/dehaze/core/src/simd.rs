//! One function, compiled for several instruction sets, the best one chosen when it is called.
//!
//! The build's baseline is plain x86-64. A function in [`multiversion!`] is compiled for AVX-512 and
//! for AVX2 as well; its loops are plain Rust, which the compiler vectorizes. No operation is fused
//! or reordered, so every machine computes the same bits.

use std::sync::OnceLock;

/// What the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// The best level of this processor. `PATCHBAY_SIMD=baseline` or `avx2` lowers it, for tests and
/// measurements.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wanted = match std::env::var("PATCHBAY_SIMD").as_deref() {
            Ok("baseline") => Level::Baseline,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        detected().min(wanted)
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Level {
    Level::Baseline
}

/// Compiles a function for each [`Level`]. `fn name<T: Bound, const N: usize>(...)` takes at most one
/// type parameter and at most one constant.
macro_rules! multiversion {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$type:ident: $bound:path>)? (
            $($argument:ident: $argument_type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$type: $bound>)? ($($argument: $argument_type),*) $(-> $result)? {
            #[inline(always)]
            fn plain $(<$type: $bound>)? ($($argument: $argument_type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$type: $bound>)? ($($argument: $argument_type),*) $(-> $result)? {
                    plain($($argument),*)
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512 $(<$type: $bound>)? ($($argument: $argument_type),*) $(-> $result)? {
                    plain($($argument),*)
                }
                match $crate::simd::level() {
                    // SAFETY: the processor was found to have these instructions.
                    $crate::simd::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::simd::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::simd::Level::Baseline => {}
                }
            }
            plain($($argument),*)
        }
    };
}
pub(crate) use multiversion;
