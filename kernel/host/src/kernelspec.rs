//! The kernelspec: the folder by which Jupyter knows the kernel.
//!
//! Reference: "Kernel specs" in the documentation of jupyter_client, and the rules of
//! `jupyter_core.paths` for where the folders are.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use patchbay_files::{Access, create_folders, replace};
use serde_json::{Value, json};

use crate::engines::EngineName;

/// The name by which `jupyter console --kernel` knows the kernel.
pub const NAME: &str = "patchbay";

/// The name that a launcher shows.
pub const DISPLAY_NAME: &str = "Rust (Patchbay)";

/// The kernel that runs cells by evcxr, registered where the side process has been built.
pub const EVCXR_NAME: &str = "patchbay-evcxr";
const EVCXR_DISPLAY_NAME: &str = "Rust (evcxr, by Patchbay)";

/// The file that makes a folder a kernelspec.
const SPEC: &str = "kernel.json";

const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-svg.svg", include_bytes!("../assets/logo.svg")),
    ("logo-32x32.png", include_bytes!("../assets/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("../assets/logo-64x64.png")),
];

/// Where a kernelspec goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InstallScope {
    /// For this user, wherever Jupyter runs.
    #[default]
    User,
    /// For the Jupyter that is installed under this folder.
    Prefix(PathBuf),
    /// For the active Python environment.
    SysPrefix,
}

/// The environment that decides where Jupyter's folders are.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub jupyter_data_dir: Option<PathBuf>,
    pub xdg_data_home: Option<PathBuf>,
    pub home: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Environment {
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Environment {
            jupyter_data_dir: path("JUPYTER_DATA_DIR"),
            xdg_data_home: path("XDG_DATA_HOME"),
            home: env::home_dir(),
        }
    }

    /// The user's data folder.
    ///
    /// # Errors
    ///
    /// Fails where no variable says where it is.
    pub fn data_dir(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.jupyter_data_dir {
            return Ok(folder.clone());
        }
        if cfg!(target_os = "macos")
            && let Some(home) = &self.home
        {
            return Ok(home.join("Library/Jupyter"));
        }
        let shared = self
            .xdg_data_home
            .clone()
            .or_else(|| Some(self.home.as_ref()?.join(".local/share")));
        shared
            .map(|folder| folder.join("jupyter"))
            .context("no place for the kernelspec: neither HOME nor JUPYTER_DATA_DIR is set\ntype: export HOME=…")
    }
}

impl InstallScope {
    /// The folder of the kernelspec.
    ///
    /// # Errors
    ///
    /// Fails where the environment does not say where the folder is.
    pub fn folder(&self, environment: &Environment) -> Result<PathBuf> {
        let kernels = match self {
            InstallScope::User => environment.data_dir()?.join("kernels"),
            InstallScope::Prefix(prefix) => prefix.join("share/jupyter/kernels"),
            InstallScope::SysPrefix => python_prefix()?.join("share/jupyter/kernels"),
        };
        Ok(kernels.join(NAME))
    }
}

/// `sys.prefix` of the Python that `python3` starts.
fn python_prefix() -> Result<PathBuf> {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.prefix)"])
        .output()
        .context("--sys-prefix asks python3 for its prefix, but python3 does not start\ntype: patchbay install --user")?;
    let prefix = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || prefix.is_empty() {
        bail!(
            "python3 did not tell its prefix ({})\ntype: patchbay install --user",
            output.status
        );
    }
    Ok(PathBuf::from(prefix))
}

/// The contents of `kernel.json` for a kernel that is this program on one of its engines.
pub fn kernel_json(program: &Path, engine: EngineName) -> Value {
    let mut argv = vec![
        json!(program),
        json!("kernel"),
        json!("--connection-file"),
        json!("{connection_file}"),
    ];
    let mut display_name = DISPLAY_NAME;
    if engine == EngineName::Evcxr {
        argv.extend([json!("--engine"), json!("evcxr")]);
        display_name = EVCXR_DISPLAY_NAME;
    }
    json!({
        "argv": argv,
        "display_name": display_name,
        "language": "rust",
        "interrupt_mode": "message",
        "kernel_protocol_version": "5.5",
        "metadata": {"debugger": false},
    })
}

/// What the metadata of a notebook says about the kernel.
pub fn notebook_metadata() -> Value {
    json!({"display_name": DISPLAY_NAME, "language": "rust", "name": NAME})
}

/// Writes the kernelspec, in place of an older one.
///
/// # Errors
///
/// Fails where the folder is not writable, or holds something that was not written here.
pub fn install(folder: &Path, program: &Path, access: Access) -> Result<()> {
    install_engine(folder, program, EngineName::Patchbay, access)
}

