//! Layers as parts of networks: their names are those that the builder has, and `to`, `state_dict` and printing know all of them.

use std::collections::{BTreeMap, HashSet};

use patchbay::{
    Show,
    candle_nn::{self, VarBuilder},
    nn::{Field, Network as NetworkParts, Part},
    prelude::*,
};

type Build = fn(VarBuilder<'static>) -> Result<Box<dyn NetworkParts>>;

fn boxed(network: impl NetworkParts + 'static) -> Result<Box<dyn NetworkParts>> {
    Ok(Box::new(network))
}

/// Each layer, what it prints, and how many of its tensors are no parameters.
const LAYERS: &[(&str, usize, Build)] = &[
    (
        "Linear(in_features=3, out_features=2, bias=true)  8 parameters",
        0,
        |vb| boxed(nn::linear(3, 2, vb)?),
    ),
    (
        "Linear(in_features=3, out_features=2, bias=false)  6 parameters",
        0,
        |vb| boxed(nn::linear_no_bias(3, 2, vb)?),
    ),
    (
        "Conv2d(4, 2, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2)  38 parameters",
        0,
        |vb| {
            let config = nn::Conv2dConfig {
                stride: 2,
                padding: 1,
                groups: 2,
                ..Default::default()
            };
            boxed(nn::conv2d(4, 2, 3, config, vb)?)
        },
    ),
    (
        "Conv1d(4, 2, kernel_size=(3,), stride=(1,), bias=false)  24 parameters",
        0,
        |vb| boxed(nn::conv1d_no_bias(4, 2, 3, Default::default(), vb)?),
    ),
    (
        "ConvTranspose1d(4, 2, kernel_size=(3,), stride=(1,))  26 parameters",
        0,
        |vb| boxed(nn::conv_transpose1d(4, 2, 3, Default::default(), vb)?),
    ),
    (
        "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(1, 1))  74 parameters",
        0,
        |vb| boxed(nn::conv_transpose2d(4, 2, 3, Default::default(), vb)?),
    ),
    ("Embedding(5, 3)  15 parameters", 0, |vb| {
        boxed(nn::embedding(5, 3, vb)?)
    }),
    ("LayerNorm((4,), eps=1e-5)  8 parameters", 0, |vb| {
        boxed(nn::layer_norm(4, 1e-5, vb)?)
    }),
    ("RMSNorm((4,), eps=1e-6)  4 parameters", 0, |vb| {
        boxed(nn::rms_norm(4, 1e-6, vb)?)
    }),
    ("GroupNorm(2, 4, eps=1e-5)  8 parameters", 0, |vb| {
        boxed(nn::group_norm(2, 4, 1e-5, vb)?)
    }),
    (
        "BatchNorm(4, eps=1e-5, momentum=0.1, affine=true)  8 parameters",
        2,
        |vb| boxed(nn::batch_norm(4, 1e-5, vb)?),
    ),
    ("PReLU(num_parameters=4)  4 parameters", 0, |vb| {
        boxed(nn::prelu(Some(4), vb)?)
    }),
    (
        "PatchEmbedding(3, 4, size=2, bias=true)  52 parameters",
        0,
        |vb| boxed(nn::PatchEmbedding::new(3, 4, 2, vb)?),
    ),
    ("LSTM(3, 2)  56 parameters", 0, |vb| {
        boxed(nn::lstm(3, 2, Default::default(), vb)?)
    }),
    ("GRU(3, 2)  42 parameters", 0, |vb| {
        boxed(nn::gru(3, 2, Default::default(), vb)?)
    }),
    (
        "MultiheadAttention(embed_dim=4, num_heads=2
  (out_proj): Linear(in_features=4, out_features=4, bias=true)  20
)
80 parameters",
        0,
        |vb| boxed(nn::multi_head_attention(4, 2, vb)?),
    ),
    (
        "TransformerEncoder(
  (layers): ModuleList(
    (0-1): 2 x TransformerEncoderLayer(norm_first=false, dropout=0.1
      (self_attn): MultiheadAttention(embed_dim=4, num_heads=2, dropout=0.1
        (out_proj): Linear(in_features=4, out_features=4, bias=true)      40
      )
      (linear1): Linear(in_features=4, out_features=2048, bias=true)  20,480
      (linear2): Linear(in_features=2048, out_features=4, bias=true)  16,392
      (norm1): LayerNorm((4,), eps=1e-5)                                  16
      (norm2): LayerNorm((4,), eps=1e-5)                                  16
    )
  )
)
37,064 parameters",
        0,
        |vb| {
            boxed(nn::transformer_encoder(
                2,
                &nn::TransformerSettings::new(4, 2),
                vb,
            )?)
        },
    ),
    (
        "Linear(in_features=3, out_features=2, bias=true)  8 parameters",
        0,
        |vb| boxed(candle_nn::linear(3, 2, vb)?),
    ),
    (
        "Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1))  74 parameters",
        0,
        |vb| boxed(candle_nn::conv2d(4, 2, 3, Default::default(), vb)?),
    ),
    (
        "Conv1d(4, 2, kernel_size=(3,), stride=(1,))  26 parameters",
        0,
        |vb| boxed(candle_nn::conv1d(4, 2, 3, Default::default(), vb)?),
    ),
    (
        "ConvTranspose1d(4, 2, kernel_size=(3,), stride=(1,))  26 parameters",
        0,
        |vb| {
            boxed(candle_nn::conv_transpose1d(
                4,
                2,
                3,
                Default::default(),
                vb,
            )?)
        },
    ),
    (
        "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(1, 1))  74 parameters",
        0,
        |vb| {
            boxed(candle_nn::conv_transpose2d(
                4,
                2,
                3,
                Default::default(),
                vb,
            )?)
        },
    ),
    ("Embedding(5, 3)  15 parameters", 0, |vb| {
        boxed(candle_nn::embedding(5, 3, vb)?)
    }),
    ("LayerNorm((4,), eps=1e-5)  8 parameters", 0, |vb| {
        boxed(candle_nn::layer_norm(4, 1e-5, vb)?)
    }),
    ("RMSNorm((4,), eps=1e-6)  4 parameters", 0, |vb| {
        boxed(candle_nn::rms_norm(4, 1e-6, vb)?)
    }),
    (
        "BatchNorm(4, eps=1e-5, momentum=0.1, affine=true)  8 parameters",
        2,
        |vb| boxed(candle_nn::batch_norm(4, 1e-5, vb)?),
    ),
    ("PReLU(num_parameters=1)  1 parameters", 0, |vb| {
        boxed(candle_nn::prelu(None, vb)?)
    }),
    ("Dropout(p=0.5)", 0, |_| boxed(nn::Dropout::new(0.5))),
    ("Relu()", 0, |_| boxed(nn::Activation::Relu)),
    ("Identity()", 0, |_| boxed(nn::ops::Identity)),
    ("Func()", 0, |_| boxed(nn::func(|x| x.relu()))),
];

