//! The settings of transposed convolutions.

/// The settings of [`crate::conv_transpose2d`]. Each pair is (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose2d {
    /// The step of the kernel over the output's rows and columns.
    pub stride: (usize, usize),
    /// How many rows and columns of the result are left out at each side.
    pub padding: (usize, usize),
    /// How many rows and columns are added at the end: a strided convolution takes several sizes to one.
    pub output_padding: (usize, usize),
    /// The distance of the kernel's taps in rows and columns.
    pub dilation: (usize, usize),
    /// Into how many parts the channels are divided; each part of the outputs sees one part of the inputs.
    pub groups: usize,
}

impl Default for ConvTranspose2d {
    fn default() -> ConvTranspose2d {
        ConvTranspose2d {
            stride: (1, 1),
            padding: (0, 0),
            output_padding: (0, 0),
            dilation: (1, 1),
            groups: 1,
        }
    }
}

/// The settings of [`crate::conv_transpose1d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose1d {
    /// The step of the kernel over the output.
    pub stride: usize,
    /// How much is taken off each end of the output.
    pub padding: usize,
    /// How much is added to the output's end, less than the stride or the dilation.
    pub output_padding: usize,
    /// The distance of the kernel's taps.
    pub dilation: usize,
    /// The number of groups of channels that do not see one another.
    pub groups: usize,
}

impl Default for ConvTranspose1d {
    fn default() -> ConvTranspose1d {
        ConvTranspose1d {
            stride: 1,
            padding: 0,
            output_padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}
