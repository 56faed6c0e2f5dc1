//! A dehazer that is a prior: from a picture to the picture without haze.
//!
//! The steps are those of both priors: a score that is large where there is haze, the airlight from
//! it, a map of transmission or depth, the guided filter, the recovery. Pictures that are very large
//! go through the last three in strips that overlap as far as the windows reach, so the result is the
//! same and the buffers stay small.

use std::ops::Range;

use crate::{
    airlight,
    bands::{Rows, in_bands},
    color_attenuation_prior, dark_channel_prior,
    guided_filter::GuidedFilter,
    min_filter::{self, min_filter},
    picture::{Order, Picture, Shape},
    recover::Statistics,
    refine::Strip,
    sample::Sample,
    workspace::{STRIP_PIXELS, Workspace, colors},
};

/// Which prior, with what is its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// The dark channel prior (He, Sun, Tang 2009).
    DarkChannel {
        /// Share of the haze that is removed, 0 to 1: `omega` of equation 12.
        omega: f32,
    },
    /// The color attenuation prior (Zhu, Mai, Shao 2015).
    ColorAttenuation {
        /// Scattering coefficient per unit of depth, above 0.
        beta: f32,
        /// Coefficients of depth, theta 0, 1 and 2 of equation 8: constant, of value, of saturation.
        coefficients: [f32; 3],
    },
}

/// What guides the refinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guide {
    /// Rec. 601 luma.
    Gray,
    /// The three channels.
    Color,
}

/// The settings of a prior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dehazer {
    /// Prior that finds the airlight and the transmission.
    pub prior: Prior,
    /// Half the side of the minimum's window: 7 for the papers' patch of 15.
    pub patch_radius: usize,
    /// Channels of the picture that guide the refinement of the transmission.
    pub guide: Guide,
    /// Window and smoothness of the guided filter that refines the transmission.
    pub filter: GuidedFilter,
    /// The guided filter works at 1 / this of the size; 1: at full size.
    pub subsampling: usize,
    /// Bounds of the transmission in the recovery.
    pub bounds: [f32; 2],
}

impl Dehazer {
    /// The dark channel prior as in its paper (patch 15, omega 0.95, t0 0.1), refined by a gray guided
    /// filter with radius 60 and eps 1e-4.
    pub fn dark_channel_prior() -> Dehazer {
        Dehazer {
            prior: Prior::DarkChannel { omega: 0.95 },
            patch_radius: 7,
            guide: Guide::Gray,
            filter: GuidedFilter {
                radius: 60,
                eps: 1e-4,
            },
            subsampling: 1,
            bounds: [0.1, f32::INFINITY],
        }
    }

    /// The color attenuation prior as in its paper (beta 1, transmission in 0.1..=0.9), refined by a
    /// color guided filter with radius 60 and eps 1e-3.
    pub fn color_attenuation_prior() -> Dehazer {
        Dehazer {
            prior: Prior::ColorAttenuation {
                beta: 1.0,
                coefficients: color_attenuation_prior::COEFFICIENTS,
            },
            patch_radius: 7,
            guide: Guide::Color,
            filter: GuidedFilter {
                radius: 60,
                eps: 1e-3,
            },
            subsampling: 1,
            bounds: [0.1, 0.9],
        }
    }

    /// # Errors
    ///
    /// Says which setting cannot be used.
    pub fn check(&self) -> Result<(), String> {
        let [low, high] = self.bounds;
        let positive = |value: f32| value > 0.0 && value.is_finite();
        let wrong = if self.filter.radius == 0 || self.filter.radius > 4096 {
            format!(
                "the guided filter's radius is 1 to 4096, not {}",
                self.filter.radius
            )
        } else if self.patch_radius > 4096 {
            format!(
                "the patch's side is 1 to 8193, not {}",
                2 * self.patch_radius + 1
            )
        } else if !positive(self.filter.eps) {
            format!(
                "the guided filter's eps is above 0, not {}",
                self.filter.eps
            )
        } else if !(1..=64).contains(&self.subsampling) {
            format!("the subsampling is 1 to 64, not {}", self.subsampling)
        } else if !(positive(low) && low <= high) {
            format!("the transmission's bounds are above 0 and in order, not {low} and {high}")
        } else {
            return match self.prior {
                Prior::DarkChannel { omega } if !(0.0..=1.0).contains(&omega) => {
                    Err(format!("omega is 0 to 1, not {omega}"))
                }
                Prior::ColorAttenuation { beta, .. } if !positive(beta) => {
                    Err(format!("beta is above 0, not {beta}"))
                }
                _ => Ok(()),
            };
        };
        Err(wrong)
    }

