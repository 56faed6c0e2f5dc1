//! A component's settings: one struct gives the parser, the defaults, the schema and the docs.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Error, error::nearest};

/// The settings of a component. Use [`config!`](crate::config) to declare one.
///
/// A struct with its own `#[serde(default)]` works, too: `impl Config for MyConfig {}`.
pub trait Config:
    Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static
{
    /// The keys that need not be given, with their values.
    fn defaults() -> Map<String, Value> {
        Map::new()
    }
}

/// A component without settings.
impl Config for () {}

/// Declares the settings of a component.
///
/// Each field has a doc comment, which `describe` shows, and mostly a default; a field without one
/// must be given. `#[schemars(range(min = 0.0))]` on a number is checked when it is parsed. Further
/// structs and enums that a field holds derive serde's and schemars' traits themselves.
///
/// ```
/// patchbay::config! {
///     /// Settings of a focal loss.
///     pub struct FocalConfig {
///         /// Exponent of `1 - p`; 0 gives cross entropy.
///         #[schemars(range(min = 0.0))]
///         gamma: f64 = 2.0,
///         /// Weight of each class.
///         weights: Vec<f64>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! config {
    (
        $(#[$struct_attribute:meta])*
        $visibility:vis struct $name:ident {
            $( $(#[$attribute:meta])* $field_visibility:vis $field:ident : $type:ty $(= $default:expr)? ),* $(,)?
        }
    ) => {
        $(#[$struct_attribute])*
        #[derive(Clone, Debug, $crate::serde::Serialize, $crate::serde::Deserialize, $crate::schemars::JsonSchema)]
        #[serde(crate = "patchbay::serde", deny_unknown_fields)]
        #[schemars(crate = "patchbay::schemars")]
        $visibility struct $name {
            $( $(#[$attribute])* pub $field: $type, )*
        }

        impl $crate::plugin::Config for $name {
            fn defaults() -> $crate::serde_json::Map<String, $crate::serde_json::Value> {
                #[allow(unused_mut)]
                let mut defaults = $crate::serde_json::Map::new();
                $( $(
                    let value: $type = $default;
                    defaults.insert(stringify!($field).to_owned(), $crate::serde_json::json!(value));
                )? )*
                defaults
            }
        }
    };
}

/// The JSON schema of a config, with the defaults filled in.
///
/// This and [`parse`] are compiled into every plugin, so what does not depend on the type is in
/// functions that are compiled once, here: a plugin builds in half the time.
pub(crate) fn schema<C: Config>() -> Value {
    schema_of(C::json_schema, C::defaults)
}

fn schema_of(
    make: fn(&mut SchemaGenerator) -> Schema,
    defaults: fn() -> Map<String, Value>,
) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut schema = make(&mut generator).to_value();
    let defaults = defaults();
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|key| key.as_str().is_none_or(|key| !defaults.contains_key(key)));
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (key, value) in defaults {
            if let Some(Value::Object(property)) = properties.get_mut(&key) {
                property.insert("default".to_owned(), value);
            }
        }
    }
    let definitions = generator.take_definitions(true);
    if let Some(schema) = schema.as_object_mut().filter(|_| !definitions.is_empty()) {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

/// Parses a config. `{}` and `null` mean: all defaults. Also returns the complete settings.
///
/// # Errors
///
/// Names the component, the full path of the key, what was expected and what came.
pub(crate) fn parse<C: Config>(id: &str, given: &Value) -> Result<(C, Value), Error> {
    let value = complete(id, given, &schema::<C>(), C::defaults)?;
    let config = C::deserialize(&value).map_err(|error| refused(id, &error))?;
    let value = config
        .serialize(serde_json::value::Serializer)
        .map_err(|error| refused(id, &error))?;
    Ok((config, value))
}

fn refused(id: &str, error: &serde_json::Error) -> Error {
    Error::new(format!(
        "config of {id}: {error}; describe(\"{id}\") lists the keys"
    ))
}

/// Checks the given keys against the schema and adds the defaults.
fn complete(
    id: &str,
    given: &Value,
    schema: &Value,
    defaults: fn() -> Map<String, Value>,
) -> Result<Value, Error> {
    let given = match given {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        other => {
            return Err(Error::new(format!(
                "the config of {id} is an object like {{\"key\": value}}; it got {other}"
            )));
        }
    };
    check(id, "", &Value::Object(given.clone()), schema, schema)?;
    let mut merged = defaults();
    merged.extend(given);
    // Serde accepts `null` for the unit struct of a component without settings.
    let is_unit = merged.is_empty() && schema.get("properties").is_none();
    Ok(if is_unit {
        Value::Null
    } else {
        Value::Object(merged)
    })
}

/// Checks what serde would accept or word badly: unknown keys, missing keys, ranges.
fn check(id: &str, path: &str, value: &Value, schema: &Value, root: &Value) -> Result<(), Error> {
    let schema = resolve(schema, root);
    check_type(id, path, value, schema)?;
    match value {
        Value::Object(map) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                return match map.keys().next() {
                    Some(key) if path.is_empty() => Err(Error::new(format!(
                        "config of {id}: unknown key `{key}`: this component has no settings"
                    ))),
                    _ => Ok(()),
                };
            };
            for (key, value) in map {
                let full = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match properties.get(key) {
                    Some(property) => check(id, &full, value, property, root)?,
                    None => return Err(unknown_key(id, &full, key, properties)),
                }
            }
            let required = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for key in required
                .filter_map(Value::as_str)
                .filter(|key| !map.contains_key(*key))
            {
                let full = if path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{path}.{key}")
                };
                return Err(Error::new(format!(
                    "config of {id}: `{full}` is missing ({}); it has no default",
                    description(properties.get(key))
                )));
            }
            Ok(())
        }
        Value::Array(items) => match schema.get("items") {
            Some(item) => items.iter().enumerate().try_for_each(|(index, value)| {
                check(id, &format!("{path}[{index}]"), value, item, root)
            }),
            None => Ok(()),
        },
        Value::Number(number) => number
            .as_f64()
            .map_or(Ok(()), |number| check_range(id, path, number, schema)),
        _ => Ok(()),
    }
}

/// Compares a value with the schema's `type` and, for plain enums, with the values it allows.
fn check_type(id: &str, path: &str, value: &Value, schema: &Value) -> Result<(), Error> {
    let is = |name: &str| match name {
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    let expected: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    // The unit type of a component without settings is written as an empty object.
    if !path.is_empty() && !expected.is_empty() && !expected.iter().any(|name| is(name)) {
        let expected = expected.join(" or ");
        return Err(Error::new(format!(
            "config of {id}: `{path}` must be of type {expected}; it got {value}"
        )));
    }
    let listed = |values: &[Value]| {
        values
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let allowed: Vec<Value> = match (schema.get("enum"), schema.get("oneOf")) {
        (Some(Value::Array(values)), _) => values.clone(),
        (None, Some(Value::Array(variants))) => {
            let names: Vec<Value> = variants
                .iter()
                .filter_map(|variant| variant.get("const").cloned())
                .collect();
            if names.len() == variants.len() {
                names
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    };
    if allowed.is_empty() || allowed.contains(value) {
        return Ok(());
    }
    let near = value
        .as_str()
        .and_then(|given| nearest(given, allowed.iter().filter_map(Value::as_str)));
    let hint = near.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
    Err(Error::new(format!(
        "config of {id}: `{path}` must be one of {}; it got {value}{hint}",
        listed(&allowed)
    )))
}

fn check_range(id: &str, path: &str, number: f64, schema: &Value) -> Result<(), Error> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let broken = [
        bound("minimum")
            .filter(|&bound| number < bound)
            .map(|bound| format!("at least {bound}")),
        bound("maximum")
            .filter(|&bound| number > bound)
            .map(|bound| format!("at most {bound}")),
        bound("exclusiveMinimum")
            .filter(|&bound| number <= bound)
            .map(|bound| format!("above {bound}")),
        bound("exclusiveMaximum")
            .filter(|&bound| number >= bound)
            .map(|bound| format!("below {bound}")),
    ];
    match broken.into_iter().flatten().next() {
        Some(expected) => Err(Error::new(format!(
            "config of {id}: `{path}` must be {expected}; it got {number}"
        ))),
        None => Ok(()),
    }
}

/// Follows a reference to a definition, and looks through the `anyOf` of an optional value.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = name.trim_start_matches('#');
        return root.pointer(pointer).unwrap_or(schema);
    }
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    match alternatives.map(Vec::as_slice) {
        Some([only, null]) if null.get("type").and_then(Value::as_str) == Some("null") => {
            resolve(only, root)
        }
        _ => schema,
    }
}

fn unknown_key(id: &str, full: &str, key: &str, properties: &Map<String, Value>) -> Error {
    let hint = match nearest(key, properties.keys().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "".to_owned(),
    };
    let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
    let hint = if hint.is_empty() {
        hint
    } else {
        format!(" {hint}")
    };
    Error::new(format!(
        "config of {id}: unknown key `{full}`;{hint} Known keys: {}",
        keys.join(", ")
    ))
}

fn description(property: Option<&Value>) -> String {
    let text = |key| {
        property
            .and_then(|property| property.get(key))
            .and_then(Value::as_str)
    };
    match (text("type"), text("description")) {
        (Some(kind), Some(meaning)) => format!("{kind}: {meaning}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => "see describe".to_owned(),
    }
}
