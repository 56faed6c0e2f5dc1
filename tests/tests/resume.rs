//! Runs that another session goes on with: with every balancer, a loss that counts, averages, schedules, a history.

use patchbay_tests::Client;

const RUN: &str = r#"
use std::{ops::Range, sync::Mutex};

#[derive(nn::Network)]
struct Net {
    body: nn::Linear,
    norm: nn::BatchNorm,
    dropout: nn::Dropout,
    classes: nn::Linear,
    number: nn::Linear,
}

impl Net {
    fn new(vb: VarBuilder) -> Result<Net> {
        Ok(Net {
            body: nn::linear(5, 8, vb.pp("body"))?,
            norm: nn::batch_norm(8, 1e-5, vb.pp("norm"))?,
            dropout: nn::Dropout::new(0.3),
            classes: nn::linear(8, 3, vb.pp("classes"))?,
            number: nn::linear(8, 1, vb.pp("number"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.norm.forward_t(&self.body.forward(x)?, true)?.relu()?;
        let x = self.dropout.forward_t(&x, true)?;
        Ok((self.classes.forward(&x)?, self.number.forward(&x)?))
    }
}

fn settings_of(id: &str) -> Result<serde_json::Value> {
    Ok(plugin::sample(id, &std::env::temp_dir())?.settings)
}

/// The bits of the losses of these steps. A run that begins later loads what was saved; one that ends early saves.
fn run(id: &str, folder: &str, steps: Range<usize>) -> Result<Vec<u64>> {
    nn::manual_seed(if steps.start == 0 { 3 } else { 99 })?;
    let net = Net::new(nn::builder(&VarMap::new(), DType::F32, &Device::Cpu))?;
    // Two losses, as many as the sample's settings are for, the last ones without a gradient.
    let balancer = create::<dyn Balancer>(id, settings_of(id)?)?;
    let classes = create::<dyn Loss>("loss/seesaw", json!({}))?;
    let mut variables = net.parameters();
    let shared = vec![variables[0].clone(), variables[1].clone()];
    variables.extend(balancer.trainable());
    let mut optimizer = nn::AdamW::new(variables.clone(), 1e-2)?;
    let ema = nn::Ema::new(net.parameters(), 0.9)?;
    let mut plateau = nn::Plateau::new(0.5, 1);
    let mut stopping = nn::EarlyStopping::new(3, 1e-3);
    let history = Mutex::new(Vec::<f64>::new());
    // Five batches an epoch, so that a run is saved at an epoch's end and in its middle.
    let numbers: Vec<f32> = (0..300).map(|i| (i as f32 * 0.37).sin()).collect();
    let labels: Vec<i64> = (0..60).map(|i| i % 3).collect();
    let (x, y) = (torch::from_vec(numbers, (60, 5))?, torch::from_vec(labels, 60)?);
    let samples = data::TensorDataset::new(&[("x", &x), ("y", &y)])?;
    let loader = data::DataLoader::new(samples).batch_size(12).shuffle(5).workers(2);
    let path = format!("{folder}/{}.safetensors", id.replace('/', "-"));
    if steps.start > 0 {
        let parts = nn::Checkpoint::of(&[
            ("net", &net), ("balancer", &balancer), ("classes", &classes), ("optimizer", &optimizer), ("ema", &ema),
            ("plateau", &plateau), ("stopping", &stopping), ("history", &history), ("loader", &loader),
        ]);
        assert_eq!(parts.load(&path)?.step, steps.start);
    }
    let mut bits = Vec::new();
    let mut batches = loader.iter();
    for step in steps.clone() {
        let batch = match batches.next() {
            Some(batch) => batch?,
            None => {
                batches = loader.iter();
                batches.next().expect("an epoch has batches")?
            }
        };
        let (x, target) = batch.pair()?;
        let x = (x + 0.1 * step as f64)?;
        let losses = |x: &Tensor| -> Result<Vec<Tensor>> {
            let (logits, number) = net.forward(x)?;
            Ok(vec![
                classes.forward(&logits, &target)?,
                (mean_all(&(number - 1.0)?.sqr()?)? + 0.5)?,
                (mean_all(&logits.sqr()?)? + 0.1)?,
            ])
        };
        let before = losses(&x)?;
        let balanced = balancer.backward(&before, &shared)?;
        optimizer.step(&balanced.gradients)?;
        let after = losses(&x)?;
        if balancer.wants_losses_after() {
            balancer.after_step(&after)?;
        }
        ema.update()?;
        let total = before.iter().map(Tensor::item).sum::<Result<f64>>()?;
        optimizer.set_learning_rate(plateau.observe(total, optimizer.learning_rate()));
        let stop = stopping.observe(total);
        history.lock().unwrap().push(total);
        bits.extend([total.to_bits(), optimizer.learning_rate().to_bits(), stop as u64]);
        bits.extend(balanced.weights.iter().map(|weight| weight.to_bits()));
        bits.push(f64::from(sum_all(&ema.averages()[0])?.to_scalar::<f32>()?).to_bits());
    }
    bits.push(history.lock().unwrap().iter().sum::<f64>().to_bits());
    if steps.end < 13 {
        let parts = nn::Checkpoint::of(&[
            ("net", &net), ("balancer", &balancer), ("classes", &classes), ("optimizer", &optimizer), ("ema", &ema),
            ("plateau", &plateau), ("stopping", &stopping), ("history", &history), ("loader", &loader),
        ]);
        parts.step(steps.end).save(&path)?;
    }
    Ok(bits)
}

let ids: Vec<String> = plugin::list("balancer/*").rows.into_iter().map(|[id, ..]| id).collect();
let folder = std::env::var("PATCHBAY_RESUME").unwrap();
let middle = format!("{folder}/middle");
std::fs::create_dir_all(&middle)?;
"#;

#[tokio::test]
async fn another_session_goes_on_bit_for_bit_with_every_balancer() {
    let folder = std::env::temp_dir().join(format!("patchbay-resume-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let place = format!("%env PATCHBAY_RESUME={}", folder.display());
    let runs = |steps: &str| {
        format!(
            "for id in &ids {{\n    match run(id, &folder, {steps}) {{\n        Ok(bits) => println!(\"{{id}} {{bits:?}}\"),\n        \
             Err(error) => println!(\"{{id}} failed: {{error}}\"),\n    }}\n}}"
        )
    };
    let mut first = Client::start().await;
    first.execute(&place).await.ok();
    first.execute(RUN).await.ok();
    let mut execution = first.execute(&runs("0..13")).await;
    let whole = execution.text("stdout");
    execution.rest();
    execution.ok();
    first.execute(&runs("0..5")).await.any_end();
    first
        .execute(&runs("0..7").replace("&folder", "&middle"))
        .await
        .any_end();
    drop(first);
    let mut second = Client::start().await;
    second.execute(&place).await.ok();
    second.execute(RUN).await.ok();
    assert!(whole.lines().count() >= 29, "{whole}");
    for cell in [runs("5..13"), runs("7..13").replace("&folder", "&middle")] {
        let mut execution = second.execute(&cell).await;
        let rest = execution.text("stdout");
        execution.rest();
        execution.ok();
        assert_eq!(rest.lines().count(), whole.lines().count(), "{rest}");
        for (whole, rest) in whole.lines().zip(rest.lines()) {
            let (id, rest) = rest.split_once(" [").unwrap_or_else(|| panic!("{rest}"));
            let (same, whole) = whole.split_once(" [").unwrap_or_else(|| panic!("{whole}"));
            assert_eq!(id, same);
            assert!(whole.ends_with(rest), "{id}: {rest} does not end {whole}");
        }
    }
    // What is not the same run is refused, and nothing is changed.
    second
        .execute(
            "let net = Net::new(nn::builder(&VarMap::new(), DType::F32, &Device::Cpu))?;
nn::Checkpoint::of(&[(\"net\", &net)]).load(format!(\"{folder}/balancer-dwa.safetensors\"))?",
        )
        .await
        .error(
            "Error",
            &[
                "In the file and not asked for: balancer, classes, ema",
                "load_parts",
            ],
        );
    second
        .execute(
            "let balancer = create::<dyn Balancer>(\"balancer/famo\", json!({}))?;
nn::Checkpoint::of(&[(\"balancer\", &balancer)]).load_parts(format!(\"{folder}/balancer-dwa.safetensors\"))?",
        )
        .await
        .error("Error", &["held balancer/dwa when it was saved"]);
    std::fs::remove_dir_all(folder).unwrap();
}
