//! From layers to a tree without references: the one way to the first settings and to every later ones.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use serde::de::DeserializeOwned;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::loader::Loader;
use super::report_rows::ReportEntry;
use super::resolve::{KeptSecret, ResolveContext, ResolvedValue, resolve};
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::names::NameMap;
use crate::report::{Report, ReportRow};
use crate::settings::{ConfigValue, Key, Layers, MappedSecrets, Mismatch, Origin, Origins, Resolved, Segment, Tree};

/// A tree of values with every reference resolved, not yet settings.
///
/// Adapters wrap it; the tree holds plaintext.
pub struct Loaded<R> {
    tree: R,
    facts: Facts,
}

/// What is known of settings beside their values.
pub(crate) struct Facts {
    pub(crate) origins: Origins,
    pub(crate) snapshot: Snapshot,
    pub(crate) report: Arc<Report>,
    /// Why settings have an earlier version of a secret, each with its place.
    pub(crate) lapses: Vec<Error>,
}

/// Reads the vaults and merges the layers over what they hold.
pub(crate) async fn load<L: Layers>(
    resolver: &Resolver,
    layers: &L,
    names: Option<&NameMap>,
    errand: &FetchPlan,
    rules: ResolveContext<'_>,
) -> Result<Loaded<L::Tree>> {
    let mut pass = Loader::new(resolver, errand);
    let named = match names {
        Some(map) => pass.mapped(map).await.map_err(reported)?,
        None => MappedSecrets::default(),
    };
    let tree =
        layers.merge(&named).map_err(|mismatch| rejected(mismatch, &Origins::default(), &Snapshot::default()))?;
    fill(pass, tree, rules).await
}

/// Reports names that failed before the layers were merged.
fn reported(error: Error) -> Error {
    let rows: Vec<ReportRow> = error.failures().iter().filter_map(ReportRow::of_failure).collect();
    if rows.is_empty() { error } else { error.with_load_report(Arc::new(Report::new(rows))) }
}

/// Resolves every reference in `tree`. All that fail are in one error.
///
/// A value that stands under an absent one, in a lower layer that the framework kept apart, comes to light and is
/// resolved in another round.
pub(crate) async fn fill<R: Tree>(pass: Loader<'_>, mut tree: R, rules: ResolveContext<'_>) -> Result<Loaded<R>> {
    let unread = |mismatch| rejected(mismatch, &Origins::default(), &Snapshot::default());
    let read = |tree: &R| tree.leaves().map(|leaves| pass.resolver.with_joined_tables(leaves)).map_err(unread);
    let mut finds = Finds::default();
    let mut absent: Vec<Key> = Vec::new();
    let mut leaves = read(&tree)?;
    for round in 1.. {
        let mut plain = Vec::with_capacity(leaves.len());
        let found = resolve(&pass, leaves, rules, |leaf, origin| plain.push((leaf.key, origin))).await;
        let resolved = match finds.add(plain, found) {
            Ok(resolved) => resolved,
            Err(error) => return Err(error.with_load_report(Arc::new(ReportEntry::report(finds.rows, pass.notes())))),
        };
        let gone: Vec<Key> =
            resolved.iter().filter(|(_, text)| text.is_none()).map(|(leaf, _)| leaf.key.clone()).collect();
        tree = tree.replace(resolved).map_err(|mismatch| rejected(mismatch, &finds.origins, &Snapshot::default()))?;
        // Taking an element out of an array brings nothing to light; it moves the next one up.
        let covers: HashSet<Vec<Segment>> =
            gone.iter().filter(|key| !key.has_index()).map(|key| key.segments().to_vec()).collect();
        absent.extend(gone);
        if covers.is_empty() {
            break;
        }
        leaves = read(&tree)?;
        leaves.retain(|leaf| (1..=leaf.key.segments().len()).any(|n| covers.contains(&leaf.key.segments()[..n])));
        if leaves.is_empty() {
            break;
        }
        if round == MOST_LAYERS {
            return Err(unread(Mismatch::new("absent values stand over others without end")));
        }
    }
    finds.origins.close_gaps(&absent);
    Ok(Loaded { tree, facts: finds.into_facts(pass) })
}

/// More layers than any framework keeps apart.
const MOST_LAYERS: usize = 8;

/// What is found out about values, in one round after the other.
#[derive(Default)]
struct Finds {
    origins: Origins,
    rows: Vec<ReportEntry>,
    kept: Vec<(Key, KeptSecret)>,
    lapses: Vec<Error>,
}