fn text(network: &dyn NetworkParts) -> String {
    nn::show_network(network).data["text/plain"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn layers_have_the_builders_names_and_print_their_settings() {
    for (printed, buffers, build) in LAYERS {
        let map = VarMap::new();
        let layer = build(nn::builder(&map, DType::F32, &Device::Cpu)).unwrap();
        assert_eq!(text(&layer), *printed);
        let made: BTreeMap<String, Var> = map.data().lock().unwrap().clone().into_iter().collect();
        let state = layer.state_dict().unwrap();
        assert!(
            state.keys().eq(made.keys()),
            "{printed}: {:?}",
            state.keys()
        );
        // The parameters are the map's own variables.
        let own: HashSet<_> = layer.parameters().iter().map(|var| var.id()).collect();
        let all: HashSet<_> = made.values().map(|var| var.id()).collect();
        assert!(own.is_subset(&all), "{printed}");
        assert_eq!(own.len() + buffers, all.len(), "{printed}");
        // A state dict is a copy, and comes back.
        for var in made.values() {
            var.set(&var.zeros_like().unwrap()).unwrap();
        }
        layer.load_state_dict(&state).unwrap();
        for (name, var) in &made {
            assert!(var.equal(&state[name]).unwrap(), "{printed}: {name}");
        }
    }
}

#[test]
fn all_tensors_of_a_layer_are_converted() {
    for (printed, _, build) in LAYERS {
        let map = VarMap::new();
        let mut layer = build(nn::builder(&map, DType::F32, &Device::Cpu)).unwrap();
        let count = layer.parameters().len();
        layer.to(DType::F64).unwrap();
        for (name, tensor) in layer.state_dict().unwrap() {
            assert_eq!(tensor.dtype(), DType::F64, "{printed}: {name}");
        }
        assert_eq!(layer.parameters().len(), count, "{printed}");
        assert_eq!(text(&layer), *printed);
    }
}

#[derive(nn::Network)]
struct Tied {
    embedding: nn::Embedding,
    head: nn::Linear,
    steps: Tensor,
}

#[test]
fn a_tied_parameter_stays_one_and_integers_keep_their_dtype() {
    let map = VarMap::new();
    let vb = nn::builder(&map, DType::F32, &Device::Cpu);
    let embedding = nn::embedding(5, 3, vb).unwrap();
    let head = nn::Linear::new(embedding.embeddings().clone(), None);
    let steps = Tensor::new(&[1u32], &Device::Cpu).unwrap();
    let mut net = Tied {
        embedding,
        head,
        steps,
    };
    assert_eq!((net.parameters().len(), net.num_parameters()), (1, 16));
    net.to(DType::BF16).unwrap();
    assert_eq!(net.parameters().len(), 1);
    assert_eq!(net.embedding.embeddings().id(), net.head.weight().id());
    assert_eq!(net.steps.dtype(), DType::U32);
    // To where it is already nothing changes: an optimizer keeps its variables.
    let before = net.parameters()[0].id();
    net.to(DType::BF16).unwrap();
    net.to("cpu").unwrap();
    assert_eq!(net.parameters()[0].id(), before);
}

#[derive(nn::Network)]
#[network(no_show)]
struct Own {
    r#type: nn::Linear,
    pair: (nn::Dropout, Option<Var>),
    named: BTreeMap<String, nn::Linear>,
    sizes: Vec<usize>,
    boxed: Box<dyn nn::Layer>,
}

impl Show for Own {
    fn show(&self) -> patchbay::MimeBundle {
        patchbay::show::plain_text("mine")
    }
}

#[test]
fn fields_of_all_kinds_are_parts() {
    let vb = nn::builder(&VarMap::new(), DType::F32, &Device::Cpu);
    let linear = |name: &str| nn::linear(2, 2, vb.pp(name)).unwrap();
    let net = Own {
        r#type: linear("a"),
        pair: (
            nn::Dropout::new(0.1),
            Some(Var::ones(2, DType::F32, &Device::Cpu).unwrap()),
        ),
        named: [("b".to_owned(), linear("b"))].into(),
        sizes: vec![1, 2],
        boxed: Box::new(linear("c")),
    };
    let names: Vec<String> = net
        .named_parameters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "type.weight",
            "type.bias",
            "pair.1",
            "named.b.weight",
            "named.b.bias",
            "boxed.weight",
            "boxed.bias"
        ]
    );
    assert_eq!(net.sizes.len(), 2);
    assert_eq!(net.show().data["text/plain"], "mine");
    let mut parts = Vec::new();
    net.sizes.add_to("sizes", &mut parts);
    assert!(parts.is_empty());
    net.named.add_to("named", &mut parts);
    assert!(matches!(&parts[..], [Part::Network { name, .. }] if name == "named"));
}

