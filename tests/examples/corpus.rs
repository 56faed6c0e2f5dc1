//! Runs the programs of `tests/corpus` as cells and prints how many do what rustc's programs do.
//!
//! Usage: target/release/examples/corpus [--file 04] [--program words] [--way whole|body|statements]
//!        [--sessions 2] [--cells yes]
//!
//! With `--cells yes` the cells are printed and not run. The exit code is 0 where all is as expected.

use std::{env, process::ExitCode};

use patchbay_tests::corpus::{
    self, Way,
    suite::{self, Outcome},
};

struct Arguments {
    file: String,
    program: String,
    ways: Vec<Way>,
    sessions: usize,
    cells: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        file: String::new(),
        program: String::new(),
        ways: Way::ALL.to_vec(),
        sessions: 2,
        cells: false,
    };
    let mut given = env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given
            .next()
            .ok_or(format!("{name}: the value is missing"))?;
        match name.as_str() {
            "--file" => arguments.file = value,
            "--program" => arguments.program = value,
            "--way" => {
                arguments.ways = vec![match value.as_str() {
                    "whole" => Way::Whole,
                    "body" => Way::Body,
                    "statements" => Way::Statements,
                    other => return Err(format!("{other}: expected whole, body or statements")),
                }];
            }
            "--sessions" => {
                arguments.sessions = value.parse().map_err(|error| format!("{value}: {error}"))?;
            }
            "--cells" => arguments.cells = value == "yes",
            other => {
                return Err(format!(
                    "{other}: expected --file, --program, --way, --sessions or --cells"
                ));
            }
        }
    }
    Ok(arguments)
}

/// Tells of a program as soon as it has run.
fn note(outcome: &Outcome) {
    eprint!(".");
    for problem in suite::problems(std::slice::from_ref(outcome)) {
        println!("- {problem}\n");
    }
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
    let mut programs = corpus::read();
    programs.retain(|program| {
        program.file.contains(&arguments.file) && program.name.contains(&arguments.program)
    });
    if arguments.cells {
        for program in &programs {
            for way in &arguments.ways {
                println!("// {}: {}, {}", program.file, program.name, way.name());
                match corpus::cells(program, *way) {
                    Ok(cells) => println!("{}\n", cells.join("\n// next cell\n")),
                    Err(problem) => println!("{problem}\n"),
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    let outcomes = suite::run_all(programs, &arguments.ways, arguments.sessions, note).await;
    eprintln!();
    let mut files: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome.program.file.as_str())
        .collect();
    files.dedup();
    for file in files {
        let part: Vec<Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.program.file == file)
            .cloned()
            .collect();
        println!("{file:<28} {}", suite::summary(&part));
    }
    println!("\n{}", suite::summary(&outcomes));
    if suite::problems(&outcomes).is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
