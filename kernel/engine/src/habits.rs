//! What people type who know Python, and what it is here: a line under the error.
//!
//! A compiler says what is wrong with `x[0]`; that a tensor's part is `x.i(0)?` it cannot know. A hint stands beside the
//! compiler's words and never in place of them.

/// What is known of an error where it stands.
#[derive(Debug)]
pub struct Place<'a> {
    /// rustc's code, empty for syntax errors.
    pub code: &'a str,
    /// rustc's message.
    pub message: &'a str,
    /// The line of the cell that the error is in.
    pub line: &'a str,
}

/// Names that are looked for, and what to write.
type Table = &'static [(&'static [&'static str], &'static str)];

/// Names that are no functions or values.
const NAMES: Table = &[
    (
        &["True", "False"],
        "the values are written `true` and `false`",
    ),
    (
        &["println", "format", "vec", "assert", "assert_eq"],
        "a macro is called with `!`: println!(\"{x}\")",
    ),
    (
        &["print"],
        "the last expression of a cell is shown; a line is printed by println!(\"{x}\")",
    ),
    (
        &["len"],
        "the length of a vector is `x.len()`, of a tensor's dimension `x.dim(0)?`",
    ),
    (&["range"], "a range is `0..10`: for i in 0..10 { ... }"),
    (
        &["type"],
        ":type NAME shows a variable's type, `x.dtype()` a tensor's dtype",
    ),
    (
        &["str"],
        "text is made by `x.to_string()` or format!(\"{x}\")",
    ),
    (
        &["int", "float"],
        "numbers are converted by `x as i64` and `x as f64`, tensors by `x.long()?` and `x.float()?`",
    ),
    (
        &["enumerate"],
        "for (i, x) in xs.iter().enumerate() { ... }",
    ),
    (&["zip"], "for (a, b) in a.iter().zip(&b) { ... }"),
    (
        &["list", "dict", "set", "tuple"],
        "collections are `vec![1, 2]`, `std::collections::HashMap` and `HashSet`, tuples `(1, 2)`",
    ),
    (
        &["isinstance"],
        ":type NAME shows a variable's type; types are known when a cell is compiled",
    ),
    (
        &["help", "dir"],
        ":doc NAME shows documentation, Tab the methods behind `x.`",
    ),
    (
        &["open"],
        "a file's text is `std::fs::read_to_string(\"name\")?`",
    ),
    (&["input"], "input(\"question\")? asks in the notebook"),
    (
        &["torch"],
        "functions of the module are written with two colons: `torch::randn((2, 3))?`",
    ),
    (
        &["np", "numpy"],
        "arrays are tensors here: `torch::tensor([1.0, 2.0])?`, `torch::linspace(0.0, 1.0, 5)?`, `x.sqrt()?`",
    ),
    (
        &["plt", "matplotlib", "pyplot", "sns"],
        "plots are in `plot`: `plot::line(&y).draw()?`, `plot::hist(&x).draw()?`, `plot::scatter(&x, &y).draw()?`",
    ),
    (
        &["pd", "pandas"],
        "a table in a file is read by `data::read_csv(\"people.csv\")?`, which has `head`, `describe` and `column`",
    ),
    (
        &["F", "functional"],
        "functions of layers and losses are in `nn`: `nn::relu(&x)?`, `nn::cross_entropy(&logits, &target)?`",
    ),
    (
        &["optim"],
        "optimizers are in `nn`: `nn::AdamW::new(net.parameters(), 1e-3)?`, `nn::SGD::new(net.parameters(), 0.1)?`",
    ),
    (
        &["tf", "keras", "jax", "jnp"],
        "tensors are candle's, with torch's names: `torch::zeros((2, 3))?`, `nn::linear(3, 4, vb)?`",
    ),
    (
        &["tqdm"],
        "a progress bar is `for x in progress(0..10) { ... }`",
    ),
    (
        &["time"],
        "%time STATEMENT and %%time measure; `std::time::Instant::now()` is a clock",
    ),
    (
        &["os", "sys", "subprocess"],
        "`std::env`, `std::fs` and `std::process` are there; !COMMAND runs a command",
    ),
    (
        &["math"],
        "functions are methods of numbers: `2f64.sqrt()`, `x.ln()`, `std::f64::consts::PI`",
    ),
    (
        &["random"],
        "`torch::rand(3)?` and `torch::randint(0, 10, 3)?` draw; `nn::manual_seed(1)?` seeds",
    ),
    (
        &["json"],
        "values are made by json!({\"a\": 1}) and read by `serde_json::from_str(text)?`",
    ),
    (
        &["abs", "max", "min", "round", "pow"],
        "these are methods: `x.abs()`, `a.max(b)`; of tensors with `?`: `x.abs()?`, `x.max(0)?`",
    ),
    (
        &["sum"],
        "`sum_all(&x)?` adds all values, `sum(&x, 0)?` those of a dimension",
    ),
    (
        &[
            "randn", "rand", "zeros", "ones", "arange", "linspace", "eye", "full", "randint",
            "randperm", "cat", "stack", "tensor", "where_",
        ],
        "the function is in the module `torch`: `torch::randn((2, 3))?`",
    ),
    (
        &["concat", "concatenate", "hstack", "vstack"],
        "tensors are joined by `torch::cat(&[&a, &b], 0)?`",
    ),
    (
        &[
            "array",
            "asarray",
            "from_numpy",
            "FloatTensor",
            "LongTensor",
        ],
        "a tensor of values is `torch::tensor([[1.0, 2.0], [3.0, 4.0]])?`",
    ),
    (
        &[
            "zeros_like",
            "ones_like",
            "randn_like",
            "rand_like",
            "empty_like",
        ],
        "it is a method: `x.zeros_like()?`, `x.randn_like(0.0, 1.0)?`, `x.full_like(2.0)?`",
    ),
    (
        &["empty"],
        "`torch::zeros((2, 3))?` makes a tensor; none is left without values",
    ),
    (
        &[
            "exp", "log", "sqrt", "sin", "cos", "tanh", "relu", "sigmoid", "softmax", "argmax",
            "argsort", "topk", "sort", "mean", "std", "flip", "clamp", "allclose", "isnan",
            "outer", "mm", "bmm", "unique", "median", "prod", "cumsum", "norm",
        ],
        "it is a method of the tensor: `x.exp()?`, `x.softmax(-1)?`, `x.argmax(1)?`",
    ),
    (
        &["save", "load"],
        "`torch::save(&net.state_dict()?, \"model.safetensors\")?` and `net.load_state_dict(&torch::load(\"model.safetensors\")?)?` keep parameters; `x.save_safetensors(\"x\", \"x.safetensors\")?` a tensor",
    ),
    (
        &["no_grad", "inference_mode", "set_grad_enabled"],
        "nothing is recorded for tensors without a `Var` behind them; `x.detach()` cuts the graph",
    ),
    (
        &["from_pretrained"],
        "weights come from a file: see `weights` and notebooks/pretrained_vit.ipynb",
    ),
    (
        &["einsum"],
        "sums of products by letters are `torch::einsum(\"ij,jk->ik\", &[&a, &b])?`",
    ),
    (
        &["meshgrid"],
        "grids are made by broadcasting: `x.unsqueeze(0)?` and `y.unsqueeze(1)?` with `ops::broadcast_add`",
    ),
    (
        &["device"],
        "`device()` is the GPU where there is one, else the CPU",
    ),
    (
        &["manual_seed", "seed"],
        "`nn::manual_seed(1)?` seeds everything that draws",
    ),
    (
        &["CrossEntropyLoss"],
        "a loss is a function: `nn::cross_entropy(&logits, &target)?`",
    ),
    (
        &["MSELoss"],
        "a loss is a function: `nn::mse_loss(&x, &target)?`",
    ),
    (
        &["L1Loss"],
        "a loss is a function: `nn::l1_loss(&x, &target)?`",
    ),
    (
        &["BCELoss", "BCEWithLogitsLoss"],
        "a loss is a function: `nn::binary_cross_entropy_with_logits(&logits, &target)?`",
    ),
    (
        &["NLLLoss"],
        "a loss is a function: `nn::nll_loss(&log_probabilities, &target)?`",
    ),
    (
        &[
            "ReLU",
            "GELU",
            "SiLU",
            "Sigmoid",
            "Tanh",
            "LeakyReLU",
            "ELU",
        ],
        "activations are `nn::Activation::Relu` in a network and functions on tensors: `nn::relu(&x)?`",
    ),
    (
        &["MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"],
        "pooling is a function: `nn::max_pool2d(&x, 2)?`, in a network `.add_fn(|x| nn::max_pool2d(x, 2))`",
    ),
    (
        &["Flatten"],
        "in a network: `.add_fn(|x| x.flatten_from(1))`",
    ),
    (
        &["BatchNorm2d", "BatchNorm1d"],
        "the layer is made by `nn::batch_norm(channels, 1e-5, vb)?`",
    ),
    (&["Identity"], "the layer is `nn::ops::Identity`"),
    (
        &["TransformerEncoder", "TransformerEncoderLayer"],
        "the layers are made by `nn::transformer_encoder(6, &nn::TransformerSettings::new(512, 8), vb)?`",
    ),
    (
        &["MultiheadAttention", "MultiHeadAttention"],
        "the layer is made by `nn::multi_head_attention(width, heads, vb)?`",
    ),
    (
        &[
            "lr_scheduler",
            "StepLR",
            "CosineAnnealingLR",
            "LambdaLR",
            "ExponentialLR",
            "OneCycleLR",
            "ReduceLROnPlateau",
        ],
        "schedules are `nn::OneCycleSchedule::new(peak, steps)`, `nn::CosineSchedule` and `nn::Plateau`: `optimizer.set_learning_rate(schedule.at(step))`",
    ),
    (
        &["clip_grad_norm_", "clip_grad_value_", "utils"],
        "gradients are clipped before the step: `let mut grads = loss.backward()?; nn::clip_grad_norm(&mut grads, &net.parameters(), 1.0)?; optimizer.step(&grads)?`",
    ),
    (
        &[
            "xavier_uniform_",
            "xavier_normal_",
            "kaiming_uniform_",
            "kaiming_normal_",
            "normal_",
            "uniform_",
            "constant_",
            "zeros_",
            "ones_",
        ],
        "first values are given where a parameter is made: `vb.get_with_hints((3, 4), \"weight\", nn::init::DEFAULT_KAIMING_NORMAL)?`; layers have PyTorch's",
    ),
    (
        &["float16", "float32", "float64", "int64", "int32", "uint8"],
        "dtypes are `DType::F16`, `DType::BF16`, `DType::F32`, `DType::F64`, `DType::I64` and `DType::U8`: `x.to(DType::F32)?`",
    ),
    (
        &["nn"],
        "layers, losses and optimizers are in `nn`: `nn::linear(3, 4, vb)?`, `nn::cross_entropy(&logits, &target)?`",
    ),
    (&["Softmax"], "it is a function: `nn::softmax(&x, -1)?`"),
    (
        &["Parameter"],
        "a parameter is `vb.get((3, 4), \"weight\")?`, or `Var::from_tensor(&x)?`",
    ),
    (
        &["ModuleList", "ModuleDict"],
        "layers are kept in a `Vec` or a `HashMap`, a struct of them is a network by `#[derive(nn::Network)]`",
    ),
    (
        &["DataLoader", "Dataset"],
        "a batch is `x.narrow(0, start, size)?`, in random order `x.index_select(&torch::randperm(n)?, 0)?`",
    ),
    (
        &[
            "figure", "subplots", "show", "xlabel", "ylabel", "title", "legend", "imshow", "hist",
            "savefig", "boxplot", "contour",
        ],
        "plots are built in one expression: `plot::line(&y).title(\"loss\").xlabel(\"epoch\").draw()?`; `plot::subplots(1, 2, [a, b])?` joins figures, `figure.save(\"loss.svg\")?` keeps one",
    ),
    (
        &[
            "metrics",
            "sklearn",
            "torchmetrics",
            "f1_score",
            "confusion_matrix",
        ],
        "`accuracy(&predicted, &target)?` is a share with its interval, `plot::confusion_matrix(&predicted, &target).draw()?` shows the classes",
    ),
    (
        &["Dehazer", "Transform"],
        "dehazers are of the kind `ImageTransform`: `create::<dyn ImageTransform>(\"image/dark_channel_prior\", json!({}))?`; %plugins lists all ids",
    ),
    (
        &["vb", "varmap"],
        "parameters are made in a VarMap: `let varmap = VarMap::new(); let vb = nn::builder(&varmap, DType::F32, &device());`",
    ),
    (
        &["EncoderInput", "Window"],
        "inputs of components are in `plugin`: `plugin::EncoderInput::new(&images)`, `plugin::Window::new(past)`; an encoder takes a \
         tensor, too: `encoder.forward(&images)?`",
    ),
    (
        &["Conv2dConfig", "Conv1dConfig"],
        "settings of layers are in `nn`: `nn::Conv2dConfig { padding: 1, ..Default::default() }`",
    ),
    (
        &["super", "self", "this"],
        "methods take `&self` in an `impl` block",
    ),
];

