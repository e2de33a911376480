//! Paging. A page resumes after a key, not at an offset, so a secret that is set or deleted between two pages neither
//! hides nor repeats another secret.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::protocol::{ErrorResponse, to_json};

/// The maximum size of a page, which is also the default.
///
/// See [Get Secrets](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets).
pub(crate) const MAX_PAGE: usize = 25;

/// The page that a request asks for.
#[derive(Debug)]
pub(super) struct PageRequest {
    /// The key of the last item of the previous page. `None` for the first page.
    pub(super) after: Option<String>,
    /// The maximum number of items. At least 1.
    pub(super) size: usize,
}

impl PageRequest {
    /// Parses `maxresults` and `$skiptoken`, and limits the size to `largest`.
    pub(super) fn parse(
        max_results: Option<&str>,
        skip_token: Option<&str>,
        largest: usize,
    ) -> Result<Self, ErrorResponse> {
        let size = match max_results {
            None => largest,
            Some(text) => match text.parse::<usize>() {
                Ok(size @ 1..=MAX_PAGE) => size.min(largest),
                _ => {
                    return Err(ErrorResponse::bad_parameter(format!(
                        "The maxresults parameter must be between 1 and {MAX_PAGE}."
                    )));
                }
            },
        };
        Ok(Self { after: skip_token.map(decode).transpose()?, size })
    }

    /// Returns the items of this page in the order of their keys, and the key to resume after if more items follow.
    pub(super) fn take<'a, K, T>(
        &self,
        items: &'a BTreeMap<K, T>,
        is_visible: impl Fn(&T) -> bool,
    ) -> (Vec<&'a T>, Option<&'a K>)
    where
        K: Borrow<str> + Ord,
    {
        let after = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = items.range::<str, _>((after, Bound::Unbounded)).filter(|(_, item)| is_visible(item));
        let mut page = Vec::with_capacity(self.size);
        let mut last = None;
        for (key, item) in rest.by_ref().take(self.size) {
            page.push(item);
            last = Some(key);
        }
        let more = rest.next().is_some();
        (page, last.filter(|_| more))
    }
}

/// Encodes the token of the page after `key`, in the form of the service.
pub(super) fn encode(key: &str) -> String {
    let object = format!("secret/{key}");
    let marker = format!("{:06}!{object}!{:06}!{FOREVER}!", object.len(), FOREVER.len());
    let marker = STANDARD.encode(marker);
    let token = SkipToken { next_marker: format!("2!{}!{marker}", marker.len()), target_location: 0 };
    URL_SAFE_NO_PAD.encode(to_json(&token))
}

/// Decodes the key of a token.
fn decode(token: &str) -> Result<String, ErrorResponse> {
    let key = || {
        let token: SkipToken = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let marker = STANDARD.decode(token.next_marker.splitn(3, '!').nth(2)?).ok()?;
        let marker = String::from_utf8(marker).ok()?;
        Some(marker.split('!').nth(1)?.strip_prefix("secret/")?.to_owned())
    };
    key().ok_or_else(|| ErrorResponse::bad_parameter("The $skiptoken parameter is not valid."))
}

#[derive(Deserialize, Serialize)]
struct SkipToken {
    #[serde(rename = "NextMarker")]
    next_marker: String,
    #[serde(rename = "TargetLocation")]
    target_location: u8,
}

/// The latest date, which ends every marker.
const FOREVER: &str = "9999-12-31T23:59:59.9999999Z";

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_contains_the_marker_of_the_service() {
        let token = URL_SAFE_NO_PAD.decode(encode("SOMESECRET")).unwrap();
        let token: SkipToken = serde_json::from_slice(&token).unwrap();
        let marker = token.next_marker.strip_prefix("2!84!").unwrap();
        assert_eq!(STANDARD.decode(marker).unwrap(), b"000017!secret/SOMESECRET!000028!9999-12-31T23:59:59.9999999Z!");
        assert_eq!(decode(&encode("SOMESECRET")).unwrap(), "SOMESECRET");
    }

    #[test]
    fn an_invalid_token_or_size_is_rejected() {
        for (size, token) in
            [(Some("0"), None), (Some("26"), None), (Some("many"), None), (Some("-1"), None), (None, Some("invalid"))]
        {
            let error = PageRequest::parse(size, token, MAX_PAGE).unwrap_err();
            assert_eq!((error.status, error.code), (400, "BadParameter"), "{size:?} {token:?}");
        }
    }

    #[test]
    fn a_page_resumes_after_a_key_that_no_longer_exists() {
        let mut items: BTreeMap<String, u8> = ('A'..='E').map(String::from).zip(0..).collect();
        let first = PageRequest { after: None, size: 2 };
        let (page, next) = first.take(&items, |_| true);
        assert_eq!((page, next.map(String::as_str)), (vec![&0, &1], Some("B")));

        items.remove("B");
        items.insert("AA".to_owned(), 9);
        let second = PageRequest { after: Some("B".to_owned()), size: 3 };
        let (page, next) = second.take(&items, |_| true);
        assert_eq!((page, next), (vec![&2, &3, &4], None), "a full last page has no next page");
    }

    proptest! {
        /// Lists each secret once that exists during the whole listing, while others are set and deleted.
        #[test]
        fn a_stable_secret_is_listed_once_and_in_order(
            stable in btree_set("[A-E]{1,3}", 0..20),
            transient in vec("[A-E]{1,3}", 0..20),
            size in 1..6_usize,
        ) {
            let mut items: BTreeMap<String, String> = stable.iter().map(|key| (key.clone(), key.clone())).collect();
            let mut transient = transient.into_iter().filter(|key| !stable.contains(key));
            let mut listed = Vec::new();
            let mut page = PageRequest { after: None, size };
            loop {
                let (keys, next) = page.take(&items, |_| true);
                listed.extend(keys.into_iter().cloned());
                let Some(next) = next.cloned() else { break };
                items.retain(|key, _| stable.contains(key));
                items.extend(transient.by_ref().take(2).map(|key| (key.clone(), key)));
                page = PageRequest::parse(None, Some(&encode(&next)), size).unwrap();
            }
            prop_assert!(listed.is_sorted_by(|a, b| a < b), "{listed:?}");
            listed.retain(|key| stable.contains(key));
            prop_assert_eq!(listed, stable.into_iter().collect::<Vec<_>>());
        }
    }
}
