//! Files that cells include, and the types in them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::EngineSession;

impl EngineSession {
    /// The variables whose types may come from a file that has changed since a program included it: a value of a
    /// type as it was must not be taken for one of the type as it is.
    pub(crate) fn made_stale_by_files(
        &mut self,
        files: &[(PathBuf, String)],
    ) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        for (file, digest) in files {
            let before = self.included.insert(file.clone(), digest.clone());
            if before.is_some_and(|before| before != *digest) {
                changed.push(file);
            }
        }
        if changed.is_empty() {
            return Vec::new();
        }
        let is_source = |file: &Path| file.extension().is_some_and(|extension| extension == "rs");
        // Data may decide the length of an array; text that is only read decides no type.
        let source_stands_on_data = || {
            let sources = files.iter().filter(|(file, _)| is_source(file));
            let texts = sources.map(|(file, _)| {
                let file = self.builder.compiler.folder.join(file);
                std::fs::read_to_string(file).unwrap_or_default()
            });
            texts.into_iter().any(|text| sizes_by_file(&text))
        };
        let modules_too = changed.iter().any(|file| is_source(file)) || source_stands_on_data();
        // Modules in files of their own, and whatever stands on them.
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        loop {
            let count = reached.len();
            for item in &self.engine.items {
                let text = item.text();
                let is_module = text.ends_with(';') && item.parsed.is_type && text.contains("mod ");
                let is_elsewhere = is_module && modules_too || sizes_by_file(text);
                if is_elsewhere
                    || item
                        .parsed
                        .mentions
                        .iter()
                        .any(|name| reached.contains(name.as_str()))
                {
                    reached.extend(item.parsed.keys.iter().filter_map(|key| key.type_name()));
                }
            }
            if reached.len() == count {
                break;
            }
        }
        self.engine
            .variables
            .iter()
            .filter_map(|(name, variable)| {
                let mut types = variable.type_names.iter();
                let changed = types.find(|name| reached.contains(name.as_str()))?;
                Some((name.clone(), changed.clone()))
            })
            .collect()
    }
}

/// Whether the types in a text may depend on a file that the text includes.
fn sizes_by_file(text: &str) -> bool {
    text.contains("include!")
        || text.contains("include_bytes!")
        || text.contains("include_str!") && text.contains("len()")
}
