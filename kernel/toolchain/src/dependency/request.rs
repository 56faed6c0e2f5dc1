//! The argument of `:dep`: a line of a manifest's `[dependencies]`.

use std::path::{Path, PathBuf};

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
    /// The feature that [`Request::complete`] has added.
    added: Option<&'static str>,
}

const EXPECTED: &str = "expected :dep name = \"1\" or :dep name = { version = \"1\", features = [\"x\"] }; \
                        instead of a version, path = \"../crate\" or git = \"https://…\"; a folder with a crate, \
                        :dep ../crate; or several, :dep { a = \"1\", b = \"2\" }";

impl Request {
    /// Reads `name`, `name = "1"` or `name = { version = "1", features = ["x"] }`, also with `path`
    /// (relative to `folder`) or `git`; `name@1`; a folder with a crate in it, `../crate`; or several of these,
    /// in braces or with commas between them.
    ///
    /// # Errors
    ///
    /// Says what was expected.
    pub fn parse(text: &str, folder: &Path) -> Result<Vec<Request>> {
        let text = on_one_line(text);
        let text = text.trim();
        let inner = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(text);
        let requests = pieces(inner)
            .into_iter()
            .map(|piece| Request::parse_one(piece, folder))
            .collect::<Result<Vec<Request>>>()?;
        for (index, request) in requests.iter().enumerate() {
            if requests[..index]
                .iter()
                .any(|other| other.name == request.name)
            {
                bail!("`{}` is asked for twice; {EXPECTED}", request.name);
            }
        }
        Ok(requests)
    }

    fn parse_one(text: &str, folder: &Path) -> Result<Request> {
        if text.starts_with(['.', '/', '~']) {
            return Request::of_folder(text, folder);
        }
        let line = match text.split_once('@') {
            Some((name, version)) if !text.contains('=') => format!("{name} = \"{version}\""),
            _ if text.contains('=') => text.to_owned(),
            _ => format!("{text} = \"*\""),
        };
        let Ok(table) = line.parse::<Table>() else {
            bail!("`{text}` is no dependency: {EXPECTED}");
        };
        let mut entries = table.into_iter();
        let (Some((name, mut value)), None) = (entries.next(), entries.next()) else {
            bail!("one crate for each line of :dep; {EXPECTED}");
        };
        match &mut value {
            Value::String(_) => {}
            Value::Table(table) => {
                if let Some(path) = table.get_mut("path") {
                    let Some(given) = path.as_str() else {
                        bail!("path is a text; {EXPECTED}");
                    };
                    let absolute = folder.join(expand_home(given)).display().to_string();
                    *path = Value::String(absolute);
                }
            }
            _ => bail!("`{text}` is no dependency: {EXPECTED}"),
        }
        let mut request = Request {
            text: text.to_owned(),
            name,
            value,
            added: None,
        };
        request.complete();
        Ok(request)
    }

    /// The crate in a folder, under its own name.
    fn of_folder(text: &str, folder: &Path) -> Result<Request> {
        let place = folder.join(expand_home(text));
        let manifest = place.join("Cargo.toml");
        let Ok(content) = std::fs::read_to_string(&manifest) else {
            bail!("there is no Cargo.toml in {}; {EXPECTED}", place.display());
        };
        let name = content.parse::<Table>().ok().and_then(|table| {
            let name = table.get("package")?.get("name")?.as_str()?;
            Some(name.to_owned())
        });
        let Some(name) = name else {
            bail!("{} names no package; {EXPECTED}", manifest.display());
        };
        let path = Table::from_iter([(
            "path".to_owned(),
            Value::String(place.display().to_string()),
        )]);
        Ok(Request {
            text: text.to_owned(),
            name,
            value: Value::Table(path),
            added: None,
        })
    }

    /// The package's name in the registry.
    pub fn package(&self) -> &str {
        let renamed = self.value.get("package").and_then(Value::as_str);
        renamed.unwrap_or(&self.name)
    }

    /// Adds what the kernel itself needs of a crate: `.await` at a cell's top level runs on tokio's runtime.
    fn complete(&mut self) {
        const RUNTIMES: [&str; 3] = ["rt", "rt-multi-thread", "full"];
        if self.package() != "tokio" {
            return;
        }
        if let Value::String(version) = &self.value {
            let version = Value::String(version.clone());
            self.value = Value::Table(Table::from_iter([("version".to_owned(), version)]));
        }
        let Value::Table(table) = &mut self.value else {
            return;
        };
        let features = table
            .entry("features")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(features) = features
            && !features
                .iter()
                .filter_map(Value::as_str)
                .any(|feature| RUNTIMES.contains(&feature))
        {
            features.push(Value::String(RUNTIMES[1].to_owned()));
            self.added = Some(RUNTIMES[1]);
        }
    }

    /// The request as the user has made it, without what the kernel has added.
    pub fn as_made(&self) -> Request {
        let mut request = self.clone();
        if let (Some(added), Some(Value::Array(features))) =
            (request.added.take(), request.value.get_mut("features"))
        {
            features.retain(|feature| feature.as_str() != Some(added));
        }
        request
    }