/// Writes the kernelspec of the evcxr engine beside the other one, or removes it where the side process
/// has not been built. Returns its folder if it was written.
///
/// # Errors
///
/// Fails where the folder is not writable, or holds something that was not written here.
pub fn install_evcxr(
    folder: &Path,
    program: &Path,
    built: bool,
    access: Access,
) -> Result<Option<PathBuf>> {
    let folder = folder.with_file_name(EVCXR_NAME);
    if !built {
        if is_ours(&folder) {
            uninstall(&folder)?;
        }
        return Ok(None);
    }
    install_engine(&folder, program, EngineName::Evcxr, access)?;
    Ok(Some(folder))
}

fn install_engine(folder: &Path, program: &Path, engine: EngineName, access: Access) -> Result<()> {
    let problem = || format!("the kernelspec cannot be written to {}", folder.display());
    let kernels = folder.parent().unwrap_or(Path::new("/"));
    // Those of a user are Jupyter's own, too.
    create_folders(kernels, 0o755 & access.folder()).with_context(problem)?;
    let text = serde_json::to_string_pretty(&kernel_json(program, engine))? + "\n";
    let files = LOGOS
        .into_iter()
        // Last: without it a folder is no kernelspec.
        .chain([(SPEC, text.as_bytes())]);
    if fs::symlink_metadata(folder).is_ok() {
        refuse_foreign(folder)?;
        for (name, bytes) in files {
            replace(&folder.join(name), bytes, access.file(false)).with_context(problem)?;
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(access.folder()))
            .with_context(problem)?;
        return Ok(());
    }
    // Jupyter passes over folders whose name begins with a point, so it never sees half a spec.
    let staging = tempfile::Builder::new()
        .prefix(".patchbay-")
        .tempdir_in(kernels)
        .with_context(problem)?;
    for (name, bytes) in files {
        replace(&staging.path().join(name), bytes, access.file(false)).with_context(problem)?;
    }
    fs::set_permissions(staging.path(), fs::Permissions::from_mode(access.folder()))
        .with_context(problem)?;
    match fs::rename(staging.path(), folder) {
        Ok(()) => {
            // The folder has another name by this time, so there is nothing to remove.
            let _ = staging.keep();
            Ok(())
        }
        // Another process has just put one there.
        Err(_) if is_ours(folder) => install_engine(folder, program, engine, access),
        Err(error) => Err(error).with_context(problem),
    }
}

/// Whether a folder holds a kernelspec that starts this kernel, as only this program writes it.
fn is_ours(folder: &Path) -> bool {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    let spec = patchbay_files::read(&folder.join(SPEC))
        .ok()
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    is_folder
        && spec.is_some_and(|spec| {
            let starts_this = spec
                .pointer("/argv/0")
                .and_then(Value::as_str)
                .is_some_and(|program| Path::new(program).ends_with("patchbay"));
            starts_this && spec.pointer("/argv/1").and_then(Value::as_str) == Some("kernel")
        })
}

/// A folder may have the name by chance, or be empty.
fn refuse_foreign(folder: &Path) -> Result<()> {
    let is_empty = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir())
        && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty || is_ours(folder) {
        return Ok(());
    }
    bail!(
        "{0} holds something that `patchbay install` has not written; it stays as it is\ntype: mv {0} {0}.old",
        folder.display()
    )
}

/// Removes the kernelspec; says whether there was one. Files that were not written here stay.
///
/// # Errors
///
/// Fails where the folder is not writable, or holds something that was not written here.
pub fn uninstall(folder: &Path) -> Result<bool> {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(false);
    }
    refuse_foreign(folder)?;
    // First what makes it a kernelspec.
    for name in [SPEC].into_iter().chain(LOGOS.map(|(name, _)| name)) {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be removed", folder.display()));
            }
            _ => {}
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(true),
        other => other
            .map(|()| true)
            .with_context(|| format!("{} cannot be removed", folder.display())),
    }
}

/// The program that an installed kernelspec starts.
///
/// # Errors
///
/// Fails where there is no kernelspec or it is not readable.
pub fn program(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(SPEC);
    let text = patchbay_files::read(&path).with_context(|| format!("{}", path.display()))?;
    let spec: Value =
        serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
    let program = spec.pointer("/argv/0").and_then(Value::as_str);
    program
        .map(PathBuf::from)
        .with_context(|| format!("{} names no program", path.display()))
}

