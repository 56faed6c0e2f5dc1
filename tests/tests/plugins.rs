//! Components as plugins, cell by cell.

use std::path::Path;

use patchbay_tests::Client;

#[tokio::test]
async fn components_are_listed_described_created_and_swapped() {
    let mut client = Client::start().await;
    let mut execution = client.execute("%plugins loss/*").await;
    let table = execution.output("display_data");
    let text = table["data"]["text/plain"].as_str().unwrap();
    assert!(
        text.contains("loss/cross_entropy") && text.contains("loss/focal"),
        "{text}"
    );
    assert!(
        table["data"]["text/html"]
            .as_str()
            .unwrap()
            .contains("<table")
    );
    execution.ok();
    client
        .execute(
            "let logits = Tensor::new(&[[2f32, 0.0]], &device())?; let target = Tensor::new(&[0u32], &device())?;\n\
             let loss = create::<dyn Loss>(\"loss/focal\", json!({ \"gamma\": 0.0 }))?;",
        )
        .await
        .ok();
    let focal = client
        .execute("format!(\"{:.4}\", loss.forward(&logits, &target)?.to_scalar::<f32>()?)")
        .await;
    focal.result("\"0.1269\"").ok();
    let mut execution = client
        .execute("loss.swap(\"loss/cross_entropy\", json!({ \"label_smoothing\": 0.5 }))?")
        .await;
    let report = execution.output("execute_result");
    assert!(
        report["data"]["text/plain"]
            .as_str()
            .unwrap()
            .contains("loss/focal g1 -> loss/cross_entropy g1")
    );
    execution.ok();
    client
        .execute("format!(\"{:.4}\", loss.forward(&logits, &target)?.to_scalar::<f32>()?)")
        .await
        .result("\"0.6269\"")
        .ok();
}

#[tokio::test]
async fn bad_requests_are_clear_and_cost_nothing() {
    let mut client = Client::start().await;
    client.execute("let kept = 1;").await.ok();
    client
        .execute("create::<dyn Loss>(\"loss/focl\", json!({}))?;")
        .await
        .error("Error", &["did you mean loss/focal"]);
    client
        .execute("create::<dyn Loss>(\"loss/focal\", json!({ \"gama\": 1 }))?;")
        .await
        .error("Error", &["unknown key `gama`; did you mean `gamma`?"]);
    client
        .execute("create::<dyn Loss>(\"loss/focal\", json!({ \"gamma\": \"two\" }))?;")
        .await
        .error("Error", &["gamma"]);
    client.execute("kept").await.result("1").ok();
}

#[tokio::test]
async fn a_cell_becomes_a_plugin_and_is_redefined_under_a_live_slot() {
    let mut client = Client::start().await;
    client
        .execute("%%plugin loss/distance\n/// Mean distance.\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n    (prediction - target)?.abs()?.mean_all()\n}")
        .await
        .stream_with("stdout", &["loss/distance"])
        .ok();
    client
        .execute(
            "let loss = create::<dyn Loss>(\"loss/distance\", json!({}))?;\n\
             let a = Tensor::new(&[1f32, 3.0], &device())?; let zero = a.zeros_like()?;\n\
             loss.forward(&a, &zero)?.to_scalar::<f32>()?",
        )
        .await
        .result("2.0")
        .ok();
    client
        .execute("%%plugin loss/distance\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n    (prediction - target)?.sqr()?.mean_all()\n}")
        .await
        .stream_with("stdout", &["loss/distance"])
        .ok();
    client
        .execute("loss.forward(&a, &zero)?.to_scalar::<f32>()?")
        .await
        .result("5.0")
        .ok();
    client
        .execute("%%plugin loss/distance\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n    prediction.missing()\n}")
        .await
        .error("CompileError", &["no method named `missing`", "cell [5]:3:16"]);
    client
        .execute("loss.forward(&a, &zero)?.to_scalar::<f32>()?")
        .await
        .result("5.0")
        .ok();
}

#[tokio::test]
async fn a_plugin_cell_may_have_settings() {
    let mut client = Client::start().await;
    client
        .execute(
            "%%plugin loss/scaled\nconfig! { struct Settings {\n    /// Factor.\n    by: f64 = 2.0,\n} }\n\
             fn forward(config: &Settings, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n\
                 (prediction - target)?.mean_all()? * config.by\n}",
        )
        .await
        .stream_with("stdout", &["loss/scaled"])
        .ok();
    client
        .execute(
            "let a = Tensor::new(&[1f32, 3.0], &device())?;\n\
             create::<dyn Loss>(\"scaled\", json!({ \"by\": 5.0 }))?.forward(&a, &a.zeros_like()?)?.to_scalar::<f32>()?",
        )
        .await
        .result("10.0")
        .ok();
}

