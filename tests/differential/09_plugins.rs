//# a loss is made by its id
let loss = create::<dyn Loss>("loss/cross_entropy", json!({}))?;
let logits = Tensor::new(&[[2f32, 0.0]], &Device::Cpu)?;
let target = Tensor::new(&[0u32], &Device::Cpu)?;
//--
format!("{:.4}", loss.forward(&logits, &target)?.to_scalar::<f32>()?)
//=> "0.1269"

//# settings change what a loss does
let logits = Tensor::new(&[[2f32, 0.0]], &Device::Cpu)?;
let target = Tensor::new(&[0u32], &Device::Cpu)?;
let loss = create::<dyn Loss>("loss/cross_entropy", json!({ "label_smoothing": 0.5 }))?;
format!("{:.4}", loss.forward(&logits, &target)?.to_scalar::<f32>()?)
//=> "0.6269"

//# a component is swapped in place
let logits = Tensor::new(&[[2f32, 0.0]], &Device::Cpu)?;
let target = Tensor::new(&[0u32], &Device::Cpu)?;
let loss = create::<dyn Loss>("loss/focal", json!({ "gamma": 0.0 }))?;
//--
let report = loss.swap("loss/cross_entropy", json!({ "label_smoothing": 0.5 }))?;
//--
format!("{:.4}", loss.forward(&logits, &target)?.to_scalar::<f32>()?)
//=> "0.6269"

//# an unknown id names what is near
create::<dyn Loss>("loss/focl", json!({}))?;
//! Error: did you mean loss/focal

//# an unknown setting is an error
create::<dyn Loss>("loss/focal", json!({ "gama": 2.0 }))?;
//! Error: gama

//# a function that takes any loss
fn value(loss: &dyn Loss, logits: &Tensor) -> Result<f32> { loss.forward(logits, &Tensor::new(&[1u32], logits.device())?)?.to_scalar::<f32>() }
//--
let loss = create::<dyn Loss>("loss/cross_entropy", json!({}))?;
format!("{:.3}", value(&loss, &Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?)?)
//=> "0.693"
