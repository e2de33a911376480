//! The resolution of references: which values have references, and what each reference resolves to.

use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::hidden_secret::hidden_secrets;
use super::loader::Loader;
use super::referred::Referred;
use super::snapshot::Snapshot;
use super::unused_secret::unused_secrets;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{IfHidden, TypeKey};
use crate::reference::{Reference, Surrounding, Template, app_configuration};
use crate::report::ReportRow;
use crate::secret::{Secret, SecretId};
use crate::settings::{
    ConfigValue, Key, MappedSecrets, Origin, Policies, Resolved, Segment, Terms, ValueContent, join_tables, locate,
};

impl Resolver {
    /// Returns `text` with every reference in it replaced. `None` if an optional reference has no secret.
    ///
    /// Costs one request for each distinct secret that is not in the cache.
    ///
    /// # Errors
    ///
    /// As [`Reference::parse`](crate::Reference::parse) and [`get`](Resolver::get); all failures of the text in one
    /// error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn resolve(&self, text: &str) -> Result<Option<Resolved>> {
        let Some(template) = parse_text(self, text)? else {
            return Ok(Some(Resolved::literal(text)));
        };
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        let loader = Loader { resolver: self, plan: &plan, freshness: self.max_age() };
        loader.fetch(template.references()).await;
        let resolution = |(reference, surrounding): (&Reference, Surrounding)| {
            resolve_reference(&loader, &Key::root(), (reference, &surrounding), Terms::default(), None)
        };
        let resolutions = template.references().zip(template.surroundings()).map(resolution).collect();
        fill(Ok(template), resolutions)
    }

    /// Replaces each table that is an App Configuration reference by its text, if the resolver reads such references.
    pub(crate) fn with_joined_tables(&self, values: Vec<ConfigValue>) -> Vec<ConfigValue> {
        if self.app_configuration { join_tables(values) } else { values }
    }
}

/// The rules for references that cannot be resolved, and the secrets that may replace them.
#[derive(Clone, Copy, Default)]
pub(crate) struct ResolveContext<'a> {
    pub(crate) policies: Option<&'a Policies>,
    /// The secrets of the current settings, in a refresh.
    pub(crate) last: Option<&'a Snapshot>,
    /// Finds a key in the settings type, if that is known.
    pub(crate) find_key: Option<&'a FindKey<'a>>,
    /// The secrets that were mapped by name and passed to the layers.
    pub(crate) mapped: Option<&'a MappedSecrets>,
    /// The treatment of those that a value set in code hides.
    pub(crate) if_hidden: IfHidden,
}

impl ResolveContext<'_> {
    /// Returns the rules for the value at `key`.
    pub(super) fn terms(&self, key: &Key) -> Terms {
        self.policies.map(|policies| policies.terms(key)).unwrap_or_default()
    }
}

pub(crate) type FindKey<'a> = dyn Fn(&Key) -> TypeKey + Sync + 'a;

/// A value with references, resolved.
pub(super) struct ResolvedValue {
    pub(super) value: ConfigValue,
    /// The text with its references replaced, or `None` if the value is absent.
    pub(super) text: Result<Option<Resolved>>,
    pub(super) kept: Vec<KeptSecret>,
}

/// A secret whose last good version stays in use for one setting.
#[derive(Clone)]
pub(super) struct KeptSecret {
    pub(super) id: SecretId,
    pub(super) secret: Arc<Secret>,
    /// The reason that it could not be read again.
    pub(super) error: Error,
}

