//! The report: a line of CSV a picture, and the memory of what is finished.

use std::{
    collections::HashSet,
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use patchbay_files::{Access, create_new};

use super::{
    cannot_write,
    settings::{Shard, hash},
};
use crate::{codec::Header, recover::Statistics};

/// The columns of a report.
pub const REPORT_COLUMNS: &str = "path,bytes,modified_ns,status,reason,format,width,height,channels,bits,\
airlight_red,airlight_green,airlight_blue,transmission_least,transmission_mean,transmission_greatest,milliseconds";

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Dehazed, and the result written.
    Dehazed,
    /// Black, white or clear, and copied as it is.
    Copied,
    /// No picture, or a broken one.
    Unreadable,
}

impl Status {
    /// Returns the word for it in the report: `dehazed`, `copied` or `unreadable`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Dehazed => "dehazed",
            Status::Copied => "copied",
            Status::Unreadable => "unreadable",
        }
    }

    fn of(name: &str) -> Option<Status> {
        [Status::Dehazed, Status::Copied, Status::Unreadable]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// A line of the report.
#[derive(Clone, Debug)]
pub struct ReportRow {
    /// Below the input folder.
    pub path: String,
    /// Size of the input file, in bytes.
    pub bytes: u64,
    /// Time of the input file's last change, in nanoseconds since 1970; 0 where the system does not tell.
    pub modified_ns: u128,
    /// Outcome for this picture.
    pub status: Status,
    /// Reason why the picture was copied or could not be read, or what the result lacks of the input file; empty where
    /// there is nothing to say.
    pub reason: String,
    /// Format, size and bits of the picture. `None` where no header could be read, and in rows from [`read_report`].
    pub header: Option<Header>,
    /// RGB in 0..=1.
    pub airlight: Option<[f32; 3]>,
    /// Least, mean, greatest.
    pub transmission: Option<[f32; 3]>,
    /// Time that one thread took for the picture, from reading to writing, in milliseconds.
    pub milliseconds: f64,
}

impl ReportRow {
    pub(super) fn new(path: String, metadata: &Metadata) -> ReportRow {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        ReportRow {
            path,
            bytes: metadata.len(),
            modified_ns: since.map_or(0, |since| since.as_nanos()),
            status: Status::Dehazed,
            reason: String::new(),
            header: None,
            airlight: None,
            transmission: None,
            milliseconds: 0.0,
        }
    }

    pub(super) fn found(&mut self, airlight: [f32; 3], statistics: &Statistics) {
        self.airlight = Some(airlight);
        self.transmission = Some([statistics.least, statistics.mean(), statistics.greatest]);
    }

    /// A number for the file as it is and what became of it: equal for an unchanged file only.
    pub(super) fn identity(&self, status: Status) -> u64 {
        identity(&self.path, self.bytes, self.modified_ns, status)
    }

    /// The line with its end.
    pub(super) fn line(&self) -> String {
        let shape = self.header.map_or(",,,,".to_owned(), |header| {
            let shape = header.shape;
            format!(
                "{},{},{},{},{}",
                header.format.name(),
                shape.width,
                shape.height,
                shape.channels,
                header.bits
            )
        });
        let three = |values: Option<[f32; 3]>| {
            values.map_or(",,".to_owned(), |[a, b, c]| format!("{a:.5},{b:.5},{c:.5}"))
        };
        format!(
            "{},{},{},{},{},{shape},{},{},{:.3}\n",
            quoted(&self.path),
            self.bytes,
            self.modified_ns,
            self.status.name(),
            quoted(&self.reason),
            three(self.airlight),
            three(self.transmission),
            self.milliseconds
        )
    }

    /// Of a line without its end. `None` for a line that is not whole.
    pub(super) fn parse(line: &str) -> Option<ReportRow> {
        let fields = fields(line)?;
        let [path, bytes, modified, status, reason, rest @ ..] = &fields[..] else {
            return None;
        };
        let [
            _,
            _,
            _,
            _,
            _,
            red,
            green,
            blue,
            least,
            mean,
            greatest,
            milliseconds,
        ] = rest
        else {
            return None;
        };
        let three = |texts: [&String; 3]| -> Option<[f32; 3]> {
            let values: Vec<f32> = texts.iter().filter_map(|text| text.parse().ok()).collect();
            values.try_into().ok()
        };
        Some(ReportRow {
            path: path.clone(),
            bytes: bytes.parse().ok()?,
            modified_ns: modified.parse().ok()?,
            status: Status::of(status)?,
            reason: reason.clone(),
            header: None,
            airlight: three([red, green, blue]),
            transmission: three([least, mean, greatest]),
            milliseconds: milliseconds.parse().ok()?,
        })
    }
}

fn identity(path: &str, bytes: u64, modified_ns: u128, status: Status) -> u64 {
    hash(format!("{path}\0{bytes}\0{modified_ns}\0{}", status.name()).as_bytes())
}

/// A number for a file as it is.
pub(super) fn identity_of_file(path: &str, bytes: u64, modified_ns: u128) -> u64 {
    hash(format!("{path}\0{bytes}\0{modified_ns}").as_bytes())
}

/// As a field of CSV. Line ends become spaces, so that a line is a picture.
fn quoted(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// The fields of a line; `None` where a quote does not end.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut()?;
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!is_quoted).then_some(fields)
}

