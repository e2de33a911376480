//! Lists as iterators.

use futures::StreamExt;

use super::worker::Worker;
use crate::client::{self, ListItem, PageToken, SecretPage};
use crate::error::Result;
use crate::secret::SecretProperties;

/// A list of a vault: an iterator over its items, or over its [`pages`](SecretList::pages).
///
/// The iterator blocks at the start of each page, and ends after an error. The limits are those of the asynchronous
/// [`SecretList`](client::SecretList).
#[must_use = "iterators are lazy"]
#[derive(Debug)]
pub struct SecretList<T = SecretProperties> {
    worker: Worker,
    list: client::SecretList<T>,
}

#[allow(private_bounds, reason = "only this crate defines items of lists")]
impl<T: ListItem> SecretList<T> {
    pub(super) fn new(worker: &Worker, list: client::SecretList<T>) -> Self {
        Self { worker: worker.clone(), list }
    }

    /// Sets the largest number of items of a page, like [`page_size`](client::SecretList::page_size).
    pub fn page_size(self, size: u8) -> Self {
        Self { list: self.list.page_size(size), ..self }
    }

    /// Continues where an earlier list of the same kind stopped, like [`resume`](client::SecretList::resume).
    pub fn resume(self, token: &PageToken) -> Self {
        Self { list: self.list.resume(token), ..self }
    }

    /// Returns the pages instead of the items, like [`pages`](client::SecretList::pages).
    pub fn pages(self) -> SecretPages<T> {
        SecretPages { worker: self.worker, pages: self.list.pages() }
    }
}

impl<T: ListItem> Iterator for SecretList<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.worker.run(self.list.next())
    }
}

/// The pages of a [`SecretList`]: an iterator.
#[must_use = "iterators are lazy"]
#[derive(Debug)]
pub struct SecretPages<T = SecretProperties> {
    worker: Worker,
    pages: client::SecretPages<T>,
}

impl<T: ListItem> Iterator for SecretPages<T> {
    type Item = Result<SecretPage<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.worker.run(self.pages.next())
    }
}
