//! The fields that a request selects.

/// The fields of a response: all, or those in the parameter `$select`.
///
/// See [request specific fields](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#request-specific-fields).
#[derive(Clone, Debug)]
pub(super) struct Fields(Option<Vec<String>>);

impl Fields {
    /// Parses the parameter. An absent or empty value and `*` select all fields. Unknown names select nothing.
    pub(super) fn parse(select: Option<&str>) -> Self {
        let names = select.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        Self(Some(names).filter(|names| !names.is_empty() && !names.iter().any(|name| name == "*")))
    }

    /// Returns whether the response contains a field.
    pub(super) fn contains(&self, field: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| name == field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_contains_its_fields() {
        for (select, key, value) in [
            (None, true, true),
            (Some(""), true, true),
            (Some("key,*"), true, true),
            (Some("key"), true, false),
            (Some(" Key , label"), true, false),
            (Some("keys"), false, false),
        ] {
            let fields = Fields::parse(select);
            assert_eq!((fields.contains("key"), fields.contains("value")), (key, value), "{select:?}");
        }
    }
}
