//! One load: from merged layers to values without references.
//!
//! [`load`] maps secrets by name, merges the layers over them and hands the tree to [`fill`], which resolves every
//! reference in it. Both are written for any [`Resolvable`] tree, and only the few lines that move the tree are
//! compiled for each type: everything else works on lists of values, in `Rounds`. Live settings pass a boxed
//! trait object, so their whole load is compiled once, in this crate.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures::future::join;
use serde::de::DeserializeOwned;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::loader::Loader;
use super::referred::Referred;
use super::report_rows::report;
use super::resolve::{KeptSecret, ResolveContext, ResolvedValue, resolve};
use super::snapshot::Snapshot;
use super::unused_secret::HELP_WITH_SPELLING;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{MappingBuilder, NameMap, TypeKey};
use crate::report::{Report, ReportRow};
use crate::settings::{
    ARRAY, ConfigValue, ENDS_WITH_WHITE_SPACE, HELP_WITH_INDEXES, Key, MISSING, MappedSecrets, Mismatch, Origin,
    Origins, Policies, Resolved, Segment, Tree, UNKNOWN, UnmatchedPatterns, ValueContent, place_with_line,
};

/// A tree of values with every reference resolved, before it becomes typed settings.
///
/// Adapters wrap it. The tree holds plaintext.
pub struct Loaded<R> {
    tree: R,
    /// Everything known of the values except the values.
    pub(crate) facts: Facts,
}

/// Everything known of loaded values except the values.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) origins: Origins,
    pub(crate) snapshot: Snapshot,
    pub(crate) report: Arc<Report>,
    /// Why settings keep an earlier version of a secret, one error for each setting.
    pub(crate) lapses: Vec<Error>,
    /// The map of secret names, if the load used one.
    names: Option<NameMap>,
}

/// Merged values in which references are replaced: the tree of a framework, or a boxed one of any type.
pub(crate) trait Resolvable: Sized + Send {
    /// Returns every value that is in effect.
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch>;

    /// Puts resolved text in the place of values, and removes those that are absent.
    fn replace(self, resolved: Replacements) -> Result<Self, Mismatch>;
}

/// Values with their resolved text; `None` if the value is absent.
pub(crate) type Replacements = Vec<(ConfigValue, Option<Resolved>)>;

impl<R: Tree> Resolvable for R {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Tree::leaves(self)
    }

    fn replace(self, resolved: Replacements) -> Result<Self, Mismatch> {
        Tree::replace(self, resolved)
    }
}

/// Reads the vaults and the stores of settings, merges the layers over what they have, and resolves every reference.
pub(crate) async fn load<R: Resolvable>(
    resolver: &Resolver,
    names: Option<&NameMap>,
    plan: &FetchPlan,
    context: ResolveContext<'_>,
    merge: impl Fn(&MappedSecrets) -> Result<R, Mismatch> + Sync,
) -> Result<Loaded<R>> {
    let loader = Loader::new(resolver, plan);
    let reduce = |mapping: &mut MappingBuilder<'_>| {
        let Ok(values) = merge(&MappedSecrets::default()).and_then(|tree| tree.leaves()) else { return };
        let referred = Referred::in_values(resolver, &resolver.with_joined_tables(values), context);
        mapping.retain(|key, id| !referred.is_only_referred(key, id, context));
    };
    let mapped = async {
        match names {
            Some(map) => loader.mapped(map, reduce).await,
            None => Ok(MappedSecrets::default()),
        }
    };
    let (mapped, ()) = join(mapped, loader.read_layers()).await;
    let mapped = mapped.map_err(with_report)?;
    let with_layers = loader.with_layers(mapped.clone()).map_err(with_report)?;
    let tree = merge(&with_layers).map_err(|mismatch| Facts::default().error(mismatch))?;
    let if_hidden = names.map(NameMap::if_hidden).unwrap_or_default();
    let context = ResolveContext { mapped: Some(&mapped), if_hidden, ..context };
    let mut notes = names.map(|names| without_setting(names, context)).unwrap_or_default();
    notes.extend(with_layers.unmatched.iter().cloned());
    let mut loaded = fill(loader, tree, context, notes).await?;
    loaded.facts.names = names.cloned();
    Ok(loaded)
}

