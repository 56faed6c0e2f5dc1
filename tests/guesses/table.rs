// What people type who know PyTorch, NumPy, matplotlib or IPython. `//=` stands before the value that comes out, `//!` before what
// the error must name. tests/tests/guesses.rs runs each line after setup.rs.

// Numbers and shapes
x.item()? //! to_vec
v.i(0)?.item()? //= 1.0
x.mean_all()?.item()? //= 2.5
x.numel() //= 4
x.ndim() //= 2
x.size(0)? //= 2
x.size(-1)? //= 2
x.size() //! x.dims()
x.dims().to_vec() //= [2, 2]
x.dtype() //= F32
x.shape //! x.shape()
x.dtype //! x.dtype()
x.view(-1)? //= f32 [4] [3.0, 1.0, 2.0, 4.0]
x.view((1, -1))? //= f32 [1, 4] [3.0, 1.0, 2.0, 4.0]
x.view((2, 2, 1))? //= f32 [2, 2, 1] [3.0, 1.0, 2.0, 4.0]
x.view(1, -1) //! x.view((2, -1))?
x.reshape((4,))? //= f32 [4] [3.0, 1.0, 2.0, 4.0]
x.reshape((2, -1)) //! x.view((2, -1))
x.reshape(2, 2) //! x.view((2, -1))
x.ravel()? //= f32 [4] [3.0, 1.0, 2.0, 4.0]
x.flatten() //! x.flatten_all()?
x.t()? //= f32 [2, 2] [3.0, 2.0, 1.0, 4.0]
x.T //! x.t()?
x.swapaxes(0, 1)? //= f32 [2, 2] [3.0, 2.0, 1.0, 4.0]
x.transpose(0, 1)? //= f32 [2, 2] [3.0, 2.0, 1.0, 4.0]
x.permute((1, 0))? //= f32 [2, 2] [3.0, 2.0, 1.0, 4.0]
x.permute(1, 0) //! x.permute((0, 2, 1))?
v.unsqueeze(0)? //= f32 [1, 3] [1.0, 2.0, 3.0]
v.unsqueeze(-1) //! D::Minus1
v.unsqueeze(0)?.squeeze_all()? //= f32 [3] [1.0, 2.0, 3.0]
v.squeeze() //! x.squeeze_all()?
v.unsqueeze(0)?.expand((2, 3))? //= f32 [2, 3] [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
v.expand_as(&torch::ones((2, 3))?)? //= f32 [2, 3] [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
v.chunk(3, 0)? //= 3 tensors
v.split(2, 0)? //= 2 tensors
x.unbind(0)? //= 2 tensors
v.repeat_interleave(2, 0)? //= f32 [6] [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
x.select(1, -1)? //= f32 [2] [1.0, 4.0]
x.i((.., 0))? //= f32 [2] [3.0, 2.0]
x.i(0)? //= f32 [2] [3.0, 1.0]
x.get(1)? //= f32 [2] [2.0, 4.0]
v.i(1..3)? //= f32 [2] [2.0, 3.0]
x[0] //! x.i(0)?
x[0, 1] //! x.i(
x[:, 0] //! x.i((.., 0))?
v[1:3] //! x.i(1..3)?
x.tolist()? //! to_vec2
v.tolist()? //= [1.0, 2.0, 3.0]
x.to_vec::<f32>()? //= [3.0, 1.0, 2.0, 4.0]
x.to_vec2::<f32>()? //= [[3.0, 1.0], [2.0, 4.0]]
x.numpy() //! to_vec2
x.to(DType::F64)?.dtype() //= F64
x.to(&device())?.dtype() //= F32
x.to("cpu")?.dtype() //= F32
x.double()?.dtype() //= F64
x.float()?.dtype() //= F32
x.half()?.dtype() //= F16
x.long()? //= i64 [2, 2] [3.0, 1.0, 2.0, 4.0]
x.cpu()?.dtype() //= F32
x.astype(DType::F64) //! x.to(DType::F32)?
len(x) //! x.dim(0)?

