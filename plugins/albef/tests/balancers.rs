//! Every balancer trains ALBEF on batches of four, in some of which losses have no gradient, or hardly one.

#[path = "support/balancing.rs"]
mod balancing;
mod support;

use balancing::{Case, balancers, train};

#[test]
fn every_balancer_goes_on_where_losses_have_no_gradient_or_hardly_one() {
    support::find_built_plugins().unwrap();
    patchbay_albef::register().unwrap();
    let ids = balancers();
    assert!(ids.len() >= 22, "{ids:?}");
    // Not the balancers' choice: the same batches lack masked words for all.
    let plain = train("balancer/equal", Case::Plain, 40, 4).unwrap().absent;
    assert!(plain[2].len() >= 5, "{plain:?}");
    assert!(plain[0].is_empty() && plain[1].is_empty(), "{plain:?}");
    for id in ids {
        for case in Case::ALL {
            let run = train(&id, case, 40, 4).unwrap();
            assert_eq!((run.id, run.error), (id.clone(), None), "{case:?}");
            let mut expected = plain.clone();
            let add = |absent: &mut Vec<usize>, steps: &[usize]| {
                absent.extend(steps);
                absent.sort_unstable();
                absent.dedup();
            };
            let thirds: Vec<usize> = (1..40).step_by(3).collect();
            match case {
                Case::Plain | Case::Tiny => {}
                Case::FirstWithoutWords => add(&mut expected[2], &[0]),
                Case::TwoAbsent => {
                    add(&mut expected[1], &thirds);
                    add(&mut expected[2], &thirds);
                }
                Case::Single => expected[2].clear(),
            }
            assert_eq!(run.absent, expected, "{id} {case:?}");
            let [first, last] = run.losses;
            assert!(last < first, "{id} {case:?}: {first} and {last}");
        }
    }
}
