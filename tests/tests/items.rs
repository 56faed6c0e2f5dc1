//! Functions, types, traits, macros, modules and imports live on.

use patchbay_tests::Client;

#[tokio::test]
async fn items_are_there_in_later_cells() {
    let mut client = Client::start().await;
    client
        .execute(
            "use std::collections::BTreeMap;\n\
             #[derive(Debug, Clone, PartialEq)] struct Point { x: f64, y: f64 }\n\
             impl Point { fn norm(&self) -> f64 { self.x.hypot(self.y) } }\n\
             const SCALE: f64 = 2.0;\n\
             fn scaled(point: &Point) -> Point { Point { x: point.x * SCALE, y: point.y * SCALE } }\n\
             mod geometry { pub fn double(x: f64) -> f64 { 2.0 * x } }\n\
             macro_rules! twice { ($e:expr) => { $e + $e } }",
        )
        .await
        .ok();
    client
        .execute("scaled(&Point { x: 3.0, y: 4.0 }).norm()")
        .await
        .result("10.0")
        .ok();
    client
        .execute("twice!(geometry::double(1.5))")
        .await
        .result("6.0")
        .ok();
    client
        .execute("let mut map = BTreeMap::new(); map.insert(1, \"a\"); map")
        .await
        .result("{1: \"a\"}")
        .ok();
}

#[tokio::test]
async fn traits_generics_and_impls_across_cells() {
    let mut client = Client::start().await;
    client
        .execute(
            "trait Area { fn area(&self) -> f64; fn doubled(&self) -> f64 { 2.0 * self.area() } }",
        )
        .await
        .ok();
    client
        .execute("struct Square(f64); struct Circle { radius: f64 }")
        .await
        .ok();
    client
        .execute("impl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } }")
        .await
        .ok();
    client
        .execute(
            "impl Area for Circle { fn area(&self) -> f64 { 3.0 * self.radius * self.radius } }",
        )
        .await
        .ok();
    client
        .execute("let shapes: Vec<Box<dyn Area>> = vec![Box::new(Square(2.0)), Box::new(Circle { radius: 1.0 })];")
        .await
        .ok();
    client
        .execute("shapes.iter().map(|shape| shape.doubled()).sum::<f64>()")
        .await
        .result("14.0")
        .ok();
    client
        .execute("fn total<T: Area>(shapes: &[T]) -> f64 { shapes.iter().map(Area::area).sum() }")
        .await
        .ok();
    client
        .execute("total(&[Square(1.0), Square(2.0)])")
        .await
        .result("5.0")
        .ok();
}

#[tokio::test]
async fn the_latest_definition_wins() {
    let mut client = Client::start().await;
    client
        .execute("fn f() -> i32 { 1 }\nfn g() -> i32 { f() * 10 }")
        .await
        .ok();
    client.execute("g()").await.result("10").ok();
    client.execute("fn f() -> i32 { 2 }").await.ok();
    client.execute("g()").await.result("20").ok();
    client
        .execute("struct S; impl S { fn a(&self) -> i32 { 1 } fn b(&self) -> i32 { 5 } }")
        .await
        .ok();
    client
        .execute("impl S { fn c(&self) -> i32 { 9 } }")
        .await
        .ok();
    client
        .execute("(S.a(), S.b(), S.c())")
        .await
        .result("(1, 5, 9)")
        .ok();
}

#[tokio::test]
async fn redefining_a_type_drops_what_is_made_of_it_and_says_so() {
    let mut client = Client::start().await;
    client
        .execute(
            "#[derive(Debug)] struct Inner(i32); #[derive(Debug)] struct Outer { inner: Inner }",
        )
        .await
        .ok();
    client
        .execute(
            "let outer = Outer { inner: Inner(1) }; let list = vec![Inner(2)]; let number = 7;",
        )
        .await
        .ok();
    client
        .execute("#[derive(Debug)] struct Inner(String);")
        .await
        .stream("stderr", "note: `list`, `outer` were dropped, because cell [3] redefines `Inner`, of which they are made; to make them anew, \
             run cell [2] again\n")
        .ok();
    client.execute("number").await.result("7").ok();
    client.execute("outer").await.error(
        "CompileError",
        &[
            "cannot find value `outer`",
            "there is no `outer` any more: cell [3] redefined `Inner`, of which it was made; to make it anew, run cell [2] \
             again",
        ],
    );
    // Running a cell again without a change keeps the variables.
    client
        .execute("let inner = Inner(\"a\".into());")
        .await
        .ok();
    client
        .execute("#[derive(Debug)] struct Inner(String);")
        .await
        .ok();
    client.execute("inner").await.result("Inner(\"a\")").ok();
}

