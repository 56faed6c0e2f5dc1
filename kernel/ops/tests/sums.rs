//! Sums, means and variances keep their digits, and integers do not wrap.
//!
//! With `PATCHBAY_LONG_TESTS=1` up to 10^8 values, which takes a gigabyte.

use candle_core::{DType, Device, Result, Tensor, Var};
use patchbay_ops as ops;

const CPU: &Device = &Device::Cpu;

/// The powers of ten that are tried.
fn sizes() -> Vec<usize> {
    let largest = match std::env::var_os("PATCHBAY_LONG_TESTS") {
        Some(_) => 8,
        None => 7,
    };
    (3..=largest).map(|power| 10usize.pow(power)).collect()
}

fn number(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-6 * expected.abs(),
        "{what}: {found}, expected {expected}"
    );
}

/// Positive numbers that are no round ones, and no two neighbors alike.
fn values(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| 0.1 + ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 2e7)
        .collect()
}

#[test]
fn one_value_many_times() {
    for count in sizes() {
        let x = Tensor::full(0.1f32, count, CPU)
            .unwrap()
            .contiguous()
            .unwrap();
        let exact = f64::from(0.1f32);
        assert_close(
            number(&ops::sum_all(&x).unwrap()),
            exact * count as f64,
            "sum",
        );
        assert_close(number(&ops::mean_all(&x).unwrap()), exact, "mean");
        assert_close(number(&ops::mean(&x, 0).unwrap()), exact, "mean over 0");
        assert_eq!(number(&ops::var_all(&x).unwrap()), 0.0, "{count}");
    }
}

#[test]
fn sums_along_each_dimension_are_those_in_f64() {
    let count = *sizes().last().unwrap();
    let values = values(count);
    let total: f64 = values.iter().map(|&x| f64::from(x)).sum();
    let mean = total / count as f64;
    let squares: f64 = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    let variance = squares / (count - 1) as f64;
    let flat = Tensor::from_vec(values, count, CPU).unwrap();
    assert_close(number(&ops::var_all(&flat).unwrap()), variance, "var");
    for width in [1, 4, 10, 1000] {
        let x = flat.reshape((count / width, width)).unwrap();
        for (what, x) in [("rows", x.clone()), ("columns", x.t().unwrap())] {
            let of_long = x
                .dims()
                .iter()
                .position(|&length| length != width)
                .unwrap_or(0);
            let sums = ops::sum(&x, of_long).unwrap();
            let sums: Vec<f64> = sums.to_dtype(DType::F64).unwrap().to_vec1().unwrap();
            assert_close(sums.iter().sum(), total, what);
            let sums = ops::sum(&x, 1 - of_long).unwrap();
            assert_close(number(&ops::sum_all(&sums).unwrap()), total, what);
            let means = ops::mean(&x, 1 - of_long).unwrap();
            assert_close(number(&ops::mean_all(&means).unwrap()), mean, what);
        }
    }
    // Several dimensions at once, those in the middle among them.
    let x = flat.reshape((count / 1000, 5, 40, 5)).unwrap();
    for dims in [vec![0, 2], vec![1, 3], vec![0, 1, 3], vec![2]] {
        let sums = ops::sum(&x, dims.clone()).unwrap();
        assert_close(number(&ops::sum_all(&sums).unwrap()), total, "several");
        let sums = ops::sum(&x.transpose(0, 3).unwrap(), dims).unwrap();
        assert_close(number(&ops::sum_all(&sums).unwrap()), total, "transposed");
    }
}

#[test]
fn the_composition_for_other_devices_keeps_the_digits_too() {
    for count in sizes() {
        let x = Tensor::from_vec(values(count), (count / 10, 10), CPU).unwrap();
        let exact = number(&ops::sum_all(&x.to_dtype(DType::F64).unwrap()).unwrap());
        let found = ops::composed(|| ops::sum(&x, (0, 1))).unwrap();
        assert_close(number(&found), exact, "all");
        for dim in [0, 1] {
            let found = ops::composed(|| ops::sum(&x, dim)).unwrap();
            let expected = ops::sum(&x, dim).unwrap();
            let (found, expected): (Vec<f32>, Vec<f32>) =
                (found.to_vec1().unwrap(), expected.to_vec1().unwrap());
            for (found, expected) in found.iter().zip(expected) {
                assert_close(f64::from(*found), f64::from(expected), "along a dimension");
            }
        }
        let equal = Tensor::full(0.1f32, count, CPU)
            .unwrap()
            .contiguous()
            .unwrap();
        let variance = ops::composed(|| ops::var(&equal, 0)).unwrap();
        // The mean is rounded to f32, and so is what is left of it.
        assert!(number(&variance) < 1e-15, "{variance}");
    }
}

