//! What rustc accepts as a program, cells accept. `target/release/examples/corpus` runs a part of it.

use patchbay_tests::corpus::{self, Way, suite};

/// The fewest programs, and those of them that are run a statement a cell; the corpus is not to shrink unseen.
const FEWEST: usize = 450;
const FEWEST_BY_STATEMENT: usize = 295;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_rustc_print_the_same_as_cells() {
    let programs = corpus::read();
    let outcomes = suite::run_all(programs, &Way::ALL, 2, |_| {}).await;
    println!("{}", suite::summary(&outcomes));
    let problems = suite::problems(&outcomes);
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    let by_statement = outcomes
        .iter()
        .filter(|outcome| outcome.program.together.is_none())
        .count();
    assert!(outcomes.len() >= FEWEST, "{} programs", outcomes.len());
    assert!(
        by_statement >= FEWEST_BY_STATEMENT,
        "{by_statement} programs by statement"
    );
}

#[test]
fn each_program_has_a_name_of_its_own() {
    let programs = corpus::read();
    let mut names: Vec<&str> = programs
        .iter()
        .map(|program| program.name.as_str())
        .collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