#[tokio::test]
async fn a_type_is_one_type_in_all_cells() {
    let mut client = Client::start().await;
    client.execute("struct Mine(i32);").await.ok();
    client
        .execute("let any: Box<dyn std::any::Any> = Box::new(Mine(3));")
        .await
        .ok();
    client
        .execute("any.downcast_ref::<Mine>().map(|mine| mine.0)")
        .await
        .result("Some(3)")
        .ok();
}

#[tokio::test]
async fn imports_can_be_replaced_one_by_one() {
    let mut client = Client::start().await;
    client
        .execute("use std::{cmp::max as pick, collections::HashSet};")
        .await
        .ok();
    client.execute("pick(1, 2)").await.result("2").ok();
    client.execute("use std::cmp::min as pick;").await.ok();
    client
        .execute("(pick(1, 2), HashSet::from([1]).len())")
        .await
        .result("(1, 1)")
        .ok();
    client
        .execute("fn pick(a: i32, b: i32) -> i32 { a * b }")
        .await
        .ok();
    client.execute("pick(3, 4)").await.result("12").ok();
}

#[tokio::test]
async fn derives_of_the_sdks_crates_work() {
    let mut client = Client::start().await;
    client.execute("use serde::{Serialize, Deserialize};\n#[derive(Serialize, Deserialize, Debug)] struct Config { lr: f64 }").await.ok();
    client
        .execute("serde_json::to_string(&Config { lr: 0.5 })?")
        .await
        .result("\"{\\\"lr\\\":0.5}\"")
        .ok();
    client
        .execute("serde_json::from_str::<Config>(r#\"{\"lr\": 2}\"#)?")
        .await
        .result("Config { lr: 2.0 }")
        .ok();
}

#[tokio::test]
async fn a_network_and_its_gradient() {
    let mut client = Client::start().await;
    client
        .execute(
            "struct Net { layer: nn::Linear }\n\
             impl Module for Net { fn forward(&self, x: &Tensor) -> Result<Tensor> { self.layer.forward(x)?.relu() } }",
        )
        .await
        .ok();
    client
        .execute(
            "let weight = Var::new(&[[1f32, -2.0]], &device())?;\n\
             let net = Net { layer: nn::Linear::new(weight.as_tensor().clone(), None) };\n\
             let loss = net.forward(&Tensor::new(&[[3f32, 1.0]], &device())?)?.sum_all()?;",
        )
        .await
        .ok();
    client
        .execute(
            "loss.backward()?.get(&weight).map(|gradient| gradient.to_vec2::<f32>()).transpose()?",
        )
        .await
        .result("Some([[3.0, 1.0]])")
        .ok();
}

#[tokio::test]
async fn a_trait_on_tensors_may_have_the_names_of_the_library_s_methods() {
    let mut client = Client::start().await;
    client
        .execute(
            "trait Short { fn softmax(&self) -> Result<Tensor>; fn item(&self) -> String; }\n\
             impl Short for Tensor {\n\
                 fn softmax(&self) -> Result<Tensor> { nn::softmax(self, -1) }\n\
                 fn item(&self) -> String { \"mine\".to_owned() }\n\
             }\n\
             let x = torch::zeros((1, 2))?;\n\
             x.softmax()?.to_vec2::<f32>()?",
        )
        .await
        .result("[[0.5, 0.5]]")
        .ok();
    client.execute("x.item()").await.result("\"mine\"").ok();
    // The library's other methods are there in other cells.
    client.execute("x.numel()").await.result("2").ok();
}