/// Resolves every reference in `values` and returns the values that have references, with the rows of the report.
/// Mapped secrets that are only referred to are among them, as absent values.
/// Calls `plain` for each other value, with its origin.
pub(super) async fn resolve(
    loader: &Loader<'_>,
    mut values: Vec<ConfigValue>,
    context: ResolveContext<'_>,
    mut plain: impl FnMut(ConfigValue, Origin),
) -> (Vec<ResolvedValue>, Vec<ReportRow>) {
    locate(&mut values);
    // A framework may have no order, and the same settings must have the same report.
    values.sort_by(|one, other| one.key.cmp(&other.key));
    let mut rows = Vec::with_capacity(values.len());
    let mut others = Vec::with_capacity(values.len());
    let mut referring = Vec::new();
    for value in values {
        let terms = context.terms(&value.key);
        if terms.allows_near_miss && context.last.is_none() {
            warn_of_near_misses(&value);
        }
        match parse(loader.resolver, &value, terms) {
            Some(parsed) => referring.push((value, terms, parsed)),
            None => others.push(value),
        }
    }
    let references = referring.iter().flat_map(|(_, _, parsed)| parsed.references.iter().flatten());
    let with_references: Vec<&ConfigValue> = referring.iter().map(|(value, ..)| value).collect();
    let only_referred = Referred::new(loader.resolver, references).take(&mut others, &with_references, context);
    let unused = context.find_key.map(|find_key| unused_secrets(&others, &with_references, find_key));
    let hidden = hidden_secrets(&others, context);
    loader.fetch(referring.iter().flat_map(|(_, _, parsed)| parsed.references.iter().flatten())).await;
    for value in others {
        let origin = origin(loader, &value, &mut rows);
        plain(value, origin);
    }
    let resolved = referring.into_iter();
    let resolved =
        resolved.map(|(value, terms, parsed)| resolve_value(loader, value, parsed, (terms, context.last), &mut rows));
    let mut resolved: Vec<ResolvedValue> = resolved.collect();
    let further =
        |key, place, text| ResolvedValue { value: ConfigValue::other(key, place, ()), text, kept: Vec::new() };
    resolved.extend(only_referred.into_iter().map(|key| further(key, String::new(), Ok(None))));
    for hidden in hidden {
        hidden.warn(loader.resolver);
        let (row, error) = hidden.report(context.if_hidden);
        rows.push(row);
        resolved.extend(error.map(|error| further(hidden.key.clone(), hidden.origin(), Err(error))));
    }
    for unused in unused.into_iter().flatten() {
        unused.report(&mut rows);
        if unused.is_failure {
            resolved.push(further(unused.key.clone(), unused.place.clone(), Err(unused.error())));
        } else if loader.resolver.is_new(&unused) {
            tracing::warn!(setting = %unused.key, origin = unused.place, "{}", unused.clause);
        }
    }
    (resolved, rows)
}

/// Logs the near-misses that a policy allows, once for each start.
fn warn_of_near_misses(value: &ConfigValue) {
    let ValueContent::Text(text) = &value.content else { return };
    for (_, error) in Template::near_misses(text).into_iter().take(MAX_FAILURES) {
        tracing::warn!(setting = %value.key, origin = value.place(), "{error}");
    }
}

/// Returns the origin of a value without references.
fn origin(loader: &Loader<'_>, value: &ConfigValue, rows: &mut Vec<ReportRow>) -> Origin {
    let (id, read) = match &value.content {
        ValueContent::Text(_) | ValueContent::Other(_) => return Origin::of(value, Vec::new()),
        ValueContent::Mapped(secret) => (secret.id(), Some(Arc::clone(secret))),
        ValueContent::Earlier(id) => (id, loader.result(&id.latest()).ok()),
    };
    rows.push(match read {
        Some(secret) => ReportRow::mapped(&value.key, secret.id(), secret.properties().expires()),
        // Only its identifier is known.
        None => ReportRow::mapped(&value.key, id, None),
    });
    Origin::of(value, vec![id.clone()])
}

