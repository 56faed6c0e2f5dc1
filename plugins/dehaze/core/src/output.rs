//! Rows of the recovered picture.

use crate::{
    bands::{Parts, Rows},
    guided_filter::BandRow,
    picture::{Order, Picture, merge3},
    recover::{Statistics, gain, recover},
    refine::Strip,
    sample::Sample,
    workspace::OutputBand,
};

/// The rows of a band that are written.
pub(crate) struct Output<'a, T> {
    samples: Samples<'a, T>,
    transmission: Option<Rows<'a, f32>>,
}

enum Samples<'a, T> {
    Interleaved(Rows<'a, T>),
    /// As many as there are channels.
    Planar([Option<Rows<'a, T>>; 4]),
}

impl<T: Send> Parts for Output<'_, T> {
    fn split(self, rows: usize) -> (Self, Self) {
        let (first, second) = match self.samples {
            Samples::Interleaved(all) => {
                let (first, second) = all.split(rows);
                (Samples::Interleaved(first), Samples::Interleaved(second))
            }
            Samples::Planar(planes) => {
                let (first, second) = planes.split(rows);
                (Samples::Planar(first), Samples::Planar(second))
            }
        };
        let (above, below) = self.transmission.split(rows);
        let output = |samples, transmission| Output {
            samples,
            transmission,
        };
        (output(first, above), output(second, below))
    }
}

impl<'a, T: Sample> Output<'a, T> {
    /// The rows of a strip; `samples` is the whole picture, `transmission` the strip.
    pub(crate) fn of_strip(
        strip: &Strip<'_, T>,
        samples: &'a mut [T],
        transmission: Option<&'a mut [f32]>,
    ) -> Output<'a, T> {
        let shape = strip.picture.shape;
        let first = strip.seen.start + strip.kept.start;
        let end = strip.seen.start + strip.kept.end;
        let cut = |plane: &'a mut [T], width: usize| {
            Rows::new(&mut plane[first * width..end * width], width)
        };
        Output {
            samples: match strip.picture.order {
                Order::Interleaved => {
                    Samples::Interleaved(cut(samples, shape.width * shape.channels))
                }
                Order::Planar => {
                    let mut planes = samples.chunks_exact_mut(shape.pixels());
                    Samples::Planar(
                        [(); 4].map(|()| planes.next().map(|plane| cut(plane, shape.width))),
                    )
                }
            },
            transmission: transmission.map(|plane| Rows::new(plane, shape.width)),
        }
    }
}

/// Recovers one row from `band.transmission`, and counts it.
pub(crate) fn write_row<T: Sample>(
    strip: &Strip<'_, T>,
    planes: [&[T]; 3],
    place: BandRow,
    output: &mut Output<'_, T>,
    band: &mut OutputBand<T>,
) {
    let shape = strip.picture.shape;
    let (width, channels) = (shape.width, shape.channels);
    let here = place.index * width..(place.index + 1) * width;
    let haze = planes.map(|plane| &plane[place.row * width..][..width]);
    band.gain.resize(width, 0.0);
    let picture_row = (strip.seen.start + place.row) * width;
    let bounds = strip.dehazer.bounds;
    match strip.picture.data {
        None => gain(
            &mut band.transmission,
            bounds,
            &mut band.gain,
            &mut band.statistics,
        ),
        Some(data) => {
            let mut of_all = Statistics::default();
            gain(&mut band.transmission, bounds, &mut band.gain, &mut of_all);
            for (t, &is_data) in band.transmission.iter_mut().zip(&data[picture_row..]) {
                match is_data {
                    true => band.statistics.count(*t),
                    false => *t = 1.0,
                }
            }
        }
    }
    if let Some(map) = &mut output.transmission {
        map.slice()[here.clone()].copy_from_slice(&band.transmission);
    }
    let airlight = strip.airlight.map(Sample::float);
    match &mut output.samples {
        Samples::Planar(output) => {
            for (channel, plane) in output.iter_mut().enumerate() {
                let Some(plane) = plane else { break };
                let to = &mut plane.slice()[here.clone()];
                if channel < shape.colors() {
                    recover(haze[channel], &band.gain, airlight[channel], to);
                } else {
                    let from = channel * shape.pixels() + picture_row;
                    to.copy_from_slice(&strip.picture.samples[from..from + width]);
                }
            }
        }
        Samples::Interleaved(output) => {
            let row = &mut output.slice()[here.start * channels..here.end * channels];
            if channels == 1 {
                recover(haze[0], &band.gain, airlight[0], row);
                return;
            }
            for (color, plane) in band.planes.iter_mut().take(shape.colors()).enumerate() {
                plane.resize(width, T::default());
                recover(haze[color], &band.gain, airlight[color], plane);
            }
            if channels == 3 {
                let [red, green, blue] = &band.planes;
                merge3(red, green, blue, row);
                return;
            }
            let alpha = alpha(strip.picture, picture_row);
            for (x, (pixel, alpha)) in row.chunks_exact_mut(channels).zip(alpha).enumerate() {
                for (to, plane) in pixel.iter_mut().zip(&band.planes).take(shape.colors()) {
                    *to = plane[x];
                }
                pixel[channels - 1] = alpha;
            }
        }
    }
}

/// The last samples of the pixels from this one on.
fn alpha<'a, T: Sample>(
    picture: &Picture<'a, T>,
    pixel: usize,
) -> impl Iterator<Item = T> + use<'a, T> {
    let channels = picture.shape.channels;
    let pixels = picture.samples[pixel * channels..].chunks_exact(channels);
    pixels.map(move |pixel| pixel[channels - 1])
}
