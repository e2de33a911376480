//! A part of the settings.

use std::fmt;
use std::ops::Deref;

use super::live_handle::Live;
use super::publication::Current;

/// A part of live settings, for code that needs the part and should not know the whole.
///
/// Like every handle, it keeps the settings refreshed. `Clone` is cheap.
#[must_use = "a projection does nothing unless it is read"]
pub struct Projection<T, U: ?Sized> {
    live: Live<T>,
    part: fn(&T) -> &U,
}

/// A part of the settings of one moment, for one unit of work, like [`Current`]. Derefs to the part.
pub struct Projected<T, U: ?Sized> {
    whole: Current<T>,
    part: fn(&T) -> &U,
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Projects the settings to a part of them.
    ///
    /// Costs nothing: each read looks the part up in the settings.
    ///
    /// ```
    /// # use keyvault::Live;
    /// # use keyvault::live::Projection;
    /// # struct Database { host: String }
    /// # struct Settings { database: Database }
    /// # fn example(live: Live<Settings>) {
    /// let database: Projection<Settings, Database> = live.map(|settings| &settings.database);
    /// println!("connecting to {}", database.current().host);
    /// # }
    /// ```
    pub fn map<U: ?Sized>(&self, part: fn(&T) -> &U) -> Projection<T, U> {
        Projection { live: self.clone(), part }
    }
}

impl<T: Send + Sync + 'static, U: ?Sized> Projection<T, U> {
    /// Returns the current part. Never waits, never fails, allocates nothing.
    pub fn current(&self) -> Projected<T, U> {
        Projected { whole: self.live.current(), part: self.part }
    }
}

impl<T, U: ?Sized> Deref for Projected<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        (self.part)(&self.whole)
    }
}

impl<T, U: ?Sized> Clone for Projection<T, U> {
    fn clone(&self) -> Self {
        Self { live: self.live.clone(), part: self.part }
    }
}

impl<T, U: ?Sized> fmt::Debug for Projection<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Projection").field(&self.live).finish()
    }
}

impl<T, U: ?Sized> fmt::Debug for Projected<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Projected").field(&self.whole).finish()
    }
}
