//! Lists, which a vault returns page by page.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::bundle::{ListItem, SecretBundle};
use super::operation::Operation;
use super::secret_client::SecretClient;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Request;
use crate::secret::{SecretProperties, Vault};

impl SecretClient {
    /// Lists every secret of the vault, in the order of the vault.
    ///
    /// Costs one request for 25 secrets. An item has no version and no value. [`SecretList`] has the time limits.
    pub fn list(&self) -> SecretList {
        SecretList::new(self, &Operation::List, self.pipeline.url(&["secrets"]))
    }

    /// Lists every version of a secret, in no particular order. The list is empty if the vault has no such secret.
    ///
    /// Costs one request for 25 versions. [`SecretList`] has the time limits.
    pub fn list_versions(&self, name: &str) -> SecretList {
        let id = self.id(name, None);
        let first = id.and_then(|id| self.pipeline.url(&["secrets", id.name().as_str(), "versions"]));
        SecretList::new(self, &Operation::ListVersions, first)
    }
}

/// A list of a vault: a stream of its items, or of its [`pages`](SecretList::pages).
///
/// The stream sends nothing until it is polled, and fetches one page at a time: one request. The
/// [timeout](super::SecretClientBuilder::timeout) applies to the time from one page with items to the next, or to the
/// end of the list: empty pages in between do not extend it. The time in which the program does not poll does not
/// count. The stream ends after an error, and with an error after 100,000 items or 4,000 pages, so that a whole list
/// takes at most 4,000 times the timeout. Secrets that are set or deleted meanwhile neither hide nor repeat others.
///
/// # Cancel safety
///
/// Dropping the future of the next item loses no item.
#[must_use = "streams do nothing unless polled"]
pub struct SecretList<T = SecretProperties> {
    start: PageCursor,
    items: BoxStream<'static, Result<T>>,
}

/// The pages of a [`SecretList`]: a stream.
#[must_use = "streams do nothing unless polled"]
pub struct SecretPages<T = SecretProperties>(BoxStream<'static, Result<SecretPage<T>>>);

/// A page of a list: its items, and the token of the next page.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct SecretPage<T = SecretProperties> {
    /// The items. A page can be empty.
    pub items: Vec<T>,
    /// The token of the next page. `None` if this is the last page.
    pub next: Option<PageToken>,
}

/// The position at which a list continues: the vault's own link to the next page.
///
/// It is text that a program can store between two runs, and it names secrets. It is valid for the list that it came
/// from; the vault does not document for how long.
#[derive(Clone, Eq, PartialEq)]
pub struct PageToken(Box<str>);

#[allow(private_bounds, reason = "only this crate defines items of lists")]
impl<T: ListItem> SecretList<T> {
    /// Creates a list that starts at `first`. An error is the stream's only item.
    pub(super) fn new(client: &SecretClient, operation: &'static Operation, first: Result<Url>) -> Self {
        let next = Some(first.clone());
        Self::from_cursor(PageCursor {
            client: client.clone(),
            operation,
            first,
            next,
            pages: 0,
            items: 0,
            without_items: Duration::ZERO,
        })
    }

    fn from_cursor(start: PageCursor) -> Self {
        Self { items: items(start.clone().into_pages()), start }
    }

    /// Sets the largest number of items of a page: 1 to 25. Default: 25, the vault's choice.
    ///
    /// Any other number makes the stream's first item an error. Set it before the first item: it starts the list again.
    pub fn page_size(mut self, size: u8) -> Self {
        self.start.restart_at(|first, _| match size {
            1..=25 => {
                let mut url = first.clone();
                url.query_pairs_mut().append_pair("maxresults", &size.to_string());
                Ok(url)
            }
            _ => Err(Error::invalid("page size of a list must be 1 to 25")),
        });
        Self::from_cursor(self.start)
    }

    /// Continues where an earlier list of the same kind stopped.
    ///
    /// The token is checked like every link of a vault: a token of another origin or of another list makes the stream's
    /// first item an error. Call it before the first item: it discards the position of this list.
    pub fn resume(mut self, token: &PageToken) -> Self {
        self.start.restart_at(|first, vault| {
            let foreign = || Error::invalid("page token belongs to another list");
            let url = next_page(&token.0, first, vault).map_err(|_| foreign())?;
            if has_same_path(&url, first) { Ok(url) } else { Err(foreign()) }
        });
        Self::from_cursor(self.start)
    }

    /// Returns the pages from the start, instead of the items. A page can be empty although another one follows.
    pub fn pages(self) -> SecretPages<T> {
        self.start.into_pages()
    }
}

impl<T> Stream for SecretList<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().items.poll_next_unpin(context)
    }
}

impl<T: Send + 'static> SecretPages<T> {
    /// Returns the items, and requests each page before it returns the items of the page before.
    pub(super) fn items_ahead(self) -> BoxStream<'static, Result<T>> {
        items(self.map(future::ready).buffered(2))
    }
}

impl<T> Stream for SecretPages<T> {
    type Item = Result<SecretPage<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next_unpin(context)
    }
}

