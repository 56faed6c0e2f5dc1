//! Fusions: what a missing modality changes, that everything is trained, and bad input.

use patchbay::plugin::{self, prelude::*};

/// The names of all fusions.
fn all() -> impl Iterator<Item = &'static str> {
    let ids = patchbay_fusion::component_ids().into_iter();
    ids.map(|id| id.trim_start_matches("encoder/fusion_"))
}

fn fusion(name: &str) -> Slot<dyn Encoder> {
    patchbay_fusion::register().unwrap();
    let config = json!({"image_width": 8, "context_width": 6, "width": 4});
    plugin::create(&format!("encoder/fusion_{name}"), config).unwrap()
}

fn noise(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
}

fn mask(rows: &[[u8; 3]]) -> Tensor {
    Tensor::new(rows.concat(), &Device::Cpu)
        .unwrap()
        .reshape((rows.len(), 3))
        .unwrap()
}

fn pooled(fusion: &Slot<dyn Encoder>, input: EncoderInput<'_>) -> Vec<Vec<f32>> {
    fusion.forward(input).unwrap().pooled.to_vec2().unwrap()
}

#[test]
fn what_is_masked_changes_nothing_and_what_is_there_does() {
    let visible = mask(&[[1, 1, 1], [1, 0, 0], [0, 0, 0]]);
    for name in all() {
        let fusion = fusion(name);
        let (image, context) = (noise(&[3, 8]), noise(&[3, 3, 6]));
        let run = |image: &Tensor, context: &Tensor| {
            let input = EncoderInput {
                context: Some(context),
                context_mask: Some(&visible),
                ..EncoderInput::new(image)
            };
            pooled(&fusion, input)
        };
        let before = run(&image, &context);
        // Only what is hidden is changed: the last two tokens of the second row, all of the third.
        let hidden = visible
            .to_dtype(DType::F32)
            .unwrap()
            .affine(-5.0, 5.0)
            .unwrap();
        let changed = context
            .broadcast_add(&hidden.unsqueeze(2).unwrap())
            .unwrap();
        let after = run(&image, &changed);
        for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{name}: {before:?} {after:?}");
        }
        let after = run(&image, &(&context + 1.0).unwrap());
        assert_ne!(before[0], after[0], "{name}");
        assert_ne!(before[1], after[1], "{name}");
        assert_ne!(
            run(&(&image + 1.0).unwrap(), &context)[2],
            before[2],
            "{name}"
        );
    }
}

#[test]
fn an_image_may_be_missing() {
    let (shown, nothing) = (mask(&[[1, 1, 0], [1, 1, 1]]), mask(&[[0, 0, 0], [1, 1, 1]]));
    for name in all() {
        let fusion = fusion(name);
        let (image, context) = (noise(&[2, 3, 8]), noise(&[2, 3, 6]));
        let run = |image: &Tensor, mask: &Tensor| {
            let input = EncoderInput {
                mask: Some(mask),
                context: Some(&context),
                ..EncoderInput::new(image)
            };
            pooled(&fusion, input)
        };
        assert_eq!(
            run(&image, &nothing)[0],
            run(&(&image * 3.0).unwrap(), &nothing)[0],
            "{name}"
        );
        assert_ne!(
            run(&image, &shown)[0],
            run(&(&image * 3.0).unwrap(), &shown)[0],
            "{name}"
        );
    }
}

#[test]
fn gates_and_averages_let_the_other_modality_through_whole() {
    for name in ["gated", "late_average"] {
        let fusion = fusion(name);
        let (image, context) = (noise(&[1, 8]), noise(&[1, 3, 6]));
        let (all, none) = (mask(&[[1, 1, 1]]), mask(&[[0, 0, 0]]));
        let run = |mask: &Tensor| {
            let input = EncoderInput {
                context: Some(&context),
                context_mask: Some(mask),
                ..EncoderInput::new(&image)
            };
            pooled(&fusion, input)
        };
        let layer = |part: &str| {
            let variables = fusion.variables();
            let named = variables
                .iter()
                .find(|named| named.name == format!("image.{part}"))
                .unwrap();
            named.var.as_detached_tensor()
        };
        let x = ops::linear(&image, &layer("weight"), Some(&layer("bias"))).unwrap();
        let alone = match name {
            "gated" => x.tanh().unwrap(),
            _ => ops::gelu(&x).unwrap(),
        };
        for (a, b) in run(&none)[0]
            .iter()
            .zip(alone.to_vec2::<f32>().unwrap()[0].iter())
        {
            assert!((a - b).abs() < 1e-6, "{name}");
        }
        assert_ne!(run(&none), run(&all));
    }
}

