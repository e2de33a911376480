//! The origin of a value, for error texts and reports.

use std::path::Path;

use figment::value::Tag;
use figment::{Figment, Metadata, Profile, Source};
use keyvault::SecretId;
use keyvault::settings::Key;

use crate::values::names;

/// Describes where the value at `keys` is set: `settings.toml key database.host`, `variable SHOP_DATABASE__HOST`.
pub(crate) fn origin(figment: &Figment, tag: Tag, key: &Key) -> String {
    let keys = &names(key)[..];
    let Some(metadata) = figment.get_metadata(tag) else {
        return "a value set in code".into();
    };
    let profile = tag.profile().unwrap_or_else(|| figment.profile().clone());
    if let Some(prefix) = environment_prefix(metadata) {
        return variable(prefix, keys);
    }
    let written = metadata.interpolate(&profile, keys);
    // The default profile is not mentioned.
    let written = written.strip_prefix("default.").unwrap_or(&written);
    // figment writes the index of an element like a name.
    let key = match written.strip_suffix(&keys.join(".")) {
        Some(profile) => format!("{profile}{key}"),
        None => written.to_owned(),
    };
    match &metadata.source {
        Some(Source::File(path)) => format!("{} key {key}", relative(path).display()),
        Some(Source::Code(location)) => format!("{} at {}:{}", metadata.name, location.file(), location.line()),
        Some(Source::Custom(source)) => format!("{} {source} key {key}", metadata.name),
        _ => format!("{} key {key}", metadata.name),
    }
}

/// Describes a layer whose values could not be read, for example a file with a syntax error.
pub(crate) fn source(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => relative(path).display().to_string(),
        _ => metadata.name.to_string(),
    }
}

/// Returns whether the program sets the value in its code, as `Serialized` and text such as `Toml::string` do.
pub(crate) fn is_in_code(figment: &Figment, tag: Tag) -> bool {
    figment.get_metadata(tag).is_none_or(|metadata| match &metadata.source {
        Some(source) => matches!(source, Source::Code(_)),
        None => metadata.name.ends_with(" source string"),
    })
}

/// Returns the file of a value. `None` for a value of another source.
pub(crate) fn file(figment: &Figment, tag: Tag) -> Option<&Path> {
    match figment.get_metadata(tag)?.source.as_ref()? {
        Source::File(path) => Some(relative(path)),
        _ => None,
    }
}

/// Returns the secret that the value at `keys` is, for a value of the secret layer.
pub(crate) fn secret(metadata: &Metadata, keys: &[String]) -> Option<SecretId> {
    SecretId::parse(&metadata.interpolate(&Profile::Default, keys)).ok()
}

/// Returns the prefix of figment's environment provider. `None` for any other provider.
fn environment_prefix(metadata: &Metadata) -> Option<&str> {
    let prefix = metadata.name.strip_suffix("environment variable(s)")?;
    Some(prefix.trim().trim_matches('`'))
}

/// Searches the variable of a key, because figment does not record it: the only one whose name gives the key, whatever
/// the separator is, or gives a list or table that contains it.
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
