//! Stand-ins for CUDA's libraries.
//!
//! rustc asks the linker for the native libraries of every crate below a cell or a plugin. The SDK's library has them already
//! and brings them into the process; to link against it they need not be on the machine, or where a linker looks. So each
//! has an archive without members in the snapshot of an SDK with CUDA.

use std::path::{Path, PathBuf};

use anyhow::Result;
use patchbay_engine::native::FOLDER;
use patchbay_files::Access;

use super::{FileRecord, manifest::Manifest};

/// What candle and cudarc link, with all their features.
const LIBRARIES: [&str; 9] = [
    "cuda", "cudart", "nvrtc", "cublas", "cublasLt", "curand", "cudnn", "nccl", "moe",
];

const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

/// Writes the archives into a prefix whose SDK has CUDA.
pub fn write(manifest: &mut Manifest, prefix: &Path, access: Access) -> Result<()> {
    if !manifest.sdk.cuda {
        return Ok(());
    }
    for name in archives(prefix, access)? {
        let record = FileRecord::of(&prefix.join(&name))?;
        manifest.files.insert(name, record);
    }
    Ok(())
}

/// Writes the archives; returns their paths in the prefix.
fn archives(prefix: &Path, access: Access) -> Result<Vec<PathBuf>> {
    patchbay_files::create_folders(&prefix.join(FOLDER), access.folder())?;
    let names: Vec<PathBuf> = LIBRARIES
        .iter()
        .map(|library| Path::new(FOLDER).join(format!("lib{library}.a")))
        .collect();
    for name in &names {
        patchbay_files::replace(&prefix.join(name), EMPTY_ARCHIVE, access.file(false))?;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    #[test]
    fn a_library_that_asks_for_cuda_links_with_the_stand_ins_alone() {
        let prefix = tempfile::tempdir().unwrap();
        let links = |folder: &Path| {
            fs::write(prefix.path().join("empty.rs"), "").unwrap();
            let mut command = Command::new("rustc");
            command
                .current_dir(prefix.path())
                .args(["--crate-type=cdylib", "empty.rs"])
                .arg("-L")
                .arg(format!("native={}", folder.display()));
            for library in LIBRARIES {
                command.arg(format!("-l{library}"));
            }
            command.output().unwrap().status.success()
        };
        let folder = prefix.path().join(FOLDER);
        assert_eq!(
            archives(prefix.path(), Access::Owner).unwrap().len(),
            LIBRARIES.len()
        );
        assert!(links(&folder));
        fs::remove_file(folder.join("libmoe.a")).unwrap();
        assert!(!links(&folder), "the archive was not what made it link");
        assert_eq!(
            patchbay_engine::native::beside(&prefix.path().join("lib/libpatchbay.so")),
            Some(folder)
        );
    }
}
