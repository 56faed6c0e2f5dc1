//! One file of a data set, from its bytes to its result in place.

use std::{
    fs,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Instant,
};

use patchbay_files::{Access, create_new};

use super::{
    Settings, Times, cannot_write,
    memory::{Budget, Share},
    output_folder::OutputFolder,
    report::ReportRow,
    settings::hash,
};
use crate::{
    aod_net::{AodNet, Buffers},
    codec::{self, Extras, Header, Samples},
    dehazer::{Dehazer, Prior, keep_what_is_no_data},
    picture::{Order, Picture},
    sample::Sample,
    workspace::Workspace,
};

/// How a data set is dehazed.
#[derive(Clone, Debug)]
pub enum Method {
    /// By a prior and the guided filter.
    Prior(Dehazer),
    /// By the network AOD-Net, with these weights.
    AodNet(AodNet),
}

impl Method {
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Method::Prior(dehazer) => dehazer.check(),
            Method::AodNet(_) => Ok(()),
        }
    }

    /// One line that is equal for equal results.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Method::Prior(dehazer) => format!("{dehazer:?}"),
            Method::AodNet(net) => format!(
                "AOD-Net, weights {:016x}",
                hash(format!("{net:?}").as_bytes())
            ),
        }
    }
}

/// What became of a file.
pub enum Outcome {
    Dehazed,
    Copied(&'static str),
    Unreadable(String),
}

/// What AOD-Net's planes of a strip take.
const AOD_NET_BYTES: u64 = 100 << 20;

/// Buffers larger than this are not kept for the next picture.
const KEPT_BYTES: u64 = 64 << 20;

/// One thread's place of work.
pub struct Worker<'a> {
    settings: &'a Settings,
    pub times: Times,
    file: Vec<u8>,
    result: Vec<u8>,
    input: Samples,
    output: Samples,
    eight: Workspace<u8>,
    sixteen: Workspace<u16>,
    net: Buffers,
    pub folder: OutputFolder,
}

impl<'a> Worker<'a> {
    pub fn new(settings: &'a Settings) -> Worker<'a> {
        Worker {
            settings,
            times: Times::default(),
            file: Vec::new(),
            result: Vec::new(),
            input: Samples::default(),
            output: Samples::default(),
            eight: Workspace::new(1),
            sixteen: Workspace::new(1),
            net: Buffers::new(1),
            folder: OutputFolder::default(),
        }
    }

    /// Dehazes one file.
    ///
    /// # Errors
    ///
    /// Fails where the result cannot be written; what is wrong with the file itself is an
    /// [`Outcome`].
    pub fn dehaze(
        &mut self,
        path: &Path,
        place: &Path,
        budget: &Budget,
        row: &mut ReportRow,
    ) -> Result<Outcome, String> {
        // A decoder that meets what its author did not think of costs its picture, and no other.
        let done = catch_unwind(AssertUnwindSafe(|| self.in_work(path, place, budget, row)));
        done.unwrap_or_else(|_| {
            self.forget();
            Ok(Outcome::Unreadable(
                "the decoder has failed (it panicked); the file is broken".to_owned(),
            ))
        })
    }

    /// Gives the buffers back.
    fn forget(&mut self) {
        let times = self.times;
        *self = Worker::new(self.settings);
        self.times = times;
    }

    fn in_work(
        &mut self,
        path: &Path,
        place: &Path,
        budget: &Budget,
        row: &mut ReportRow,
    ) -> Result<Outcome, String> {
        let (header, share, bytes) = match self.read(path, budget, row) {
            Ok(found) => found,
            Err(reason) => return Ok(Outcome::Unreadable(reason)),
        };
        let outcome = self.decoded(place, &header, row);
        if bytes > KEPT_BYTES {
            self.forget();
        }
        drop(share);
        outcome
    }

    /// Reads a file and its header, and waits for the memory that it will take.
    fn read<'b>(
        &mut self,
        path: &Path,
        budget: &'b Budget,
        row: &mut ReportRow,
    ) -> Result<(Header, Share<'b>, u64), String> {
        // The file comes first, then what its header says: nothing is read that has no room.
        let mut share = budget.take(row.bytes)?;
        self.read_file(path, row.bytes)?;
        let start = Instant::now();
        let header = codec::header(&self.file)?;
        row.header = Some(header);
        self.times.decode += start.elapsed().as_secs_f64();
        let bytes = row
            .bytes
            .saturating_add(self.settings.method.memory(&header))
            .saturating_add(codec::memory(&self.file, &header));
        if !budget.try_grow(&mut share, bytes) {
            // Who waits holds nothing, else all could wait for one another.
            drop(share);
            self.file = Vec::new();
            share = budget.take(bytes)?;
            self.read_file(path, row.bytes)?;
            if codec::header(&self.file)? != header {
                return Err("the file changes while it is read".to_owned());
            }
        }
        Ok((header, share, bytes))
    }

