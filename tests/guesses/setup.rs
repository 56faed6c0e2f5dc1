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
