use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::*;
use patchbay_contract::{CellError, SessionEvent, StreamName};

/// As JupyterLab writes it, with fields that no schema knows and an order that is nobody's.
const ODD: &str = r##"{
 "metadata": {
  "vendor": {"zebra": 1, "ant": [1, 2.5, null, true]},
  "kernelspec": {
   "name": "patchbay",
   "display_name": "Rust (Patchbay)"
  }
 },
 "cells": [
  {
   "cell_type": "markdown",
   "id": "a1",
   "metadata": {},
   "source": "# Größe \u001b[1m“🦀”"
  },
  {
   "id": "b2",
   "cell_type": "code",
   "execution_count": 7,
   "metadata": {
    "tags": [
     "raises-exception"
    ],
    "jupyter": {
     "source_hidden": true
    }
   },
   "outputs": [],
   "source": [
    "let x = 1;\n",
    "x"
   ]
  }
 ],
 "nbformat": 4,
 "nbformat_minor": 5,
 "unknown": 12345678901
}
"##;

fn odd() -> Notebook {
    // The inner objects of the constant are on one line for brevity; files have them spread.
    let spread = serde_json::from_str::<Value>(ODD).unwrap();
    let text = Layout::of(ODD).print(spread.as_object().unwrap());
    Notebook::parse(&text, Path::new("odd.ipynb")).unwrap()
}

fn parse(text: &str) -> Result<Notebook> {
    Notebook::parse(text, Path::new("nb.ipynb"))
}

fn bundle(mime: &str, value: Value) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    bundle.data.insert(mime.to_owned(), value);
    bundle
}

fn stream(name: StreamName, text: &str) -> SessionEvent {
    SessionEvent::Stream {
        name,
        text: text.to_owned(),
    }
}

fn display(id: Option<&str>, update: bool, text: &str) -> SessionEvent {
    SessionEvent::Display {
        bundle: bundle("text/plain", json!(text)),
        display_id: id.map(str::to_owned),
        update,
    }
}

fn empty_notebook(cells: usize) -> Notebook {
    let cell = json!({"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [{"old": 1}], "source": "1"});
    let root =
        json!({"cells": vec![cell; cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 4});
    parse(&root.to_string()).unwrap()
}

fn outputs(notebook: &Notebook, cell: usize) -> &Value {
    &notebook.cells()[cell]["outputs"]
}

#[test]
fn a_round_trip_changes_no_byte_whatever_the_layout() {
    let one_space = odd().to_text();
    assert!(
        one_space.contains("\n   \"source\": \"# Größe \\u001b[1m“🦀”\"\n"),
        "{one_space}"
    );
    assert!(one_space.ends_with("\"unknown\": 12345678901\n}\n"));
    let four_spaces = serde_json::from_str::<Value>(&one_space).unwrap();
    let four_spaces = Layout::of("{\n    \"a\": 1}").print(four_spaces.as_object().unwrap());
    let tabs = four_spaces.replace("    ", "\t");
    let windows = one_space.replace('\n', "\r\n");
    let compact = serde_json::from_str::<Value>(&one_space)
        .unwrap()
        .to_string();
    for text in [one_space, four_spaces, tabs, windows, compact] {
        assert_eq!(parse(&text).unwrap().to_text(), text);
    }
}

#[test]
fn a_byte_order_mark_is_no_obstacle_and_latin_1_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nb.ipynb");
    std::fs::write(
        &path,
        [b"\xef\xbb\xbf", odd().to_text().as_bytes()].concat(),
    )
    .unwrap();
    assert_eq!(Notebook::read(&path).unwrap().cell_count(), 2);
    std::fs::write(&path, b"{\n \"a\": \"gr\xf6\"}").unwrap();
    let error = Notebook::read(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("line 2, column 10: expected UTF-8 text, found byte 0xf6"),
        "{error}"
    );
}

#[test]
fn broken_json_is_shown_with_line_and_column() {
    let error = parse("{\n \"cells\": [,]\n}").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "nb.ipynb is not a notebook that can be run: line 2, column 12: expected value"
        ),
        "{error}"
    );
    assert!(error.ends_with("\"cells\": [,]"), "{error}");
    let error = parse("{\n<<<<<<< HEAD\n").unwrap_err().to_string();
    assert!(error.contains("merge conflict"), "{error}");
    let error = parse("  \n").unwrap_err().to_string();
    assert_eq!(
        error,
        "nb.ipynb is not a notebook that can be run: the file is empty"
    );
}

