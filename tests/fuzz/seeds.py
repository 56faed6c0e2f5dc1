#!/usr/bin/env python3
"""Writes the seeds that fuzzing begins with. Needs pillow, and a C compiler: python seeds.py

What fuzzing has found lies beside them and is not written by this program.
"""

import io
import json
import pickle
import struct
import subprocess
import sys
import tempfile
import types
from collections import OrderedDict
from pathlib import Path

from PIL import Image

SEEDS = Path(__file__).parent / "seeds"


def write(target: str, name: str, content: bytes | str) -> None:
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    (folder / name).write_bytes(content)


# --- wire ---------------------------------------------------------------------------------------


def frame(body: bytes, more: bool = False, command: bool = False) -> bytes:
    flags = more | command << 2
    if len(body) > 255:
        return struct.pack(">BQ", flags | 2, len(body)) + body
    return bytes([flags, len(body)]) + body


def greeting() -> bytes:
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


def ready(kind: bytes) -> bytes:
    def entry(name: bytes, value: bytes) -> bytes:
        return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value

    body = b"\x05READY" + entry(b"Socket-Type", kind) + entry(b"Identity", b"me")
    return frame(body, command=True)


def message(kind: str, content: object, *buffers: bytes) -> bytes:
    header = {"msg_id": "1", "msg_type": kind, "session": "s", "username": "u", "date": "d", "version": "5.5"}
    parts = [b"route", b"<IDS|MSG>", b"", *(json.dumps(part).encode() for part in (header, {}, {}, content)), *buffers]
    return b"".join(frame(part, more=index + 1 < len(parts)) for index, part in enumerate(parts))


hello = greeting() + ready(b"DEALER")
write("wire", "kernel_info", hello + message("kernel_info_request", {}))
write("wire", "execute", hello + message("execute_request", {"code": "1 + 1", "silent": False}))
write("wire", "comm", hello + message("comm_msg", {"comm_id": "a", "data": {"b": [[[1]]]}}, bytes(300)))
write("wire", "subscribe", greeting() + ready(b"SUB") + frame(b"\x01") + frame(b"\x09SUBSCRIBEx", command=True))
write("wire", "heartbeat", greeting() + ready(b"REQ") + frame(b"", more=True) + frame(b"ping"))
write("wire", "ping", hello + frame(b"\x04PING\0\x0ahello", command=True) + message("is_complete_request", {}))
write("wire", "two_messages", message("a", {}) + message("b", [None, True, 1.5e3]))

# --- cells --------------------------------------------------------------------------------------