/// Returns a note on each secret that the program named and that gives a setting that the settings type does not have.
fn without_setting(names: &NameMap, context: ResolveContext<'_>) -> Vec<String> {
    let is_absent = |key: &Key| context.find_key.is_some_and(|find_key| find_key(key) == TypeKey::Absent);
    let absent = names.named().filter(|(_, key)| is_absent(key));
    absent.map(|(name, key)| format!("name map names {name}, but the settings type has no {key}")).collect()
}

/// Adds the report of a load whose names failed before the layers were merged.
fn with_report(error: Error) -> Error {
    let rows: Vec<ReportRow> = error.failures().iter().filter_map(ReportRow::of_failure).collect();
    if rows.is_empty() { error } else { error.with_load_report(Arc::new(Report::new(rows))) }
}

/// Resolves every reference in `tree`. The report contains the notes on mapped secrets too, and `notes`.
///
/// # Errors
///
/// Every reference that failed, in one error.
async fn fill<R: Resolvable>(
    loader: Loader<'_>,
    mut tree: R,
    context: ResolveContext<'_>,
    notes: Vec<String>,
) -> Result<Loaded<R>> {
    let mut rounds = Rounds {
        loader,
        context,
        notes,
        unmatched: context.policies.map(Policies::unmatched).unwrap_or_default(),
        facts: Facts::default(),
        rows: Vec::new(),
        kept: Vec::new(),
        absent: Vec::new(),
        // The first round resolves all values.
        covers: [Vec::new()].into(),
        count: 0,
    };
    while !rounds.covers.is_empty() {
        let values = rounds.uncovered(tree.leaves())?;
        let resolved = rounds.resolve(values).await?;
        tree = tree.replace(resolved).map_err(|mismatch| rounds.facts.error(mismatch))?;
    }
    Ok(Loaded { tree, facts: rounds.into_facts() })
}

/// More layers than any framework keeps apart.
const MAX_LAYERS: usize = 8;

/// The references of one tree while they are resolved, in rounds.
///
/// Removing an absent value may uncover another one, in a lower layer that the framework kept apart. A further round
/// resolves that one.
struct Rounds<'p> {
    loader: Loader<'p>,
    context: ResolveContext<'p>,
    notes: Vec<String>,
    unmatched: UnmatchedPatterns<'p>,
    facts: Facts,
    rows: Vec<ReportRow>,
    kept: Vec<(Key, KeptSecret)>,
    absent: Vec<Key>,
    /// The keys of the last round's absent values that may have covered others.
    covers: HashSet<Vec<Segment>>,
    count: usize,
}

