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
async fn the_level_of_optimisation() {
    let mut client = Client::start().await;
    client
        .execute("%opt 3")
        .await
        .stream("stdout", "optimisation level: 3\n")
        .ok();
    client.execute("1 + 1").await.result("2").ok();
    client
        .execute(":opt auto")
        .await
        .stream_with("stdout", &["optimisation level: auto"])
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
        execution
            .stream_with("stdout", &["%timeit EXPRESSION", "!COMMAND"])
            .ok();
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