/// Constructors of PyTorch whose names are types here.
const CONSTRUCTORS: Table = &[
    (
        &["Linear"],
        "a layer is made with its parameters: `let vb = nn::builder(&varmap, DType::F32, &device()); nn::linear(3, 4, vb.pp(\"fc\"))?`",
    ),
    (
        &["Conv2d", "Conv1d", "ConvTranspose2d"],
        "a layer is made with its parameters: `nn::conv2d(3, 8, 3, nn::Conv2dConfig { padding: 1, ..Default::default() }, vb.pp(\"conv\"))?`",
    ),
    (
        &["Sequential"],
        "a network is `nn::seq().add(nn::linear(3, 4, vb.pp(\"0\"))?).add(nn::Activation::Relu)`",
    ),
    (
        &["Embedding"],
        "the layer is made by `nn::embedding(entries, width, vb.pp(\"embedding\"))?`",
    ),
    (
        &["LayerNorm"],
        "the layer is made by `nn::layer_norm(width, 1e-5, vb.pp(\"norm\"))?`",
    ),
    (
        &["BatchNorm"],
        "the layer is made by `nn::batch_norm(channels, 1e-5, vb.pp(\"norm\"))?`",
    ),
    (
        &["LSTM", "GRU", "RNN"],
        "the layer is made by `nn::lstm(inputs, width, Default::default(), vb.pp(\"lstm\"))?`",
    ),
    (&["Dropout"], "the layer is `nn::Dropout::new(0.5)`"),
    (
        &["Adam", "AdamW", "SGD"],
        "an optimizer is made by `nn::AdamW::new(net.parameters(), 1e-3)?`, of all in a `VarMap` by `nn::AdamW::new(varmap.all_vars(), 1e-3)?`",
    ),
    (
        &["Tensor"],
        "a tensor is made by `torch::tensor([1.0, 2.0])?` or `Tensor::new(&[1f32, 2.0], &device())?`",
    ),
];

