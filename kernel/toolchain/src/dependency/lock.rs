//! Lock files: which versions cargo is to choose again.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// One lock file with the packages of several, so that cargo chooses the versions that are in use.
///
/// Each package names its dependencies with their versions: a name alone would be ambiguous where the
/// files have different versions of one package.
pub fn merge(texts: &[&str]) -> String {
    let mut packages: BTreeMap<(String, String, String), Table> = BTreeMap::new();
    for text in texts {
        let Ok(lock) = text.parse::<Table>() else {
            continue;
        };
        let Some(Value::Array(found)) = lock.get("package") else {
            continue;
        };
        let found: Vec<&Table> = found.iter().filter_map(Value::as_table).collect();
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in &found {
            if let (Some(name), Some(version)) =
                (text_of(package, "name"), text_of(package, "version"))
            {
                versions.entry(name).or_default().insert(version);
            }
        }
        for package in &found {
            let (Some(name), Some(version)) =
                (text_of(package, "name"), text_of(package, "version"))
            else {
                continue;
            };
            let source = text_of(package, "source").unwrap_or_default();
            let mut package = (*package).clone();
            if let Some(Value::Array(dependencies)) = package.get_mut("dependencies") {
                for dependency in dependencies {
                    let Some(known) = dependency.as_str().and_then(|name| versions.get(name))
                    else {
                        continue;
                    };
                    if let (Some(version), 1) = (known.first(), known.len()) {
                        let name = dependency.as_str().unwrap_or_default();
                        *dependency = Value::String(format!("{name} {version}"));
                    }
                }
            }
            packages
                .entry((name.to_owned(), version.to_owned(), source.to_owned()))
                .or_insert(package);
        }
    }
    let packages = packages.into_values().map(Value::Table).collect();
    Table::from_iter([
        ("version".to_owned(), Value::Integer(4)),
        ("package".to_owned(), Value::Array(packages)),
    ])
    .to_string()
}

fn text_of<'a>(package: &'a Table, key: &str) -> Option<&'a str> {
    package.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_keep_the_versions_of_their_own_file() {
        let lock = |a: &str, b: &str| {
            format!(
                "version = 4\n[[package]]\nname = \"{a}\"\nversion = \"1.0.0\"\ndependencies = [\"b\"]\n\
                 [[package]]\nname = \"b\"\nversion = \"{b}\"\n"
            )
        };
        let merged: Table = merge(&[
            &lock("x", "1.0.0"),
            &lock("y", "2.0.0"),
            &lock("x", "1.0.0"),
        ])
        .parse()
        .unwrap();
        let packages = merged["package"].as_array().unwrap();
        let all: Vec<String> = packages
            .iter()
            .map(|package| {
                let dependency = package
                    .get("dependencies")
                    .map_or("-", |list| list[0].as_str().unwrap());
                format!("{} {} {dependency}", package["name"], package["version"])
            })
            .collect();
        assert_eq!(
            all,
            [
                "\"b\" \"1.0.0\" -",
                "\"b\" \"2.0.0\" -",
                "\"x\" \"1.0.0\" b 1.0.0",
                "\"y\" \"1.0.0\" b 2.0.0"
            ]
        );
    }
}