// Arithmetic
(&x + &x)? //= f32 [2, 2] [6.0, 2.0, 4.0, 8.0]
(&x * 2.0)? //= f32 [2, 2] [6.0, 2.0, 4.0, 8.0]
&x + 1 //! (x + 1.0)?
(&x + &v)? //! broadcast_add
x.broadcast_add(&torch::tensor([1.0, 0.0])?)? //= f32 [2, 2] [4.0, 1.0, 3.0, 4.0]
x.mm(&x)? //= f32 [2, 2] [11.0, 7.0, 14.0, 18.0]
x.matmul(&x)? //= f32 [2, 2] [11.0, 7.0, 14.0, 18.0]
x @ x //! a.matmul(&b)?
x.unsqueeze(0)?.bmm(&x.unsqueeze(0)?)? //= f32 [1, 2, 2] [11.0, 7.0, 14.0, 18.0]
v.dot(&v)?.item()? //= 14.0
v.outer(&v)?.dims().to_vec() //= [3, 3]
x.powf(2.0)? //= f32 [2, 2] [9.0, 1.0, 4.0, 16.0]
x.pow(2.0) //! x.powf(2.0)?
x.pow(2) //! x.powf(2.0)?
x ** 2 //! x.powf(2.0)?
x.square()? //= f32 [2, 2] [9.0, 1.0, 4.0, 16.0]
x.exp()?.log()? //= f32 [2, 2] [3.0, 1.0, 2.0, 4.0]
v.log2()? //= f32 [3] [0.0, 1.0, 1.585]
v.log1p()? //= f32 [3] [0.6931, 1.0986, 1.3863]
v.rsqrt()? //= f32 [3] [1.0, 0.7071, 0.5774]
v.neg()?.abs()? //= f32 [3] [1.0, 2.0, 3.0]
x.clamp(1.5, 3.0)? //= f32 [2, 2] [3.0, 1.5, 2.0, 3.0]
x.clip(1.5, 3.0)? //= f32 [2, 2] [3.0, 1.5, 2.0, 3.0]
v.sigmoid()? //= f32 [3] [0.7311, 0.8808, 0.9526]
v.softmax(0)? //= f32 [3] [0.09, 0.2447, 0.6652]
v.softmax(-1)? //= f32 [3] [0.09, 0.2447, 0.6652]
v.log_softmax(-1)? //= f32 [3] [-2.4076, -1.4076, -0.4076]
v.softmax() //! x.softmax(-1)?
v.logsumexp(0)?.item()? //= 3.4076058864593506
v.relu()?.tanh()? //= f32 [3] [0.7616, 0.964, 0.9951]
x.add_(&x) //! tensors do not change
x += 1.0 //! x = (x + 1.0)?

// Reductions
x.sum_all()?.item()? //= 10.0
sum_all(&x)?.item()? //= 10.0
x.sum(0)? //= f32 [2] [5.0, 5.0]
x.sum(-1) //! D::Minus1
x.sum() //! x.sum_all()?
x.mean(1)? //= f32 [2] [2.0, 3.0]
x.mean() //! x.mean_all()?
x.std(0)? //= f32 [2] [0.7071, 2.1213]
x.std_all()? //= f32 [] [1.291]
x.std() //! x.std_all()?
x.var(0)? //= f32 [2] [0.5, 4.5]
x.prod(1)? //= f32 [2] [3.0, 8.0]
x.prod_all()?.item()? //= 24.0
x.max(0)? //= f32 [2] [3.0, 4.0]
x.max_all()?.item()? //= 4.0
x.max() //! x.max_all()?
x.median_all()?.item()? //= 2.0
v.quantile(0.5, 0)?.item()? //= 2.0
v.cumsum(0)? //= f32 [3] [1.0, 3.0, 6.0]
v.cumprod(0)? //= f32 [3] [1.0, 2.0, 6.0]
x.norm()?.item()? //= 5.4772257804870605
x.trace()?.item()? //= 7.0
x.argmax(1)? //= u32 [2] [0.0, 1.0]
x.argmax_all()? //= 3
x.argmax() //! x.argmax_all()?

