//! Completion and inspection: what the kernel knows by itself, and with rust-analyzer.

use patchbay_tests::Client;
use serde_json::{Value, json};

/// Completes at the mark `|`; returns the matches and the completed text's range in characters.
async fn complete(client: &mut Client, code: &str) -> (Vec<String>, u64, u64) {
    let reply = client.request("complete_request", at_mark(code)).await;
    assert_eq!(reply["status"], "ok", "{reply}");
    let matches = reply["matches"].as_array().unwrap();
    let types = reply["metadata"]["_jupyter_types_experimental"]
        .as_array()
        .unwrap();
    assert_eq!(matches.len(), types.len());
    let matches = matches
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    let place = |name: &str| reply[name].as_u64().unwrap();
    (matches, place("cursor_start"), place("cursor_end"))
}

async fn inspect(client: &mut Client, code: &str) -> Option<String> {
    let reply = client.request("inspect_request", at_mark(code)).await;
    assert_eq!(reply["status"], "ok", "{reply}");
    assert_eq!(reply["found"], reply["data"]["text/plain"].is_string());
    reply["data"]["text/plain"].as_str().map(str::to_owned)
}

fn at_mark(code: &str) -> Value {
    let before = code.split('|').next().unwrap();
    json!({ "code": code.replacen('|', "", 1), "cursor_pos": before.chars().count() })
}

#[tokio::test]
async fn the_kernels_own_knowledge_is_there_at_once() {
    let mut client = Client::start().await;
    let (found, start, end) = complete(&mut client, "let a = 1;\n%wh|").await;
    let expected = vec!["%who".to_owned(), "%whos".to_owned()];
    assert_eq!((found, start, end), (expected, 11, 14));
    let (found, ..) = complete(&mut client, ":ti|").await;
    assert_eq!(found, [":timing"]);

    client
        .execute(
            "let größe = vec![1.5f32]; fn große_funktion(x: f64) -> f64 { x }\nstruct Großes(i32);",
        )
        .await
        .ok();
    let (found, start, end) = complete(&mut client, "let é = gr|").await;
    assert_eq!(found, ["größe", "große_funktion"]);
    assert_eq!((start, end), (8, 10));
    let (found, ..) = complete(&mut client, "Tens|").await;
    assert_eq!(found, ["Tensor", "TensorMethods"]);
    let (found, ..) = complete(&mut client, "// Tens|").await;
    assert!(found.is_empty());

    let text = inspect(&mut client, "größ|e.len()").await.unwrap();
    assert!(
        text.contains("Vec<f32>") && text.contains("cell [1]"),
        "{text}"
    );
    let text = inspect(&mut client, "große_funktion(|1.0)").await.unwrap();
    assert!(text.contains("fn große_funktion(x: f64)"), "{text}");
    let text = inspect(&mut client, "|große_funktion(1.0)").await.unwrap();
    assert!(text.contains("fn große_funktion(x: f64)"), "{text}");
    assert_eq!(inspect(&mut client, "no|thing").await, None);
}

#[tokio::test]
async fn the_sdks_names_are_described_also_inside_of_calls() {
    let mut client = Client::start().await;
    for (code, part) in [
        ("Live|Plot", "pub struct LivePlot"),
        ("widgets::slider(|", "pub fn slider("),
        ("widgets::slider(\"rate\", 0.0, |", "pub fn slider("),
        ("plot::lines().|", "pub fn lines() -> Lines"),
        ("json!|", "serde_json::json"),
        ("create(\"loss/focal\")|", "pub fn create<"),
        ("prog|ress(0..3)", "pub fn progress<"),
    ] {
        let text = inspect(&mut client, code).await;
        let text = text.unwrap_or_else(|| panic!("nothing is known about {code}"));
        assert!(text.contains(part), "{code}: {text}");
    }
}

/// The names at the mark, without waiting for rust-analyzer.
async fn names(client: &mut Client, code: &str) -> Vec<String> {
    complete(client, code).await.0
}

