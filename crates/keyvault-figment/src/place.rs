//! Where a value is written, for people.

use std::path::Path;

use figment::value::Tag;
use figment::{Figment, Metadata, Profile, Source};
use keyvault::SecretId;

use crate::provider;

/// Tells the place of the value at `keys`: `settings.toml key database.host`, `variable SHOP_DATABASE__HOST`.
pub(crate) fn place(figment: &Figment, tag: Tag, keys: &[String]) -> String {
    let Some(metadata) = figment.get_metadata(tag) else {
        return "a value set in code".into();
    };
    let profile = tag.profile().unwrap_or_else(|| figment.profile().clone());
    if let Some(prefix) = environment_prefix(metadata) {
        return variable(prefix, keys);
    }
    let key = metadata.interpolate(&profile, keys);
    // Everybody's profile goes without saying.
    let key = key.strip_prefix("default.").unwrap_or(&key);
    match &metadata.source {
        Some(Source::File(path)) => format!("{} key {key}", relative(path).display()),
        Some(Source::Code(location)) => format!("{} at {}:{}", metadata.name, location.file(), location.line()),
        Some(Source::Custom(source)) => format!("{} {source} key {key}", metadata.name),
        _ if is_key_vault(metadata) => format!("{} {key}", metadata.name),
        _ => format!("{} key {key}", metadata.name),
    }
}

/// Tells the place of what failed before there were values: a file that does not parse.
pub(crate) fn source(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => relative(path).display().to_string(),
        _ => metadata.name.to_string(),
    }
}

/// Tells which file a value is written in.
pub(crate) fn file(figment: &Figment, tag: Tag) -> Option<&Path> {
    match figment.get_metadata(tag)?.source.as_ref()? {
        Source::File(path) => Some(relative(path)),
        _ => None,
    }
}

/// Tells whether a value is a secret that was mapped by its name.
pub(crate) fn is_key_vault(metadata: &Metadata) -> bool {
    metadata.name == provider::NAME
}

/// Tells which secret the value at `keys` is.
pub(crate) fn secret(metadata: &Metadata, keys: &[String]) -> Option<SecretId> {
    SecretId::parse(&metadata.interpolate(&Profile::Default, keys)).ok()
}

/// figment names the metadata of its environment provider so, with the prefix in front if there is one.
fn environment_prefix(metadata: &Metadata) -> Option<&str> {
    let prefix = metadata.name.strip_suffix("environment variable(s)")?;
    Some(prefix.trim().trim_matches('`'))
}

/// figment does not say which variable a key was made of, so it is looked for: the one that gives the key, whatever the
/// separator was, or a list or table with the key in it.
fn variable(prefix: &str, keys: &[String]) -> String {
    let letters = |text: &str| text.replace(['_', '.'], "").to_ascii_uppercase();
    let names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for end in (1..=keys.len()).rev() {
        let wanted = letters(prefix) + &letters(&keys[..end].concat());
        let mut found = names.iter().filter(|name| letters(name) == wanted);
        if let (Some(name), None) = (found.next(), found.next()) {
            return format!("variable {name}");
        }
    }
    format!("variable {prefix}{}", keys.join("_").to_ascii_uppercase())
}

fn relative(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