/// The folders in which Jupyter looks, in its order.
fn search_path() -> Vec<PathBuf> {
    let environment = Environment::of_process();
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in env::var_os("JUPYTER_PATH")
        .iter()
        .flat_map(env::split_paths)
    {
        folders.push(path.join("kernels").join(NAME));
    }
    folders.extend(InstallScope::User.folder(&environment));
    let prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .filter_map(env::var_os)
        .map(PathBuf::from);
    for prefix in prefixes.chain(["/usr/local".into(), "/usr".into()]) {
        folders.extend(InstallScope::Prefix(prefix).folder(&environment));
    }
    folders
}

/// The registered kernelspecs of this name with the programs that they start, in the order in
/// which Jupyter finds them.
pub fn registered() -> Vec<(PathBuf, PathBuf)> {
    search_path()
        .into_iter()
        .filter_map(|folder| program(&folder).ok().map(|program| (folder, program)))
        .collect()
}

/// The snapshot prefixes that registered kernelspecs start.
pub fn registered_prefixes() -> Vec<PathBuf> {
    registered()
        .iter()
        .filter_map(|(_, program)| program.ancestors().nth(2).map(Path::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(data: Option<&str>, xdg: Option<&str>) -> Environment {
        Environment {
            jupyter_data_dir: data.map(PathBuf::from),
            xdg_data_home: xdg.map(PathBuf::from),
            home: Some(PathBuf::from("/home/ada")),
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_user_folder_follows_jupyter() {
        let folder = |data, xdg| InstallScope::User.folder(&environment(data, xdg)).unwrap();
        assert_eq!(
            folder(None, None),
            Path::new("/home/ada/.local/share/jupyter/kernels/patchbay")
        );
        assert_eq!(
            folder(None, Some("/xdg")),
            Path::new("/xdg/jupyter/kernels/patchbay")
        );
        assert_eq!(
            folder(Some("/data"), Some("/xdg")),
            Path::new("/data/kernels/patchbay")
        );
    }

    #[test]
    fn a_prefix_holds_the_shared_folder() {
        let scope = InstallScope::Prefix(PathBuf::from("/opt/env"));
        let folder = scope.folder(&Environment::default()).unwrap();
        assert_eq!(folder, Path::new("/opt/env/share/jupyter/kernels/patchbay"));
    }

    #[test]
    fn without_a_home_the_error_names_the_variables() {
        let error = InstallScope::User
            .folder(&Environment::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("JUPYTER_DATA_DIR"), "{error}");
    }

    #[test]
    fn an_installed_spec_is_complete_and_replaces_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("kernels").join(NAME);
        install(&folder, Path::new("/old/patchbay"), Access::Owner).unwrap();
        install(&folder, Path::new("/new/patchbay"), Access::Everyone).unwrap();
        assert_eq!(program(&folder).unwrap(), Path::new("/new/patchbay"));
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "kernel.json",
                "logo-32x32.png",
                "logo-64x64.png",
                "logo-svg.svg"
            ]
        );
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(SPEC))), (0o755, 0o644));
        assert!(uninstall(&folder).unwrap());
        assert!(!uninstall(&folder).unwrap());
    }

    #[test]
    fn what_was_not_written_here_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(NAME);
        install(&folder, Path::new("/p/patchbay"), Access::Owner).unwrap();
        fs::write(folder.join("notes"), "text").unwrap();
        install(&folder, Path::new("/q/patchbay"), Access::Owner).unwrap();
        assert!(uninstall(&folder).unwrap());
        assert!(folder.join("notes").exists() && !folder.join(SPEC).exists());
        for spec in ["", r#"{"argv": ["/usr/bin/python3", "-m", "ipykernel"]}"#] {
            fs::write(folder.join(SPEC), spec).unwrap();
            for error in [
                install(&folder, Path::new("/p/patchbay"), Access::Owner).unwrap_err(),
                uninstall(&folder).unwrap_err(),
            ] {
                assert!(error.to_string().contains("stays as it is"), "{error}");
            }
            assert_eq!(fs::read_to_string(folder.join(SPEC)).unwrap(), spec);
        }
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(uninstall(&link).is_err() && link.exists());
    }

    #[test]
    fn the_spec_says_what_jupyter_needs() {
        let spec = kernel_json(Path::new("/p/bin/patchbay"), EngineName::Patchbay);
        assert_eq!(
            spec["argv"],
            json!([
                "/p/bin/patchbay",
                "kernel",
                "--connection-file",
                "{connection_file}"
            ])
        );
        let evcxr = kernel_json(Path::new("/p/bin/patchbay"), EngineName::Evcxr);
        assert_eq!(evcxr["argv"][5], "evcxr");
        assert_ne!(evcxr["display_name"], spec["display_name"]);
        assert_eq!(spec["language"], "rust");
        assert_eq!(spec["interrupt_mode"], "message");
    }
}