// Order and choice
v.argsort(0, true)? //= u32 [3] [2.0, 1.0, 0.0]
x.sort(-1, false)? //= f32 [2, 2] [1.0, 3.0, 2.0, 4.0]; u32 [2, 2] [1.0, 0.0, 0.0, 1.0]
v.topk(2, -1)? //= f32 [2] [3.0, 2.0]; u32 [2] [2.0, 1.0]
v.topk(2) //! x.topk(3, -1)?
v.sort() //! x.sort(-1, false)?
labels.one_hot(3)? //= i64 [2, 3] [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
x.full_like(7.0)? //= f32 [2, 2] [7.0, 7.0, 7.0, 7.0]
x.masked_fill(&x.gt(2.5)?, 0.0)? //= f32 [2, 2] [0.0, 1.0, 2.0, 0.0]
x.where_(&x.gt(2.5)?, &x.zeros_like()?)? //= f32 [2, 2] [3.0, 0.0, 0.0, 4.0]
torch::where_(&x.gt(2.5)?, &x, &x.zeros_like()?)? //= f32 [2, 2] [3.0, 0.0, 0.0, 4.0]
x.masked_select(&x.gt(2.5)?)? //= f32 [2] [3.0, 4.0]
x.gt(2.5)?.nonzero()? //= i64 [2, 2] [0.0, 0.0, 1.0, 1.0]
x.tril(0)? //= f32 [2, 2] [3.0, 0.0, 2.0, 4.0]
x.triu(1)? //= f32 [2, 2] [0.0, 1.0, 0.0, 0.0]
v.flip(&[0])? //= f32 [3] [3.0, 2.0, 1.0]
v.roll(1, 0)? //= f32 [3] [3.0, 1.0, 2.0]
labels.unique()? //= i64 [2] [0.0, 1.0]
labels.bincount(3)? //= i64 [3] [1.0, 1.0, 0.0]
x.allclose(&x)? //= true
x.equal(&v)? //= false
x.isnan()?.any()? //= false
x.eq(&x)?.all()? //= true
x.gt(1.5)?.count_nonzero()? //= 3
x.gt(1.5)?.logical_not()? //= u8 [2, 2] [0.0, 1.0, 0.0, 0.0]
x > 0.0 //! x.gt(0.0)?
x == x //! x.eq(&y)?
logits.argmax(1)?.eq(&labels)? //! accuracy(&logits, &labels)
accuracy(&logits, &labels)?.estimate //= 1.0

// Making tensors
torch::zeros((2, 3))?.dims().to_vec() //= [2, 3]
torch::randn((2, 3))?.dims().to_vec() //= [2, 3]
torch::randn(2, 3) //! torch::randn((2, 3))?
torch::rand(4)?.numel() //= 4
torch::randint(0, 10, (2, 2))?.dtype() //= I64
torch::ones(2)? //= f32 [2] [1.0, 1.0]
torch::full((2,), 0.5)? //= f32 [2] [0.5, 0.5]
torch::arange(0, 3)? //= i64 [3] [0.0, 1.0, 2.0]
torch::arange(10) //! torch::arange(0, 10)?
torch::linspace(0.0, 1.0, 5)? //= f32 [5] [0.0, 0.25, 0.5, 0.75, 1.0]
torch::eye(2)? //= f32 [2, 2] [1.0, 0.0, 0.0, 1.0]
torch::randperm(4)?.sort(0, false)?.0 //= i64 [4] [0.0, 1.0, 2.0, 3.0]
torch::cat(&[&v, &v], 0)?.numel() //= 6
torch::stack(&[&v, &v], 0)?.dims().to_vec() //= [2, 3]
torch::tensor([1, 2])? //= i64 [2] [1.0, 2.0]
Tensor::zeros((2, 3)) //! torch::zeros((2, 3))?
torch.randn(2, 3) //! torch::randn((2, 3))?
torch::exp(x) //! x.exp()?
torch::no_grad() //! x.detach()
np::array([1.0]) //! torch::tensor
np.zeros(3) //! torch::
import torch //! nothing is imported
from torch import nn //! nothing is imported
torch::cuda::is_available() //= false

