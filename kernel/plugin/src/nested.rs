//! Components inside of components.

use serde_json::Value;

use super::{Context, Error, Kind, Options, Slot};

impl Context {
    /// Makes a component that is part of this one. Its tensors appear as `name.*` among this one's
    /// and are carried with them; the slot can be swapped on its own.
    ///
    /// # Errors
    ///
    /// As [`super::create`].
    pub fn create<K: ?Sized + Kind>(
        &self,
        name: &str,
        id: &str,
        config: Value,
    ) -> Result<Slot<K>, Error> {
        let slot = Slot::new(
            id,
            config,
            self.options.clone(),
            self.store.previous_of_part(name),
        )?;
        self.store.add_part(name, slot.as_part());
        Ok(slot)
    }

    /// Makes a part that is the same component as `of` with the same values, frozen: a momentum copy, a teacher.
    /// After a swap of the whole it has the values that it had.
    ///
    /// # Errors
    ///
    /// As [`super::create`].
    pub fn create_frozen_copy<K: ?Sized + Kind>(
        &self,
        name: &str,
        of: &Slot<K>,
    ) -> Result<Slot<K>, Error> {
        let origin = of.provenance();
        let previous = self.store.previous_of_part(name);
        let carried = !previous.is_empty();
        let options = Options {
            frozen: true,
            ..self.options.clone()
        };
        let copy = Slot::new(&origin.id, origin.config, options, previous)?;
        if !carried {
            copy.set_values_of(of)?;
        }
        self.store.add_part(name, copy.as_part());
        Ok(copy)
    }
}
