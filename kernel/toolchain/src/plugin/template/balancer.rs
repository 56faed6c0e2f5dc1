//! Loss balancers for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Inverse`].
    pub struct InverseConfig {
        /// Exponent of the losses' sizes; 0 weighs all alike, 1 makes all weighted losses equal.
        #[schemars(range(min = 0.0, max = 1.0))]
        exponent: f64 = 0.5,
    }
}

/// Weighs each loss by a power of its inverse, so that large losses do not drown small ones.
pub struct Inverse {
    config: InverseConfig,
}

impl Component for Inverse {}

impl Define for Inverse {
    type Kind = dyn Balancer;
    type Config = InverseConfig;
    const ID: &'static str = "balancer/my_name_inverse";
    const SUMMARY: &'static str = "Weights that fall with the size of the loss";
    const DETAILS: Details = Details {
        formula: "w_k = K l_k^-exponent / sum_j l_j^-exponent",
        shapes: "losses: K scalars []; weights: K numbers whose sum is K",
        ..Details::NONE
    };

    fn build(config: InverseConfig, _context: &Context) -> Result<Self> {
        Ok(Inverse { config })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        Ok(Sample::new(json!({}))
            .input("shared", Tensor::new(&[0.3f32, -1.2, 0.5], &Device::Cpu)?)
            .input(
                "targets",
                Tensor::new(&[[1f32, 0.0, 2.0], [-1.0, 3.0, 0.5]], &Device::Cpu)?,
            ))
    }
}

impl Balancer for Inverse {
    fn backward(&self, losses: &[Tensor], _shared: &[Var]) -> Result<Balanced> {
        let mut weights = Vec::with_capacity(losses.len());
        for (index, loss) in losses.iter().enumerate() {
            let size = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            if !(size.is_finite() && size > 0.0) {
                bail!(
                    "loss {index} must be a positive number to be weighed by its size; it is {size}"
                );
            }
            weights.push(size.powf(-self.config.exponent));
        }
        let scale = losses.len() as f64 / weights.iter().sum::<f64>();
        let mut total: Option<Tensor> = None;
        for (loss, weight) in losses.iter().zip(&mut weights) {
            *weight *= scale;
            let weighted = (loss * *weight)?;
            total = Some(match total {
                Some(total) => (total + weighted)?,
                None => weighted,
            });
        }
        let Some(total) = total else {
            bail!("a balancer needs at least one loss, and got none");
        };
        Ok(Balanced::new(total.backward()?, weights))
    }
}

patchbay::export_plugin!(Inverse);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_loss_weighs_more_and_gradients_are_weighted() -> Result<()> {
        register()?;
        let balancer =
            create::<dyn Balancer>("balancer/my_name_inverse", json!({"exponent": 1.0}))?;
        let x = Var::new(1f32, &Device::Cpu)?;
        let losses = [(x.as_tensor() * 3.0)?, x.as_tensor().clone()];
        let balanced = balancer.backward(&losses, &[x.clone()])?;
        assert!(
            (balanced.weights[0] - 0.5).abs() < 1e-6,
            "{:?}",
            balanced.weights
        );
        assert!(
            (balanced.weights[1] - 1.5).abs() < 1e-6,
            "{:?}",
            balanced.weights
        );
        let gradient = balanced.gradients.get(&x).unwrap().to_scalar::<f32>()?;
        assert!((gradient - 3.0).abs() < 1e-6, "{gradient}");
        Ok(())
    }

    #[test]
    fn a_loss_without_a_gradient_takes_no_part() -> Result<()> {
        register()?;
        let balancer = create::<dyn Balancer>("balancer/my_name_inverse", json!({}))?;
        let x = Var::new(4f32, &Device::Cpu)?;
        let nothing = Tensor::new(0f32, &Device::Cpu)?;
        let balanced = balancer.backward(&[nothing, x.as_tensor().clone()], &[x.clone()])?;
        assert_eq!(balanced.weights, [0.0, 1.0]);
        assert_eq!(balanced.absent[0].loss, 0);
        Ok(())
    }

    #[test]
    fn bad_losses_are_errors() -> Result<()> {
        register()?;
        let balancer = create::<dyn Balancer>("balancer/my_name_inverse", json!({}))?;
        let negative = (Var::new(1f32, &Device::Cpu)?.as_tensor() * -2.0)?;
        let text = balancer
            .backward(&[negative], &[])
            .err()
            .unwrap()
            .to_string();
        assert!(text.contains("loss 0 must be a positive number"), "{text}");
        assert!(balancer.backward(&[], &[]).is_err());
        Ok(())
    }
}
