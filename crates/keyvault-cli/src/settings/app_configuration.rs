//! The references of App Configuration: `{"uri": "https://contoso.vault.azure.net/secrets/db"}`, as an object or as
//! text.

use std::collections::{BTreeMap, BTreeSet};

use keyvault::SecretId;
use keyvault::settings::{Key, Segment};
use serde_json::Value;
use zeroize::Zeroizing;

use super::entry::Entry;

/// Replaces each reference in App Configuration's form by one in the usual form.
pub(super) fn with_references(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        let reference = entry.text.as_deref().and_then(|text| reference_of_text(text));
        if let Some(reference) = reference {
            entry.text = Some(Zeroizing::new(reference));
        }
    }
    let is_candidate = |index: &usize| reference_of_member(&entries[*index]).is_some();
    let candidates: Vec<usize> = (0..entries.len()).filter(is_candidate).collect();
    if candidates.is_empty() {
        return entries;
    }
    // An object with other members is no reference.
    let mut members: BTreeMap<(usize, Vec<Segment>), usize> = BTreeMap::new();
    let mut lengths = BTreeSet::new();
    for index in &candidates {
        let entry = &entries[*index];
        members.insert((entry.document, parent(entry).to_vec()), 0);
        lengths.insert(parent(entry).len());
    }
    for entry in &entries {
        for length in lengths.range(..entry.key.segments().len()) {
            if let Some(count) = members.get_mut(&(entry.document, entry.key.segments()[..*length].to_vec())) {
                *count += 1;
            }
        }
    }
    for index in candidates {
        let entry = &mut entries[index];
        let is_alone = members.get(&(entry.document, parent(entry).to_vec())) == Some(&1);
        if let Some(reference) = reference_of_member(entry).filter(|_| is_alone) {
            entry.key = key_of(parent(entry));
            entry.text = Some(Zeroizing::new(reference));
        }
    }
    entries
}

/// Returns the reference of a text such as `{"uri": "…"}`.
fn reference_of_text(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with('{') || !text.ends_with('}') || text.len() > MAX_LENGTH {
        return None;
    }
    let Value::Object(members) = serde_json::from_str(text).ok()? else { return None };
    match members.get("uri") {
        Some(Value::String(uri)) if members.len() == 1 => reference(uri),
        _ => None,
    }
}

/// Returns the reference of the member `uri` of an object.
fn reference_of_member(entry: &Entry) -> Option<String> {
    let name = entry.key.segments().last()?.name()?;
    let text = entry.text.as_deref()?;
    if name == "uri" && entry.key.segments().len() > 1 { reference(text) } else { None }
}

fn reference(uri: &str) -> Option<String> {
    let id = SecretId::parse(uri).ok()?;
    Some(format!("@Microsoft.KeyVault(SecretUri={})", id.url()))
}

const MAX_LENGTH: usize = 4_096;

fn parent(entry: &Entry) -> &[Segment] {
    entry.key.segments().split_last().map_or(&[], |(_, parent)| parent)
}

fn key_of(segments: &[Segment]) -> Key {
    let add = |key: Key, segment: &Segment| match segment {
        Segment::Name(name) => key.member(name),
        Segment::Index(index) => key.element(*index),
    };
    segments.iter().fold(Key::root(), add)
}
