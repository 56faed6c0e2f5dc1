//# a tensor lives on
let a = Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu)?;
//--
a.sum_all()?.to_scalar::<f32>()?
//=> 6.0

//# arithmetic with operators
let a = Tensor::new(&[1f32, 2.0], &Device::Cpu)?;
let b = ((&a + 1.0)? * &a)?;
//--
b.to_vec1::<f32>()?
//=> [2.0, 6.0]

//# a matrix product
let a = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((2, 3))?;
//--
a.matmul(&a.t()?)?.to_vec2::<f32>()?
//=> [[5.0, 14.0], [14.0, 50.0]]

//# shapes and types
let t = Tensor::zeros((2, 3, 4), DType::F64, &Device::Cpu)?;
//--
(t.dims().to_vec(), t.dtype(), t.rank(), t.elem_count())
//=> ([2, 3, 4], F64, 3, 24)

//# indexing
let t = Tensor::arange(0u32, 12, &Device::Cpu)?.reshape((3, 4))?;
//--
(t.i((1, 2))?.to_scalar::<u32>()?, t.i((.., 1))?.to_vec1::<u32>()?)
//=> (6, [1, 5, 9])

//# shapes that do not fit are an error
let a = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
//--
a.matmul(&a)?
//! Error: shape mismatch in matmul
//--
a.dims2()?
//=> (2, 3)

//# a gradient
let x = Var::new(&[3f32], &Device::Cpu)?;
let y = x.sqr()?.sum_all()?;
//--
let gradients = y.backward()?;
gradients.get(&x).unwrap().to_vec1::<f32>()?
//=> [6.0]

//# a variable is trained across cells
let w = Var::new(0f64, &Device::Cpu)?;
let mut optimizer = nn::SGD::new(vec![w.clone()], 0.1)?;
//--
for _ in 0..100 { let loss = (w.as_tensor() - 2.0)?.sqr()?; optimizer.backward_step(&loss)?; }
//--
(w.to_scalar::<f64>()? * 1000.0).round()
//=> 2000.0

//# a model of one's own
struct Net { layer: nn::Linear }
impl Module for Net { fn forward(&self, x: &Tensor) -> candle::Result<Tensor> { self.layer.forward(x)?.relu() } }
//--
let net = Net { layer: nn::Linear::new(Tensor::new(&[[1f32, -1.0]], &Device::Cpu)?, None) };
//--
net.forward(&Tensor::new(&[[3f32, 1.0], [1.0, 3.0]], &Device::Cpu)?)?.to_vec2::<f32>()?
//=> [[2.0], [0.0]]

//# a list of tensors is stacked
let parts: Vec<Tensor> = (0..3).map(|i| Tensor::new(i as f32, &Device::Cpu)).collect::<candle::Result<_>>()?;
//--
Tensor::stack(&parts, 0)?.to_vec1::<f32>()?
//=> [0.0, 1.0, 2.0]

//# where, compare and cast
let t = Tensor::new(&[-1f32, 0.5, 2.0], &Device::Cpu)?;
//--
t.gt(0f32)?.to_dtype(DType::U32)?.to_vec1::<u32>()?
//=> [0, 1, 1]

//# softmax sums to one
let p = nn::ops::softmax(&Tensor::new(&[[1f32, 2.0, 3.0]], &Device::Cpu)?, D::Minus1)?;
//--
(p.sum_all()?.to_scalar::<f32>()? * 1e4).round()
//=> 10000.0

//# a function over tensors
fn rms(x: &Tensor) -> candle::Result<f64> { x.sqr()?.mean_all()?.to_dtype(DType::F64)?.to_scalar::<f64>().map(f64::sqrt) }
//--
rms(&Tensor::new(&[3f32, 4.0, 5.0, 0.0], &Device::Cpu)?)?
//=> 3.5355339059327378

//# an error names the shapes
let missing = Tensor::new(&[1f32], &Device::Cpu)?.reshape((2, 2))?;
//! Error: buffer of size 1

//# a display in the middle of a cell
println!("before");
display(&html("<i>middle</i>"));
println!("after");
//> before
//> after
//@ text/html <i>middle</i>

//# two displays in one cell
display(&markdown("*one*"));
display(&markdown("*two*"));
//@ text/markdown *one*
//@ text/markdown *two*

//# a picture as the result
svg("<svg xmlns='http://www.w3.org/2000/svg'></svg>")
//@ image/svg+xml <svg

//# JSON
let value = json!({"lr": 0.1, "layers": [1, 2]});
//--
value["layers"][1].as_i64()
//=> Some(2)
