//! Lists as iterators.

use std::collections::VecDeque;
use std::fmt;

use futures::StreamExt;

use super::worker::Worker;
use crate::client::{ListItem, PageToken, SecretPage};
use crate::error::Result;
use crate::secret::SecretProperties;

/// A list of a vault: an iterator over its items, or over its [`pages`](SecretList::pages).
///
/// The iterator blocks for one request at the start of each page, and ends after an error.
#[must_use = "iterators are lazy"]
pub struct SecretList<T = SecretProperties> {
    worker: Worker,
    list: Option<crate::client::SecretList<T>>,
    pages: Option<SecretPages<T>>,
    buffered: VecDeque<T>,
}

#[allow(private_bounds, reason = "only this crate defines items of lists")]
impl<T: ListItem> SecretList<T> {
    pub(super) fn new(worker: &Worker, list: crate::client::SecretList<T>) -> Self {
        Self { worker: worker.clone(), list: Some(list), pages: None, buffered: VecDeque::new() }
    }

    /// Sets the largest number of items of a page: 1 to 25. Default: 25, the vault's choice. Has no effect after the
    /// first item.
    pub fn page_size(self, size: u8) -> Self {
        Self { list: self.list.map(|list| list.page_size(size)), ..self }
    }

    /// Continues where an earlier list of the same kind stopped, like [`resume`](crate::client::SecretList::resume).
    /// Has no effect after the first item.
    pub fn resume(self, token: &PageToken) -> Self {
        Self { list: self.list.map(|list| list.resume(token)), ..self }
    }

    /// Returns the pages instead of the items. A page can be empty although another one follows.
    pub fn pages(self) -> SecretPages<T> {
        let pages = self.list.map(crate::client::SecretList::pages);
        self.pages.unwrap_or(SecretPages { worker: self.worker, pages })
    }
}

impl<T: ListItem> Iterator for SecretList<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(list) = self.list.take() {
            self.pages = Some(SecretPages { worker: self.worker.clone(), pages: Some(list.pages()) });
        }
        loop {
            if let Some(item) = self.buffered.pop_front() {
                return Some(Ok(item));
            }
            match self.pages.as_mut()?.next()? {
                Ok(page) => self.buffered = page.into_items().into(),
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

impl<T: ListItem> Iterator for SecretPages<T> {
    type Item = Result<SecretPage<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut pages = self.pages.take()?;
        let fetched = self.worker.run(async move {
            let page = pages.next().await.transpose();
            Ok((page, pages))
        });
        match fetched {
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
