//! Pictures inside plots, for what would be too many shapes: points by the ten thousand, heat maps.

use plotters::style::RGBColor;

use crate::image::Image;

/// How many pixels of a picture there are to one of the plot, so that it is crisp on fine screens.
pub const SCALE: u32 = 2;

/// A transparent picture.
pub struct Raster {
    image: Image,
}

impl Raster {
    pub fn new(width: u32, height: u32) -> Raster {
        let (width, height) = (width as usize, height as usize);
        Raster {
            image: Image {
                width,
                height,
                rgba: vec![0; width * height * 4],
            },
        }
    }

    /// Draws a disc with soft edges, over what is there.
    pub fn disc(&mut self, center: (f64, f64), radius: f64, color: RGBColor, alpha: f64) {
        let reach = radius + 1.0;
        let (width, height) = (self.image.width as i64, self.image.height as i64);
        let columns = (center.0 - reach).floor() as i64..=(center.0 + reach).ceil() as i64;
        for y in (center.1 - reach).floor() as i64..=(center.1 + reach).ceil() as i64 {
            for x in columns.clone() {
                if x < 0 || y < 0 || x >= width || y >= height {
                    continue;
                }
                let distance = (x as f64 + 0.5 - center.0).hypot(y as f64 + 0.5 - center.1);
                let cover = (radius + 0.5 - distance).clamp(0.0, 1.0) * alpha;
                if cover > 0.0 {
                    self.blend(((y * width + x) * 4) as usize, color, cover);
                }
            }
        }
    }

    fn blend(&mut self, at: usize, RGBColor(red, green, blue): RGBColor, cover: f64) {
        let below = f64::from(self.image.rgba[at + 3]) / 255.0;
        let alpha = cover + below * (1.0 - cover);
        for (offset, above) in [red, green, blue].into_iter().enumerate() {
            let under = f64::from(self.image.rgba[at + offset]);
            let mixed = (f64::from(above) * cover + under * below * (1.0 - cover)) / alpha;
            self.image.rgba[at + offset] = mixed.round() as u8;
        }
        self.image.rgba[at + 3] = (alpha * 255.0).round() as u8;
    }

    /// Sets one pixel.
    pub fn set(&mut self, x: usize, y: usize, RGBColor(red, green, blue): RGBColor) {
        let at = (y * self.image.width + x) * 4;
        self.image.rgba[at..at + 4].copy_from_slice(&[red, green, blue, 255]);
    }

    pub fn into_image(self) -> Image {
        self.image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_is_opaque_inside_and_clear_outside() {
        let mut raster = Raster::new(20, 20);
        raster.disc((10.0, 10.0), 4.0, RGBColor(10, 20, 30), 1.0);
        let pixel = |x: usize, y: usize| &raster.image.rgba[(y * 20 + x) * 4..][..4];
        assert_eq!(pixel(10, 10), [10, 20, 30, 255]);
        assert_eq!(pixel(0, 0), [0, 0, 0, 0]);
        let edge = pixel(13, 12)[3];
        assert!(edge > 0 && edge < 255, "{edge}");
    }
}
