//! The argument of `:dep`: a line of a manifest's `[dependencies]`.

use std::path::Path;

use anyhow::{Result, bail};
use toml::{Table, Value};

/// A crate that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// As it was written.
    pub text: String,
    /// The name on the left side.
    pub name: String,
    /// What cargo understands on the right side; paths are absolute.
    value: Value,
}

impl Request {
    /// Reads `name`, `name = "1"` or `name = { version = "1", features = ["x"] }`, also with `path`
    /// (relative to `folder`) or `git`.
    ///
    /// # Errors
    ///
    /// Says what was expected.
    pub fn parse(text: &str, folder: &Path) -> Result<Request> {
        let expected = "expected :dep name = \"1\" or :dep name = { version = \"1\", features = [\"x\"] }; \
                        instead of a version, path = \"../crate\" or git = \"https://…\"";
        let line = if text.contains('=') {
            text.to_owned()
        } else {
            format!("{text} = \"*\"")
        };
        let Ok(table) = line.parse::<Table>() else {
            bail!("`{text}` is no dependency: {expected}");
        };
        let mut entries = table.into_iter();
        let (Some((name, mut value)), None) = (entries.next(), entries.next()) else {
            bail!("one crate for each :dep; {expected}");
        };
        match &mut value {
            Value::String(_) => {}
            Value::Table(table) => {
                if let Some(path) = table.get_mut("path") {
                    let Some(given) = path.as_str() else {
                        bail!("path is a text; {expected}");
                    };
                    let absolute = folder.join(given).display().to_string();
                    *path = Value::String(absolute);
                }
            }
            _ => bail!("`{text}` is no dependency: {expected}"),
        }
        Ok(Request {
            text: text.to_owned(),
            name,
            value,
        })
    }

    /// Whether the crate's source may change without the request changing.
    pub fn is_local(&self) -> bool {
        self.value.get("path").is_some()
    }

    /// # Errors
    ///
    /// Fails where a path is given and no crate is there.
    pub fn check_path(&self) -> Result<()> {
        if let Some(path) = self.value.get("path").and_then(Value::as_str)
            && !Path::new(path).join("Cargo.toml").is_file()
        {
            bail!("there is no Cargo.toml in {path}");
        }
        Ok(())
    }

    /// Requests by which a bundle is found again where nothing can be built.
    pub fn key(requests: &[Request]) -> String {
        let texts: Vec<&str> = requests
            .iter()
            .map(|request| request.text.as_str())
            .collect();
        texts.join("\n")
    }

    /// The lines of a manifest's `[dependencies]` that ask for these crates.
    pub fn entries(requests: &[Request]) -> String {
        let line = |request: &Request| format!("{} = {}\n", request.name, request.value);
        requests.iter().map(line).collect()
    }

    /// The part of a manifest that asks for these crates.
    pub fn dependencies(requests: &[Request]) -> String {
        let dependencies: Table = requests
            .iter()
            .map(|request| (request.name.clone(), request.value.clone()))
            .collect();
        Table::from_iter([("dependencies".to_owned(), Value::Table(dependencies))]).to_string()
    }

    /// A manifest that asks for these crates.
    pub fn manifest(requests: &[Request], bundle: &str, library: &str) -> String {
        let head = format!(
            "[package]\nname = \"{bundle}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [lib]\nname = \"{library}\"\npath = \"lib.rs\"\ncrate-type = [\"dylib\"]\n\n[workspace]\n\n\
             [profile.release]\npanic = \"unwind\"\n\n"
        );
        head + &Request::dependencies(requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request> {
        Request::parse(text, Path::new("/nowhere"))
    }

    #[test]
    fn requests_are_lines_of_a_manifest() {
        let any = parse("regex").unwrap();
        assert_eq!(any.value, parse("regex = \"*\"").unwrap().value);
        let request = parse("rand = { version = \"0.9\", features = [\"small_rng\"] }").unwrap();
        assert_eq!(request.name, "rand");
        assert_eq!(
            Request::entries(&[request.clone(), parse("regex").unwrap()]),
            "rand = { features = [\"small_rng\"], version = \"0.9\" }\nregex = \"*\"\n"
        );
        let manifest = Request::manifest(&[request], "bundle", "bundle_1");
        assert!(
            manifest
                .ends_with("[dependencies.rand]\nfeatures = [\"small_rng\"]\nversion = \"0.9\"\n"),
            "{manifest}"
        );
    }

    #[test]
    fn what_is_no_request_is_told() {
        for text in ["", "a = ", "a = 1", "a = \"1\"\nb = \"2\"", "1 2"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains("expected :dep") || error.contains(":dep;"),
                "{error}"
            );
        }
        let missing = parse("a = { path = \"b\" }").unwrap();
        let error = missing.check_path().unwrap_err().to_string();
        assert!(error.contains("no Cargo.toml in /nowhere/b"), "{error}");
    }
}
