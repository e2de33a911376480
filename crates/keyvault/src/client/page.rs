//! Lists that come page by page.

use std::collections::VecDeque;

use futures::Stream;
use futures::stream;
use url::Url;

use super::exchange::Exchange;
use super::wire::SecretList;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretProperties;
use crate::vault::Vault;

/// Lists everything from `first` on. After an error the stream ends.
pub(super) fn items(exchange: &Exchange, first: Result<Url>) -> impl Stream<Item = Result<SecretProperties>> + Send {
    let pages = Pages { exchange, ready: VecDeque::new(), next: Some(first), pages: 0, items: 0 };
    stream::unfold(pages, |mut pages| async { Some((pages.item().await?, pages)) })
}

struct Pages<'a> {
    exchange: &'a Exchange,
    ready: VecDeque<SecretProperties>,
    next: Option<Result<Url>>,
    pages: usize,
    items: usize,
}

impl Pages<'_> {
    async fn item(&mut self) -> Option<Result<SecretProperties>> {
        // A page may be empty and yet have a next one.
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if let Err(error) = self.turn().await? {
                return Some(Err(error));
            }
        }
    }

    /// Fetches the next page; none if there is none.
    async fn turn(&mut self) -> Option<Result<()>> {
        let url = match self.next.take()? {
            Ok(url) => url,
            Err(error) => return Some(Err(error)),
        };
        Some(self.fetch(url).await)
    }

    async fn fetch(&mut self, url: Url) -> Result<()> {
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(Error::new(ErrorKind::Unavailable, "vault's list does not end"));
        }
        let answer = self.exchange.get("list", url.clone()).await?;
        let list: SecretList = answer.json()?;
        let (items, next) = list.into_page(self.exchange.vault())?;
        self.items += items.len();
        if self.items > MOST_ITEMS {
            return Err(Error::new(ErrorKind::Unavailable, "vault's list does not end"));
        }
        self.ready = items.into();
        self.next = next.map(|link| next_page(&link, &url, self.exchange.vault()));
        Ok(())
    }
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
