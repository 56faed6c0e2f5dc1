//! Samples in tar files, as WebDataset lays them out.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use candle_core::{Error, bail};
use patchbay_show::Result;

use crate::{
    Dataset, Rng, Sample, Value, arrays,
    decode::{check_classes, decode_image, decode_mask},
    image_folder::Bands,
};

/// A file in a tar file.
#[derive(Clone, Debug)]
struct Member {
    extension: String,
    offset: u64,
    size: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    shard: usize,
    key: String,
    members: Vec<Member>,
}

/// Samples of tar files in WebDataset's layout: files that have the same name up to the first point are one sample.
///
/// `jpg`, `png`, `tif` become `image`; `cls` (an integer) `label`; `mask.png` or `seg.png` `mask`; `npy` `array`; `txt` and `json` texts under
/// these names. Other files are left out. The tar files are looked through once for where things are, then read at these places: there
/// is an order, a length and an index as in any data set, so that they can be shuffled as a whole and resumed.
///
/// ```no_run
/// use patchbay::prelude::*;
/// let shards = data::TarShards::open(&["train-0000.tar", "train-0001.tar"])?;
/// let loader = data::DataLoader::new(shards).batch_size(32).shuffle(1);
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TarShards {
    shards: Vec<PathBuf>,
    entries: Vec<Entry>,
    ignore: Option<u16>,
    classes: Option<usize>,
    bands: Bands,
}

impl TarShards {
    /// Of tar files, in this order.
    ///
    /// # Errors
    ///
    /// Fails where one cannot be read, is compressed or truncated, and where there are no samples.
    pub fn open<P: AsRef<Path>>(shards: &[P]) -> Result<TarShards> {
        let shards: Vec<PathBuf> = shards.iter().map(|path| path.as_ref().to_owned()).collect();
        let mut entries: Vec<Entry> = Vec::new();
        for (shard, path) in shards.iter().enumerate() {
            look_through(shard, path, &mut entries)?;
        }
        if entries.is_empty() {
            bail!("there are no samples in {} tar files", shards.len());
        }
        Ok(TarShards {
            shards,
            entries,
            ignore: None,
            classes: None,
            bands: Bands::All,
        })
    }

    /// The value of a mask's pixels that do not count.
    pub fn ignore(mut self, value: u16) -> TarShards {
        self.ignore = Some(value);
        self
    }

    /// How many classes there are: another label, or a mask's pixel of another class, is an error.
    pub fn classes(mut self, classes: usize) -> TarShards {
        self.classes = Some(classes);
        self
    }

    /// Makes all pictures RGB: gray three times, alpha left out.
    pub fn rgb(mut self) -> TarShards {
        self.bands = Bands::Rgb;
        self
    }

    /// The keys of the samples.
    pub fn keys(&self) -> Vec<&str> {
        self.entries
            .iter()
            .map(|entry| entry.key.as_str())
            .collect()
    }
}

fn look_through(shard: usize, path: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::Msg(format!("{} cannot be read: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut first = [0u8; 2];
    let has_two = file.read(&mut first).map_err(failed)? == 2;
    if has_two && first == [0x1f, 0x8b] {
        bail!(
            "{} is compressed, so that nothing in it has a place: gunzip it first",
            path.display()
        );
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut known: HashMap<String, usize> = HashMap::new();
    for member in archive.entries_with_seek().map_err(failed)? {
        let member = member.map_err(|error| {
            Error::Msg(format!(
                "{} is no tar file, or broken: {error}",
                path.display()
            ))
        })?;
        if !member.header().entry_type().is_file() {
            continue;
        }
        let name = member
            .path()
            .map_err(failed)?
            .to_string_lossy()
            .into_owned();
        let (folder, file_name) = name
            .rsplit_once('/')
            .map_or(("", &name[..]), |(folder, name)| (folder, name));
        let Some((stem, extension)) = file_name.split_once('.') else {
            continue;
        };
        if stem.is_empty() {
            continue;
        }
        let key = match folder {
            "" => stem.to_owned(),
            folder => format!("{folder}/{stem}"),
        };
        let (offset, size) = (member.raw_file_position(), member.size());
        if offset.checked_add(size).is_none_or(|end| end > length) {
            bail!(
                "{} is truncated: {name} ends behind the file",
                path.display()
            );
        }
        let member = Member {
            extension: extension.to_ascii_lowercase(),
            offset,
            size,
        };
        match known.get(&key) {
            Some(&place) => entries[place].members.push(member),
            None => {
                known.insert(key.clone(), entries.len());
                entries.push(Entry {
                    shard,
                    key,
                    members: Vec::from([member]),
                });
            }
        }
    }
    Ok(())
}

impl Dataset for TarShards {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, index: usize, _rng: &mut Rng) -> Result<Sample> {
        let entry = &self.entries[index];
        let source = self.name_of(index);
        let failed =
            |error: std::io::Error| Error::Msg(format!("{source} cannot be read: {error}"));
        let mut file = File::open(&self.shards[entry.shard]).map_err(failed)?;
        let mut sample = Sample::new().from_source(&source);
        let mut last = Vec::new();
        for member in &entry.members {
            let name = format!("{source}.{}", member.extension);
            file.seek(SeekFrom::Start(member.offset)).map_err(failed)?;
            let mut bytes = Vec::new();
            (&file)
                .take(member.size)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            let text = |bytes: Vec<u8>| {
                String::from_utf8(bytes).map_err(|_| Error::Msg(format!("{name} is no UTF-8")))
            };
            match member.extension.as_str() {
                "jpg" | "jpeg" | "png" | "tif" | "tiff" | "bmp" => {
                    let image = self.bands.of(decode_image(&bytes, &name)?, &name)?;
                    sample.set("image", Value::Image(image));
                }
                "mask.png" | "seg.png" | "mask.tif" | "seg.tif" => {
                    let mask = decode_mask(&bytes, &name, self.ignore)?;
                    if let Some(classes) = self.classes {
                        check_classes(&mask, classes, &name)?;
                    }
                    last.push(("mask", Value::Mask(mask)));
                }
                "cls" => {
                    let text = text(bytes)?;
                    let Ok(class) = text.trim().parse::<i64>() else {
                        bail!("{name} has \"{}\"; a class is an integer", text.trim());
                    };
                    let is_beyond = |classes: usize| {
                        usize::try_from(class).map_or(true, |class| class >= classes)
                    };
                    if let Some(classes) = self.classes.filter(|&classes| is_beyond(classes)) {
                        bail!("{name} is the class {class}; there are {classes}, from 0");
                    }
                    last.push(("label", Value::Class(class)));
                }
                "txt" => last.push(("txt", Value::Text(text(bytes)?))),
                "json" => last.push(("json", Value::Text(text(bytes)?))),
                "npy" => last.push(("array", Value::Tensor(arrays::parse_npy(&bytes, &name)?))),
                _ => {}
            }
        }
        // The image is the first of a pair, wherever it is in the file.
        last.sort_by_key(|(name, _)| match *name {
            "label" | "mask" => 0,
            _ => 1,
        });
        for (name, value) in last {
            sample.set(name, value);
        }
        Ok(sample)
    }

    fn name_of(&self, index: usize) -> String {
        let entry = &self.entries[index];
        format!("{}:{}", self.shards[entry.shard].display(), entry.key)
    }
}