cells = {
    "items": "struct Net { width: usize }\nimpl Net { fn new() -> Self { Net { width: 3 } } }\n\f"
    "impl Net { fn new() -> Self { Net { width: 4 } } }\nlet net = Net::new();\n\fnet.width",
    "loops": "let mut total = 0;\nfor i in 0..10 {\n    if i % 2 == 0 { continue; }\n    total += i;\n}\ntotal\n\ftotal = total + 1;",
    "magics": "let x = 7;\n%who\n!ls -l | head\n:vars\n%time let y = f(x);\n%timeit 1 + 1\nx\n% 3",
    "plugin_cell": "%%plugin loss/mine\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n"
    "    (prediction - target)?.sqr()?.mean_all()\n}",
    "dep": ':dep regex = { version = "1", features = ["std"] } // for words\n:dep a = {\n  git = "x" }\nuse regex::Regex;',
    "closures": "let scale = 2.0;\nlet f = |x: f64| x * scale;\n\ff(3.0)\n\fmove || { let _ = f; }",
    "macros": "macro_rules! point { ($name:ident) => { struct $name { x: f32 } } }\npoint!(P);\n\f"
    "let p = P { x: 1.0 }; println!(\"{}\", p.x)",
    "statics": "use std::sync::atomic::{AtomicU8, Ordering};\nstatic COUNT: AtomicU8 = AtomicU8::new(0);\nconst N: usize = 4;\n\f"
    "COUNT.fetch_add(1, Ordering::SeqCst); [0; N]",
    "texts": "let s = \"a\\\"b\n%who\n\";\nlet r = r#\"{ \" }\"#;\nlet c = '{'; let l: &'static str = \"(\"; /* /* */ */ b'\\''",
    "async": "async fn f() -> u8 { 1 }\nlet v = f().await;\nunsafe { std::ptr::null::<u8>().is_null() }; return;",
    "patterns": "let (a, Some(ref b)) = (1, Some(2)) else { panic!() };\nmatch a { 0 | 1 => (), x @ 2..=9 if x > 3 => (), _ => () }",
    "generics": "trait Shape { const N: usize; fn area(&self) -> f64 where Self: Sized; }\n"
    "impl<T: Into<f64> + Copy, const K: usize> Shape for [T; K] { const N: usize = K; fn area(&self) -> f64 { self[0].into() } }",
    "modules": "mod m { pub mod n { pub fn f() -> u8 { super::g() } } fn g() -> u8 { 1 } }\nuse m::n::{self, f as h};\n\fh() + n::f()",
    "negation": "let flag = true;\n!flag && !v.is_empty()\n!matches!(flag,\n    true)\n!7z",
    "unfinished": "fn f() {\n    let x = (1,",
}
for name, text in cells.items():
    write("cells", name, text)

# --- notebooks ----------------------------------------------------------------------------------