    /// The same request under a name that has the version in it; `None` for one in a folder.
    pub fn under_another_name(&self, version: &str) -> Option<String> {
        if self.is_local() {
            return None;
        }
        let mut table = match &self.value {
            Value::Table(table) => table.clone(),
            other => Table::from_iter([("version".to_owned(), other.clone())]),
        };
        let package = Value::String(self.package().to_owned());
        table.insert("package".to_owned(), package);
        let mut numbers = version.split('.');
        let mut name = self.name.replace('-', "_");
        for number in numbers.by_ref() {
            name.push('_');
            name.push_str(number);
            if number != "0" {
                break;
            }
        }
        Some(format!("{name} = {}", Value::Table(table)))
    }

    /// The request that stands for this and a newer one of its name: the newer, with the features of both where both
    /// are for one package.
    pub fn followed_by(&self, newer: &Request) -> Request {
        let of = |request: &Request| match request.value.get("features") {
            Some(Value::Array(features)) => features.clone(),
            _ => Vec::new(),
        };
        let mut request = newer.clone();
        let mut features = of(newer);
        let count = features.len();
        for feature in of(self) {
            if !features.contains(&feature) {
                features.push(feature);
            }
        }
        if self.package() != newer.package() || features.len() == count {
            return request;
        }
        if let Value::String(version) = &request.value {
            let version = Value::String(version.clone());
            request.value = Value::Table(Table::from_iter([("version".to_owned(), version)]));
        }
        if let Value::Table(table) = &mut request.value {
            table.insert("features".to_owned(), Value::Array(features));
        }
        request.text = format!("{} = {}", request.name, request.value);
        request
    }

    /// Whether two requests ask for the same, however they are written.
    pub fn is_same(&self, other: &Request) -> bool {
        self.name == other.name && self.value == other.value
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

/// A request as a line of a manifest, which may hold no line break: without the breaks and `#` comments.
fn on_one_line(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut in_quotes = false;
        let end = line.char_indices().find(|(_, character)| {
            in_quotes ^= *character == '"';
            *character == '#' && !in_quotes
        });
        line[..end.map_or(line.len(), |(at, _)| at)].trim()
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// The parts of a text between the commas that stand in no brackets and quotes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut depth, mut in_quotes, mut start) = (0usize, false, 0);
    let mut pieces = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                pieces.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    // A comma may follow the last one.
    if !last.is_empty() || pieces.is_empty() {
        pieces.push(last);
    }
    pieces
}

fn expand_home(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").and_then(|rest| {
        let home = std::env::home_dir()?;
        Some(home.join(rest))
    });
    home.unwrap_or_else(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(text: &str) -> Result<Vec<Request>> {
        Request::parse(text, Path::new("/nowhere"))
    }

    fn parse(text: &str) -> Result<Request> {
        let mut all = parse_all(text)?;
        assert_eq!(all.len(), 1, "{text}");
        Ok(all.remove(0))
    }

    #[test]
    fn several_crates_and_several_lines() {
        let names = |text: &str| -> Vec<String> {
            let all = parse_all(text).unwrap();
            all.into_iter().map(|request| request.name).collect()
        };
        assert_eq!(names("{ rand = \"0.9\", log = \"0.4\" }"), ["rand", "log"]);
        assert_eq!(
            names("rand, serde = { version = \"1\", features = [\"derive\", \"rc\"] }, log@0.4,"),
            ["rand", "serde", "log"]
        );
        let request = parse("a = {\n  version = \"1\", # one\n  features = [\"x#y\"] }").unwrap();
        assert_eq!(
            request.value,
            parse("a = { version = \"1\", features = [\"x#y\"] }")
                .unwrap()
                .value
        );
        assert!(parse_all("a, a").is_err());
    }

    #[test]
    fn a_folder_is_a_request_for_the_crate_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("own");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(
            place.join("Cargo.toml"),
            "[package]\nname = \"own-crate\"\n",
        )
        .unwrap();
        let found = Request::parse("./own", folder.path()).unwrap().remove(0);
        assert_eq!(found.name, "own-crate");
        assert!(found.is_local());
        let error = Request::parse("./other", folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no Cargo.toml in"), "{error}");
    }

    #[test]
    fn a_newer_request_keeps_the_features_of_the_older() {
        let joined =
            |older: &str, newer: &str| parse(older).unwrap().followed_by(&parse(newer).unwrap());
        let both = joined("a = { version = \"1\", features = [\"x\"] }", "a = \"1.2\"");
        assert_eq!(both.text, "a = { features = [\"x\"], version = \"1.2\" }");
        assert!(both.is_same(&parse(&both.text).unwrap()));
        let newer = "a = { version = \"1\", features = [\"x\", \"y\"] }";
        assert_eq!(
            joined("a = { version = \"1\", features = [\"x\"] }", newer).text,
            newer
        );
        assert_eq!(joined("a = \"1\"", "a = \"2\"").text, "a = \"2\"");
    }

    #[test]
    fn tokio_brings_its_runtime() {
        let entry = |text: &str| Request::entries(&[parse(text).unwrap()]);
        assert!(entry("tokio").contains("features = [\"rt-multi-thread\"]"));
        assert!(
            entry("t = { package = \"tokio\", features = [\"time\"] }")
                .contains("\"rt-multi-thread\"")
        );
        assert!(!entry("tokio = { version = \"1\", features = [\"full\"] }").contains("multi"));
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
