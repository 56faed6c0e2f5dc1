//! Where the weights are in the checkpoints that training programs write; `reference/containers_torch.py` has written them.

use std::path::Path;

use patchbay_weights::{Checkpoint, Source, read, read_checkpoint};

fn open(name: &str, container: Option<&str>) -> Result<Checkpoint, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    read_checkpoint(&folder.join(name), container)
}

/// The network's tensors, whose numbers count up in the order of its state dict.
const NAMES: [(&str, usize); 6] = [
    ("fc.weight", 6),
    ("fc.bias", 3),
    ("bn.weight", 3),
    ("bn.bias", 3),
    ("bn.running_mean", 3),
    ("bn.running_var", 3),
];

/// Whether exactly the network is there, behind `prefix`, counted from `first`.
fn check(name: &str, found: &Checkpoint, prefix: &str, first: f32) {
    let mut next = first;
    for (tensor, count) in NAMES {
        let full = format!("{prefix}{tensor}");
        let values: Vec<f32> = (0..count).map(|at| next + at as f32).collect();
        next += count as f32;
        let ours = found.tensors.get(&full);
        let ours = ours.unwrap_or_else(|| panic!("{name}: no {full} in {found:?}"));
        assert_eq!(ours.values, values, "{name}: {full}");
    }
    assert_eq!(found.tensors.len(), NAMES.len(), "{name}: {found:?}");
}

const LAST: f32 = 1.0;
const AVERAGE: f32 = 101.0;

#[test]
fn the_average_comes_first_and_then_the_usual_names() {
    for (name, container, prefix, first, others) in [
        (
            "timm.pth",
            "state_dict_ema",
            "",
            AVERAGE,
            vec!["state_dict"],
        ),
        (
            "timm_legacy.pth",
            "state_dict_ema",
            "",
            AVERAGE,
            vec!["state_dict"],
        ),
        ("only_average.pth", "state_dict_ema", "", AVERAGE, vec![]),
        ("no_average.pth", "state_dict", "", LAST, vec![]),
        ("deit.pth", "model_ema", "", AVERAGE, vec!["model"]),
        ("basicsr.pth", "params_ema", "", AVERAGE, vec!["params"]),
        ("ema_dict.pth", "ema", "", AVERAGE, vec!["model_state_dict"]),
        (
            "ema_averaged_model.pth",
            "ema",
            "module.",
            AVERAGE,
            vec!["model"],
        ),
        ("ema_decay.pth", "ema.module", "", AVERAGE, vec!["net"]),
        ("ema_unnamed.pth", "model", "", LAST, vec![]),
        ("lightning.ckpt", "state_dict", "model.", LAST, vec![]),
        (
            "nested.pth",
            "checkpoint.model.state_dict",
            "",
            LAST,
            vec![],
        ),
        ("wrapped.pth", "model", "module._orig_mod.", LAST, vec![]),
        ("unknown.pth", "best_of_run", "", LAST, vec![]),
        ("tuple.pth", "0", "", LAST, vec![]),
        ("network.pth", "", "", LAST, vec![]),
        ("network_legacy.pth", "", "", LAST, vec![]),
        ("networks.pth", "ema", "", AVERAGE, vec!["model"]),
    ] {
        let found = open(name, None).unwrap_or_else(|error| panic!("{error}"));
        check(name, &found, prefix, first);
        assert_eq!(found.container, container, "{name}");
        assert_eq!(found.is_average, first == AVERAGE, "{name}");
        assert_eq!(found.others, others, "{name}");
        let source = match name.starts_with("network") {
            true => Source::Network,
            false => Source::Dict,
        };
        assert_eq!(found.source, source, "{name}");
    }
}

#[test]
fn another_container_can_be_chosen() {
    for (name, container, first) in [
        ("timm.pth", "state_dict", LAST),
        ("timm_legacy.pth", "state_dict", LAST),
        ("deit.pth", "model", LAST),
        ("basicsr.pth", "params", LAST),
        // What it lies in will do.
        ("ema_decay.pth", "ema", AVERAGE),
        ("nested.pth", "checkpoint", LAST),
        ("networks.pth", "model", LAST),
        ("several.pth", "generator", LAST),
    ] {
        let found = open(name, Some(container)).unwrap_or_else(|error| panic!("{error}"));
        check(name, &found, "", first);
    }
    let negative = open("several.pth", Some("discriminator")).unwrap();
    assert_eq!(negative.tensors["fc.bias"].values, [-7.0, -8.0, -9.0]);
    // The teacher is what DINO publishes.
    let teacher = open("dino.pth", None).unwrap();
    assert_eq!(
        (&*teacher.container, teacher.is_average),
        ("teacher", false)
    );
    assert_eq!(teacher.others, ["student"]);
    assert_eq!(teacher.tensors["backbone.fc.bias"].values, [7.0, 8.0, 9.0]);
    let student = open("dino.pth", Some("student")).unwrap();
    assert!(student.tensors.contains_key("module.backbone.fc.bias"));
    // A counter beside the average.
    let shadow = open("ema_shadow.pth", None).unwrap();
    assert_eq!(shadow.container, "ema.shadow");
    check("ema_shadow.pth", &shadow, "", AVERAGE);
    // An average without names is told, and the weights are read.
    let unnamed = open("ema_unnamed.pth", None).unwrap();
    assert_eq!(
        unnamed.unnamed_average.as_deref(),
        Some("ema.shadow_params")
    );

    let error = open("several.pth", None).unwrap_err();
    assert!(
        error.contains("choose the container")
            && error.contains("\"generator\", \"discriminator\""),
        "{error}"
    );
    let error = open("timm.pth", Some("model")).unwrap_err();
    assert!(
        error.contains("under \"model\"") && error.contains("\"state_dict_ema\", \"state_dict\""),
        "{error}"
    );
}

#[test]
fn torch_script_is_read_or_named() {
    for name in ["script.pt", "traced.pt"] {
        let found = open(name, None).unwrap();
        assert_eq!(found.source, Source::Script, "{name}");
        assert_eq!(
            found.tensors["fc.weight"].values,
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        );
        assert_eq!(found.tensors["bn.running_var"].values, [19.0, 20.0, 21.0]);
    }
    let error = open("frozen.pt", None).unwrap_err();
    assert!(
        error.contains("TorchScript") && error.contains("torch.save(model.state_dict(), "),
        "{error}"
    );
}

#[test]
fn formats_without_containers_say_so() {
    let folder = std::env::temp_dir().join(format!("patchbay-containers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("w.safetensors");
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let file = [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &[0; 4],
    ]
    .concat();
    std::fs::write(&path, file).unwrap();
    assert_eq!(read(&path).unwrap().len(), 1);
    assert!(read_checkpoint(&path, Some("")).is_ok());
    let error = read_checkpoint(&path, Some("ema")).unwrap_err();
    assert!(error.contains("without containers"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
