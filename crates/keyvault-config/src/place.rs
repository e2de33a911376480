//! Putting one secret at its place among the merged values.

use std::fmt;

use config::{Map, Value, ValueKind};
use keyvault::SecretId;
use keyvault::settings::{Key, MappedSecrets, Mismatch, Segment};

use crate::secret_layer::value;

/// The precedence of a secret over a value that is set at its key.
#[derive(Clone, Copy)]
pub(crate) enum Precedence {
    /// The secret replaces the value.
    Secret,
    /// The value stays.
    Value,
}

/// A secret that has no place among the values.
#[derive(Debug)]
pub(crate) struct Misplaced {
    pub(crate) mismatch: Mismatch,
    key: Key,
    secret: Option<SecretId>,
}

/// Puts every secret at its key in `root`. An index in a key is an element of the list there.
pub(crate) fn place_all(
    root: &mut Value,
    secrets: &MappedSecrets,
    precedence: Precedence,
) -> Result<(), Box<Misplaced>> {
    secrets.entries().try_for_each(|(key, tree)| {
        let id = tree.secret().map(|secret| secret.id().clone());
        place(root, key.segments(), value(tree), precedence).map_err(|fault| fault.at(&key, id))
    })
}

enum Fault {
    Gap,
    TableAndList,
}

impl Fault {
    fn at(self, key: &Key, secret: Option<SecretId>) -> Box<Misplaced> {
        let mismatch = match self {
            Self::Gap => Mismatch::gap(key, secret.as_ref()),
            Self::TableAndList => Mismatch::table_and_list(key, secret.as_ref()),
        };
        Box::new(Misplaced { mismatch, key: key.clone(), secret })
    }
}

fn place(at: &mut Value, key: &[Segment], secret: Value, precedence: Precedence) -> Result<(), Fault> {
    match (&mut at.kind, key) {
        (ValueKind::Table(table), [Segment::Name(name), rest @ ..]) => match table.get_mut(&**name) {
            Some(child) => return place(child, rest, secret, precedence),
            None => _ = table.insert(name.to_string(), nested(rest, secret)?),
        },
        (ValueKind::Array(items), [Segment::Index(index), rest @ ..]) if *index < items.len() => {
            return place(&mut items[*index], rest, secret, precedence);
        }
        (ValueKind::Array(items), [Segment::Index(index), rest @ ..]) if *index == items.len() => {
            items.push(nested(rest, secret)?);
        }
        (ValueKind::Array(_), [Segment::Index(_), ..]) => return Err(Fault::Gap),
        (ValueKind::Table(table), [Segment::Index(_), ..]) if !table.is_empty() => return Err(Fault::TableAndList),
        (ValueKind::Array(items), [Segment::Name(_), ..]) if !items.is_empty() => return Err(Fault::TableAndList),
        _ => match precedence {
            Precedence::Secret => *at = nested(key, secret)?,
            Precedence::Value => {}
        },
    }
    Ok(())
}

/// Wraps a secret in the tables and lists of its key.
fn nested(key: &[Segment], secret: Value) -> Result<Value, Fault> {
    let kind = match key {
        [] => return Ok(secret),
        [Segment::Name(name), rest @ ..] => {
            ValueKind::Table(Map::from_iter([(name.to_string(), nested(rest, secret)?)]))
        }
        [Segment::Index(0), rest @ ..] => ValueKind::Array(vec![nested(rest, secret)?]),
        [Segment::Index(_), ..] => return Err(Fault::Gap),
    };
    Ok(Value::new(None, kind))
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, from ", self.key, self.mismatch)?;
        match &self.secret {
            Some(secret) => write!(f, "secret {}", secret.latest()),
            None => f.write_str("the names in a vault"),
        }
    }
}

impl std::error::Error for Misplaced {}
