//! Writes a page with one of every kind of output, to look at.
//!
//! `cargo run --release --example gallery -- gallery.html`

use std::{env, fs};

use patchbay::{Show, Table, image, image_grid, plot, prelude::*};

fn main() -> Result<()> {
    let path = env::args()
        .nth(1)
        .unwrap_or_else(|| "gallery.html".to_owned());
    let steps: Vec<f64> = (0..400).map(f64::from).collect();
    let loss: Vec<f64> = steps
        .iter()
        .map(|step| 2.3 * (-step / 80.0).exp() + 0.05 + 0.03 * (step * 0.7).sin())
        .collect();
    let test: Vec<f64> = loss.iter().map(|loss| loss * 1.15 + 0.02).collect();
    let noise = Tensor::randn(0f32, 1f32, 20_000, &Device::Cpu)?;
    let more = Tensor::randn(0f32, 1f32, 20_000, &Device::Cpu)?;
    let few = noise.narrow(0, 0, 300)?;
    let classes: Vec<u32> = (0..300).map(|index| index % 3).collect();
    let matrix = Tensor::randn(0f32, 1f32, (12, 20), &Device::Cpu)?;
    let target: Vec<u32> = (0..500).map(|index| index % 10).collect();
    let predicted: Vec<u32> = target
        .iter()
        .enumerate()
        .map(|(index, &class)| {
            if index % 17 == 3 {
                (class + 3) % 10
            } else {
                class
            }
        })
        .collect();
    let shown: Vec<Box<dyn Show>> = vec![
        Box::new(
            plot::lines()
                .series("train", &loss)
                .series("test", &test)
                .title("cross entropy")
                .x_label("step")
                .y_label("loss")
                .draw()?,
        ),
        Box::new(
            plot::lines()
                .series("train", &loss)
                .y_log()
                .title("on a logarithmic axis")
                .draw()?,
        ),
        Box::new(
            plot::scatter(&few, more.narrow(0, 0, 300)?)
                .classes(&classes)
                .class_names(["a", "b", "c"])
                .x_label("x")
                .draw()?,
        ),
        Box::new(plot::scatter(&noise, &more).title("20,000 points").draw()?),
        Box::new(plot::histogram(&noise).title("weights").draw()?),
        Box::new(
            plot::bars(
                ["last value", "ridge", "DLinear", "TiDE"],
                [1.29, 0.374, 0.375, 0.375],
            )
            .title("MSE")
            .y_label("MSE")
            .draw()?,
        ),
        Box::new(
            plot::heat_map(&matrix)
                .title("attention")
                .x_label("key")
                .y_label("query")
                .draw()?,
        ),
        Box::new(plot::confusion_matrix(&predicted, &target).draw()?),
        Box::new(image(
            &Tensor::arange(0f32, 64., &Device::Cpu)?
                .affine(1.0 / 63.0, 0.0)?
                .reshape((8, 8))?,
        )?),
        Box::new(
            image_grid(&Tensor::rand(0f32, 1f32, (10, 3, 8, 8), &Device::Cpu)?)?
                .columns(5)
                .captions(0..10),
        ),
        Box::new(
            Table::new(["loss", "MSE"])
                .row(["focal", "0.31"])
                .row(["cross entropy", "0.28"]),
        ),
        Box::new(matrix.narrow(1, 0, 4)?),
    ];
    let mut page = String::from(
        "<!DOCTYPE html><meta charset=utf-8><body style=\"background:#111;color:#ddd\">",
    );
    for value in &shown {
        let data = value.show().data;
        let text = |mime: &str| {
            data.get(mime)
                .and_then(|content| content.as_str())
                .map(str::to_owned)
        };
        page += &match (text("text/html"), text("image/svg+xml"), text("image/png")) {
            (Some(html), ..) => html,
            (_, Some(svg), _) => svg,
            (.., Some(png)) => format!("<img src=\"data:image/png;base64,{png}\">"),
            _ => String::new(),
        };
        page += &format!(
            "<p>{}</p>",
            text("text/plain")
                .unwrap_or_default()
                .lines()
                .last()
                .unwrap_or_default()
        );
    }
    fs::write(&path, page).map_err(candle::Error::wrap)?;
    println!("wrote {path}");
    Ok(())
}
