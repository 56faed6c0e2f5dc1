//! Confusion matrices.

use candle_core::{DType, bail};
use plotters::{
    element::{Rectangle, Text},
    style::{
        BLACK, Color, IntoFont, RGBColor, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Figure, Numbers,
    axes::{Axes, axes_setters},
    figure::drawing_error,
    raster::Raster,
};
use crate::Result;
use patchbay_cell::interrupt;
use patchbay_ops as ops;

/// The most classes of a matrix: its counts are held whole.
const MOST: usize = 4096;

/// From more classes than these on the matrix is a picture: as many shapes would be megabytes, and no number could be read.
const CELLS: usize = 40;

/// How many classes get a label at most.
const LABELS: usize = 40;

/// A confusion matrix that is being put together.
#[derive(Debug)]
pub struct ConfusionMatrix {
    axes: Axes,
    /// Predicted classes, and targets.
    classes: Result<(Vec<f64>, Vec<f64>)>,
    ignore_index: Option<i64>,
    labels: Vec<String>,
}

/// A confusion matrix of class indices: `plot::confusion_matrix(&predicted, &true_classes).draw()?`.
/// Rows are the true classes, columns the predicted ones. Targets that are [`ops::IGNORE_INDEX`] (-100) do not count.
pub fn confusion_matrix(predicted: impl Numbers, target: impl Numbers) -> ConfusionMatrix {
    let classes = predicted
        .numbers()
        .and_then(|predicted| Ok((predicted, target.numbers()?)));
    let axes = Axes {
        x_label: "predicted".to_owned(),
        y_label: "true".to_owned(),
        size: Some((520, 480)),
        ..Axes::default()
    };
    ConfusionMatrix {
        axes,
        classes,
        ignore_index: Some(ops::IGNORE_INDEX),
        labels: Vec::new(),
    }
}

axes_setters!(ConfusionMatrix);

fn count(predicted: &[f64], target: &[f64], ignore: Option<i64>) -> Result<Vec<Vec<usize>>> {
    if predicted.len() != target.len() || predicted.is_empty() {
        bail!(
            "a confusion matrix needs a true class for every prediction, not {} for {}",
            target.len(),
            predicted.len()
        );
    }
    // In u32 something else stands for a number below 0.
    let ignored = ignore.map(|ignore| {
        let in_u32 = ops::ignored_value(DType::U32, ignore);
        (ignore as f64, in_u32 as f64)
    });
    let counts =
        |target: f64| ignored.is_none_or(|(this, other)| target != this && target != other);
    let class = |value: f64| {
        if !(value >= 0.0 && value.fract() == 0.0) {
            bail!(
                "classes are whole numbers from 0, not {value}; take the argmax of logits first, and say with \
                 `ignore_index` which targets do not count"
            );
        }
        if value >= MOST as f64 {
            bail!(
                "a confusion matrix has at most {MOST} classes, and one is {value}: if these targets do not count, say \
                 `.ignore_index({value})`"
            );
        }
        Ok(value as usize)
    };
    let mut pairs = Vec::with_capacity(target.len());
    for (&predicted, &target) in predicted.iter().zip(target) {
        if counts(target) {
            pairs.push((class(predicted)?, class(target)?));
        }
    }
    let Some(most) = pairs.iter().map(|&(a, b)| a.max(b)).max() else {
        bail!(
            "a confusion matrix needs a target that counts; all {} are the ignored index {}",
            target.len(),
            ignore.unwrap_or_default()
        );
    };
    let mut counts = vec![vec![0; most + 1]; most + 1];
    for (predicted, target) in pairs {
        counts[target][predicted] += 1;
    }
    Ok(counts)
}

impl ConfusionMatrix {
    /// The names of the classes; without them, their numbers.
    pub fn labels<T: ToString>(mut self, labels: impl IntoIterator<Item = T>) -> ConfusionMatrix {
        self.labels = labels.into_iter().map(|label| label.to_string()).collect();
        self
    }

    /// The class index of targets that do not count, such as 255; `None`: all count.
    pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> ConfusionMatrix {
        self.ignore_index = index.into();
        self
    }

    /// The counts, `[true][predicted]`.
    ///
    /// # Errors
    ///
    /// As [`ConfusionMatrix::draw`].
    pub fn counts(self) -> Result<Vec<Vec<usize>>> {
        let (predicted, target) = self.classes?;
        count(&predicted, &target, self.ignore_index)
    }

    /// Draws the plot, with the accuracy in its title. More than 40 classes are a picture without numbers.
    ///
    /// # Errors
    ///
    /// Fails where the lists differ in length, hold what is no class, or a class above 4095.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let (predicted, target) = self.classes?;
        let counts = count(&predicted, &target, self.ignore_index)?;
        let size = counts.len();
        let total: usize = counts.iter().flatten().sum();
        let right: usize = (0..size).map(|class| counts[class][class]).sum();
        let accuracy = 100.0 * right as f64 / total as f64;
        let mut axes = self.axes;
        let title = format!("accuracy {accuracy:.2} % ({right} of {total})");
        axes.title = if axes.title.is_empty() {
            title
        } else {
            format!("{}: {title}", axes.title)
        };
        let label = |class: usize| {
            self.labels
                .get(class)
                .cloned()
                .unwrap_or_else(|| class.to_string())
        };
        let font = if size > 20 { 9 } else { 13 };
        let mut frame = (0..0, 0..0);
        let figure = Figure::with(axes.size_or_default(), |area| {
            let mut builder = plotters::chart::ChartBuilder::on(area);
            builder
                .margin(10)
                .x_label_area_size(46)
                .y_label_area_size(56)
                .caption(&axes.title, ("sans-serif", 16));
            let end = size as f64;
            let mut chart = builder
                .build_cartesian_2d(0.0..end, end..0.0)
                .map_err(drawing_error)?;
            chart
                .configure_mesh()
                .disable_mesh()
                .x_labels(0)
                .y_labels(0)
                .x_desc(&axes.x_label)
                .y_desc(&axes.y_label)
                .axis_desc_style(("sans-serif", 14))
                .draw()
                .map_err(drawing_error)?;
            let centered = |color: RGBColor| {
                ("sans-serif", font)
                    .into_font()
                    .color(&color)
                    .pos(Pos::new(HPos::Center, VPos::Center))
            };
            frame = chart.plotting_area().get_pixel_range();
            for (row, line) in counts.iter().enumerate().filter(|_| size <= CELLS) {
                let in_class = line.iter().sum::<usize>().max(1) as f64;
                for (column, &count) in line.iter().enumerate() {
                    let share = count as f64 / in_class;
                    let (x, y) = (column as f64, row as f64);
                    let color = shade(share, row == column);
                    let cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], color.filled());
                    chart.draw_series([cell]).map_err(drawing_error)?;
                    if count > 0 {
                        let ink = if share > 0.5 { WHITE } else { BLACK };
                        let text = Text::new(count.to_string(), (x + 0.5, y + 0.5), centered(ink));
                        chart.draw_series([text]).map_err(drawing_error)?;
                    }
                }
            }
            for class in (0..size).step_by(size.div_ceil(LABELS)) {
                let (x, y) = chart.backend_coord(&(class as f64 + 0.5, end));
                area.draw(&Text::new(label(class), (x, y + 10), centered(BLACK)))
                    .map_err(drawing_error)?;
                let (x, y) = chart.backend_coord(&(0.0, class as f64 + 0.5));
                area.draw(&Text::new(label(class), (x - 14, y), centered(BLACK)))
                    .map_err(drawing_error)?;
            }
            Ok::<(), candle_core::Error>(())
        })?;
        let figure = if size > CELLS {
            let (width, height) = (frame.0.end - frame.0.start, frame.1.end - frame.1.start);
            figure.with_picture(
                (frame.0.start, frame.1.start),
                (width as u32, height as u32),
                picture(&counts).into_image(),
            )?
        } else {
            figure
        };
        Ok(figure.described(format!(
            "a confusion matrix of {size} classes, accuracy {accuracy:.2} %"
        )))
    }
}

