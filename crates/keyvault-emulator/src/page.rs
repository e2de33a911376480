//! Paging: a page resumes after a name, not at an offset, so what is set or deleted between two pages neither
//! hides nor repeats another secret.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::error::{WireError, json};

/// The largest page, and the default.
///
/// See [Get Secrets](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets).
pub(crate) const LARGEST_PAGE: usize = 25;

/// Which page a request asks for.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// The key of the last item of the page before; `None` for the first page.
    pub(crate) after: Option<String>,
    /// The number of items, at least 1.
    pub(crate) size: usize,
}

impl PageRequest {
    /// Understands `maxresults` and `$skiptoken`; a page never has more items than `largest`.
    pub(crate) fn parse(
        max_results: Option<&str>,
        skip_token: Option<&str>,
        largest: usize,
    ) -> Result<Self, WireError> {
        let size = match max_results {
            None => largest,
            Some(text) => match text.parse::<usize>() {
                Ok(size @ 1..=LARGEST_PAGE) => size.min(largest),
                _ => {
                    return Err(WireError::bad_parameter(format!(
                        "The maxresults parameter must be between 1 and {LARGEST_PAGE}."
                    )));
                }
            },
        };
        Ok(Self { after: skip_token.map(decode).transpose()?, size })
    }

    /// Takes this page of a map, in the order of its keys; the key to resume after comes with it if more follow.
    pub(crate) fn take<'a, K, T>(
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

/// Writes the token of the page after `key`, in the shape the service gives it.
pub(crate) fn encode(key: &str) -> String {
    let object = format!("secret/{key}");
    let marker = format!("{:06}!{object}!{:06}!{FOREVER}!", object.len(), FOREVER.len());
    let marker = STANDARD.encode(marker);
    let token = Token { next_marker: format!("2!{}!{marker}", marker.len()), target_location: 0 };
    URL_SAFE_NO_PAD.encode(json(&token))
}

/// Reads the key out of a token.
fn decode(token: &str) -> Result<String, WireError> {
    let key = || {
        let token: Token = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let marker = STANDARD.decode(token.next_marker.splitn(3, '!').nth(2)?).ok()?;
        let marker = String::from_utf8(marker).ok()?;
        Some(marker.split('!').nth(1)?.strip_prefix("secret/")?.to_owned())
    };
    key().ok_or_else(|| WireError::bad_parameter("The $skiptoken parameter is not valid."))
}

#[derive(Deserialize, Serialize)]
struct Token {
    #[serde(rename = "NextMarker")]
    next_marker: String,
    #[serde(rename = "TargetLocation")]
    target_location: u8,
}

/// The end of time, as a marker writes it.
const FOREVER: &str = "9999-12-31T23:59:59.9999999Z";

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_carries_the_marker_of_the_service() {
        let token = URL_SAFE_NO_PAD.decode(encode("SOMESECRET")).unwrap();
        let token: Token = serde_json::from_slice(&token).unwrap();
        let marker = token.next_marker.strip_prefix("2!84!").unwrap();
        assert_eq!(STANDARD.decode(marker).unwrap(), b"000017!secret/SOMESECRET!000028!9999-12-31T23:59:59.9999999Z!");
        assert_eq!(decode(&encode("SOMESECRET")).unwrap(), "SOMESECRET");
    }

    #[test]
    fn rubbish_for_a_token_or_a_size_is_refused() {
        for (size, token) in
            [(Some("0"), None), (Some("26"), None), (Some("many"), None), (Some("-1"), None), (None, Some("rubbish"))]
        {
            let error = PageRequest::parse(size, token, LARGEST_PAGE).unwrap_err();
            assert_eq!((error.status, error.code), (400, "BadParameter"), "{size:?} {token:?}");
        }
    }

    #[test]
    fn a_page_resumes_after_a_key_even_when_that_key_is_gone() {
        let mut items: BTreeMap<String, u8> = ('A'..='E').map(String::from).zip(0..).collect();
        let first = PageRequest { after: None, size: 2 };
        let (page, next) = first.take(&items, |_| true);
        assert_eq!((page, next.map(String::as_str)), (vec![&0, &1], Some("B")));

        items.remove("B");
        items.insert("AA".to_owned(), 9);
        let second = PageRequest { after: Some("B".to_owned()), size: 3 };
        let (page, next) = second.take(&items, |_| true);
        assert_eq!((page, next), (vec![&2, &3, &4], None), "the last page, though it is full");
    }

    proptest! {
        /// Secrets that are there from the first page to the last are listed once, whatever comes and goes meanwhile.
        #[test]
        fn what_stays_is_listed_once_and_in_order(
            stays in btree_set("[A-E]{1,3}", 0..20),
            comes in vec("[A-E]{1,3}", 0..20),
            size in 1..6_usize,
        ) {
            let mut items: BTreeMap<String, String> = stays.iter().map(|key| (key.clone(), key.clone())).collect();
            let mut comes = comes.into_iter().filter(|key| !stays.contains(key));
            let mut listed = Vec::new();
            let mut page = PageRequest { after: None, size };
            loop {
                let (keys, next) = page.take(&items, |_| true);
                listed.extend(keys.into_iter().cloned());
                let Some(next) = next.cloned() else { break };
                items.retain(|key, _| stays.contains(key));
                items.extend(comes.by_ref().take(2).map(|key| (key.clone(), key)));
                page = PageRequest::parse(None, Some(&encode(&next)), size).unwrap();
            }
            prop_assert!(listed.is_sorted_by(|a, b| a < b), "{listed:?}");
            listed.retain(|key| stays.contains(key));
            prop_assert_eq!(listed, stays.into_iter().collect::<Vec<_>>());
        }
    }
}
