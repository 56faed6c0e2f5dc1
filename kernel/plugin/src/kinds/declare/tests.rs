//! A kind that is declared here and in no list: what the macro makes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candle_core::{Tensor, bail};
use serde_json::json;

use crate::{
    Component, Context, Define, Details, Inputs, Outputs, Slot,
    abi::{build, registration},
    create, register,
};
use patchbay_show::Result;

kind! {
    #[name = "metric"]
    #[tried = tried]
    /// A measure of predictions.
    pub trait Metric: Component {
        /// The measure, `[]`.
        fn value(&self, prediction: &Tensor, factor: f64) -> Result<Tensor>;

        /// As `value`, and checked by the slot.
        #[slot = checked]
        fn positive(&self, prediction: &Tensor) -> Result<Tensor> {
            self.value(prediction, 1.0)
        }

        /// Whether larger values are better.
        #[constant]
        fn larger_is_better(&self) -> bool {
            true
        }

        /// Names of the values.
        #[constant]
        fn names(&self) -> Vec<String>;
    }
}

fn tried(slot: &Slot<dyn Metric>, inputs: &Inputs) -> Result<Outputs> {
    Ok(vec![("value".to_owned(), slot.value(inputs.at(0)?, 2.0)?)])
}

fn checked(slot: &Slot<dyn Metric>, prediction: &Tensor) -> Result<Tensor> {
    slot.call(|metric| {
        let value = metric.positive(prediction)?;
        if value.to_scalar::<f32>()? < 0.0 {
            bail!("the measure is below 0");
        }
        Ok(value)
    })
}

/// How often the names were asked for.
static ASKED: AtomicUsize = AtomicUsize::new(0);

struct Mean;

impl Component for Mean {}

impl Define for Mean {
    type Kind = dyn Metric;
    type Config = ();
    const ID: &'static str = "metric/mean";
    const SUMMARY: &'static str = "The mean";
    const DETAILS: Details = Details::NONE;

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(Mean)
    }
}

impl Metric for Mean {
    fn value(&self, prediction: &Tensor, factor: f64) -> Result<Tensor> {
        patchbay_ops::mean_all(prediction)? * factor
    }

    fn names(&self) -> Vec<String> {
        match ASKED.fetch_add(1, Ordering::Relaxed) {
            2 => panic!("a third time"),
            _ => vec!["mean".to_owned()],
        }
    }
}

#[test]
fn a_slot_forwards_checks_and_keeps_what_is_constant() {
    let factory = registration::<Mean>("0.0.0", |given, context| {
        let (component, config) = build::<Mean>(given, context)?;
        let component: Arc<dyn Metric> = Arc::new(component);
        Ok((component, config))
    });
    register("a test", vec![factory]).unwrap();
    let slot = create::<dyn Metric>("metric/mean", json!({})).unwrap();
    let tensor = Tensor::new(&[1f32, 3.0], &candle_core::Device::Cpu).unwrap();
    let number = |tensor: Tensor| tensor.to_scalar::<f32>().unwrap();
    assert_eq!(number(slot.value(&tensor, 2.0).unwrap()), 4.0);
    assert_eq!(number(slot.positive(&tensor).unwrap()), 2.0);
    let text = slot
        .positive(&tensor.neg().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("metric/mean: the measure is below 0"),
        "{text}"
    );
    assert!(slot.larger_is_better());
    for _ in 0..5 {
        assert_eq!(slot.names(), ["mean"]);
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 1, "it is read once");
    slot.swap("metric/mean", json!({})).unwrap();
    // The third making panics where it says what is constant: the slot keeps what it had.
    let text = slot.swap("metric/mean", json!({})).unwrap_err().to_string();
    assert!(
        text.contains("metric/mean cannot be made") && text.contains("a third time"),
        "{text}"
    );
    assert_eq!(slot.names(), ["mean"]);
    assert_eq!(slot.history().0.len(), 2);
}