/// The matrix with a pixel for each cell, or the darkest of several where there are more cells than pixels to show them.
fn picture(counts: &[Vec<usize>]) -> Raster {
    const MOST_PIXELS: usize = 1024;
    let size = counts.len();
    let side = size.min(MOST_PIXELS);
    let mut picture = Raster::new(side as u32, side as u32);
    let mut shares = vec![(0.0, false); side * side];
    for (row, line) in counts.iter().enumerate() {
        let in_class = line.iter().sum::<usize>().max(1) as f64;
        for (column, &count) in line.iter().enumerate() {
            let share = &mut shares[row * side / size * side + column * side / size];
            let own = count as f64 / in_class;
            if own > share.0 || (own == share.0 && row == column) {
                *share = (own, row == column);
            }
        }
    }
    for (at, (share, right)) in shares.into_iter().enumerate() {
        picture.set(at % side, at / side, shade(share, right));
    }
    picture
}

/// Blue for what is right, orange for what is wrong; the stronger, the larger the share of its class.
fn shade(share: f64, right: bool) -> RGBColor {
    let (red, green, blue) = if right {
        (0.0, 90.0, 160.0)
    } else {
        (205.0, 80.0, 0.0)
    };
    // Single mistakes are seen, too.
    let strength = if share == 0.0 {
        0.0
    } else if right {
        share
    } else {
        0.15 + 0.85 * share
    };
    let mix = |end: f64| (255.0 + (end - 255.0) * strength).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Show;

    #[test]
    fn rows_are_true_and_columns_predicted() {
        let counts = confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
            .counts()
            .unwrap();
        assert_eq!(counts, [[1, 0, 0], [0, 1, 0], [0, 1, 1]]);
        let figure = confusion_matrix([0u32, 1, 1, 2], [0u32, 1, 2, 2])
            .labels(["cat", "dog", "owl"])
            .draw()
            .unwrap();
        assert!(figure.svg().contains("accuracy 75.00 % (3 of 4)") && figure.svg().contains("owl"));
        assert_eq!(
            figure.show().data["text/plain"],
            "a confusion matrix of 3 classes, accuracy 75.00 %"
        );
    }

    #[test]
    fn what_is_no_class_is_refused() {
        assert!(
            confusion_matrix([0], [0, 1])
                .draw()
                .unwrap_err()
                .to_string()
                .contains("2 for 1")
        );
        assert!(
            confusion_matrix([0.5], [0.0])
                .draw()
                .unwrap_err()
                .to_string()
                .contains("argmax")
        );
    }

    #[test]
    fn ignored_targets_are_in_no_row() {
        let counts = |ignore: Option<i64>, target: &[i64]| {
            let predicted = vec![1i64; target.len()];
            confusion_matrix(predicted, target)
                .ignore_index(ignore)
                .counts()
        };
        assert_eq!(
            confusion_matrix([0, 1, 1], [0, -100, 1]).counts().unwrap(),
            [[1, 0], [0, 1]]
        );
        // What -100 becomes in u32.
        let counted = confusion_matrix([0u32, 1, 1], [0u32, u32::MAX - 99, 1]).counts();
        assert_eq!(counted.unwrap(), [[1, 0], [0, 1]]);
        assert_eq!(counts(Some(255), &[1, 255, 0]).unwrap(), [[0, 1], [0, 1]]);
        let text = counts(None, &[1, -100, 0]).unwrap_err().to_string();
        assert!(
            text.contains("not -100") && text.contains("ignore_index"),
            "{text}"
        );
        let text = counts(Some(-1), &[-1, -1]).unwrap_err().to_string();
        assert!(text.contains("all 2 are the ignored index -1"), "{text}");
        let text = counts(None, &[1, i64::from(u32::MAX)])
            .unwrap_err()
            .to_string();
        assert!(text.contains("at most 4096 classes"), "{text}");
    }

    #[test]
    fn many_classes_are_a_picture_of_a_few_kilobytes() {
        let classes: Vec<u8> = (0..=255).collect();
        let mut target = classes.clone();
        target[7] = 9;
        let figure = confusion_matrix(&classes, &target)
            .title("256")
            .draw()
            .unwrap();
        assert_eq!(figure.svg().matches("<image").count(), 1);
        assert!(figure.svg().len() < 100_000, "{}", figure.svg().len());
        assert!(figure.svg().contains("255 of 256"));
        let few = confusion_matrix([0u8, 1], [0u8, 1]).draw().unwrap();
        assert_eq!(few.svg().matches("<image").count(), 0);
        let most: Vec<u32> = (0..4096).collect();
        let figure = confusion_matrix(&most, &most).draw().unwrap();
        assert!(figure.svg().len() < 200_000, "{}", figure.svg().len());
    }
}
