//! Points, by class if they have one.

use candle_core::bail;
use plotters::{
    chart::SeriesLabelPosition,
    element::Circle,
    style::{Color, RGBColor},
};

use super::{
    Figure, Numbers,
    axes::{Axes, axes_setters, legend, legend_setter, limits_setters, range_of, scale_setters},
    color,
    figure::drawing_error,
    raster::{Raster, SCALE},
};
use crate::Result;
use patchbay_cell::interrupt;

/// More points than this are drawn as a picture inside the plot.
const MOST_SHAPES: usize = 4000;

/// A scatter plot that is being put together.
#[derive(Debug)]
pub struct Scatter {
    axes: Axes,
    points: Result<Vec<(f64, f64)>>,
    classes: Option<Result<Vec<usize>>>,
    names: Vec<String>,
    /// The radius of a point, in pixels.
    radius: f64,
    alpha: f64,
}

/// A scatter plot: `plot::scatter(&x, &y).classes(&labels).draw()?`.
pub fn scatter(x: impl Numbers, y: impl Numbers) -> Scatter {
    let points = x.numbers().and_then(|x| {
        let y = y.numbers()?;
        if x.len() != y.len() {
            bail!(
                "a scatter plot needs as many x as y, not {} and {}",
                x.len(),
                y.len()
            );
        }
        Ok(x.into_iter().zip(y).collect())
    });
    Scatter {
        axes: Axes::default(),
        points,
        classes: None,
        names: Vec::new(),
        radius: 3.0,
        alpha: 0.75,
    }
}

axes_setters!(Scatter);
legend_setter!(Scatter);
limits_setters!(Scatter);
scale_setters!(Scatter);

impl Scatter {
    /// The class of every point, from 0; each has a color and a line in the legend.
    pub fn classes(mut self, classes: impl Numbers) -> Scatter {
        self.classes = Some(
            classes
                .numbers()
                .map(|classes| classes.into_iter().map(|class| class as usize).collect()),
        );
        self
    }

    /// The class of every point, by matplotlib's name: [`Scatter::classes`].
    pub fn c(self, classes: impl Numbers) -> Scatter {
        self.classes(classes)
    }

    /// The size of a point as matplotlib has it, `s`: the square of its diameter in points, of which 0.75 are a pixel.
    pub fn s(mut self, area: f64) -> Scatter {
        self.radius = area.max(0.0).sqrt() / 0.75 / 2.0;
        self
    }

    /// How opaque the points are, from 0 to 1; 0.75 without this.
    pub fn alpha(mut self, alpha: f64) -> Scatter {
        self.alpha = alpha.clamp(0.0, 1.0);
        self
    }

    /// The names of the classes in the legend.
    pub fn class_names<T: ToString>(mut self, names: impl IntoIterator<Item = T>) -> Scatter {
        self.names = names.into_iter().map(|name| name.to_string()).collect();
        self
    }

