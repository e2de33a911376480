//! The resolution of references: which values have references, and what each reference resolves to.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::Resolver;
use super::fetch_plan::FetchPlan;
use super::loader::Loader;
use super::report_rows::report;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::reference::{Reference, Template, app_configuration};
use crate::report::{Report, ReportRow};
use crate::secret::{Secret, SecretId};
use crate::settings::{
    ConfigValue, Fingerprint, Key, Origin, Policies, Resolved, Terms, ValueContent, join_tables, locate,
};

/// The result of [`Resolver::check`]: the report of every reference, and the text of every string.
pub struct Checked {
    values: Vec<(ConfigValue, Result<Option<Resolved>>)>,
    report: Report,
}

impl Checked {
    /// Returns the report of every reference.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns every string with its references replaced, in the order of the keys.
    ///
    /// A string is `None` if an optional secret does not exist, and an error if it cannot be resolved. Strings without
    /// references are returned unchanged; values that are not strings are left out.
    pub fn values(&self) -> impl Iterator<Item = (&ConfigValue, Result<Option<&Resolved>, &Error>)> {
        self.values.iter().map(|(value, text)| (value, text.as_ref().map(Option::as_ref)))
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Returns `text` with every reference in it replaced. `None` if an optional reference has no secret.
    ///
    /// Costs one request for each distinct secret that is not in the cache.
    ///
    /// # Errors
    ///
    /// As [`Reference::parse`](crate::Reference::parse) and [`get`](Resolver::get); all failures of the text in one
    /// error.
    pub async fn resolve(&self, text: &str) -> Result<Option<Resolved>> {
        let Some(template) = parse_text(self, text)? else {
            return Ok(Some(Resolved::literal(text)));
        };
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        let loader = Loader::with_freshness(self, &plan, self.max_age());
        loader.fetch(template.references()).await;
        let resolution = |reference| resolve_reference(&loader, &Key::root(), reference, Terms::default(), None);
        fill(&template, template.references().map(resolution).collect())
    }

    /// Resolves every reference in `values`. A failure of one does not fail the others: the report shows each.
    ///
    /// Costs one request for each distinct secret.
    pub async fn check(&self, values: Vec<ConfigValue>) -> Checked {
        let plan = FetchPlan::full(Arc::default(), SystemTime::now());
        let loader = Loader::new(self, &plan);
        let mut texts = Vec::new();
        let literal = |value: ConfigValue, _| {
            if let ValueContent::Text(text) = &value.content {
                let text = Resolved::literal(text);
                texts.push((value, Ok(Some(text))));
            }
        };
        let values = self.with_joined_tables(values);
        let (resolved, rows) = resolve(&loader, values, ResolveContext::default(), literal).await;
        texts.extend(resolved.into_iter().map(|value| (value.value, value.text.map(|(text, _)| text))));
        texts.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        Checked { values: texts, report: report(rows, &[]) }
    }

    /// Checks the syntax and the vault of every reference in `values`, without a request. A reference that passes has
    /// the status [`Initialized`](crate::ReferenceStatus::Initialized).
    pub fn check_offline(&self, mut values: Vec<ConfigValue>) -> Report {
        locate(&mut values);
        let row = |value: &ConfigValue, parsed: Result<Reference>| {
            let row = ReportRow::of(value);
            let reference = match parsed {
                Ok(reference) => reference,
                Err(error) => return row.failed(&error),
            };
            let row = row.referring(&reference);
            match self.allowed(&reference) {
                Ok(id) => row.about(&id),
                Err(error) => row.failed(&error),
            }
        };
        let rows = self.with_joined_tables(values).into_iter().flat_map(|value| {
            let parsed: Vec<Result<Reference>> = match (parse(self, &value), &value.content) {
                (Some(References::Template(template)), _) => template.references().cloned().map(Ok).collect(),
                (Some(References::Malformed(pieces)), _) => pieces,
                (None, ValueContent::Mapped(secret)) => return vec![ReportRow::of(&value).about(secret.id())],
                (None, ValueContent::Earlier(secret)) => return vec![ReportRow::of(&value).about(secret)],
                (None, ValueContent::Text(_) | ValueContent::Other(_)) => Vec::new(),
            };
            parsed.into_iter().map(|parsed| row(&value, parsed)).collect()
        });
        Report::new(rows.collect())
    }

    /// Replaces each table that is an App Configuration reference by its text, if the resolver reads such references.
    pub(crate) fn with_joined_tables(&self, values: Vec<ConfigValue>) -> Vec<ConfigValue> {
        if self.reads_app_configuration() { join_tables(values) } else { values }
    }
}

/// What a load knows of settings before their references are resolved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResolveContext<'a> {
    pub(crate) policies: Option<&'a Policies>,
    /// The secrets of the current settings, in a refresh.
    pub(crate) last: Option<&'a Snapshot>,
}