fn resolve_value(
    loader: &Loader<'_>,
    value: ConfigValue,
    parsed: Parsed,
    (terms, last): (Terms, Option<&Snapshot>),
    rows: &mut Vec<ReportRow>,
) -> ResolvedValue {
    let (mut kept, mut resolutions, mut failures) = (Vec::new(), Vec::new(), FailureCount::default());
    let mut surroundings = parsed.template.as_ref().map(Template::surroundings).unwrap_or_default().into_iter();
    for reference in parsed.references {
        let surrounding = surroundings.next().unwrap_or_default();
        let (resolution, row) = match reference {
            Ok(reference) => {
                let resolution = resolve_reference(loader, &value.key, (&reference, &surrounding), terms, last);
                let row = row(loader, &value, &reference, terms, &resolution);
                (resolution, row)
            }
            Err(error) => {
                let row = ReportRow::of(&value).failed(&error);
                (Resolution::Failed(error), row)
            }
        };
        if let Resolution::Kept(secret, _) = &resolution {
            kept.push(secret.clone());
        }
        if !matches!(resolution, Resolution::Failed(_)) || failures.is_reported() {
            rows.push(row);
        }
        resolutions.push(resolution);
    }
    rows.extend(failures.others().map(|error| ReportRow::of(&value).failed(&error)));
    ResolvedValue { value, text: fill(parsed.template, resolutions), kept }
}

/// The count of the references in one value that failed. Only the first ones are reported, each with its own error.
#[derive(Default)]
pub(super) struct FailureCount(usize);

impl FailureCount {
    /// Counts a failure and returns whether it is reported.
    pub(super) fn is_reported(&mut self) -> bool {
        self.0 += 1;
        self.0 <= MAX_FAILURES
    }

    /// Returns the error that stands for all other failures.
    pub(super) fn others(&self) -> Option<Error> {
        let others = self.0.checked_sub(MAX_FAILURES).filter(|others| *others > 0)?;
        let clause = format!("{others} more references in the same text cannot be resolved");
        Some(Error::from_clause(ErrorKind::Invalid, "more references in the same text cannot be resolved", clause))
    }
}

/// More references than a person writes into one text.
const MAX_FAILURES: usize = 10;

/// A value with references, parsed.
pub(super) struct Parsed {
    template: Result<Template>,
    /// The references of the template. Without a template, every part of the text that is a reference or begins or
    /// looks like one, of which at least one is malformed.
    pub(super) references: Vec<Result<Reference>>,
}

/// Parses the references in a value. `None` if there are none, and no near-misses either.
///
/// White space around a whole reference, as in a block of YAML, is not part of the value. A near-miss is an error
/// unless `terms` allow it.
pub(super) fn parse(resolver: &Resolver, value: &ConfigValue, terms: Terms) -> Option<Parsed> {
    if has_reference_in_key(value) {
        let error = Error::invalid("reference in a key is not resolved").with_help("write the reference as a value");
        return Some(Parsed { template: Err(error.clone()), references: vec![Err(error)] });
    }
    let ValueContent::Text(text) = &value.content else { return None };
    let text = Reference::trimmed(text);
    let template = parse_text(resolver, text).transpose();
    let mut references = match &template {
        Some(Ok(template)) => template.references().cloned().map(Ok).collect(),
        // Other references after the first malformed one may be malformed too.
        Some(Err(error)) => pieces(text, error.clone()),
        None => Vec::new(),
    };
    let near_misses = if terms.allows_near_miss { Vec::new() } else { Template::near_misses(text) };
    let Some((_, error)) = near_misses.first() else {
        return template.map(|template| Parsed { template, references });
    };
    let template = Err(error.clone());
    references.extend(near_misses.into_iter().map(|(_, error)| Err(error)));
    Some(Parsed { template, references })
}

/// Returns whether a layer wrote a reference as the name of a setting. The names of mapped secrets are no references.
fn has_reference_in_key(value: &ConfigValue) -> bool {
    let is_reference = |name: &str| !Template::scan(name).is_empty();
    let is_written = matches!(value.content, ValueContent::Text(_) | ValueContent::Other(_));
    is_written && value.key.segments().iter().filter_map(Segment::name).any(is_reference)
}

fn parse_text(resolver: &Resolver, text: &str) -> Result<Option<Template>> {
    if resolver.app_configuration
        && let Some(parsed) = app_configuration::parse(text)
    {
        return parsed.map(|secret| Some(Template::whole(Reference::to(secret))));
    }
    Template::parse(text)
}

