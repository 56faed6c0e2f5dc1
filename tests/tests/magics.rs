//! Magics, with `%` as in IPython and `:` as in evcxr.

use patchbay_tests::Client;

#[tokio::test]
async fn who_lists_the_variables() {
    let mut client = Client::start().await;
    client
        .execute("%who")
        .await
        .display("text/plain", "no variables")
        .ok();
    client
        .execute("let mut names = vec![String::new()]; let n = 1u8;")
        .await
        .ok();
    for magic in ["%who", ":vars"] {
        client
            .execute(magic)
            .await
            .display(
                "text/plain",
                "name       type         bytes  cell\nn          u8           1      [2]\nmut names  Vec<String>  24     [2]",
            )
            .ok();
    }
}

#[tokio::test]
async fn who_says_what_tensors_take_also_after_they_have_changed() {
    let mut client = Client::start().await;
    client
        .execute(
            "let mut weights = Tensor::zeros((256, 512), DType::F32, &Device::Cpu)?; let n = 1u8;",
        )
        .await
        .ok();
    client
        .execute("%who")
        .await
        .display(
            "text/plain",
            "name         type    bytes  shape       dtype  device  tensors    cell\n\
             n            u8      1                                            [1]\n\
             mut weights  Tensor  8      [256, 512]  f32    cpu     512.0 KiB  [1]",
        )
        .ok();
    client
        .execute("weights = weights.narrow(0, 0, 1)?.to_dtype(DType::F16)?;")
        .await
        .ok();
    client
        .execute("let both = (weights.clone(), weights.clone());")
        .await
        .ok();
    let table = client.execute("%who").await;
    table
        .display(
            "text/plain",
            "name         type              bytes  shape     dtype  device  tensors  cell\n\
             both         (Tensor, Tensor)  16                              2.0 KiB  [4]\n\
             n            u8                1                                        [1]\n\
             mut weights  Tensor            8      [1, 512]  f16    cpu     1.0 KiB  [1]",
        )
        .ok();
}

#[tokio::test]
async fn times_are_printed() {
    let mut client = Client::start().await;
    client
        .execute("%time let x = 5;")
        .await
        .stream_with("stdout", &["Wall time: "])
        .ok();
    client
        .execute("%%time\nlet y = x + 1;\ny")
        .await
        .result("6")
        .stream_with("stdout", &["Wall time: ", "compiled in "])
        .ok();
    client
        .execute("%timeit x * 2")
        .await
        .stream_with("stdout", &[" per loop (mean ± std. dev. of 7 runs, "])
        .ok();
    client.execute("y").await.result("6").ok();
}

#[tokio::test]
async fn the_level_of_optimization() {
    let mut client = Client::start().await;
    client
        .execute("%opt 3")
        .await
        .stream("stdout", "optimization level: 3\n")
        .ok();
    client.execute("1 + 1").await.result("2").ok();
    client
        .execute(":opt auto")
        .await
        .stream_with("stdout", &["optimization level: auto"])
        .ok();
    client
        .execute("%opt 9")
        .await
        .error("MagicError", &["0, 1, 2, 3 or auto"]);
}

#[tokio::test]
async fn environment_folder_and_shell() {
    let mut client = Client::start().await;
    client.execute("%env PATCHBAY_TEST=some words").await.ok();
    client
        .execute("std::env::var(\"PATCHBAY_TEST\")?")
        .await
        .result("\"some words\"")
        .ok();
    client
        .execute("%env PATCHBAY_TEST")
        .await
        .stream("stdout", "some words\n")
        .ok();
    client
        .execute("!echo $PATCHBAY_TEST; echo err >&2")
        .await
        .stream("stdout", "some words\n")
        .stream("stderr", "err\n")
        .ok();
    client
        .execute("!exit 3")
        .await
        .error("CommandError", &["exit status: 3"]);
    client.execute("%cd /").await.ok();
    client
        .execute("std::env::current_dir()?")
        .await
        .result("\"/\"")
        .ok();
    client
        .execute("%cd /no/such/folder")
        .await
        .error("CommandError", &["/no/such/folder"]);
}

#[tokio::test]
async fn magics_stand_between_statements() {
    let mut client = Client::start().await;
    client
        .execute("let a = 1;\n!echo between\nlet b = a + 1;\n%time let c = b + 1;\n(a, b, c)")
        .await
        .stream_with("stdout", &["between\nWall time: "])
        .result("(1, 2, 3)")
        .ok();
    client
        .execute("let text = \"\n%who\n\"; text.len()")
        .await
        .result("6")
        .ok();
    client
        .execute("let r = 10\n    % 3;\nr")
        .await
        .result("1")
        .ok();
}