// Networks
nn::linear(2, 4, vb.pp("a"))?.forward(&x)?.dims().to_vec() //= [2, 4]
nn::Linear(2, 4) //! nn::linear(3, 4, vb
nn::Linear::new(vb, 2, 4) //! nn::linear(3, 4, vb
nn::conv2d(3, 8, 3, nn::Conv2dConfig { padding: 1, ..Default::default() }, vb.pp("b"))?.forward(&image_batch)?.dims().to_vec() //= [1, 8, 8, 8]
nn::seq().add(nn::linear(2, 4, vb.pp("c"))?).add(nn::Activation::Relu).forward(&x)?.dims().to_vec() //= [2, 4]
nn::Sequential(nn::Activation::Relu) //! nn::seq()
nn::cross_entropy(&logits, &labels)? //= f32 [] [0.1269]
nn::mse_loss(&x, &x.zeros_like()?)?.item()? //= 7.5
nn::l1_loss(&x, &x.zeros_like()?)?.item()? //= 2.5
nn::smooth_l1_loss(&x, &x.zeros_like()?)?.item()? //= 2.0
nn::binary_cross_entropy_with_logits(&torch::zeros(2)?, &torch::ones(2)?)? //= f32 [] [0.6931]
nn::nll_loss(&logits.log_softmax(1)?, &labels)? //= f32 [] [0.1269]
nn::softmax(&v, -1)? //= f32 [3] [0.09, 0.2447, 0.6652]
nn::relu(&v.neg()?)? //= f32 [3] [0.0, 0.0, 0.0]
nn::gelu(&v)? //= f32 [3] [0.8413, 1.9545, 2.996]
nn::max_pool2d(&image_batch, 2)?.dims().to_vec() //= [1, 3, 4, 4]
nn::avg_pool2d(&image_batch, 2)?.dims().to_vec() //= [1, 3, 4, 4]
nn::adaptive_avg_pool2d(&image_batch, (1, 1))?.dims().to_vec() //= [1, 3, 1, 1]
nn::CrossEntropyLoss() //! nn::cross_entropy(&logits, &target)?
nn::MSELoss() //! nn::mse_loss
nn::ReLU() //! nn::Activation::Relu
F::relu(&x) //! nn::relu(&x)?
nn::manual_seed(1)? //= ()
nn::AdamW::new(varmap.all_vars(), 1e-3)?.learning_rate() //= 0.001
nn::SGD::new(varmap.all_vars(), 0.1)?.learning_rate() //= 0.1
optim::Adam::new(varmap.all_vars(), 1e-3) //! nn::AdamW::new
{ let w = Var::from_tensor(&v)?; let grads = sum_all(&w.sqr()?)?.backward()?; grads.get(&w).unwrap().clone() } //= f32 [3] [2.0, 4.0, 6.0]
x.requires_grad //! Var::from_tensor
x.grad //! loss.backward()?
x.zero_grad() //! backward_step

create::<dyn ImageTransform>("image/colour_attenuation_prior", json!({}))?.provenance().id //= "image/color_attenuation_prior"

