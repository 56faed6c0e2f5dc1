//! Pictures of classes, in a folder for each class or in a list.

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_core::{Error, bail};
use patchbay_show::Result;

use crate::{
    Categories, Dataset, Frame, Image, Rng, Sample, Value,
    decode::{decode_image, read_file},
    read_csv,
    reason::reason,
};

/// The extensions of pictures.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "tif", "tiff", "bmp"];

/// Which bands are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) enum Bands {
    #[default]
    All,
    Rgb,
    These(Vec<usize>),
}

impl Bands {
    pub fn of(&self, image: Image, name: &str) -> Result<Image> {
        let chosen = match self {
            Bands::All => return Ok(image),
            Bands::Rgb if image.bands == 3 => return Ok(image),
            Bands::Rgb => image.to_rgb(),
            Bands::These(bands) => image.select(bands),
        };
        chosen.map_err(|error| Error::Msg(format!("{name}: {}", reason(&error))))
    }
}

/// Whether a file is a picture by its name.
pub(crate) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// The entries of a folder in the order of their names.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed =
        |error: std::io::Error| Error::Msg(format!("{} cannot be read: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The pictures below a folder.
pub(crate) fn pictures(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            pictures(&path, found)?;
        } else if is_picture(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Pictures with their classes: torchvision's `ImageFolder`. Files are read and decoded when the loader's threads ask for them.
///
/// A sample has `image` and `label`. JPEG, PNG, TIFF and BMP are read, of 8 and 16 bits, with all bands.
///
/// ```no_run
/// use data::transforms::{Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop};
/// use patchbay::prelude::*;
/// let folder = data::ImageFolder::new("flowers/train")?.rgb();      // flowers/train/rose/0001.jpg, flowers/train/tulip/...
/// let loader = data::DataLoader::new(folder)
///     .batch_size(32)
///     .shuffle(1)
///     .transform(Compose::new().add(RandomResizedCrop::new(224)).add(RandomHorizontalFlip::new(0.5)).add(Normalize::imagenet()));
/// for batch in progress(&loader) {
///     let (images, labels) = batch?.pair()?;
/// }
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    files: Vec<(PathBuf, usize)>,
    classes: Vec<String>,
    bands: Bands,
}

impl ImageFolder {
    /// Of a folder with a folder for each class, whose names in order are the classes.
    ///
    /// # Errors
    ///
    /// Fails where there are no such folders, and where one has no pictures.
    pub fn new(folder: impl AsRef<Path>) -> Result<ImageFolder> {
        let folder = folder.as_ref();
        let mut files = Vec::new();
        let mut classes = Vec::new();
        for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let class = classes.len();
            let mut found = Vec::new();
            pictures(&path, &mut found)?;
            let name = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            if found.is_empty() {
                bail!(
                    "the class {name} has no pictures in {} (their names end in {})",
                    path.display(),
                    EXTENSIONS.join(", ")
                );
            }
            files.extend(found.into_iter().map(|path| (path, class)));
            classes.push(name);
        }
        if classes.is_empty() {
            bail!(
                "{} has no folders: expected one for each class, with its pictures in it. A list of pictures is read by \
                 data::ImageFolder::from_csv(\"list.csv\", \"path\", \"label\")",
                folder.display()
            );
        }
        Ok(ImageFolder {
            files,
            classes,
            bands: Bands::All,
        })
    }

    /// Of a CSV file with a column of paths, which are taken from the file's folder, and one of classes.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read or has no such columns, and at missing values.
    pub fn from_csv(list: impl AsRef<Path>, path: &str, label: &str) -> Result<ImageFolder> {
        let list = list.as_ref();
        let frame = read_csv(list)?;
        let folder = list.parent().unwrap_or(Path::new(""));
        ImageFolder::from_frame(&frame, folder, path, label)
    }

    /// Of a frame with a column of paths, which are taken from `folder`, and one of classes.
    ///
    /// # Errors
    ///
    /// Fails where there are no such columns or no rows, and at missing values.
    pub fn from_frame(
        frame: &Frame,
        folder: impl AsRef<Path>,
        path: &str,
        label: &str,
    ) -> Result<ImageFolder> {
        let folder = folder.as_ref();
        let paths = frame.texts(path)?;
        let categories = Categories::of(frame, label)?;
        let labels = categories.encode(frame)?;
        if paths.is_empty() {
            bail!("the list has no rows");
        }
        let files = paths
            .into_iter()
            .zip(labels)
            .map(|(path, label)| (folder.join(path), label as usize))
            .collect();
        Ok(ImageFolder {
            files,
            classes: categories.names().to_vec(),
            bands: Bands::All,
        })
    }

    /// Makes all pictures RGB: gray three times, alpha left out.
    pub fn rgb(mut self) -> ImageFolder {
        self.bands = Bands::Rgb;
        self
    }

    /// Takes these bands only, in this order.
    pub fn bands(mut self, bands: &[usize]) -> ImageFolder {
        self.bands = Bands::These(bands.to_vec());
        self
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of each picture, for splits and samplers.
    pub fn labels(&self) -> Vec<usize> {
        self.files.iter().map(|&(_, class)| class).collect()
    }

    /// How many pictures each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &(_, class) in &self.files {
            counts[class] += 1;
        }
        counts
    }

    /// The files in their order.
    pub fn paths(&self) -> Vec<&Path> {
        self.files.iter().map(|(path, _)| path.as_path()).collect()
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize, _rng: &mut Rng) -> Result<Sample> {
        let (path, class) = &self.files[index];
        let name = path.display().to_string();
        let image = decode_image(&read_file(path)?, &name)?;
        let image = self.bands.of(image, &name)?;
        Ok(Sample::new()
            .with("image", Value::Image(image))
            .with("label", Value::Class(*class as i64))
            .from_source(name))
    }

    fn name_of(&self, index: usize) -> String {
        self.files[index].0.display().to_string()
    }
}
