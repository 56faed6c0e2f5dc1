//! A plot that grows while a cell runs.

use std::time::{Duration, Instant};

use crate::{
    Result, channel,
    display::{DisplayHandle, display},
    interrupt,
    plot::{self, Figure},
    table::escape,
};

/// How often the plot is redrawn at most.
const INTERVAL: Duration = Duration::from_millis(150);

/// The most points of a line that are drawn while the plot grows.
const MOST_POINTS: usize = 400;

/// A line plot that redraws itself as values are pushed:
///
/// ```no_run
/// let mut live = patchbay::LivePlot::new("training");
/// for step in 0..1000 {
///     live.push("loss", step as f64, 1.0 / (1.0 + step as f64));
/// }
/// ```
///
/// It is redrawn a few times a second, and once more at its end, so that what stays is exact.
pub struct LivePlot {
    title: String,
    x_label: String,
    y_log: bool,
    series: Vec<(String, Vec<(f64, f64)>)>,
    display: Option<DisplayHandle>,
    drawn: Option<Instant>,
    changed: bool,
}

impl LivePlot {
    pub fn new(title: impl Into<String>) -> LivePlot {
        LivePlot {
            title: title.into(),
            x_label: String::new(),
            y_log: false,
            series: Vec::new(),
            display: None,
            drawn: None,
            changed: false,
        }
    }

    /// What the x axis shows.
    pub fn x_label(mut self, label: impl Into<String>) -> LivePlot {
        self.x_label = label.into();
        self
    }

    /// A logarithmic y axis.
    pub fn y_log(mut self) -> LivePlot {
        self.y_log = true;
        self
    }

    /// Adds a point to the line of this name. An interrupt stops the cell here.
    pub fn push(&mut self, name: &str, x: f64, y: f64) {
        interrupt::check();
        match self.series.iter_mut().find(|(known, _)| known == name) {
            Some((_, points)) => points.push((x, y)),
            None => self.series.push((name.to_owned(), vec![(x, y)])),
        }
        self.changed = true;
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
            self.redraw(MOST_POINTS);
        }
    }

    /// The points so far, by line.
    pub fn series(&self) -> &[(String, Vec<(f64, f64)>)] {
        &self.series
    }

    /// The plot as it is now.
    ///
    /// # Errors
    ///
    /// Fails where nothing was pushed yet.
    pub fn figure(&self) -> Result<Figure> {
        self.builder().draw()
    }

    fn builder(&self) -> plot::Lines {
        let mut lines = plot::lines().title(&self.title).x_label(&self.x_label);
        if self.y_log {
            lines = lines.y_log();
        }
        for (name, points) in &self.series {
            lines = lines.points(name.clone(), points.clone());
        }
        lines
    }

    fn redraw(&mut self, most_points: usize) {
        self.drawn = Some(Instant::now());
        if !channel::is_connected() {
            return;
        }
        match (
            self.builder().most_points(most_points).draw(),
            &self.display,
        ) {
            (Ok(figure), Some(display)) => display.update(&figure),
            (Ok(figure), None) => self.display = Some(display(&figure)),
            (Err(error), _) => drop(display(&crate::html(escape(&error.to_string())))),
        }
        self.changed = false;
    }
}

impl Drop for LivePlot {
    fn drop(&mut self) {
        if self.changed {
            self.redraw(1200);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_to_the_line_of_their_name() {
        let mut live = LivePlot::new("loss").x_label("step");
        live.push("train", 0.0, 1.0);
        live.push("test", 0.0, 2.0);
        live.push("train", 1.0, 0.5);
        assert_eq!(
            live.series()[0],
            ("train".to_owned(), vec![(0.0, 1.0), (1.0, 0.5)])
        );
        assert!(live.figure().unwrap().svg().contains("step"));
        assert!(LivePlot::new("empty").figure().is_err());
    }
}