    /// Draws the plot. Points that are not finite are left out.
    ///
    /// # Errors
    ///
    /// Fails where the numbers of x, y and classes differ.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let axes = self.axes;
        axes.check()?;
        let points: Vec<(f64, f64)> = self
            .points?
            .into_iter()
            .map(|(x, y)| (axes.x_value(x), axes.y_value(y)))
            .collect();
        let classes = self.classes.transpose()?;
        if let Some(classes) = &classes
            && classes.len() != points.len()
        {
            bail!(
                "a scatter plot needs a class for every point, not {} for {}",
                classes.len(),
                points.len()
            );
        }
        let class = |index: usize| classes.as_ref().map_or(0, |classes| classes[index]);
        let count = (0..points.len())
            .map(class)
            .max()
            .map_or(0, |last| last + 1);
        let x = axes.x_range(range_of(points.iter().map(|point| point.0), 0.05));
        let y = axes.y_range(range_of(points.iter().map(|point| point.1), 0.05));
        // What is not finite is in no range.
        let is_shown = |point: (f64, f64)| {
            (x.start..=x.end).contains(&point.0) && (y.start..=y.end).contains(&point.1)
        };
        let many = points.len() > MOST_SHAPES;
        let mut frame = (0..0, 0..0);
        let figure = Figure::with(axes.size_or_default(), |area| {
            let mut chart = axes.draw(area, x.clone(), y.clone())?;
            frame = chart.plotting_area().get_pixel_range();
            for class_index in 0..count {
                let style = color(class_index).mix(self.alpha).filled();
                let own = points
                    .iter()
                    .enumerate()
                    .filter(|(index, point)| {
                        !many && class(*index) == class_index && is_shown(**point)
                    })
                    .map(|(_, &point)| {
                        Circle::new(point, self.radius.round().max(1.0) as i32, style)
                    });
                let series = chart.draw_series(own).map_err(drawing_error)?;
                if classes.is_some() {
                    let name = self
                        .names
                        .get(class_index)
                        .cloned()
                        .unwrap_or_else(|| class_index.to_string());
                    series
                        .label(name)
                        .legend(move |(x, y)| Circle::new((x + 9, y), 4, style));
                }
            }
            if classes.is_some() {
                let position = axes.legend_or(SeriesLabelPosition::UpperRight)?;
                legend(&mut chart, position)?;
            }
            Ok::<(), candle_core::Error>(())
        })?
        .described(format!("a scatter plot of {} points", points.len()));
        if !many {
            return Ok(figure);
        }
        let (width, height) = (frame.0.end - frame.0.start, frame.1.end - frame.1.start);
        let mut raster = Raster::new(width as u32 * SCALE, height as u32 * SCALE);
        let scale = f64::from(SCALE);
        for (index, &point) in points
            .iter()
            .enumerate()
            .filter(|(_, point)| is_shown(**point))
        {
            let column = (point.0 - x.start) / (x.end - x.start) * f64::from(width) * scale;
            let row = (y.end - point.1) / (y.end - y.start) * f64::from(height) * scale;
            let RGBColor(red, green, blue) = color(class(index));
            let (radius, alpha) = (self.radius * 1.6 / 3.0, self.alpha * 0.5 / 0.75);
            raster.disc(
                (column, row),
                radius * scale,
                RGBColor(red, green, blue),
                alpha,
            );
        }
        figure.with_picture(
            (frame.0.start, frame.1.start),
            (width as u32, height as u32),
            raster.into_image(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_are_shapes_and_many_are_a_picture() {
        let few = scatter([1.0, 2.0, f64::NAN], [1.0, 2.0, 3.0])
            .classes([0, 1, 1])
            .class_names(["a", "b"])
            .draw()
            .unwrap();
        assert_eq!(few.svg().matches("<circle").count(), 2 + 2);
        let x: Vec<f64> = (0..20_000).map(|index| f64::from(index).sin()).collect();
        let many = scatter(&x, &x).draw().unwrap();
        assert!(many.svg().contains("<image") && many.svg().len() < 400_000);
    }

    #[test]
    fn points_have_sizes_limits_and_scales() {
        let figure = scatter([1.0, 10.0, 100.0], [1.0, 2.0, 50.0])
            .s(36.0)
            .alpha(0.2)
            .c([0, 1, 1])
            .xscale("log")
            .ylim(0.0, 10.0)
            .draw()
            .unwrap();
        // Two points and two of the legend.
        assert_eq!(figure.svg().matches("<circle").count(), 4);
        assert!(figure.svg().contains("r=\"4\"") && figure.svg().contains("opacity=\"0.2\""));
    }

    #[test]
    fn lengths_must_agree() {
        let error = scatter([1.0], [1.0, 2.0]).draw().unwrap_err();
        assert!(error.to_string().contains("not 1 and 2"));
        let error = scatter([1.0], [1.0]).classes([0, 1]).draw().unwrap_err();
        assert!(error.to_string().contains("2 for 1"));
    }
}
