//! CSV files, frames, categories and scales.

use std::{fs, path::PathBuf};

use candle_core::DType;
use patchbay_data::{
    Categories, Column, ColumnType, CsvOptions, Frame, StandardScaler, Values, read_csv,
    read_csv_with,
};
use patchbay_show::Show;

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> File {
        let path =
            std::env::temp_dir().join(format!("patchbay-tables-{name}-{}.csv", std::process::id()));
        fs::write(&path, content).unwrap();
        File(path)
    }

    fn read(&self) -> Frame {
        read_csv(&self.0).unwrap()
    }

    fn told(&self, options: &CsvOptions) -> String {
        read_csv_with(&self.0, options).unwrap_err().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn types(frame: &Frame) -> Vec<ColumnType> {
    frame.columns().iter().map(Column::column_type).collect()
}

#[test]
fn types_are_seen_in_the_values() {
    use ColumnType::{Boolean, Float, Integer, Text, Time};
    let file = File::new(
        "types",
        "id,height,happy,born,zip,name,nothing,mixed\n1,1.5,true,2020-01-02,01234,\"Ada, \"\"A\"\"\",,1\n-2,NA,FALSE,2021-03-04 05:06,99999,Bob,,x\n3,2e3,,,00001,,NaN,2.5\n",
    );
    let frame = file.read();
    assert_eq!(
        types(&frame),
        [Integer, Float, Boolean, Time, Text, Text, Float, Text]
    );
    assert_eq!(frame.rows(), 3);
    assert_eq!(
        frame.column("id").unwrap().values(),
        &Values::Integer(vec![1, -2, 3])
    );
    let heights = frame.column("height").unwrap().numbers().unwrap();
    assert!(heights[0] == 1.5 && heights[1].is_nan() && heights[2] == 2000.0);
    assert_eq!(frame.column("zip").unwrap().text(0), "01234");
    assert_eq!(frame.column("name").unwrap().text(0), "Ada, \"A\"");
    assert_eq!(frame.column("born").unwrap().text(1), "2021-03-04 05:06:00");
    let missing: Vec<usize> = frame.columns().iter().map(Column::missing).collect();
    assert_eq!(missing, [0, 1, 1, 1, 0, 1, 3, 0]);
    assert_eq!(frame.drop_missing(&["name"]).unwrap().rows(), 2);
    assert_eq!(
        frame
            .fill_missing("height", 0.0)
            .unwrap()
            .column("height")
            .unwrap()
            .missing(),
        0
    );
}

#[test]
fn numbers_are_read_as_they_are_written() {
    for (name, content) in [
        ("semicolon", "a;b\n1,5;2\n-0,25;3\n"),
        ("tab", "a\tb\r\n1.5\t2\r\n-0.25\t3\r\n"),
        ("pipe", "\u{feff}a|b\n1.5|2\n-0.25|3"),
        ("spaces", "a , b\n 1.5 , 2\n-0.25,  3\n"),
    ] {
        let frame = File::new(name, content).read();
        assert_eq!(frame.names(), ["a", "b"], "{name}");
        assert_eq!(
            frame.column("a").unwrap().numbers().unwrap(),
            [1.5, -0.25],
            "{name}"
        );
        assert_eq!(types(&frame), [ColumnType::Float, ColumnType::Integer]);
    }
    let file = File::new("thousands", "a;b\n1.234,5;x\n12,25;y\n");
    let options = CsvOptions {
        decimal: Some(','),
        thousands: Some('.'),
        ..CsvOptions::default()
    };
    let frame = read_csv_with(&file.0, &options).unwrap();
    assert_eq!(
        frame.column("a").unwrap().numbers().unwrap(),
        [1234.5, 12.25]
    );
    let bad = CsvOptions {
        decimal: Some('.'),
        thousands: Some('.'),
        ..CsvOptions::default()
    };
    assert!(file.told(&bad).contains("both '.'"));
    let file = File::new("no-head", "1,2\n3,4\n");
    let options = CsvOptions {
        names: Some(vec!["x".into(), "y".into()]),
        missing: vec!["4".into()],
        ..CsvOptions::default()
    };
    let frame = read_csv_with(&file.0, &options).unwrap();
    assert_eq!((frame.rows(), frame.column("y").unwrap().missing()), (2, 1));
    let options = CsvOptions {
        names: Some(vec!["x".into(), "y".into()]),
        columns: vec!["y".into()],
        types: vec![("y".into(), ColumnType::Text)],
        ..CsvOptions::default()
    };
    let frame = read_csv_with(&file.0, &options).unwrap();
    assert_eq!(
        (frame.names(), types(&frame)),
        (vec!["y"], vec![ColumnType::Text])
    );
}

#[test]
fn times_have_zones_and_an_order_of_days() {
    let file = File::new("times", "t\n2024-07-01 12:00\n2024-01-01 12:00\n");
    let frame = file.read();
    assert_eq!(
        frame.column("t").unwrap().values(),
        &Values::Time(vec![1_719_835_200, 1_704_110_400])
    );
    let options = CsvOptions {
        zone: Some("Europe/Berlin".into()),
        ..CsvOptions::default()
    };
    let frame = read_csv_with(&file.0, &options).unwrap();
    assert_eq!(
        frame.column("t").unwrap().values(),
        &Values::Time(vec![1_719_828_000, 1_704_106_800])
    );
    assert!(frame.column("t").unwrap().text(0).ends_with("+02:00"));
    let file = File::new(
        "offsets",
        "t\n2024-07-01T12:00:00Z\n2024-07-01T12:00:00+02:00\n",
    );
    assert_eq!(
        file.read().column("t").unwrap().values(),
        &Values::Time(vec![1_719_835_200, 1_719_828_000])
    );
    // A row says that the day comes first; without such a row nobody knows.
    let file = File::new("days", "t\n01/07/2024\n13/07/2024\n");
    assert_eq!(
        file.read().column("t").unwrap().text(0),
        "2024-07-01 00:00:00"
    );
    let file = File::new("unknown", "t\n01/07/2024\n02/07/2024\n");
    assert_eq!(types(&file.read()), [ColumnType::Text]);
    let options = CsvOptions {
        day_first: Some(false),
        ..CsvOptions::default()
    };
    let frame = read_csv_with(&file.0, &options).unwrap();
    assert_eq!(frame.column("t").unwrap().text(0), "2024-01-07 00:00:00");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let plain = CsvOptions::default();
    assert!(
        File::new("ragged", "a,b\n1,2\n1,2,3\n")
            .told(&plain)
            .contains("line 3: 3 fields where the head has 2 (a, b)")
    );
    assert!(File::new("empty", "").told(&plain).contains("is empty"));
    assert!(
        File::new("twice", "a,a\n1,2\n")
            .told(&plain)
            .contains("both named \"a\"")
    );
    let latin = File::new("latin", b"name,n\nAda,1\nJ\xf6rg,2\n");
    let told = latin.told(&plain);
    assert!(
        told.contains("line 3: not UTF-8")
            && told.contains("\"Jörg,2\"")
            && told.contains("windows-1252"),
        "{told}"
    );
    let options = CsvOptions {
        encoding: Some("windows-1252".into()),
        ..CsvOptions::default()
    };
    assert_eq!(
        read_csv_with(&latin.0, &options)
            .unwrap()
            .column("name")
            .unwrap()
            .text(1),
        "Jörg"
    );
    let options = CsvOptions {
        encoding: Some("klingon".into()),
        ..CsvOptions::default()
    };
    assert!(latin.told(&options).contains("no encoding \"klingon\""));
    let utf16: Vec<u8> = "\u{feff}a,b\n1,ü\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        File::new("utf16", utf16)
            .read()
            .column("b")
            .unwrap()
            .text(0),
        "ü"
    );
    let file = File::new("columns", "a,b\n1,2\nx,4\n");
    let told = file.told(&CsvOptions {
        columns: vec!["c".into()],
        ..CsvOptions::default()
    });
    assert!(told.contains("no column c; its columns are a, b"), "{told}");
    let told = file.told(&CsvOptions {
        types: vec![("a".into(), ColumnType::Float)],
        ..CsvOptions::default()
    });
    assert!(
        told.contains("line 3, column a: \"x\" is no float"),
        "{told}"
    );
    assert!(
        read_csv("/no/such.csv")
            .unwrap_err()
            .to_string()
            .contains("/no/such.csv cannot be read")
    );
    // A head alone is a table without rows.
    let frame = File::new("head", "a,b\n").read();
    assert_eq!((frame.rows(), frame.names()), (0, vec!["a", "b"]));
    frame.describe();
    frame.show();
}