#[tokio::test]
async fn values_have_their_methods_without_a_second_build() {
    let mut client = Client::start_with(&[("PATCHBAY_COMPLETION", "off")]).await;
    client
        .execute(
            "let t = Tensor::ones((2, 3), DType::F32, &device())?;\n\
             /// Two numbers.\n#[derive(Clone)] struct Pair { left: f64, right: f64 }\n\
             impl Pair { /// Their sum.\n fn sum(&self) -> f64 { self.left + self.right } }\n\
             let pair = Pair { left: 1.0, right: 2.0 };\n\
             let map = VarMap::new();\n\
             let loss = create::<dyn Loss>(\"loss/mse\", json!({}))?;\n\
             let layer = nn::linear(3, 2, VarBuilder::from_varmap(&map, DType::F32, &device()))?;\n\
             let figure = plot::histogram(&t).draw()?;",
        )
        .await
        .ok();
    let methods = names(&mut client, "t.|").await;
    assert!(methods.len() >= 150, "{}: {methods:?}", methods.len());
    for (code, name) in [
        ("t.matm|", "matmul"),
        ("t.soft|", "softmax"),
        ("t.relu()?.sum_al|", "sum_all"),
        (
            "let y = (&t + 1.0)?;\nlet z = y.relu()?;\nz.matm|",
            "matmul",
        ),
        ("%time t.matm|", "matmul"),
        ("pair.le|", "left"),
        ("pair.su|", "sum"),
        ("Pair { left: 1.0, right: 2.0 }.su|", "sum"),
        ("map.all|", "all_vars"),
        ("loss.sw|", "swap"),
        ("loss.forw|", "forward"),
        ("loss.forward(&t, &t)?.bac|", "backward"),
        ("layer.forw|", "forward"),
        ("figure.sa|", "save"),
        ("torch::rand|", "randn"),
        ("Tensor::zer|", "zeros"),
        (
            "struct New { field: i32 }\nlet new = New { field: 1 };\nnew.fi|",
            "field",
        ),
        (
            "fn f(x: &Tensor) -> Result<Tensor> {\n    x.matm|\n}",
            "matmul",
        ),
    ] {
        let found = names(&mut client, code).await;
        assert!(found.iter().any(|known| known == name), "{code}: {found:?}");
    }
    let text = inspect(&mut client, "t.mat|mul(&t)").await.unwrap();
    assert!(
        text.contains("fn matmul(&self, rhs: &Self) -> Result<Self>"),
        "{text}"
    );
    let text = inspect(&mut client, "pair.su|m()").await.unwrap();
    assert!(text.contains("Their sum."), "{text}");
    let text = inspect(&mut client, "let new = t.relu()?;\nn|ew")
        .await
        .unwrap();
    assert!(text.contains("let new: Tensor"), "{text}");
    for (question, part) in [
        (":doc Tensor::matmul", "matrix-multiplication"),
        ("Tensor?", "pub struct Tensor"),
        ("?Tensor::zeros", "fn zeros"),
        ("pair??", "let pair: Pair"),
        ("Pair??", "struct Pair { left: f64, right: f64 }"),
    ] {
        let mut execution = client.execute(question).await;
        let text = execution.output("display_data")["data"]["text/markdown"].clone();
        assert!(text.as_str().unwrap().contains(part), "{question}: {text}");
        execution.ok();
    }
    // What can fail is passed on, not asked about.
    client
        .execute("let parsed = \"7\".parse::<i32>();")
        .await
        .ok();
    client.execute("parsed?").await.result("7").ok();
}

#[tokio::test]
async fn plugins_and_their_settings_are_completed() {
    let mut client = Client::start().await;
    let (found, ..) = complete(&mut client, "create::<dyn Loss>(\"loss/fo|").await;
    assert_eq!(found, ["loss/focal", "loss/focal_tversky"]);
    let (found, ..) = complete(
        &mut client,
        "let loss = create::<dyn Loss>(\"loss/focal\", json!({ \"ga|",
    )
    .await;
    assert_eq!(found, ["gamma"]);
    let (found, ..) = complete(
        &mut client,
        "loss.swap(\"loss/focal\", json!({ \"gamma\": 1.0, |}))",
    )
    .await;
    assert!(found.contains(&"\"alpha\"".to_owned()), "{found:?}");
    let text = inspect(&mut client, "create::<dyn Loss>(\"loss/foc|al\")")
        .await
        .unwrap();
    assert!(text.contains("gamma"), "{text}");
}

