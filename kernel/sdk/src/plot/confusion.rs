//! Confusion matrices.

use candle_core::bail;
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
};
use crate::{Result, interrupt};

/// A confusion matrix that is being put together.
#[derive(Debug)]
pub struct ConfusionMatrix {
    axes: Axes,
    counts: Result<Vec<Vec<usize>>>,
    labels: Vec<String>,
}

/// A confusion matrix of class indices: `plot::confusion_matrix(&predicted, &true_classes).draw()?`.
/// Rows are the true classes, columns the predicted ones.
pub fn confusion_matrix(predicted: impl Numbers, target: impl Numbers) -> ConfusionMatrix {
    let counts = predicted
        .numbers()
        .and_then(|predicted| count(&predicted, &target.numbers()?));
    let axes = Axes {
        x_label: "predicted".to_owned(),
        y_label: "true".to_owned(),
        size: Some((520, 480)),
        ..Axes::default()
    };
    ConfusionMatrix {
        axes,
        counts,
        labels: Vec::new(),
    }
}

axes_setters!(ConfusionMatrix);

fn count(predicted: &[f64], target: &[f64]) -> Result<Vec<Vec<usize>>> {
    if predicted.len() != target.len() || predicted.is_empty() {
        bail!(
            "a confusion matrix needs a true class for every prediction, not {} for {}",
            target.len(),
            predicted.len()
        );
    }
    let class = |value: f64| {
        if value < 0.0 || value.fract() != 0.0 {
            bail!("classes are whole numbers from 0, not {value}; take the argmax of logits first");
        }
        Ok(value as usize)
    };
    let classes = predicted
        .iter()
        .chain(target)
        .try_fold(0, |most, &value| Ok(class(value)?.max(most)));
    let size = classes.map_err(|error: candle_core::Error| error)? + 1;
    let mut counts = vec![vec![0; size]; size];
    for (&predicted, &target) in predicted.iter().zip(target) {
        counts[class(target)?][class(predicted)?] += 1;
    }
    Ok(counts)
}

impl ConfusionMatrix {
    /// The names of the classes; without them, their numbers.
    pub fn labels<T: ToString>(mut self, labels: impl IntoIterator<Item = T>) -> ConfusionMatrix {
        self.labels = labels.into_iter().map(|label| label.to_string()).collect();
        self
    }

    /// The counts, `[true][predicted]`.
    ///
    /// # Errors
    ///
    /// As [`ConfusionMatrix::draw`].
    pub fn counts(self) -> Result<Vec<Vec<usize>>> {
        self.counts
    }

    /// Draws the plot, with the accuracy in its title.
    ///
    /// # Errors
    ///
    /// Fails where the lists differ in length, or hold what is no class.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let counts = self.counts?;
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
            let centred = |colour: RGBColor| {
                ("sans-serif", font)
                    .into_font()
                    .color(&colour)
                    .pos(Pos::new(HPos::Center, VPos::Center))
            };
            for (row, line) in counts.iter().enumerate() {
                let in_class = line.iter().sum::<usize>().max(1) as f64;
                for (column, &count) in line.iter().enumerate() {
                    let share = count as f64 / in_class;
                    let (x, y) = (column as f64, row as f64);
                    let colour = shade(share, row == column);
                    let cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], colour.filled());
                    chart.draw_series([cell]).map_err(drawing_error)?;
                    if count > 0 {
                        let ink = if share > 0.5 { WHITE } else { BLACK };
                        let text = Text::new(count.to_string(), (x + 0.5, y + 0.5), centred(ink));
                        chart.draw_series([text]).map_err(drawing_error)?;
                    }
                }
            }
            for class in 0..size {
                let (x, y) = chart.backend_coord(&(class as f64 + 0.5, end));
                area.draw(&Text::new(label(class), (x, y + 10), centred(BLACK)))
                    .map_err(drawing_error)?;
                let (x, y) = chart.backend_coord(&(0.0, class as f64 + 0.5));
                area.draw(&Text::new(label(class), (x - 14, y), centred(BLACK)))
                    .map_err(drawing_error)?;
            }
            Ok::<(), candle_core::Error>(())
        })?;
        Ok(figure.described(format!(
            "a confusion matrix of {size} classes, accuracy {accuracy:.2} %"
        )))
    }
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
}
