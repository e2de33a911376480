//! Every value of a tree looked at: which has references, and what became of each.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::app_configuration;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::layers::{Content, Leaf};
use crate::line;
use crate::origin::{Fingerprint, Origin};
use crate::pass::{Pass, Resolved};
use crate::policy::{Policies, Terms};
use crate::reference::Reference;
use crate::report::{Entry, Report, ReportRow};
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId};
use crate::snapshot::Snapshot;
use crate::template::Template;

/// What [`Resolver::check`] found: the report of every reference, and the text of every value.
pub struct Checked {
    values: Vec<(Leaf, Result<Option<Resolved>>)>,
    report: Report,
}

impl Checked {
    /// Gives what became of every reference.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Gives every string, in the order of the keys, with its references replaced: none if it is absent because an optional secret does not exist,
    /// the error if it cannot be resolved. A string without references is given as it is; other values are not given.
    pub fn values(&self) -> impl Iterator<Item = (&Leaf, Result<Option<&Resolved>, &Error>)> {
        self.values.iter().map(|(leaf, value)| (leaf, value.as_ref().map(Option::as_ref)))
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Resolves every reference in `leaves`, without ever failing as a whole: what became of each is in the report.
    ///
    /// One request for each distinct secret, as [`resolve_tree`](Resolver::resolve_tree) does.
    pub async fn check(&self, leaves: Vec<Leaf>) -> Checked {
        let pass = Pass::begin(self);
        let mut values = Vec::new();
        let literal = |leaf: Leaf, _| {
            if let Content::Text(text) = &leaf.content {
                let text = Resolved::literal(text);
                values.push((leaf, Ok(Some(text))));
            }
        };
        let (found, rows) = resolve(&pass, self.join_tables(leaves), Rules::default(), literal).await;
        values.extend(found.into_iter().map(|found| (found.leaf, found.text.map(|(text, _)| text))));
        values.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        Checked { values, report: Report::of(rows, Arc::default()) }
    }

    /// Reads every reference in `leaves` without a request: syntax and allowed vaults only. What is well has the status
    /// [`Initialized`](crate::ReferenceStatus::Initialized).
    pub fn check_offline(&self, mut leaves: Vec<Leaf>) -> Report {
        line::locate(&mut leaves);
        let row = |leaf: &Leaf, read: Result<Reference>| {
            let row = ReportRow::of(leaf);
            let reference = match read {
                Ok(reference) => reference,
                Err(error) => return row.failed(&error),
            };
            let row = row.referring(&reference);
            match self.allowed(&reference) {
                Ok(id) => row.about(&id),
                Err(error) => row.failed(&error),
            }
        };
        let rows = self.join_tables(leaves).into_iter().flat_map(|leaf| {
            let read: Vec<Result<Reference>> = match (parse(self, &leaf), &leaf.content) {
                (Some(References::Template(template)), _) => template.references().cloned().map(Ok).collect(),
                (Some(References::Malformed(pieces)), _) => pieces,
                (None, Content::Named(secret)) => return vec![ReportRow::of(&leaf).about(secret.id())],
                (None, Content::Earlier(secret)) => return vec![ReportRow::of(&leaf).about(secret)],
                (None, Content::Text(_) | Content::Other(_)) => Vec::new(),
            };
            read.into_iter().map(|read| row(&leaf, read)).collect()
        });
        Report::new(rows.collect())
    }

    /// Puts a value in the place of each table that is a reference, where such are read.
    pub(crate) fn join_tables(&self, leaves: Vec<Leaf>) -> Vec<Leaf> {
        if self.reads_app_configuration() { app_configuration::join_tables(leaves) } else { leaves }
    }
}

/// What is known of settings before their references are resolved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules<'a> {
    pub(crate) policies: Option<&'a Policies>,
    /// The secrets of the current settings, in a refresh.
    pub(crate) last: Option<&'a Snapshot>,
}

/// A value with references.
pub(crate) struct Found {
    pub(crate) leaf: Leaf,
    /// What it is with the references replaced; none if it is absent. The fingerprint is of the text before.
    pub(crate) text: Result<(Option<Resolved>, Fingerprint)>,
    pub(crate) kept: Vec<Kept>,
}

/// A secret whose last good version stays in use for one setting.
pub(crate) struct Kept {
    pub(crate) id: SecretId,
    pub(crate) secret: Arc<Secret>,
    /// Why it could not be read anew.
    pub(crate) error: Error,
}

