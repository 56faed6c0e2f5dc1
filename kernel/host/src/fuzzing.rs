//! What the host reads of what others send or leave in its files, one function a kind, for `tests/fuzz`.
//!
//! Each takes any bytes and returns whatever they are; a panic, a hang or a large allocation is a defect.

use std::{fs, io, path::Path, sync::Arc};

use serde_json::json;
use tokio::io::{join, sink};

use crate::compiled;
use patchbay_completion::cursor;
use patchbay_engine::{
    Engine,
    cache::Cache,
    completeness,
    directive::{self, Part},
    history::Variable,
    learn, nesting, parse,
    plan::{self, Level},
    plugin_cell,
    program::Source,
};
use patchbay_jupyter::wire::{
    ConnectionInfo, Message, Signer,
    zmtp::{self, Incoming, Limits, SocketType},
};
use patchbay_notebook::{self as notebook, Notebook, html, parameters};
use patchbay_session::magics;
use patchbay_toolchain::{
    dependency::Request,
    snapshot::{self, Description, section},
};

/// The separator of cells in the input of [`cells`].
const NEXT_CELL: char = '\u{c}';

/// Bytes that come over a connection to each sort of socket: the handshake and what follows it, and the same without one.
///
/// # Errors
///
/// Fails where there is no runtime for the sockets' code.
pub fn wire(bytes: &[u8]) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        for socket in [SocketType::Router, SocketType::XPub, SocketType::Rep] {
            let mut input = bytes;
            let greeted = zmtp::handshake(&mut join(&mut input, sink()), socket).await;
            if greeted.is_ok() {
                messages(input).await;
            }
        }
        messages(bytes).await;
    });
    Ok(())
}

/// Reads messages to the end of the bytes, with and without a key.
async fn messages(bytes: &[u8]) {
    let (open, keyed) = (Signer::new(""), Signer::new("key"));
    let mut reader = zmtp::Reader::new(bytes, Limits::new(1 << 30), Arc::default());
    while let Ok(incoming) = reader.next().await {
        if let Incoming::Message(frames) = incoming {
            drop(Message::decode(frames.clone(), &keyed));
            if let Ok(message) = Message::decode(frames, &open) {
                drop(message.encode(&keyed));
            }
        }
    }
}

/// The texts of cells, one after the other: what `is_complete` says of each, how it is split, parsed and made a program,
/// and what completion sees in it.
pub fn cells(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut engine = Engine::default();
    for (number, code) in (1..).zip(text.split(NEXT_CELL)) {
        completeness::judge(code, magics());
        for cursor in [code.len(), code.len() / 2] {
            let cursor = code.floor_char_boundary(cursor);
            let (start, _) = cursor::name_at(code, cursor);
            for at in [cursor, start, cursor::word_at(code, cursor).0] {
                let context = cursor::context(code, at);
                cursor::path_before(code, context.start().unwrap_or(at));
            }
        }
        cell(&mut engine, code, number);
    }
}

fn cell(engine: &mut Engine, code: &str, number: u32) {
    let (magic, parts) = directive::split(code, magics(), &directive::names_of(engine));
    for part in parts {
        let (text, first_line, timing) = match part {
            Part::Rust {
                text,
                first_line,
                timing,
            } => (text, first_line, timing),
            Part::Directive(directive) => {
                let _ = Request::parse(&directive.argument, Path::new("/"));
                continue;
            }
        };
        let source = Source {
            text,
            cell: number,
            first_line,
        };
        if let Some(magic) = &magic {
            let _ = plugin_cell::program(&magic.argument, &source);
        }
        let parsed = nesting::read(&source.text, || {
            parse::parse_with(&source.text, &|name| engine.makes_items(name))
        });
        let Ok(Ok(mut chunk)) = parsed else {
            drop(plan::plan_unparsed(&source));
            continue;
        };
        chunk.expect_variables_of_macros(|name| engine.knows(name));
        if chunk.refused.is_some() {
            continue;
        }
        let lessons = learn::predict(&chunk, engine);
        let plan = plan::plan(engine, &chunk, &source, &lessons, Level::Auto, timing);
        drop(plan::plan(
            engine,
            &chunk,
            &source,
            &lessons.checking_text(),
            Level::Auto,
            timing,
        ));
        plan.program.line_map(number);
        engine.variables_made_stale(&chunk);
        engine.add_items(&chunk, &source, &lessons.set_aside);
        for definition in plan.defines {
            let variable = Variable {
                type_text: "i64".to_owned(),
                type_names: ["i64".to_owned()].into(),
                mutable: definition.mutable,
                cell: number,
                bytes: 8,
                tensor_bytes: 0,
                gpu_bytes: 0,
                tensor: None,
            };
            engine.variables.insert(definition.name, variable);
        }
    }
}