    /// Reads a file that has so many bytes.
    fn read_file(&mut self, path: &Path, bytes: u64) -> Result<(), String> {
        let start = Instant::now();
        self.file.clear();
        let length = usize::try_from(bytes).map_err(|_| "too large for this machine")?;
        self.file
            .try_reserve_exact(length + 1)
            .map_err(|_| format!("there is no memory for its {bytes} bytes"))?;
        open_input(path)
            .and_then(|file| file.take(bytes + 1).read_to_end(&mut self.file))
            .map_err(|error| error.to_string())?;
        self.times.read += start.elapsed().as_secs_f64();
        if self.file.len() as u64 != bytes {
            return Err("the file changes while it is read".to_owned());
        }
        Ok(())
    }

    fn decoded(
        &mut self,
        place: &Path,
        header: &Header,
        row: &mut ReportRow,
    ) -> Result<Outcome, String> {
        let start = Instant::now();
        let extras = codec::decode(&self.file, header, &mut self.input);
        self.times.decode += start.elapsed().as_secs_f64();
        let extras = match extras {
            Ok(extras) => extras,
            Err(reason) => return Ok(Outcome::Unreadable(reason)),
        };
        extras.left_out().clone_into(&mut row.reason);
        let start = Instant::now();
        let done = if header.bits == 8 {
            let done = apply(
                self.settings,
                header,
                (&self.input.bytes, &extras),
                &mut self.output.bytes,
                (&mut self.eight, &mut self.net),
                row,
            );
            if let Ok(None) = done {
                keep_off_no_data(&mut self.output.bytes, header, &extras);
            }
            done
        } else {
            self.sixteen(header, &extras, row)
        };
        self.times.dehaze += start.elapsed().as_secs_f64();
        match done {
            Ok(None) => {
                if let Err(reason) = self.encode(header, &extras) {
                    return Ok(Outcome::Unreadable(reason));
                }
                self.write(place, true)?;
                Ok(Outcome::Dehazed)
            }
            Ok(Some(reason)) => {
                self.write(place, false)?;
                Ok(Outcome::Copied(reason))
            }
            Err(reason) => Ok(Outcome::Unreadable(reason)),
        }
    }

    /// Dehazes 16 bits, of which fewer may be in use.
    fn sixteen(
        &mut self,
        header: &Header,
        extras: &Extras,
        row: &mut ReportRow,
    ) -> Result<Option<&'static str>, String> {
        let told = self.settings.white.or(extras.white());
        let white = told.unwrap_or(u16::MAX);
        let greatest = greatest_data(&self.input.words, header, extras);
        if greatest > white {
            return Err(format!(
                "it has samples up to {greatest}, and its white is {white}: give --white {}",
                codec::fewest_bits(greatest)
            ));
        }
        let mut done = self.sixteen_of(white, header, extras, row)?;
        // What is black or clear by the white of 16 bits may be as light as can be by that of 12.
        let fewest = codec::fewest_bits(greatest);
        if done.is_some() && told.is_none() && fewest < u16::MAX {
            let again = self.sixteen_of(fewest, header, extras, row)?;
            if again.is_none() {
                return Err(format!(
                    "its samples are at most {greatest}: {} by the white of 16 bits, and not by that of fewer: give --white \
                     {fewest}, or --white 65535",
                    done.unwrap_or_default()
                ));
            }
            done = again;
        }
        Ok(done)
    }

    /// With so much as white.
    fn sixteen_of(
        &mut self,
        white: u16,
        header: &Header,
        extras: &Extras,
        row: &mut ReportRow,
    ) -> Result<Option<&'static str>, String> {
        let is_scaled = white < u16::MAX;
        let own: Vec<u16>;
        let words: &[u16] = if is_scaled {
            let scale = |&word: &u16| scaled(word, white.into(), u16::MAX.into());
            own = self.input.words.iter().map(scale).collect();
            &own
        } else {
            &self.input.words
        };
        let done = apply(
            self.settings,
            header,
            (words, extras),
            &mut self.output.words,
            (&mut self.sixteen, &mut self.net),
            row,
        )?;
        if done.is_none() {
            if is_scaled {
                for word in &mut self.output.words {
                    *word = scaled(*word, u16::MAX.into(), white.into());
                }
                self.restore(header, extras);
            }
            keep_off_no_data(&mut self.output.words, header, extras);
        }
        Ok(done)
    }

    /// Puts alpha and what is no data back as they were: they may be above white.
    fn restore(&mut self, header: &Header, extras: &Extras) {
        let shape = header.shape;
        let pixels = self.output.words.chunks_exact_mut(shape.channels);
        for (pixel, (to, from)) in pixels
            .zip(self.input.words.chunks_exact(shape.channels))
            .enumerate()
        {
            if extras.data().is_some_and(|data| !data[pixel]) {
                to.copy_from_slice(from);
            }
            let colors = shape.colors();
            to[colors..].copy_from_slice(&from[colors..]);
        }
    }

    fn encode(&mut self, header: &Header, extras: &Extras) -> Result<(), String> {
        let start = Instant::now();
        let done = codec::encode(
            header,
            &self.output,
            extras,
            self.settings.quality,
            &mut self.result,
        );
        self.times.encode += start.elapsed().as_secs_f64();
        done
    }

    /// Puts the result, or the file as it was read, in its place in one step.
    fn write(&mut self, place: &Path, result: bool) -> Result<(), String> {
        let start = Instant::now();
        let bytes = if result { &self.result } else { &self.file };
        let done = write_in_one_step(place, bytes).map_err(|error| cannot_write(place, &error));
        self.times.write += start.elapsed().as_secs_f64();
        done
    }
}

