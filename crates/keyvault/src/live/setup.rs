//! What a program configures, apart from layers and validator.

use std::future::ready;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::event_sources::EventSources;
use super::options::Options;
use super::refresh_handle::RefreshHandle;
use super::settings_loader::SettingsLoader;
use super::start::Start;
use super::target::SettingsTarget;
use crate::error::{Error, Result};
use crate::names::NameMap;
use crate::resolver::Resolver;
use crate::sealed::SealedWriter;
use crate::settings::{Pattern, Policies, Policy};
use crate::time::WallClock;

/// Everything that a program configures, apart from layers and validator.
pub(super) struct Setup {
    pub(super) resolver: Resolver,
    pub(super) names: Option<NameMap>,
    pub(super) policies: Policies,
    /// The number of patterns, malformed ones included.
    patterns: usize,
    /// Why the start fails.
    pub(super) faults: Vec<Error>,
    pub(super) options: Options,
    pub(super) clock: WallClock,
    pub(super) events: EventSources,
    pub(super) sealed_writer: Option<SealedWriter>,
}

impl Setup {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            names: Some(NameMap::new()),
            policies: Policies::default(),
            patterns: 0,
            faults: Vec::new(),
            options: Options::default(),
            clock: WallClock::default(),
            events: EventSources::default(),
            sealed_writer: None,
        }
    }

    pub(super) fn add_policy(&mut self, pattern: &str, policy: Policy) {
        self.patterns += 1;
        match Pattern::parse(pattern) {
            Ok(pattern) => self.policies.add(pattern, policy),
            // An error quotes no text that cannot be parsed, so it counts the patterns.
            Err(error) => self.faults.push(error.at("policy", format!("pattern {}", self.patterns))),
        }
    }

    /// Checks the setup and starts.
    pub(super) fn start(mut self, target: Arc<dyn SettingsTarget>) -> BoxFuture<'static, Result<RefreshHandle>> {
        self.faults.extend(self.options.check().err());
        self.faults.extend(self.sealed_writer.as_ref().and_then(|writer| writer.check_paths().err()));
        if let Some(error) = Error::join(self.faults) {
            return ready(Err(error)).boxed();
        }
        let Self { resolver, names, policies, options, clock, events, sealed_writer, .. } = self;
        let loader = SettingsLoader { resolver, names, policies, target };
        Start { loader, options, clock, sealed_writer }.run(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::InMemory;

    #[test]
    fn every_malformed_pattern_is_reported_by_its_number() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let mut setup = Setup::new(vault.into());
        for pattern in ["a..b", "smtp.*", "a["] {
            setup.add_policy(pattern, Policy::Optional);
        }
        let error = Error::join(setup.faults).unwrap();
        let found: Vec<String> = error.failures().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("pattern 1") && found[1].contains("pattern 3"), "{found:?}");
    }
}
