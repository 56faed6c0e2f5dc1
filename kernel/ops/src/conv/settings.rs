//! The settings of convolutions.

/// The settings of [`crate::conv2d`]. Each pair is (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// The step of the kernel over rows and columns.
    pub stride: (usize, usize),
    /// How many zeros stand around the image.
    pub padding: (usize, usize),
    /// The distance of the kernel's taps in rows and columns.
    pub dilation: (usize, usize),
    /// Into how many parts the channels are divided; each part of the outputs sees one part of the inputs.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Conv2d {
        Conv2d {
            stride: (1, 1),
            padding: (0, 0),
            dilation: (1, 1),
            groups: 1,
        }
    }
}

/// The settings of [`crate::conv1d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1d {
    /// The step of the kernel.
    pub stride: usize,
    /// The zeros at each end.
    pub padding: usize,
    /// The distance of the kernel's taps.
    pub dilation: usize,
    /// The number of groups of channels that do not see one another.
    pub groups: usize,
}

impl Default for Conv1d {
    fn default() -> Conv1d {
        Conv1d {
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}
