//! How large a picture is.

/// The size of a picture and how many channels a pixel has: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB
/// and alpha; where all bands are wanted, as many as the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Samples of a pixel.
    pub channels: usize,
}

impl Shape {
    /// How many pixels there are.
    pub fn pixels(self) -> usize {
        self.width * self.height
    }

    /// How many samples there are.
    pub fn samples(self) -> usize {
        self.pixels() * self.channels
    }

    /// 1 or 3: the channels that are not alpha.
    pub fn colors(self) -> usize {
        if self.channels < 3 { 1 } else { 3 }
    }
}
