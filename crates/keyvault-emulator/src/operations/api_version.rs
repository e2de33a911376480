//! The `api-version` parameter: the known versions and their differences.

use crate::protocol::ErrorResponse;

/// A version of the REST API that the service knows.
///
/// The number is an index into the table of versions, so versions compare by age.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct ApiVersion(usize);

impl ApiVersion {
    /// Parses the parameter of a request.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ErrorResponse> {
        let text = text.ok_or_else(|| ErrorResponse::bad_parameter("api-version must be specified"))?;
        match KNOWN.iter().position(|known| known.eq_ignore_ascii_case(text)) {
            Some(index) => Ok(Self(index)),
            None => Err(ErrorResponse::bad_parameter(format!(
                "The specified version ({text}) is not recognized. Consider using the latest supported version \
                 ({LATEST})."
            ))),
        }
    }

    /// Returns the text of this version, as links contain it.
    pub(super) fn as_str(self) -> &'static str {
        KNOWN[self.0]
    }

    /// Returns whether attributes contain `recoverableDays`.
    pub(super) fn has_recoverable_days(self) -> bool {
        self.is_at_least("7.1-preview")
    }

    /// Returns whether a get supports `outContentType`.
    pub(super) fn has_out_content_type(self) -> bool {
        self.is_at_least("2025-06-01-preview")
    }

    /// Returns whether a version of a certificate names its previous version.
    pub(super) fn has_previous_version(self) -> bool {
        self.is_at_least("2025-06-01-preview")
    }

    fn is_at_least(self, first: &str) -> bool {
        KNOWN.iter().position(|known| *known == first).is_some_and(|index| self.0 >= index)
    }
}

/// The newest stable version.
pub(super) const LATEST: &str = "2026-04-01";

/// Every version, oldest first, from the
/// [specification](https://github.com/Azure/azure-rest-api-specs/tree/main/specification/keyvault/data-plane/Secrets).
const KNOWN: [&str; 24] = [
    "2015-06-01",
    "2016-10-01",
    "7.0-preview",
    "7.0",
    "7.1-preview",
    "7.1",
    "7.2-preview",
    "7.2",
    "7.3-preview",
    "7.3",
    "7.4-preview.1",
    "7.4",
    "7.5-preview.1",
    "7.5",
    "7.6-preview.1",
    "7.6-preview.2",
    "7.6",
    "2025-06-01-preview",
    "2025-07-01",
    "2026-01-01-preview",
    "2026-03-01-preview",
    LATEST,
    "2026-05-01-preview",
    "2026-07-01-preview",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_depend_on_the_age_of_the_version() {
        for (text, days, out) in [
            ("2015-06-01", false, false),
            ("2016-10-01", false, false),
            ("7.0", false, false),
            ("7.1", true, false),
            ("7.6", true, false),
            ("2025-06-01-preview", true, true),
            ("2025-07-01", true, true),
            ("2026-04-01", true, true),
        ] {
            let version = ApiVersion::parse(Some(text)).unwrap();
            assert_eq!(version.has_recoverable_days(), days, "recoverableDays in {text}");
            assert_eq!(version.has_out_content_type(), out, "outContentType in {text}");
            assert_eq!(version.as_str(), text);
        }
    }

    #[test]
    fn an_unknown_version_is_rejected_by_name() {
        let error = ApiVersion::parse(Some("1.0")).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.message.starts_with("The specified version (1.0) is not recognized."));
        assert_eq!(ApiVersion::parse(None).unwrap_err().code, "BadParameter");
    }
}