/// Resolves every reference in `leaves`, and tells what became of each. Values without references are handed to `plain`,
/// each with where it came from.
pub(crate) async fn resolve(
    pass: &Pass<'_>,
    mut leaves: Vec<Leaf>,
    rules: Rules<'_>,
    mut plain: impl FnMut(Leaf, Origin),
) -> (Vec<Found>, Vec<Entry>) {
    line::locate(&mut leaves);
    // A framework may have no order, and the same settings shall have the same report.
    leaves.sort_by(|one, other| one.key.cmp(&other.key));
    let mut rows = Vec::with_capacity(leaves.len());
    let mut references = Vec::new();
    let has_references = |leaf: &mut Leaf| {
        let before = references.len();
        references.extend(parse(pass.resolver(), leaf));
        references.len() > before
    };
    let referring: Vec<Leaf> = leaves.extract_if(.., has_references).collect();
    pass.fetch(references.iter().flat_map(References::well_formed)).await;
    for leaf in leaves {
        let origin = origin(pass, &leaf, &mut rows);
        plain(leaf, origin);
    }
    let found = referring.into_iter().zip(references);
    let found = found.map(|(leaf, references)| found_at(pass, leaf, references, rules, &mut rows)).collect();
    (found, rows)
}

/// Tells where a value without references came from.
fn origin(pass: &Pass<'_>, leaf: &Leaf, rows: &mut Vec<Entry>) -> Origin {
    let mut report = |secret: &SecretId, expires| {
        rows.push(Entry::Named { key: leaf.key.clone(), secret: secret.clone(), expires });
    };
    match &leaf.content {
        Content::Text(text) => Origin::written(leaf.place(), Fingerprint::of(text.as_str())),
        Content::Other(fingerprint) => Origin::written(leaf.place(), *fingerprint),
        Content::Named(secret) => {
            report(secret.id(), secret.properties().expires());
            Origin::named(secret.id())
        }
        Content::Earlier(id) => {
            match pass.taken(&id.latest()) {
                Ok(secret) => report(secret.id(), secret.properties().expires()),
                // All that is known is its address.
                Err(_) => report(id, None),
            }
            Origin::named(id)
        }
    }
}

fn found_at(pass: &Pass<'_>, leaf: Leaf, references: References, rules: Rules<'_>, rows: &mut Vec<Entry>) -> Found {
    let mut kept = Vec::new();
    let mut outcome = |rows: &mut Vec<Entry>, reference: &Reference| {
        let terms = rules.policies.map(|policies| policies.terms(&leaf.key)).unwrap_or_default();
        let outcome = outcome(pass, &leaf.key, reference, terms, rules.last);
        rows.push(row(pass, &leaf, reference, terms, &outcome).into());
        if let Outcome::Kept(secret, _, error) = &outcome
            && let Ok(id) = pass.id(reference)
        {
            kept.push(Kept { id, secret: Arc::clone(secret), error: error.clone() });
        }
        outcome
    };
    let text = match references {
        References::Template(template) => {
            let outcomes = template.references().map(|reference| outcome(rows, reference)).collect();
            fill(&template, outcomes).map(|text| (text, Fingerprint::of(template.to_string())))
        }
        References::Malformed(pieces) => {
            let mut failures = Vec::new();
            for piece in pieces {
                match piece {
                    Ok(reference) => failures.extend(outcome(rows, &reference).failure()),
                    Err(error) => {
                        failures.push(error.clone());
                        rows.push(ReportRow::of(&leaf).failed(&error).into());
                    }
                }
            }
            Err(Error::join(failures).unwrap_or_else(|| Error::invalid("reference is malformed")))
        }
    };
    Found { leaf, text, kept }
}

/// Resolves `text` in a pass of its own.
pub(crate) async fn resolve_text(pass: &Pass<'_>, text: &str) -> Result<Option<Resolved>> {
    let Some(template) = parse_text(pass.resolver(), text)? else {
        return Ok(Some(Resolved::literal(text)));
    };
    pass.fetch(template.references()).await;
    let outcome = |reference| outcome(pass, &Key::root(), reference, Terms::default(), None);
    fill(&template, template.references().map(outcome).collect())
}

