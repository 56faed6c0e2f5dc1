//! Settings under the names of an earlier release.
//!
//! A setting or a value that was renamed says so in its schema: `#[schemars(extend("formerly" = "colour"))]`.

use serde_json::{Map, Value};

use super::config_check::resolve;

/// The key of a schema under which the former name is.
const FORMERLY: &str = "formerly";

/// Returns the settings with the present names in the places of former ones.
pub(crate) fn with_present_names(given: &Value, schema: &Value, root: &Value) -> Value {
    let schema = resolve(schema, root);
    match given {
        Value::Object(map) => match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => Value::Object(renamed(map, properties, root)),
            None => given.clone(),
        },
        Value::Array(items) => match schema.get("items") {
            Some(item) => items
                .iter()
                .map(|value| with_present_names(value, item, root))
                .collect(),
            None => given.clone(),
        },
        Value::String(text) => {
            let variants = schema.get("oneOf").and_then(Value::as_array);
            variants
                .into_iter()
                .flatten()
                .find(|variant| is_former(variant, text))
                .and_then(|variant| variant.get("const"))
                .unwrap_or(given)
                .clone()
        }
        _ => given.clone(),
    }
}

fn renamed(
    given: &Map<String, Value>,
    properties: &Map<String, Value>,
    root: &Value,
) -> Map<String, Value> {
    let present = |key: &String| -> String {
        if properties.contains_key(key) {
            return key.clone();
        }
        let mut all = properties.iter();
        all.find(|(name, property)| is_former(property, key) && !given.contains_key(*name))
            .map_or(key, |(name, _)| name)
            .clone()
    };
    given
        .iter()
        .map(|(key, value)| {
            let name = present(key);
            let value = match properties.get(&name) {
                Some(property) => with_present_names(value, property, root),
                None => value.clone(),
            };
            (name, value)
        })
        .collect()
}

fn is_former(schema: &Value, name: &str) -> bool {
    schema.get(FORMERLY).and_then(Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_values_get_their_present_names_and_nothing_else_changes() {
        let schema = json!({
            "properties": {
                "normalize": {"type": "boolean", "formerly": "normalise"},
                "guide": {"$ref": "#/$defs/Guide"},
                "parts": {"items": {"$ref": "#/$defs/Guide"}},
                "inner": {"properties": {"color": {"type": "string", "formerly": "colour"}}},
            },
            "$defs": {"Guide": {"oneOf": [
                {"const": "gray"}, {"const": "color", "formerly": "colour"},
            ]}},
        });
        let present = |given: Value| with_present_names(&given, &schema, &schema);
        assert_eq!(
            present(
                json!({"normalise": true, "guide": "colour", "parts": ["colour", "gray"], "inner": {"colour": "colour"}})
            ),
            json!({"normalize": true, "guide": "color", "parts": ["color", "gray"], "inner": {"color": "colour"}})
        );
        // Both names at once stay as they are, for the error that names the unknown one.
        for same in [
            json!({"normalise": true, "normalize": false}),
            json!({"other": "colour", "guide": 3}),
            json!(null),
        ] {
            assert_eq!(present(same.clone()), same);
        }
    }
}