#[test]
fn large_offsets_leave_the_variance_alone() {
    // 0 and 1 in turn, 10^6 away from zero.
    let values: Vec<f32> = (0..1000).map(|i| 1e6 + (i % 2) as f32).collect();
    let x = Tensor::from_vec(values, 1000, CPU).unwrap();
    let biased = ops::var_with(&x, 0, 0.0, false).unwrap();
    assert_eq!(number(&biased), 0.25);
    assert_close(number(&ops::var(&x, 0).unwrap()), 250.0 / 999.0, "unbiased");
    // What cancels is not lost before.
    let x = Tensor::new(&[3e7f32, 1.0, -3e7, 1.0], CPU).unwrap();
    assert_eq!(number(&ops::sum_all(&x).unwrap()), 2.0);
}

#[test]
fn halves_and_doubles() {
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let x = Tensor::full(0.5f64, (300, 40), CPU)
            .unwrap()
            .to_dtype(dtype)
            .unwrap();
        let sum = ops::sum_all(&x).unwrap();
        assert_eq!(sum.dtype(), dtype);
        // 6000 is a number of f16, and in bf16 its neighbor 5984 or 6016 is.
        assert!((number(&sum) - 6000.0).abs() <= if dtype == DType::BF16 { 16.0 } else { 0.0 });
        assert_eq!(number(&ops::mean_all(&x).unwrap()), 0.5);
        assert_eq!(ops::mean(&x, 0).unwrap().dims(), [40]);
    }
    let many = Tensor::full(0.1f64, 3_000_000, CPU).unwrap();
    let mean = number(&ops::mean_all(&many).unwrap());
    assert!((mean - 0.1).abs() < 1e-13, "{mean}");
}

#[test]
fn integers_do_not_wrap() {
    for count in [300usize, 70_000, 1_000_000] {
        let a = Tensor::ones(count, DType::U8, CPU).unwrap();
        let right = a.eq(&a).unwrap();
        let sum = ops::sum_all(&right).unwrap();
        assert_eq!(sum.dtype(), DType::I64);
        assert_eq!(sum.to_scalar::<i64>().unwrap(), count as i64);
        let mean = ops::mean_all(&right).unwrap();
        assert_eq!((mean.dtype(), number(&mean)), (DType::F32, 1.0));
    }
    for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64] {
        let x = Tensor::new(&[[3i64, 4], [200, 250]], CPU)
            .unwrap()
            .to_dtype(dtype)
            .unwrap();
        assert_eq!(ops::sum(&x, 1).unwrap().to_vec1::<i64>().unwrap(), [7, 450]);
        assert_eq!(
            ops::sum_keepdim(&x, 0).unwrap().to_vec2::<i64>().unwrap(),
            [[203, 254]]
        );
        assert_eq!(
            ops::mean(&x, 1).unwrap().to_vec1::<f32>().unwrap(),
            [3.5, 225.0]
        );
        assert_eq!(
            ops::var(&x.t().unwrap(), 0)
                .unwrap()
                .to_vec1::<f32>()
                .unwrap(),
            [0.5, 1250.0]
        );
    }
    let most = Tensor::new(&[u32::MAX; 3], CPU).unwrap();
    let sum = ops::sum_all(&most).unwrap().to_scalar::<i64>().unwrap();
    assert_eq!(sum, 3 * i64::from(u32::MAX));
    let beyond = Tensor::new(&[i64::MAX, i64::MAX], CPU).unwrap();
    let text = ops::sum_all(&beyond).unwrap_err().to_string();
    assert!(text.contains("beyond i64"), "{text}");
    assert_close(
        number(&ops::mean_all(&beyond).unwrap()),
        i64::MAX as f64,
        "mean",
    );
    let below = Tensor::new(&[-3i64, -4], CPU).unwrap();
    assert_eq!(number(&ops::mean_all(&below).unwrap()), -3.5);
}

