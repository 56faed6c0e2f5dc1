//! The sums of `ops` are what cells have under PyTorch's names; that no component takes candle's is tested with the ops.

/// What every cell has under PyTorch's names.
#[test]
fn cells_have_sums_that_do_not_wrap() -> patchbay::Result<()> {
    use patchbay::prelude::*;

    let a = Tensor::ones(300, DType::U8, &device())?;
    let right = a.eq(&a)?;
    assert_eq!(sum_all(&right)?.to_scalar::<i64>()?, 300);
    assert_eq!(mean_all(&right)?.to_scalar::<f32>()?, 1.0);
    assert_eq!(
        mean(&Tensor::new(&[3u32, 4], &device())?, 0)?.to_scalar::<f32>()?,
        3.5
    );
    let tenths = Tensor::full(0.1f32, (4_200_000, 4), &device())?.contiguous()?;
    for mean in mean(&tenths, 0)?.to_vec1::<f32>()? {
        assert!((mean - 0.1).abs() < 1e-7, "{mean}");
    }
    let spread = Tensor::full(1.25f32, 300, &device())?;
    assert_eq!(var(&spread, 0)?.to_scalar::<f32>()?, 0.0);
    let logits = Tensor::new(&[[0.1f32, 0.9], [0.8, 0.2]], &device())?;
    let classes = Tensor::new(&[1u32, 1], &device())?;
    assert_eq!(accuracy(&logits, &classes)?.estimate, 0.5);
    assert_eq!(accuracy(&logits.argmax(1)?, &classes)?.estimate, 0.5);
    Ok(())
}
