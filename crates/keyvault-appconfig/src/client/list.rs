//! Lists, which a store returns page by page.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use keyvault::{Error, ErrorKind, Result};
use tokio::time::Instant;
use url::Url;

use super::app_configuration_client::AppConfigurationClient;
use super::field::Field;
use super::item::ListItem;
use super::operation::Operation;
use super::page::{Page, PageToken, at, check_progress, endless};
use super::snapshot::Snapshot;
use crate::filter::Selector;
use crate::key_value::KeyValue;

impl AppConfigurationClient {
    /// Lists the key-values that `selector` selects, in the order of the store: by key, then by label.
    ///
    /// Costs one request for 100 key-values. [`List`] has the time limits.
    pub fn list(&self, selector: &Selector) -> List {
        List::new(self, &Operation::List, selector.to_string(), self.selection("kv", selector))
    }

    /// Lists the revisions of the key-values that `selector` selects, the newest of each first. A store keeps them for
    /// 7 or 30 days, by its tier; a deletion is none.
    ///
    /// Costs one request for 100 revisions. [`List`] has the time limits.
    pub fn list_revisions(&self, selector: &Selector) -> List {
        List::new(self, &Operation::ListRevisions, selector.to_string(), self.selection("revisions", selector))
    }

    /// Lists the keys that a filter selects, such as `*` or `shop:*`. A key can occur twice.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_keys(&self, filter: &str) -> List<String> {
        List::new(self, &Operation::ListKeys, format!("keys {filter}"), self.named("keys", filter))
    }

    /// Lists the labels that a filter selects, such as `*`; `None` is the absence of a label. A label can occur twice.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_labels(&self, filter: &str) -> List<Option<String>> {
        List::new(self, &Operation::ListLabels, format!("labels {filter}"), self.named("labels", filter))
    }

    /// Lists the snapshots whose names a filter selects, such as `*` or `release-*`, also archived and failed ones.
    ///
    /// Costs one request for a page of them. [`List`] has the time limits.
    pub fn list_snapshots(&self, filter: &str) -> List<Snapshot> {
        List::new(self, &Operation::ListSnapshots, format!("snapshots {filter}"), self.named("snapshots", filter))
    }

    /// Returns the URL of the first page of key-values.
    pub(super) fn selection(&self, collection: &str, selector: &Selector) -> Result<Url> {
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
    ///
    /// The list is an [`Invalid`](ErrorKind::Invalid) error if `time` is before 1970 or after 9999.
    pub fn as_of(mut self, time: SystemTime) -> Self {
        self.cursor.as_of = http_date(time);
        if self.cursor.as_of.is_none() {
            let error = Error::new(ErrorKind::Invalid, "time of the list is before 1970 or after 9999");
            self.cursor.first = self.cursor.first.and(Err(error));
        }
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
    /// The HTTP date of the state to read.
    as_of: Option<String>,
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

impl Position {
    fn token(&self) -> Option<&PageToken> {
        match self {
            Self::After(token) => Some(token),
            Self::Start | Self::End => None,
        }
    }
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
        let url = at(first, self.at.token());
        self.pages += 1;
        let left = self.client.pipeline.timeout().saturating_sub(self.without_items);
        let mut request = self.client.request_about(self.operation, url, self.subject.clone()).within(left);
        if left.is_zero() {
            return Err(request.annotate(endless()));
        }
        if let Some(date) = &self.as_of {
            request = request.header("accept-datetime", date.clone());
        }
        let begun = Instant::now();
        let page: Page<T> = self.client.send_for_page(request, None).await?;
        let count = page.items.as_ref().map_or(0, Vec::len);
        self.without_items = if count == 0 { self.without_items + begun.elapsed() } else { Duration::ZERO };
        self.items += count;
        if self.items > MAX_ITEMS {
            return Err(endless());
        }
        check_progress(self.pages, self.at.token(), page.next.as_ref())?;
        self.at = page.next.clone().map_or(Position::End, Position::After);
        Ok(page)
    }
}

/// Returns the HTTP date of a time, which is from 1970 to 9999.
fn http_date(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_10000).then(|| httpdate::fmt_http_date(time))
}

/// The first second of the year 10000.
const YEAR_10000: u64 = 253_402_300_800;

/// More than any store has that a program reads completely.
const MAX_ITEMS: usize = 100_000;

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
