//! `describe`: all that is known of one component.

use std::fmt;

use patchbay_protocol::MimeBundle;
use serde_json::Value;

use super::{
    Error, Options, Slot, Spec, Tried,
    kinds::{Visitor, each},
    resolve::resolve,
};
use patchbay_cell::parts::identity;
use patchbay_show::{Show, Table, show, table::escape};

/// All that is known of a component.
#[derive(Clone, Debug)]
pub struct Description {
    /// Description that the component gives of itself.
    pub spec: Spec,
    /// Source that the plugin was made from.
    pub source: String,
    /// How many times its plugin was loaded.
    pub generation: u32,
    /// Measurements on it, by name (see `Kind::facts`).
    pub facts: Vec<(String, String)>,
}

/// Describes a component; loads its plugin if need be.
///
/// # Errors
///
/// Fails where there is no such component or its plugin is refused.
pub fn describe(id: &str) -> Result<Description, Error> {
    let entry = resolve(id)?;
    let spec = entry.spec.clone();
    let mut facts = Facts {
        spec: &spec,
        found: Vec::new(),
    };
    each(&mut facts);
    let facts = facts.found;
    Ok(Description {
        spec,
        source: entry.source.clone(),
        generation: entry.generation,
        facts,
    })
}

/// Measures a component; one that has required settings is not measured.
struct Facts<'a> {
    spec: &'a Spec,
    found: Vec<(String, String)>,
}

impl Visitor for Facts<'_> {
    fn visit<K: ?Sized + Tried>(&mut self) {
        if self.spec.kind == K::NAME
            && let Ok(slot) =
                Slot::<K>::new(&self.spec.id, Value::Null, Options::default(), Vec::new())
        {
            let facts = slot.call(|component| Ok(component.facts()));
            self.found = facts.unwrap_or_default();
        }
    }
}

impl Description {
    fn fields(&self) -> Vec<(String, String)> {
        let Spec {
            version, details, ..
        } = &self.spec;
        let trained = if details.trainable {
            "has trained parameters"
        } else {
            "has no parameters"
        };
        let mut fields = vec![
            ("formula".to_owned(), details.formula.to_owned()),
            ("shapes".to_owned(), details.shapes.to_owned()),
            ("reference".to_owned(), details.reference.to_owned()),
            ("trainable".to_owned(), trained.to_owned()),
        ];
        fields.extend(self.facts.clone());
        fields.push((
            "plugin".to_owned(),
            format!(
                "{} {version}, generation {}, SDK {}",
                self.source,
                self.generation,
                identity().build_id
            ),
        ));
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }

    /// One row for each setting.
    pub fn settings(&self) -> Table {
        let mut table = Table::new(["key", "type", "default", "range", "meaning"]);
        for row in setting_rows(&self.spec) {
            table.push(row);
        }
        table
    }

    fn has_settings(&self) -> bool {
        self.spec
            .config
            .get("properties")
            .and_then(Value::as_object)
            .is_some_and(|keys| !keys.is_empty())
    }
}

/// The settings of a component: key, type, default, range, meaning.
pub(crate) fn setting_rows(spec: &Spec) -> impl Iterator<Item = [String; 5]> {
    let properties = spec.config.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, property)| {
        let meaning = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        [
            key.clone(),
            type_name(property, &spec.config),
            property
                .get("default")
                .map_or_else(|| "required".to_owned(), Value::to_string),
            range(property),
            meaning.to_owned(),
        ]
    })
}

/// The type of a property in words.
fn type_name(property: &Value, root: &Value) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        return target.map_or_else(String::new, |target| type_name(target, root));
    }
    if let Some(alternatives) = property
        .get("oneOf")
        .or_else(|| property.get("anyOf"))
        .and_then(Value::as_array)
    {
        let names: Vec<String> = alternatives
            .iter()
            .map(|item| type_name(item, root))
            .collect();
        return names.join(" | ");
    }
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" | ");
    }
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    match property.get("type") {
        Some(Value::String(name)) if name == "array" => {
            let item = property
                .get("items")
                .map_or_else(String::new, |item| type_name(item, root));
            format!("[{item}]")
        }
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            match property.get("items") {
                Some(item) => names
                    .join(" | ")
                    .replace("array", &format!("[{}]", type_name(item, root))),
                None => names.join(" | "),
            }
        }
        _ => "any".to_owned(),
    }
}

fn range(property: &Value) -> String {
    let bound = |key: &str, sign: &str| {
        property
            .get(key)
            .and_then(Value::as_f64)
            .map(|bound| format!("{sign} {bound}"))
    };
    let bounds: Vec<String> = [
        bound("minimum", ">="),
        bound("exclusiveMinimum", ">"),
        bound("maximum", "<="),
        bound("exclusiveMaximum", "<"),
    ]
    .into_iter()
    .flatten()
    .collect();
    bounds.join(", ")
}

impl fmt::Display for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}\n\n", self.spec.id, self.spec.summary)?;
        for (name, value) in self.fields() {
            writeln!(formatter, "{name}: {}", value.replace('\n', "\n    "))?;
        }
        if self.has_settings() {
            write!(formatter, "\n{}\n", self.settings())?;
        } else {
            write!(formatter, "\nno settings\n")?;
        }
        if !self.spec.details.example.is_empty() {
            write!(formatter, "\n{}", self.spec.details.example)?;
        }
        Ok(())
    }
}

impl Show for Description {
    fn show(&self) -> MimeBundle {
        let fields: String = self
            .fields()
            .iter()
            .map(|(name, value)| {
                let value = escape(value).replace('\n', "<br>");
                format!("<dt><b>{}</b></dt><dd>{value}</dd>", escape(name))
            })
            .collect();
        let settings = if self.has_settings() {
            self.settings().to_html()
        } else {
            "<p>no settings</p>".to_owned()
        };
        let html = format!(
            "<h4>{}</h4><p>{}</p><dl>{fields}</dl>{settings}<pre><code>{}</code></pre>",
            escape(&self.spec.id),
            escape(self.spec.summary),
            escape(self.spec.details.example)
        );
        show::bundle(self.to_string(), "text/html", html)
    }
}
