//! What is fuzzed.

use std::path::Path;

use patchbay_dehaze_core::codec::{self, Samples};
use patchbay_host::fuzzing as host;

use crate::containers::{pth, with_png_checksums};

/// A reader of bytes that others have made.
pub struct Target {
    pub name: &'static str,
    /// Reads an input; the folder is for what is read from files only.
    pub(crate) reader: fn(&[u8], &Path),
    /// Texts that mean something to it.
    pub words: &'static [&'static [u8]],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "wire",
        reader: |input, _| host::wire(input).expect("a runtime"),
        words: &[
            b"\x05READY",
            b"\x0bSocket-Type",
            b"\0\0\0\x06DEALER",
            b"\0\0\0\x03SUB",
            b"\x08Identity",
            b"<IDS|MSG>",
            b"{\"msg_id\":\"1\",\"msg_type\":\"x\"}",
            b"{}",
            b"[",
            b"{\"a\":",
            b"\x04PING",
            b"\x09SUBSCRIBE",
            b"\x02\0\0\0\0",
        ],
    },
    Target {
        name: "cells",
        reader: |input, _| host::cells(input),
        words: &[
            b"\x0c",
            b"\n",
            b"let ",
            b"let mut x = ",
            b"fn f() ",
            b"struct S",
            b"enum E",
            b"trait T",
            b"impl ",
            b"impl S { ",
            b"macro_rules! m { ($x:expr) => { $x } }",
            b"m!(",
            b"static X: u8 = 0;",
            b"const ",
            b"use std::",
            b"mod m { ",
            b"match x { ",
            b"if let ",
            b"else ",
            b"loop { ",
            b"while ",
            b"for i in 0..3 { ",
            b"|x| ",
            b"move ||",
            b"async ",
            b".await",
            b"unsafe ",
            b"?;",
            b"&mut ",
            b"'a",
            b"b'\\''",
            b"r#\"",
            b"\"#",
            b"\"",
            b"'",
            b"/*",
            b"*/",
            b"//",
            b"#[",
            b"#![",
            b"::<",
            b"->",
            b"=>",
            b"..=",
            b"%who\n",
            b"%time ",
            b"%%plugin loss/x\n",
            b"%timeit ",
            b":dep a = { ",
            b"!ls\n",
            b"!x",
            b"return ",
            b"break ",
            b"{",
            b"}",
            b"(",
            b")",
            b"[",
            b"]",
            b"<",
            b">",
            b";",
            b",",
            b"+",
            b"-",
            b"!",
            b"&",
            b"*",
            b"=",
            b"\x00",
            b"\xc3\xa9",
            b"\xe2\x80\xae",
            b"\r\n",
            b"x = x + 1;",
        ],
    },
    Target {
        name: "notebooks",
        reader: |input, _| host::notebook(input),
        words: &[
            b"\"cells\":[",
            b"\"cell_type\":\"code\"",
            b"\"markdown\"",
            b"\"raw\"",
            b"\"source\":",
            b"\"outputs\":[",
            b"\"output_type\":\"stream\"",
            b"\"display_data\"",
            b"\"execute_result\"",
            b"\"error\"",
            b"\"traceback\":[",
            b"\"data\":{",
            b"\"image/png\":\"",
            b"\"image/svg+xml\":\"",
            b"\"text/html\":\"",
            b"\"text/plain\":\"",
            b"\"text/markdown\":\"",
            b"\"attachments\":{",
            b"![a](attachment:a)",
            b"![a](/etc/passwd)",
            b"\"nbformat\":4",
            b"\"nbformat_minor\":5",
            b"\"metadata\":{\"tags\":[\"parameters\"]}",
            b"\\u001b[31m",
            b"\\u001b[38;5;",
            b"```rust\\n",
            b"# ",
            b"| a | b |\\n",
            b"\\n",
            b"let x = 1;",
            b"[[[[",
            b"{}",
            b"null",
            b"<script>",
            b"\xef\xbb\xbf",
        ],
    },
    Target {
        name: "safetensors",
        reader: |input, _| drop(patchbay_weights::parse(input)),
        words: &[
            b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            b"\"F16\"",
            b"\"BF16\"",
            b"\"F64\"",
            b"\"I64\"",
            b"\"__metadata__\":{",
            b"[18446744073709551615]",
            b"[0]",
            b"[]",
            b"[4294967296,4294967296]",
        ],
    },
    Target {
        name: "torch",
        reader: |input, _| {
            drop(patchbay_weights::parse(input));
            // The same bytes as the pickle of the newer format, whose checksums no mutation would hit.
            drop(patchbay_weights::parse(&pth(input)));
        },
        words: &[
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch\nFloatStorage\n",
            b"ccollections\nOrderedDict\n",
            b"ctorch._utils\n_rebuild_parameter\n",
            b"X\x07\0\0\0storage",
            b"X\x01\0\0\x000",
            b"X\x03\0\0\0cpu",
            b"(",
            b"t",
            b"Q",
            b"R",
            b"]",
            b"}",
            b")",
            b"K\x01",
            b"M\0\x01",
            b"J\0\0\0\x01",
            b"u",
            b"s",
            b"e",
            b"2",
            b"h\0",
            b"q\0",
            b"r",
            b"j",
            b"b",
            b"0",
            b".",
            b"\x80\x02",
            b"\x85",
            b"\x86",
            b"\x87",
            b"N",
            b"a",
        ],
    },
    Target {
        name: "onnx",
        reader: |input, _| drop(patchbay_weights::parse(input)),
        words: &[
            b"\x08\x08",
            b":",
            b"*",
            b"B\x01w",
            b"J\x04",
            b"\x10\x01",
            b"\x08\x02",
            b"\"",
            b"\x12",
            b"\x1a",
        ],
    },
    Target {
        name: "pictures",
        reader: |input, _| {
            picture(input);
            if let Some(mended) = with_png_checksums(input) {
                picture(&mended);
            }
        },
        words: &[
            b"\0\0\0\rIHDR",
            b"IDAT",
            b"IEND",
            b"iCCP",
            b"eXIf",
            b"PLTE",
            b"tRNS",
            b"acTL",
            b"fcTL",
            b"fdAT",
            b"zTXt",
            b"II*\0",
            b"MM\0*",
            b"II+\0",
            b"Exif\0\0",
            b"ICC_PROFILE\0\x01\x01",
            b"JFIF\0",
            b"Adobe",
        ],
    },
    #[cfg(feature = "sdk")]
    Target {
        name: "csv",
        reader: with_sdk::csv,
        words: &[
            b"date",
            b"time",
            b",",
            b"\n",
            b"\r\n",
            b"\"",
            b"2016-07-01 00:00:00",
            b"2016-07-01 01:00:00",
            b"2016-07-01",
            b"NA",
            b"NaN",
            b"inf",
            b"1e308",
            b"-1e308",
            b"1e-320",
            b"null",
            b"0",
            b"-",
            b"9999-12-31 23:59:59",
            b"-9223372036854775808",
            b"9223372036854775807",
            b"2024-02-30",
            b"T",
            b"Z",
            b"+00:00",
            b".5",
            b";",
            b"\t",
            b"\xef\xbb\xbf",
            b"\xc3\xa9",
        ],
    },
    Target {
        name: "plugins",
        reader: |input, folder| {
            host::library(input);
            #[cfg(feature = "sdk")]
            with_sdk::plugin(input, folder);
            let _ = folder;
        },
        words: &[
            b"\x7fELF",
            b".patchbay.plugin",
            b".patchbay.sdk",
            b"\"digest\":\"",
            b"\"abi\":1",
            b"\"components\":[",
            b"null]}",
            b"patchbay_sdk_",
        ],
    },
    Target {
        name: "cache",
        reader: |input, folder| {
            host::cache(input, folder).expect("a folder that can be written to")
        },
        words: &[
            b"\"digest\":\"",
            b"\"record\":\"",
            b"\\\"has_library\\\":",
            b"\"has_library\":true",
            b"\"types\":[",
            b"\"lessons\":{",
            b"\"warnings\":[",
            b"\"programs\":",
            b"\"files\":[",
            b"\"layout\":5",
            b"\"layout\":1",
            b"\"written_by\":\"patchbay build\"",
            b"null",
            b"{}",
            b"[]",
            b"\"",
            b"{",
            b"[",
            b"18446744073709551616",
            b"-1",
            b"1e999",
            b"\"transport\":\"tcp\"",
        ],
    },
];