/// A notebook's file: read, its parameters, its page and its text.
pub fn notebook(bytes: &[u8]) {
    let path = Path::new("fuzzed.ipynb");
    let Ok(mut notebook) = Notebook::from_bytes(bytes.to_vec(), path) else {
        return;
    };
    let found = notebook::parameters_of(&notebook);
    let given: Vec<String> = found
        .iter()
        .map(|parameter| format!("{}={}", parameter.name, parameter.default))
        .collect();
    drop(parameters::read(&given, &found));
    for cell in notebook.cells() {
        parameters::open(&notebook::source(cell));
    }
    // Pictures that it refers to are looked for in a folder that is not there.
    let nowhere = Path::new("/nonexistent/folder");
    let _ = html::write_page(&notebook, nowhere, "fuzzed", &mut io::sink());
    notebook.upgrade();
    notebook.set_kernel(json!({}), "1");
    drop(notebook.to_text());
}

/// A library's file: what the SDK and plugins say of themselves, and the seal.
pub fn library(bytes: &[u8]) {
    let path = Path::new("fuzzed.so");
    drop(Description::of_library(bytes, path));
    drop(section::contents(bytes, section::PLUGIN_SECTION, path));
    let _ = patchbay_files::check_seal(bytes);
    let mut sealed = bytes.to_vec();
    if patchbay_files::seal(&mut sealed) {
        assert!(patchbay_files::check_seal(&sealed).is_ok(), "sealed");
    }
}

/// The files of a user's caches and results, which a crash or another program may have left in any state. `folder` is to be
/// written to.
///
/// # Errors
///
/// Fails where the folder cannot be written to.
pub fn cache(bytes: &[u8], folder: &Path) -> io::Result<()> {
    let key = "0".repeat(64);
    let cache = Cache::new(folder.join("cells"), 1 << 30);
    let entry = cache.folder().join(&key[..2]).join(&key);
    fs::create_dir_all(&entry)?;
    fs::write(entry.join("cell.so"), "library")?;
    let record = entry.join("cell.json");
    fs::write(&record, bytes)?;
    cache.get(&key);
    // A record is a text within the file.
    let text = String::from_utf8_lossy(bytes);
    fs::write(
        &record,
        json!({ "digest": "0", "record": text }).to_string(),
    )?;
    cache.get(&key);
    cache.size();

    fs::write(folder.join(snapshot::MANIFEST_NAME), bytes)?;
    drop(snapshot::Manifest::read(folder));
    fs::write(folder.join(compiled::MANIFEST), bytes)?;
    drop(compiled::Program::open(folder));

    let result = folder.join("result");
    fs::create_dir_all(&result)?;
    fs::write(result.join(compiled::output::MARKER), bytes)?;
    drop(compiled::output::Output::new(&result));

    let connection = folder.join("connection.json");
    fs::write(&connection, bytes)?;
    if let Ok(info) = ConnectionInfo::read(&connection) {
        drop(info.endpoint(info.shell_port));
    }
    Ok(())
}
