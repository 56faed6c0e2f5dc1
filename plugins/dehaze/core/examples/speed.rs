//! Times dehazing of pictures in memory; prints one JSON object a line.
//!
//! `speed FILE WIDTH HEIGHT COUNT WORK THREADS REPEATS`: FILE holds COUNT pictures of raw RGB bytes; WORK is
//! `gray`, `color`, `gray/4`, `color/4` or `cap`. With one picture the threads share it; with several
//! each thread dehazes its own, and the time is that of one picture's share of the whole.
//! tests/bench/dehaze.py runs it beside OpenCV.

use std::{env, fs, process::ExitCode, sync::Mutex, time::Instant};

use patchbay_dehaze_core::{Dehazer, Guide, Order, Picture, Shape, Workspace};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, width, height, count, work, threads, repeats] = &arguments[..] else {
        eprintln!("speed FILE WIDTH HEIGHT COUNT WORK THREADS REPEATS");
        return ExitCode::from(2);
    };
    match measure(file, [width, height, count, threads, repeats], work) {
        Ok(times) => {
            println!("{times:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(file: &str, numbers: [&String; 5], work: &str) -> Result<Vec<f64>, String> {
    let mut parsed = [0; 5];
    for (to, text) in parsed.iter_mut().zip(numbers) {
        *to = text.parse().map_err(|error| format!("{text}: {error}"))?;
    }
    let [width, height, count, threads, repeats] = parsed;
    let shape = Shape {
        width,
        height,
        channels: 3,
    };
    let pixels = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    if pixels.len() != shape.samples() * count {
        return Err(format!("{file} does not hold {count} pictures"));
    }
    let dehazer = dehazer(work)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| error.to_string())?;
    let mut output = vec![0; pixels.len()];
    let dehaze = |from: &[u8], to: &mut [u8], workspace: &mut Workspace<u8>| {
        if let Ok(picture) = Picture::new(from, shape, Order::Interleaved) {
            dehazer.run(&picture, to, None, workspace);
        }
    };
    let mut times = Vec::new();
    let mut shared = Workspace::new(threads);
    let mut own: Vec<Workspace<u8>> = (0..threads).map(|_| Workspace::new(1)).collect();
    for _ in 0..=repeats {
        let start = Instant::now();
        if count == 1 {
            pool.install(|| dehaze(&pixels, &mut output, &mut shared));
        } else {
            // As a process pool does: whoever is free takes the next fifty.
            let share = 50 * shape.samples();
            let parts = Mutex::new(pixels.chunks(share).zip(output.chunks_mut(share)));
            let parts = &parts;
            pool.scope(|scope| {
                for workspace in &mut own {
                    scope.spawn(move |_| {
                        let next = || parts.lock().ok()?.next();
                        while let Some((from, to)) = next() {
                            let pictures = from.chunks_exact(shape.samples());
                            for (from, to) in pictures.zip(to.chunks_exact_mut(shape.samples())) {
                                dehaze(from, to, workspace);
                            }
                        }
                    });
                }
            });
        }
        times.push(1e3 * start.elapsed().as_secs_f64() / count as f64);
    }
    // The first time is that of growing the buffers.
    times.remove(0);
    Ok(times)
}

fn dehazer(work: &str) -> Result<Dehazer, String> {
    let gray = Dehazer::dark_channel_prior();
    let color = Dehazer {
        guide: Guide::Color,
        ..gray
    };
    let reduced = |dehazer| Dehazer {
        subsampling: 4,
        ..dehazer
    };
    Ok(match work {
        "gray" => gray,
        "color" => color,
        "gray/4" => reduced(gray),
        "color/4" => reduced(color),
        "cap" => Dehazer::color_attenuation_prior(),
        other => return Err(format!("no work called {other}")),
    })
}