    /// The most pixels that are refined in one go, overlaps included, for a picture of this shape.
    pub fn strip_pixels(&self, shape: Shape) -> usize {
        let rows = STRIP_PIXELS / shape.width.max(1) + 1 + 2 * self.reach();
        shape.width * rows.min(shape.height)
    }

    /// How many rows away a pixel still counts for the transmission.
    fn reach(&self) -> usize {
        let factor = self.subsampling;
        let windows = if factor == 1 {
            2 * self.filter.radius
        } else {
            // Two windows, one pixel of interpolation, and the cut of a square.
            (2 * self.reduced_radius() + 2) * factor
        };
        (windows + self.patch_radius).next_multiple_of(factor)
    }

    /// The guided filter's radius at the reduced size.
    pub(crate) fn reduced_radius(&self) -> usize {
        ((self.filter.radius as f64 / self.subsampling as f64).round() as usize).max(1)
    }
}

/// What was found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Findings {
    /// RGB in 0..=1.
    pub airlight: [f32; 3],
    /// Row and column of the pixel that it is the color of.
    pub airlight_at: (usize, usize),
    /// Of the transmission that the recovery used.
    pub transmission: Statistics,
}

impl Dehazer {
    /// Removes the haze of `picture`; `output` has its shape and order, alpha is copied. Where
    /// `transmission` is given, the map that the recovery used is written to it, `[height, width]`.
    ///
    /// # Panics
    ///
    /// Where `output` or `transmission` has another length than the picture.
    pub fn run<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        output: &mut [T],
        transmission: Option<&mut [f32]>,
        workspace: &mut Workspace<T>,
    ) -> Findings {
        if let Prior::DarkChannel { .. } = self.prior {
            self.dark_channel(picture, workspace);
        }
        self.run_after_dark_channel(picture, output, transmission, workspace)
    }

    /// As [`Dehazer::run`], where [`Dehazer::dark_channel`] of this picture was the last call with this
    /// workspace.
    ///
    /// # Panics
    ///
    /// As [`Dehazer::run`].
    pub fn run_after_dark_channel<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        output: &mut [T],
        mut transmission: Option<&mut [f32]>,
        workspace: &mut Workspace<T>,
    ) -> Findings {
        let shape = picture.shape;
        assert_eq!(
            output.len(),
            picture.samples.len(),
            "output has the picture's length"
        );
        if let Some(map) = &transmission {
            assert_eq!(
                map.len(),
                shape.pixels(),
                "transmission has a value a pixel"
            );
        }
        let airlight_at = self.find_airlight(picture, workspace);
        let airlight = picture.color(airlight_at);
        for (_, band) in &mut workspace.bands {
            band.statistics = Statistics::default();
        }
        for rows in self.strips(shape, workspace.strip_pixels, self.subsampling) {
            let seen = self.overlapped(&rows, shape);
            workspace.load(picture, &seen);
            self.map(airlight, picture, seen.start, seen.len(), workspace);
            workspace.mask(picture, &seen);
            let transmission = transmission
                .as_deref_mut()
                .map(|plane| &mut plane[rows.start * shape.width..rows.end * shape.width]);
            let strip = Strip {
                dehazer: self,
                picture,
                airlight,
                kept: rows.start - seen.start..rows.end - seen.start,
                seen,
            };
            match self.guide {
                Guide::Gray => strip.refine_gray(output, transmission, workspace),
                Guide::Color => strip.refine_color(output, transmission, workspace),
            }
        }
        workspace.loaded = 0..0;
        keep_what_is_no_data(picture, output);
        let mut statistics = Statistics::default();
        for (_, band) in &workspace.bands {
            statistics.merge(&band.statistics);
        }
        Findings {
            airlight: airlight.map(|sample| sample.float() / T::WHITE),
            airlight_at: (airlight_at / shape.width, airlight_at % shape.width),
            transmission: statistics,
        }
    }

    /// The map that is refined: raw transmission (dark channel prior, equation 12) or depth (color
    /// attenuation prior, after the minimum), `[height, width]`.
    pub fn unrefined<'a, T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        workspace: &'a mut Workspace<T>,
    ) -> &'a [f32] {
        if let Prior::DarkChannel { .. } = self.prior {
            self.dark_channel(picture, workspace);
        }
        let airlight = picture.color(self.find_airlight(picture, workspace));
        let all = 0..picture.shape.height;
        workspace.load(picture, &all);
        self.map(airlight, picture, 0, all.len(), workspace);
        workspace.loaded = 0..0;
        &workspace.map
    }

    /// Strips of whole rows, of a height that `multiple` divides.
    fn strips(
        &self,
        shape: Shape,
        pixels: usize,
        multiple: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = (pixels / shape.width).max(1).next_multiple_of(multiple);
        let height = shape.height;
        (0..height.div_ceil(rows)).map(move |strip| strip * rows..((strip + 1) * rows).min(height))
    }

    fn overlapped(&self, rows: &Range<usize>, shape: Shape) -> Range<usize> {
        let reach = self.reach();
        rows.start.saturating_sub(reach)..(rows.end + reach).min(shape.height)
    }

    /// The index of the airlight's pixel.
    fn find_airlight<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> usize {
        let shape = picture.shape;
        match self.prior {
            Prior::DarkChannel { .. } => {
                airlight::find(picture, &workspace.dark, &mut workspace.copy)
            }
            Prior::ColorAttenuation { .. } => {
                workspace.loaded = 0..0;
                let mut depth = std::mem::take(&mut workspace.depth);
                depth.resize(shape.pixels(), 0.0);
                for rows in self.strips(shape, workspace.strip_pixels, 1) {
                    let seen = self.overlapped(&rows, shape);
                    workspace.load(picture, &seen);
                    self.depth(picture, seen.start, seen.len(), workspace);
                    let kept = (rows.start - seen.start) * shape.width
                        ..(rows.end - seen.start) * shape.width;
                    depth[rows.start * shape.width..rows.end * shape.width]
                        .copy_from_slice(&workspace.map[kept]);
                }
                picture.hide(0, &mut depth, f32::NEG_INFINITY);
                workspace.depth = depth;
                airlight::find(picture, &workspace.depth, &mut workspace.copy_depth)
            }
        }
    }

    /// Fills `workspace.dark` with the dark channel `[height, width]`.
    pub fn dark_channel<T: Sample>(&self, picture: &Picture<'_, T>, workspace: &mut Workspace<T>) {
        let (shape, width) = (picture.shape, picture.shape.width);
        workspace.loaded = 0..0;
        let mut dark = std::mem::take(&mut workspace.dark);
        dark.resize(shape.pixels(), T::default());
        for rows in self.strips(shape, workspace.strip_pixels, 1) {
            let seen = self.overlapped(&rows, shape);
            workspace.load(picture, &seen);
            workspace.rows.resize(seen.len() * width, T::default());
            let planes = &workspace.planes;
            in_bands(
                seen.len(),
                Rows::new(&mut workspace.rows, width),
                &mut workspace.minimum,
                &|first, rows, output, scratch| {
                    let output = output.into_slice();
                    let pixels = first * width..(first + rows) * width;
                    dark_channel_prior::least_channel(colors(planes, shape, pixels), output);
                    picture.hide(seen.start + first, output, T::MAXIMUM);
                    for row in output.chunks_exact_mut(width) {
                        min_filter::along_row(row, self.patch_radius, scratch);
                    }
                },
            );
            let kept = rows.start - seen.start..rows.end - seen.start;
            let output = &mut dark[rows.start * width..rows.end * width];
            min_filter::down_columns(
                &workspace.rows,
                width,
                self.patch_radius,
                kept,
                output,
                &mut workspace.minimum,
            );
        }
        picture.hide(0, &mut dark, T::default());
        workspace.dark = dark;
    }

    /// Fills `workspace.map` with the map to refine: raw transmission, or depth; 0 where there is no data. The `height`
    /// rows that are loaded begin with row `top` of the picture.
    fn map<T: Sample>(
        &self,
        airlight: [T; 3],
        picture: &Picture<'_, T>,
        top: usize,
        height: usize,
        workspace: &mut Workspace<T>,
    ) {
        let (shape, width) = (picture.shape, picture.shape.width);
        let Prior::DarkChannel { omega } = self.prior else {
            self.depth(picture, top, height, workspace);
            picture.hide(top, &mut workspace.map, 0.0);
            return;
        };
        let (factors, scale) = dark_channel_prior::scales(airlight);
        let planes = &workspace.planes;
        workspace.map_rows.resize(height * width, 0.0);
        workspace.map.resize(height * width, 0.0);
        in_bands(
            height,
            Rows::new(&mut workspace.map_rows, width),
            &mut workspace.minimum_float,
            &|first, rows, output, scratch| {
                let output = output.into_slice();
                let pixels = first * width..(first + rows) * width;
                let planes = colors(planes, shape, pixels);
                dark_channel_prior::least_scaled_channel(planes, factors, output);
                picture.hide(top + first, output, f32::INFINITY);
                for row in output.chunks_exact_mut(width) {
                    min_filter::along_row(row, self.patch_radius, scratch);
                }
            },
        );
        min_filter::down_columns(
            &workspace.map_rows,
            width,
            self.patch_radius,
            0..height,
            &mut workspace.map,
            &mut workspace.minimum_float,
        );
        in_bands(
            height,
            Rows::new(&mut workspace.map, width),
            &mut workspace.minimum_float,
            &|_, _, map, _| dark_channel_prior::raw_transmission(map.into_slice(), omega, scale),
        );
        picture.hide(top, &mut workspace.map, 0.0);
    }

    /// Fills `workspace.map` with the depth of the loaded rows, which begin with row `top` of the picture.
    fn depth<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        top: usize,
        height: usize,
        workspace: &mut Workspace<T>,
    ) {
        let shape = picture.shape;
        let Prior::ColorAttenuation { coefficients, .. } = self.prior else {
            return;
        };
        let width = shape.width;
        let planes = &workspace.planes;
        workspace.map_rows.resize(height * width, 0.0);
        workspace.map.resize(height * width, 0.0);
        in_bands(
            height,
            Rows::new(&mut workspace.map_rows, width),
            &mut workspace.minimum_float,
            &|first, rows, output, _| {
                let pixels = first * width..(first + rows) * width;
                let planes = colors(planes, shape, pixels);
                let output = output.into_slice();
                color_attenuation_prior::depth(planes, coefficients, output);
                picture.hide(top + first, output, f32::INFINITY);
            },
        );
        min_filter(
            &mut workspace.map_rows,
            width,
            self.patch_radius,
            &mut workspace.map,
            &mut workspace.minimum_float,
        );
    }
}

/// Gives pixels without data the samples that they had.
pub(crate) fn keep_what_is_no_data<T: Sample>(picture: &Picture<'_, T>, output: &mut [T]) {
    let Some(data) = picture.data else { return };
    let shape = picture.shape;
    match picture.order {
        Order::Interleaved => {
            let pixels = output
                .chunks_exact_mut(shape.channels)
                .zip(picture.samples.chunks_exact(shape.channels));
            for ((to, from), &is_data) in pixels.zip(data) {
                if !is_data {
                    to.copy_from_slice(from);
                }
            }
        }
        Order::Planar => {
            let planes = output
                .chunks_exact_mut(shape.pixels())
                .zip(picture.samples.chunks_exact(shape.pixels()));
            for (to, from) in planes {
                for ((to, &from), &is_data) in to.iter_mut().zip(from).zip(data) {
                    if !is_data {
                        *to = from;
                    }
                }
            }
        }
    }
}
