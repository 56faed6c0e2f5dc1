//! Every balancer trains ALBEF on batches of four, in some of which no word is masked.

#[path = "support/balancing.rs"]
mod balancing;
mod support;

use balancing::{balancers, train};

#[test]
fn every_balancer_goes_on_where_no_word_is_masked() {
    support::find_built_plugins().unwrap();
    patchbay_albef::register().unwrap();
    let ids = balancers();
    assert!(ids.len() >= 22, "{ids:?}");
    for id in ids {
        let run = train(&id, 40, 4).unwrap();
        assert_eq!((run.id, run.error), (id.clone(), None));
        // Not the balancers' choice: the same batches lack masked words for all.
        assert!(run.absent[2].len() >= 5, "{id}: {:?}", run.absent);
        assert!(run.absent[0].is_empty() && run.absent[1].is_empty(), "{id}");
        assert!(run.losses[1] < run.losses[0], "{id}: {:?}", run.losses);
    }
}
