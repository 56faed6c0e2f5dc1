//! Files of every format, whole, odd, foreign, and broken in thousands of ways: an error, never a panic.

use std::io::{Cursor, Write};

use patchbay_weights::{Tensors, parse};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A zip file with its members stored plainly, as PyTorch writes them.
fn stored(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn plain() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

fn pth(program: &[u8], storages: &[&[u8]]) -> Vec<u8> {
    let names: Vec<String> = (0..storages.len())
        .map(|key| format!("archive/data/{key}"))
        .collect();
    let mut members = vec![("archive/data.pkl", program)];
    members.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(storages.iter().copied()),
    );
    stored(&members, plain())
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// `name` of a dictionary: the operations that put it there.
fn text(name: &str) -> Vec<u8> {
    [&[b'U', name.len() as u8][..], name.as_bytes()].concat()
}

/// The operations that make a tensor of `count` elements: storage `key` of a class, whole and dense.
fn tensor(class: &str, key: &str, count: u32) -> Vec<u8> {
    let number = [&b"J"[..], &count.to_le_bytes()].concat();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text(key),
        text("cpu"),
        number.clone(),
        b"tQK\0".to_vec(),
        number,
        b"\x85K\x01\x85\x89NtR".to_vec(),
    ]
    .concat()
}

fn float(count: u32) -> Vec<u8> {
    tensor("FloatStorage", "0", count)
}

/// A state dict in the old format: five pickles, then the storages with their lengths.
fn legacy(class: &str) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [
        &magic[..],
        b"\x80\x02M\xe9\x03.",
        b"\x80\x02}.",
        b"\x80\x02}(",
        &text("w"),
        &tensor(class, "k", 2),
        b"u.",
        b"\x80\x02](",
        &text("k"),
        b"e.",
        &2u64.to_le_bytes(),
        &floats(&[3.0, 4.0]),
    ]
    .concat()
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

fn small_safetensors() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"n":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}"#;
    safetensors(header, &[0; 16])
}

/// An ONNX model with one initializer.
fn onnx() -> Vec<u8> {
    let message = |number: u8, content: &[u8]| {
        [&[number << 3 | 2, content.len() as u8][..], content].concat()
    };
    let weight = [
        &[0x08, 2, 0x10, 1][..],
        &message(8, b"w"),
        &message(9, &[0; 8]),
    ]
    .concat();
    let graph = message(5, &weight);
    [&[0x08, 7][..], &message(2, b"pytorch"), &message(7, &graph)].concat()
}

fn names(tensors: &Tensors) -> Vec<&str> {
    tensors.keys().map(String::as_str).collect()
}

fn refusal(file: &[u8]) -> String {
    parse(file).unwrap_err()
}

#[test]
fn foreign_empty_and_truncated_files_are_named() {
    let whole = small_safetensors();
    for (file, told) in [
        (&b""[..], "empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "git lfs pull",
        ),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b"hello", "neither a PyTorch file"),
        (b"PK\x03\x04cut", "truncated"),
        (&whole[..whole.len() - 3], "truncated: "),
        (&whole[..20], "truncated: 20 of "),
    ] {
        let error = refusal(file);
        assert!(error.contains(told), "{told:?} in {error}");
    }
    let of = format!("{} of {} bytes", whole.len() - 3, whole.len());
    assert!(refusal(&whole[..whole.len() - 3]).contains(&of));
    // A header of 60 bytes begins with `<`, too, as a number.
    let header = format!(
        "{:60}",
        r#"{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#
    );
    assert_eq!(parse(&safetensors(&header, &[0; 4])).unwrap().len(), 1);
    let other = r#"{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#;
    assert!(refusal(&safetensors(other, &[0; 2])).contains("[F8_E4M3]"));
}

#[test]
fn a_state_dict_under_two_names_is_found() {
    let data = floats(&[1.0, 2.0]);
    // {"best": sd, "state_dict": sd}, sd filled after it was stored in the memo.
    let program = [
        b"\x80\x02}(".to_vec(),
        text("best"),
        b"ccollections\nOrderedDict\n)Rq\x05".to_vec(),
        text("w"),
        float(2),
        b"s".to_vec(),
        text("state_dict"),
        b"h\x05u.".to_vec(),
    ];
    assert_eq!(
        parse(&pth(&program.concat(), &[&data])).unwrap()["w"].values,
        [1.0, 2.0]
    );
    // Both networks of DINO, the student first.
    let program = [
        b"\x80\x02}(".to_vec(),
        text("student"),
        b"}".to_vec(),
        text("s"),
        float(2),
        b"s".to_vec(),
        text("teacher"),
        b"}".to_vec(),
        text("t"),
        float(2),
        b"su.".to_vec(),
    ];
    assert_eq!(
        names(&parse(&pth(&program.concat(), &[&data])).unwrap()),
        ["t"]
    );
    // A container that holds itself ends, and what is there instead is said.
    let program = [
        b"\x80\x02}q\0(".to_vec(),
        text("model"),
        b"h\0".to_vec(),
        text("weights"),
        b"}u.".to_vec(),
    ];
    let error = refusal(&pth(&program.concat(), &[]));
    assert!(error.contains("first keys are [model, weights]"), "{error}");
}

