//! A component's settings: one struct gives the parser, the defaults, the schema and the docs.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Error, config_check::check, former_settings::with_present_names};

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
        #[derive(Clone, Debug, $crate::__crates::serde::Serialize, $crate::__crates::serde::Deserialize, $crate::__crates::schemars::JsonSchema)]
        #[serde(crate = "patchbay::serde", deny_unknown_fields)]
        #[schemars(crate = "patchbay::schemars")]
        $visibility struct $name {
            $( $(#[$attribute])* pub $field: $type, )*
        }

        impl $crate::Config for $name {
            fn defaults() -> $crate::__crates::serde_json::Map<String, $crate::__crates::serde_json::Value> {
                #[allow(unused_mut)]
                let mut defaults = $crate::__crates::serde_json::Map::new();
                $( $(
                    let value: $type = $default;
                    defaults.insert(stringify!($field).to_owned(), $crate::__crates::serde_json::json!(value));
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
pub fn schema<C: Config>() -> Value {
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
pub fn parse<C: Config>(id: &str, given: &Value) -> Result<(C, Value), Error> {
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
    let given = with_present_names(&Value::Object(given), schema, schema);
    check(id, "", &given, schema, schema)?;
    let mut merged = defaults();
    if let Value::Object(given) = given {
        merged.extend(given);
    }
    // Serde accepts `null` for the unit struct of a component without settings.
    let is_unit = merged.is_empty() && schema.get("properties").is_none();
    Ok(if is_unit {
        Value::Null
    } else {
        Value::Object(merged)
    })
}
