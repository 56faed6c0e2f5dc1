//! Errors are clear, point to the cell, and cost nothing.

use patchbay_tests::Client;

#[tokio::test]
async fn compile_errors_point_into_the_cell() {
    let mut client = Client::start().await;
    client.execute("let kept = 1;").await.ok();
    client
        .execute("let a = 1;\nlet text: i32 = \"five\";")
        .await
        .error(
            "CompileError",
            &[
                "error[E0308]: mismatched types",
                "cell [2]:2:17",
                "2 | let text: i32 = \"five\";",
                "^^^^^^",
            ],
        );
    client
        .execute("let x = ;")
        .await
        .error("CompileError", &["expected expression", "cell [3]:1:9"]);
    client
        .execute("fn f( {")
        .await
        .error("CompileError", &["cell [4]:1:"]);
    client.execute("kept + missing").await.error(
        "CompileError",
        &["cannot find value `missing`", "cell [5]:1:8"],
    );
    client.execute("kept").await.result("1").ok();
}

#[tokio::test]
async fn one_error_tells_all_diagnostics() {
    let mut client = Client::start().await;
    client
        .execute("let a: i32 = \"x\";\nlet b: String = 5;")
        .await
        .error("CompileError", &["cell [1]:1:14", "cell [1]:2:17"]);
}

#[tokio::test]
async fn errors_speak_of_the_cell_and_not_of_what_is_around_it() {
    let mut client = Client::start().await;
    client
        .execute("let text = String::from(\"a\");\nlet other = text;\nprintln!(\"{text}\");")
        .await
        .error(
            "CompileError",
            &["borrow of moved value: `text`", "value moved here"],
        );
    client.execute("for i in 0..3 {\n    i;").await.error(
        "CompileError",
        &["unclosed delimiter", "cell [2]:1:1", "for i in 0..3 {"],
    );
    client
        .execute("fn read() -> anyhow::Result<()> { Ok(()) }")
        .await
        .error("CompileError", &["cell [3]:1:14", ":dep anyhow = \"*\""]);
}

#[tokio::test]
async fn errors_in_earlier_items_name_their_cell() {
    let mut client = Client::start().await;
    client
        .execute("\n\nfn third(list: &[i32]) -> i32 {\n    list[3]\n}")
        .await
        .ok();
    client.execute("third(&[1, 2])").await.error(
        "Panic",
        &[
            "index out of bounds: the len is 2 but the index is 3",
            "cell [1]:4:5",
            "called through: third",
        ],
    );
}

#[tokio::test]
async fn question_marks_tell_the_place_and_the_causes() {
    let mut client = Client::start().await;
    client
        .execute(
            "#[derive(Debug)] struct Outer(std::num::ParseIntError);\n\
             impl std::fmt::Display for Outer { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, \"bad config\") } }\n\
             impl std::error::Error for Outer { fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) } }",
        )
        .await
        .ok();
    client
        .execute("let n = 1;\n\"x\".parse::<i32>().map_err(Outer)?;")
        .await
        .error(
            "Error",
            &[
                "bad config",
                "cell [2]:2:1",
                "caused by: invalid digit found in string",
            ],
        );
    client
        .execute("Err(\"plain text\")?;")
        .await
        .error("Error", &["plain text"]);
}