/// Methods and attributes that tensors, networks and optimizers have in Python.
const MEMBERS: Table = &[
    (
        &["numpy", "to_list", "asnumpy"],
        "values are read by `x.to_vec2::<f32>()?`, flat by `x.to_vec::<f32>()?`, one by `x.item()?`",
    ),
    (
        &["astype", "type"],
        "dtypes are converted by `x.to(DType::F32)?` or `x.float()?`",
    ),
    (
        &["T", "mT", "H"],
        "a matrix is transposed by `x.t()?`, other dimensions by `x.swapaxes(0, 1)?`",
    ),
    (
        &["grad"],
        "gradients are in what `backward` returns: `let grads = loss.backward()?; grads.get(&w)`",
    ),
    (
        &["requires_grad", "requires_grad_", "is_leaf"],
        "what is trained is a variable: `let w = Var::from_tensor(&x)?;`",
    ),
    (&["data"], "`x.detach()` are the values without the graph"),
    (
        &["zero_grad"],
        "gradients are not kept between steps: `optimizer.backward_step(&loss)?` computes them and steps",
    ),
    (
        &[
            "parameters",
            "named_parameters",
            "named_children",
            "named_modules",
            "children",
            "modules",
            "num_parameters",
            "state_dict",
            "load_state_dict",
        ],
        "a struct of layers has `parameters`, `named_parameters`, `named_children`, `state_dict` and `to` by `#[derive(nn::Network)]` before it",
    ),
    (
        &["cuda", "cpu", "half", "bfloat16", "double", "float"],
        "a network is brought to a device or dtype by `net.to(&device())?` and `net.to(DType::BF16)?`",
    ),
    (
        &["param_groups"],
        "the learning rate is `optimizer.learning_rate()` and `optimizer.set_learning_rate(1e-4)`",
    ),
    (
        &["train", "eval"],
        "training or not is an argument: `net.forward_t(&x, true)?`, in `nn::seq_t()` of all layers",
    ),
    (
        &["fit", "compile", "predict"],
        "a network is called by `net.forward(&x)?`; `nn::training` is a training loop",
    ),
    (
        &["append", "extend"],
        "a vector grows by `xs.push(x)`, of several by `xs.extend(more)`",
    ),
    (
        &["len", "__len__"],
        "the length of a dimension is `x.dim(0)?`, the number of values `x.numel()`",
    ),
    (&["nelement"], "the number of values is `x.numel()`"),
    (
        &["hist", "plot"],
        "plots are functions: `plot::hist(&x).draw()?`, `plot::line(&x).draw()?`",
    ),
    (
        &["show"],
        "a figure is shown as the last expression, or by `display(&figure)`",
    ),
    (
        &["savefig"],
        "a figure is kept by `figure.save(\"loss.svg\")?`",
    ),
    (
        &[
            "fill_",
            "add_",
            "sub_",
            "mul_",
            "div_",
            "zero_",
            "clamp_",
            "copy_",
            "relu_",
            "normal_",
            "uniform_",
            "masked_fill_",
            "scatter_",
            "index_fill_",
        ],
        "tensors do not change: `let x = (x + y)?;`; a variable is set by `w.set(&value)?`",
    ),
    (
        &["amax", "amin"],
        "the extremes are `x.max(0)?` and `x.min(0)?`",
    ),
    (
        &["standard_deviation", "stdev", "std_dev"],
        "the standard deviation is `x.std(0)?`, of all values `x.std_all()?`",
    ),
    (&["power"], "powers are `x.powf(2.0)?` and `x.sqr()?`"),
    (
        &["floor_divide", "remainder", "fmod"],
        "`(x / y)?.floor()?` is the whole quotient",
    ),
    (
        &["einsum"],
        "it is a function: `torch::einsum(\"ij,jk->ik\", &[&a, &b])?`",
    ),
    (
        &["head", "describe", "info", "value_counts"],
        "tables are shown as the last expression; `stats` has what describes numbers",
    ),
    (&["size_", "width", "height"], "lengths are `x.dims()`"),
    (&["format"], "text is made by format!(\"{x:.3}\")"),
    (
        &["label", "labels"],
        "a line is named by `plot::plot(&x, &y).label(\"train\")` or `plot::lines().series(\"train\", &losses)`, an axis by \
         `.x_label(\"epoch\")`, the classes of points by `plot::scatter(&x, &y).classes(&labels).class_names([\"a\", \"b\"])`",
    ),
    (
        &["color_by", "hue", "c"],
        "points are colored by class by `plot::scatter(&x, &y).classes(&labels)`",
    ),
    (
        &["lr", "get_last_lr"],
        "the learning rate is `optimizer.learning_rate()`",
    ),
    (
        &["value"],
        "the value of a control is `control.get()`, of one number in a tensor `x.item()?`",
    ),
    (
        &["items", "keys", "values"],
        "a map is gone through by `for (key, value) in &map { ... }`",
    ),
    (&["strip"], "white space is cut off by `text.trim()`"),
    (
        &["upper", "lower"],
        "`text.to_uppercase()` and `text.to_lowercase()`",
    ),
    (
        &["startswith", "endswith"],
        "`text.starts_with(\"a\")` and `text.ends_with(\"a\")`",
    ),
];