impl Rounds<'_> {
    /// Returns the values that the last round uncovered.
    fn uncovered(&self, values: Result<Vec<ConfigValue>, Mismatch>) -> Result<Vec<ConfigValue>> {
        let values = values.map_err(|mismatch| Facts::default().error(mismatch))?;
        let mut values = self.loader.resolver.with_joined_tables(values);
        let is_uncovered = |key: &[Segment]| (0..=key.len()).any(|length| self.covers.contains(&key[..length]));
        values.retain(|value| is_uncovered(value.key.segments()));
        if !values.is_empty() && self.count >= MAX_LAYERS {
            return Err(Facts::default().error(Mismatch::new("absent values cover others without end")));
        }
        Ok(values)
    }

    /// Resolves the references of one round, and returns what replaces their values.
    async fn resolve(&mut self, values: Vec<ConfigValue>) -> Result<Replacements> {
        self.count += 1;
        values.iter().for_each(|value| self.unmatched.remove(&value.key));
        let mut origins = Vec::with_capacity(values.len());
        let keep = |value: ConfigValue, origin| origins.push((value.key, origin));
        let (found, rows) = resolve(&self.loader, values, self.context, keep).await;
        self.rows.extend(rows);
        let (mut failures, mut resolved) = (Vec::new(), Vec::new());
        for ResolvedValue { value, text, kept } in found {
            for kept in kept {
                self.facts.lapses.push(kept.error.clone().at(value.key.to_string(), value.place()));
                self.kept.push((value.key.clone(), kept));
            }
            match text {
                Ok(text) => {
                    if let Some(text) = &text {
                        origins.push((value.key.clone(), Origin::of(&value, text.secrets().to_vec())));
                    }
                    resolved.push((value, text));
                }
                // A value with two bad references has two failures.
                Err(error) => failures.extend(
                    error.failures().iter().map(|failure| failure.clone().at(value.key.to_string(), value.place())),
                ),
            }
        }
        self.facts.origins.extend(origins);
        failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
        if let Some(error) = Error::join(failures) {
            return Err(error.with_load_report(self.report()));
        }
        let is_absent =
            |(value, text): &&(ConfigValue, _)| Option::is_none(text) && matches!(value.content, ValueContent::Text(_));
        let absent = || resolved.iter().filter(is_absent).map(|(value, _)| &value.key);
        // Removing an element of an array uncovers nothing: it moves the next element up.
        self.covers = absent().filter(|key| !key.has_index()).map(|key| key.segments().to_vec()).collect();
        self.absent.extend(absent().cloned());
        Ok(resolved)
    }

    fn report(&mut self) -> Arc<Report> {
        let mapping_notes = self.context.mapped.map(MappedSecrets::notes).unwrap_or_default();
        let notes: Vec<String> = self.notes.drain(..).chain(self.unmatched.notes()).collect();
        notes.iter().for_each(|note| self.loader.resolver.warn_once(note));
        Arc::new(report(std::mem::take(&mut self.rows), mapping_notes).with_unmatched(notes))
    }

    fn into_facts(mut self) -> Facts {
        self.facts.report = self.report();
        self.facts.origins.close_gaps(&self.absent);
        let observed = self.loader.plan.observed();
        let mut snapshot = Snapshot::new(Arc::clone(&observed.secrets), observed.absent(), observed.listing.clone());
        for (key, kept) in self.kept {
            snapshot.keep(key, kept.id, kept.secret);
        }
        Facts { snapshot, ..self.facts }
    }
}

impl Resolver {
    /// Resolves every reference in a framework's tree, as the start of live settings does.
    ///
    /// Costs one request for each distinct secret.
    ///
    /// # Errors
    ///
    /// Every value whose references could not be resolved, with its place, in one error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn resolve_tree<R: Tree>(&self, tree: R) -> Result<Loaded<R>> {
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        let context = ResolveContext { find_key: Some(&|_| TypeKey::Unknown), ..ResolveContext::default() };
        fill(Loader::new(self, &plan), tree, context, Vec::new()).await
    }
}

impl<R: Tree> Loaded<R> {
    /// Returns the origin of each value.
    pub fn origins(&self) -> &Origins {
        &self.facts.origins
    }

    /// Returns the outcome of each reference.
    pub fn report(&self) -> &Report {
        &self.facts.report
    }

    /// Returns the framework's tree. It holds plaintext, and the framework prints it in its errors and its `Debug`.
    pub fn into_tree(self) -> R {
        self.tree
    }

    /// Extracts typed settings.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](ErrorKind::InvalidSettings) with the key, origin and expected type of the value that does
    /// not fit, and without the value.
    pub fn extract<T: DeserializeOwned>(self) -> Result<T> {
        self.convert(R::extract).map(|(settings, _)| settings)
    }
}

impl<R> Loaded<R> {
    /// Converts the tree into settings, and returns what else is known of them.
    pub(crate) fn convert<S>(self, extract: impl FnOnce(R) -> Result<S, Mismatch>) -> Result<(S, Facts)> {
        let Self { tree, facts } = self;
        match extract(tree) {
            Ok(settings) => Ok((settings, facts)),
            Err(mismatch) => Err(facts.error(mismatch).with_load_report(facts.report)),
        }
    }
}

