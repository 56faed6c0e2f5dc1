//! A whole data set from a cell: `patchbay dehaze` with its report as plots.

use std::path::PathBuf;

use patchbay::{
    display::{DisplayHandle, display},
    interrupt,
    plugin::prelude::*,
    table::Table,
};
use patchbay_dehaze_core::{
    Dehazer, Guide as CoreGuide,
    aod_net::AodNet,
    runner::{self, Method, Progress, ReportRow, Settings, Shard, Summary, default_memory},
    skip::SkipRule,
};

use crate::prior::{Guide, threads};

/// How the pictures are dehazed, with the settings of the components of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum MethodName {
    /// He, Sun, Tang 2009: the dark channel prior, refined by a guided filter.
    DarkChannelPrior,
    /// Zhu, Mai, Shao 2015: the color attenuation prior, refined by a guided filter.
    ColorAttenuationPrior,
    /// Li et al. 2017: the network AOD-Net, with trained weights.
    AodNet,
}

patchbay::config! {
    /// Settings of [`DehazeFolder`].
    pub struct DehazeFolderConfig {
        /// The folder with the pictures, of any depth.
        input: PathBuf,
        /// Where the results go, under the same names.
        output: PathBuf,
        /// How the pictures are dehazed.
        method: MethodName = MethodName::DarkChannelPrior,
        /// What guides the refinement; null: gray for the dark channel prior, color for the other.
        guide: Option<Guide> = None,
        /// Copy black, white and clear pictures as they are.
        skip: bool = true,
        /// JPEG's quality.
        #[schemars(range(min = 1, max = 100))]
        quality: u8 = 95,
        /// What of 16 bits is white, 4095 for 12 bits; null: as the file says, else all.
        white: Option<u16> = None,
        /// Pictures side by side; null: one a processor.
        threads: Option<usize> = None,
        /// Part of the pictures, "1/4" to "4/4" for instance.
        shard: String = "1/1".to_owned(),
    }
}

/// Dehazes a folder.
pub struct DehazeFolder {
    input: PathBuf,
    output: PathBuf,
    settings: Settings,
}

impl Component for DehazeFolder {}

impl Define for DehazeFolder {
    type Kind = dyn Tool;
    type Config = DehazeFolderConfig;
    const ID: &'static str = "tool/dehaze_folder";
    const SUMMARY: &'static str =
        "Dehazes a folder of pictures into another; goes on where it was stopped";
    const DETAILS: Details = Details {
        shapes: "no input; of the pictures that were dehazed, in the order of their paths: airlight [n, 3], \
                 transmission_mean [n], milliseconds [n]",
        example: r#"tool("tool/dehaze_folder", json!({"input": "hazy", "output": "clear"}), &[])?"#,
        ..Details::NONE
    };

    fn build(config: DehazeFolderConfig, _context: &Context) -> Result<Self> {
        let prior = |dehazer: Dehazer| {
            Method::Prior(Dehazer {
                guide: config.guide.map_or(dehazer.guide, CoreGuide::from),
                ..dehazer
            })
        };
        let method = match config.method {
            MethodName::DarkChannelPrior => prior(Dehazer::dark_channel_prior()),
            MethodName::ColorAttenuationPrior => prior(Dehazer::color_attenuation_prior()),
            MethodName::AodNet => Method::AodNet(AodNet::built_in()),
        };
        let shard: Shard = config.shard.parse().map_err(candle::Error::Msg)?;
        Ok(DehazeFolder {
            input: config.input,
            output: config.output,
            settings: Settings {
                method,
                skip: config.skip.then(SkipRule::default),
                quality: config.quality,
                threads: config.threads.unwrap_or_else(threads),
                memory: default_memory(),
                shard,
                white: config.white,
            },
        })
    }

