//! The values of a figment that are in effect, one after the other.

use std::cmp::Ordering;
use std::iter::Peekable;

use figment::value::{Dict, Num, Tag, Value};
use figment::{Figment, Profile, Provider};
use keyvault::settings::{ConfigValue, Key, MappedSecret, MappedSecrets, Mismatch, Scalar, Segment};

use crate::mismatch::unreadable;
use crate::origin;
use crate::secret_layer::{is_metadata_of, is_secret};

/// Returns the merged values of the selected profile.
pub(crate) fn effective(figment: &Figment) -> Result<Value, Mismatch> {
    // Merging profiles moves every value, which a figment with one profile does not need.
    if figment.profiles().all(|profile| *profile == Profile::Default)
        && let Ok(mut data) = figment.data()
    {
        return Ok(Value::Dict(Tag::Default, data.remove(&Profile::Default).unwrap_or_default()));
    }
    figment.find_value("").map_err(|error| unreadable(&error))
}

/// Returns every value below `root`. `secrets` are those that were passed to the layers.
pub(crate) fn values(figment: &Figment, root: &Value, secrets: &MappedSecrets) -> Vec<ConfigValue> {
    let parts = parts_of(figment, secrets);
    let parts = parts.iter().map(|(tag, part)| (*tag, part.iter().peekable())).collect();
    let mut walk = Walk { figment, parts, path: Vec::new(), values: Vec::new() };
    walk.visit(root);
    walk.values
}

/// Returns every value below `root` that is neither a table nor a list.
pub(crate) fn scalars(root: &Value) -> Vec<(Key, Scalar)> {
    fn visit(value: &Value, key: &Key, scalars: &mut Vec<(Key, Scalar)>) {
        let integer =
            |num: &Num| num.to_i128().or_else(|| num.to_u128().map(|n| i128::try_from(n).unwrap_or(i128::MAX)));
        let scalar = match value {
            Value::Dict(_, dict) => {
                return dict.iter().for_each(|(name, value)| visit(value, &key.member(name), scalars));
            }
            Value::Array(_, items) => {
                return items.iter().enumerate().for_each(|(i, item)| visit(item, &key.element(i), scalars));
            }
            Value::Empty(..) => return,
            Value::String(_, text) => Scalar::text(text.as_str()),
            Value::Char(_, c) => Scalar::text(c.to_string()),
            Value::Bool(_, b) => Scalar::Bool(*b),
            Value::Num(_, num) => match (integer(num), num.to_f64()) {
                (Some(n), _) => Scalar::Integer(n),
                (None, Some(n)) => Scalar::Float(n),
                (None, None) => return,
            },
        };
        scalars.push((key.clone(), scalar));
    }
    let mut scalars = Vec::new();
    visit(root, &Key::root(), &mut scalars);
    scalars
}

/// Returns the value at `key`.
pub(crate) fn find<'v>(root: &'v Value, key: &[Segment]) -> Option<&'v Value> {
    key.iter().try_fold(root, |value, segment| match (value, segment) {
        (Value::Dict(_, dict), Segment::Name(name)) => dict.get(&**name),
        (Value::Array(_, items), Segment::Index(index)) => items.get(*index),
        _ => None,
    })
}

/// Returns the names and indexes of a key as figment writes them.
pub(crate) fn names(key: &Key) -> Vec<String> {
    let name = |segment: &Segment| match segment {
        Segment::Name(name) => name.to_string(),
        Segment::Index(index) => index.to_string(),
    };
    key.segments().iter().map(name).collect()
}

/// Returns the tag of the secrets. `None` if the layers do not contain them.
pub(crate) fn tag_of(figment: &Figment, secrets: &MappedSecrets) -> Option<Tag> {
    let layers = figment.__metadata_map()?;
    layers.into_iter().find(|(_, metadata)| is_metadata_of(metadata, secrets)).map(|(tag, _)| tag)
}

/// Returns the parts of the secrets that the layers contain, each with its tag: all together, or the secrets and the
/// settings of stores apart.
pub(crate) fn parts_of(figment: &Figment, secrets: &MappedSecrets) -> Vec<(Tag, MappedSecrets)> {
    let [apart, stores] = secrets.split();
    let parts = [secrets.clone(), apart, stores];
    let mut found: Vec<(Tag, MappedSecrets)> = Vec::new();
    for part in parts {
        if let Some(tag) = tag_of(figment, &part).filter(|tag| found.iter().all(|(known, _)| known != tag)) {
            found.push((tag, part));
        }
    }
    found
}

