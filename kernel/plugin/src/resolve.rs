//! Finding a component by its id, and the plugin that has it where it is not loaded.

use std::sync::Arc;

use super::{
    Error, Spec,
    error::nearest,
    loader,
    registry::{Entry, entries, find, is_called},
    search,
};

/// Returns the descriptions of all components of a kind, sorted by id, after loading the plugins on the search path that have some.
/// Plugins that cannot be loaded are left out; their errors are the second list.
pub fn components_of(kind: &str) -> (Vec<Spec>, Vec<Error>) {
    let is_of_kind = |id: &str| id.split_once('/').is_some_and(|(start, _)| start == kind);
    let mut errors = Vec::new();
    for plugin in search::available() {
        let Ok(metadata) = &plugin.metadata else {
            continue;
        };
        let mut ids = metadata.components.iter().map(|component| &component.id);
        let is_missing = |id: &String| is_of_kind(id) && !matches!(find(id), Ok(Some(_)));
        if ids.any(is_missing)
            && let Err(error) = loader::load(&plugin.path)
        {
            errors.push(error);
        }
    }
    let specs = entries()
        .iter()
        .map(|entry| entry.spec.clone())
        .filter(|spec| is_of_kind(&spec.id))
        .collect();
    (specs, errors)
}

/// The component of this id or, where it is unique, of this bare name. Loads the plugin that has
/// it, if one on the search path does.
pub(crate) fn resolve(name: &str) -> Result<Arc<Entry>, Error> {
    if let Some(entry) = find(name)? {
        return Ok(entry);
    }
    let available = search::available();
    for plugin in &available {
        if let Ok(metadata) = &plugin.metadata
            && metadata
                .components
                .iter()
                .any(|component| is_called(&component.id, &component.former_id, name))
        {
            loader::load(&plugin.path)?;
            if let Some(entry) = find(name)? {
                return Ok(entry);
            }
        }
    }
    let mut ids: Vec<String> = entries()
        .iter()
        .map(|entry| entry.spec.id.clone())
        .collect();
    ids.extend(
        available
            .iter()
            .filter_map(|plugin| plugin.metadata.as_ref().ok())
            .flat_map(|metadata| {
                metadata
                    .components
                    .iter()
                    .map(|component| component.id.clone())
            }),
    );
    ids.sort();
    ids.dedup();
    let hint = match nearest(name, ids.iter().map(String::as_str)) {
        Some(id) => format!("did you mean {id}? "),
        None => String::new(),
    };
    Err(Error::new(format!(
        "there is no component {name}: {hint}plugin::list(\"*\") shows all {}",
        ids.len()
    )))
}