/// A report that is written.
pub struct Report {
    pub path: PathBuf,
    file: File,
}

impl Report {
    /// Opens or makes the report of a shard, and says what is finished by its [`identity`]s. A line that
    /// a killed run left unfinished is cut off.
    pub fn open(output: &Path, shard: Shard) -> Result<(Report, HashSet<u64>), String> {
        let name = match shard {
            Shard::ALL => "dehaze-report.csv".to_owned(),
            Shard { number, count } => format!("dehaze-report-{number}-of-{count}.csv"),
        };
        let path = output.join(name);
        let failed = |error| cannot_write(&path, &error);
        let mut file = open_to_write(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(format!("another run is writing {}", path.display()));
            }
            // A file system without locks: nothing keeps two runs apart but the user.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut finished = HashSet::new();
        let mut whole = 0;
        let mut line = Vec::new();
        let mut reader = BufReader::new(&file);
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            if line.pop() != Some(b'\n') {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            if whole == 0 && text != REPORT_COLUMNS {
                return Err(format!(
                    "{} is no report of this version; remove it",
                    path.display()
                ));
            }
            whole += line.len() as u64 + 1;
            if let Some(row) = ReportRow::parse(&text) {
                finished.insert(row.identity(row.status));
            }
            line.clear();
        }
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        if whole == 0 {
            file.write_all(format!("{REPORT_COLUMNS}\n").as_bytes())
                .map_err(failed)?;
        }
        Ok((Report { path, file }, finished))
    }

    pub fn add(&mut self, row: &ReportRow) -> Result<(), String> {
        self.add_line(&row.line())
    }

    /// Adds a line with its end.
    pub fn add_line(&mut self, line: &str) -> Result<(), String> {
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Opens a file that is read and written, or makes it. A link, which would lead elsewhere, or a FIFO is an error.
fn open_to_write(path: &Path) -> std::io::Result<File> {
    let mode = Access::Umask.file(false);
    match create_new(path, mode) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    // Only a regular file passes here; the name is its own for as long as nobody renames it.
    let found = patchbay_files::open(path)?.metadata()?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let opened = file.metadata()?;
    if (found.dev(), found.ino()) == (opened.dev(), opened.ino()) {
        Ok(file)
    } else {
        Err(std::io::Error::other("it was replaced while it was opened"))
    }
}

/// The rows of all reports in an output folder, the latest of each picture, by path.
///
/// # Errors
///
/// Fails where a report cannot be read or there is none.
pub fn read_report(output: &Path) -> Result<Vec<ReportRow>, String> {
    let unreadable =
        |error: std::io::Error| format!("cannot read the reports in {}: {error}", output.display());
    let mut rows = std::collections::BTreeMap::new();
    let mut found = false;
    for entry in fs::read_dir(output).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("dehaze-report") || !name.ends_with(".csv") {
            continue;
        }
        found = true;
        let file = BufReader::new(patchbay_files::open(&entry.path()).map_err(unreadable)?);
        for line in file.lines().skip(1) {
            if let Some(row) = ReportRow::parse(&line.map_err(unreadable)?) {
                rows.insert(row.path.clone(), row);
            }
        }
    }
    if !found {
        return Err(format!(
            "no report in {}: nothing was dehazed into it",
            output.display()
        ));
    }
    Ok(rows.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_as_it_was_written() {
        let row = ReportRow {
            path: "a \"b\",c\nd.png".to_owned(),
            bytes: 7,
            modified_ns: 1 << 90,
            status: Status::Unreadable,
            reason: "no, \"end\"".to_owned(),
            header: None,
            airlight: Some([0.5, 0.25, 1.0]),
            transmission: None,
            milliseconds: 1.5,
        };
        let line = row.line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(
            fields(line.trim_end()).unwrap().len(),
            REPORT_COLUMNS.split(',').count()
        );
        let back = ReportRow::parse(line.trim_end()).unwrap();
        assert_eq!(
            (back.path.as_str(), back.reason.as_str()),
            ("a \"b\",c d.png", "no, \"end\"")
        );
        assert_eq!(
            (back.bytes, back.modified_ns, back.status),
            (7, 1 << 90, row.status)
        );
        assert_eq!((back.airlight, back.transmission), (row.airlight, None));
        for cut in 1..line.len() {
            let torn = line.trim_end().get(..cut);
            let parsed = torn.and_then(ReportRow::parse);
            // Of the last field a part is a number, too; the missing line end gives it away.
            assert!(
                parsed.is_none() || cut + "1.500".len() > line.trim_end().len(),
                "{torn:?}"
            );
        }
    }
}
