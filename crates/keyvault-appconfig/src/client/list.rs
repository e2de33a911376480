//! Lists, which a store returns page by page.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use keyvault::http::Request;
use keyvault::{Error, ErrorKind, Result};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::app_configuration_client::{AppConfigurationClient, IF_NONE_MATCH, parse};
use super::condition::quoted;
use super::item::ListItem;
use super::operation::Operation;
use super::snapshot::Snapshot;
use super::store_service::STORE;
use crate::filter::Selector;
use crate::key_value::KeyValue;
use crate::next_link::{after_in_link_header, after_in_next_link};

impl AppConfigurationClient {
    /// Lists the key-values that `selector` chooses, in the order of the store: by key, then by label.
    ///
    /// Costs one request for 100 key-values. [`List`] has the time limits.
    pub fn list(&self, selector: &Selector) -> List {
        List::new(self, &Operation::List, selector.to_string(), self.selection("kv", selector))
    }

    /// Lists the revisions of the key-values that `selector` chooses, the newest of each first. A store keeps them for
    /// 7 or 30 days, by its tier; a deletion is none.
    ///
    /// Costs one request for 100 revisions. [`List`] has the time limits.
    pub fn list_revisions(&self, selector: &Selector) -> List {
        List::new(self, &Operation::ListRevisions, selector.to_string(), self.selection("revisions", selector))
    }

    /// Lists the keys that a filter chooses, such as `*` or `shop:*`. A key can occur twice.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_keys(&self, filter: &str) -> List<String> {
        List::new(self, &Operation::ListKeys, format!("keys {filter}"), self.named("keys", filter))
    }

    /// Lists the labels that a filter chooses, such as `*`; `None` is the absence of a label. A label can occur twice.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_labels(&self, filter: &str) -> List<Option<String>> {
        List::new(self, &Operation::ListLabels, format!("labels {filter}"), self.named("labels", filter))
    }

    /// Lists the snapshots whose names a filter chooses, such as `*` or `release-*`, also archived and failed ones.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_snapshots(&self, filter: &str) -> List<Snapshot> {
        List::new(self, &Operation::ListSnapshots, format!("snapshots {filter}"), self.named("snapshots", filter))
    }

    /// Fetches one page of key-values: the first, or the one at `after`. If it still has the ETag `known_etag`, the
    /// page comes without items.
    ///
    /// Costs one request. A page has up to 100 key-values. All pages of a list are unchanged if each has its known ETag
    /// and the last of them has no next one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the selector or the ETag is malformed, or an
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

    /// Returns the URL of the first page of key-values.
    fn selection(&self, collection: &str, selector: &Selector) -> Result<Url> {
        selector.check()?;
        let mut url = self.url(&[collection])?;
        url.query_pairs_mut().extend_pairs(selector.query());
        Ok(url)
    }

    /// Returns the URL of the first page of names.
    fn named(&self, collection: &str, filter: &str) -> Result<Url> {
        Selector::new(filter, "*").check()?;
        let mut url = self.url(&[collection])?;
        url.query_pairs_mut().append_pair("name", filter);
        Ok(url)
    }

    async fn send_for_page<T: ListItem>(&self, request: Request, known_etag: Option<&str>) -> Result<Page<T>> {
        let request = match known_etag {
            Some(etag) => request.header(IF_NONE_MATCH, quoted(etag)?),
            None => request,
        };
        let (request, response) = self.send(request).await?;
        // A proxy can weaken an ETag: `W/"…"`. The page then comes in full each time.
        let etag = response.etag.clone().filter(|etag| quoted(etag).is_ok());
        let link = response.link.as_deref().and_then(after_in_link_header);
        if response.status == 304 {
            return Ok(Page { items: None, etag, next: link.map(PageToken::new) });
        }
        let body: PageBody<T::Json> = parse(&request, &response)?;
        let items = body.items.into_iter().map(|item| T::from_json(item).ok_or_else(|| response.malformed()));
        let items = items.collect::<Result<_>>().map_err(|error| request.annotate(error))?;
        let next = body.next_link.as_deref().and_then(after_in_next_link).or(link).map(PageToken::new);
        Ok(Page { items: Some(items), etag, next })
    }
}

/// A list of a store: a stream of its items, or of its [`pages`](List::pages).
///
/// The stream sends nothing until it is polled, and fetches one page at a time: one request. The
/// [timeout](super::AppConfigurationClientBuilder::timeout) applies to the time from one page with items to the next,
/// or to the end of the list: empty pages in between do not extend it. The time in which the program does not poll does
/// not count. The stream ends after an error, and with an error after 100,000 items or 10,000 pages.
///
/// # Cancel safety
///
/// Dropping the future of the next item loses no item.
#[must_use = "streams do nothing unless polled"]
pub struct List<T = KeyValue> {
    cursor: PageCursor,
    items: BoxStream<'static, Result<T>>,
}

/// The pages of a [`List`]: a stream.
#[must_use = "streams do nothing unless polled"]
pub struct Pages<T = KeyValue>(BoxStream<'static, Result<Page<T>>>);

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

/// A field of a key-value, which a list may be restricted to.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// [`value`](KeyValue::value)
    Value,
    /// [`content_type`](KeyValue::content_type)
    ContentType,
    /// [`etag`](KeyValue::etag)
    Etag,
    /// [`last_modified`](KeyValue::last_modified)
    LastModified,
    /// [`is_locked`](KeyValue::is_locked)
    Locked,
    /// [`tags`](KeyValue::tags)
    Tags,
    /// [`description`](KeyValue::description)
    Description,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::ContentType => "content_type",
            Self::Etag => "etag",
            Self::LastModified => "last_modified",
            Self::Locked => "locked",
            Self::Tags => "tags",
            Self::Description => "description",
        }
    }
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