#[tokio::test]
async fn a_panicking_plugin_is_an_error_of_its_call() {
    let mut client = Client::start().await;
    client
        .execute("%%plugin loss/broken\nfn forward(prediction: &Tensor, _target: &Tensor) -> Result<Tensor> {\n    panic!(\"on purpose {:?}\", prediction.dims())\n}")
        .await
        .stream_with("stdout", &["loss/broken"])
        .ok();
    client
        .execute("let a = Tensor::new(&[1f32], &device())?; let loss = create::<dyn Loss>(\"broken\", json!({}))?;")
        .await
        .ok();
    client
        .execute("loss.forward(&a, &a)?")
        .await
        .error("Error", &["loss/broken", "on purpose [1]"]);
    client.execute("a.dims().to_vec()").await.result("[1]").ok();
}

#[tokio::test]
async fn plugins_of_the_notebook_are_there_after_a_crash() {
    let mut client = Client::start().await;
    client
        .execute("%%plugin loss/kept\nfn forward(prediction: &Tensor, _target: &Tensor) -> Result<Tensor> {\n    prediction.mean_all()\n}")
        .await
        .stream_with("stdout", &["loss/kept"])
        .ok();
    client
        .execute("std::process::exit(1)")
        .await
        .error("ProcessEnded", &[]);
    client
        .execute("let a = Tensor::new(&[4f32], &device())?; create::<dyn Loss>(\"kept\", json!({}))?.forward(&a, &a)?.to_scalar::<f32>()?")
        .await
        .result("4.0")
        .ok();
}

#[tokio::test]
async fn what_is_no_plugin_cell_is_told() {
    let mut client = Client::start().await;
    client
        .execute("%%plugin\nfn f() {}")
        .await
        .error("MagicError", &["kind/name"]);
    client
        .execute("%%plugin loss/x\nfn f() {}")
        .await
        .error("PluginError", &["fn forward(prediction: &Tensor"]);
    client
        .execute("%%plugin nothing/x\nfn f() {}")
        .await
        .error("PluginError", &["impl Define"]);
}

/// A loss that multiplies the mean.
fn scaled(factor: u32) -> String {
    format!(
        "use patchbay::plugin::prelude::*;\n\
         pub struct Scaled;\n\
         impl Component for Scaled {{}}\n\
         impl Define for Scaled {{\n\
             type Kind = dyn Loss;\n\
             type Config = ();\n\
             const ID: &'static str = \"loss/saved\";\n\
             const SUMMARY: &'static str = \"a loss in a file\";\n\
             const DETAILS: Details = Details::NONE;\n\
             fn build(_: (), _: &Context) -> Result<Self> {{ Ok(Scaled) }}\n\
         }}\n\
         impl Loss for Scaled {{\n\
             fn forward(&self, prediction: &Tensor, _target: &Tensor) -> Result<Tensor> {{\n\
                 prediction.mean_all()? * {factor}.0\n\
             }}\n\
         }}\n\
         patchbay::export_plugin!(Scaled);\n"
    )
}

#[tokio::test]
async fn a_plugin_that_is_saved_is_live_in_the_next_cell_and_in_a_running_loop() {
    let mut client = Client::start().await;
    let file = client.folder().join("saved.rs");
    std::fs::write(&file, scaled(1)).unwrap();
    client
        .execute("%autoreload on\n%plugin saved.rs")
        .await
        .stream_with("stdout", &["loss/saved is loaded (built in "])
        .ok();
    client
        .execute(
            "let loss = create::<dyn Loss>(\"loss/saved\", json!({}))?;\n\
             let a = Tensor::new(&[1f32, 3.0], &device())?;\n\
             loss.forward(&a, &a)?.to_scalar::<f32>()?",
        )
        .await
        .result("2.0")
        .ok();

    std::fs::write(&file, scaled(10)).unwrap();
    client
        .execute("loss.forward(&a, &a)?.to_scalar::<f32>()?")
        .await
        .stream_with("stdout", &["loss/saved g2 replaces g1"])
        .result("20.0")
        .ok();

    std::fs::write(&file, "this is not Rust").unwrap();
    client
        .execute("loss.forward(&a, &a)?.to_scalar::<f32>()?")
        .await
        .stream_with(
            "stderr",
            &[
                "saved.rs",
                "expected one of",
                "what was loaded before stays in use",
            ],
        )
        .result("20.0")
        .ok();

    // The loop itself saves the file, and goes on until the new component answers.
    let save = format!(
        "std::fs::write({:?}, {:?})?;\n\
         let started = std::time::Instant::now();\n\
         while loss.forward(&a, &a)?.to_scalar::<f32>()? != 200.0 && started.elapsed().as_secs() < 200 {{\n\
             std::thread::sleep(std::time::Duration::from_millis(1));\n\
         }}\n\
         loss.forward(&a, &a)?.to_scalar::<f32>()?",
        file.display().to_string(),
        scaled(100)
    );
    // The kernel tells of it a moment later: in this cell if it still runs, else in the next.
    let mut execution = client.execute(&save).await;
    let mut told = execution.text("stdout");
    execution.rest();
    let mut execution = client
        .execute("loss.forward(&a, &a)?.to_scalar::<f32>()?")
        .await;
    told += &execution.text("stdout");
    assert!(told.contains("loss/saved g3 replaces g2"), "{told}");
    execution.rest();
    client
        .execute("loss.forward(&a, &a)?.to_scalar::<f32>()?")
        .await
        .result("200.0")
        .ok();
    client
        .execute("%autoreload off")
        .await
        .stream(
            "stdout",
            "plugins are built again when you say so: %plugin PATH\n",
        )
        .ok();
    // A new process has what was loaded last.
    client
        .execute("std::process::abort()")
        .await
        .error("ProcessEnded", &[]);
    client
        .execute(
            "let a = Tensor::new(&[1f32, 3.0], &device())?;\n\
             create::<dyn Loss>(\"loss/saved\", json!({}))?.forward(&a, &a)?.to_scalar::<f32>()?",
        )
        .await
        .result("200.0")
        .ok();
}

