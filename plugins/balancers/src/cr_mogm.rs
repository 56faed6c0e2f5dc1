//! CR-MOGM: the weights of another method, averaged over the steps.
//!
//! What is averaged are the factors of a method that needs the gradients' products only, by its default settings. The first
//! step has that method's own. The paper lets `alpha` grow towards 1 as the learning rate falls; here it stays.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::{
    AlignedMtl, CaGrad, DualProj, FairGrad, ImtlG, Mgda, NashMtl, SdmGrad, UpGrad, config,
    gradients::{Gradients, balance},
    losses::{lock, optional_numbers},
};

/// The method whose weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Method {
    /// `balancer/mgda`.
    Mgda,
    /// `balancer/upgrad`.
    Upgrad,
    /// `balancer/dual_proj`.
    DualProj,
    /// `balancer/cagrad`.
    Cagrad,
    /// `balancer/nash_mtl`.
    NashMtl,
    /// `balancer/fairgrad`.
    Fairgrad,
    /// `balancer/imtl_g`.
    ImtlG,
    /// `balancer/aligned_mtl`.
    AlignedMtl,
    /// `balancer/sdmgrad`.
    Sdmgrad,
    /// `balancer/config`.
    Config,
}

patchbay::config! {
    /// Settings of [`CrMogm`].
    pub struct CrMogmConfig {
        /// The method whose weights are averaged.
        method: Method = Method::Mgda,
        /// How much of the former average is kept; 0: none, 1: the first weights for ever.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha: f64 = 0.9,
    }
}

/// Averages the weights of another method over the steps.
pub struct CrMogm {
    config: CrMogmConfig,
    method: Weigh,
    /// The average of each loss's weight; `None` until it has taken part.
    average: Mutex<Vec<Option<f64>>>,
}

/// The method's weights.
type Weigh = Box<dyn Fn(&Gradients<'_>) -> Result<Vec<f64>> + Send + Sync>;

impl Component for CrMogm {
    fn state(&self) -> Map<String, Value> {
        Map::from_iter([("average_weights".to_owned(), json!(*lock(&self.average)))])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        match optional_numbers(state, "average_weights") {
            Some(average) => {
                *lock(&self.average) = average;
                vec!["average_weights".to_owned()]
            }
            None => Vec::new(),
        }
    }
}

impl Define for CrMogm {
    type Kind = dyn Balancer;
    type Config = CrMogmConfig;
    const ID: &'static str = "balancer/cr_mogm";
    const SUMMARY: &'static str = "Averages the weights of another method over the steps";
    const DETAILS: Details = Details {
        formula: "w <- alpha w + (1 - alpha) w',  w' = the method's weights",
        reference: "Zhou et al. 2022, On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond, NeurIPS 2022, algorithm 1; as TorchJD's CRMOGMWeighting",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/cr_mogm", json!({"method": "upgrad"}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: CrMogmConfig, context: &Context) -> Result<Self> {
        /// A method by its default settings.
        fn of<M: Define>(context: &Context) -> Result<M> {
            let settings = Value::Object(M::Config::defaults());
            let config = patchbay::serde_json::from_value(settings)
                .map_err(|error| patchbay::candle::Error::msg(format!("{}: {error}", M::ID)))?;
            M::build(config, context)
        }
        macro_rules! weigh {
            ($method:ty) => {{
                let method = of::<$method>(context)?;
                Box::new(move |gradients: &Gradients<'_>| method.weights(&gradients.gram))
            }};
        }
        let even = |count: usize| vec![1.0 / count as f64; count];
        let method: Weigh = match config.method {
            Method::Upgrad => weigh!(UpGrad),
            Method::Cagrad => weigh!(CaGrad),
            Method::NashMtl => weigh!(NashMtl),
            Method::Fairgrad => weigh!(FairGrad),
            Method::ImtlG => Box::new(|gradients| ImtlG.weights(&gradients.gram)),
            Method::AlignedMtl => weigh!(AlignedMtl),
            Method::Sdmgrad => weigh!(SdmGrad),
            Method::Mgda => {
                let method = of::<Mgda>(context)?;
                Box::new(move |gradients| method.weights(&gradients.gram, &gradients.losses))
            }
            Method::DualProj => {
                let method = of::<DualProj>(context)?;
                Box::new(move |gradients| {
                    method.weights(&gradients.gram, &even(gradients.gram.len()))
                })
            }
            Method::Config => Box::new(|gradients| {
                config::weights(&gradients.gram, &vec![1.0; gradients.gram.len()])
            }),
        };
        Ok(CrMogm {
            config,
            method,
            average: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for CrMogm {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        shared: &[Var],
    ) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let present = gradients.present(present);
            let own = (self.method)(&gradients)?;
            let mut average = lock(&self.average);
            if average.len() != present.total() {
                *average = vec![None; present.total()];
            }
            let alpha = self.config.alpha;
            let weights: Vec<f64> = present
                .places()
                .iter()
                .zip(own)
                .map(|(&place, own)| {
                    let former = average[place].unwrap_or(own);
                    alpha * former + (1.0 - alpha) * own
                })
                .collect();
            for (&place, &weight) in present.places().iter().zip(&weights) {
                average[place] = Some(weight);
            }
            drop(average);
            gradients.combine(weights)
        })
    }
}