#[test]
fn frames_are_cut_and_joined() {
    let frame = Frame::new(vec![
        Column::floats("x", (0..30).map(f64::from).collect()),
        Column::texts(
            "kind",
            (0..30)
                .map(|i| if i % 3 == 0 { "b" } else { "a" })
                .collect::<Vec<_>>(),
        ),
    ])
    .unwrap();
    assert_eq!(
        frame.head(3).column("x").unwrap().numbers().unwrap(),
        [0.0, 1.0, 2.0]
    );
    assert_eq!(frame.head(100).rows(), 30);
    assert_eq!(
        frame
            .take(&[29, 0])
            .unwrap()
            .column("x")
            .unwrap()
            .numbers()
            .unwrap(),
        [29.0, 0.0]
    );
    assert!(frame.take(&[30]).is_err());
    assert_eq!(frame.without(&["x"]).unwrap().names(), ["kind"]);
    assert!(
        frame
            .select(&["x", "x"])
            .unwrap_err()
            .to_string()
            .contains("two columns")
    );
    assert!(
        frame
            .column("y")
            .unwrap_err()
            .to_string()
            .contains("the columns are x, kind")
    );
    assert!(frame.with(Column::floats("y", vec![0.0])).is_err());
    let shown = frame.to_string();
    assert!(
        shown.contains("30 rows, 2 columns: x float, kind text") && shown.contains("..."),
        "{shown}"
    );
    assert!(
        frame.show().data["text/html"]
            .as_str()
            .unwrap()
            .contains("<table>")
    );
    let described = frame.describe().to_string();
    // pandas: mean 14.5, std 8.803408, quartiles 7.25, 14.5, 21.75.
    for expected in ["14.5", "8.803", "7.25", "21.75", "20"] {
        assert!(described.contains(expected), "{described}");
    }
    let tensor = frame.to_tensor(&["x"]).unwrap();
    assert_eq!((tensor.dims(), tensor.dtype()), (&[30, 1][..], DType::F32));
    assert!(
        frame
            .to_tensor(&["kind"])
            .unwrap_err()
            .to_string()
            .contains("Categories::of")
    );
    let gaps = Frame::new(vec![Column::floats("x", vec![1.0, f64::NAN])]).unwrap();
    let told = gaps.to_tensor(&["x"]).unwrap_err().to_string();
    assert!(
        told.contains("misses 1 values, the first in row 1") && told.contains("fill_missing"),
        "{told}"
    );
}

