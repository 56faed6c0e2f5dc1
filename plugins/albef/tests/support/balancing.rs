//! Pre-training with a balancer on batches that are so small that some have no masked word.

use patchbay::{
    candle,
    nn::{AdamW, Optimizer, ParamsAdamW},
    plugin::{self, Balancer, Batch, Objective, create, list},
    prelude::*,
};

/// What is done to the losses of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// As they are: in some batches no word is masked.
    Plain,
    /// In the first step no word is masked, so that nothing is known of that loss yet.
    FirstWithoutWords,
    /// In every third step only the contrastive loss has a gradient.
    TwoAbsent,
    /// The loss of words is 1e-12 of what it is, where there is one.
    Tiny,
    /// The contrastive loss alone.
    Single,
}

impl Case {
    pub const ALL: [Case; 5] = [
        Case::Plain,
        Case::FirstWithoutWords,
        Case::TwoAbsent,
        Case::Tiny,
        Case::Single,
    ];

    fn count(self) -> usize {
        if self == Case::Single { 1 } else { NAMES.len() }
    }

    /// The losses of a step, some changed or left out.
    fn of(self, step: usize, mut losses: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
        losses.truncate(self.count());
        let without: &[usize] = match self {
            Case::FirstWithoutWords if step == 0 => &[2],
            Case::TwoAbsent if step % 3 == 1 => &[1, 2],
            _ => &[],
        };
        for &loss in without {
            losses[loss].1 = losses[loss].1.detach();
        }
        if self == Case::Tiny {
            losses[2].1 = (&losses[2].1 * 1e-12)?;
        }
        Ok(losses)
    }
}

/// What became of a run.
pub struct Run {
    pub id: String,
    /// The steps in which each of the losses took no part.
    pub absent: [Vec<usize>; 3],
    /// The sum of the losses in the first step and the mean of the last ten.
    pub losses: [f64; 2],
    /// The error that ended the run, with its step.
    pub error: Option<(usize, String)>,
}

const NAMES: [&str; 3] = ["itc", "itm", "mlm"];

/// The ids of all balancers that are found.
pub fn balancers() -> Vec<String> {
    let rows = list("balancer/*").rows;
    rows.into_iter().map(|[id, ..]| id).collect()
}

/// `steps` steps with batches of `pairs` pairs.
pub fn train(id: &str, case: Case, steps: usize, pairs: usize) -> Result<Run> {
    nn::seed_all(7)?;
    let albef = create::<dyn Objective>(
        "objective/albef",
        json!({
            "image_config": {"width": 32, "depth": 2, "heads": 4, "image_size": 32, "patch_size": 8},
            "text_config": {"vocabulary": 40, "width": 32, "layers": 4, "heads": 4, "intermediate": 64, "max_positions": 8,
                            "fusion_layer": 2, "dropout": 0.0, "attention_dropout": 0.0},
            "vocabulary": 40, "embed_dim": 16, "queue_size": 16, "mask_token": 3, "cls_token": 1, "mask_probability": 0.08,
        }),
    )
    .map_err(candle::Error::wrap)?;
    let settings = match id {
        "balancer/fixed" => json!({ "weights": vec![1.0; case.count()] }),
        "balancer/uncertainty" | "balancer/imtl_l" => json!({ "losses": case.count() }),
        _ => json!({}),
    };
    let balancer = create::<dyn Balancer>(id, settings).map_err(candle::Error::wrap)?;
    let shared = albef.trainable();
    let mut variables = shared.clone();
    variables.extend(balancer.trainable());
    let mut optimizer = AdamW::new(
        variables,
        ParamsAdamW {
            lr: 1e-3,
            ..ParamsAdamW::default()
        },
    )?;
    let mut run = Run {
        id: id.to_owned(),
        absent: Default::default(),
        losses: [0.0; 2],
        error: None,
    };
    for step in 0..steps {
        let progress = step as f64 / steps as f64;
        if step % 10 == 0 {
            balancer.begin_epoch(step / 10)?;
        }
        let batch = batch(step, pairs)?;
        let mut one = || -> Result<f64> {
            let losses = case.of(step, albef.losses(&batch, progress)?)?;
            let balanced = balancer.backward_named(&losses, &shared)?;
            for absent in &balanced.absent {
                assert_eq!(absent.name.as_deref(), Some(NAMES[absent.loss]));
                run.absent[absent.loss].push(step);
            }
            optimizer.step(&balanced.gradients)?;
            if balancer.wants_losses_after() {
                let after = case.of(step, albef.losses(&batch, progress)?)?;
                let after: Vec<Tensor> = after.into_iter().map(|(_, loss)| loss).collect();
                balancer.after_step(&after)?;
            }
            albef.after_step()?;
            let values = losses.iter().map(|(_, loss)| loss.to_scalar::<f32>());
            Ok(values.sum::<Result<f32>>()?.into())
        };
        match one() {
            Ok(sum) if step == 0 => run.losses[0] = sum,
            Ok(sum) if step + 10 >= steps => run.losses[1] += sum / 10.0,
            Ok(_) => {}
            Err(error) => {
                run.error = Some((step, error.to_string()));
                break;
            }
        }
    }
    Ok(run)
}

/// Images with captions of three words that belong to them.
fn batch(step: usize, pairs: usize) -> Result<Batch> {
    let device = Device::Cpu;
    let mut pixels = Vec::with_capacity(pairs * 3 * 32 * 32);
    let mut text = Vec::with_capacity(pairs * 5);
    for pair in 0..pairs {
        let word = |place: usize| 5 + (step * 11 + pair * 17 + place * 5) % 30;
        for place in 0..3 {
            let level = (word(place) as f32 / 30.0 - 0.5) * 4.0;
            pixels.extend((0..32 * 32).map(|at| level * ((at % 7) as f32 - 3.0) / 3.0));
        }
        text.extend([1, word(0) as u32, word(1) as u32, word(2) as u32, 2]);
    }
    Ok(plugin::Batch::from([
        (
            "image".to_owned(),
            Tensor::from_vec(pixels, (pairs, 3, 32, 32), &device)?,
        ),
        (
            "text".to_owned(),
            Tensor::from_vec(text, (pairs, 5), &device)?,
        ),
    ]))
}