/// A sample that is as large a part of one white as it was of another.
fn scaled(word: u16, from: u32, to: u32) -> u16 {
    let word = u32::from(word).min(from);
    u16::try_from((word * to + from / 2) / from).unwrap_or(u16::MAX)
}

/// The largest sample of the colors of pixels that are data.
fn greatest_data(words: &[u16], header: &Header, extras: &Extras) -> u16 {
    let shape = header.shape;
    let mut greatest = 0;
    for (pixel, samples) in words.chunks_exact(shape.channels).enumerate() {
        if extras.data().is_none_or(|data| data[pixel]) {
            for &sample in &samples[..shape.colors()] {
                greatest = greatest.max(sample);
            }
        }
    }
    greatest
}

/// Moves pixels that are data and have become the no-data value in all colors by one step, as GDAL does.
fn keep_off_no_data<T: Sample + TryFrom<u32>>(output: &mut [T], header: &Header, extras: &Extras) {
    let Some(no_data) = extras.no_data() else {
        return;
    };
    let (Ok(value), Ok(beside)) = (
        T::try_from(no_data),
        T::try_from(no_data.checked_sub(1).unwrap_or(1)),
    ) else {
        return;
    };
    let shape = header.shape;
    for (pixel, samples) in output.chunks_exact_mut(shape.channels).enumerate() {
        let colors = &mut samples[..shape.colors()];
        if extras.data().is_none_or(|data| data[pixel])
            && colors.iter().all(|&sample| sample == value)
        {
            colors[0] = beside;
        }
    }
}

/// Dehazes samples, or says why they are left as they are.
fn apply<T: Sample>(
    settings: &Settings,
    header: &Header,
    (input, extras): (&[T], &Extras),
    output: &mut Vec<T>,
    (workspace, net): (&mut Workspace<T>, &mut Buffers),
    row: &mut ReportRow,
) -> Result<Option<&'static str>, String> {
    let mut picture = Picture::new(input, header.shape, Order::Interleaved)?;
    if let Some(data) = extras.data() {
        if !data.contains(&true) {
            return Ok(Some("no data"));
        }
        picture = picture.with_data(data)?;
    }
    let own;
    let dehazer = match &settings.method {
        Method::Prior(dehazer) => dehazer,
        Method::AodNet(_) => {
            own = Dehazer::dark_channel_prior();
            &own
        }
    };
    let by_dark_channel = matches!(dehazer.prior, Prior::DarkChannel { .. });
    if settings.skip.is_some() || by_dark_channel {
        dehazer.dark_channel(&picture, workspace);
    }
    if let Some(skip) = &settings.skip
        && let Some(reason) = skip.reason(&picture, workspace.dark())
    {
        return Ok(Some(reason));
    }
    output.resize(input.len(), T::default());
    match &settings.method {
        Method::Prior(dehazer) => {
            let found = dehazer.run_after_dark_channel(&picture, output, None, workspace);
            row.found(found.airlight, &found.transmission);
        }
        Method::AodNet(network) => {
            network.run(&picture, output, net);
            keep_what_is_no_data(&picture, output);
        }
    }
    Ok(None)
}

impl Method {
    /// About how many bytes a picture takes while it is in work.
    fn memory(&self, header: &Header) -> u64 {
        let pixels = header.shape.pixels() as u64;
        let sample = u64::from(header.bits / 8);
        let pictures = 2 * header.shape.samples() as u64 * sample;
        let Method::Prior(dehazer) = self else {
            return pictures + pixels * 2 * sample + AOD_NET_BYTES;
        };
        // The dark channel and a copy of it (or depth) stay whole; the rest is of a strip.
        let whole = pixels * 8;
        let strip = dehazer.strip_pixels(header.shape) as u64 * 64;
        // Fewer than 16 bits are brought to 16 in a buffer of their own.
        let scaled = if header.bits == 16 { pictures / 2 } else { 0 };
        pictures + scaled + whole + strip
    }
}

/// Opens a file of a data set: a regular one, which may be behind a link.
fn open_input(path: &Path) -> io::Result<fs::File> {
    patchbay_files::open(&path.canonicalize()?)
}

/// Writes a file so that it is there complete or not at all.
fn write_in_one_step(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let name = place.file_name().unwrap_or_default().as_encoded_bytes();
    let aside = folder.join(format!(".{:016x}.partial", hash(name)));
    // What a killed run has left goes first; what others have put there, a link for instance, is not written to.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = create_new(&aside, Access::Umask.file(false))
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, place));
    if written.is_err() {
        // What could not be finished takes no space; the error that is told is the first one.
        let _ = fs::remove_file(&aside);
    }
    written
}
