//! Reading what a plugin says of itself, without loading it.

use std::{fs, path::Path};

use object::{Object, ObjectSection, ObjectSymbol};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    abi::{CANARY_PREFIX, SECTION},
};

/// Description that a plugin's file has of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The version of this record.
    pub abi: u32,
    /// SHA-256 of the file with zeros in the place of this field; zeros where it was not sealed.
    pub digest: String,
    /// The crate's name.
    pub name: String,
    /// The version of the plugin's crate.
    pub version: String,
    /// Source that it was made from; two plugins with one id are told apart by this.
    pub source: String,
    /// The build id of the SDK that it was compiled against, and that id's parts (see
    /// [`patchbay_cell::parts::Identity`]).
    pub build_id: String,
    /// The compiler, as it names itself.
    pub compiler: String,
    /// The target triple.
    pub target: String,
    /// The hash of the compiler's flags.
    pub flags: String,
    /// The hash of the SDK's features and manifests.
    pub features: String,
    /// The hash of the SDK's sources.
    pub sources: String,
    /// The list ends in a `null`, which spares the exporting macro the commas.
    #[serde(deserialize_with = "without_null")]
    pub components: Vec<ComponentMetadata>,
    /// How the file stands to the SDK's library, from its symbols.
    #[serde(skip)]
    pub linkage: Linkage,
}

/// One component in a plugin's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentMetadata {
    /// The component's id.
    pub id: String,
    /// The id that it had in an earlier release, or nothing.
    #[serde(default)]
    pub former_id: String,
    /// One line on what it is.
    pub summary: String,
    /// The paper or program that it follows.
    pub reference: String,
}

/// How a plugin's file stands to the SDK's library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Linkage {
    /// It takes the SDK from the process.
    Dynamic,
    /// It carries an SDK of its own.
    #[default]
    Static,
}

fn without_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ComponentMetadata>, D::Error> {
    Ok(Vec::<Option<ComponentMetadata>>::deserialize(deserializer)?
        .into_iter()
        .flatten()
        .collect())
}

/// Reads the metadata of the plugin at `path` without loading it.
///
/// # Errors
///
/// Says where the file cannot be read, is no complete ELF library, or is no plugin.
pub fn read_metadata(path: &Path) -> Result<Metadata, Error> {
    let bytes = fs::read(path)
        .map_err(|error| Error::new(format!("{}: cannot be read: {error}", path.display())))?;
    parse(path, &bytes)
}

/// Reads the metadata in the bytes of a plugin; `path` is for the errors.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Metadata, Error> {
    let shown = path.display();
    let broken = |what: String| {
        Error::new(format!(
            "{shown}: not a complete ELF shared library of {} bytes ({what}); build it again: \
             patchbay plugin build",
            bytes.len()
        ))
    };
    if !bytes.starts_with(b"\x7fELF") {
        return Err(Error::new(format!(
            "{shown}: not a plugin: expected an ELF shared library (.so), got a file that starts with {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(8)])
        )));
    }
    let file = object::File::parse(bytes).map_err(|error| broken(error.to_string()))?;
    let section = file.section_by_name(SECTION).ok_or_else(|| {
        Error::new(format!(
            "{shown}: a shared library, but not a plugin: it has no section {SECTION}; its crate must \
             call patchbay::export_plugin!(...) and have crate-type \"cdylib\""
        ))
    })?;
    let text = section.data().map_err(|error| broken(error.to_string()))?;
    let mut metadata: Metadata = serde_json::from_slice(text).map_err(|error| {
        Error::new(format!(
            "{shown}: its plugin metadata cannot be read ({error}); build it again"
        ))
    })?;
    // Beyond this line the end of the file matters, too: the loader maps all segments.
    let end = file_end(bytes);
    if end > bytes.len() {
        return Err(broken(format!("{end} bytes are announced")));
    }
    let imports_canary = file.dynamic_symbols().any(|symbol| {
        symbol.is_undefined()
            && symbol
                .name()
                .is_ok_and(|name| name.starts_with(CANARY_PREFIX))
    });
    metadata.linkage = if imports_canary {
        Linkage::Dynamic
    } else {
        Linkage::Static
    };
    Ok(metadata)
}

/// Where the last segment of an ELF file ends, in bytes; mapping a cut file would fault later.
fn file_end(bytes: &[u8]) -> usize {
    use object::read::elf::{ElfFile64, ProgramHeader};
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) else {
        return 0;
    };
    let endian = file.endian();
    file.elf_program_headers()
        .iter()
        .map(|header| {
            header
                .p_offset(endian)
                .saturating_add(header.p_filesz(endian))
        })
        .max()
        .and_then(|end| usize::try_from(end).ok())
        .unwrap_or(0)
}
