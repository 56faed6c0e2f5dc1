//! Tools for Patchbay: steps of a notebook with named tensors in and named tensors out.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Standardize`].
    pub struct StandardizeConfig {
        /// Added to the variance, so that constant columns stay finite.
        #[schemars(range(min = 0.0))]
        epsilon: f64 = 1e-6,
    }
}

/// Takes the mean of each column off and divides by its deviation.
pub struct Standardize {
    config: StandardizeConfig,
}

impl Component for Standardize {}

impl Define for Standardize {
    type Kind = dyn Tool;
    type Config = StandardizeConfig;
    const ID: &'static str = "tool/my_name_standardize";
    const SUMMARY: &'static str = "Columns with mean 0 and deviation 1";
    const DETAILS: Details = Details {
        formula: "(x - mean) / sqrt(variance + epsilon), of each column",
        shapes: "table [rows, columns]; standardized [rows, columns], mean [columns]",
        ..Details::NONE
    };

    fn build(config: StandardizeConfig, _context: &Context) -> Result<Self> {
        Ok(Standardize { config })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        let table = Tensor::new(&[[1f32, 10.0], [2.0, -20.0], [4.0, 0.5]], &Device::Cpu)?;
        Ok(Sample::new(json!({})).input("table", table))
    }
}

impl Tool for Standardize {
    fn run(&self, inputs: &Batch) -> Result<Batch> {
        let table = match inputs.get("table") {
            Some(table) if table.rank() == 2 && table.dim(0)? > 0 => table,
            Some(table) => bail!(
                "`table` must be [rows, columns], with at least one row; it is {:?}",
                table.dims()
            ),
            None => bail!("this tool needs a tensor `table` [rows, columns]"),
        };
        let mean = mean_keepdim(table, 0)?;
        let centered = table.broadcast_sub(&mean)?;
        let variance = (mean_keepdim(&centered.sqr()?, 0)? + self.config.epsilon)?;
        let standardized = centered.broadcast_div(&variance.sqrt()?)?;
        Ok(Batch::from([
            ("standardized".to_owned(), standardized),
            ("mean".to_owned(), mean.squeeze(0)?),
        ]))
    }
}

patchbay::export_plugin!(Standardize);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardized() -> Result<()> {
        register()?;
        let table = Tensor::new(&[[1f32, 5.0], [3.0, 5.0]], &Device::Cpu)?;
        let found = tool("tool/my_name_standardize", json!({}), &[("table", &table)])?;
        let values = found["standardized"].flatten_all()?.to_vec1::<f32>()?;
        for (got, expected) in values.iter().zip([-1.0, 0.0, 1.0, 0.0]) {
            assert!((got - expected).abs() < 1e-4, "{values:?}");
        }
        assert_eq!(found["mean"].to_vec1::<f32>()?, [2.0, 5.0]);
        Ok(())
    }

    #[test]
    fn a_missing_table_is_an_error() -> Result<()> {
        register()?;
        let text = tool("tool/my_name_standardize", json!({}), &[])
            .unwrap_err()
            .to_string();
        assert!(text.contains("needs a tensor `table`"), "{text}");
        Ok(())
    }
}