#[test]
fn every_parameter_is_trained_and_attention_is_shown() {
    let visible = mask(&[[1, 1, 1], [1, 0, 0], [0, 0, 0]]);
    let some = mask(&[[1, 1, 1], [0, 0, 0], [1, 1, 1]]);
    for name in all() {
        let fusion = fusion(name);
        let (image, context) = (noise(&[3, 3, 8]), noise(&[3, 3, 6]));
        let input = EncoderInput {
            mask: Some(&some),
            context: Some(&context),
            context_mask: Some(&visible),
            attention: true,
            ..EncoderInput::new(&image)
        };
        let encoding = fusion.forward(input).unwrap();
        let gradients = encoding
            .pooled
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        for named in fusion.variables() {
            let gradient = gradients
                .get(&named.var)
                .unwrap_or_else(|| panic!("{name}: {}", named.name));
            let size = gradient
                .abs()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            assert!(
                size.is_finite() && (size > 1e-8 || named.name == "key.bias"),
                "{name}: {} {size}",
                named.name
            );
        }
        if name == "cross_attention" {
            let map = &encoding.attention[0];
            assert_eq!(map.dims(), [3, 4, 3, 4]);
            let last: Vec<f32> = map.i((2, 0, 0)).unwrap().to_vec1().unwrap();
            assert!(
                (last[3] - 1.0).abs() < 1e-6,
                "without a context all looks at nothing: {last:?}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    for name in all() {
        let fusion = fusion(name);
        let (image, context) = (noise(&[2, 8]), noise(&[2, 3, 6]));
        let told = |input: EncoderInput<'_>| fusion.forward(input).unwrap_err().to_string();
        let text = told(EncoderInput::new(&image));
        assert!(text.contains("`context`, [batch, length, 6]"), "{text}");
        let text = told(EncoderInput {
            context: Some(&image),
            ..EncoderInput::new(&image)
        });
        assert!(text.contains("expected the context [batch, 6]"), "{text}");
        let other = noise(&[3, 3, 6]);
        let text = told(EncoderInput {
            context: Some(&other),
            ..EncoderInput::new(&image)
        });
        assert!(text.contains("different batches"), "{text}");
        let (none, never) = (
            mask(&[[1, 1, 1], [0, 0, 0]]),
            Tensor::zeros((2, 1), DType::U8, &Device::Cpu).unwrap(),
        );
        let text = told(EncoderInput {
            mask: Some(&never),
            context: Some(&context),
            context_mask: Some(&none),
            ..EncoderInput::new(&image)
        });
        assert!(text.contains("row 1 has neither"), "{text}");
    }
}

#[test]
fn what_is_hidden_may_be_anything() {
    let some = mask(&[[1, 1, 1], [0, 0, 0], [1, 0, 0]]);
    let others = mask(&[[1, 0, 0], [1, 1, 1], [0, 0, 0]]);
    for name in all() {
        let fusion = fusion(name);
        let (image, context) = (noise(&[3, 3, 8]), noise(&[3, 3, 6]));
        let poisoned = |values: &Tensor, mask: &Tensor| {
            let seen = mask.ne(0u8).unwrap().unsqueeze(2).unwrap();
            let seen = seen.broadcast_as(values.shape()).unwrap();
            let nan = Tensor::full(f32::NAN, values.shape(), &Device::Cpu).unwrap();
            seen.where_cond(values, &nan).unwrap()
        };
        let run = |image: &Tensor, context: &Tensor| {
            let input = EncoderInput {
                mask: Some(&some),
                context: Some(context),
                context_mask: Some(&others),
                ..EncoderInput::new(image)
            };
            let encoding = fusion.forward(input).unwrap();
            let loss = encoding.pooled.sqr().unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            for named in fusion.variables() {
                let gradient = gradients.get(&named.var).unwrap().sum_all().unwrap();
                assert!(
                    gradient.to_scalar::<f32>().unwrap().is_finite(),
                    "{name}: {}",
                    named.name
                );
            }
            encoding.pooled.to_vec2::<f32>().unwrap()
        };
        let clean = run(&image, &context);
        let hidden = run(&poisoned(&image, &some), &poisoned(&context, &others));
        assert_eq!(clean, hidden, "{name}");
    }
}

#[test]
fn nothing_at_all_is_told_with_its_shape() {
    for name in all() {
        let fusion = fusion(name);
        for (image, context) in [
            ([2, 0, 8], [2, 3, 6]),
            ([2, 3, 8], [2, 0, 6]),
            ([0, 3, 8], [0, 3, 6]),
        ] {
            let zeros =
                |shape: [usize; 3]| Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
            let (image, context) = (zeros(image), zeros(context));
            let input = EncoderInput {
                context: Some(&context),
                ..EncoderInput::new(&image)
            };
            let text = fusion.forward(input).unwrap_err().to_string();
            assert!(
                text.contains("at least one row and token")
                    && text.contains(", 0, ") | text.contains("[0, "),
                "{name}: {text}"
            );
        }
    }
}