#[test]
fn categories_keep_their_indices() {
    let of = |texts: &[&str]| Frame::new(vec![Column::texts("kind", texts.to_vec())]).unwrap();
    let train = of(&["b", "a", "c", "a"]);
    let kinds = Categories::of(&train, "kind").unwrap();
    assert_eq!(
        (kinds.encode(&train).unwrap(), kinds.len(), kinds.decode(2)),
        (vec![1, 0, 2, 0], 3, Some("c"))
    );
    let kept: Categories = serde_json::from_str(&serde_json::to_string(&kinds).unwrap()).unwrap();
    assert_eq!(kept, kinds);
    let told = kept.encode(&of(&["a", "z"])).unwrap_err().to_string();
    assert!(
        told.contains("\"z\" in row 1") && told.contains("a, b, c"),
        "{told}"
    );
    assert_eq!(
        kinds.with_unknown().encode(&of(&["a", "z"])).unwrap(),
        [0, 3]
    );
    let numbers = Frame::new(vec![Column::integers("kind", vec![10, 9, 10])]).unwrap();
    assert_eq!(
        Categories::of(&numbers, "kind").unwrap().names(),
        ["9", "10"]
    );
}

#[test]
fn scales_are_those_of_the_training_part() {
    let train = Frame::new(vec![
        Column::floats("x", vec![1.0, 2.0, 3.0, f64::NAN]),
        Column::floats("constant", vec![0.1; 4]),
    ])
    .unwrap();
    let scaler = StandardScaler::fit(&train, &["x", "constant"]).unwrap();
    let test = Frame::new(vec![
        Column::floats("x", vec![4.0]),
        Column::floats("constant", vec![0.1]),
    ])
    .unwrap();
    let scaled = scaler.transform(&test).unwrap();
    // scikit-learn's deviation is that of a population.
    assert!(
        (scaled.column("x").unwrap().numbers().unwrap()[0] - 2.0 / (2.0f64 / 3.0).sqrt()).abs()
            < 1e-12
    );
    assert!(scaled.column("constant").unwrap().numbers().unwrap()[0].abs() < 1e-12);
    let back = scaler.inverse_transform(&scaled).unwrap();
    assert!((back.column("x").unwrap().numbers().unwrap()[0] - 4.0).abs() < 1e-12);
    assert!(StandardScaler::fit(&train, &["y"]).is_err());
    let empty = Frame::new(vec![Column::floats("x", vec![f64::NAN])]).unwrap();
    assert!(
        StandardScaler::fit(&empty, &["x"])
            .unwrap_err()
            .to_string()
            .contains("0 values")
    );
}
