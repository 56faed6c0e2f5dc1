//! What every component promises, tried on the sample that it carries.

mod support;

/// Encoders and losses are found by name among the built libraries.
mod built {
    pub fn register() -> std::io::Result<()> {
        crate::support::find_built_plugins()
    }
}

patchbay::test_components!(patchbay_albef, with built);