/// A value with references, resolved.
pub(super) struct ResolvedValue {
    pub(super) value: ConfigValue,
    /// The text with its references replaced, or `None` if the value is absent; with the fingerprint of the original
    /// text.
    pub(super) text: Result<(Option<Resolved>, Fingerprint)>,
    pub(super) kept: Vec<KeptSecret>,
}

/// A secret whose last good version stays in use for one setting.
pub(super) struct KeptSecret {
    pub(super) id: SecretId,
    pub(super) secret: Arc<Secret>,
    /// The reason that it could not be read again.
    pub(super) error: Error,
}

/// Resolves every reference in `values` and returns the values that have references, with the rows of the report.
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
    let mut references = Vec::new();
    let has_references = |value: &mut ConfigValue| {
        let before = references.len();
        references.extend(parse(loader.resolver, value));
        references.len() > before
    };
    let referring: Vec<ConfigValue> = values.extract_if(.., has_references).collect();
    loader.fetch(references.iter().flat_map(References::well_formed)).await;
    for value in values {
        let origin = origin(loader, &value, &mut rows);
        plain(value, origin);
    }
    let resolved = referring.into_iter().zip(references);
    let resolved = resolved.map(|(value, references)| resolve_value(loader, value, references, context, &mut rows));
    (resolved.collect(), rows)
}

/// Returns the origin of a value without references.
fn origin(loader: &Loader<'_>, value: &ConfigValue, rows: &mut Vec<ReportRow>) -> Origin {
    let mut report = |secret: &SecretId, expires| rows.push(ReportRow::mapped(&value.key, secret, expires));
    match &value.content {
        ValueContent::Text(text) => Origin::written(value.place(), Fingerprint::of(text.as_str())),
        ValueContent::Other(fingerprint) => Origin::written(value.place(), *fingerprint),
        ValueContent::Mapped(secret) => {
            report(secret.id(), secret.properties().expires());
            Origin::mapped(secret.id())
        }
        ValueContent::Earlier(id) => {
            match loader.result(&id.latest()) {
                Ok(secret) => report(secret.id(), secret.properties().expires()),
                // Only its identifier is known.
                Err(_) => report(id, None),
            }
            Origin::mapped(id)
        }
    }
}

fn resolve_value(
    loader: &Loader<'_>,
    value: ConfigValue,
    references: References,
    context: ResolveContext<'_>,
    rows: &mut Vec<ReportRow>,
) -> ResolvedValue {
    let mut kept = Vec::new();
    let mut resolution = |rows: &mut Vec<ReportRow>, reference: &Reference| {
        let terms = context.policies.map(|policies| policies.terms(&value.key)).unwrap_or_default();
        let resolution = resolve_reference(loader, &value.key, reference, terms, context.last);
        rows.push(row(loader, &value, reference, terms, &resolution));
        if let Resolution::Kept(secret, _, error) = &resolution
            && let Ok(id) = loader.id(reference)
        {
            kept.push(KeptSecret { id, secret: Arc::clone(secret), error: error.clone() });
        }
        resolution
    };
    let text = match references {
        References::Template(template) => {
            let resolutions = template.references().map(|reference| resolution(rows, reference)).collect();
            fill(&template, resolutions).map(|text| (text, Fingerprint::of(template.to_string())))
        }
        References::Malformed(pieces) => {
            let mut failures = Vec::new();
            for piece in pieces {
                match piece {
                    Ok(reference) => failures.extend(resolution(rows, &reference).failure()),
                    Err(error) => {
                        failures.push(error.clone());
                        rows.push(ReportRow::of(&value).failed(&error));
                    }
                }
            }
            Err(Error::join(failures).unwrap_or_else(|| Error::invalid("reference is malformed")))
        }
    };
    ResolvedValue { value, text, kept }
}

/// The references in a value.
enum References {
    Template(Template),
    /// Every part of the text that is a reference or begins like one. At least one is malformed.
    Malformed(Vec<Result<Reference>>),
}

impl References {
    fn well_formed(&self) -> Vec<&Reference> {
        match self {
            References::Template(template) => template.references().collect(),
            References::Malformed(pieces) => pieces.iter().filter_map(|piece| piece.as_ref().ok()).collect(),
        }
    }
}

