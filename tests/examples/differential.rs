//! Runs the cells of `tests/differential` on an engine and prints what agrees.
//!
//! Usage: target/release/examples/differential [--engine patchbay|evcxr] [--file 03] [--case words]
//!
//! The engine agrees in a case if it shows what is committed, which is what our own engine shows. With
//! evcxr, a case that has the line `//evcxr reason` is to differ; one that does not any more is reported,
//! too. The exit code is 0 where nothing is unexpected.

use std::{env, process::ExitCode};

use patchbay_tests::{Client, differential};

struct Arguments {
    engine: String,
    file: String,
    case: String,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        engine: "evcxr".to_owned(),
        file: String::new(),
        case: String::new(),
    };
    let mut given = env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given
            .next()
            .ok_or(format!("{name}: the value is missing"))?;
        match name.as_str() {
            "--engine" => arguments.engine = value,
            "--file" => arguments.file = value,
            "--case" => arguments.case = value,
            other => return Err(format!("{other}: expected --engine, --file or --case")),
        }
    }
    Ok(arguments)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let mut rows = Vec::new();
    let mut differences = Vec::new();
    let mut unexpected = Vec::new();
    for file in differential::files() {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.contains(&arguments.file) {
            continue;
        }
        let mut client = Client::start_engine(&arguments.engine, &[]).await;
        let (mut cases, mut agreed, mut differing) = (0, 0, 0);
        for case in differential::read(&file) {
            if !case.name.contains(&arguments.case) {
                continue;
            }
            cases += 1;
            let problem = differential::run(&mut client, &case, &arguments.engine).await;
            let reason = case.difference.filter(|_| arguments.engine == "evcxr");
            match (problem, reason) {
                (None, None) => agreed += 1,
                (None, Some(reason)) => {
                    agreed += 1;
                    unexpected.push(format!("{name}: {}: agrees, although: {reason}", case.name));
                }
                (Some(problem), Some(reason)) => {
                    differing += 1;
                    differences.push(format!("{name}: {}: {reason}\n    {problem}", case.name));
                }
                (Some(problem), None) => {
                    differing += 1;
                    unexpected.push(format!("{name}: {}: {problem}", case.name));
                }
            }
            eprint!("\r{name}: {cases} cases, {agreed} agreed ");
        }
        eprintln!();
        rows.push((name, cases, agreed, differing));
    }
    println!(
        "{:<42} {:>6} {:>7} {:>10}",
        arguments.engine, "cases", "agreed", "differing"
    );
    for (name, cases, agreed, differing) in &rows {
        println!("{name:<42} {cases:>6} {agreed:>7} {differing:>10}");
    }
    let sum = |column: fn(&(String, usize, usize, usize)) -> usize| {
        rows.iter().map(column).sum::<usize>()
    };
    println!(
        "{:<42} {:>6} {:>7} {:>10}",
        "all",
        sum(|row| row.1),
        sum(|row| row.2),
        sum(|row| row.3)
    );
    println!("\ndiffering, with the reason and what came:");
    differences.iter().for_each(|line| println!("- {line}"));
    if unexpected.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nnot expected:");
    unexpected.iter().for_each(|line| println!("- {line}"));
    ExitCode::FAILURE
}