#[tokio::test]
async fn reset_help_and_unknown_magics() {
    let mut client = Client::start().await;
    client.execute("let a = 1; fn f() {}").await.ok();
    client
        .execute("%reset")
        .await
        .stream("stdout", "forgot 1 variable and all items\n")
        .ok();
    client
        .execute("a")
        .await
        .error("CompileError", &["cannot find value `a`"]);
    for magic in ["%help", ":help"] {
        let execution = client.execute(magic).await;
        assert_eq!(execution.reply["payload"][0]["source"], "page");
        let page = execution.reply["payload"][0]["data"]["text/plain"].clone();
        for part in ["%timeit EXPRESSION", "!COMMAND", "%load FILE"] {
            assert!(page.as_str().unwrap().contains(part), "{page}");
        }
        // Front ends show the page; it is not printed beside it.
        execution.ok();
    }
    for (magic, part) in [
        ("%pip install numpy", ":dep"),
        ("%matplotlib inline", "plot::"),
        ("%run a.py", "%load"),
    ] {
        client.execute(magic).await.error("MagicError", &[part]);
    }
    client
        .execute("%nonsense")
        .await
        .error("MagicError", &["there is no magic `%nonsense`", "%help"]);
    client
        .execute("%%nonsense\n1")
        .await
        .error("MagicError", &["there is no magic `%%nonsense`"]);
}

#[tokio::test]
async fn a_cell_sets_the_next_ones_text() {
    let mut client = Client::start().await;
    let execution = client
        .execute("set_next_input(\"first\"); set_next_input(\"let y = 2;\"); 1")
        .await
        .result("1");
    assert_eq!(
        execution.reply["payload"],
        serde_json::json!([{ "source": "set_next_input", "text": "let y = 2;", "replace": false }])
    );
    execution.ok();
    let folder = client.folder().join("inner");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("cell.rs"), "let größe = 1;\n").unwrap();
    client.execute("%cd inner").await.ok();
    let execution = client.execute("%load cell.rs").await;
    assert_eq!(
        execution.reply["payload"],
        serde_json::json!([
            { "source": "set_next_input", "text": "// %load cell.rs\nlet größe = 1;\n", "replace": true }
        ])
    );
    execution.ok();
    client
        .execute("%load missing.rs")
        .await
        .error("MagicError", &["missing.rs cannot be read"]);
    client
        .execute("%load")
        .await
        .error("MagicError", &["the file is missing"]);
}

#[tokio::test]
async fn timing_says_how_many_programs_a_cell_took() {
    let mut client = Client::start().await;
    client.execute(":timing").await.any_end();
    let plain = client.execute("let n = 1;").await;
    assert!(!plain.text("stdout").contains("programs"));
    plain.any_end();
    // The rows borrow from the text, which the first program does not know. No cache has this cell.
    let text = format!(
        "let csv = String::from(\"a,{}\"); let rows: Vec<&str> = csv.split(',').collect(); rows.len()",
        uuid::Uuid::new_v4()
    );
    let first = client.execute(&text).await;
    assert!(first.text("stdout").contains("programs compiled"));
    first.any_end();
    // What was learned is kept beside the compiled cell.
    let again = client.execute(&text).await;
    assert!(!again.text("stdout").contains("programs"));
    again.any_end();
}

#[tokio::test]
async fn cells_of_other_languages_are_run_shown_and_written() {
    let mut client = Client::start().await;
    client
        .execute("%%bash\nfor i in 1 2; do\n  echo \"it's $i\"\ndone")
        .await
        .stream("stdout", "it's 1\nit's 2\n")
        .ok();
    client
        .execute("%%bash\nexit 3")
        .await
        .error("CommandError", &["exit status: 3"]);
    client
        .execute("%%html\n<b>bold</b>")
        .await
        .display("text/html", "<b>bold</b>")
        .ok();
    client
        .execute("%%markdown\n# Title?\n%who")
        .await
        .display("text/markdown", "# Title?\n%who")
        .ok();
    let path = client.folder().join("notes.txt");
    for (cell, printed, expected) in [
        (
            "%%writefile notes.txt\nlet a = ;\n",
            "Writing notes.txt\n",
            "let a = ;\n",
        ),
        (
            "%%writefile notes.txt\none\n",
            "Overwriting notes.txt\n",
            "one\n",
        ),
        (
            "%%writefile -a notes.txt\ntwo",
            "Appending to notes.txt\n",
            "one\ntwo",
        ),
    ] {
        client.execute(cell).await.stream("stdout", printed).ok();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }
    client
        .execute("%%writefile\ntext")
        .await
        .error("MagicError", &["the file is missing"]);
    client
        .execute("%%writefile no/such/folder/file\ntext")
        .await
        .error("MagicError", &["cannot be written"]);
}

#[tokio::test]
async fn who_tells_what_tensors_are() {
    let mut client = Client::start().await;
    client
        .execute("let x = Tensor::ones((2, 3), DType::F16, &Device::Cpu)?;\nlet v = Var::zeros(4, DType::U8, &Device::Cpu)?;\nlet n = 5;")
        .await
        .ok();
    let mut execution = client.execute("%who").await;
    let text = execution.output("display_data")["data"]["text/plain"].clone();
    let text = text.as_str().unwrap();
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(row("x ").contains("[2, 3] f16 cpu"), "{text}");
    assert!(row("v ").contains("[4] u8 cpu"), "{text}");
    execution.ok();
}
