//! One value and its origin.

use keyvault::Template;
use keyvault::settings::{ConfigValue, Key};
use zeroize::Zeroizing;

/// One value of a file or of the environment.
pub(crate) struct Entry {
    pub(crate) key: Key,
    /// `settings.toml:3`, `variable SHOP_PORT` or `App Configuration key shop:port`.
    pub(crate) origin: String,
    /// The index of the YAML document that the value is in, 0 in other formats.
    pub(crate) document: usize,
    /// The value. `None` if no reference can be in it, as in a number of TOML.
    pub(crate) text: Option<Zeroizing<String>>,
}

impl Entry {
    /// Returns whether the value may contain a reference, a malformed one or an escaped one.
    pub(crate) fn may_contain_reference(&self) -> bool {
        self.text.as_deref().is_some_and(|text| may_contain_reference(text))
    }

    /// Returns the file that the value is in. `None` for a variable and for a key-value of a store.
    pub(crate) fn file(&self) -> Option<&str> {
        file_and_line(&self.origin).map(|(file, _)| file)
    }

    /// Returns the value for a resolver. `None` if it is no string.
    pub(crate) fn config_value(&self) -> Option<ConfigValue> {
        let text = self.text.as_deref()?;
        Some(ConfigValue::text(self.key.clone(), self.origin.clone(), text.as_str()))
    }
}

/// Splits an origin into the file and the line. Returns `None` for a variable and for a key-value of a store.
pub(crate) fn file_and_line(origin: &str) -> Option<(&str, &str)> {
    // The key of a key-value may end like a line: `App Configuration key hosts:0`.
    let (file, line) = origin.rsplit_once(':').filter(|_| !origin.starts_with("App Configuration key "))?;
    line.parse::<usize>().is_ok().then_some((file, line))
}

/// Returns whether `key` stands for a line of text: `line 12`. The key of a file's own setting may begin like that.
pub(crate) fn is_line_of_text(key: &str) -> bool {
    let number = key.strip_prefix("line ").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether `text` contains a reference, a malformed or escaped one, or text that was meant to be one.
pub(crate) fn needs_check(text: &str) -> bool {
    may_contain_reference(text) || !Template::near_misses(text).is_empty()
}

/// Returns whether `text` contains the beginning of a reference. Parses nothing.
pub(crate) fn may_contain_reference(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let rest = &text.as_bytes()[at..];
        MARKERS.iter().any(|marker| rest.get(..marker.len()).is_some_and(|head| head.eq_ignore_ascii_case(marker)))
    })
}

const MARKERS: [&[u8]; 2] = [b"@Microsoft.KeyVault", b"@KeyVault"];