/// Methods that take a dimension here, called without one.
const WITHOUT_DIMENSION: Table = &[
    (
        &[
            "sum", "mean", "var", "max", "min", "std", "prod", "median", "argmax", "argmin",
        ],
        "of all values: `x.sum_all()?`, `x.mean_all()?`, `x.max_all()?`, `x.std_all()?`, `x.argmax_all()?`; of a dimension: `x.sum(0)?`",
    ),
    (&["size"], "all lengths are `x.dims()`, one is `x.size(0)?`"),
    (
        &["squeeze"],
        "`x.squeeze_all()?` removes all dimensions of length 1, `x.squeeze(0)?` one",
    ),
    (
        &["flatten"],
        "`x.flatten_all()?` gives a vector, `x.flatten_from(1)?` keeps the batch",
    ),
    (
        &[
            "softmax",
            "log_softmax",
            "cumsum",
            "cumprod",
            "unbind",
            "logsumexp",
        ],
        "the dimension is said: `x.softmax(-1)?`, `x.cumsum(0)?`",
    ),
    (
        &["sort", "argsort"],
        "dimension and direction are said: `x.sort(-1, false)?`",
    ),
    (&["topk"], "the dimension is said: `x.topk(3, -1)?`"),
    (
        &["transpose"],
        "a matrix is transposed by `x.t()?`, dimensions are exchanged by `x.transpose(0, 1)?`",
    ),
];

fn find(table: Table, name: &str) -> Option<&'static str> {
    let row = table.iter().find(|(names, _)| names.contains(&name))?;
    Some(row.1)
}

