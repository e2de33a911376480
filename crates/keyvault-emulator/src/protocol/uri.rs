//! Paths, queries and base URLs.

use http::Uri;
use percent_encoding::percent_decode_str;

/// Splits a path into its decoded segments. Doubled and trailing slashes have no meaning.
pub(crate) fn path_segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// Returns the decoded names and values of a query. Some clients encode names too: `api%2Dversion`.
pub(crate) fn query(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Returns the host and port of a base URL.
pub(crate) fn host_and_port(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, host)| host)
}

/// Returns the first label of the host in a base URL, in lower case, if one of the suffixes follows: `contoso` for
/// `https://contoso.vault.azure.net` and `.vault.azure.net`.
pub(crate) fn name_under(base: &str, suffixes: &[&str]) -> Option<String> {
    let authority = host_and_port(base);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    let name = suffixes.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    (!name.contains('.')).then(|| name.to_owned())
}

/// Adds the default port of the scheme to a base URL without one.
pub(crate) fn with_port(base: &str) -> String {
    let (scheme, host) = base.split_once("://").unwrap_or(("https", base));
    // The colons inside `[::1]` belong to the address.
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    match (after_address.contains(':'), scheme) {
        (true, _) => base.to_owned(),
        (false, "http") => format!("{base}:80"),
        (false, _) => format!("{base}:443"),
    }
}

/// Returns the URL of a vault or store by name, from that of the default one.
pub(crate) fn named_url(default_url: &str, name: &str) -> String {
    match (name, default_url.rsplit_once(':')) {
        ("", _) | (_, None) => default_url.to_owned(),
        (name, Some((_, port))) => format!("https://{name}.localhost:{port}"),
    }
}

/// The suffix of host names for this machine.
pub(crate) const LOCAL_SUFFIX: &str = ".localhost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_without_a_port_gets_the_default_port_of_its_scheme() {
        for (base, expected) in [
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net:443"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
            ("http://localhost", "http://localhost:80"),
            ("https://[::1]", "https://[::1]:443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(with_port(base), expected);
        }
    }
}
