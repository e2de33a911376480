//! The writer without the feature `sealed`: a type without a value.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::health::SealedHealth;
use crate::error::Result;
use crate::resolver::{Resolver, Snapshot};

#[derive(Clone, Debug)]
pub(crate) enum SealedWriter {}

impl SealedWriter {
    pub(crate) fn check_paths(&self) -> Result<()> {
        match *self {}
    }

    pub(crate) fn use_after(&self) -> Duration {
        match *self {}
    }

    pub(crate) async fn open(&self, _: &Resolver, _: SystemTime) -> Result<(Resolver, SystemTime)> {
        match *self {}
    }

    pub(crate) fn save(&self, _: &Arc<Snapshot>, _: SystemTime, _: bool) {
        match *self {}
    }

    pub(crate) async fn finish(&self) {
        match *self {}
    }

    pub(crate) fn health(&self) -> SealedHealth {
        match *self {}
    }
}
