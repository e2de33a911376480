//! The values of a configuration, one after the other.

use config::{Value, ValueKind};
use keyvault::SecretId;
use keyvault::settings::{ConfigValue, Key, MappedSecret, MappedSecrets, Scalar, Segment};

use crate::origin;
use crate::secret_layer::url_of;

/// Returns every value below `root`. `secrets` are those that were passed to the layers.
pub(crate) fn values(root: &Value, secrets: &MappedSecrets) -> Vec<ConfigValue> {
    let [secrets, stores] = secrets.split();
    let mut walk = Walk { secrets, stores, values: Vec::new() };
    walk.visit(root, &Key::root());
    walk.values
}

/// Returns every value below `root` that is neither a table nor a list.
pub(crate) fn scalars(root: &Value) -> Vec<(Key, Scalar)> {
    fn visit(value: &Value, key: &Key, scalars: &mut Vec<(Key, Scalar)>) {
        let scalar = match &value.kind {
            ValueKind::Table(table) => {
                return table.iter().for_each(|(name, value)| visit(value, &key.member(name), scalars));
            }
            ValueKind::Array(items) => {
                return items.iter().enumerate().for_each(|(i, item)| visit(item, &key.element(i), scalars));
            }
            ValueKind::Nil => return,
            ValueKind::Boolean(b) => Scalar::Bool(*b),
            ValueKind::I64(n) => Scalar::Integer((*n).into()),
            ValueKind::I128(n) => Scalar::Integer(*n),
            ValueKind::U64(n) => Scalar::Integer((*n).into()),
            ValueKind::U128(n) => Scalar::Integer(i128::try_from(*n).unwrap_or(i128::MAX)),
            ValueKind::Float(n) => Scalar::Float(*n),
            ValueKind::String(text) => Scalar::text(text.as_str()),
        };
        scalars.push((key.clone(), scalar));
    }
    let mut scalars = Vec::new();
    visit(root, &Key::root(), &mut scalars);
    // A table of config has no order.
    scalars.sort_by(|(one, _), (other, _)| one.cmp(other));
    scalars
}

/// Returns the value at `key`.
pub(crate) fn find<'v>(root: &'v Value, key: &[Segment]) -> Option<&'v Value> {
    key.iter().try_fold(root, |value, segment| match (&value.kind, segment) {
        (ValueKind::Table(table), Segment::Name(name)) => table.get(&**name),
        (ValueKind::Array(items), Segment::Index(index)) => items.get(*index),
        _ => None,
    })
}

struct Walk {
    secrets: MappedSecrets,
    /// The settings of stores outside the process.
    stores: MappedSecrets,
    values: Vec<ConfigValue>,
}

impl Walk {
    fn visit(&mut self, value: &Value, key: &Key) {
        match &value.kind {
            ValueKind::Table(table) if !table.is_empty() => {
                table.iter().for_each(|(name, value)| self.visit(value, &key.member(name)));
            }
            ValueKind::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(i, item)| self.visit(item, &key.element(i)));
            }
            _ if key.segments().is_empty() => {}
            // An empty table or list is a value, so that a change to or from it is seen.
            kind => {
                let value = self.config_value(value, kind, key);
                self.values.push(value);
            }
        }
    }

    fn config_value(&self, value: &Value, kind: &ValueKind, key: &Key) -> ConfigValue {
        if let Some(url) = url_of(value) {
            // The layers may add secrets of their own, or move a secret to another key.
            let passed = self.secrets.get(key).filter(|secret| secret.id().url() == url);
            let passed = passed.map(|secret| ConfigValue::mapped(key.clone(), secret));
            let other = || Some(ConfigValue::earlier(key.clone(), SecretId::parse(url).ok()?));
            if let Some(value) = passed.or_else(other) {
                return value;
            }
        }
        if let Some(stored) = self.stores.get(key).filter(|stored| is_stored(value, stored)) {
            return ConfigValue::mapped(key.clone(), stored);
        }
        let origin = origin::origin(value, key);
        let key = key.clone();
        let config_value = match kind {
            ValueKind::String(text) => match origin::file(value) {
                Some(file) => ConfigValue::text(key, origin, text.as_str()).in_file(file),
                None => ConfigValue::text(key, origin, text.as_str()),
            },
            _ => ConfigValue::other(key, origin, format!("{kind:?}")),
        };
        if origin::is_in_code(value) { config_value.in_code() } else { config_value }
    }
}

/// Returns whether `value` is `stored`, and not one that the layers moved to its key.
fn is_stored(value: &Value, stored: &MappedSecret) -> bool {
    let is_text = |text: &String| text == stored.expose_secret();
    value.origin() == stored.place() && if let ValueKind::String(text) = &value.kind { is_text(text) } else { true }
}