#[test]
fn shapes_views_and_empty_tensors() -> Result<()> {
    let x = Tensor::arange(0f32, 24.0, CPU)?.reshape((2, 3, 4))?;
    assert_eq!(ops::sum(&x, (0, 2))?.to_vec1::<f32>()?, [60.0, 92.0, 124.0]);
    assert_eq!(ops::sum_keepdim(&x, (0, 2))?.dims(), [1, 3, 1]);
    assert_eq!(ops::mean(&x, candle_core::D::Minus1)?.dims(), [2, 3]);
    // Repeated values count as often as they are there.
    let row = Tensor::new(&[1f32, 2.0, 4.0], CPU)?;
    let repeated = row.broadcast_as((5, 3))?;
    assert_eq!(ops::sum(&repeated, 0)?.to_vec1::<f32>()?, [5.0, 10.0, 20.0]);
    assert_eq!(ops::sum(&repeated, 1)?.to_vec1::<f32>()?, [7.0; 5]);
    assert_eq!(number(&ops::sum_all(&repeated)?), 35.0);
    assert_eq!(ops::var(&repeated, 0)?.to_vec1::<f32>()?, [0.0; 3]);
    assert_close(
        number(&ops::var_with(&repeated, (0, 1), 0.0, false)?),
        14.0 / 9.0,
        "var",
    );
    let part = x.narrow(1, 1, 2)?.transpose(0, 2)?;
    let whole = part.contiguous()?;
    for dims in [vec![], vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
        for (a, b) in [
            (
                ops::sum(&part, dims.clone())?,
                ops::sum(&whole, dims.clone())?,
            ),
            (
                ops::var(&part, dims.clone())?,
                ops::var(&whole, dims.clone())?,
            ),
        ] {
            assert_eq!(a.dims(), b.dims());
            let (a, b): (Vec<f32>, Vec<f32>) =
                (a.flatten_all()?.to_vec1()?, b.flatten_all()?.to_vec1()?);
            assert!(
                a.iter()
                    .zip(&b)
                    .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
            );
        }
    }
    let scalar = Tensor::new(3f32, CPU)?;
    assert_eq!(number(&ops::sum_all(&scalar)?), 3.0);
    let empty = Tensor::zeros((0, 3), DType::F32, CPU)?;
    assert_eq!(number(&ops::sum_all(&empty)?), 0.0);
    assert_eq!(ops::sum(&empty, 0)?.to_vec1::<f32>()?, [0.0; 3]);
    assert_eq!(ops::sum(&empty, 1)?.dims(), [0]);
    assert!(number(&ops::mean_all(&empty)?).is_nan());
    assert!(number(&ops::var_all(&scalar)?).is_nan());
    assert_eq!(
        ops::sum_all(&empty.to_dtype(DType::U8)?)?.to_scalar::<i64>()?,
        0
    );
    let nan = Tensor::new(&[1f32, f32::NAN], CPU)?;
    assert!(number(&ops::sum_all(&nan)?).is_nan());
    assert!(ops::sum(&x, 3).is_err());
    assert!(ops::sum(&x, (1, 1)).is_err());
    Ok(())
}

/// A bias is added to 10^6 rows: its gradient is a sum of as many.
#[test]
fn gradients_of_what_is_repeated_keep_the_digits() -> Result<()> {
    let rows = 1_000_000;
    let grad = Tensor::full(0.1f32, (rows, 3), CPU)?.contiguous()?;
    let exact = f64::from(0.1f32) * rows as f64;
    let check = |var: &Var, y: Tensor, factor: f64, what: &str| -> Result<()> {
        let store = ops::sum_all(&(y * &grad)?)?.backward()?;
        let found = store.get(var).unwrap().flatten_all()?;
        for found in found.to_dtype(DType::F64)?.to_vec1::<f64>()? {
            assert_close(found, factor * exact, what);
        }
        Ok(())
    };
    let bias = Var::ones(3, DType::F32, CPU)?;
    let x = Tensor::ones((rows, 3), DType::F32, CPU)?;
    check(&bias, ops::broadcast_add(&x, &bias)?, 1.0, "add")?;
    check(&bias, ops::broadcast_sub(&x, &bias)?, -1.0, "sub")?;
    check(&bias, ops::broadcast_mul(&x, &bias)?, 1.0, "mul")?;
    check(&bias, ops::broadcast_div(&x, &bias)?, -1.0, "div")?;
    check(&bias, ops::broadcast_as(&bias, (rows, 3))?, 1.0, "as")?;
    let temperature = Var::ones((), DType::F32, CPU)?;
    check(
        &temperature,
        ops::broadcast_div(&x, &temperature)?,
        -3.0,
        "temperature",
    )?;
    let weight = Var::zeros((3, 2), DType::F32, CPU)?;
    let linear = ops::linear(
        &Tensor::ones((rows, 2), DType::F32, CPU)?,
        &weight,
        Some(&bias),
    )?;
    check(&bias, linear, 1.0, "linear")?;
    let norm_bias = Var::zeros(3, DType::F32, CPU)?;
    let norm_weight = Var::ones(3, DType::F32, CPU)?;
    let varied = Tensor::from_vec(values(3 * rows), (rows, 3), CPU)?;
    let normed = ops::layer_norm(&varied, Some(&norm_weight), Some(&norm_bias), 1e-5)?;
    check(&norm_bias, normed, 1.0, "layer norm")?;
    // One row of a table, a million times.
    let table = Var::zeros((5, 3), DType::F32, CPU)?;
    let ids = Tensor::full(2u32, rows, CPU)?.contiguous()?;
    let store = ops::sum_all(&(ops::embedding(&ids, &table, None)? * &grad)?)?.backward()?;
    let found = store
        .get(&table)
        .unwrap()
        .to_dtype(DType::F64)?
        .to_vec2::<f64>()?;
    assert_close(found[2][1], exact, "embedding");
    assert_eq!(found[1], [0.0; 3]);
    let source = Var::zeros((4, 1), DType::F32, CPU)?;
    let index = Tensor::full(1u32, (rows, 1), CPU)?.contiguous()?;
    let gathered = ops::gather(&source, 0, &index)?;
    let store = ops::sum_all(&(gathered * grad.narrow(1, 0, 1)?)?)?.backward()?;
    assert_close(
        f64::from(store.get(&source).unwrap().to_vec2::<f32>()?[1][0]),
        exact,
        "gather",
    );
    let image = Tensor::ones((4, 2, 500, 500), DType::F32, CPU)?;
    let (kernel, bias) = (
        Tensor::zeros((3, 2, 1, 1), DType::F32, CPU)?,
        Var::zeros(3, DType::F32, CPU)?,
    );
    let y = (ops::conv2d(&image, &kernel, Some(&bias), Default::default())? * 0.1)?;
    let store = ops::sum_all(&y)?.backward()?;
    for found in store.get(&bias).unwrap().to_vec1::<f32>()? {
        assert_close(f64::from(found), exact, "conv2d");
    }
    Ok(())
}

