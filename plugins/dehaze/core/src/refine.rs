//! The guided filter's part of a dehazer, and the rows that come out of it.

use std::ops::Range;

use crate::{
    bands::{Rows, in_bands},
    color_attenuation_prior,
    dehazer::{Dehazer, Prior},
    guided_filter::{BandRow, GuidedFilter, Problem, combine_color, combine_gray},
    output::{Output, write_row},
    picture::Picture,
    recover::{luma, unit},
    sample::Sample,
    subsampled::{between, reduce, reduced},
    workspace::{OutputBand, Refinement, Workspace, colors},
};

/// Rows that are refined and recovered in one go.
pub(crate) struct Strip<'a, T> {
    pub(crate) dehazer: &'a Dehazer,
    pub(crate) picture: &'a Picture<'a, T>,
    pub(crate) airlight: [T; 3],
    /// The rows that are loaded.
    pub(crate) seen: Range<usize>,
    /// Those of them that are kept.
    pub(crate) kept: Range<usize>,
}

impl<T: Sample> Strip<'_, T> {
    pub(crate) fn refine_gray(
        &self,
        output: &mut [T],
        transmission: Option<&mut [f32]>,
        workspace: &mut Workspace<T>,
    ) {
        let (shape, width) = (self.picture.shape, self.picture.shape.width);
        let planes = &workspace.planes;
        workspace.guide[0].resize(self.seen.len() * width, 0.0);
        in_bands(
            self.seen.len(),
            Rows::new(&mut workspace.guide[0], width),
            &mut workspace.minimum,
            &|first, rows, output, _| {
                let pixels = first * width..(first + rows) * width;
                let output = output.into_slice();
                luma(colors(planes, shape, pixels), output);
                self.picture.hide(self.seen.start + first, output, 0.0);
            },
        );
        let mut refinement = std::mem::take(&mut workspace.gray);
        let combine = |slopes: [&[f32]; 1], guide: [&[f32]; 1], offset: &[f32], row: &mut [f32]| {
            combine_gray(slopes[0], guide[0], offset, row);
        };
        self.refine(&mut refinement, combine, output, transmission, workspace);
        workspace.gray = refinement;
    }

    pub(crate) fn refine_color(
        &self,
        output: &mut [T],
        transmission: Option<&mut [f32]>,
        workspace: &mut Workspace<T>,
    ) {
        let (shape, width) = (self.picture.shape, self.picture.shape.width);
        let samples = colors(&workspace.planes, shape, 0..self.seen.len() * width);
        for (guide, samples) in workspace.guide.iter_mut().zip(samples) {
            guide.resize(samples.len(), 0.0);
            in_bands(
                self.seen.len(),
                Rows::new(guide, width),
                &mut workspace.minimum,
                &|first, rows, output, _| {
                    let output = output.into_slice();
                    unit(&samples[first * width..(first + rows) * width], output);
                    self.picture.hide(self.seen.start + first, output, 0.0);
                },
            );
        }
        let mut refinement = std::mem::take(&mut workspace.color);
        self.refine(
            &mut refinement,
            combine_color,
            output,
            transmission,
            workspace,
        );
        workspace.color = refinement;
    }

    fn refine<const C: usize>(
        &self,
        refinement: &mut Refinement<C>,
        combine: impl Fn([&[f32]; C], [&[f32]; C], &[f32], &mut [f32]) + Sync,
        output: &mut [T],
        transmission: Option<&mut [f32]>,
        workspace: &mut Workspace<T>,
    ) {
        let width = self.picture.shape.width;
        let guide: [&[f32]; C] = std::array::from_fn(|channel| &workspace.guide[channel][..]);
        let planes = colors(
            &workspace.planes,
            self.picture.shape,
            0..self.seen.len() * width,
        );
        let output = Output::of_strip(self, output, transmission);
        // The end of every row: from averaged functions to pixels.
        let finish = |place: BandRow,
                      slopes: [&[f32]; C],
                      offset: &[f32],
                      output: &mut Output<'_, T>,
                      band: &mut OutputBand<T>| {
            let guide = guide.map(|plane| &plane[place.row * width..][..width]);
            band.transmission.resize(width, 0.0);
            combine(slopes, guide, offset, &mut band.transmission);
            if let Prior::ColorAttenuation { beta, .. } = self.dehazer.prior {
                color_attenuation_prior::transmission(&mut band.transmission, beta);
            }
            write_row(self, planes, place, output, band);
        };
        let bands = &mut workspace.bands;
        let source = &workspace.map;
        let data = self.picture.data.map(|_| &workspace.data[..]);
        if self.dehazer.subsampling == 1 {
            let filter = self.dehazer.filter;
            let problem = Problem {
                guide,
                source,
                width,
                data,
            };
            filter.fit(&problem, &mut refinement.coefficients, bands);
            let coefficients = &refinement.coefficients;
            filter.average(
                &problem,
                coefficients,
                self.kept.clone(),
                output,
                bands,
                &finish,
            );
            return;
        }

        self.fit_reduced(refinement, guide, source, data, bands);
        let Refinement {
            averaged,
            columns,
            rows,
            ..
        } = &*refinement;
        let small = reduced(width, self.dehazer.subsampling);
        let work = |first: usize,
                    count: usize,
                    mut output: Output<'_, T>,
                    scratch: &mut (_, OutputBand<T>)| {
            let band = &mut scratch.1;
            let mut stretched = std::mem::take(&mut band.stretched);
            let mut mixed = std::mem::take(&mut band.between);
            stretched
                .iter_mut()
                .for_each(|stretched| stretched.row = None);
            for index in 0..count {
                let row = self.kept.start + first + index;
                let (above, below, weight) = rows.at(row);
                if stretched[1].row == Some(above) {
                    stretched.swap(0, 1);
                }
                for (stretched, number) in stretched.iter_mut().zip([above, below]) {
                    if stretched.row != Some(number) {
                        stretched.row = Some(number);
                        let planes = averaged.slopes.iter().chain([&averaged.offset]);
                        for (to, plane) in stretched.planes.iter_mut().zip(planes) {
                            to.resize(width, 0.0);
                            columns.stretch(&plane[number * small..][..small], to);
                        }
                    }
                }
                let [above, below] = &stretched;
                for (channel, to) in mixed.iter_mut().take(C + 1).enumerate() {
                    to.resize(width, 0.0);
                    between(&above.planes[channel], &below.planes[channel], weight, to);
                }
                let slopes = std::array::from_fn(|channel| &mixed[channel][..]);
                finish(BandRow { row, index }, slopes, &mixed[C], &mut output, band);
            }
            band.stretched = stretched;
            band.between = mixed;
        };
        in_bands(self.kept.len(), output, bands, &work);
    }

    /// Fills `refinement.averaged` with the averaged functions at the reduced size.
    fn fit_reduced<const C: usize>(
        &self,
        refinement: &mut Refinement<C>,
        guide: [&[f32]; C],
        source: &[f32],
        data: Option<&[f32]>,
        bands: &mut [(crate::guided_filter::Scratch, OutputBand<T>)],
    ) {
        let (width, factor) = (self.picture.shape.width, self.dehazer.subsampling);
        let Refinement {
            coefficients,
            guide: small_guide,
            map,
            sums,
            data: small_data,
            averaged,
            columns,
            rows,
        } = refinement;
        for (plane, small) in guide.iter().zip(&mut *small_guide) {
            reduce(plane, width, factor, small, sums);
        }
        reduce(source, width, factor, map, sums);
        if let Some(data) = data {
            reduce(data, width, factor, small_data, sums);
            // Means of squares become those of the squares' data; a square with any data is data.
            let planes = small_guide.iter_mut().take(C).chain([&mut *map]);
            for plane in planes {
                for (mean, &part) in plane.iter_mut().zip(&*small_data) {
                    *mean = if part > 0.0 { *mean / part } else { 0.0 };
                }
            }
            for part in &mut *small_data {
                *part = f32::from(u8::from(*part > 0.0));
            }
        }
        let small_data = data.map(|_| &small_data[..]);
        columns.fit(width, factor);
        rows.fit(self.seen.len(), factor);
        let width = reduced(width, factor);
        let height = map.len() / width;
        let filter = GuidedFilter {
            radius: self.dehazer.reduced_radius(),
            ..self.dehazer.filter
        };
        let problem = Problem {
            guide: std::array::from_fn(|channel| &small_guide[channel][..]),
            source: map,
            width,
            data: small_data,
        };
        filter.fit(&problem, coefficients, bands);
        for plane in averaged.slopes.iter_mut().chain([&mut averaged.offset]) {
            plane.resize(map.len(), 0.0);
        }
        let parts = (
            averaged
                .slopes
                .each_mut()
                .map(|plane| Rows::new(plane, width)),
            Rows::new(&mut averaged.offset, width),
        );
        filter.average(
            &problem,
            coefficients,
            0..height,
            parts,
            bands,
            &|place, slopes, offset, (to_slopes, to_offset), _| {
                let here = place.index * width..(place.index + 1) * width;
                for (to, slope) in to_slopes.iter_mut().zip(slopes) {
                    to.slice()[here.clone()].copy_from_slice(slope);
                }
                to_offset.slice()[here].copy_from_slice(offset);
            },
        );
    }
}