/// The kinds that `patchbay plugin new` makes crates of, as its help lists them.
fn kinds_of_the_program() -> Vec<String> {
    let output = std::process::Command::new(patchbay_tests::program())
        .args(["plugin", "new", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let kinds: Vec<String> = help
        .split_once("[possible values: ")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(kinds, _)| {
            kinds
                .split(',')
                .map(|kind| kind.trim().to_owned())
                .collect()
        })
        .unwrap_or_default();
    assert!(kinds.len() >= 7, "{help}");
    kinds
}

/// The host reads the kinds from the SDK's sources; the SDK has them from a list.
#[tokio::test]
async fn the_program_makes_crates_of_every_kind_that_cells_know() {
    let mut client = Client::start().await;
    let mut kinds = kinds_of_the_program();
    kinds.sort();
    client
        .execute("let mut kinds = plugin::kinds(); kinds.sort(); kinds")
        .await
        .result(&format!("{kinds:?}"))
        .ok();
}

#[test]
fn a_new_crate_of_every_kind_builds_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let patchbay = |arguments: &[&str]| {
        let output = std::process::Command::new(patchbay_tests::program())
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let kinds = kinds_of_the_program();
    for kind in &kinds {
        let name = format!("my_{kind}");
        patchbay(&["plugin", "new", &name, "--kind", kind]);
        let tested = std::process::Command::new("cargo")
            .args(["test", "--quiet"])
            .current_dir(folder.path().join(&name))
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tested.stderr).into_owned();
        let report = String::from_utf8_lossy(&tested.stdout).into_owned();
        assert!(tested.status.success(), "{kind}: {said}{report}");
        assert!(
            !report.contains("running 0 tests") && report.contains(" passed; 0 failed; 0 ignored"),
            "{kind}: {report}"
        );
        assert!(!said.contains("warning"), "{kind}: {said}");
        let library = patchbay(&["plugin", "build", &name]);
        assert!(Path::new(library.trim()).is_file(), "{library}");
    }
    let again = std::process::Command::new(patchbay_tests::program())
        .args(["plugin", "new", "my_loss"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!again.status.success());
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("exists; choose another name"), "{said}");
}

#[test]
fn components_are_listed_and_described_in_a_terminal() {
    let ask = |arguments: &[&str]| {
        let output = std::process::Command::new(patchbay_tests::program())
            .arg("plugin")
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text, said)
    };
    let (succeeded, text, said) = ask(&["list", "loss/*"]);
    assert!(succeeded, "{said}");
    assert!(
        text.contains("loss/cross_entropy") && text.contains("loss/focal"),
        "{text}"
    );
    let (succeeded, text, said) = ask(&["describe", "loss/focal"]);
    assert!(succeeded, "{said}");
    for part in [
        "gamma",
        "arXiv 1708.02002",
        "[batch, classes]",
        "create::<dyn Loss>",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let (succeeded, _, said) = ask(&["describe", "loss/focl"]);
    assert!(!succeeded);
    assert!(said.contains("did you mean loss/focal?"), "{said}");
}