/// The words of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// Tells whether a name is what Python users call a module of theirs.
pub fn is_module_of_python(name: &str) -> bool {
    matches!(
        name,
        "pd" | "pandas"
            | "np"
            | "numpy"
            | "plt"
            | "matplotlib"
            | "sns"
            | "seaborn"
            | "tf"
            | "cv2"
            | "sklearn"
            | "timm"
            | "torchvision"
    )
}

/// Returns what to write in place of what a Python user has typed, if the error looks like that.
pub fn hint(place: &Place<'_>) -> Option<String> {
    let found = match place.code {
        "E0405" | "E0425" | "E0423" | "E0424" | "E0433" | "E0432" | "E0412" | "E0531" | "E0574" => {
            name(place)
        }
        "E0599" | "E0609" | "E0610" | "E0615" | "E0616" => member(place),
        "E0608" if !place.message.contains("Tensor") => None,
        "E0608" => Some(
            "a part of a tensor is `x.i(0)?`, `x.i((.., 0))?` or `x.i(1..3)?`; a vector's length is a usize: `xs[i as usize]`",
        ),
        "E0369" | "E0368" | "E0600" | "E0277" | "E0308" => operation(place),
        "E0061" | "E0107" => arguments(place),
        "E0618" => Some(
            "a network or layer is called by `net.forward(&x)?`, by `net.forward_t(&x, true)?` where training differs",
        ),
        "E0282" | "E0283" | "E0284" | "E0790" => inference(place),
        "" | "E0758" | "E0762" | "E0763" | "E0765" | "E0766" => syntax(place),
        "E0614" if place.line.contains("**") => syntax(place),
        _ => None,
    };
    found.map(str::to_owned)
}