/// Parses the references in a value. `None` if there are no references.
fn parse(resolver: &Resolver, value: &ConfigValue) -> Option<References> {
    let ValueContent::Text(text) = &value.content else { return None };
    match parse_text(resolver, text) {
        Ok(template) => template.map(References::Template),
        // Other references after the first malformed one may be malformed too.
        Err(error) => Some(References::Malformed(pieces(text, error))),
    }
}

fn parse_text(resolver: &Resolver, text: &str) -> Result<Option<Template>> {
    if resolver.reads_app_configuration()
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
    let place = |(at, (_, parsed)): (usize, (_, Result<Reference>))| match parsed {
        Err(error) if count > 1 => Err(error.in_text(at + 1, count)),
        parsed => parsed,
    };
    match count {
        0 => vec![Err(error)],
        _ => found.into_iter().enumerate().map(place).collect(),
    }
}

/// The result of resolving one reference.
enum Resolution {
    Read(Arc<Secret>, Zeroizing<String>),
    /// The optional secret does not exist.
    Absent(Error),
    /// The last good version stays in use.
    Kept(Arc<Secret>, Zeroizing<String>, Error),
    Failed(Error),
}

impl Resolution {
    fn failure(self) -> Option<Error> {
        match self {
            Resolution::Failed(error) => Some(error),
            _ => None,
        }
    }
}

fn resolve_reference(
    loader: &Loader<'_>,
    key: &Key,
    reference: &Reference,
    terms: Terms,
    last: Option<&Snapshot>,
) -> Resolution {
    // The secret of the current settings at the same key.
    let last_good = || {
        let last = last.filter(|_| terms.keeps_last_good)?;
        let secret = last.last_good(key, &loader.id(reference).ok()?)?;
        Some((Arc::clone(secret), text(secret, reference).ok()?))
    };
    let read = || {
        let secret = loader.secret(reference)?;
        let text = text(&secret, reference)?;
        Ok((secret, text))
    };
    match read() {
        Ok((secret, text)) => Resolution::Read(secret, text),
        Err(error) => match last_good() {
            Some((secret, text)) => Resolution::Kept(secret, text, error),
            None if terms.is_optional(reference) && error.is_missing() => Resolution::Absent(error),
            None => Resolution::Failed(error),
        },
    }
}

fn text(secret: &Secret, reference: &Reference) -> Result<Zeroizing<String>> {
    match reference.property() {
        Some(property) => property.of(secret.expose_secret()).map_err(|error| error.about(secret.id())),
        None => Ok(Zeroizing::new(secret.expose_secret().to_owned())),
    }
}

/// Fills `template` with the resolved texts. `None` if a reference is absent.
fn fill(template: &Template, resolutions: Vec<Resolution>) -> Result<Option<Resolved>> {
    let (mut secrets, mut texts, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let mut absent = false;
    for resolution in resolutions {
        match resolution {
            Resolution::Read(secret, text) | Resolution::Kept(secret, text, _) => {
                secrets.push(secret.id().clone());
                texts.push(text);
            }
            Resolution::Absent(_) => absent = true,
            Resolution::Failed(error) => failures.push(error),
        }
    }
    match Error::join(failures) {
        Some(error) => Err(error),
        None if absent => Ok(None),
        None => Ok(Some(Resolved::filled(template.fill(&texts), secrets))),
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
    let row = match loader.id(reference) {
        Ok(id) => row.about(&id),
        Err(_) => row,
    };
    match resolution {
        Resolution::Read(secret, _) => row.resolved(secret),
        Resolution::Absent(error) => ReportRow { is_absent: true, ..row.failed(error) },
        Resolution::Kept(secret, _, error) => {
            ReportRow { status: error.status(), is_kept: true, ..row.failed(error).resolved(secret) }
        }
        Resolution::Failed(error) => row.failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::InMemory;

    #[tokio::test]
    async fn strings_are_returned_in_the_order_of_their_keys() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("user", "app").unwrap();
        let value = |key: &str, text: &str| ConfigValue::text(Key::root().member(key), "a test", text);
        let values = vec![
            value("d", "plain"),
            value("c", "@KeyVault(SecretName=user)"),
            value("b", "@KeyVault(SecretName"),
            ConfigValue::other(Key::root().member("e"), "a test", 1),
            value("a", "plain, too"),
        ];
        let checked = Resolver::from(vault).check(values).await;
        let values = checked.values().map(|(value, text)| {
            let text = text.ok().flatten().map(|text| text.expose_secret().to_owned());
            (value.key.to_string(), text)
        });
        let expected = [("a", Some("plain, too")), ("b", None), ("c", Some("app")), ("d", Some("plain"))];
        let expected = expected.map(|(key, text)| (key.to_owned(), text.map(str::to_owned)));
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }
}