impl Facts {
    /// Converts a mismatch and the others of its extraction into one error.
    fn error(&self, mismatch: Mismatch) -> Error {
        let mut failures: Vec<Error> = mismatch.split().into_iter().map(|one| self.error_of(one)).collect();
        match failures.len() {
            1 => failures.remove(0),
            _ => {
                failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
                Error::join(failures).unwrap_or_else(|| Error::new(ErrorKind::InvalidSettings, "no valid settings"))
            }
        }
    }

    /// Converts one mismatch into an error that names the setting and its origin.
    ///
    /// The author of a type writes what the type expects. If that text, or a key, contains a secret of this load, the
    /// error omits it.
    fn error_of(&self, mismatch: Mismatch) -> Error {
        let contains_secret = |text: &str| {
            let mut secrets = self.snapshot.iter().map(|(_, secret)| secret.expose_secret());
            secrets.any(|secret| secret.len() >= MIN_SECRET_LENGTH && text.contains(secret))
        };
        let mut clause = mismatch.clause.to_owned();
        let (found, field, file) = (mismatch.found(), mismatch.field(), mismatch.file().map(Path::to_owned));
        match mismatch.expected.filter(|expected| !contains_secret(expected)) {
            Some(expected) => {
                clause.push_str(&format!(": expected {expected}"));
                if let Some(found) = found {
                    clause.push_str(&format!(", found {found}"));
                }
            }
            None => {
                if let Some(found @ ENDS_WITH_WHITE_SPACE) = found {
                    clause.push_str(&format!(": found {found}"));
                }
            }
        }
        let respelled = self.origins.find_by_letters(&mismatch.path).filter(|_| mismatch.clause == MISSING);
        let respelled = respelled.filter(|(key, _)| !contains_secret(&key.to_string()));
        if let Some((key, origin)) = respelled {
            clause.push_str(&format!(", but there is {key}, from {origin}"));
        } else if mismatch.clause == MISSING
            && let Some(name) = self.names.as_ref().and_then(|names| names.secret_name(&mismatch.path))
        {
            clause.push_str(&format!(": write it in a layer, or set the secret {name}"));
        }
        let origin = self.origins.at_or_below(&mismatch.path);
        if let Some(field) = field {
            clause.push_str(&format!(", did you mean {field}?"));
        }
        let is_mapped = origin.is_some_and(|origin| origin.place().is_none());
        let is_unknown_secret = mismatch.clause == UNKNOWN && is_mapped;
        let help_with_unknown = if field.is_some() { HELP_WITH_SPELLING } else { HELP_WITH_UNKNOWN };
        let help = mismatch.help.or(respelled.map(|_| HELP_WITH_SPELLING));
        let help = help.or(is_unknown_secret.then_some(help_with_unknown));
        let help = help.or((is_mapped && found == Some(ARRAY)).then_some(HELP_WITH_INDEXES));
        let error = Error::from_clause(ErrorKind::InvalidSettings, mismatch.clause, clause).with_help(help);
        let key = mismatch.path.to_string();
        let place = match (origin.map(Origin::to_string), file) {
            (Some(place), Some(file)) => Some(place_with_line(place, &file, &mismatch.path)),
            (place, _) => place.or(mismatch.place),
        };
        match (key.is_empty() || contains_secret(&key), place) {
            (true, None) => error,
            (true, Some(place)) => error.at("the settings", place),
            (false, place) => error.at(key, place.unwrap_or_else(|| "the merged layers".into())),
        }
    }
}

impl<R> fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("origins", &self.facts.origins).finish_non_exhaustive()
    }
}

const HELP_WITH_UNKNOWN: &str =
    "take fewer secrets by name: NameMap::prefix, tag or only_keys_of, or references_only()";

/// The shortest text that is looked for: shorter secrets, such as `1` or `on`, occur in ordinary words.
const MIN_SECRET_LENGTH: usize = 4;