// Networks of one's own, training and files
net.parameters().len() //= 4
net.num_parameters() //= 12
net.named_parameters()[3].0.clone() //= "layers.0.bias"
net.named_children().len() //= 2
net.state_dict()?.len() //= 4
net.load_state_dict(&net.state_dict()?)? //= ()
net.forward(&x)?.dims().to_vec() //= [2, 2]
torch::save(&net.state_dict()?, "net.safetensors")? //= ()
{ torch::save(&net.state_dict()?, "net2.safetensors")?; net.load_state_dict(&torch::load("net2.safetensors")?)? } //= ()
torch::save(&net.state_dict()?, "net.pt")? //! net.safetensors
torch::load("net.pt")? //! weights::read
torch.save(net, "net.pt") //! torch::
VarMap::new().parameters().is_empty() //= true
VarMap::new().state_dict()?.is_empty() //= true
nn::AdamW::new(net.parameters(), 1e-3)?.learning_rate() //= 0.001
nn::SGD::new(net.parameters(), nn::ParamsSgd { momentum: 0.9, ..0.1.into() })?.learning_rate() //= 0.1
torch::optim::Adam::new(net.parameters(), 1e-3) //! nn::AdamW::new
optimizer.backward_step(&loss)? //= ()
optimizer.step(&loss.backward()?)? //= ()
optimizer.step() //! optimizer.backward_step(&loss)?
optimizer.zero_grad() //! backward_step
optimizer.param_groups //! set_learning_rate
loss.backward()?.get(&net.parameters()[0]).is_some() //= true
loss.item()? > 0.0 //= true
net.train() //! forward_t
net.eval() //! forward_t
net(&x) //! net.forward(&x)?
net.cuda() //! net.to(
plain_net.parameters() //! #[derive(nn::Network)]
plain_net.state_dict() //! #[derive(nn::Network)]
#[derive(Module)] struct Other { fc: nn::Linear } //! #[derive(nn::Network)]
sum(p.numel() for p in net.parameters()) //! net.num_parameters()
nn::seq().add(nn::Activation::Relu).add(nn::Dropout::new(0.5)) //! nn::seq_t()
nn::seq_t().add(nn::Activation::Relu).add(nn::Dropout::new(0.5)).forward_t(&v, false)?.numel() //= 3
nn::seq().add_named("act", nn::Activation::Relu).add_fn(|x| x.flatten_from(1)).len() //= 2
nn.Dropout(0.5) //! two colons
nn::Dropout(0.5) //! nn::Dropout::new(0.5)
nn::Dropout::new(0.5).forward(&v, false)?.numel() //= 3
nn::TransformerEncoderLayer(8, 2) //! nn::transformer_encoder
nn::MultiheadAttention(8, 2) //! nn::multi_head_attention
nn::multi_head_attention(8, 2, vb.pp("attention"))?.num_parameters() //= 288
nn::functional::relu(&x) //! nn::relu(&x)?
F.cross_entropy(logits, labels) //! nn::cross_entropy
torch::nn::Linear(2, 4) //! nn::linear
nn::lr_scheduler::StepLR(optimizer, 10) //! nn::CosineSchedule
CosineAnnealingLR(optimizer, 10) //! set_learning_rate
nn::utils::clip_grad_norm_(net.parameters(), 1.0) //! nn::clip_grad_norm
nn::init::xavier_uniform_(w) //! get_with_hints
nn::Identity() //! nn::ops::Identity
x.detach().numpy() //! to_vec2
x.to('cpu') //! double quotes
x.to(torch::float32) //! DType::F32
x.sum(dim=1) //! no names
torch.cat([v, y], dim=0) //! torch::
torch::cat([&v, &y], 0) //! consider borrowing
x.mean(axis=0) //! no names
torch::full(2, i64::MAX)?.to_vec::<i64>()? //= [9223372036854775807, 9223372036854775807]
with torch.no_grad(): //! x.detach()
torch::device("cuda") //! device()
np.random.randn(3) //! torch::
nn::Linear::new(2, 32)? //! nn::linear(3, 4, vb
nn::linear(2, 32)? //! nn::builder(&varmap
metrics::f1_score(&v, &v)? //! to_dtype(DType::I64)
create::<dyn Dehazer>("dehazer/dark_channel", json!({}))? //! dyn ImageTransform
x.max(0)?.values //! argmax
x.i((-1, -1))? //! x.dim(0)? - 1
nn::AdamW::new(varmap.all_vars(), 1e-3)?.lr() //! learning_rate()
create::<dyn Forecaster>("forecaster/last_value", json!({"lookback": 4, "horizon": 2}))?.predict(&v)? //! forecast::fit
x.gt(1.5)?.count_nonzero()? as f64 / x.numel() as f64 //= 0.75

