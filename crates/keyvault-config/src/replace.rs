//! Replacing and removing one value of a configuration.

use config::{Value, ValueKind};
use keyvault::SecretId;
use keyvault::settings::{Resolved, Scalar, Segment};

/// Replaces the value at `key`, and appends the secrets to its origin.
pub(crate) fn put(root: &mut Value, key: &[Segment], text: &Resolved) {
    let Some(value) = find(root, key) else { return };
    let urls: Vec<String> = text.secrets().iter().map(SecretId::url).collect();
    let origin = match (value.origin(), urls.is_empty()) {
        (origin, true) => origin.map(str::to_owned),
        (Some(origin), false) => Some(format!("{origin} (Key Vault secret {})", urls.join(", "))),
        (None, false) => Some(format!("Key Vault secret {}", urls.join(", "))),
    };
    // Only a new value can get an origin.
    *value = Value::new(origin.as_ref(), text.expose_secret());
}

/// Sets the value at `key`, and keeps its origin.
pub(crate) fn set(root: &mut Value, key: &[Segment], scalar: &Scalar) {
    let kind = kind_of(scalar);
    match (find(root, key), key.split_last()) {
        (Some(value), _) => value.kind = kind,
        (None, Some((Segment::Name(name), parent))) => {
            if let Some(Value { kind: ValueKind::Table(table), .. }) = find(root, parent) {
                table.insert(name.to_string(), Value::new(None, kind));
            }
        }
        _ => {}
    }
}

pub(crate) fn kind_of(scalar: &Scalar) -> ValueKind {
    match scalar {
        Scalar::Bool(b) => ValueKind::Boolean(*b),
        Scalar::Integer(n) => match (i64::try_from(*n), u64::try_from(*n)) {
            (Ok(n), _) => ValueKind::I64(n),
            (_, Ok(n)) => ValueKind::U64(n),
            _ => ValueKind::I128(*n),
        },
        Scalar::Float(n) => ValueKind::Float(*n),
        Scalar::Text(text) => ValueKind::String(text.to_string()),
    }
}

/// Removes the value at `key`.
pub(crate) fn remove(root: &mut Value, key: &[Segment]) {
    let Some((last, parent)) = key.split_last() else { return };
    let Some(value) = find(root, parent) else { return };
    match (&mut value.kind, last) {
        (ValueKind::Table(table), Segment::Name(name)) => _ = table.remove(&**name),
        (ValueKind::Array(items), Segment::Index(index)) if *index < items.len() => _ = items.remove(*index),
        _ => {}
    }
}

fn find<'v>(value: &'v mut Value, key: &[Segment]) -> Option<&'v mut Value> {
    let [first, rest @ ..] = key else { return Some(value) };
    let child = match (&mut value.kind, first) {
        (ValueKind::Table(table), Segment::Name(name)) => table.get_mut(&**name)?,
        (ValueKind::Array(items), Segment::Index(index)) => items.get_mut(*index)?,
        _ => return None,
    };
    find(child, rest)
}