#[test]
fn what_is_no_notebook_of_format_4_is_refused() {
    let refusals = [
        ("[]", "expected a notebook, a JSON object"),
        ("{}", "a number under \"nbformat\""),
        (
            r#"{"nbformat": 3, "worksheets": []}"#,
            "jupyter nbconvert --to notebook --nbformat 4",
        ),
        (r#"{"nbformat": 5, "cells": []}"#, "this one is of format 5"),
        (
            r#"{"nbformat": 4, "cells": {}}"#,
            "expected a list under \"cells\"",
        ),
        (
            r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}"#,
            "cell 1 (counted from 1): expected a text",
        ),
        (
            r#"{"nbformat": 4, "cells": [{"cell_type": "heading", "source": ""}]}"#,
            "found \"heading\"",
        ),
    ];
    for (text, expected) in refusals {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn an_upgrade_gives_ids_and_keeps_those_that_are_there() {
    let mut notebook = empty_notebook(2);
    notebook
        .cell_mut(0)
        .unwrap()
        .insert("id".to_owned(), json!("mine"));
    notebook.upgrade();
    assert_eq!(notebook.cells()[0]["id"], "mine");
    assert_eq!(notebook.cells()[1]["id"], "cell-0002");
    assert_eq!(notebook.root["nbformat_minor"], 5);
    let mut newer = odd();
    newer.root.insert("nbformat_minor".to_owned(), json!(6));
    let before = newer.to_text();
    newer.upgrade();
    assert_eq!(newer.to_text(), before);
}

#[test]
fn streams_merge_until_something_else_comes() {
    let mut notebook = empty_notebook(1);
    let mut recorder = Recorder::new(&mut notebook);
    recorder.begin(0, 3);
    for event in [
        stream(StreamName::Stdout, "a"),
        stream(StreamName::Stdout, "b\nc"),
        stream(StreamName::Stderr, ""),
        stream(StreamName::Stderr, "10%\r20%"),
        display(None, false, "two\nlines"),
        stream(StreamName::Stdout, "d\n"),
        SessionEvent::Result {
            bundle: bundle("image/png", json!("iVBOR\n")),
        },
    ] {
        recorder.record(event);
    }
    recorder.finish();
    assert_eq!(notebook.cells()[0]["execution_count"], 3);
    assert_eq!(
        *outputs(&notebook, 0),
        json!([
            {"name": "stdout", "output_type": "stream", "text": ["ab\n", "c"]},
            {"name": "stderr", "output_type": "stream", "text": ["20%"]},
            {"data": {"text/plain": ["two\n", "lines"]}, "metadata": {}, "output_type": "display_data"},
            {"name": "stdout", "output_type": "stream", "text": ["d\n"]},
            {"data": {"image/png": "iVBOR\n"}, "execution_count": 3, "metadata": {}, "output_type": "execute_result"},
        ])
    );
}

#[test]
fn an_update_reaches_every_display_of_its_id_in_every_cell() {
    let mut notebook = empty_notebook(2);
    let mut recorder = Recorder::new(&mut notebook);
    recorder.begin(0, 1);
    recorder.record(display(Some("curve"), false, "old"));
    recorder.record(display(Some("other"), false, "stays"));
    recorder.finish();
    recorder.begin(1, 2);
    recorder.record(display(Some("curve"), false, "old again"));
    recorder.record(display(Some("curve"), true, "new"));
    recorder.record(display(Some("unknown"), true, "nowhere"));
    recorder.finish();
    assert_eq!(
        outputs(&notebook, 0)[0]["data"],
        json!({"text/plain": ["new"]})
    );
    assert_eq!(
        outputs(&notebook, 0)[1]["data"],
        json!({"text/plain": ["stays"]})
    );
    assert_eq!(
        outputs(&notebook, 1)[0]["data"],
        json!({"text/plain": ["new"]})
    );
    assert_eq!(outputs(&notebook, 1).as_array().unwrap().len(), 1);
}

#[test]
fn clearing_at_once_and_clearing_with_the_next_output() {
    let mut notebook = empty_notebook(1);
    let mut recorder = Recorder::new(&mut notebook);
    recorder.begin(0, 1);
    recorder.record(display(Some("gone"), false, "first"));
    recorder.record(SessionEvent::Clear { wait: false });
    recorder.record(stream(StreamName::Stdout, "kept"));
    recorder.record(SessionEvent::Clear { wait: true });
    assert_eq!(outputs(recorder.notebook(), 0).as_array().unwrap().len(), 1);
    recorder.record(display(None, false, "replaces"));
    // The cleared display is no more; an update of it must not reach what is in its place.
    recorder.record(display(Some("gone"), true, "wrong"));
    // Nothing follows this one, so nothing is cleared.
    recorder.record(SessionEvent::Clear { wait: true });
    recorder.finish();
    assert_eq!(
        *outputs(&notebook, 0),
        json!([{"data": {"text/plain": ["replaces"]}, "metadata": {}, "output_type": "display_data"}])
    );
}

#[test]
fn an_error_is_stored_as_jupyter_stores_it() {
    let mut notebook = empty_notebook(1);
    let mut recorder = Recorder::new(&mut notebook);
    recorder.begin(0, 1);
    recorder.error(&CellError {
        name: "Panic".into(),
        value: "boom".into(),
        traceback: vec!["line".into()],
    });
    recorder.finish();
    assert_eq!(
        *outputs(&notebook, 0),
        json!([{"ename": "Panic", "evalue": "boom", "output_type": "error", "traceback": ["line"]}])
    );
}

#[test]
fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ipynb");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    odd().write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), odd().to_text());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = odd()
        .write(&folder.path().join("missing/out.ipynb"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("missing/out.ipynb cannot be written"),
        "{error}"
    );
}
