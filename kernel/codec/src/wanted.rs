//! What of a file is wanted.

/// What of a file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Gray or RGB, and alpha: palettes and inks become colors, and a file that has more is refused.
    #[default]
    Colors,
    /// All bands of a TIFF, whatever they are, of its first picture; of the other formats the colors.
    Bands,
    /// The numbers that a palette's pixels have, and gray as it is in the file: masks whose pixels are classes.
    Indices,
}