struct Walk<'w, S: Iterator> {
    figment: &'w Figment,
    /// The parts of the secrets, from the first that is not before `path`. They are in the order of the walk, so each
    /// secret is compared once.
    parts: Vec<(Tag, Peekable<S>)>,
    path: Vec<Step<'w>>,
    values: Vec<ConfigValue>,
}

/// A borrowed [`Segment`] with the same order.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Step<'s> {
    Name(&'s str),
    Index(usize),
}

impl<'w, S: Iterator<Item = (&'w Key, &'w MappedSecret)>> Walk<'w, S> {
    fn visit(&mut self, value: &'w Value) {
        match value {
            Value::Dict(_, dict) if !dict.is_empty() => {
                dict.iter().for_each(|(name, value)| self.visit_child(Step::Name(name), value));
            }
            Value::Array(_, items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(i, item)| self.visit_child(Step::Index(i), item));
            }
            _ if self.path.is_empty() => {}
            // An empty table or list is a value, so that a change to or from it is seen.
            _ => {
                let value = self.config_value(value);
                self.values.push(value);
            }
        }
    }

    fn visit_child(&mut self, step: Step<'w>, value: &'w Value) {
        self.path.push(step);
        self.visit(value);
        self.path.pop();
    }

    fn config_value(&mut self, value: &Value) -> ConfigValue {
        if let Some((key, secret)) = self.secret_at_path(value.tag())
            && value.as_str().is_none_or(|text| text == secret.expose_secret())
        {
            return ConfigValue::mapped(key.clone(), secret);
        }
        self.other_value(value, self.path.iter().map(Step::segment).collect())
    }

    /// Returns the secret with this tag that was passed to the layers for this path.
    fn secret_at_path(&mut self, tag: Tag) -> Option<(&'w Key, &'w MappedSecret)> {
        let (_, secrets) = self.parts.iter_mut().find(|(of, _)| *of == tag)?;
        loop {
            let (key, _) = secrets.peek()?;
            match key.segments().iter().map(Step::of).cmp(self.path.iter().copied()) {
                Ordering::Less => _ = secrets.next(),
                Ordering::Equal => return secrets.next(),
                Ordering::Greater => return None,
            }
        }
    }

    /// Describes a value that is not one of the secrets, or is one that the layers moved to another key.
    fn other_value(&self, value: &Value, key: Key) -> ConfigValue {
        let names = names(&key);
        let text = value.as_str().unwrap_or_default();
        let metadata = self.figment.get_metadata(value.tag()).filter(|metadata| is_secret(metadata, text, &names));
        if let Some(secret) = metadata.and_then(|metadata| origin::secret(metadata, &names)) {
            return ConfigValue::earlier(key, secret);
        }
        let origin = origin::origin(self.figment, value.tag(), &key);
        let config_value = match (value, metadata) {
            (Value::String(_, text), None) => match origin::file(self.figment, value.tag()) {
                Some(file) => ConfigValue::text(key, origin, text.as_str()).in_file(file),
                None => ConfigValue::text(key, origin, text.as_str()),
            },
            // The metadata does not reveal which secret a moved value is.
            _ => ConfigValue::other(key, origin, format!("{:?}", without_tag(value))),
        };
        if origin::is_in_code(self.figment, value.tag()) { config_value.in_code() } else { config_value }
    }
}

impl<'s> Step<'s> {
    fn of(segment: &'s Segment) -> Self {
        match segment {
            Segment::Name(name) => Step::Name(name),
            Segment::Index(index) => Step::Index(*index),
        }
    }

    fn segment(&self) -> Segment {
        match *self {
            Step::Name(name) => Segment::Name(name.into()),
            Step::Index(index) => Segment::Index(index),
        }
    }
}

/// Removes the tag, which differs at each load. A table or list is empty here.
fn without_tag(value: &Value) -> Value {
    match value {
        Value::Char(_, c) => Value::Char(Tag::Default, *c),
        Value::Bool(_, b) => Value::Bool(Tag::Default, *b),
        Value::Num(_, n) => Value::Num(Tag::Default, *n),
        Value::Empty(_, e) => Value::Empty(Tag::Default, *e),
        Value::Dict(..) => Value::Dict(Tag::Default, Dict::new()),
        Value::Array(..) => Value::Array(Tag::Default, Vec::new()),
        other => other.clone(),
    }
}
