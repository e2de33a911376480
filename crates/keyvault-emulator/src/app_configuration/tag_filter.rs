//! Filters by tag: `name=value`, which must match exactly.

use std::collections::BTreeMap;

use super::filter::{NULL, escape, split, unescape};
use super::problem::Problem;

/// A filter by one tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TagFilter {
    name: String,
    /// `None` matches a tag whose value is null.
    value: Option<String>,
}

impl TagFilter {
    /// Parses the values of a parameter. Empty ones do not count. All filters must match.
    pub(super) fn parse_all<'a>(
        parameter: &str,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, Problem> {
        let texts = texts.into_iter().filter(|text| !text.trim().is_empty());
        let filters: Vec<Self> = texts.map(|text| Self::parse(parameter, text)).collect::<Result<_, _>>()?;
        if filters.len() > MAX_FILTERS {
            return Err(Problem::invalid(parameter, format!("{parameter}: At most {MAX_FILTERS} tag filters")));
        }
        Ok(filters)
    }

    fn parse(parameter: &str, text: &str) -> Result<Self, Problem> {
        let [name, value] = *split(text, '=') else {
            return Err(Problem::invalid(parameter, format!("{parameter}: Expected name=value")));
        };
        if name.trim().is_empty() || name == NULL {
            return Err(Problem::invalid(parameter, format!("{parameter}: The name of a tag is missing")));
        }
        let at = name.chars().count() + 1;
        let value = if value == NULL { None } else { Some(unescape(parameter, value, at)?) };
        Ok(Self { name: unescape(parameter, name, 0)?, value })
    }

    /// Returns whether one of the tags matches.
    pub(super) fn matches(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        tags.get(&self.name).is_some_and(|value| *value == self.value)
    }

    /// Returns the filter in the form that a client sends.
    pub(super) fn to_text(&self) -> String {
        let value = self.value.as_deref().map_or(NULL.to_owned(), escape);
        format!("{}={value}", escape(&self.name))
    }
}

/// The maximum number of tag filters in a request.
const MAX_FILTERS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_exactly() {
        let tags = [("group", Some("app1")), ("empty", Some("")), ("null", None), ("a=b", Some("*,"))];
        let tags = tags.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).into();
        for (text, expected) in [
            ("group=app1", true),
            ("group=app", false),
            ("Group=app1", false),
            ("group=", false),
            ("empty=", true),
            ("empty=\0", false),
            ("null=\0", true),
            ("null=", false),
            ("none=\0", false),
            (r"a\=b=\*\,", true),
        ] {
            let filter = TagFilter::parse("tags", text).unwrap();
            assert_eq!(filter.matches(&tags), expected, "{text}");
            assert_eq!(TagFilter::parse("tags", &filter.to_text()), Ok(filter), "{text}");
        }
    }

    #[test]
    fn an_invalid_filter_names_the_parameter() {
        for texts in
            [&["a"][..], &["a=b=c"], &["=b"], &["\0=b"], &["a=b*"], &["a=1", "b=2", "c=3", "d=4", "e=5", "f=6"]]
        {
            let problem = TagFilter::parse_all("tags", texts.iter().copied()).unwrap_err();
            assert_eq!(problem.status, 400, "{texts:?}");
        }
        let five = ["a=1", "b=2", "", " ", "c=3", "d=4", "e=5"];
        assert_eq!(TagFilter::parse_all("tags", five).unwrap().len(), 5);
    }
}
