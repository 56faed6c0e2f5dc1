mod engine; mod output; mod runtime; mod session;
use engine::compile::Compiler;
use session::*;
#[tokio::main]
async fn main() {
    let t = std::path::PathBuf::from("/work/main/target/release");
    let sysroot = std::process::Command::new("rustc").args(["--print","sysroot"]).output().unwrap();
    let sysroot = std::path::PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim());
    let config = SessionConfig {
        compiler: Compiler { rustc: sysroot.join("bin/rustc"), library: t.join("libpatchbay.so"), dependencies: t.join("deps"), externs: vec![], build_id: "x".into() },
        runtime: t.join("patchbay-runtime"),
        library_path: format!("{}:{}", t.display(), sysroot.join("lib").display()).into(),
        cache: engine::cache::Cache::of_user(),
        working_directory: std::env::current_dir().unwrap(),
    };
    let mut s = Session::start(config).await.unwrap();
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    for (i, cell) in text.split("\n//---\n").enumerate() {
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let start = std::time::Instant::now();
        println!("== [{}] {}", i + 1, cell.trim());
        let reply = s.execute(CellRequest { code: cell.to_string(), execution_count: i as u32 + 1, allow_stdin: false }, &tx).await;
        while let Ok(e) = rx.try_recv() { match e { SessionEvent::Stream { name, text } => print!("{name:?}: {text}"), SessionEvent::Result { bundle } => println!("OUT {}", bundle.data.get("text/plain").and_then(|v| v.as_str()).unwrap_or("?")), SessionEvent::Display { bundle, .. } => println!("DISPLAY {:?}", bundle.data), o => println!("{o:?}") } }
        if let Some(e) = reply.error { println!("ERROR {} | {}\n{}", e.name, e.value, e.traceback.join("\n")); }
        println!("   ({:?}; {:?})", start.elapsed(), reply.timings);
    }
}