outputs = [
    {"output_type": "stream", "name": "stdout", "text": ["a\u001b[31mb\u001b[0m\r\n", "50%\r100%\n"]},
    {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo=", "text/plain": "p"}},
    {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/html": "<b>x</b>"}},
    {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": ["<svg/>"], "application/json": {"a": 1}}},
    {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u001b[38;5;9mx\u001b[1;4m"]},
]
code = {"cell_type": "code", "execution_count": 1, "metadata": {"tags": ["parameters"]}, "source": 'let rate = 0.1; let name = "x";'}
markdown = "# Title\n\n| a | b |\n|---|---|\n| 1 | `x` |\n\n![p](attachment:p) ![q](q.png)\n\n```rust\nlet x = 'a';\n```\n<i>"
cells = [
    {"cell_type": "markdown", "metadata": {}, "source": markdown, "attachments": {"p": {"image/png": "AAAA"}}},
    {**code, "outputs": outputs},
    {"cell_type": "raw", "metadata": {}, "source": ["a\n", "b"]},
]
notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
write("notebooks", "outputs.ipynb", json.dumps(notebook, indent=1) + "\n")
write("notebooks", "one_line.ipynb", json.dumps({**notebook, "cells": cells[:1], "nbformat_minor": 5}))
write("notebooks", "windows.ipynb", "\ufeff" + json.dumps({**notebook, "cells": cells[2:]}, indent=4).replace("\n", "\r\n"))
highlighted = "fn f<'a>(x: &'a str) -> u8 { /* c */ b'\\n' + r#\"s\"#.len() as u8 // d\n}\n0x1f_u8 + 1e-3"
write("notebooks", "code.ipynb", json.dumps({**notebook, "cells": [{**code, "outputs": [], "source": highlighted}]}))

# --- checkpoints --------------------------------------------------------------------------------


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


write("safetensors", "floats", safetensors({"a": ("F32", [2, 3], bytes(24)), "b": ("F64", [], bytes(8))}))
write("safetensors", "halves", safetensors({"h": ("F16", [4], bytes(8)), "c": ("BF16", [2, 1], bytes(4)), "i": ("I64", [1], bytes(8))}))
write("safetensors", "empty", safetensors({"e": ("F32", [0, 5], b"")}))


class Called:
    """What a pickle says by calling a function of another module."""

    def __init__(self, function, arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def stub(module: str, name: str):
    parts = sys.modules.setdefault(module, types.ModuleType(module))
    function = types.FunctionType((lambda *_: None).__code__, {}, name)
    function.__module__, function.__qualname__ = module, name
    setattr(parts, name, function)
    return function


rebuild = stub("torch._utils", "_rebuild_tensor_v2")
parameter = stub("torch._utils", "_rebuild_parameter")
storages = {kind: stub("torch", kind) for kind in ("FloatStorage", "HalfStorage", "LongStorage")}


class Storage:
    def __init__(self, kind: str, count: int):
        self.id = ("storage", storages[kind], "0", "cpu", count)


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.id if isinstance(obj, Storage) else None


def pickled(value, protocol: int) -> bytes:
    to = io.BytesIO()
    Pickler(to, protocol).dump(value)
    return to.getvalue()


def tensor(kind: str, shape: tuple, strides: tuple, count: int = 16):
    return Called(rebuild, (Storage(kind, count), 0, shape, strides, False, OrderedDict()))


state = OrderedDict(
    weight=tensor("FloatStorage", (2, 3), (3, 1)),
    bias=Called(parameter, (tensor("HalfStorage", (4,), (1,)), True, OrderedDict())),
    count=tensor("LongStorage", (), ()),
)
for protocol in (2, 4):
    write("torch", f"state_{protocol}", pickled(state, protocol))
    training = {"epoch": 3, "rate": 0.1, "names": ["a", ("b", None, True)], "model": {"state_dict": state}, "big": 1 << 70}
    write("torch", f"training_{protocol}", pickled(training, protocol))
legacy = pickled(0x1950A86A20F9469CFC6C, 2) + pickled(1001, 2) + pickled({"little_endian": True}, 2) + pickled(state, 2)
write("torch", "legacy", legacy + pickled(["0"], 2) + struct.pack("<q", 16) + bytes(128))


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def initializer(name: bytes, kind: int, dims: list[int], data: bytes) -> bytes:
    return b"".join(field(1, dim) for dim in dims) + field(2, kind) + data + field(8, name)


graph = field(5, initializer(b"w", 1, [2, 2], field(9, bytes(16)))) + field(5, initializer(b"p", 1, [3], field(4, bytes(12))))
graph += field(5, initializer(b"h", 10, [2], field(9, bytes(4)))) + field(5, initializer(b"d", 11, [1], field(10, bytes(8))))
graph += field(5, initializer(b"i", 7, [1], field(7, b"\x01"))) + field(2, b"graph")
write("onnx", "model", field(1, 8) + field(2, b"pytorch") + field(7, graph) + field(8, field(2, 17)))

# --- pictures -----------------------------------------------------------------------------------

rgb = Image.radial_gradient("L").resize((17, 11)).convert("RGB")
profile = bytes(128)


def picture(name: str, image: Image.Image, kind: str, **options) -> None:
    to = io.BytesIO()
    image.save(to, kind, **options)
    write("pictures", name, to.getvalue())


picture("rgb.png", rgb, "PNG", icc_profile=profile)
picture("gray16.png", Image.new("I;16", (9, 5), 40000), "PNG")
picture("palette.png", rgb.convert("P", palette=Image.Palette.ADAPTIVE), "PNG", transparency=0)
picture("alpha.png", rgb.convert("RGBA"), "PNG")
picture("rgb.jpg", rgb, "JPEG", icc_profile=profile)
picture("gray_progressive.jpg", rgb.convert("L"), "JPEG", progressive=True)
picture("inks.jpg", rgb.convert("CMYK"), "JPEG")
picture("rgb.tif", rgb, "TIFF")
picture("lzw.tif", rgb, "TIFF", compression="tiff_lzw", icc_profile=profile)
picture("deflate.tif", rgb.convert("L"), "TIFF", compression="tiff_adobe_deflate")
picture("inks.tif", rgb.convert("CMYK"), "TIFF")

# --- csv ----------------------------------------------------------------------------------------

rows = "".join(f"2016-07-01 {hour:02}:00:00,{hour}.5,{hour * hour},w{hour}\n" for hour in range(12))
write("csv", "hours.csv", "date,load,price,word\n" + rows)
write("csv", "gaps.csv", "date,a\n2024-01-01,1\n2024-01-02,NA\n2024-01-04,\n2024-01-05,4e3\n")
write("csv", "seconds.csv", 'time,"a ""b"""\r\n0,1\r\n60,2\r\n120,nan\r\n')
write("csv", "formats.csv", "\ufeffx,time\n1, 2016-07-01T00:00:00Z \n2,2016-07-01T00:15:00.5\n3,2016/07/01 00:30\n")

# --- plugins ------------------------------------------------------------------------------------

described = {
    "abi": 1, "digest": "0" * 64, "name": "p", "version": "0.1.0", "source": "/p", "build_id": "b", "compiler": "rustc",
    "target": "x86_64", "flags": "f", "features": "g", "sources": "h",
    "components": [{"id": "loss/p", "summary": "s", "reference": "r"}, None],
}
sdk = {key: "x" for key in ("build_id", "compiler", "target", "flags", "features", "sources", "candle")} | {"cuda": False}


def library(name: str, section: str, content: dict) -> None:
    text = json.dumps(content, separators=(",", ":"))
    source = (
        f'__attribute__((section("{section}"), used)) static const char text[{len(text)}] = {json.dumps(text)};\n'
        "extern char patchbay_sdk_b; char *patchbay_plugin_anchor(void) { return &patchbay_sdk_b; }\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.so"
        flags = ["-shared", "-nostdlib", "-fPIC", "-Os", "-s", "-Wl,-z,noseparate-code,--build-id=none"]
        subprocess.run(["cc", *flags, "-x", "c", "-", "-o", path], input=source, text=True, check=True)
        write("plugins", name, path.read_bytes())


library("plugin.so", ".patchbay.plugin", described)
library("sdk.so", ".patchbay.sdk", sdk)

# --- cache --------------------------------------------------------------------------------------

diagnostic = {
    "message": "unused", "level": "warning", "code": {"code": "unused_must_use", "explanation": None}, "children": [],
    "spans": [{"file_name": "f", "byte_start": 0, "byte_end": 3, "line_start": 1, "line_end": 1, "column_start": 1,
               "column_end": 4, "is_primary": True, "text": [], "label": None}], "rendered": "w",
}
SIX = "0" * 64
record = {"has_library": True, "types": [[{"name": "x", "ordinal": 1}, "i32"]], "lessons": {}, "warnings": [diagnostic],
          "programs": 1, "files": [["a.txt", SIX]]}
write("cache", "record", json.dumps(record))
write("cache", "entry", json.dumps({"digest": SIX, "record": json.dumps(record)}))
file = {"bytes": 1, "digest": SIX, "inode": 1, "modified_nanoseconds": 1}
manifest = {"layout": 5, "sdk": sdk, "rustc": {}, "linker": [], "crates": [], "digest": SIX, "source": "/s", "made": 1,
            "files": {"lib/a": file}, "programs": {}}
write("cache", "manifest", json.dumps(manifest))
write("cache", "program", json.dumps({"layout": 1, "name": "n", "parameters": [{"name": "a", "kind": "integer", "default": "1"}],
                                      "compiler": {}, "kept": {"bundles": {}, "plugins": {"p": "q"}}}))
write("cache", "result", json.dumps({"written_by": "patchbay build", "files": {"a": {"bytes": 1, "digest": SIX}}}))
write("cache", "connection", json.dumps({"transport": "tcp", "ip": "127.0.0.1", "shell_port": 1, "iopub_port": 2,
                                         "stdin_port": 3, "control_port": 4, "hb_port": 5, "key": "k"}))
