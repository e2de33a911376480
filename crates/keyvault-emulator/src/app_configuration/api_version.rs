//! The `api-version` parameter of a store: the known versions and their differences.

use super::problem::Problem;

/// A version of the REST API. Versions compare by age.
///
/// See [versioning](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-versioning).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum ApiVersion {
    /// Key-values, keys, labels, revisions and locks.
    V1,
    /// Snapshots, in preview.
    V22_11,
    /// Snapshots, and ETags of lists.
    V23_10,
    /// Filters by tag in lists and snapshots.
    V23_11,
    /// A filter by tag for a single key-value.
    V24_09,
    /// Descriptions.
    V26_04,
}

impl ApiVersion {
    /// The newest version.
    pub(crate) const LATEST: Self = Self::V26_04;

    /// Parses the parameters of a request to a path. There must be exactly one.
    pub(super) fn parse(values: &[&str], path: &str) -> Result<Self, Problem> {
        let [value] = *values else {
            let (title, detail) = if values.is_empty() {
                ("API version is not specified", "An API version is required, but was not specified.".to_owned())
            } else {
                let detail = format!(
                    "The following API versions were requested: {}. At most, only a single API version may be \
                     specified. Please update the intended API version and retry the request.",
                    values.join(", ")
                );
                ("Ambiguous API version", detail)
            };
            return Err(Problem::titled(title, PARAMETER, detail));
        };
        let known = KNOWN.iter().find(|(text, _)| text.eq_ignore_ascii_case(value));
        known.map(|(_, version)| *version).ok_or_else(|| {
            let title = if is_well_formed(value) { "Unsupported API version" } else { "Invalid API version" };
            Problem::titled(title, PARAMETER, unsupported(path, value))
        })
    }

    /// Fails if the version is older than a resource.
    pub(super) fn require(self, first: Self, path: &str) -> Result<(), Problem> {
        if self >= first {
            return Ok(());
        }
        Err(Problem::titled("Unsupported API version", PARAMETER, unsupported(path, self.as_str())))
    }

    /// Returns the text of this version, as links contain it.
    pub(super) fn as_str(self) -> &'static str {
        KNOWN[self as usize].0
    }
}

fn unsupported(path: &str, version: &str) -> String {
    format!("The HTTP resource that matches the request URI '{path}' does not support the API version '{version}'.")
}

/// Returns whether a text has the form of a version: `1.0`, or a date with an optional suffix.
fn is_well_formed(text: &str) -> bool {
    let text = text.split_once("-preview").map_or(text, |(start, _)| start);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) => is_number(major) && is_number(minor),
        None => text.split('-').count() == 3 && text.split('-').all(is_number),
    }
}

const PARAMETER: &str = "api-version";

/// Every version, oldest first, in the order of the enum. The first preview had the features of the version after it.
const KNOWN: [(&str, ApiVersion); 6] = [
    ("1.0", ApiVersion::V1),
    ("2022-11-01-preview", ApiVersion::V22_11),
    ("2023-10-01", ApiVersion::V23_10),
    ("2023-11-01", ApiVersion::V23_11),
    ("2024-09-01", ApiVersion::V24_09),
    ("2026-04-01", ApiVersion::V26_04),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_text() {
        for (text, version) in KNOWN {
            assert_eq!(ApiVersion::parse(&[text], "/kv"), Ok(version));
            assert_eq!(version.as_str(), text);
        }
    }

    #[test]
    fn a_version_that_is_not_one_known_version_is_rejected() {
        for (values, title) in [
            (&[][..], "API version is not specified"),
            (&["1.0", "2023-11-01"], "Ambiguous API version"),
            (&["2.0"], "Unsupported API version"),
            (&["2019-01-01"], "Unsupported API version"),
            (&["2031-01-01-preview"], "Unsupported API version"),
            (&["7.4-preview.1"], "Unsupported API version"),
            (&["latest"], "Invalid API version"),
            (&[""], "Invalid API version"),
        ] {
            let problem = ApiVersion::parse(values, "/kv").unwrap_err();
            let body = problem.to_response().into_body();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["title"], &body["name"]), (&title.into(), &"api-version".into()), "{values:?}");
            assert_eq!(problem.status, 400);
        }
    }
}