#[tokio::test]
async fn questions_are_answered_while_a_cell_runs() {
    let mut client = Client::start().await;
    client.execute("let answer = 42;").await.ok();
    let cell = client
        .send_cell("println!(\"go\"); while !interrupt::requested() { std::thread::sleep(std::time::Duration::from_millis(1)); }")
        .await;
    while client.broadcast().await.msg_type != "stream" {}
    let id = client
        .send_shell(
            "complete_request",
            json!({ "code": "ans", "cursor_pos": 3 }),
        )
        .await;
    let reply = client.shell_reply().await;
    assert_eq!(
        (reply.parent, &reply.content["matches"]),
        (id, &json!(["answer"]))
    );
    // The cell runs until it is interrupted, so the answer came while it ran.
    client.control("interrupt_request", json!({})).await;
    assert_eq!(client.shell_reply().await.parent, cell);
}

#[tokio::test]
async fn commands_tell_types_and_definitions() {
    let mut client = Client::start().await;
    client
        .execute("let list = vec![Some(1u8)];\nfn f(x: i32) -> i32 { x }")
        .await
        .ok();
    client
        .execute(":type list")
        .await
        .display("text/plain", "list: Vec<Option<u8>>")
        .ok();
    let mut execution = client.execute(":doc f").await;
    let text = execution.output("display_data")["data"]["text/markdown"].clone();
    assert!(
        text.as_str().unwrap().contains("fn f(x: i32) -> i32"),
        "{text}"
    );
    execution.ok();
    client
        .execute(":type missing")
        .await
        .error("MagicError", &["there is no variable `missing`"]);
    client
        .execute(":timing")
        .await
        .stream_with("stdout", &["timing: on\n", "Took "])
        .ok();
    client
        .execute("1 + 1;")
        .await
        .stream_with("stdout", &["Took "])
        .ok();
}

/// Needs the side process: `patchbay install --completion`.
#[tokio::test]
#[ignore = "needs the side process, which takes minutes to build"]
async fn rust_analyzer_completes_and_inspects() {
    let mut client = Client::start_with(&[("PATCHBAY_COMPLETION", "900")]).await;
    client
        .execute(
            "let t = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;\n\
             /// Two numbers.\n#[derive(Clone)] struct Pair { left: f64, right: f64 }\n\
             impl Pair { /// Their sum.\n fn sum(&self) -> f64 { self.left + self.right } }\n\
             let pair = Pair { left: 1.0, right: 2.0 };",
        )
        .await
        .ok();
    let (found, start, end) = complete(&mut client, "%time t.matm|").await;
    assert_eq!((found, start, end), (vec!["matmul".to_owned()], 8, 12));
    let (found, ..) = complete(&mut client, "t.relu()?.sum_al|").await;
    assert_eq!(found, ["sum_all"]);
    let (found, ..) = complete(&mut client, "let x = 1;\npair.|").await;
    for name in ["left", "right", "sum", "clone"] {
        assert!(found.iter().any(|known| known == name), "{name}: {found:?}");
    }
    let (found, ..) = complete(
        &mut client,
        "struct New { field: i32 }\nlet new = New { field: 1 }; new.fi|",
    )
    .await;
    assert_eq!(found, ["field"]);
    let (found, ..) = complete(&mut client, "nn::ops::softm|").await;
    assert!(found.iter().any(|known| known == "softmax"), "{found:?}");
    let text = inspect(&mut client, "t.mat|mul(&t)").await.unwrap();
    assert!(
        text.contains("fn matmul(&self, rhs: &Self) -> Result<Self>"),
        "{text}"
    );
    let text = inspect(&mut client, "pair.su|m()").await.unwrap();
    assert!(text.contains("Their sum."), "{text}");
    // A crate that a cell adds is known from then on.
    let folder = client.folder().join("greeting");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"greeting\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("src/lib.rs"),
        "/// Says good morning.\npub fn good_morning() -> String { String::new() }\n",
    )
    .unwrap();
    client
        .execute(":dep greeting = { path = \"greeting\" }")
        .await
        .rest();
    let (found, ..) = complete(&mut client, "greeting::good_morning().trim_sta|").await;
    assert!(found.iter().any(|known| known == "trim_start"), "{found:?}");
    let (found, ..) = complete(&mut client, "greeting::good_|").await;
    assert_eq!(found, ["good_morning"]);
    let text = inspect(&mut client, "greeting::good_mor|ning()")
        .await
        .unwrap();
    assert!(text.contains("Says good morning."), "{text}");
    let (found, ..) = complete(&mut client, "t.matm|").await;
    assert_eq!(found, ["matmul"]);
    client
        .execute("%completion off")
        .await
        .stream("stdout", "completion by rust-analyzer is off\n")
        .ok();
    let (found, ..) = complete(&mut client, "t.matm|").await;
    assert!(found.is_empty(), "{found:?}");
}
