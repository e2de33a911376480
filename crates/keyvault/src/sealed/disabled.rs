//! What stands in the place of a sealer where the feature `sealed` is off: nothing can make one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::health::SealedHealth;
use crate::error::Result;
use crate::resolver::{Resolver, Snapshot};

#[derive(Clone, Debug)]
pub(crate) enum Sealer {}

impl Sealer {
    pub(crate) fn patience(&self) -> Duration {
        match *self {}
    }

    pub(crate) async fn open(&self, _: &Resolver) -> Result<(Resolver, SystemTime)> {
        match *self {}
    }

    pub(crate) fn save(&self, _: &Arc<Snapshot>, _: Duration, _: bool) {
        match *self {}
    }

    pub(crate) async fn finish(&self) {
        match *self {}
    }

    pub(crate) fn health(&self) -> SealedHealth {
        match *self {}
    }
}