/// The most that a picture may want, which is a setting of those who dehaze.
const PICTURE_BYTES: u64 = 200 << 20;

fn picture(file: &[u8]) {
    let Ok(header) = codec::header(file) else {
        return;
    };
    let samples = (header.shape.samples() as u64).saturating_mul(u64::from(header.bits / 8));
    if codec::memory(file, &header).saturating_add(samples) > PICTURE_BYTES {
        return;
    }
    let mut decoded = Samples::default();
    if let Ok(extras) = codec::decode(file, &header, &mut decoded) {
        drop(codec::encode(
            &header,
            &decoded,
            &extras,
            90,
            &mut Vec::new(),
        ));
    }
}

#[cfg(feature = "sdk")]
mod with_sdk {
    use std::{fs, path::Path};

    use patchbay::{
        Show,
        forecast::{CsvOptions, Frame, Missing},
        plugin,
    };

    pub fn csv(input: &[u8], folder: &Path) {
        let path = folder.join("fuzzed.csv");
        fs::write(&path, input).expect("a folder that can be written to");
        let path = path.to_string_lossy();
        for missing in [Missing::Refuse, Missing::Interpolate] {
            for time in [None, Some("time".to_owned())] {
                let options = CsvOptions {
                    time,
                    missing,
                    ..CsvOptions::default()
                };
                if let Ok(frame) = Frame::read_csv_with(&path, &options) {
                    drop(frame.show());
                }
            }
        }
    }

    pub fn plugin(input: &[u8], folder: &Path) {
        let path = folder.join("fuzzed.so");
        fs::write(&path, input).expect("a folder that can be written to");
        drop(plugin::read_metadata(&path));
    }
}