/// Splits `text` into its references. Returns `error`, that of the whole text, if nothing begins like a reference.
fn pieces(text: &str, error: Error) -> Vec<Result<Reference>> {
    let found = Template::scan(text);
    let count = found.len();
    if count == 0 {
        return vec![Err(error)];
    }
    let located = |(at, (_, parsed)): (usize, (_, Result<Reference>))| {
        parsed.map_err(|error| if count > 1 { error.in_text(at + 1, count) } else { error })
    };
    found.into_iter().enumerate().map(located).collect()
}

/// The result of resolving one reference.
enum Resolution {
    Read(Arc<Secret>, Zeroizing<String>),
    /// The optional secret does not exist.
    Absent(Error),
    /// The last good version stays in use.
    Kept(KeptSecret, Zeroizing<String>),
    Failed(Error),
}

fn resolve_reference(
    loader: &Loader<'_>,
    key: &Key,
    (reference, surrounding): (&Reference, &Surrounding),
    terms: Terms,
    last: Option<&Snapshot>,
) -> Resolution {
    // The secret of the current settings at the same key.
    let last_good = || {
        let (last, id) = (last.filter(|_| terms.keeps_last_good)?, loader.resolver.secret_id(reference).ok()?);
        let secret = Arc::clone(last.last_good(key, &id)?);
        let text = reference.text_of(&secret, surrounding).ok()?;
        Some((id, secret, text))
    };
    let read = || {
        let secret = loader.result(&loader.resolver.secret_id(reference)?)?;
        let text = reference.text_of(&secret, surrounding)?;
        Ok((secret, text))
    };
    match read() {
        Ok((secret, text)) => Resolution::Read(secret, text),
        Err(error) => match last_good() {
            Some((id, secret, text)) => Resolution::Kept(KeptSecret { id, secret, error }, text),
            None if terms.is_optional(reference) && error.is_missing() => Resolution::Absent(error),
            None => Resolution::Failed(match near_name(loader, &error) {
                Some(name) => error.with_near_name(&name),
                None => error,
            }),
        },
    }
}

/// Returns a name that the missing secret of an error may mean.
fn near_name(loader: &Loader<'_>, error: &Error) -> Option<String> {
    let missing = error.secret().filter(|id| error.is_missing() && id.version().is_none())?;
    loader.near_name(missing)
}

/// Fills `template` with the resolved texts. `None` if a reference is absent.
fn fill(template: Result<Template>, resolutions: Vec<Resolution>) -> Result<Option<Resolved>> {
    let (mut secrets, mut texts, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let (mut is_absent, mut count) = (false, FailureCount::default());
    for resolution in resolutions {
        match resolution {
            Resolution::Read(secret, text) | Resolution::Kept(KeptSecret { secret, .. }, text) => {
                secrets.push(secret.id().clone());
                texts.push(text);
            }
            Resolution::Absent(_) => is_absent = true,
            Resolution::Failed(error) => failures.extend(count.is_reported().then_some(error)),
        }
    }
    failures.extend(count.others());
    match (Error::join(failures), template) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(_)) if is_absent => Ok(None),
        (None, Ok(template)) => Ok(Some(Resolved { text: template.fill(&texts), secrets })),
    }
}

fn row(
    loader: &Loader<'_>,
    value: &ConfigValue,
    reference: &Reference,
    terms: Terms,
    resolution: &Resolution,
) -> ReportRow {
    let row = ReportRow { is_optional: terms.is_optional(reference), ..ReportRow::of(value).referring(reference) };
    let row = match loader.resolver.secret_id(reference) {
        Ok(id) => row.about(&id),
        Err(_) => row,
    };
    match resolution {
        Resolution::Read(secret, _) => row.resolved(secret),
        Resolution::Absent(error) => ReportRow { is_absent: true, ..row.failed(error) },
        Resolution::Kept(KeptSecret { secret, error, .. }, _) => {
            ReportRow { status: error.status(), is_kept: true, ..row.failed(error).resolved(secret) }
        }
        Resolution::Failed(error) => row.failed(error),
    }
}
