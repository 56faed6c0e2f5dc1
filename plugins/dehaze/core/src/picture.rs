//! Pixels as they come in and go out, and their channels as planes.

use crate::{sample::Sample, simd::multiversion};

pub use patchbay_codec::Shape;

/// How samples lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Pixel after pixel: `[height, width, channels]`.
    Interleaved,
    /// Channel after channel: `[channels, height, width]`.
    Planar,
}

/// A picture that is read.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a, T> {
    /// The values, 0 to the largest of the type.
    pub samples: &'a [T],
    /// Width, height and number of channels.
    pub shape: Shape,
    /// Whether the channels of a pixel or the pixels of a channel stand beside one another.
    pub order: Order,
    /// Which pixels are data, `[height, width]`; none where all are. The others take no part in anything, and stay as they
    /// are.
    pub data: Option<&'a [bool]>,
}

impl<'a, T: Sample> Picture<'a, T> {
    /// # Errors
    ///
    /// Says what was expected where the number of samples or of channels does not fit.
    pub fn new(samples: &'a [T], shape: Shape, order: Order) -> Result<Picture<'a, T>, String> {
        if !(1..=4).contains(&shape.channels) || shape.pixels() == 0 {
            return Err(format!(
                "a picture has at least one pixel and 1 to 4 channels (gray, gray and alpha, RGB, RGB and \
                 alpha); this one has {} x {} pixels and {} channels",
                shape.width, shape.height, shape.channels
            ));
        }
        if samples.len() != shape.samples() {
            return Err(format!(
                "a picture of {} x {} pixels with {} channels has {} samples, not {}",
                shape.width,
                shape.height,
                shape.channels,
                shape.samples(),
                samples.len()
            ));
        }
        Ok(Picture {
            samples,
            shape,
            order,
            data: None,
        })
    }

    /// Sets which pixels are data, `[height, width]`.
    ///
    /// # Errors
    ///
    /// Fails where there is not one value for each pixel, or no pixel is data.
    pub fn with_data(self, data: &'a [bool]) -> Result<Picture<'a, T>, String> {
        if data.len() != self.shape.pixels() || !data.contains(&true) {
            return Err(format!(
                "of {} x {} pixels at least one is data, and a mask says it of each; this one has {} entries",
                self.shape.width,
                self.shape.height,
                data.len()
            ));
        }
        Ok(Picture {
            data: Some(data),
            ..self
        })
    }

    /// Whether a pixel is data.
    pub fn is_data(&self, pixel: usize) -> bool {
        self.data.is_none_or(|data| data[pixel])
    }

    /// How many pixels are data.
    pub fn data_pixels(&self) -> usize {
        match self.data {
            Some(data) => data.iter().filter(|&&is_data| is_data).count(),
            None => self.shape.pixels(),
        }
    }

    /// Puts `value` where there is no data in rows of a plane, of which the first is row `first` of the picture.
    pub(crate) fn hide<S: Copy>(&self, first: usize, plane: &mut [S], value: S) {
        if let Some(data) = self.data {
            let data = &data[first * self.shape.width..][..plane.len()];
            for (to, &is_data) in plane.iter_mut().zip(data) {
                if !is_data {
                    *to = value;
                }
            }
        }
    }

    /// The color of a pixel; gray three times.
    pub fn color(&self, pixel: usize) -> [T; 3] {
        let Shape { channels, .. } = self.shape;
        let last = self.shape.colors() - 1;
        [0, 1, 2].map(|color| {
            let channel = color.min(last);
            match self.order {
                Order::Interleaved => self.samples[pixel * channels + channel],
                Order::Planar => self.samples[channel * self.shape.pixels() + pixel],
            }
        })
    }

    /// Copies the colors of some rows into planes `[rows, width]`, of which gray fills one.
    pub fn load(&self, rows: std::ops::Range<usize>, planes: &mut [Vec<T>; 3]) {
        let Shape {
            width, channels, ..
        } = self.shape;
        let pixels = rows.start * width..rows.end * width;
        for plane in &mut planes[..self.shape.colors()] {
            plane.resize(pixels.len(), T::default());
        }
        match (self.order, channels) {
            (Order::Interleaved, 1) => planes[0].copy_from_slice(&self.samples[pixels]),
            (Order::Interleaved, 3) => {
                let [red, green, blue] = planes;
                split3(
                    &self.samples[pixels.start * 3..pixels.end * 3],
                    red,
                    green,
                    blue,
                );
            }
            (Order::Interleaved, _) => {
                let samples = &self.samples[pixels.start * channels..pixels.end * channels];
                for (channel, plane) in planes[..self.shape.colors()].iter_mut().enumerate() {
                    for (to, pixel) in plane.iter_mut().zip(samples.chunks_exact(channels)) {
                        *to = pixel[channel];
                    }
                }
            }
            (Order::Planar, _) => {
                let samples = self.samples.chunks_exact(self.shape.pixels());
                for (plane, samples) in planes[..self.shape.colors()].iter_mut().zip(samples) {
                    plane.copy_from_slice(&samples[pixels.clone()]);
                }
            }
        }
    }
}

multiversion! {
    fn split3<T: Sample>(samples: &[T], red: &mut [T], green: &mut [T], blue: &mut [T]) {
        for (((pixel, red), green), blue) in samples.chunks_exact(3).zip(red).zip(green).zip(blue) {
            *red = pixel[0];
            *green = pixel[1];
            *blue = pixel[2];
        }
    }
}

multiversion! {
    /// Pixels of a row from its three planes.
    pub fn merge3<T: Sample>(red: &[T], green: &[T], blue: &[T], samples: &mut [T]) {
        for (((pixel, &red), &green), &blue) in samples.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
            pixel[0] = red;
            pixel[1] = green;
            pixel[2] = blue;
        }
    }
}
