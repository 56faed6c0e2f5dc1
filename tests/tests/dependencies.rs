//! `:dep`: crates for cells. What is built here is local, so that the tests need no registry but for
//! what the workspace itself is built from.

use std::path::Path;

use patchbay_tests::Client;

fn write_crate(folder: &Path, name: &str, version: &str, dependencies: &str, source: &str) {
    let folder = folder.join(name);
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/lib.rs"), source).unwrap();
}

#[tokio::test]
async fn crates_of_the_sdk_are_answered_with_their_name() {
    let mut client = Client::start().await;
    client
        .execute(":dep candle-core = \"0.11\"")
        .await
        .stream(
            "stdout",
            "candle-core 0.11.1, which the SDK holds: candle_core\n",
        )
        .ok();
    client
        .execute("let x = candle_core::Tensor::new(&[1f32, 2.0], &device())?; x.sum(0)?.to_scalar::<f32>()?")
        .await
        .result("3.0")
        .ok();
    // A crate that candle is made of, and that cells do not see without being asked for.
    client
        .execute(":dep half\nhalf::f16::from_f32(0.5).to_f32()")
        .await
        .stream_with("stdout", &["which the SDK holds: half"])
        .result("0.5")
        .ok();
}

#[tokio::test]
async fn a_crate_on_top_of_candle_uses_the_candle_of_the_cells() {
    let mut client = Client::start().await;
    let source = |factor: &str| {
        format!(
            "pub struct Gain(pub f64);\n\
             pub fn scale(x: &candle_core::Tensor) -> candle_core::Result<candle_core::Tensor> {{ x * {factor} }}\n"
        )
    };
    let folder = client.folder().to_owned();
    write_crate(
        &folder,
        "gain",
        "0.1.0",
        "candle-core = \"0.11\"",
        &source("2.0"),
    );
    client
        .execute("let x = Var::new(&[1f32, 2.0], &device())?; let kept = 7;")
        .await
        .ok();
    let mut first = client.execute(":dep gain = { path = \"gain\" }").await;
    assert!(first.text("stdout").contains("gain 0.1.0: gain"));
    let shown: Vec<String> = first
        .rest()
        .iter()
        .map(|output| output.content["data"]["text/plain"].to_string())
        .collect();
    for part in ["gain: 1 of 1 crates, gain 0.1.0", "gain: built in"] {
        assert!(shown.iter().any(|text| text.contains(part)), "{shown:?}");
    }
    // Gradients flow through the crate's operations: there is one candle.
    client
        .execute("let y = gain::scale(&x)?; let g = y.sum_all()?.backward()?; g.get(&x).ok_or(\"none\")?.to_vec1::<f32>()?")
        .await
        .result("[2.0, 2.0]")
        .ok();
    client.execute("let gain = gain::Gain(0.5);").await.ok();
    client
        .execute("gain.0 * kept as f64")
        .await
        .result("3.5")
        .ok();

    std::fs::write(folder.join("gain/src/lib.rs"), source("3.0")).unwrap();
    client
        .execute(":dep gain = { path = \"gain\" }")
        .await
        .rest();
    client
        .execute("use ::gain::scale; scale(&x)?.to_vec1::<f32>()?")
        .await
        .result("[3.0, 6.0]")
        .ok();
    client.execute("kept").await.result("7").ok();

    std::fs::write(
        folder.join("gain/src/lib.rs"),
        "pub fn scale() -> u32 { \"text\" }",
    )
    .unwrap();
    client
        .execute(":dep gain = { path = \"gain\" }")
        .await
        .error(
            "DependencyError",
            &["mismatched types", "could not compile `gain`"],
        );
    client
        .execute("scale(&x)?.to_vec1::<f32>()?")
        .await
        .result("[3.0, 6.0]")
        .ok();
}

#[tokio::test]
async fn what_cannot_be_had_is_told_and_costs_nothing() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    client.execute("let kept = 7;").await.ok();
    for (request, words) in [
        (":dep", "expected :dep name"),
        (":dep a = [1]", "expected :dep name"),
        (
            ":dep a = { path = \"nowhere\" }",
            "there is no Cargo.toml in",
        ),
    ] {
        client
            .execute(request)
            .await
            .error("DependencyError", &[words]);
    }
    // Two candles in a process would give silently wrong gradients.
    write_crate(&folder, "candle-core", "9.9.9", "", "");
    client
        .execute(":dep candle-core = { path = \"candle-core\" }")
        .await
        .error(
            "DependencyError",
            &["this needs candle-core 9.9.9, and the SDK holds candle-core 0.11.1"],
        );
    client.execute("kept").await.result("7").ok();
}
