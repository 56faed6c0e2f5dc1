//! `patchbay dehaze`: a folder of pictures into another folder.
//!
//! The work is in this process, so that whoever kills it kills the work, too.

use std::{
    env,
    io::{self, IsTerminal, stderr},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use patchbay_dehaze_core::{
    Dehazer, Guide,
    aod_net::AodNet,
    runner::{self, Attempted, Method, Progress, Settings, Shard, Summary, default_memory},
    skip::SkipRule,
    weights,
};

/// Remove the haze from a folder of pictures (JPEG, PNG, TIFF, BMP; any depth of folders)
#[derive(Debug, Args)]
#[command(after_help = "\
A run that was stopped or killed goes on when the same command is given again.
Black, white and clear pictures are copied as they are (--all dehazes them, too): 99 % of the
pixels below 8 or above 247 of 255 in all channels; 90 % of the dark channel below 25 of 255.
Pixels without data (GDAL's no-data value; alpha 0 in a GeoTIFF) take no part and stay as they are.
OUT/dehaze-report.csv has a line for each picture. What a result would lose (bands beside the colors
and alpha, pages) is not dehazed, and the line says what to do. The exit code is 3 where some files
could not be read, and 1 where none could or there are none.

Examples:
  patchbay dehaze hazy clear
  patchbay dehaze hazy clear --method aod-net
  patchbay dehaze hazy clear --shard $SLURM_ARRAY_TASK_ID/8")]
pub struct Arguments {
    /// The folder with the pictures
    input: PathBuf,
    /// Where the results go, under the same names; made if it is not there
    output: PathBuf,
    #[arg(long, value_enum, default_value = "dcp")]
    method: MethodName,
    /// What guides the refinement [default: gray for dcp, color for cap]
    #[arg(long, value_enum)]
    guide: Option<GuideName>,
    /// Refine at 1 / this of the size
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    subsampling: u16,
    /// dcp: how much of the haze goes, 0 to 1
    #[arg(long, default_value_t = 0.95)]
    omega: f32,
    /// The side of the minimum's window in pixels, odd
    #[arg(long, default_value_t = 15)]
    patch: usize,
    /// The guided filter's radius in pixels
    #[arg(long, default_value_t = 60)]
    radius: usize,
    /// aod-net: a file of weights (.pth or .safetensors) in place of those that are built in
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Dehaze black, white and clear pictures, too
    #[arg(long)]
    all: bool,
    /// JPEG's quality, 1 to 100
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// What of 16 bits is white: 4095 for 12 bits [default: as the file says, else 65535]
    #[arg(long, value_parser = clap::value_parser!(u16).range(255..))]
    white: Option<u16>,
    /// Pictures side by side [default: one a processor]
    #[arg(long)]
    threads: Option<usize>,
    /// Memory for the pictures in work: 500M, 2G [default: three quarters of what is free]
    #[arg(long, value_parser = bytes)]
    memory: Option<u64>,
    /// One of several runs that share the work: NUMBER/COUNT, from 1/COUNT
    #[arg(long, default_value = "1/1")]
    shard: Shard,
    /// Dehaze this picture for a run that waits for it, and print its line of the report
    #[arg(long, hide = true, value_name = "NAME")]
    only: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    /// Dark channel prior
    Dcp,
    /// Color attenuation prior
    Cap,
    /// AOD-Net, a small network
    AodNet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GuideName {
    Gray,
    #[value(alias = "colour")]
    Color,
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("bytes are a number with K, M or G behind it, not {text}"))
}

/// Dehazes the folder, with progress on a terminal and a summary at the end.
///
/// # Errors
///
/// Says which setting or folder cannot be used, and what to type.
pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let settings = settings(arguments)?;
    if let Some(name) = &arguments.only {
        end_with_stdin();
        let line = runner::run_one(&arguments.input, &arguments.output, &settings, name)
            .map_err(|error| anyhow!(error))?;
        print!("{line}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut view = View::new();
    let summary = runner::run_with(
        &arguments.input,
        &arguments.output,
        &settings,
        Some(&attempt),
        |progress| {
            view.show(progress);
            true
        },
    );
    view.finish();
    let summary = summary.map_err(|error| anyhow!(error))?;
    print_summary(&summary);
    let progress = summary.progress;
    let unreadable = progress.unreadable + progress.unreadable_before;
    let readable = progress.finished() + progress.before - unreadable;
    Ok(match (unreadable, readable) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::FAILURE,
        _ => ExitCode::from(SOME_UNREADABLE),
    })
}

/// The exit code where some files could not be read.
const SOME_UNREADABLE: u8 = 3;

/// Dehazes one picture in a process of its own, with the arguments of this one: it was in work when a run was killed, and may
/// have killed it.
fn attempt(name: &str) -> Result<Attempted, String> {
    let failed = |error: io::Error| format!("no process for {name}: {error}");
    let mut child = Command::new(env::current_exe().map_err(failed)?)
        .args(env::args_os().skip(1))
        // A name may begin with a hyphen.
        .arg(format!("--only={name}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Its stdin ends with this process, and it with its stdin.
    let stdin = child.stdin.take();
    let output = child.wait_with_output().map_err(failed)?;
    drop(stdin);
    if output.status.success() {
        return Ok(Attempted::Line(
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ));
    }
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(1) {
        // What is wrong is not the picture: the disk, for instance.
        return Err(words.trim().to_owned());
    }
    let last = words.lines().rev().find(|line| !line.trim().is_empty());
    Ok(Attempted::Died(match last {
        Some(line) => format!("{}: {}", output.status, line.trim()),
        None => output.status.to_string(),
    }))
}

/// Ends this process when whoever started it has ended.
fn end_with_stdin() {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(2);
    });
}

fn settings(arguments: &Arguments) -> Result<Settings> {
    if arguments.patch.is_multiple_of(2) {
        return Err(anyhow!(
            "--patch is odd (its middle is the pixel), not {}",
            arguments.patch
        ));
    }
    let prior = |dehazer: Dehazer| Dehazer {
        patch_radius: arguments.patch / 2,
        guide: match arguments.guide {
            None => dehazer.guide,
            Some(GuideName::Gray) => Guide::Gray,
            Some(GuideName::Color) => Guide::Color,
        },
        filter: patchbay_dehaze_core::guided_filter::GuidedFilter {
            radius: arguments.radius,
            ..dehazer.filter
        },
        subsampling: usize::from(arguments.subsampling),
        ..dehazer
    };
    let method = match arguments.method {
        MethodName::Dcp => {
            let mut dehazer = prior(Dehazer::dark_channel_prior());
            dehazer.prior = patchbay_dehaze_core::Prior::DarkChannel {
                omega: arguments.omega,
            };
            Method::Prior(dehazer)
        }
        MethodName::Cap => Method::Prior(prior(Dehazer::color_attenuation_prior())),
        MethodName::AodNet => Method::AodNet(match &arguments.weights {
            None => AodNet::built_in(),
            Some(path) => weights::read(path)
                .and_then(|tensors| AodNet::from_tensors(&tensors))
                .map_err(|error| anyhow!(error))?,
        }),
    };
    Ok(Settings {
        method,
        skip: (!arguments.all).then(SkipRule::default),
        quality: arguments.quality,
        threads: arguments
            .threads
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        memory: arguments.memory.unwrap_or_else(default_memory),
        shard: arguments.shard,
        white: arguments.white,
    })
}

/// A bar on a terminal, a line every ten seconds elsewhere.
struct View {
    bar: Option<ProgressBar>,
    line: Instant,
}

const LINE_INTERVAL: Duration = Duration::from_secs(10);

impl View {
    fn new() -> View {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_bar:.cyan/blue} {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        View {
            bar,
            line: Instant::now(),
        }
    }

    fn show(&mut self, progress: &Progress) {
        match &self.bar {
            Some(bar) => {
                if let Some(total) = progress.total {
                    bar.set_length(total);
                }
                bar.set_position(progress.finished() + progress.before);
                bar.set_message(text(progress));
            }
            None if self.line.elapsed() >= LINE_INTERVAL => {
                self.line = Instant::now();
                eprintln!("{}", text(progress));
            }
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn text(progress: &Progress) -> String {
    let done = progress.finished() + progress.before;
    let total = progress
        .total
        .map_or("?".to_owned(), |total| total.to_string());
    let left = progress.seconds_left().map_or(String::new(), |seconds| {
        let seconds = seconds.round() as u64;
        format!(
            ", {}:{:02}:{:02} left",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    });
    format!("{done}/{total}, {:.0} a second{left}", progress.rate())
}

fn print_summary(summary: &Summary) {
    let Progress {
        dehazed,
        skipped,
        unreadable,
        before,
        seconds,
        ..
    } = summary.progress;
    println!("dehazed      {dehazed:>9}");
    println!("copied       {skipped:>9}   black, white, clear or without data");
    println!("unreadable   {unreadable:>9}");
    if before > 0 {
        println!("done before  {before:>9}");
    }
    println!(
        "time         {seconds:>9.1} s, {:.0} pictures a second",
        summary.progress.rate()
    );
    let times = summary.times;
    let share = |time: f64| 100.0 * time / times.sum().max(1e-9);
    println!(
        "             {:.0} % decode, {:.0} % dehaze, {:.0} % encode, {:.0} % files",
        share(times.decode),
        share(times.dehaze),
        share(times.encode),
        share(times.read + times.write)
    );
    println!("report       {}", summary.report.display());
}
