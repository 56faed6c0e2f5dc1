//! Checking given settings against their schema, with the full path of the key in each error.

use serde_json::{Map, Value};

use super::{Error, error::nearest};

/// Checks what serde would accept or word badly: unknown keys, missing keys, ranges.
pub(crate) fn check(
    id: &str,
    path: &str,
    value: &Value,
    schema: &Value,
    root: &Value,
) -> Result<(), Error> {
    if value.is_null() && allows_null(schema) {
        return Ok(());
    }
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
            let missing = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .find(|key| !map.contains_key(*key));
            if let Some(key) = missing {
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

/// Whether the schema is that of an optional struct or enum: `anyOf` it and null.
fn allows_null(schema: &Value) -> bool {
    schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|choice| choice.get("type").and_then(Value::as_str) == Some("null"))
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
pub(crate) fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
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
