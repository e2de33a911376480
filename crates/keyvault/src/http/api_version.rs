//! The version of a REST API.

/// Returns whether text has the form of a version: `7.4`, `2026-04-01`, or one of them with `-preview` and a number.
pub(super) fn is_api_version(text: &str) -> bool {
    let (number, preview) = text.split_once("-preview").unwrap_or((text, ""));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let dotted = |text: &str| text.split('.').all(are_digits);
    let is_date = number.split('-').map(str::len).eq([4, 2, 2]) && number.split('-').all(are_digits);
    let is_number = number.split('.').count() == 2 && dotted(number) && number.len() <= 8;
    (is_date || is_number) && (preview.is_empty() || preview.strip_prefix('.').is_some_and(are_digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_the_api_has_one_of_two_forms() {
        for (text, expected) in [
            ("7.4", true),
            ("7.6-preview.1", true),
            ("2016-10-01", true),
            ("2026-04-01", true),
            ("2025-06-01-preview", true),
            ("", false),
            ("latest", false),
            ("7", false),
            ("7.4.1", false),
            ("v7.4", false),
            ("7.4&x=1", false),
            ("2026-4-1", false),
            ("2026-04-01-canary", false),
            ("2026/04/01", false),
            (" 7.4", false),
        ] {
            assert_eq!(is_api_version(text), expected, "{text}");
        }
    }
}