/// The references in a value.
enum References {
    Template(Template),
    /// Everything that is or begins like a reference, one of which is malformed.
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

/// Finds the references in a value; none if there is none.
fn parse(resolver: &Resolver, leaf: &Leaf) -> Option<References> {
    let Content::Text(text) = &leaf.content else { return None };
    match parse_text(resolver, text) {
        Ok(template) => template.map(References::Template),
        // There may be more that is malformed behind the first.
        Err(error) => Some(References::Malformed(pieces(text, error))),
    }
}

fn parse_text(resolver: &Resolver, text: &str) -> Result<Option<Template>> {
    if resolver.reads_app_configuration()
        && let Some(read) = app_configuration::parse(text)
    {
        return read.map(|secret| Some(Template::whole(Reference::to(secret))));
    }
    Template::parse(text)
}

/// Takes `text` apart; the `error` of the whole stands where nothing in it begins like a reference.
fn pieces(text: &str, error: Error) -> Vec<Result<Reference>> {
    let found = Template::scan(text);
    let count = found.len();
    let place = |(at, (_, read)): (usize, (_, Result<Reference>))| match read {
        Err(error) if count > 1 => Err(error.in_text(at + 1, count)),
        read => read,
    };
    match count {
        0 => vec![Err(error)],
        _ => found.into_iter().enumerate().map(place).collect(),
    }
}

/// What became of one reference.
enum Outcome {
    Read(Arc<Secret>, Zeroizing<String>),
    /// The optional secret does not exist.
    Absent(Error),
    /// The last good version stays in use.
    Kept(Arc<Secret>, Zeroizing<String>, Error),
    Failed(Error),
}

impl Outcome {
    fn failure(self) -> Option<Error> {
        match self {
            Outcome::Failed(error) => Some(error),
            _ => None,
        }
    }
}

fn outcome(pass: &Pass<'_>, key: &Key, reference: &Reference, terms: Terms, last: Option<&Snapshot>) -> Outcome {
    // The secret that the current settings have at the same place.
    let last_good = || {
        let last = last.filter(|_| terms.keeps_last_good)?;
        let secret = last.last_good(key, &pass.id(reference).ok()?)?;
        Some((Arc::clone(secret), text(secret, reference).ok()?))
    };
    let read = || {
        let secret = pass.secret(reference)?;
        let text = text(&secret, reference)?;
        Ok((secret, text))
    };
    match read() {
        Ok((secret, text)) => Outcome::Read(secret, text),
        Err(error) => match last_good() {
            Some((secret, text)) => Outcome::Kept(secret, text, error),
            None if terms.is_optional(reference) && is_missing(&error) => Outcome::Absent(error),
            None => Outcome::Failed(error),
        },
    }
}

fn text(secret: &Secret, reference: &Reference) -> Result<Zeroizing<String>> {
    match reference.property() {
        Some(property) => property.of(secret.expose_secret()).map_err(|error| error.about(secret.id())),
        None => Ok(Zeroizing::new(secret.expose_secret().to_owned())),
    }
}

/// A disabled secret does exist, and whoever disabled it wants to be noticed.
pub(crate) fn is_missing(error: &Error) -> bool {
    use crate::ReferenceStatus::{SecretNotFound, SecretVersionNotFound};
    error.kind() == crate::ErrorKind::NotFound && matches!(error.status(), SecretNotFound | SecretVersionNotFound)
}

/// Puts what was read into `template`; none if something is absent.
fn fill(template: &Template, outcomes: Vec<Outcome>) -> Result<Option<Resolved>> {
    let (mut secrets, mut texts, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let mut absent = false;
    for outcome in outcomes {
        match outcome {
            Outcome::Read(secret, text) | Outcome::Kept(secret, text, _) => {
                secrets.push(secret.id().clone());
                texts.push(text);
            }
            Outcome::Absent(_) => absent = true,
            Outcome::Failed(error) => failures.push(error),
        }
    }
    match Error::join(failures) {
        Some(error) => Err(error),
        None if absent => Ok(None),
        None => Ok(Some(Resolved::filled(template.fill(&texts), secrets))),
    }
}

fn row(pass: &Pass<'_>, leaf: &Leaf, reference: &Reference, terms: Terms, outcome: &Outcome) -> ReportRow {
    let row = ReportRow { is_optional: terms.is_optional(reference), ..ReportRow::of(leaf).referring(reference) };
    let row = match pass.id(reference) {
        Ok(id) => row.about(&id),
        Err(_) => row,
    };
    match outcome {
        Outcome::Read(secret, _) => row.resolved(secret),
        Outcome::Absent(error) => ReportRow { is_absent: true, ..row.failed(error) },
        Outcome::Kept(secret, _, error) => {
            ReportRow { status: error.status(), is_kept: true, ..row.failed(error).resolved(secret) }
        }
        Outcome::Failed(error) => row.failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    #[tokio::test]
    async fn strings_with_references_and_others_come_in_the_order_of_their_keys() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("user", "app").unwrap();
        let leaf = |key: &str, text: &str| Leaf::text(Key::root().member(key), "a test", text);
        let leaves = vec![
            leaf("d", "plain"),
            leaf("c", "@KeyVault(SecretName=user)"),
            leaf("b", "@KeyVault(SecretName"),
            Leaf::other(Key::root().member("e"), "a test", 1),
            leaf("a", "plain, too"),
        ];
        let checked = Resolver::from(vault).check(leaves).await;
        let values = checked.values().map(|(leaf, value)| {
            let text = value.ok().flatten().map(|text| text.expose_secret().to_owned());
            (leaf.key.to_string(), text)
        });
        let expected = [("a", Some("plain, too")), ("b", None), ("c", Some("app")), ("d", Some("plain"))];
        let expected = expected.map(|(key, text)| (key.to_owned(), text.map(str::to_owned)));
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }
}
