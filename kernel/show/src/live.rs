//! A plot that grows while a cell runs.

use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use crate::{
    Result,
    display::{DisplayHandle, display_always},
    plot::{self, Figure},
    table::escape,
};
use patchbay_cell::lock::lock;
use patchbay_cell::{channel, interrupt};

/// How often the plot is redrawn at most.
const INTERVAL: Duration = Duration::from_millis(150);

/// The most points of a line that are drawn while the plot grows.
const MOST_POINTS: usize = 400;

/// The most points of a line in the drawing that stays.
const FINAL_POINTS: usize = 1200;

/// A line plot that redraws itself as values are pushed:
///
/// ```no_run
/// let mut live = patchbay::LivePlot::new("training");
/// for step in 0..1000 {
///     live.push("loss", step as f64, 1.0 / (1.0 + step as f64));
/// }
/// ```
///
/// It is redrawn a few times a second, and once more at the end of the cell, so that what stays is
/// exact. A plot that lives on in a variable goes on in the cell where it was first drawn.
pub struct LivePlot(Arc<Mutex<State>>);

struct State {
    title: String,
    x_label: String,
    y_log: bool,
    series: Vec<(String, Vec<(f64, f64)>)>,
    display: Option<DisplayHandle>,
    drawn: Option<Instant>,
    changed: bool,
}

/// The plots that are alive, to be drawn at the end of a cell.
static ALIVE: Mutex<Vec<Weak<Mutex<State>>>> = Mutex::new(Vec::new());

impl LivePlot {
    /// Makes a plot without series.
    pub fn new(title: impl Into<String>) -> LivePlot {
        let state = Arc::new(Mutex::new(State {
            title: title.into(),
            x_label: String::new(),
            y_log: false,
            series: Vec::new(),
            display: None,
            drawn: None,
            changed: false,
        }));
        lock(&ALIVE).push(Arc::downgrade(&state));
        LivePlot(state)
    }

    /// Sets the label of the x axis.
    pub fn x_label(self, label: impl Into<String>) -> LivePlot {
        lock(&self.0).x_label = label.into();
        self
    }

    /// A logarithmic y axis.
    pub fn y_log(self) -> LivePlot {
        lock(&self.0).y_log = true;
        self
    }

    /// Adds a point to the line of this name. An interrupt stops the cell here.
    pub fn push(&mut self, name: &str, x: f64, y: f64) {
        interrupt::check();
        let mut state = lock(&self.0);
        match state.series.iter_mut().find(|(known, _)| known == name) {
            Some((_, points)) => points.push((x, y)),
            None => state.series.push((name.to_owned(), vec![(x, y)])),
        }
        state.changed = true;
        if state.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
            state.redraw(MOST_POINTS);
        }
    }

    /// The points so far, by line.
    pub fn series(&self) -> Vec<(String, Vec<(f64, f64)>)> {
        lock(&self.0).series.clone()
    }

    /// The plot as it is now.
    ///
    /// # Errors
    ///
    /// Fails where nothing was pushed yet.
    pub fn figure(&self) -> Result<Figure> {
        lock(&self.0).lines().draw()
    }
}

impl State {
    fn lines(&self) -> plot::Lines {
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
        let figure = self.lines().most_points(most_points).draw_always();
        let figure = figure.map(Figure::live);
        match (figure, &self.display) {
            (Ok(figure), Some(display)) => display.update_always(&figure),
            (Ok(figure), None) => self.display = Some(display_always(&figure)),
            (Err(error), _) => drop(display_always(&crate::html(escape(&error.to_string())))),
        }
        self.changed = false;
    }

    fn finish(&mut self) {
        if self.changed {
            self.redraw(FINAL_POINTS);
        }
    }
}

impl Drop for LivePlot {
    fn drop(&mut self) {
        lock(&self.0).finish();
    }
}

/// Draws what was pushed since a plot was drawn last; called at the end of each cell.
pub(crate) fn finish_all() {
    // A plot that is being pushed to by a thread of the user's is drawn by that thread.
    let alive: Vec<_> = {
        let mut plots = lock(&ALIVE);
        plots.retain(|plot| plot.strong_count() > 0);
        plots.iter().filter_map(Weak::upgrade).collect()
    };
    for plot in alive {
        if let Ok(mut state) = plot.try_lock() {
            state.finish();
        }
    }
}

/// Takes the list's lock for a moment.
pub(crate) fn probe() {
    drop(lock(&ALIVE));
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