#[test]
fn tensors_of_old_programs_and_unknown_types_do_no_harm() {
    let old = b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x02tQK\0K\x02\x85K\x01\x85tR";
    let program = [
        b"\x80\x02}(".to_vec(),
        text("old"),
        old.to_vec(),
        text("complex"),
        tensor("ComplexFloatStorage", "1", 1),
        text("new"),
        tensor("SomeStorage", "1", 1),
        b"u.".to_vec(),
    ];
    let data = floats(&[1.0, 2.0]);
    let tensors = parse(&pth(&program.concat(), &[&data, &data])).unwrap();
    assert_eq!(names(&tensors), ["old"]);
    assert_eq!(
        parse(&legacy("FloatStorage")).unwrap()["w"].values,
        [3.0, 4.0]
    );
    assert!(refusal(&legacy("ComplexFloatStorage")).contains("truncated inside the storage"));
    assert!(refusal(&legacy("SomeStorage")).contains("SomeStorage"));
}

#[test]
fn deep_and_overlapping_files_are_refused() {
    // On a thread whose stack a recursion over the levels would leave, which ends the process.
    let deep = std::thread::Builder::new().stack_size(256 << 10).spawn(|| {
        let levels = 200_000;
        let tuples = [&b"\x80\x02N"[..], &vec![0x85; levels], b"."].concat();
        assert!(refusal(&pth(&tuples, &[])).contains("no dictionary"));
        let dicts = [
            b"}U\x05model".repeat(levels),
            b"}".to_vec(),
            vec![b's'; levels],
        ]
        .concat();
        let dicts = [&b"\x80\x02"[..], &dicts, b"."].concat();
        assert!(refusal(&pth(&dicts, &[])).contains("without float tensors"));
    });
    deep.unwrap().join().unwrap();
    // 2000 tensors on one storage of 1 MB; two on it, as tied weights are, are fine.
    let (count, data) = (1 << 18, vec![0; 4 << 18]);
    let shared = |tensors: usize| {
        let mut program = b"\x80\x02}(".to_vec();
        for at in 0..tensors {
            program.extend(text(&at.to_string()));
            program.extend(float(count));
        }
        program.extend(b"u.");
        parse(&pth(&program, &[&data]))
    };
    assert_eq!(shared(2).unwrap().len(), 2);
    let error = shared(2000).unwrap_err();
    assert!(error.contains("they overlap"), "{error}");
}

#[test]
fn zip64_and_checksums() {
    let program = [b"\x80\x02}", &text("w")[..], &float(2), b"s."].concat();
    let data = floats(&[5.0, 6.0]);
    let members = [("a/data.pkl", &program[..]), ("a/data/0", &data[..])];
    let large = stored(&members, plain().large_file(true));
    assert_eq!(parse(&large).unwrap()["w"].values, [5.0, 6.0]);
    // The directory's end in the form of zip64, as behind more than 4 GB.
    let file = stored(&members, plain());
    let end = file
        .windows(4)
        .rposition(|part| part == b"PK\x05\x06")
        .unwrap();
    let u32_at = |at: usize| u64::from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap()));
    let (size, offset) = (u32_at(end + 12), u32_at(end + 16));
    let mut far = file[..end].to_vec();
    far.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
    for number in [2, 2, size, offset] {
        far.extend(number.to_le_bytes());
    }
    far.extend(b"PK\x06\x07\0\0\0\0");
    far.extend((end as u64).to_le_bytes());
    far.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    far.extend([0xff; 8]);
    far.extend([0; 2]);
    assert_eq!(parse(&far).unwrap()["w"].values, [5.0, 6.0]);
    // A bit of the storage.
    let at = file.windows(8).position(|part| part == data).unwrap();
    let mut damaged = file.clone();
    damaged[at] ^= 1;
    let error = refusal(&damaged);
    assert!(
        error.contains("checksum") && error.contains("a/data/0"),
        "{error}"
    );
    // PyTorch can be told to leave the checksums out; they are 0 then.
    let mut without = damaged.clone();
    let crc = crc32fast::hash(&data).to_le_bytes();
    for at in 0..without.len() - 4 {
        if without[at..at + 4] == crc {
            without[at..at + 4].fill(0);
        }
    }
    assert_eq!(parse(&without).unwrap().len(), 1);
    let compressed = plain().compression_method(CompressionMethod::Stored);
    assert!(refusal(&stored(&[("a/other", b"x")], compressed)).contains("without data.pkl"));
}

/// The same bytes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end.max(1)
    }
}

#[test]
fn broken_files_of_each_format_are_errors_and_never_panics() {
    let program = [b"\x80\x02}(", &text("w")[..], &float(2), b"u."].concat();
    let files = [
        pth(&program, &[&floats(&[1.0, 2.0])]),
        legacy("FloatStorage"),
        small_safetensors(),
        onnx(),
    ];
    let mut random = Random(11);
    for file in files {
        parse(&file).unwrap();
        for cut in 0..file.len() {
            assert!(
                parse(&file[..cut]).is_err(),
                "{cut} of {} bytes",
                file.len()
            );
        }
        for _ in 0..20_000 {
            let mut broken = file.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(broken.len());
                match random.below(4) {
                    0 => broken[at] ^= 1 << random.below(8),
                    1 => broken[at] = [0, 0xff, 0x7f, 0x80][random.below(4)],
                    2 => broken[at] = random.below(256) as u8,
                    _ => {
                        let from = random.below(broken.len());
                        let length = random.below(8).min(broken.len() - at.max(from));
                        broken.copy_within(from..from + length, at);
                    }
                }
            }
            let _ = parse(&broken);
        }
    }
}