torch::zeros_like(&x)? //= f32 [2, 2] [0.0, 0.0, 0.0, 0.0]
torch::allclose(&x, &x)? //= true
torch::einsum("ij,jk->ik", &[&x, &x])? //= f32 [2, 2] [11.0, 7.0, 14.0, 18.0]
nn::CosineSchedule::new(1e-3, 10).at(0) //= 0.001
torch::one_hot(&labels, 3)?.dims().len() //= 2
torch::equal(&x, &x)? //= true
torch::tril(&x, 0)? //= f32 [2, 2] [3.0, 0.0, 2.0, 4.0]
plot::plot(&v, &y).save("a.png")? //! .draw()?
nn::batch_norm(64, nn::builder(&VarMap::new(), DType::F32, &device()).pp("vb")) //! nn::batch_norm(8, 1e-5, vb)?
pd::read_csv("people.csv")? //! data::read_csv
nn::Activation::Tanh //! add_fn(|x| x.tanh())

// Plots
plot::plot(&v, &y).label("sin").draw()? //= a figure
plot::plot(&v, &y).label("a").plot(&v, &v).label("b").grid(false).draw()? //= a figure
plot::imshow(&x).colorbar(false).draw()? //= a figure
plot::imshow(&x).cmap("gray").vmin(0.0).vmax(4.0).draw()? //= a figure
plot::plot(&v, &y).xlim(0.0, 2.0).ylim(0.0, 1.0).yscale("linear").draw()? //= a figure
plot::scatter(&v, &y).s(12.0).alpha(0.5).draw()? //= a figure
plot::hist(&v).xlim(0.0, 2.0).draw()? //= a figure
plot::scatter(&v, &y).color_by(&labels).draw()? //! classes(&labels)
widgets::slider("rate", 0.0, 1.0).value() //! .get()
widgets::checkbox("stop", false).value() //! .get()
plot::line(&v).draw()? //= a figure
plot::plot(&v, &y).xlabel("a").ylabel("b").draw()? //= a figure
plot::hist(&v).draw()? //= a figure
plot::scatter(&v, &y).draw()? //= a figure
plot::imshow(&x).draw()? //= a figure
plot::bar(["a", "b", "c"], &v).draw()? //= a figure
plot::errorbar(&v, &y, &v).draw()? //= a figure
plot::fill_between(&v, &y, &v).draw()? //= a figure
plot::lines().series("a", &v).legend("upper left").draw()? //= a figure
plot::subplots(1, 2, [plot::line(&v).draw()?, plot::hist(&v).draw()?])? //= a figure
plot::line(&v).draw()?.save("figure.jpg")? //! figure.save("figure.png")
plot::line(&v).draw()?.to_png()?.len() > 1000 //= true
plt.plot(v) //! plot::line
plt::hist(&v) //! plot::hist
import matplotlib.pyplot as plt //! `plot`
plot.hist(&v) //! plot::hist

// Python
print(x) //! println!
println("hello") //! println!
z = 3 //! let x = 3;
let a = True; //! `true`
let a = 'hello'; //! double quotes
for i in range(3): print(i) //! 0..10
def f(x): //! fn name
class Net: //! struct
let s = f"{x}"; //! format!
lambda a: a + 1 //! closure
[i * i for i in range(3)] //! collect
range(3) //! 0..10
type(x) //! :type
x and x //! &&
len(v) //! x.dim(0)?
# a comment //! a comment begins
