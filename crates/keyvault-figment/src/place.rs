//! Putting secrets at their places in the lists of other layers, because figment replaces a list as a whole.

use figment::value::{Dict, Tag, Value};
use figment::{Figment, Profile};
use keyvault::SecretId;
use keyvault::settings::{Key, MappedSecrets, Mismatch, Segment};

use crate::replace::{data, find_in, profile_of, with_data};
use crate::secret_layer::value;
use crate::values::{effective, tag_of};

/// Puts every secret whose name has an index at its place in `figment`, whose layers contain the other secrets. A
/// secret replaces a value that is set at its key if `overrides`, which is called only then, returns `true` for the
/// list.
pub(crate) fn place_in_lists(
    figment: Figment,
    secrets: &MappedSecrets,
    overrides: impl Fn(&[Segment]) -> bool,
) -> Result<Figment, Mismatch> {
    let mut data = data(&figment)?;
    let tag = tag_of(&figment, secrets).unwrap_or(Tag::Default);
    for (key, tree) in secrets.entries() {
        let Some(list) = list_of(&key) else { continue };
        let id = tree.secret().map(|secret| secret.id().clone());
        let list_key: Key = list.iter().cloned().collect();
        let profile = profile_of(&figment, &mut data, &list_key).unwrap_or(Profile::Default);
        // A value of a higher profile overrides the secrets.
        let overrides = || profile == Profile::Default && overrides(list);
        let mut secret = value(tree);
        set_tag(&mut secret, tag);
        let dict = data.entry(profile.clone()).or_default();
        place_in(dict, key.segments(), secret, &overrides).map_err(|fault| fault.at(&key, id))?;
    }
    Ok(with_data(figment, data))
}

/// Returns whether the value at `list` comes from the secrets, which have a mark in place of their lists.
pub(crate) fn is_of_secrets(figment: &Figment, secrets: &MappedSecrets, list: &[Segment]) -> bool {
    let Ok(Value::Dict(_, mut root)) = effective(figment) else { return false };
    let tag = tag_of(figment, secrets);
    find_in(&mut root, list).is_some_and(|mark| mark.as_str().is_some() && Some(mark.tag()) == tag)
}

/// Checks that no secret is a member of a table where the layers have a list.
pub(crate) fn check_tables(root: &Value, secrets: &MappedSecrets) -> Result<(), Mismatch> {
    secrets.iter().try_for_each(|(key, secret)| {
        let mut at = root;
        for segment in key.segments() {
            let child = match (at, segment) {
                (Value::Dict(_, dict), Segment::Name(name)) => dict.get(&**name),
                (Value::Array(_, items), Segment::Index(index)) => items.get(*index),
                (Value::Array(_, items), Segment::Name(_)) if !items.is_empty() => {
                    return Err(Mismatch::table_and_list(key, Some(secret.id())));
                }
                _ => None,
            };
            let Some(child) = child else { break };
            at = child;
        }
        Ok(())
    })
}

/// Returns the key of the outermost list that contains a key.
pub(crate) fn list_of(key: &Key) -> Option<&[Segment]> {
    let segments = key.segments();
    let index = segments.iter().position(|segment| matches!(segment, Segment::Index(_)))?;
    Some(&segments[..index])
}

pub(crate) enum Fault {
    Gap,
    TableAndList,
}

impl Fault {
    fn at(self, key: &Key, secret: Option<SecretId>) -> Mismatch {
        match self {
            Self::Gap => Mismatch::gap(key, secret.as_ref()),
            Self::TableAndList => Mismatch::table_and_list(key, secret.as_ref()),
        }
    }
}

/// Puts a secret at `key`, a key that begins with a name. It replaces a value there if `overrides` returns `true`.
pub(crate) fn place_in(
    dict: &mut Dict,
    key: &[Segment],
    secret: Value,
    overrides: &dyn Fn() -> bool,
) -> Result<(), Fault> {
    let [Segment::Name(name), rest @ ..] = key else { return Ok(()) };
    match dict.get_mut(&**name) {
        Some(child) => place(child, rest, secret, overrides),
        None => {
            dict.insert(name.to_string(), nested(rest, secret)?);
            Ok(())
        }
    }
}

fn place(at: &mut Value, key: &[Segment], secret: Value, overrides: &dyn Fn() -> bool) -> Result<(), Fault> {
    match (&mut *at, key) {
        (Value::Dict(_, dict), [Segment::Name(_), ..]) => return place_in(dict, key, secret, overrides),
        (Value::Array(_, items), [Segment::Index(index), rest @ ..]) if *index < items.len() => {
            return place(&mut items[*index], rest, secret, overrides);
        }
        (Value::Array(_, items), [Segment::Index(index), rest @ ..]) if *index == items.len() => {
            items.push(nested(rest, secret)?);
        }
        (Value::Array(_, _), [Segment::Index(_), ..]) => return Err(Fault::Gap),
        (Value::Dict(_, dict), [Segment::Index(_), ..]) if !dict.is_empty() => return Err(Fault::TableAndList),
        (Value::Array(_, items), [Segment::Name(_), ..]) if !items.is_empty() => return Err(Fault::TableAndList),
        _ if overrides() => *at = nested(key, secret)?,
        _ => {}
    }
    Ok(())
}

/// Wraps a secret in the tables and lists of its key.
fn nested(key: &[Segment], secret: Value) -> Result<Value, Fault> {
    let tag = secret.tag();
    match key {
        [] => Ok(secret),
        [Segment::Name(name), rest @ ..] => {
            Ok(Value::Dict(tag, Dict::from([(name.to_string(), nested(rest, secret)?)])))
        }
        [Segment::Index(0), rest @ ..] => Ok(Value::Array(tag, vec![nested(rest, secret)?])),
        [Segment::Index(_), ..] => Err(Fault::Gap),
    }
}

/// Marks a value as one of the secrets.
fn set_tag(value: &mut Value, tag: Tag) {
    match value {
        Value::String(of, _) | Value::Empty(of, _) | Value::Bool(of, _) | Value::Num(of, _) => *of = tag,
        Value::Dict(of, dict) => {
            *of = tag;
            dict.values_mut().for_each(|value| set_tag(value, tag));
        }
        Value::Array(of, items) => {
            *of = tag;
            items.iter_mut().for_each(|value| set_tag(value, tag));
        }
        _ => {}
    }
}
