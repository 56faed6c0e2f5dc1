//! Haze by the atmospheric scattering model, and scenes to put it into.
//!
//! A scene is made of layers of leaves, discs and boxes in random colors that cover each other (the
//! dead leaves model, whose statistics are near those of photographs: Lee, Mumford, Huang, IJCV
//! 2001), before a sky that becomes lighter towards the horizon. Depth grows from the bottom to the
//! top, and each leaf has its own.

/// A picture without haze, `[3, height, width]` in 0..=1, and its depth `[height, width]` in 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Length of a row, in pixels.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Colors without haze, `[3, height, width]` in 0..=1.
    pub clear: Vec<f32>,
    /// Distance from the camera, `[height, width]`: 0 is near and 1 the horizon.
    pub depth: Vec<f32>,
}

/// Haze with transmission e^(-beta depth) and this airlight (RGB in 0..=1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Haze {
    /// Scattering coefficient, per unit of depth: 0 is no haze.
    pub beta: f32,
    /// Color of the haze itself, RGB in 0..=1.
    pub airlight: [f32; 3],
}

impl Haze {
    /// Haze as in RESIDE's indoor set (Li et al., Benchmarking Single-Image Dehazing and Beyond, IEEE
    /// TIP 2019): beta 0.6 to 1.8, airlight 0.7 to 1; here with channels up to 0.03 apart.
    pub fn random(random: &mut Random) -> Haze {
        let airlight = random.between(0.7, 1.0);
        Haze {
            beta: random.between(0.6, 1.8),
            airlight: [(); 3].map(|()| (airlight + random.between(-0.03, 0.03)).clamp(0.0, 1.0)),
        }
    }

    /// The transmission of a depth.
    pub fn transmission(&self, depth: f32) -> f32 {
        (-self.beta * depth).exp()
    }

    /// I = J t + A (1 - t): the hazy picture of a scene, `[3, height, width]`.
    pub fn applied_to(&self, scene: &Scene) -> Vec<f32> {
        let planes = scene
            .clear
            .chunks_exact(scene.depth.len())
            .zip(self.airlight);
        planes
            .flat_map(|(plane, light)| {
                plane.iter().zip(&scene.depth).map(move |(&clear, &depth)| {
                    let t = self.transmission(depth);
                    clear * t + light * (1.0 - t)
                })
            })
            .collect()
    }
}

/// SplitMix64: the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Makes a generator; the same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly distributed.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 / (1u64 << 24) as f32)
    }
}

impl Scene {
    /// A scene of this size; the same seed gives the same scene.
    pub fn generate(width: usize, height: usize, seed: u64) -> Scene {
        let mut random = Random::new(seed);
        let area = width * height;
        let mut scene = Scene {
            width,
            height,
            clear: vec![0.0; 3 * area],
            depth: vec![1.0; area],
        };
        let (top, horizon) = (color(&mut random), random.between(0.0, 0.5));
        for y in 0..height {
            let up = 1.0 - y as f32 / height as f32;
            for x in 0..width {
                for (channel, &top) in top.iter().enumerate() {
                    let light = top + (1.0 - top) * 0.5 * (1.0 - up);
                    scene.clear[channel * area + y * width + x] = light;
                }
            }
        }
        // From far to near, so that what is near covers what is far.
        let leaves = 60 + area / 200;
        for leaf in 0..leaves {
            let near = leaf as f32 / leaves as f32;
            scene.add_leaf(near, horizon, &mut random);
        }
        scene
    }

    fn add_leaf(&mut self, near: f32, horizon: f32, random: &mut Random) {
        let (width, height) = (self.width as f32, self.height as f32);
        let area = self.width * self.height;
        // Sizes fall off with their third power, as those of things seen at random distances do.
        let size =
            (0.02 / random.between(0.02, 1.0).sqrt() + 0.02) * (0.5 + near) * width.max(height);
        let ground = horizon + (1.0 - horizon) * near;
        let center = (
            random.between(0.0, width),
            (ground + random.between(-0.15, 0.15)) * height,
        );
        let depth = (1.0 - near + random.between(-0.1, 0.1)).clamp(0.02, 1.0);
        let (base, other) = (color(random), color(random));
        let aspect = random.between(0.4, 2.5);
        let is_round = random.bits().is_multiple_of(2);
        let (wave, angle) = (random.between(0.02, 0.8), random.between(0.0, 3.2));
        let grain = random.between(0.0, 0.12);
        let (dx, dy) = (size * aspect.sqrt(), size / aspect.sqrt());
        let columns = (center.0 - dx).max(0.0) as usize..(center.0 + dx).clamp(0.0, width) as usize;
        let rows = (center.1 - dy).max(0.0) as usize..(center.1 + dy).clamp(0.0, height) as usize;
        for y in rows {
            for x in columns.clone() {
                let (u, v) = ((x as f32 - center.0) / dx, (y as f32 - center.1) / dy);
                if is_round && u * u + v * v > 1.0 {
                    continue;
                }
                let phase = (x as f32 * angle.cos() + y as f32 * angle.sin()) * wave;
                let mix = 0.5 + 0.5 * phase.sin();
                let noise = random.between(-grain, grain);
                let pixel = y * self.width + x;
                self.depth[pixel] = depth;
                for channel in 0..3 {
                    let light =
                        base[channel] + (other[channel] - base[channel]) * 0.4 * mix + noise;
                    self.clear[channel * area + pixel] = light.clamp(0.0, 1.0);
                }
            }
        }
    }
}

/// A color of which one channel is mostly dark, as in scenes without haze.
fn color(random: &mut Random) -> [f32; 3] {
    let light = random.between(0.05, 1.0);
    let mut color = [(); 3].map(|()| light * random.between(0.3, 1.0));
    let dark = (random.bits() % 3) as usize;
    color[dark] *= random.between(0.0, 0.5);
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haze_is_the_model() {
        let scene = Scene {
            width: 2,
            height: 1,
            clear: vec![0.2, 0.8, 0.0, 0.5, 1.0, 0.1],
            depth: vec![0.0, 1.0],
        };
        let haze = Haze {
            beta: 2f32.ln(),
            airlight: [0.8, 0.9, 1.0],
        };
        let hazy = haze.applied_to(&scene);
        for (got, expected) in hazy.iter().zip([0.2, 0.8, 0.0, 0.7, 1.0, 0.55]) {
            assert!((got - expected).abs() < 1e-6, "{hazy:?}");
        }
    }

    #[test]
    fn a_scene_is_clear_by_the_rule_and_hazy_with_haze() {
        let scene = Scene::generate(160, 120, 3);
        assert_eq!(scene, Scene::generate(160, 120, 3));
        assert_ne!(scene, Scene::generate(160, 120, 4));
        let dark = |planes: &[f32]| {
            let area = scene.depth.len();
            let least = |pixel: usize| (0..3).map(|c| planes[c * area + pixel]).fold(1.0, f32::min);
            (0..area).map(least).sum::<f32>() / area as f32
        };
        let haze = Haze {
            beta: 1.2,
            airlight: [0.9; 3],
        };
        let (clear, hazy) = (dark(&scene.clear), dark(&haze.applied_to(&scene)));
        assert!(clear < 0.25 && hazy > clear + 0.15, "{clear} {hazy}");
    }
}
