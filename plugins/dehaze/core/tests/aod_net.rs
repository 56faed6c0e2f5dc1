//! AOD-Net in plain loops against PyTorch, and the readers of weights.

mod fixture;

use fixture::{Fixture, assert_near, shared};
use patchbay_dehaze_core::{
    Order, Picture, Shape,
    aod_net::{AodNet, Buffers},
    weights::{self, Tensor, Tensors},
};

/// The weights in a fixture: the authors' own, as PyTorch read them.
fn reference_weights(fixture: &Fixture) -> Tensors {
    let tensors = fixture.tensors();
    let names = tensors.names().into_iter();
    names
        .filter_map(|name| Some((name, name.strip_prefix("aod_net/e_")?)))
        .map(|(name, short)| {
            let view = tensors.tensor(name).unwrap();
            let words = view.data().as_chunks::<4>().0;
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: words.iter().map(|&word| f32::from_le_bytes(word)).collect(),
            };
            (format!("e_{short}"), tensor)
        })
        .collect()
}

#[test]
fn the_result_is_pytorchs() {
    for fixture in Fixture::all() {
        let (bytes, shape) = fixture.input();
        let net = AodNet::from_tensors(&reference_weights(&fixture)).unwrap();
        let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let expected = fixture.floats("aod_net/recovered");
        let clipped: Vec<f32> = expected.iter().map(|value| value.clamp(0.0, 1.0)).collect();
        for bands in [1, 3] {
            let mut buffers = Buffers::new(bands);
            let mut output = vec![0.0; floats.len()];
            let picture = Picture::new(&floats, shape, Order::Interleaved).unwrap();
            net.run(&picture, &mut output, &mut buffers);
            assert_near(fixture.image, &output, &clipped, 1e-5);
            let mut small = vec![0; bytes.len()];
            let picture = Picture::new(&bytes, shape, Order::Interleaved).unwrap();
            net.run(&picture, &mut small, &mut buffers);
            let small: Vec<f32> = small.iter().map(|&byte| f32::from(byte) / 255.0).collect();
            assert_near(fixture.image, &small, &clipped, 0.51 / 255.0);
        }
    }
}

#[test]
fn strips_do_not_show() {
    let fixture = &Fixture::all()[0];
    let net = AodNet::from_tensors(&reference_weights(fixture)).unwrap();
    // A strip is 2^20 pixels: this picture has three, and a copy that is shifted by 100 rows has its
    // borders elsewhere.
    let shape = Shape {
        width: 8192,
        height: 300,
        channels: 1,
    };
    let pixel = |row: usize, x: usize| ((row * 7919 + x * 31 + row * x) % 251) as u8;
    let picture = |shift: usize| -> Vec<u8> {
        (0..shape.pixels())
            .map(|at| pixel(at / shape.width + shift, at % shape.width))
            .collect()
    };
    let run = |bytes: &[u8]| {
        let mut output = vec![0; bytes.len()];
        let picture = Picture::new(bytes, shape, Order::Interleaved).unwrap();
        net.run(&picture, &mut output, &mut Buffers::new(2));
        output
    };
    let (first, second) = (run(&picture(0)), run(&picture(100)));
    let rows = |from: usize, count: usize| from * shape.width..(from + count) * shape.width;
    assert_eq!(first[rows(107, 186)], second[rows(7, 186)]);
}

#[test]
fn a_legacy_file_is_read_without_running_it() {
    let Some(path) = shared("data/dehazer.pth") else {
        eprintln!("no shared/data here: the authors' file of weights is not tested");
        return;
    };
    let fixture = &Fixture::all()[0];
    let read = weights::read(&path).unwrap();
    assert_eq!(read, reference_weights(fixture));
    let file = std::fs::read(&path).unwrap();
    for cut in 0..file.len() {
        assert!(
            weights::parse(&file[..cut]).is_err(),
            "{cut} bytes of {}",
            file.len()
        );
    }
    // Any byte may be wrong: an error or other numbers, never a panic.
    for at in 0..file.len() {
        let mut broken = file.clone();
        broken[at] ^= 0x55;
        let _ = weights::parse(&broken);
    }
}

#[test]
fn a_pickle_that_would_run_a_command_does_not() {
    // os.system("touch ..."), in the place of a legacy file's system information.
    let marker = std::env::temp_dir().join(format!("dehaze-pickle-{}", std::process::id()));
    let mut file = vec![
        0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
    ];
    file.extend(b"\x80\x02M\xe9\x03.");
    let command = format!("touch {}", marker.display());
    file.extend(b"\x80\x02cos\nsystem\n");
    file.push(b'X');
    file.extend((command.len() as u32).to_le_bytes());
    file.extend(command.as_bytes());
    file.extend(b"\x85R.");
    file.extend(b"\x80\x02}.\x80\x02].");
    assert!(weights::parse(&file).is_err());
    assert!(!marker.exists());
}

#[test]
fn weights_of_another_shape_are_refused_by_name() {
    let fixture = &Fixture::all()[0];
    let mut tensors = reference_weights(fixture);
    tensors.get_mut("e_conv3.bias").unwrap().shape = vec![4];
    let error = AodNet::from_tensors(&tensors).unwrap_err();
    assert_eq!(error, "e_conv3.bias has shape [4], expected [3]");
    tensors.remove("e_conv1.weight");
    let error = AodNet::from_tensors(&tensors).unwrap_err();
    assert!(
        error.starts_with("no tensor e_conv1.weight; there are e_conv1.bias"),
        "{error}"
    );
}
