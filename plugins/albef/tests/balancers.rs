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
    assert!(ids.len() >= 29, "{ids:?}");
    let thirds: Vec<usize> = (1..40).step_by(3).collect();
    for id in ids {
        for case in Case::ALL {
            let run = train(&id, case, 40, 4).unwrap();
            assert_eq!((run.id, run.error), (id.clone(), None), "{case:?}");
            let [contrast, matching, words] = &run.absent;
            assert!(contrast.is_empty(), "{id} {case:?}: {contrast:?}");
            let (without_pairs, without_words) = match case {
                Case::Plain | Case::Tiny | Case::Single => (&[][..], &[][..]),
                Case::FirstWithoutWords => (&[][..], &[0][..]),
                Case::TwoAbsent => (&thirds[..], &thirds[..]),
            };
            assert_eq!(matching, without_pairs, "{id} {case:?}");
            for step in without_words {
                assert!(words.contains(step), "{id} {case:?}: {words:?}");
            }
            // Beside these, chance has batches without a masked word.
            let by_chance = words.len() - without_words.len();
            match case {
                Case::Single => assert_eq!(by_chance, 0, "{id}"),
                _ => assert!((3..20).contains(&by_chance), "{id} {case:?}: {words:?}"),
            }
            let [first, last] = run.losses;
            assert!(last < first, "{id} {case:?}: {first} and {last}");
        }
    }
}
