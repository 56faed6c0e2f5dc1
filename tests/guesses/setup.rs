let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
let v = torch::tensor([1.0, 2.0, 3.0])?;
let labels = torch::tensor([0, 1])?;
let logits = torch::tensor([[2.0, 0.0], [0.0, 2.0]])?;
let image_batch = torch::ones((1, 3, 8, 8))?;
let varmap = VarMap::new();
let vb = nn::builder(&varmap, DType::F32, &device());
let y = v.clone();

fn values(x: &Tensor) -> String {
    let flat = x.to_vec::<f64>().unwrap_or_default();
    let rounded: Vec<f64> = flat.iter().map(|value| (value * 1e4).round() / 1e4).collect();
    format!("{} {:?} {:?}", x.dtype().as_str(), x.dims(), rounded)
}

fn told<T: std::fmt::Debug + 'static>(value: &T) -> String {
    let any = value as &dyn std::any::Any;
    if let Some(x) = any.downcast_ref::<Tensor>() {
        return values(x);
    }
    if let Some((a, b)) = any.downcast_ref::<(Tensor, Tensor)>() {
        return format!("{}; {}", values(a), values(b));
    }
    if let Some(parts) = any.downcast_ref::<Vec<Tensor>>() {
        return format!("{} tensors", parts.len());
    }
    if any.is::<Figure>() {
        return "a figure".to_owned();
    }
    format!("{value:?}")
}

#[derive(nn::Network)]
struct Net {
    fc: nn::Linear,
    layers: Vec<nn::Linear>,
    rate: f64,
}

impl Module for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers[0].forward(&self.fc.forward(x)?)
    }
}

struct Plain {
    fc: nn::Linear,
}

let builder = nn::builder(&VarMap::new(), DType::F32, &device());
let net = Net {
    fc: nn::linear(2, 2, builder.pp("fc"))?,
    layers: vec![nn::linear(2, 2, builder.pp("0"))?],
    rate: 0.1,
};
let plain_net = Plain { fc: net.fc.clone() };
let mut optimizer = nn::AdamW::new(net.parameters(), 1e-3)?;
let loss = nn::mse_loss(&net.forward(&x)?, &x)?;
