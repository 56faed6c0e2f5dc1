//! Plots by matplotlib's names.

use candle_core::{Tensor, bail};

use super::{Bars, Figure, HeatMap, Histogram, Lines, Numbers, bars, heat_map, histogram, lines};
use crate::Result;

/// Begins a line over 0, 1, 2, ...: matplotlib's `plot(y)`. More lines with a legend: [`lines`].
///
/// ```
/// # use patchbay::prelude::*;
/// plot::line([3.0, 2.0, 1.0]).title("loss").draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn line(y: impl Numbers) -> Lines {
    lines().series("", y)
}

/// Begins a line through points: matplotlib's `plot(x, y)`.
///
/// ```
/// # use patchbay::prelude::*;
/// plot::plot([0.0, 1.0], [1.0, 2.0]).xlabel("t").draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn plot(x: impl Numbers, y: impl Numbers) -> Lines {
    lines().series_xy("", x, y)
}

/// Begins a [`histogram`], by matplotlib's name.
///
/// ```
/// # use patchbay::prelude::*;
/// plot::hist(&torch::randn(100)?).bins(10).draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn hist(values: impl Numbers) -> Histogram {
    histogram(values)
}

/// Begins a [`heat_map`] of a matrix [rows, columns], by matplotlib's name. `image(&tensor)` shows pictures.
///
/// ```
/// # use patchbay::prelude::*;
/// plot::imshow(&torch::eye(4)?).draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn imshow(matrix: &Tensor) -> HeatMap {
    heat_map(matrix)
}

/// Begins a plot of [`bars`], by matplotlib's name.
///
/// ```
/// # use patchbay::prelude::*;
/// plot::bar(["a", "b"], [1.0, 2.0]).draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn bar<T: ToString>(names: impl IntoIterator<Item = T>, values: impl Numbers) -> Bars {
    bars(names, values)
}

/// Begins a line with a bar of `error` up and down at each point: matplotlib's `errorbar`.
///
/// ```
/// # use patchbay::prelude::*;
/// plot::errorbar([1.0, 2.0], [0.5, 0.7], [0.1, 0.2]).draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn errorbar(x: impl Numbers, y: impl Numbers, error: impl Numbers) -> Lines {
    lines().errorbar("", x, y, error)
}

/// Begins a plot with the band between two lines: matplotlib's `fill_between`.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = [0.0, 1.0];
/// plot::fill_between(x, [0.0, 1.0], [1.0, 3.0]).series_xy("mean", x, [0.5, 2.0]).draw()?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn fill_between(x: impl Numbers, low: impl Numbers, high: impl Numbers) -> Lines {
    lines().fill_between(x, low, high)
}

/// Puts drawn figures on a grid, row by row: matplotlib's `subplots`.
///
/// # Errors
///
/// Fails where there is no figure, or there are more than places.
///
/// ```
/// # use patchbay::prelude::*;
/// let left = plot::line([1.0, 2.0]).size(320, 200).draw()?;
/// let right = plot::hist([1.0, 2.0]).size(320, 200).draw()?;
/// plot::subplots(1, 2, [left, right])?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn subplots(
    rows: usize,
    columns: usize,
    figures: impl IntoIterator<Item = Figure>,
) -> Result<Figure> {
    let figures: Vec<Figure> = figures.into_iter().collect();
    if figures.is_empty() || figures.len() > rows * columns {
        bail!(
            "subplots: {} figures on {rows} rows and {columns} columns: must be at least one, and at most {}: \
             plot::subplots(1, 2, [left, right])",
            figures.len(),
            rows * columns
        )
    }
    Ok(Figure::grid(columns, &figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_on_a_grid() {
        let one = || line([1.0, 2.0]).size(300, 200).draw().unwrap();
        let grid = subplots(2, 2, [one(), one(), one()]).unwrap();
        let svg = grid.svg();
        assert!(
            svg.starts_with("<svg width=\"600\" height=\"400\""),
            "{svg}"
        );
        assert_eq!(svg.matches("<svg ").count(), 4);
        assert!(svg.contains("x=\"300\" y=\"0\"") && svg.contains("x=\"0\" y=\"200\""));
        assert!(subplots(1, 1, [one(), one()]).is_err());
    }

    #[test]
    fn a_figure_is_saved_as_what_its_name_says() {
        let figure = line([1.0, 2.0]).draw().unwrap();
        let text = figure.save("loss.tiff").unwrap_err().to_string();
        assert!(text.contains("figure.save(\"loss.png\")"), "{text}");
        let beginning = |extension: &str| {
            let name = format!("patchbay-figure-{}.{extension}", std::process::id());
            let path = std::env::temp_dir().join(name);
            figure.save(&path).unwrap();
            let file = std::fs::read(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            String::from_utf8_lossy(&file[..5]).into_owned()
        };
        assert_eq!(
            ["svg", "PNG", "pdf"].map(beginning),
            ["<svg ", "\u{fffd}PNG\r", "%PDF-"]
        );
        let text = figure.save("no/such/folder/a.png").unwrap_err().to_string();
        assert!(
            text.contains("no/such/folder/a.png cannot be written"),
            "{text}"
        );
    }
}
