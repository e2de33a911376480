//! Lists that come page by page.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::task::yield_now;
use url::Url;

use super::SecretClient;
use super::call::Call;
use super::verb::Verb;
use super::wire::{Item, ListBody};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SecretProperties, Vault};

/// A list that is being fetched from a vault: a stream of its items, or with [`pages`](SecretList::pages) of its pages.
///
/// Nothing is asked before it is polled, and one page is asked at a time: a request of its own, with a timeout of its
/// own. It ends after an error, and with one beyond 100,000 items or 4,000 pages. Secrets that are set or deleted
/// while it runs neither hide nor repeat others.
///
/// # Cancel safety
///
/// Dropping the future of its next item loses no item.
#[must_use = "streams do nothing unless polled"]
pub struct SecretList<T = SecretProperties> {
    start: Cursor,
    pages: SecretPages<T>,
    ready: VecDeque<T>,
}

/// The pages of a [`SecretList`]: a stream.
#[must_use = "streams do nothing unless polled"]
pub struct SecretPages<T = SecretProperties>(BoxStream<'static, Result<SecretPage<T>>>);

/// A page of a list: its items, and where to go on.
#[derive(Clone, Debug)]
pub struct SecretPage<T = SecretProperties> {
    items: Vec<T>,
    next: Option<PageToken>,
}

/// Where a list goes on: the vault's own link to the next page.
///
/// It is text, to be kept between two runs of a program, and it names secrets. It is good for the list that it came
/// from; how long, the vault does not say.
#[derive(Clone, Eq, PartialEq)]
pub struct PageToken(Box<str>);

#[allow(private_bounds, reason = "the items of a list are for this crate to choose")]
impl<T: Item> SecretList<T> {
    /// `first` is where the list begins; an error is the stream's only item.
    pub(super) fn new(client: &SecretClient, verb: Verb, first: Result<Url>) -> Self {
        let next = Some(first.clone());
        let start = Cursor { client: client.clone(), verb, first, next, pages: 0, items: 0 };
        Self { pages: start.clone().into_pages(), start, ready: VecDeque::new() }
    }

    /// Sets how many items a page has at most: 1 to 25. Default: the vault's choice, 25.
    ///
    /// Another number makes the stream's first item an error.
    pub fn page_size(mut self, size: u8) -> Self {
        self.start.change(|first, _| match size {
            1..=25 => {
                let mut url = first.clone();
                url.query_pairs_mut().append_pair("maxresults", &size.to_string());
                Ok(url)
            }
            _ => Err(Error::invalid("page of a list has 1 to 25 items")),
        });
        self.restarted()
    }

    /// Goes on where an earlier list of the same kind stopped.
    ///
    /// The token is checked like every link that a vault sends: one that leads to another origin, or that another list
    /// gave, makes the stream's first item an error.
    pub fn resume(mut self, token: &PageToken) -> Self {
        self.start.change(|first, vault| {
            let foreign = || Error::invalid("page token is of another list");
            let url = next_page(&token.0, first, vault).map_err(|_| foreign())?;
            if same_path(&url, first) { Ok(url) } else { Err(foreign()) }
        });
        self.restarted()
    }

    /// Gives pages instead of items; a page can be empty and yet have a next one.
    pub fn pages(self) -> SecretPages<T> {
        self.pages
    }

    fn restarted(self) -> Self {
        Self { pages: self.start.clone().into_pages(), start: self.start, ready: VecDeque::new() }
    }
}

impl<T: Unpin> Stream for SecretList<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(item) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(this.pages.poll_next_unpin(context)) {
                Some(Ok(page)) => this.ready = page.items.into(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Send + 'static> SecretPages<T> {
    /// Gives the items of each page while the next one is on its way: whoever takes them all has them sooner.
    pub(super) fn items_ahead(self) -> BoxStream<'static, Result<T>> {
        let pages = self.map(future::ready).buffered(2);
        let items = pages.and_then(async |page| {
            // Whoever sends the request for the next page has a turn.
            yield_now().await;
            Ok(stream::iter(page.items.into_iter().map(Ok)))
        });
        items.try_flatten().boxed()
    }
}

impl<T> Stream for SecretPages<T> {
    type Item = Result<SecretPage<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next_unpin(context)
    }
}

