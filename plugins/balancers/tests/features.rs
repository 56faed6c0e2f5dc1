//! Balancing at shared features: what arrives at the encoder and at the heads.

mod all;

use all::all;
use patchbay::{
    Result, ops,
    plugin::{Balancer, create},
    prelude::{DType, Device, Tensor, Var, json},
};

const CPU: Device = Device::Cpu;

fn var(rows: usize, columns: usize, phase: f64) -> Result<Var> {
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| (0.5 * (i as f64 * 12.9898 + phase).sin()) as f32)
        .collect();
    Var::from_tensor(&Tensor::from_vec(values, (rows, columns), &CPU)?)
}

struct Network {
    encoder: [Var; 2],
    heads: Vec<Var>,
    x: Tensor,
    targets: Vec<Tensor>,
}

impl Network {
    fn new() -> Result<Network> {
        let x = var(16, 6, 1.0)?.as_detached_tensor();
        Ok(Network {
            encoder: [var(6, 8, 0.4)?, var(8, 5, 1.4)?],
            heads: vec![var(5, 1, 0.3)?, var(5, 1, 0.5)?, var(5, 1, 0.7)?],
            targets: vec![
                x.narrow(1, 0, 1)?,
                (x.narrow(1, 1, 1)? * 5.0)?,
                (x.narrow(1, 2, 1)? * -2.0)?,
            ],
            x,
        })
    }

    fn features(&self) -> Result<Tensor> {
        let hidden = self.x.matmul(&self.encoder[0])?.tanh()?;
        hidden.matmul(&self.encoder[1])?.tanh()
    }

    fn losses(&self, features: &Tensor) -> Result<Vec<Tensor>> {
        let pairs = self.heads.iter().zip(&self.targets);
        pairs
            .map(|(head, target)| ops::mean_all(&(features.matmul(head)? - target)?.sqr()?))
            .collect()
    }
}

fn close(what: &str, found: &Tensor, expected: &Tensor) -> Result<()> {
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?;
    let size = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let difference = difference.to_scalar::<f32>()?;
    assert!(
        difference <= 1e-5 * size.max(1e-3),
        "{what}: {difference} of {size}"
    );
    Ok(())
}

#[test]
fn the_encoder_gets_the_gradient_of_the_weighed_losses() -> Result<()> {
    for (name, settings) in all() {
        // Their steps are no weighted sums of this step's gradients.
        if matches!(name, "db_mtl" | "moco") {
            continue;
        }
        let network = Network::new()?;
        let balancer = create::<dyn Balancer>(&format!("balancer/{name}"), settings)?;
        let balanced = balancer.backward_at(&[network.features()?], |features| {
            network.losses(&features[0])
        })?;
        let losses = network.losses(&network.features()?)?;
        let mut total = Tensor::new(0f32, &CPU)?;
        for (loss, &weight) in losses.iter().zip(&balanced.weights) {
            total = (total + (loss * weight)?)?;
        }
        let expected = total.backward()?;
        for (at, var) in network.encoder.iter().enumerate() {
            let found = balanced.gradients.get(var).expect(name);
            close(
                &format!("{name}, layer {at}"),
                found,
                expected.get(var).unwrap(),
            )?;
        }
        for head in &network.heads {
            assert!(balanced.gradients.get(head).is_some(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn weights_are_by_the_products_of_the_features_gradients() -> Result<()> {
    patchbay_balancers::register()?;
    let network = Network::new()?;
    let balancer = create::<dyn Balancer>("balancer/mgda", json!({}))?;
    let at_features = balancer.backward_at(&[network.features()?], |features| {
        network.losses(&features[0])
    })?;
    let cut = Var::from_tensor(&network.features()?.detach())?;
    let by_hand = balancer.backward(&network.losses(&cut)?, std::slice::from_ref(&cut))?;
    assert_eq!(at_features.weights, by_hand.weights);
    // A head's own gradient is that of its loss, unweighted.
    let losses = network.losses(&network.features()?)?;
    for (head, loss) in network.heads.iter().zip(&losses) {
        let own = loss.backward()?;
        let found = at_features.gradients.get(head).unwrap();
        close("head", found, own.get(head).unwrap())?;
    }
    Ok(())
}

#[test]
fn several_features_are_led_on_together_and_absent_losses_are_told() -> Result<()> {
    patchbay_balancers::register()?;
    let network = Network::new()?;
    let balancer = create::<dyn Balancer>("balancer/upgrad", json!({}))?;
    let other = var(6, 5, 2.2)?;
    let second = network.x.matmul(&other)?;
    let balanced = balancer.backward_at(&[network.features()?, second], |features| {
        let mut losses = network.losses(&features[0])?;
        losses.push(ops::mean_all(&(&features[0] * &features[1])?.sqr()?)?);
        losses.push(Tensor::new(0f32, &CPU)?);
        Ok(losses)
    })?;
    assert_eq!(balanced.absent.len(), 1);
    assert_eq!((balanced.absent[0].loss, balanced.weights[4]), (4, 0.0));
    for var in network.encoder.iter().chain([&other]) {
        let gradient = balanced.gradients.get(var).unwrap().flatten_all()?;
        let gradient = gradient.to_vec1::<f32>()?;
        assert!(gradient.iter().all(|x| x.is_finite()) && gradient.iter().any(|x| *x != 0.0));
    }
    let told = |features: &[Tensor]| {
        let result = balancer.backward_at(features, |features| network.losses(&features[0]));
        result.err().unwrap().to_string()
    };
    assert!(told(&[]).contains("no features"));
    let text = told(&[network.features()?.detach()]);
    assert!(
        text.contains("[16, 5]") && text.contains("no variable"),
        "{text}"
    );
    // In half precision, too.
    let half = Var::from_tensor(&network.encoder[0].to_dtype(DType::BF16)?)?;
    let features = network.x.to_dtype(DType::BF16)?.matmul(&half)?;
    let balanced = balancer.backward_at(&[features], |features| {
        let features = features[0].to_dtype(DType::F32)?;
        Ok(vec![
            ops::mean_all(&features.sqr()?)?,
            ops::mean_all(&(features - 1.0)?.sqr()?)?,
        ])
    })?;
    assert_eq!(balanced.gradients.get(&half).unwrap().dtype(), DType::BF16);
    Ok(())
}
