//! One page of a list.

use std::fmt;

use keyvault::http::Request;
use keyvault::{Error, ErrorKind, Result};
use serde::Deserialize;
use url::Url;

use super::app_configuration_client::{AppConfigurationClient, IF_NONE_MATCH, parse};
use super::condition::quoted;
use super::item::ListItem;
use super::operation::Operation;
use super::store_service::STORE;
use crate::filter::Selector;
use crate::key_value::KeyValue;
use crate::next_link::{after_in_next_link, next_in_link_header};

impl AppConfigurationClient {
    /// Fetches one page of key-values: the first, or the one at `after`. If it still has the ETag `known_etag`, the
    /// page comes without items.
    ///
    /// Costs one request. A page has up to 100 key-values. All pages of a list are unchanged if each has its known ETag
    /// and the last of them has no next one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](keyvault::ErrorKind::Invalid) if the selector or the ETag is malformed, or an
    /// [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn fetch_page(
        &self,
        selector: &Selector,
        after: Option<&PageToken>,
        known_etag: Option<&str>,
    ) -> Result<Page<KeyValue>> {
        let url = at(self.selection("kv", selector)?, after);
        let request = self.request_about(&Operation::List, url, selector.to_string());
        self.send_for_page(request, known_etag).await
    }

    /// Sends a request for a page.
    pub(super) async fn send_for_page<T: ListItem>(
        &self,
        request: Request,
        known_etag: Option<&str>,
    ) -> Result<Page<T>> {
        let request = match known_etag {
            Some(etag) => request.header(IF_NONE_MATCH, quoted(etag)?),
            None => request,
        };
        let (request, response) = self.send(request).await?;
        // A proxy can weaken an ETag: `W/"…"`. The page then comes in full each time.
        let etag = response.etag.clone().filter(|etag| quoted(etag).is_ok());
        let malformed = || request.annotate(response.malformed());
        // A link that cannot be read is an error: the settings of the pages behind it would vanish.
        let token = |link| after_in_next_link(link).map(PageToken::new).ok_or_else(malformed);
        let link = response.link.as_deref().and_then(next_in_link_header);
        if response.status == 304 {
            return Ok(Page { items: None, etag, next: link.map(token).transpose()? });
        }
        let body: PageBody<T::Json> = parse(&request, &response)?;
        let items: Option<Vec<T>> = body.items.into_iter().map(T::from_json).collect();
        let link = body.next_link.as_deref().filter(|link| !link.is_empty()).or(link);
        Ok(Page { items: Some(items.ok_or_else(malformed)?), etag, next: link.map(token).transpose()? })
    }
}

/// A page of a list.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Page<T = KeyValue> {
    /// The items. `None` if the page has the known ETag. A page can be empty although another one follows.
    pub items: Option<Vec<T>>,
    /// The ETag of the page. `None` before API version `2023-10-01`.
    pub etag: Option<String>,
    /// The token of the next page. `None` if this is the last page.
    pub next: Option<PageToken>,
}

/// The position at which a list continues.
///
/// It is text that a program can store between two runs, and it names keys. It is valid for the list that it came from.
#[derive(Clone, Eq, PartialEq)]
pub struct PageToken(Box<str>);

/// The body of a list.
#[derive(Deserialize)]
struct PageBody<T> {
    /// Required: a page without them is not an empty one, which would remove settings.
    items: Vec<T>,
    #[serde(rename = "@nextLink")]
    next_link: Option<String>,
}

impl PageToken {
    /// Creates a token from stored text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that a list moves on: that the page at `at` is not its own next one, and that it is not the last one of all
/// that a list may have. `pages` is the number of pages until now.
///
/// # Errors
///
/// [`Unavailable`](ErrorKind::Unavailable) if the list does not end.
pub(crate) fn check_progress(pages: usize, at: Option<&PageToken>, next: Option<&PageToken>) -> Result<()> {
    let is_endless = next.is_some() && (next == at || pages >= MAX_PAGES);
    if is_endless { Err(endless()) } else { Ok(()) }
}

pub(super) fn endless() -> Error {
    let noun = STORE;
    Error::from_clause(ErrorKind::Unavailable, "vault's list does not end", format!("{noun}'s list does not end"))
}

/// Ends a loop of pages with few items or none.
const MAX_PAGES: usize = 10_000;

/// Returns the URL of the page at `after`.
pub(super) fn at(mut first: Url, after: Option<&PageToken>) -> Url {
    if let Some(token) = after {
        first.query_pairs_mut().append_pair("after", token.as_str());
    }
    first
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageToken").finish_non_exhaustive()
    }
}