fn name(place: &Place<'_>) -> Option<&'static str> {
    let quoted = place.message.split('`').nth(1)?;
    let last = quoted.rsplit("::").next()?;
    let line = place.line.trim();
    if line.starts_with("use ") && quoted != "torch" && find(NAMES, last).is_none() {
        return None;
    }
    if place.code == "E0423" || place.code == "E0574" {
        if let Some(found) = find(CONSTRUCTORS, last) {
            return Some(found);
        }
        if last == "nn" || last == "plot" || last == "ops" {
            return Some(
                "functions of a module are written with two colons: `nn::relu(&x)?`, `plot::hist(&x).draw()?`",
            );
        }
    }
    if let Some(found) = find(NAMES, last).or_else(|| find(CONSTRUCTORS, last)) {
        return Some(found);
    }
    // `x = 3` and `f(x, lr=0.1)`.
    let behind = line.split_once(last).map(|(_, rest)| rest.trim_start());
    let assigns = behind.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="));
    if !assigns {
        return None;
    }
    if line.starts_with(last) {
        return Some("a new variable begins with `let`: let x = 3;");
    }
    Some(
        "arguments have no names: they come in order, and many settings are fields of a struct: `Conv2dConfig { padding: 1, ..Default::default() }`",
    )
}

fn member(place: &Place<'_>) -> Option<&'static str> {
    let quoted = place.message.split('`').nth(1)?;
    if place.code == "E0599"
        && (place.message.contains("enum `Result")
            || place.message.contains("for enum `std::result::Result"))
    {
        return Some(
            "each call that can fail is followed by `?`: `x.relu()?.sum_all()?`, `(a + b)?`",
        );
    }
    if matches!(place.code, "E0615" | "E0616") && place.message.contains("Tensor") {
        return Some("it is a method: `x.shape()`, `x.dims()`, `x.dtype()`, `x.device()`");
    }
    let last = quoted.rsplit("::").next()?;
    if matches!(last, "values" | "indices") && place.message.contains("Tensor") {
        return Some(
            "`x.max(0)?` are the values and `x.argmax(0)?` their indices; `x.sort(-1, false)?` and `x.topk(3, -1)?` give both",
        );
    }
    if place.message.contains("enum `") && place.message.contains("Activation`") {
        return Some(
            "activations are Gelu, NewGelu, Relu, Relu2, Relu6, Silu, Sigmoid, HardSigmoid, Swish, HardSwish, Mish, Elu(1.0) and \
             LeakyRelu(0.01); others are functions: `nn::seq().add(layer).add_fn(|x| x.tanh())`",
        );
    }
    if matches!(last, "forward" | "weights" | "step" | "backward_step")
        && place.message.contains("dyn Balancer")
    {
        return Some(
            "a balancer makes the gradients of several losses: `let balanced = balancer.backward(&[a, b], &shared)?; \
             optimizer.step(&balanced.gradients)?;`, `balanced.weights` are the weights; `shared` are the parameters that several losses reach",
        );
    }
    if matches!(last, "save" | "to_png" | "to_pdf" | "show")
        && ["Lines", "Scatter", "Histogram", "Bars", "HeatMap"]
            .iter()
            .any(|plot| place.message.contains(&format!("{plot}`")))
    {
        return Some("a plot is drawn first: `plot::plot(&x, &y).draw()?.save(\"loss.png\")?`");
    }
    if matches!(last, "fit" | "predict" | "train") && place.message.contains("Slot<") {
        return Some(
            "forecasters are fitted by `forecast::fit(&model, &data, &forecast::FitOptions::default())?` and tried by \
             `forecast::backtest(&model, &data, forecast::Part::Test)?`; docs/forecasting.md begins with a table in a file",
        );
    }
    find(MEMBERS, last).or_else(|| find(NAMES, last))
}

fn operation(place: &Place<'_>) -> Option<&'static str> {
    let (message, line) = (place.message, place.line);
    let of_result = message.contains("Result<") && message.contains("cannot ");
    if of_result && !message.contains("`?`") && matches!(place.code, "E0369" | "E0277") {
        return Some("a result of tensors is followed by `?`: `(a + b)?`, `(x.relu()? * 2.0)?`");
    }
    match place.code {
        "E0600" | "E0277"
            if message.contains("usize")
                && (place.code == "E0600" || message.contains("::Neg` is")) =>
        {
            if line.contains(".i(") {
                return Some(
                    "an index counts from the beginning: the last of `x` is `x.i(x.dim(0)? - 1)?`",
                );
            }
            return Some(
                "dimensions from the end are `D::Minus1` and `D::Minus2`: `x.sum(D::Minus1)?`; a length that is found is `()`: \
                 `x.reshape((2, ()))?`, or -1 in `x.view((2, -1))?`",
            );
        }
        "E0369" | "E0368" | "E0600" if !message.contains("Tensor") => return None,
        "E0369" if message.contains("`==`") || message.contains("`!=`") => {
            return Some(
                "tensors are compared by `x.eq(&y)?`, as a whole by `x.equal(&y)?` and `x.allclose(&y)?`",
            );
        }
        "E0369"
            if ["`<`", "`>`", "`<=`", "`>=`"]
                .iter()
                .any(|op| message.contains(op)) =>
        {
            return Some(
                "tensors are compared by `x.gt(0.0)?`, `x.lt(&y)?`, `x.ge(0.0)?` and `x.le(&y)?`",
            );
        }
        "E0369" => {
            return Some(
                "masks are joined by `a.logical_and(&b)?` and `a.logical_or(&b)?`; tensors have `+`, `-`, `*` and `/`: `(a * b)?`",
            );
        }
        "E0368" => return Some("tensors do not change: `x = (x + 1.0)?;`"),
        "E0600" => {
            return Some(
                "a tensor's sign is changed by `x.neg()?`, a mask turned round by `mask.logical_not()?`",
            );
        }
        _ => {}
    }
    if message.contains("`Dim` is not satisfied")
        || message.contains("`Dims` is not satisfied")
        || message.contains(": Dim`")
        || message.contains(": Dims`")
        || message.contains("shape::Dim")
    {
        return Some(
            "dimensions from the end are `D::Minus1` and `D::Minus2`: `x.sum(D::Minus1)?`",
        );
    }
    if message.contains("ShapeWithOneHole") {
        return Some(
            "the length that is found is `()`: `x.reshape((2, ()))?`; `x.view((2, -1))?` takes -1",
        );
    }
    if message.contains("Tensor")
        && (message.contains("{integer}")
            || message.contains("integer")
            || message.contains("{float}")
            || message.contains("i32"))
        && place.code == "E0277"
    {
        return Some(
            "numbers beside tensors are floats and stand behind them: `(x + 1.0)?`, `(x * 2.0)?`",
        );
    }
    if message.contains("cannot be indexed") {
        return Some("a vector's index is a usize: `xs[i as usize]`");
    }
    if message.contains("`?` operator") || message.contains("the `?`") {
        return None;
    }
    if line.contains(".pow(") {
        return Some("a number as the exponent: `x.powf(2.0)?`");
    }
    if place.code == "E0308" && message.contains("mismatched types") && line.contains("item()") {
        return Some("`item()` gives an f64: `x.item()? as f32`, or `x.to_scalar::<f32>()?`");
    }
    if place.code == "E0308"
        && let Some(found) = words(line)
            .filter(|name| line.contains(&format!("nn::{name}::new(")))
            .find_map(|name| find(CONSTRUCTORS, name))
        && !line.contains("AdamW::new")
    {
        return Some(found);
    }
    if place.code == "E0308" && line.contains("AdamW::new") {
        return Some("`nn::AdamW::new(varmap.all_vars(), 1e-3)?`");
    }
    None
}

fn arguments(place: &Place<'_>) -> Option<&'static str> {
    let line = place.line;
    for name in words(line) {
        let called_without = line.contains(&format!(".{name}()"));
        if called_without && let Some(found) = find(WITHOUT_DIMENSION, name) {
            return Some(found);
        }
    }
    if line.contains(".step(") {
        return Some(
            "gradients are handed over: `optimizer.backward_step(&loss)?` computes them and steps, `optimizer.step(&loss.backward()?)?` in two",
        );
    }
    if line.contains(".topk(") {
        return Some("the dimension is said: `x.topk(3, -1)?`");
    }
    if line.contains("item::<") {
        return Some("`x.item()?` is an f64; `x.to_scalar::<f32>()?` keeps the dtype");
    }
    if line.contains(".value()") {
        return Some("the value of a control is `control.get()`");
    }
    let takes_settings = [
        "conv1d(",
        "conv2d(",
        "batch_norm(",
        "layer_norm(",
        "lstm(",
        "gru(",
    ];
    if takes_settings
        .iter()
        .any(|call| line.contains(&format!("nn::{call}")))
        && line.contains("vb")
    {
        return Some(
            "settings stand before the builder: `nn::conv2d(3, 8, 3, Default::default(), vb)?`, `nn::batch_norm(8, 1e-5, vb)?`, \
             `nn::gru(4, 16, Default::default(), vb)?`",
        );
    }
    if line.contains(".legend(") {
        return Some("the place of the legend is said: `.legend(\"upper right\")`, or \"best\"");
    }
    if line.contains(".flatten(") {
        return Some("both ends are said: `x.flatten(1, D::Minus1)?`, or `x.flatten_from(1)?`");
    }
    if [
        "nn::linear(",
        "nn::conv2d(",
        "nn::conv1d(",
        "nn::embedding(",
        "nn::layer_norm(",
        "nn::lstm(",
        "nn::gru(",
    ]
    .iter()
    .any(|call| line.contains(call))
    {
        return Some(
            "a layer is made with its parameters: `let vb = nn::builder(&varmap, DType::F32, &device()); nn::linear(3, 4, vb.pp(\"fc\"))?`",
        );
    }
    if line.contains("Linear::new") {
        return Some("a layer with new parameters is `nn::linear(3, 4, vb)?`");
    }
    if line.contains("Tensor::") {
        return Some(
            "`torch::zeros((2, 3))?` and `torch::randn((2, 3))?` take the default device and dtype; `Tensor::zeros((2, 3), DType::F32, &device())?` takes both",
        );
    }
    if line.contains("torch::arange") {
        return Some(
            "start and end are said: `torch::arange(0, 10)?`, with a step `torch::arange_step(0, 10, 2)?`",
        );
    }
    if line.contains("torch::randint") || line.contains("torch::linspace") {
        return Some("`torch::randint(0, 10, (2, 3))?`, `torch::linspace(0.0, 1.0, 5)?`");
    }
    if line.contains("torch::cat") || line.contains("torch::stack") {
        return Some(
            "the tensors are a slice, and the dimension is said: `torch::cat(&[&a, &b], 0)?`",
        );
    }
    if line.contains("torch::")
        || [".view(", ".reshape(", ".permute(", ".expand(", ".repeat("]
            .iter()
            .any(|call| line.contains(call))
    {
        return Some(
            "a shape is a tuple: `torch::randn((2, 3))?`, `x.view((2, -1))?`, `x.permute((0, 2, 1))?`",
        );
    }
    None
}

fn inference(place: &Place<'_>) -> Option<&'static str> {
    if place.line.contains("AdamW::new") {
        return Some(
            "the settings are named: `nn::AdamW::new(vars, nn::ParamsAdamW::default())?`, or a learning rate: `nn::AdamW::new(vars, 1e-3)?`",
        );
    }
    if place.line.contains("to_vec(") {
        return Some("the type of the values is said: `x.to_vec::<f32>()?`");
    }
    if place.line.contains("to_scalar(") {
        return Some(
            "the type of the value is said: `x.to_scalar::<f32>()?`; `x.item()?` is an f64",
        );
    }
    None
}

fn syntax(place: &Place<'_>) -> Option<&'static str> {
    let line = place.line.trim();
    let derives = place.message.contains("cannot find derive macro");
    if derives
        && ["Module", "Network"]
            .iter()
            .any(|name| place.message.contains(name))
    {
        return Some(
            "a struct of layers becomes a network by `#[derive(nn::Network)]`; `impl Module for Net` gives it `forward`",
        );
    }
    let starts = |word: &str| line.split_whitespace().next() == Some(word);
    let has = |text: &str| line.contains(text);
    if line.starts_with("type(") {
        return find(NAMES, "type");
    }
    if starts("import") || (starts("from") && has(" import ")) {
        return Some(
            "nothing is imported: tensors, `torch`, `nn`, `ops` and `plot` are there; `:dep name = \"*\"` brings a crate, `use` a name of one",
        );
    }
    if starts("def") || starts("async") && has(" def ") {
        return Some("a function is fn name(x: &Tensor) -> Result<Tensor> { x.relu() }");
    }
    if starts("class") {
        return Some(
            "a type is struct Net { fc: nn::Linear } with impl Module for Net { fn forward(&self, x: &Tensor) -> Result<Tensor> { ... } }",
        );
    }
    if starts("print") {
        return Some("a line is printed by println!(\"{x}\")");
    }
    if starts("elif") || has("} elif") || has(" elif ") {
        return Some("it is written `else if`");
    }
    if starts("del") {
        return Some("a variable is dropped by drop(x)");
    }
    if starts("try:") || starts("except") || starts("raise") {
        return Some(
            "an error is handed on by `?`, made by candle::bail!(\"...\"), and looked at by match f() { Ok(x) => ..., Err(error) => ... }",
        );
    }
    if starts("with") {
        return Some(
            "there is no `with`: a value is dropped at the end of its block { ... }, and `x.detach()` cuts gradients",
        );
    }
    if starts("assert") {
        return Some("it is a macro: assert!(x > 0.0)");
    }
    if starts("global") || starts("nonlocal") || starts("pass") {
        return Some("variables of earlier cells are there by their names; an empty block is {}");
    }
    if place.message.contains("prefix `f`") || has("f\"") || has("f'") {
        return Some("text with values is format!(\"{x:.3}\"), printed by println!(\"{x:.3}\")");
    }
    if place.message.contains("character literal")
        || place.message.contains("char literal")
        || place.message.contains("lifetime")
    {
        return Some("text stands in double quotes: \"text\"; single quotes are for one character");
    }
    if has("lambda") {
        return Some("a closure is |x| x + 1");
    }
    if has("numel()") && has(" for ") {
        return Some("the parameters of a network are counted by `net.num_parameters()`");
    }
    if has("[") && has(" for ") && has(" in ") {
        return Some("a list is made by an iterator: (0..10).map(|x| x * x).collect::<Vec<_>>()");
    }
    let is_block = ["for", "if", "while", "else:"]
        .iter()
        .any(|word| starts(word));
    if line.ends_with(':') || (has(": ") && !has("{") && is_block) {
        return Some("a block stands in braces: for i in 0..10 { ... }, if x > 0.0 { ... }");
    }
    if is_python_slice(line) {
        return Some("a part of a tensor is `x.i((.., 0))?`, `x.i(1..3)?` or `x.narrow(0, 1, 2)?`");
    }
    if line.starts_with('#') || has(" # ") {
        return Some("a comment begins with //");
    }
    if has(" @ ") {
        return Some("matrices are multiplied by `a.matmul(&b)?`");
    }
    if has("**") {
        return Some(
            "powers are `x.powf(2.0)?` of tensors, `x.powi(2)` of floats and `n.pow(2)` of integers",
        );
    }
    if words(line).any(|word| matches!(word, "and" | "or" | "not")) {
        return Some(
            "they are written `&&`, `||` and `!`; masks of tensors have `a.logical_and(&b)?`",
        );
    }
    if words(line).any(|word| word == "is") {
        return Some("they are written `x.is_none()`, `x.is_some()` and `==`");
    }
    None
}

/// Whether something is followed by brackets with a colon or a comma in them: `x[:, 0]`, `x[1:3]`.
fn is_python_slice(line: &str) -> bool {
    let mut before = "";
    for part in line.split('[') {
        let is_behind = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ']');
        let inside = part.split(']').next().unwrap_or_default();
        if is_behind && inside.replace("::", "").contains([':', ',']) {
            return true;
        }
        before = part;
    }
    false
}

/// Returns what helps against an error of tensors, by its message.
pub fn failure_hint(message: &str) -> Option<&'static str> {
    if message.starts_with("shape mismatch in matmul") {
        return Some(
            "[n, m] times [m, k] is [n, k]: `b.t()?` transposes a matrix, `a.broadcast_matmul(&b)?` repeats batches",
        );
    }
    for (op, hint) in [
        (
            "add",
            "shapes are not broadcast by `+`: `ops::broadcast_add(&a, &b)?` or `a.broadcast_add(&b)?` does",
        ),
        (
            "sub",
            "shapes are not broadcast by `-`: `ops::broadcast_sub(&a, &b)?` or `a.broadcast_sub(&b)?` does",
        ),
        (
            "mul",
            "shapes are not broadcast by `*`: `ops::broadcast_mul(&a, &b)?` or `a.broadcast_mul(&b)?` does",
        ),
        (
            "div",
            "shapes are not broadcast by `/`: `ops::broadcast_div(&a, &b)?` or `a.broadcast_div(&b)?` does",
        ),
        (
            "cmp",
            "shapes are not broadcast by comparisons: `a.broadcast_eq(&b)?`, `a.broadcast_lt(&b)?` do",
        ),
        (
            "eq",
            "shapes are not broadcast by comparisons: `a.broadcast_eq(&b)?` does",
        ),
    ] {
        if message.starts_with(&format!("shape mismatch in {op},")) {
            return Some(hint);
        }
    }
    if message.starts_with("dtype mismatch in") {
        return Some(
            "one is converted: `a.to(b.dtype())?`, `a.float()?`, `a.long()?`; predictions and labels are compared by `accuracy(&logits, &labels)?`",
        );
    }
    if message.starts_with("device mismatch in") {
        return Some("both are brought to one device: `a.to(b.device())?`, `a.to(&device())?`");
    }
    if message.starts_with("unexpected dtype, expected") {
        return Some(
            "values are read in their own type, or converted: `x.item()?`, `x.to_vec::<f32>()?`, `x.to(DType::F32)?`",
        );
    }
    if message.starts_with("unexpected rank, expected: 0") {
        return Some(
            "a value of any shape is read by `x.item()?`, all by `x.to_vec::<f32>()?`; `x.mean_all()?` makes one of many",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, message: &str, line: &str) -> String {
        let place = Place {
            code,
            message,
            line,
        };
        hint(&place).unwrap_or_default()
    }

    #[test]
    fn habits_are_answered_by_what_to_write() {
        for (code, message, line, part) in [
            (
                "",
                "expected one of `!` or `::`, found `torch`",
                "import torch",
                "nothing is imported",
            ),
            (
                "E0425",
                "cannot find value `True` in this scope",
                "let a = True;",
                "`true`",
            ),
            (
                "E0425",
                "cannot find value `x` in this scope",
                "x = 3",
                "let x = 3;",
            ),
            (
                "E0425",
                "cannot find value `lr` in this scope",
                "f(a, lr=0.1)",
                "no names",
            ),
            ("", "expected one of", "x[1:3]", "x.i(1..3)?"),
            (
                "E0277",
                "the trait bound `usize: std::ops::Neg` is not satisfied",
                "x.sum(-1)",
                "D::Minus1",
            ),
            (
                "E0608",
                "cannot index into a value of type `Tensor`",
                "x[0]",
                "x.i(0)?",
            ),
            (
                "E0423",
                "expected function, found struct `nn::Linear`",
                "nn::Linear(3, 4)",
                "nn::linear",
            ),
            (
                "E0061",
                "this method takes 1 argument but 0 arguments were supplied",
                "x.mean()",
                "mean_all",
            ),
        ] {
            assert!(of(code, message, line).contains(part), "{line}");
        }
        assert_eq!(
            of(
                "E0425",
                "cannot find value `missing` in this scope",
                "kept + missing"
            ),
            ""
        );
        assert_eq!(of("E0308", "mismatched types", "let a: i32 = \"x\";"), "");
    }

    #[test]
    fn failures_name_what_helps() {
        let message = "shape mismatch in add, lhs: [2, 3], rhs: [3]";
        assert!(failure_hint(message).is_some_and(|hint| hint.contains("broadcast_add")));
        assert_eq!(failure_hint("no such file"), None);
    }
}
