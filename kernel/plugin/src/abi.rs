//! Symbols that a plugin exports, and the marks by which a stale one is told.
//!
//! [`export_plugin!`](crate::export_plugin) puts three things into a plugin: a JSON text in the
//! section `.patchbay.plugin` (read without loading the file; it holds the digest of the file), a reference to `patchbay::build::CANARY`, whose
//! symbol carries the SDK's build id, so that the dynamic loader itself refuses a stale plugin
//! before any of its code runs, and the two functions below, of which the first is called before
//! anything of Rust's binary interface is relied on.

use super::Registration;

/// The section that holds a plugin's metadata.
pub const SECTION: &str = ".patchbay.plugin";

/// The symbol of the function that returns the address of [`ANCHOR`] as the plugin sees it.
pub const ANCHOR_SYMBOL: &str = "patchbay_plugin_anchor";

/// The symbol of the function that returns the components, a [`Components`].
pub const COMPONENTS_SYMBOL: &str = "patchbay_plugin_components";

/// The start of the canary's symbol; the build id follows.
pub const CANARY_PREFIX: &str = "patchbay_sdk_";

/// Stands in the place of the digest in a file that the compiler has just written; [`seal`](super::seal) puts the digest
/// there.
pub const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Its address identifies the image of the SDK: a plugin that sees another one carries a second SDK.
pub static ANCHOR: u8 = 1;

/// Type of the symbol [`COMPONENTS_SYMBOL`].
pub type Components = fn() -> Vec<Registration>;

/// Type of the symbol [`ANCHOR_SYMBOL`].
pub type Anchor = extern "C" fn() -> *const u8;

/// Declares the components of a plugin, each in a module of its own, and exports them. Called once, in the root of the crate.
///
/// ```ignore
/// patchbay::components! {
///     cross_entropy::CrossEntropy,
///     focal::Focal,
/// }
/// ```
///
/// A component is its file and its line here: the line declares the module, makes the type a name of the crate, and hands it to
/// [`export_plugin`](crate::export_plugin).
#[macro_export]
macro_rules! components {
    ($($module:ident::$component:ident),+ $(,)?) => {
        $(
            pub mod $module;
            pub use $module::$component;
        )+

        $crate::export_plugin!($($component),+);
    };
}

/// Exports the components of a plugin. Called once, in the root of the crate.
///
/// ```ignore
/// patchbay::export_plugin!(CrossEntropy, Focal);
/// ```
///
/// Also defines `register()`, with which a test of the plugin (which links it as an ordinary
/// library) makes its components known.
#[macro_export]
macro_rules! export_plugin {
    ($($component:ty),+ $(,)?) => {
        const _: () = {
            const TEXT: &[(bool, &str)] = &[
                (false, "{\"abi\":1,\"digest\":\""), (false, $crate::abi::NO_DIGEST),
                (false, "\",\"name\":\""), (true, module_path!()),
                (false, "\",\"version\":\""), (true, $crate::__plugin_version!()),
                (false, "\",\"source\":\""), (true, $crate::__plugin_source!()),
                (false, "\",\"build_id\":\""), (true, ::patchbay::build::BUILD_ID),
                (false, "\",\"compiler\":\""), (true, ::patchbay::build::COMPILER),
                (false, "\",\"target\":\""), (true, ::patchbay::build::TARGET),
                (false, "\",\"flags\":\""), (true, ::patchbay::build::FLAGS),
                (false, "\",\"features\":\""), (true, ::patchbay::build::FEATURES),
                (false, "\",\"sources\":\""), (true, ::patchbay::build::SOURCES),
                (false, "\",\"components\":["),
                $(
                    (false, "{\"id\":\""), (true, <$component as $crate::Define>::ID),
                    (false, "\",\"former_id\":\""), (true, <$component as $crate::Define>::FORMER_ID),
                    (false, "\",\"summary\":\""), (true, <$component as $crate::Define>::SUMMARY),
                    (false, "\",\"reference\":\""),
                    (true, <$component as $crate::Define>::DETAILS.reference),
                    (false, "\"},"),
                )+
                (false, "null]}"),
            ];
            #[used]
            #[unsafe(link_section = ".patchbay.plugin")]
            static METADATA: [u8; $crate::abi::json_length(TEXT)] =
                $crate::abi::json_bytes(TEXT);

            #[used]
            static CANARY: &u8 = &::patchbay::build::CANARY;

            #[unsafe(no_mangle)]
            extern "C" fn patchbay_plugin_anchor() -> *const u8 {
                &raw const $crate::abi::ANCHOR
            }

            #[unsafe(no_mangle)]
            fn patchbay_plugin_components() -> ::std::vec::Vec<$crate::Registration> {
                components()
            }
        };

        fn components() -> ::std::vec::Vec<$crate::Registration> {
            vec![$(
                $crate::abi::registration::<$component>($crate::__plugin_version!(), |given, context| {
                    let (component, config) = $crate::abi::build::<$component>(given, context)?;
                    let component: ::std::sync::Arc<<$component as $crate::Define>::Kind> =
                        ::std::sync::Arc::new(component);
                    Ok((component, config))
                }),
            )+]
        }

        /// Makes the components of this crate known without loading it as a plugin: for its tests.
        ///
        /// # Errors
        ///
        /// Fails where an id is taken by another plugin.
        pub fn register() -> ::std::result::Result<(), $crate::Error> {
            $crate::register($crate::__plugin_source!(), components())
        }

        /// The ids of the components of this crate.
        pub fn component_ids() -> ::std::vec::Vec<&'static str> {
            vec![$(<$component as $crate::Define>::ID),+]
        }
    };
}

/// The plugin's version: its crate's, or that of a cell.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin_version {
    () => {
        match option_env!("CARGO_PKG_VERSION") {
            Some(version) => version,
            None => "0.0.0",
        }
    };
}

/// Source that a plugin was made from: the crate's name, or what the builder says for a cell.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin_source {
    () => {
        match option_env!("PATCHBAY_PLUGIN_SOURCE") {
            Some(source) => source,
            None => module_path!(),
        }
    };
}

#[doc(hidden)]
pub use super::{
    config::{parse, schema},
    define::{build, registration},
};

/// The length of [`json_bytes`] of the same parts.
#[doc(hidden)]
pub const fn json_length(parts: &[(bool, &str)]) -> usize {
    let (mut length, mut part) = (0, 0);
    while part < parts.len() {
        let (escaped, text) = parts[part];
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            length += if escaped && needs_escape(bytes[at]) {
                2
            } else {
                1
            };
            at += 1;
        }
        part += 1;
    }
    length
}

/// Joins parts at compile time. In those that are marked, quotes and backslashes are escaped and
/// control characters become spaces.
#[doc(hidden)]
pub const fn json_bytes<const LENGTH: usize>(parts: &[(bool, &str)]) -> [u8; LENGTH] {
    let mut joined = [b' '; LENGTH];
    let (mut to, mut part) = (0, 0);
    while part < parts.len() {
        let (escaped, text) = parts[part];
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if escaped && needs_escape(bytes[at]) {
                joined[to] = b'\\';
                to += 1;
            }
            joined[to] = if escaped && bytes[at] < b' ' {
                b' '
            } else {
                bytes[at]
            };
            to += 1;
            at += 1;
        }
        part += 1;
    }
    joined
}

const fn needs_escape(byte: u8) -> bool {
    byte == b'"' || byte == b'\\'
}
