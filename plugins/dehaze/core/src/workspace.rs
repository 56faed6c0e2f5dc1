//! The buffers of a dehazer.

use std::ops::Range;

use crate::{
    guided_filter::{self, Coefficients},
    min_filter,
    picture::{Picture, Shape},
    recover::Statistics,
    sample::Sample,
    subsampled::Grid,
};

/// The pixels of a strip unless they are set.
pub(crate) const STRIP_PIXELS: usize = 1 << 24;

/// Buffers that a dehazer uses again for the next picture. They grow to the largest that was needed
/// and are not given back.
#[derive(Debug)]
pub struct Workspace<T> {
    pub(crate) strip_pixels: usize,
    /// The channels of the rows in `loaded`.
    pub(crate) planes: [Vec<T>; 3],
    pub(crate) loaded: Range<usize>,
    /// Minima along rows of the least channel.
    pub(crate) rows: Vec<T>,
    /// The dark channel of the whole picture.
    pub(crate) dark: Vec<T>,
    pub(crate) copy: Vec<T>,
    /// The depth of the whole picture.
    pub(crate) depth: Vec<f32>,
    pub(crate) copy_depth: Vec<f32>,
    /// The map to refine, before and after the minimum down the columns.
    pub(crate) map_rows: Vec<f32>,
    pub(crate) map: Vec<f32>,
    pub(crate) guide: [Vec<f32>; 3],
    /// 1 where the loaded rows are data, else 0; empty where all is data.
    pub(crate) data: Vec<f32>,
    pub(crate) gray: Refinement<1>,
    pub(crate) color: Refinement<3>,
    pub(crate) minimum: Vec<min_filter::Scratch<T>>,
    pub(crate) minimum_float: Vec<min_filter::Scratch<f32>>,
    pub(crate) bands: Vec<(guided_filter::Scratch, OutputBand<T>)>,
}

/// The guided filter's planes. With subsampling, all but `stretched` are of the reduced size.
#[derive(Debug, Default)]
pub(crate) struct Refinement<const C: usize> {
    pub(crate) coefficients: Coefficients<C>,
    pub(crate) guide: [Vec<f32>; 3],
    pub(crate) map: Vec<f32>,
    pub(crate) sums: Vec<f32>,
    pub(crate) data: Vec<f32>,
    pub(crate) averaged: Coefficients<C>,
    pub(crate) columns: Grid,
    pub(crate) rows: Grid,
}

/// The buffers of one band in the recovery.
#[derive(Debug, Default)]
pub(crate) struct OutputBand<T> {
    pub(crate) transmission: Vec<f32>,
    pub(crate) gain: Vec<f32>,
    pub(crate) planes: [Vec<T>; 3],
    pub(crate) statistics: Statistics,
    /// Two reduced rows at full width: the number of the row, and its planes.
    pub(crate) stretched: [Stretched; 2],
    pub(crate) between: [Vec<f32>; 4],
}

#[derive(Debug, Default)]
pub(crate) struct Stretched {
    pub(crate) row: Option<usize>,
    pub(crate) planes: [Vec<f32>; 4],
}

impl<T: Sample> Workspace<T> {
    /// Buffers for as many threads as are to share one picture: 1 where pictures are dehazed side by
    /// side. With 1 the thread pool is not touched.
    pub fn new(threads: usize) -> Workspace<T> {
        let threads = threads.max(1);
        Workspace {
            strip_pixels: STRIP_PIXELS,
            planes: Default::default(),
            loaded: 0..0,
            rows: Vec::new(),
            dark: Vec::new(),
            copy: Vec::new(),
            depth: Vec::new(),
            copy_depth: Vec::new(),
            map_rows: Vec::new(),
            map: Vec::new(),
            guide: Default::default(),
            data: Vec::new(),
            gray: Refinement::default(),
            color: Refinement::default(),
            minimum: (0..threads).map(|_| Default::default()).collect(),
            minimum_float: (0..threads).map(|_| Default::default()).collect(),
            bands: (0..threads).map(|_| Default::default()).collect(),
        }
    }

    /// Sets how many pixels a strip has, without its overlap; 16.8 million unless set.
    pub fn strip_pixels(mut self, pixels: usize) -> Workspace<T> {
        self.strip_pixels = pixels.max(1);
        self
    }

    /// The dark channel `[height, width]` that was computed last.
    pub fn dark(&self) -> &[T] {
        &self.dark
    }

    /// Fills `data` with which pixels of the rows are data.
    pub(crate) fn mask(&mut self, picture: &Picture<'_, T>, rows: &Range<usize>) {
        self.data.clear();
        if let Some(data) = picture.data {
            let width = picture.shape.width;
            let data = &data[rows.start * width..rows.end * width];
            self.data
                .extend(data.iter().map(|&is_data| f32::from(u8::from(is_data))));
        }
    }

    /// Splits the rows into planes, unless they are there.
    pub(crate) fn load(&mut self, picture: &Picture<'_, T>, rows: &Range<usize>) {
        if self.loaded != *rows {
            picture.load(rows.clone(), &mut self.planes);
            self.loaded = rows.clone();
        }
    }
}

/// Three planes, a gray one three times.
pub(crate) fn colors<T>(planes: &[Vec<T>; 3], shape: Shape, pixels: Range<usize>) -> [&[T]; 3] {
    let last = shape.colors() - 1;
    [0, 1, 2].map(|color| &planes[color.min(last)][pixels.clone()])
}