#[allow(private_bounds, reason = "only this crate defines items of lists")]
impl<T: ListItem> List<T> {
    /// Creates a list that starts at `first`. An error is the stream's only item.
    fn new(
        client: &AppConfigurationClient,
        operation: &'static Operation,
        subject: String,
        first: Result<Url>,
    ) -> Self {
        let client = client.clone();
        Self::from_cursor(PageCursor {
            client,
            operation,
            subject,
            first,
            as_of: None,
            at: Position::Start,
            pages: 0,
            items: 0,
            without_items: Duration::ZERO,
        })
    }

    fn from_cursor(cursor: PageCursor) -> Self {
        Self { items: cursor.clone().into_items(), cursor }
    }

    /// Continues where an earlier list with the same filters stopped. Call it before the first item.
    pub fn resume(mut self, token: &PageToken) -> Self {
        self.cursor.at = Position::After(token.clone());
        Self::from_cursor(self.cursor)
    }

    /// Reads the store as it was at `time`, to the second: up to 7 or 30 days ago, by the store's tier. Call it before
    /// the first item. Snapshots have no past.
    pub fn as_of(mut self, time: SystemTime) -> Self {
        self.cursor.as_of = Some(time);
        Self::from_cursor(self.cursor)
    }

    /// Returns the pages instead of the items.
    pub fn pages(self) -> Pages<T> {
        self.cursor.into_pages()
    }
}

impl List<KeyValue> {
    /// Restricts the key-values to these fields, beside key and label. The others are absent. Call it before the first
    /// item. Default: all fields.
    pub fn fields(mut self, fields: &[Field]) -> Self {
        if let Ok(first) = &mut self.cursor.first {
            let names: Vec<&str> =
                ["key", "label"].into_iter().chain(fields.iter().map(|field| field.name())).collect();
            first.query_pairs_mut().append_pair("$select", &names.join(","));
        }
        Self::from_cursor(self.cursor)
    }
}

impl<T> Stream for List<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().items.poll_next_unpin(context)
    }
}

impl<T> Unpin for List<T> {}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next_unpin(context)
    }
}

/// The position of a list.
#[derive(Clone)]
struct PageCursor {
    client: AppConfigurationClient,
    operation: &'static Operation,
    /// Names the listed items in errors.
    subject: String,
    first: Result<Url>,
    as_of: Option<SystemTime>,
    at: Position,
    pages: usize,
    items: usize,
    /// How long the requests took since the last page with items.
    without_items: Duration,
}

#[derive(Clone, Eq, PartialEq)]
enum Position {
    Start,
    After(PageToken),
    End,
}

impl PageCursor {
    fn into_pages<T: ListItem>(self) -> Pages<T> {
        let pages = stream::unfold(self, |mut cursor| async {
            if cursor.at == Position::End {
                return None;
            }
            let page = cursor.fetch().await;
            if page.is_err() {
                cursor.at = Position::End;
            }
            Some((page, cursor))
        });
        Pages(pages.boxed())
    }

    fn into_items<T: ListItem>(self) -> BoxStream<'static, Result<T>> {
        let pages = self.into_pages::<T>();
        pages.map_ok(|page| stream::iter(page.items.unwrap_or_default().into_iter().map(Ok))).try_flatten().boxed()
    }

    /// Fetches the page at the position, and moves to the next one.
    async fn fetch<T: ListItem>(&mut self) -> Result<Page<T>> {
        let first = self.first.clone()?;
        let url = match &self.at {
            Position::After(token) => at(first, Some(token)),
            _ => first,
        };
        self.pages += 1;
        let left = self.client.pipeline.timeout().saturating_sub(self.without_items);
        let mut request = self.client.request_about(self.operation, url, self.subject.clone()).within(left);
        if self.pages > MAX_PAGES || left.is_zero() {
            return Err(request.annotate(endless()));
        }
        if let Some(time) = self.as_of {
            request = request.header("accept-datetime", httpdate::fmt_http_date(time));
        }
        let begun = Instant::now();
        let page: Page<T> = self.client.send_for_page(request, None).await?;
        let count = page.items.as_ref().map_or(0, Vec::len);
        self.without_items = if count == 0 { self.without_items + begun.elapsed() } else { Duration::ZERO };
        self.items += count;
        let next = page.next.clone().map_or(Position::End, Position::After);
        if self.items > MAX_ITEMS || next != Position::End && next == self.at {
            return Err(endless());
        }
        self.at = next;
        Ok(page)
    }
}

/// Returns the URL of the page at `after`.
fn at(mut first: Url, after: Option<&PageToken>) -> Url {
    if let Some(token) = after {
        first.query_pairs_mut().append_pair("after", token.as_str());
    }
    first
}

/// The body of a list.
#[derive(Deserialize)]
struct PageBody<T> {
    /// Required: a page without them is not an empty one, which would remove settings.
    items: Vec<T>,
    #[serde(rename = "@nextLink")]
    next_link: Option<String>,
}

fn endless() -> Error {
    let noun = STORE;
    Error::from_clause(ErrorKind::Unavailable, "vault's list does not end", format!("{noun}'s list does not end"))
}

/// More than any store has that a program reads completely.
const MAX_ITEMS: usize = 100_000;

/// Ends a loop of pages with few items or none.
const MAX_PAGES: usize = 10_000;

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("endpoint", self.cursor.client.endpoint()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageToken").finish_non_exhaustive()
    }
}
