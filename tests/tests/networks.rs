//! Networks that are derived in cells: parameters, printing, saving, redefinition.

use patchbay_tests::Client;

const NET: &str = "
#[derive(nn::Network)]
struct Net {
    encoder: Vec<nn::Linear>,
    norm: Option<nn::LayerNorm>,
    head: nn::Linear,
    scale: Var,
    rate: f64,
}

impl Module for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.encoder {
            x = layer.forward(&x)?.relu()?;
        }
        self.head.forward(&x)? * &self.scale.broadcast_as((x.dim(0)?, 1))?
    }
}

let vb = nn::builder(&VarMap::new(), DType::F32, &device());
let mut net = Net {
    encoder: vec![nn::linear(2, 3, vb.pp(\"0\"))?, nn::linear(3, 3, vb.pp(\"1\"))?, nn::linear(3, 3, vb.pp(\"2\"))?],
    norm: None,
    head: nn::linear(3, 1, vb.pp(\"head\"))?,
    scale: Var::ones((1, 1), DType::F32, &device())?,
    rate: 0.5,
};";

#[tokio::test]
async fn a_network_is_printed_trained_saved_and_moved() {
    let mut client = Client::start().await;
    client.execute(NET).await.ok();
    client
        .execute("net")
        .await
        .result(
            "Net(
  (encoder): ModuleList(
    (0): Linear(in_features=2, out_features=3, bias=true)         9
    (1-2): 2 x Linear(in_features=3, out_features=3, bias=true)  24
  )
  (head): Linear(in_features=3, out_features=1, bias=true)        4
  (scale): Parameter([1, 1], f32)                                 1
)
38 parameters",
        )
        .ok();
    // A layer of it, and what it holds of plain values.
    client
        .execute("net.head")
        .await
        .result("Linear(in_features=3, out_features=1, bias=true)  4 parameters")
        .ok();
    client
        .execute("net.named_parameters().into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(\" \")")
        .await
        .result(
            "\"encoder.0.weight encoder.0.bias encoder.1.weight encoder.1.bias encoder.2.weight encoder.2.bias head.weight head.bias scale\"",
        )
        .ok();
    // It learns y = 3 in a later cell, and what was saved comes back.
    client
        .execute(
            "let x = torch::ones((4, 2))?;
             let target = torch::full((4, 1), 3.0)?;
             let before = net.state_dict()?;
             let mut optimizer = nn::AdamW::new(net.parameters(), 0.05)?;
             for _ in 0..300 { optimizer.backward_step(&nn::mse_loss(&net.forward(&x)?, &target)?)?; }
             nn::mse_loss(&net.forward(&x)?, &target)?.item()? < 0.1",
        )
        .await
        .result("true")
        .ok();
    client
        .execute(
            "torch::save(&net.state_dict()?, \"net.safetensors\")?;
             let trained = net.forward(&x)?;
             net.load_state_dict(&before)?;
             let changed = !net.forward(&x)?.allclose(&trained)?;
             net.load_state_dict(&torch::load(\"net.safetensors\")?)?;
             (changed, net.forward(&x)?.equal(&trained)?)",
        )
        .await
        .result("(true, true)")
        .ok();
    client
        .execute("net.load_state_dict(&[(\"head.weight\".to_string(), torch::ones((2, 2))?), (\"b\".to_string(), torch::ones(1)?)].into())?;")
        .await
        .error(
            "Error",
            &["head.weight is [2, 2]: must be [1, 3]", "encoder.0.bias is missing", "b is none of the network's names"],
        );
    client
        .execute(
            "net.to(DType::F64)?; (net.forward(&x.double()?)?.dtype(), net.parameters().len())",
        )
        .await
        .result("(F64, 9)")
        .ok();
}

#[tokio::test]
async fn networks_are_generic_nested_redefined_and_two_in_a_cell() {
    let mut client = Client::start().await;
    client
        .execute(
            "#[derive(nn::Network, Clone)]
             struct Block<L, const N: usize>([L; N], #[network(rename = \"act\")] nn::Activation);
             #[derive(nn::Network)]
             enum Head { Linear(nn::Linear), None }
             #[derive(nn::Network)]
             struct Outer<L> { block: Block<L, 2>, heads: (Head, Head), #[network(skip)] plain: std::ops::Range<usize> }
             let vb = nn::builder(&VarMap::new(), DType::F32, &device());
             let linear = |name: &str| nn::linear(2, 2, vb.pp(name));
             let outer = Outer {
                 block: Block([linear(\"a\")?, linear(\"b\")?], nn::Activation::Relu),
                 heads: (Head::Linear(linear(\"c\")?), Head::None),
                 plain: 0..3,
             };",
        )
        .await
        .ok();
    client
        .execute("outer")
        .await
        .result(
            "Outer(
  (block): Block(
    (0): ModuleList(
      (0-1): 2 x Linear(in_features=2, out_features=2, bias=true)  12
    )
    (act): Relu()                                                   0
  )
  (heads.0): Head(
    (0): Linear(in_features=2, out_features=2, bias=true)           6
  )
  (heads.1): Head()                                                 0
)
18 parameters",
        )
        .ok();
    client
        .execute("outer.named_parameters().into_iter().map(|(name, _)| name).collect::<Vec<_>>()[4].clone()")
        .await
        .result("\"heads.0.0.weight\"")
        .ok();
    // What shares a parameter counts it once.
    client
        .execute("let twice = Block([outer.block.0[0].clone(), outer.block.0[0].clone()], nn::Activation::Silu); (twice.num_parameters(), twice.parameters().len())")
        .await
        .result("(6, 2)")
        .ok();
    // Another definition of the type, in a later cell.
    client
        .execute("#[derive(nn::Network)] struct Head { fc: nn::Linear } let head = Head { fc: linear_of(3)? }; fn linear_of(n: usize) -> Result<nn::Linear> { nn::linear(n, n, nn::builder(&VarMap::new(), DType::F32, &device())) }")
        .await
        .stream_with("stderr", &["`outer`", "redefines `Head`"])
        .ok();
    client
        .execute("head.num_parameters()")
        .await
        .result("12")
        .ok();
    // A field that is no part is told, with what to write.
    client
        .execute(
            "struct Plain; #[derive(nn::Network)] struct Wrong { plain: Plain, fc: nn::Linear }",
        )
        .await
        .error(
            "CompileError",
            &[
                "`Plain` is no part of a network",
                "#[derive(nn::Network)]",
                "#[network(skip)]",
            ],
        );
    client
        .execute("nn::seq().add_named(\"fc\", head.fc.clone()).add(nn::Activation::Gelu)")
        .await
        .result(
            "Sequential(
  (fc): Linear(in_features=3, out_features=3, bias=true)  12
  (1): Gelu()                                              0
)
12 parameters",
        )
        .ok();
}