/// Rows and columns of many values: softmax, norms and cross entropy add them up, too.
#[test]
fn norms_and_softmax_of_many_values() -> Result<()> {
    let n = 1_000_000;
    let values = values(n);
    let exact: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    let x = Tensor::from_vec(values, n, CPU)?;
    let largest = exact.iter().copied().max_by(f64::total_cmp).unwrap();
    // Over rows, and over columns of one, few and many neighbors.
    for inner in [1usize, 3, 70] {
        let length = n / inner;
        let x = Tensor::from_vec(
            (0..length * inner)
                .map(|i| exact[i / inner] as f32)
                .collect::<Vec<_>>(),
            (1, length, inner),
            CPU,
        )?;
        let part = &exact[..length];
        let log_sum = largest + part.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
        let found = ops::log_softmax_dim(&x, 1)?.to_dtype(DType::F64)?;
        let found = found.get(0)?.to_vec2::<f64>()?;
        for value in &found[17] {
            assert!((value - (exact[17] - log_sum)).abs() < 2e-6, "{inner}");
        }
        let weights = ops::sum_all(&ops::softmax_dim(&x, 1)?)?;
        assert_close(number(&weights), inner as f64, "softmax");
        let target = Tensor::zeros((1, inner), DType::U32, CPU)?;
        let loss = ops::cross_entropy(&x, &target)?;
        assert_close(number(&loss), log_sum - exact[0], "cross entropy");
    }
    let square: f64 = exact.iter().map(|x| x * x).sum();
    let found = ops::l2_normalize(&x, 0, 1e-12)?.to_dtype(DType::F64)?;
    assert_close(found.to_vec1::<f64>()?[3], exact[3] / square.sqrt(), "l2");
    let found = ops::rms_norm(&x.unsqueeze(0)?, None, 0.0)?.to_dtype(DType::F64)?;
    assert_close(
        found.to_vec2::<f64>()?[0][3],
        exact[3] / (square / n as f64).sqrt(),
        "rms norm",
    );
    let mean = exact.iter().sum::<f64>() / n as f64;
    let variance = exact.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    let found = ops::layer_norm(&x.unsqueeze(0)?, None, None, 0.0)?.to_dtype(DType::F64)?;
    let expected = (exact[3] - mean) / variance.sqrt();
    assert!((found.to_vec2::<f64>()?[0][3] - expected).abs() < 2e-6);
    let pooled = ops::adaptive_avg_pool2d(&x.reshape((1, 1, 1000, 1000))?, (1, 1))?;
    assert_close(number(&pooled.flatten_all()?.get(0)?), mean, "pooling");
    Ok(())
}