impl Finds {
    /// Takes down where each value came from, and gives what is to be put in its place.
    fn add(
        &mut self,
        mut origins: Vec<(Key, Origin)>,
        (found, rows): (Vec<ResolvedValue>, Vec<ReportEntry>),
    ) -> Result<Vec<(ConfigValue, Option<Resolved>)>> {
        let (mut failures, mut resolved) = (Vec::new(), Vec::new());
        self.rows.extend(rows);
        for ResolvedValue { value: leaf, text, kept } in found {
            for kept in kept {
                self.lapses.push(kept.error.clone().at(leaf.key.to_string(), leaf.place()));
                self.kept.push((leaf.key.clone(), kept));
            }
            match text {
                Ok((text, fingerprint)) => {
                    if let Some(text) = &text {
                        let origin = Origin::filled(leaf.place(), fingerprint, text.secrets().to_vec());
                        origins.push((leaf.key.clone(), origin));
                    }
                    resolved.push((leaf, text));
                }
                Err(error) => failures.extend(located(&error, &leaf)),
            }
        }
        self.origins.extend(origins);
        failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
        match Error::join(failures) {
            Some(error) => Err(error),
            None => Ok(resolved),
        }
    }

    fn into_facts(self, pass: Loader<'_>) -> Facts {
        let report = Arc::new(ReportEntry::report(self.rows, pass.notes()));
        let mut snapshot = pass.into_snapshot();
        for (key, kept) in self.kept {
            snapshot.keep(key, kept.id, kept.secret);
        }
        Facts { origins: self.origins, snapshot, report, lapses: self.lapses }
    }
}

/// One value with two bad references has two failures.
fn located<'e>(error: &'e Error, leaf: &'e ConfigValue) -> impl Iterator<Item = Error> + 'e {
    let failures = error.failures().iter().cloned();
    failures.map(|failure| failure.at(leaf.key.to_string(), leaf.place()))
}

impl Resolver {
    /// Resolves every reference in a framework's tree, as the start of live settings does.
    ///
    /// # Errors
    ///
    /// Every value whose references could not be resolved, with its place, in one error.
    pub async fn resolve_tree<R: Tree>(&self, tree: R) -> Result<Loaded<R>> {
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        fill(Loader::new(self, &plan), tree, ResolveContext::default()).await
    }
}

impl<R: Tree> Loaded<R> {
    /// Tells where every value came from.
    pub fn origins(&self) -> &Origins {
        &self.facts.origins
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Gives what became of every reference.
    pub fn report(&self) -> &Report {
        &self.facts.report
    }

    /// Gives out the framework's tree. It holds plaintext, and the framework prints it in its errors and its `Debug`.
    pub fn into_tree(self) -> R {
        self.tree
    }

    /// Makes typed settings.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](ErrorKind::InvalidSettings) with the key, origin and expectation of the value that does not fit, and not with
    /// the value.
    pub fn extract<T: DeserializeOwned>(self) -> Result<T> {
        self.into_settings().map(|(settings, _)| settings)
    }

    /// Makes typed settings, and gives what else is known of them.
    pub(crate) fn into_settings<T: DeserializeOwned>(self) -> Result<(T, Facts)> {
        let Self { tree, facts } = self;
        match tree.extract() {
            Ok(settings) => Ok((settings, facts)),
            Err(mismatch) => Err(rejected(mismatch, &facts.origins, &facts.snapshot).with_load_report(facts.report)),
        }
    }
}

impl<R> fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("origins", &self.facts.origins).finish_non_exhaustive()
    }
}

/// Tells what did not fit.
///
/// What a type says that it expects is its author's text. Should a secret of this load be in it, or in a key, the words
/// are left out: an error message is no place for it, however it got there.
pub(crate) fn rejected(mismatch: Mismatch, origins: &Origins, snapshot: &Snapshot) -> Error {
    let quotes_a_secret = |text: &str| {
        let mut secrets = snapshot.iter().map(|(_, secret)| secret.expose_secret());
        secrets.any(|secret| secret.len() >= SHORTEST_SECRET && text.contains(secret))
    };
    let mut clause = mismatch.clause.to_owned();
    if let Some(expected) = mismatch.expected.filter(|expected| !quotes_a_secret(expected)) {
        clause.push_str(&format!(": expected {expected}"));
        if let Some(found) = mismatch.found {
            clause.push_str(&format!(", found {found}"));
        }
    }
    let error = Error::from_clause(ErrorKind::InvalidSettings, clause);
    let path: Vec<&str> = mismatch.path.iter().map(String::as_str).collect();
    let (key, place) = match origins.find(&path) {
        Some((key, origin)) => (key.to_string(), Some(origin.to_string())),
        None => (path.join("."), mismatch.place),
    };
    match (key.is_empty() || quotes_a_secret(&key), place) {
        (true, None) => error,
        (true, Some(place)) => error.at("the settings", place),
        (false, place) => error.at(key, place.unwrap_or_else(|| "the merged layers".into())),
    }
}

/// Shorter ones are in every other word: `1`, `on`.
const SHORTEST_SECRET: usize = 4;

/// Runs `step` to its end, even if it panics: a hook or a layer of the application must not end what it runs in.
pub(crate) async fn contained<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    let panicked =
        |_| Err(Error::new(ErrorKind::InvalidSettings, "application's code panicked while settings were loaded"));
    AssertUnwindSafe(step).catch_unwind().await.unwrap_or_else(panicked)
}
