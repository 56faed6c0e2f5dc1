//! Loaders as parts of a checkpoint.

use candle_core::Result;
use patchbay_nn::{Commit, ParameterNames, State, Stateful};

use crate::{DataLoader, LoaderState};

/// Where the loader is: a run that goes on in another session has the same batches, also from the middle of an epoch on.
impl Stateful for DataLoader {
    fn state(&self, _: &ParameterNames) -> Result<State> {
        State::default().with_values(&DataLoader::state(self))
    }

    fn prepare(&self, state: State, _: &ParameterNames) -> Result<Commit<'_>> {
        let state: LoaderState = state.values()?;
        self.check_state(&state)?;
        Ok(Box::new(move || self.load_state(&state)))
    }
}
