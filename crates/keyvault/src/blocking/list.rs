//! Lists as iterators.

use std::collections::VecDeque;
use std::fmt;

use futures::StreamExt;

use super::worker::Worker;
use crate::client::{Item, PageToken, SecretPage};
use crate::error::Result;
use crate::secret::SecretProperties;

/// A list that is being fetched from a vault: an iterator over its items, or with [`pages`](SecretList::pages) over its
/// pages. Blocks for a request at the beginning of each page; ends after an error.
#[must_use = "iterators are lazy"]
pub struct SecretList<T = SecretProperties> {
    worker: Worker,
    list: Option<crate::client::SecretList<T>>,
    pages: Option<SecretPages<T>>,
    ready: VecDeque<T>,
}

#[allow(private_bounds, reason = "the items of a list are for this crate to choose")]
impl<T: Item> SecretList<T> {
    pub(super) fn new(worker: &Worker, list: crate::client::SecretList<T>) -> Self {
        Self { worker: worker.clone(), list: Some(list), pages: None, ready: VecDeque::new() }
    }

    /// Sets how many items a page has at most: 1 to 25. Default: the vault's choice, 25. To be set before the first item.
    pub fn page_size(self, size: u8) -> Self {
        Self { list: self.list.map(|list| list.page_size(size)), ..self }
    }

    /// Goes on where an earlier list of the same kind stopped; the token is checked as by
    /// [the other client](crate::client::SecretList::resume). To be called before the first item.
    pub fn resume(self, token: &PageToken) -> Self {
        Self { list: self.list.map(|list| list.resume(token)), ..self }
    }

    /// Gives pages instead of items; a page can be empty and yet have a next one.
    pub fn pages(self) -> SecretPages<T> {
        let pages = self.list.map(crate::client::SecretList::pages);
        self.pages.unwrap_or(SecretPages { worker: self.worker, pages })
    }
}

impl<T: Item> Iterator for SecretList<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(list) = self.list.take() {
            self.pages = Some(SecretPages { worker: self.worker.clone(), pages: Some(list.pages()) });
        }
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            match self.pages.as_mut()?.next()? {
                Ok(page) => self.ready = page.into_items().into(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The pages of a [`SecretList`]: an iterator.
#[must_use = "iterators are lazy"]
pub struct SecretPages<T = SecretProperties> {
    worker: Worker,
    pages: Option<crate::client::SecretPages<T>>,
}

impl<T: Item> Iterator for SecretPages<T> {
    type Item = Result<SecretPage<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut pages = self.pages.take()?;
        let turned = self.worker.run(async move {
            let page = pages.next().await.transpose();
            Ok((page, pages))
        });
        match turned {
            Ok((page, pages)) => {
                self.pages = Some(pages);
                page.transpose()
            }
            Err(error) => Some(Err(error)),
        }
    }
}

macro_rules! debug {
    ($($name:ident),*) => {
        $(impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

debug!(SecretList, SecretPages);