impl<T> SecretPage<T> {
    /// Gives the items of the page; there may be none.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Takes the items out.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Tells where the list goes on; none if this is the last page.
    pub fn next(&self) -> Option<&PageToken> {
        self.next.as_ref()
    }
}

impl PageToken {
    /// Takes the text of a token that was kept. [`resume`](SecretList::resume) checks it.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Gives the text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far a list has come.
#[derive(Clone)]
struct Cursor {
    client: SecretClient,
    verb: Verb,
    first: Result<Url>,
    next: Option<Result<Url>>,
    pages: usize,
    items: usize,
}

impl Cursor {
    fn into_pages<T: Item>(self) -> SecretPages<T> {
        let pages = stream::unfold(self, |mut cursor| async { Some((cursor.turn().await?, cursor)) });
        SecretPages(pages.boxed())
    }

    /// Begins elsewhere, unless the beginning is wrong already.
    fn change(&mut self, change: impl FnOnce(&Url, &Vault) -> Result<Url>) {
        let first = self.first.as_ref().map_err(Clone::clone);
        let began = self.next.clone().and_then(Result::err);
        let next = began.map_or_else(|| first.and_then(|first| change(first, self.client.vault())), Err);
        self.next = Some(next);
    }

    /// Fetches the next page; none if there is none.
    async fn turn<T: Item>(&mut self) -> Option<Result<SecretPage<T>>> {
        let url = match self.next.take()? {
            Ok(url) => url,
            Err(error) => return Some(Err(error)),
        };
        Some(self.fetch(url).await)
    }

    async fn fetch<T: Item>(&mut self, url: Url) -> Result<SecretPage<T>> {
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(Error::new(ErrorKind::Unavailable, "vault's list does not end"));
        }
        let vault = self.client.vault();
        let answer = self.client.exchange.call(&Call::new(self.verb, url.clone())).await?;
        let list: ListBody = answer.json()?;
        let (items, next) = list.into_page(vault)?;
        self.items += items.len();
        if self.items > MOST_ITEMS {
            return Err(Error::new(ErrorKind::Unavailable, "vault's list does not end"));
        }
        self.next = next.map(|link| next_page(&link, &url, vault));
        let token = self.next.as_ref().and_then(|next| next.as_ref().ok());
        let next = token.map(|url| PageToken::new(url.as_str()));
        Ok(SecretPage { items, next })
    }
}

/// Tells whether two URLs are of one list: names have no case, and a doubled slash is one.
fn same_path(a: &Url, b: &Url) -> bool {
    let path = |url: &Url| url.path().split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/");
    path(a).eq_ignore_ascii_case(&path(b))
}

/// Checks where a vault sends us for the next page: the token goes with us, so it must be the same vault.
fn next_page(link: &str, this: &Url, vault: &Vault) -> Result<Url> {
    let refused = |clause| Error::new(ErrorKind::Unavailable, clause);
    // `Vault` compares origins and refuses everything that only looks like one.
    let (origin, _) = Vault::split(link).map_err(|_| refused("vault's link to the next page is malformed"))?;
    let next = Url::parse(link).map_err(|_| refused("vault's link to the next page is malformed"))?;
    if origin != *vault || next.origin() != this.origin() {
        return Err(refused("vault's link to the next page leads to another host"));
    }
    if next == *this {
        return Err(refused("vault's list does not end"));
    }
    Ok(next)
}

/// More than any vault that a program reads whole.
const MOST_ITEMS: usize = 100_000;

/// As many items in pages of 25; no loop of empty pages outlasts it.
const MOST_PAGES: usize = MOST_ITEMS / 25;

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
    fn the_next_page_is_on_the_same_origin() {
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