    fn sample(scratch: &Path) -> Result<Sample> {
        let (input, output) = (scratch.join("hazy"), scratch.join("clear"));
        std::fs::create_dir_all(&input)?;
        for name in ["a.png", "b.png"] {
            let values: Vec<f32> = (0..3 * 40 * 50)
                .map(|i| 0.5 + 0.3 * (i as f32 * 0.013).sin())
                .collect();
            let picture = Tensor::from_vec(values, (3, 40, 50), &Device::Cpu)?;
            std::fs::write(input.join(name), patchbay::image(&picture)?.to_png()?)?;
        }
        Ok(Sample::new(json!({"input": input, "output": output})))
    }
}

impl Tool for DehazeFolder {
    fn run(&self, _inputs: &Batch) -> Result<Batch> {
        let mut place: Option<DisplayHandle> = None;
        let summary = runner::run(&self.input, &self.output, &self.settings, |progress| {
            let bar = patchbay::html(bar(progress));
            match &place {
                Some(place) => place.update(&bar),
                None => place = Some(display(&bar)),
            }
            !interrupt::requested()
        });
        let summary = summary.map_err(candle::Error::Msg)?;
        let rows = runner::read_report(&self.output).map_err(candle::Error::Msg)?;
        // What is finished is on the disk: the interrupt ends the cell as any other does.
        interrupt::check();
        display(table(&summary));
        let dehazed: Vec<&ReportRow> = rows
            .iter()
            .filter(|row| row.transmission.is_some())
            .collect();
        let airlight: Vec<f32> = dehazed
            .iter()
            .flat_map(|row| row.airlight.unwrap_or_default())
            .collect();
        let mean: Vec<f32> = dehazed
            .iter()
            .filter_map(|row| Some(row.transmission?[1]))
            .collect();
        let milliseconds: Vec<f64> = dehazed.iter().map(|row| row.milliseconds).collect();
        if !dehazed.is_empty() {
            let plot = patchbay::plot::histogram(mean.clone());
            display(
                &plot
                    .title("mean transmission")
                    .x_label("transmission")
                    .draw()?,
            );
            let light: Vec<f32> = airlight
                .chunks_exact(3)
                .map(|rgb| rgb.iter().sum::<f32>() / 3.0)
                .collect();
            let plot = patchbay::plot::histogram(light);
            display(
                &plot
                    .title("airlight")
                    .x_label("mean of its channels")
                    .draw()?,
            );
        }
        let count = dehazed.len();
        let device = Device::Cpu;
        let named = [
            ("airlight", Tensor::from_vec(airlight, (count, 3), &device)?),
            ("transmission_mean", Tensor::from_vec(mean, count, &device)?),
            (
                "milliseconds",
                Tensor::from_vec(milliseconds, count, &device)?,
            ),
        ];
        Ok(named.map(|(name, tensor)| (name.to_owned(), tensor)).into())
    }
}

fn bar(progress: &Progress) -> String {
    let done = progress.finished() + progress.before;
    let total = progress
        .total
        .map_or("?".to_owned(), |total| total.to_string());
    let left = progress
        .seconds_left()
        .map_or(String::new(), |seconds| format!(", {seconds:.0} s left"));
    format!(
        "<div style=\"font-family:monospace\"><progress value=\"{done}\" max=\"{}\" \
         style=\"width:16em;vertical-align:middle\"></progress> {done}/{total} [{:.0} s{left}, {:.0}/s]</div>",
        progress.total.unwrap_or(done).max(1),
        progress.seconds,
        progress.rate()
    )
}

fn table(summary: &Summary) -> Table {
    let Progress {
        dehazed,
        skipped,
        unreadable,
        before,
        ..
    } = summary.progress;
    Table::new(["", "pictures"])
        .row(["dehazed".to_owned(), dehazed.to_string()])
        .row([
            "copied: black, white, clear or without data".to_owned(),
            skipped.to_string(),
        ])
        .row([
            "unreadable, see the report".to_owned(),
            unreadable.to_string(),
        ])
        .row(["finished by an earlier run".to_owned(), before.to_string()])
}