#[tokio::test]
async fn question_marks_tell_the_way_through_functions() {
    let mut client = Client::start().await;
    client
        .execute(
            "fn product(x: &Tensor) -> Result<Tensor> {\n    let y = x.matmul(x)?;\n    Ok(y)\n}\n\
             struct Net;\nimpl Net {\n    fn forward(&self, x: &Tensor) -> Result<Tensor> {\n        \
             Ok(product(x)?.relu()?)\n    }\n}",
        )
        .await
        .ok();
    client
        .execute("let x = torch::ones((2, 3))?;\nlet run = |x: &Tensor| -> Result<Tensor> { Ok(Net.forward(x)?) };")
        .await
        .ok();
    let way = [
        "shape mismatch in matmul",
        "called through: cell [1]:8:12, in forward: Ok(product(x)?.relu()?)",
        "called through: cell [1]:2:13, in product: let y = x.matmul(x)?;",
    ];
    client
        .execute("let y = Net.forward(&x)?;")
        .await
        .error("Error", &[&way[..], &["cell [3]:1:9"][..]].concat());
    client.execute("run(&x)?;").await.error(
        "Error",
        &[
            &way[..],
            &["called through: cell [2]:2:47, in run: let run ="][..],
        ]
        .concat(),
    );
    // Errors that were handled are on no way.
    let cell = "let handled = Net.forward(&x).is_err();\nfn other() -> Result<()> { Err(candle::Error::msg(\"other\"))? }\nother()?";
    let execution = client.execute(cell).await;
    let traceback = execution.traceback();
    assert!(traceback.contains("in other: "), "{traceback}");
    assert!(!traceback.contains("in product"), "{traceback}");
    execution.error("Error", &["other"]);
    // Every kind of value that `?` follows, and what is generic.
    client
        .execute(
            "fn first(list: &[i32]) -> Option<i32> { let value = list.first()?; Some(*value) }\n\
             fn parsed<T: std::str::FromStr>(text: &str) -> std::result::Result<T, T::Err> { Ok(text.parse()?) }\n\
             fn all(texts: &[&str]) -> std::result::Result<Vec<i32>, std::num::ParseIntError> {\n\
             Ok(texts.iter().map(|text| -> std::result::Result<i32, std::num::ParseIntError> { Ok(parsed::<i32>(text)?) })\n\
             .collect::<std::result::Result<Vec<_>, _>>()?) }\n\
             (first(&[]), first(&[3]), parsed::<f64>(\"1.5\"), all(&[\"1\", \"2\"]))",
        )
        .await
        .result("(None, Some(3), Ok(1.5), Ok([1, 2]))")
        .ok();
    client.execute("all(&[\"x\"])?").await.error(
        "Error",
        &[
            "invalid digit",
            "called through: cell [6]:4:4, in all: Ok(texts.iter()",
        ],
    );
    // What the compiler refuses is told of as it is written.
    client
        .execute("fn wrong() -> Result<i32> { let n = 5; Ok(n?) }")
        .await
        .error(
            "CompileError",
            &[
                "the `?` operator can only be applied to values that implement",
                "cell [8]:1:43",
            ],
        );
}

#[tokio::test]
async fn shape_errors_have_the_shapes() {
    let mut client = Client::start().await;
    client
        .execute("let a = Tensor::ones((2, 3), DType::F32, &device())?; a.matmul(&a)?")
        .await
        .error(
            "Error",
            &[
                "shape mismatch in matmul, lhs: [2, 3], rhs: [2, 3]",
                "cell [1]:1:",
            ],
        );
}

#[tokio::test]
async fn panics_are_errors() {
    let mut client = Client::start().await;
    client.execute("let list = vec![1];").await.ok();
    client
        .execute("list[7]")
        .await
        .error("Panic", &["index out of bounds", "cell [2]:1:"]);
    client
        .execute("let none: Option<i32> = None; none.unwrap()")
        .await
        .error("Panic", &["called `Option::unwrap()`"]);
    client
        .execute("std::panic::panic_any(5)")
        .await
        .error("Panic", &["payload is not text"]);
    client
        .execute("let x: u8 = 255; let y = x + list.len() as u8;")
        .await
        .error("Panic", &["attempt to add with overflow"]);
    client.execute("list").await.result("[1]").ok();
}

#[tokio::test]
async fn a_forgotten_question_mark_is_warned_about() {
    let mut client = Client::start().await;
    client
        .execute("let a = Tensor::ones(2, DType::F32, &device())?; a.sqr();")
        .await
        .stream_with("stderr", &["warning", "that must be used", "cell [1]:1:50"])
        .ok();
}

#[tokio::test]
async fn a_gpu_without_memory_is_an_error_that_says_what_helps() {
    let mut client = Client::start().await;
    client.execute("let kept = 7;").await.ok();
    client
        .execute(
            "fn allocate() -> Result<()> { candle::bail!(\"CUDA_ERROR_OUT_OF_MEMORY\") }\nallocate()?;",
        )
        .await
        .error(
            "Error",
            &["has not enough memory left", "%who", "CUDA_ERROR_OUT_OF_MEMORY"],
        );
    client.execute("kept").await.result("7").ok();
}