#[tokio::test]
async fn a_crate_from_the_template_is_built_and_loaded() {
    let mut client = Client::start().await;
    let made = std::process::Command::new(patchbay_tests::program())
        .args(["plugin", "new", "my_losses", "--kind", "loss"])
        .current_dir(client.folder())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    client
        .execute("%plugin my_losses")
        .await
        .stream_with("stdout", &["loss/my_losses_power is loaded (built in "])
        .ok();
    client
        .execute(
            "let a = Tensor::new(&[1f32, -2.0, 3.0], &device())?;\n\
             create::<dyn Loss>(\"my_losses_power\", json!({}))?.forward(&a, &a.zeros_like()?)?.to_scalar::<f32>()?",
        )
        .await
        .result("4.6666665")
        .ok();
    client.execute("%plugin nowhere").await.error(
        "PluginError",
        &["there is no", "nowhere", "patchbay plugin new NAME"],
    );
    client
        .execute("%autoreload perhaps")
        .await
        .error("MagicError", &["takes on or off, not `perhaps`"]);
}

/// What docs/writing-a-plugin.md shows is what works.
#[tokio::test]
async fn the_plugins_of_the_documentation_work() {
    let page = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/writing-a-plugin.md"),
    )
    .unwrap();
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let mut client = Client::start().await;
    let mut cells = 0;
    for block in &blocks {
        if let Some(cell) = block
            .strip_prefix('\n')
            .filter(|cell| cell.starts_with("%%plugin"))
        {
            client
                .execute(cell)
                .await
                .stream_with("stdout", &[" is loaded"])
                .ok();
            cells += 1;
        }
    }
    assert_eq!(cells, 2);
    let component = blocks
        .iter()
        .find_map(|block| block.strip_prefix("rust\nuse patchbay::plugin::prelude::*;"))
        .unwrap();
    let rest = "impl Loss for PowerLoss {\n\
                fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n\
                (prediction - target)?.abs()?.powf(self.config.exponent)?.mean_all()\n}\n}";
    client
        .execute(&format!(
            "%%plugin loss/my_losses_power\n{component}\n{rest}"
        ))
        .await
        .stream_with("stdout", &["loss/my_losses_power is loaded"])
        .ok();
    client
        .execute(
            "let a = Tensor::new(&[1f32, 3.0], &device())?; let zero = a.zeros_like()?;\n\
             let mut values = Vec::new();\n\
             for name in [\"mine\", \"scaled\", \"my_losses_power\"] {\n\
                 values.push(create::<dyn Loss>(name, json!({}))?.forward(&a, &zero)?.to_scalar::<f32>()?);\n\
             }\n\
             values",
        )
        .await
        .result("[2.0, 5.0, 5.0]")
        .ok();
}

/// What `describe` shows as an example is a cell that runs as it stands.
#[tokio::test]
async fn the_examples_of_all_components_run() {
    let mut client = Client::start().await;
    let mut listed = client
        .execute("for [id, ..] in plugin::list(\"*\").rows { println!(\"{id}\"); }")
        .await;
    let ids = listed.text("stdout");
    listed.rest();
    assert!(ids.lines().count() >= 60, "{ids}");
    // The files that examples name.
    client
        .execute(
            "let scene = tool(\"tool/haze\", json!({\"width\": 64, \"height\": 48}), &[])?;\n\
             let picture = image(&scene[\"hazy\"])?.to_png()?;\n\
             std::fs::write(\"picture.png\", &picture)?;\n\
             std::fs::create_dir(\"hazy\")?; std::fs::write(\"hazy/a.png\", &picture)?;\n\
             std::fs::write(\"vocab.txt\", \"[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\na\\nred\\nsquare\\ntwo\\ncircle\\n##s\\n\")?;",
        )
        .await
        .ok();
    let mut broken = Vec::new();
    for id in ids.lines() {
        let mut asked = client
            .execute(&format!(
                "print!(\"{{}}\", plugin::describe({id:?})?.spec.details.example)"
            ))
            .await;
        let example = asked.text("stdout");
        asked.rest();
        if example.trim().is_empty() {
            broken.push(format!("{id} has no example"));
            continue;
        }
        let mut run = client.execute(&example).await;
        if run.reply["status"] != "ok" {
            broken.push(format!("{id}: {}\n{example}", run.reply));
        }
        run.rest();
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// Each family of plugins has the line that tests its components.
#[test]
fn the_components_of_every_family_are_tried_on_their_samples() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut families = 0;
    for family in std::fs::read_dir(plugins).unwrap() {
        let folder = family.unwrap().path();
        let library = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_default();
        if !library.contains("patchbay::components!") {
            continue;
        }
        families += 1;
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let tests = std::fs::read_to_string(folder.join("tests/generic.rs")).unwrap_or_default();
        assert!(
            tests.contains(&format!("patchbay::test_components!(patchbay_{name}")),
            "plugins/{name}/tests/generic.rs must have the line `patchbay::test_components!(patchbay_{name});`"
        );
    }
    assert!(families >= 7, "{families}");
}
