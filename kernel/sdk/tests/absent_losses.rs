//! A balancer that knows nothing of losses without a gradient goes on without them, as the slot leaves them out.

use patchbay::plugin::prelude::*;

/// Weighs by the inverse of the loss.
pub struct Inverse;

impl Component for Inverse {}

impl Define for Inverse {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/test_inverse";
    const SUMMARY: &'static str = "1 / L";
    const DETAILS: Details = Details::NONE;

    fn build((): (), _: &Context) -> Result<Self> {
        Ok(Inverse)
    }
}

impl Balancer for Inverse {
    fn backward(&self, losses: &[Tensor], _: &[Var]) -> Result<Balanced> {
        let mut weights = Vec::new();
        let mut total = Tensor::new(0f32, &Device::Cpu)?;
        for (index, loss) in losses.iter().enumerate() {
            let weight = 1.0 / f64::from(loss.to_scalar::<f32>()?);
            if !weight.is_finite() {
                bail!("loss {index} is 0");
            }
            total = (total + (loss * weight)?)?;
            weights.push(weight);
        }
        Ok(Balanced::new(total.backward()?, weights))
    }
}

patchbay::export_plugin!(Inverse);

#[test]
fn losses_without_a_gradient_are_left_out() -> Result<()> {
    register().map_err(candle::Error::wrap)?;
    let x = Var::new(&[1f32, 2.0], &Device::Cpu)?;
    let shared = std::slice::from_ref(&x);
    let loss = x.sqr()?.sum_all()?;
    let missing = [
        Tensor::new(0f32, &Device::Cpu)?,
        (&loss * 0.0)?,
        (&loss * Tensor::new(0f32, &Device::Cpu)?)?,
    ];
    for missing in missing {
        for (place, expected) in [
            (0, [0.0, 0.2, 0.1]),
            (1, [0.2, 0.0, 0.1]),
            (2, [0.2, 0.1, 0.0]),
        ] {
            let balancer = create::<dyn Balancer>("balancer/test_inverse", json!({}))
                .map_err(candle::Error::wrap)?;
            let mut losses = vec![loss.clone(), (&loss * 2.0)?];
            losses.insert(place, missing.clone());
            let balanced = balancer.backward(&losses, shared)?;
            for (weight, expected) in balanced.weights.iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-7, "{:?}", balanced.weights);
            }
            assert_eq!(balanced.absent.len(), 1);
            assert_eq!(balanced.absent[0].loss, place);
            // 1 / L of each, times its gradient: twice that of the logarithm.
            let gradient = balanced.gradients.get(&x).unwrap().to_vec1::<f32>()?;
            assert!((gradient[0] - 0.8).abs() < 1e-6, "{gradient:?}");
        }
    }
    Ok(())
}

/// A loss of 0 whose gradient is none: it is there, and the component's error has the numbers that it was given.
#[test]
fn a_loss_may_pass_through_zero() -> Result<()> {
    register().map_err(candle::Error::wrap)?;
    let balancer =
        create::<dyn Balancer>("balancer/test_inverse", json!({})).map_err(candle::Error::wrap)?;
    let x = Var::new(&[1f32, 2.0], &Device::Cpu)?;
    let constant = Tensor::new(3f32, &Device::Cpu)?;
    let zero = (x.sum_all()? - 3.0)?;
    let error = balancer.backward(&[constant, x.sum_all()?, zero], std::slice::from_ref(&x));
    let text = error.err().unwrap().to_string();
    assert!(
        text.contains("loss 1 is 0") && text.contains("are [1, 2] of 3"),
        "{text}"
    );
    Ok(())
}