fn items<T: Send + 'static>(
    pages: impl Stream<Item = Result<SecretPage<T>>> + Send + 'static,
) -> BoxStream<'static, Result<T>> {
    pages.map_ok(|page| stream::iter(page.items.into_iter().map(Ok))).try_flatten().boxed()
}

impl PageToken {
    /// Creates a token from stored text. [`resume`](SecretList::resume) checks it.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The position of a list.
#[derive(Clone)]
struct PageCursor {
    client: SecretClient,
    operation: &'static Operation,
    first: Result<Url>,
    next: Option<Result<Url>>,
    pages: usize,
    items: usize,
    /// How long the requests took since the last page with items.
    without_items: Duration,
}

impl PageCursor {
    fn into_pages<T: ListItem>(self) -> SecretPages<T> {
        let pages = stream::unfold(self, |mut cursor| async {
            let url = cursor.next.take()?;
            Some((cursor.fetch(url).await, cursor))
        });
        SecretPages(pages.boxed())
    }

    /// Changes the first page, unless it is an error already.
    fn restart_at(&mut self, url: impl FnOnce(&Url, &Vault) -> Result<Url>) {
        if let (Ok(first), Some(Ok(_))) = (&self.first, &self.next) {
            self.next = Some(url(first, self.client.vault()));
        }
    }

    /// Fetches the page at `url`, and sets the URL of the next one.
    async fn fetch<T: ListItem>(&mut self, url: Result<Url>) -> Result<SecretPage<T>> {
        let url = url?;
        self.pages += 1;
        let left = self.client.pipeline.timeout().saturating_sub(self.without_items);
        if self.pages > MAX_PAGES || left.is_zero() {
            return Err(endless());
        }
        let begun = Instant::now();
        let request = Request::new(self.operation, url.clone()).within(left);
        let list: ListBody = self.client.send_for(&request).await?;
        let vault = self.client.vault();
        let items = list.value.unwrap_or_default().into_iter().map(|item| T::from_bundle(item, vault));
        let items: Vec<T> = items.collect::<Result<_>>()?;
        self.without_items = if items.is_empty() { self.without_items + begun.elapsed() } else { Duration::ZERO };
        self.items += items.len();
        if self.items > MAX_ITEMS {
            return Err(endless());
        }
        let link = list.next_link.filter(|link| !link.is_empty());
        self.next = link.map(|link| next_page(&link, &url, vault));
        let token = self.next.as_ref().and_then(|next| next.as_ref().ok());
        let next = token.map(|url| PageToken::new(url.as_str()));
        Ok(SecretPage { items, next })
    }
}

/// [`SecretListResult`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#secretlistresult).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    value: Option<Vec<SecretBundle>>,
    next_link: Option<String>,
}

/// Returns whether two URLs belong to one list. Names are case-insensitive, and a double slash counts as one.
fn has_same_path(a: &Url, b: &Url) -> bool {
    let path = |url: &Url| url.path().split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/");
    path(a).eq_ignore_ascii_case(&path(b))
}

/// Parses the vault's link to the next page. The client sends its token there, so it must lead to the same vault.
fn next_page(link: &str, this: &Url, vault: &Vault) -> Result<Url> {
    let refused = |clause| Error::new(ErrorKind::Unavailable, clause);
    // `Vault` compares origins, and refuses every URL that only looks like the same origin.
    let (origin, _) = Vault::split(link).map_err(|_| refused("vault's link to the next page is malformed"))?;
    let next = Url::parse(link).map_err(|_| refused("vault's link to the next page is malformed"))?;
    if origin != *vault || next.origin() != this.origin() {
        return Err(refused("vault's link to the next page leads to another host"));
    }
    if next == *this {
        return Err(endless());
    }
    Ok(next)
}

fn endless() -> Error {
    Error::new(ErrorKind::Unavailable, "vault's list does not end")
}

/// More than any vault has that a program reads completely.
const MAX_ITEMS: usize = 100_000;

/// The pages of 25 items for as many items. Ends a loop of empty pages.
const MAX_PAGES: usize = MAX_ITEMS / 25;

impl<T> fmt::Debug for SecretList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretList").field("vault", self.start.client.vault()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SecretPages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretPages").finish_non_exhaustive()
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageToken").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_next_page_must_have_the_same_origin() {
        let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
        let this = Url::parse("https://contoso.vault.azure.net/secrets?api-version=7.4").unwrap();
        for (link, allowed) in [
            ("https://contoso.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=x", true),
            ("https://CONTOSO.vault.azure.net/secrets?$skiptoken=x", true),
            ("https://contoso.vault.azure.net/secrets?api-version=7.4", false),
            ("https://fabrikam.vault.azure.net/secrets?$skiptoken=x", false),
            ("https://contoso.vault.azure.net.evil.example/secrets", false),
            ("https://contoso.vault.azure.net@evil.example/secrets", false),
            ("https://evil.example\\@contoso.vault.azure.net/secrets", false),
            ("https://contoso.vault.azure.net:8443/secrets", false),
            ("http://contoso.vault.azure.net/secrets", false),
            ("//evil.example/secrets", false),
            ("/secrets?$skiptoken=x", false),
            ("", false),
        ] {
            assert_eq!(next_page(link, &this, &vault).is_ok(), allowed, "{link}");
        }
    }
}
