//! The references of App Configuration: `{"uri": "https://contoso.vault.azure.net/secrets/db"}`, as an object or as
//! text. The content type of an exported value says that it is a reference, also of a malformed one.

use std::collections::{BTreeMap, BTreeSet};

use keyvault::SecretId;
use keyvault::settings::{Key, Segment};
use keyvault_appconfig::parse_key_vault_reference;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::entry::Entry;

/// Replaces each reference in App Configuration's form by one in the usual form.
pub(super) fn with_references(mut entries: Vec<Entry>) -> Vec<Entry> {
    let declared: BTreeSet<(usize, Vec<Segment>)> = entries
        .iter()
        .filter(|entry| declares_reference(entry))
        .map(|entry| (entry.document, parent(entry).to_vec()))
        .collect();
    for entry in &mut entries {
        let is_declared = is_member(entry, "value") && declared.contains(&(entry.document, parent(entry).to_vec()));
        let reference = entry.text.as_deref().and_then(|text| match is_declared {
            true => Some(declared_reference(text)),
            false => uri_of_text(text).and_then(|uri| reference(&uri)),
        });
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

/// Returns the reference in a value whose content type is that of a reference. A malformed one becomes a reference
/// whose parser finds what is wrong.
fn declared_reference(value: &str) -> String {
    #[derive(Deserialize)]
    struct Content {
        uri: String,
    }
    match parse_key_vault_reference(value) {
        Ok(secret) => reference_to(&secret),
        Err(_) => {
            let uri = serde_json::from_str(value).ok().map(|Content { uri }| uri);
            // The URI may be right, and the rest of the content wrong.
            malformed_reference(&uri.filter(|uri| SecretId::parse(uri).is_err()).unwrap_or_default())
        }
    }
}

/// Returns the URI in a text such as `{"uri": "…"}`. An object with other members is no reference.
fn uri_of_text(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Content {
        uri: String,
    }
    let text = Some(text).filter(|text| text.trim_start().starts_with('{'))?;
    serde_json::from_str(text).ok().map(|Content { uri }| uri)
}

/// Returns whether the entry is the content type of a reference, beside its `value` in an export.
fn declares_reference(entry: &Entry) -> bool {
    (is_member(entry, "content_type") || is_member(entry, "contentType"))
        && entry.text.as_deref().is_some_and(|text| text.contains("vnd.microsoft.appconfig.keyvaultref"))
}

fn is_member(entry: &Entry, name: &str) -> bool {
    entry.key.segments().last().and_then(Segment::name) == Some(name)
}

/// Returns a reference whose parser finds what is wrong with the URI.
fn malformed_reference(uri: &str) -> String {
    // These characters would end a parameter.
    format!("@Microsoft.KeyVault(SecretUri={})", uri.replace([';', ')', '@'], " "))
}

/// Returns the reference of the member `uri` of an object.
fn reference_of_member(entry: &Entry) -> Option<String> {
    let name = entry.key.segments().last()?.name()?;
    let text = entry.text.as_deref()?;
    if name == "uri" && entry.key.segments().len() > 1 { reference(text) } else { None }
}

fn reference(uri: &str) -> Option<String> {
    SecretId::parse(uri).ok().map(|secret| reference_to(&secret))
}

/// Returns the reference to a secret in the usual form.
pub(crate) fn reference_to(secret: &SecretId) -> String {
    format!("@Microsoft.KeyVault(SecretUri={})", secret.url())
}

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

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    fn found(format: Format, text: &str) -> Vec<String> {
        let entries = format.read(text, "f").entries.into_iter().filter(Entry::may_contain_reference);
        entries.map(|entry| format!("{} {}={}", entry.origin, entry.key, **entry.text.as_ref().unwrap())).collect()
    }

    #[test]
    fn the_references_of_app_configuration_are_found() {
        let uri = "https://contoso.vault.azure.net/secrets/db";
        let as_text = format!("{{\"uri\":\"{uri}\"}}");
        let json = format!(
            "{{\"DB\":\n{{\"uri\":\"{uri}\"}}, \"items\": [{{\"key\": \"a\", \"value\": {as_text:?}}}],\n\
             \"other\": {{\"uri\": \"{uri}\", \"x\": 1}}, \"page\": {{\"uri\": \"https://example.com/secrets\"}}}}"
        );
        let reference = format!("@Microsoft.KeyVault(SecretUri={uri})");
        assert_eq!(
            found(Format::Json, &json),
            [format!("f:2 DB={reference}"), format!("f:2 items[0].value={reference}")]
        );
        let yaml = format!("DB:\n  uri: {uri}\nother:\n  uri: {uri}\n  x: 1\n");
        assert_eq!(found(Format::Yaml, &yaml), [format!("f:2 DB={reference}")]);
        let properties = "a.b={\"uri\":\"https\\://contoso.vault.azure.net/secrets/db\"}\n";
        assert_eq!(found(Format::Properties, properties), [format!("f:1 a.b={reference}")]);
    }

    #[test]
    fn a_malformed_reference_of_app_configuration_is_found_by_its_content_type() {
        let kind = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
        for (value, is_valid) in [
            ("{\"uri\":\"https://contoso.vault.azure.net/secrets/db\"}", true),
            ("{\"uri\":\"https://contoso.vault.azure.net/keys/db\"}", false),
            ("{\"uri\":\"https://contoso.vault.azure.net//secrets/db\"}", false),
            ("{\"uri\":\"http://contoso.vault.azure.net/secrets/db\"}", false),
            ("{\"uri\":\"https://contoso.vault.azure.net/secrets/db\",\"note\":1}", true),
            ("{\"url\":\"https://contoso.vault.azure.net/secrets/db\"}", false),
            ("{\"uri\":[\"https://contoso.vault.azure.net/secrets/db\"]}", false),
            ("[\"https://contoso.vault.azure.net/secrets/db\"]", false),
            (
                "{\"uri\":\"https://contoso.vault.azure.net/secrets/a\",\"uri\":\"https://contoso.vault.azure.net/secrets/b\"}",
                false,
            ),
            (
                &*format!(
                    "{{\"uri\":\"https://contoso.vault.azure.net/secrets/db\",\"note\":\"{}\"}}",
                    "x".repeat(5_000)
                ),
                true,
            ),
            ("", false),
        ] {
            let text =
                format!("{{\"items\": [{{\"key\": \"a\", \"value\": {value:?}, \"content_type\": \"{kind}\"}}]}}");
            let contents = Format::Json.read(&text, "f");
            let [reference] = &contents.entries.iter().filter(|e| e.may_contain_reference()).collect::<Vec<_>>()[..]
            else {
                panic!("{value}");
            };
            let parsed = keyvault::Reference::parse(reference.text.as_ref().unwrap());
            assert_eq!(parsed.is_ok(), is_valid, "{value}");
            let without_type = Format::Json.read(&text.replace("keyvaultref", "featureflag"), "f");
            let found = without_type.entries.iter().filter(|entry| entry.may_contain_reference()).count();
            assert_eq!(found, usize::from(is_valid && !value.contains("note")), "{value}");
        }
    }
}
