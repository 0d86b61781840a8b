//! Values of columns as JSON.

use rscir_core::Value;
use serde_json::json;

/// Tells whether JSON has such a number.
pub(crate) fn finite(value: f64) -> bool {
    value.is_finite()
}

/// Turns a column's value into JSON; what is no number becomes null, since JSON has none such.
pub(crate) fn value_of(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Text(v) => json!(v),
        Value::Int(v) => json!(v),
        Value::Float(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::Date(v) => json!(v.to_string()),
        Value::Floats(v) => json!(v),
    }
}