#[test]
fn weights_that_are_no_variables_count_and_cannot_be_set() {
    let weights = [(
        "weight".to_owned(),
        Tensor::ones((2, 2), DType::F32, &Device::Cpu).unwrap(),
    )];
    let vb = VarBuilder::from_tensors(weights.into(), DType::F32, &Device::Cpu);
    let layer = nn::linear_no_bias(2, 2, vb).unwrap();
    assert_eq!((layer.num_parameters(), layer.parameters().len()), (4, 0));
    let error = layer
        .load_state_dict(&layer.state_dict().unwrap())
        .unwrap_err();
    assert!(
        error.to_string().contains("weight is no variable"),
        "{error}"
    );
    let mut map = VarMap::new();
    assert!(
        map.to(DType::F64)
            .unwrap_err()
            .to_string()
            .contains("net.to(DType::BF16)")
    );
}

#[test]
fn sequences_give_what_their_layers_give() -> Result<()> {
    let vb = nn::builder(&VarMap::new(), DType::F32, &Device::Cpu);
    let linear = nn::linear(3, 3, vb)?;
    let x = torch::randn((4, 3))?.to("cpu")?;
    let net = nn::seq()
        .add_named("fc", linear.clone())
        .add(nn::Activation::Relu)
        .add_fn(|x| x.sqr());
    let expected = linear.forward(&x)?.relu()?.sqr()?;
    assert!(net.forward(&x)?.equal(&expected)?);
    assert_eq!(net.forward_all(&x)?.len(), 3);
    let net = nn::seq_t()
        .add(linear)
        .add(nn::Dropout::new(0.5))
        .add_fn_t(|x, train| if train { x.neg() } else { x.sqr() });
    let quiet = net.forward_t(&x, false)?;
    assert!(quiet.equal(&net.forward_t(&x, false)?)?);
    assert!(net.forward_t(&x, true)?.eq(0.0)?.any()?);
    Ok(())
}
