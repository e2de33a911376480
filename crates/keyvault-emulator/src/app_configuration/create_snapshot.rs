//! The body of a request that creates a snapshot.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api_version::ApiVersion;
use super::filter::{self, Filter};
use super::key_value::{KeyValue, Tags};
use super::problem::Problem;
use super::set_key_value::{check_tags, has_control};
use super::tag_filter::TagFilter;

/// A snapshot to create.
pub(super) struct CreateSnapshot {
    /// Each filter as responses write it, and parsed.
    pub(super) filters: Vec<(SnapshotFilter, KeyValueFilter)>,
    pub(super) composition: Composition,
    pub(super) retention: Duration,
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
}

/// The key-values that a snapshot contains, as responses write the filter: the key and the label as the client wrote
/// them, and the tags parsed and escaped anew.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct SnapshotFilter {
    pub(super) key: String,
    pub(super) label: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

/// The identity of a key-value in a snapshot.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Composition {
    /// One key-value for each key.
    #[default]
    Key,
    /// One key-value for each key and label.
    KeyLabel,
}

/// A selection of key-values.
pub(super) struct KeyValueFilter {
    pub(super) keys: Filter,
    pub(super) labels: Filter,
    pub(super) tags: Vec<TagFilter>,
}

impl KeyValueFilter {
    /// Returns whether a key-value matches.
    pub(super) fn matches(&self, key_value: &KeyValue) -> bool {
        self.keys.matches(Some(&key_value.key))
            && self.labels.matches(key_value.label.as_deref())
            && self.tags.iter().all(|tag| tag.matches(&key_value.tags))
    }
}

impl CreateSnapshot {
    /// Parses a body.
    pub(super) fn parse(body: &[u8], api: ApiVersion) -> Result<Self, Problem> {
        let body: SnapshotBody = serde_json::from_slice(body).map_err(|_| Problem::invalid("entity", ""))?;
        let filters = body.filters.unwrap_or_default();
        if !(1..=MAX_FILTERS).contains(&filters.len()) {
            return Err(Problem::invalid("filters", ""));
        }
        let composition = body.composition_type.unwrap_or_default();
        let parse = |(index, body)| parse_filter(index, body, composition, api);
        let filters = filters.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        let tags = body.tags.unwrap_or_default();
        check_tags(&tags)?;
        let retention = body.retention_period.unwrap_or(DEFAULT_RETENTION);
        if !(MIN_RETENTION..=MAX_RETENTION).contains(&retention) {
            return Err(Problem::invalid("retention_period", ""));
        }
        let retention = Duration::from_secs(retention);
        Ok(Self { filters, composition, retention, description: body.description, tags })
    }
}

fn parse_filter(
    index: usize,
    body: FilterBody,
    composition: Composition,
    api: ApiVersion,
) -> Result<(SnapshotFilter, KeyValueFilter), Problem> {
    let name = |field: &str| format!("filters[{index}].{field}");
    let key = body.key.filter(|key| !has_control(key)).ok_or_else(|| Problem::invalid(&name("key"), ""))?;
    let label = filter::label(body.label.as_deref());
    if label.as_deref().is_some_and(|label| label.split(filter::NULL).any(has_control)) {
        return Err(Problem::invalid(&name("label"), ""));
    }
    let labels = match &label {
        None => Filter::OneOf(vec![None]),
        Some(label) => Filter::parse(&name("label"), Some(label))?,
    };
    if composition == Composition::Key && labels.is_multiple() {
        let detail = "A label filter that can match several labels needs the composition type key_label.";
        return Err(Problem::invalid(&name("label"), detail));
    }
    let tags = body.tags.filter(|_| api >= ApiVersion::V23_11).unwrap_or_default();
    let parsed = KeyValueFilter {
        keys: Filter::parse(&name("key"), Some(&key))?,
        labels,
        tags: TagFilter::parse_all(&name("tags"), tags.iter().map(String::as_str))?,
    };
    let tags = parsed.tags.iter().map(TagFilter::to_text).collect();
    Ok((SnapshotFilter { key, label: body.label, tags }, parsed))
}

#[derive(Deserialize)]
struct SnapshotBody {
    filters: Option<Vec<FilterBody>>,
    composition_type: Option<Composition>,
    retention_period: Option<u64>,
    description: Option<String>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct FilterBody {
    key: Option<String>,
    label: Option<String>,
    tags: Option<Vec<String>>,
}

/// The maximum number of filters.
const MAX_FILTERS: usize = 3;
/// Seconds for which an archived snapshot is kept: one hour to 90 days, 30 days if the request does not say.
const MIN_RETENTION: u64 = 3_600;
const DEFAULT_RETENTION: u64 = 30 * 86_400;
const MAX_RETENTION: u64 = 90 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_body_names_its_field() {
        for (body, expected) in [
            ("", Some("entity")),
            (r#"{"filters":[{"key":1}]}"#, Some("entity")),
            (r#"{"filters":[{"key":"a"}],"composition_type":"all"}"#, Some("entity")),
            ("{}", Some("filters")),
            (r#"{"filters":[]}"#, Some("filters")),
            (r#"{"filters":[{"key":"a"},{"key":"a"},{"key":"a"},{"key":"a"}]}"#, Some("filters")),
            (r#"{"filters":[{"key":"a"},{}]}"#, Some("filters[1].key")),
            (r#"{"filters":[{"key":"a*b"}]}"#, Some("filters[0].key")),
            (r#"{"filters":[{"key":"a\n"}]}"#, Some("filters[0].key")),
            (r#"{"filters":[{"key":"a","label":"*"}]}"#, Some("filters[0].label")),
            (r#"{"filters":[{"key":"a","label":"a,b"}]}"#, Some("filters[0].label")),
            (r#"{"filters":[{"key":"a","label":"a\n"}]}"#, Some("filters[0].label")),
            (r#"{"filters":[{"key":"a","tags":["a"]}]}"#, Some("filters[0].tags")),
            (r#"{"filters":[{"key":"a"}],"retention_period":3599}"#, Some("retention_period")),
            (r#"{"filters":[{"key":"a"}],"retention_period":7776001}"#, Some("retention_period")),
            (r#"{"filters":[{"key":"a"}],"retention_period":3600}"#, None),
            (r#"{"filters":[{"key":"a*","label":"*"}],"composition_type":"key_label"}"#, None),
            (r#"{"filters":[{"key":"a*","label":"\u0000,a"}],"composition_type":"key_label"}"#, None),
            (r#"{"filters":[{"key":"*","label":"\u0000","tags":["a=b"]}],"tags":{"t":null}}"#, None),
        ] {
            let result = CreateSnapshot::parse(body.as_bytes(), ApiVersion::V26_04);
            let problem = result.err().map(|problem| String::from_utf8(problem.to_response().body().to_vec()).unwrap());
            match (expected, problem) {
                (None, None) => {}
                (Some(name), Some(text)) => assert!(text.contains(&format!(r#""name":"{name}""#)), "{body}: {text}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
