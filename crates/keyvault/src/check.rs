//! Every value of a tree looked at: which has references, and what became of each.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::layers::{Content, Leaf};
use crate::origin::{Fingerprint, Origin};
use crate::pass::{Pass, Resolved};
use crate::reference::Reference;
use crate::report::{Report, ReportRow};
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId};
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

    /// Gives every string with its references replaced: none if it is absent because an optional secret does not exist,
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
    /// One request for each distinct secret, at most 32 at a time, as [`resolve_tree`](Resolver::resolve_tree) does.
    pub async fn check(&self, leaves: Vec<Leaf>) -> Checked {
        let pass = Pass::begin(self);
        let found = resolve(&pass, leaves).await;
        let report = Report::new(found.iter().flat_map(|found| found.rows.clone()).collect());
        let values = found.into_iter().filter_map(|Found { leaf, value, .. }| {
            let text = match (value, &leaf.content) {
                (Ok(Value::Filled(text, _)), _) => Ok(text),
                (Ok(Value::Plain(_)), Content::Text(text)) => Ok(Some(Resolved::literal(text))),
                (Ok(Value::Plain(_)), _) => return None,
                (Err(error), _) => Err(error),
            };
            Some((leaf, text))
        });
        Checked { values: values.collect(), report }
    }

    /// Reads every reference in `leaves` without a request: syntax and allowed vaults only. What is well has the status
    /// [`Initialized`](crate::ReferenceStatus::Initialized).
    pub fn check_offline(&self, leaves: Vec<Leaf>) -> Report {
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
        let mut rows = Vec::new();
        for leaf in &leaves {
            match &leaf.content {
                Content::Text(text) => rows.extend(Template::scan(text).into_iter().map(|(_, read)| row(leaf, read))),
                Content::Named(secret) => rows.push(ReportRow::of(leaf).about(secret)),
                Content::Other(_) => {}
            }
        }
        Report::new(rows)
    }
}

/// A value that was looked at, with a row for each reference in it.
pub(crate) struct Found {
    pub(crate) leaf: Leaf,
    pub(crate) value: Result<Value>,
    pub(crate) rows: Vec<ReportRow>,
}

pub(crate) enum Value {
    /// There is no reference in it.
    Plain(Origin),
    /// What it is with the references replaced; none if it is absent. The fingerprint is of the text before.
    Filled(Option<Resolved>, Fingerprint),
}

/// Resolves every reference in `leaves`.
pub(crate) async fn resolve(pass: &Pass<'_>, leaves: Vec<Leaf>) -> Vec<Found> {
    let parsed: Vec<(Parsed, Leaf)> = leaves.into_iter().map(|leaf| (parse(&leaf), leaf)).collect();
    pass.fetch(parsed.iter().filter_map(|(parsed, _)| parsed.template())).await;
    let found = |(parsed, leaf): (Parsed, Leaf)| match parsed {
        Parsed::Plain(origin) => Found { leaf, value: Ok(Value::Plain(origin)), rows: Vec::new() },
        Parsed::Named(secret) => {
            let rows = vec![named_row(pass, &leaf, &secret)];
            Found { value: Ok(Value::Plain(Origin::named(&secret))), rows, leaf }
        }
        Parsed::Template(template) => {
            let outcomes: Vec<Outcome> = template.references().map(|reference| outcome(pass, reference)).collect();
            let rows = template.references().zip(&outcomes);
            let rows = rows.map(|(reference, outcome)| row(pass, &leaf, reference, outcome)).collect();
            let filled = fill(&template, outcomes);
            Found { value: filled.map(|text| Value::Filled(text, Fingerprint::of(template.to_string()))), rows, leaf }
        }
        Parsed::Malformed(errors) => {
            let rows = errors.iter().map(|error| ReportRow::of(&leaf).failed(error)).collect();
            let error = Error::join(errors).unwrap_or_else(|| Error::invalid("reference is malformed"));
            Found { leaf, value: Err(error), rows }
        }
    };
    parsed.into_iter().map(found).collect()
}

/// Resolves `text` in a pass of its own.
pub(crate) async fn resolve_text(pass: &Pass<'_>, text: &str) -> Result<Option<Resolved>> {
    let Some(template) = Template::parse(text)? else {
        return Ok(Some(Resolved::literal(text)));
    };
    pass.fetch([&template]).await;
    fill(&template, template.references().map(|reference| outcome(pass, reference)).collect())
}

enum Parsed {
    Plain(Origin),
    Named(SecretId),
    Template(Template),
    Malformed(Vec<Error>),
}

impl Parsed {
    fn template(&self) -> Option<&Template> {
        match self {
            Parsed::Template(template) => Some(template),
            _ => None,
        }
    }
}

fn parse(leaf: &Leaf) -> Parsed {
    let text = match &leaf.content {
        Content::Other(fingerprint) => return Parsed::Plain(Origin::written(leaf.place.clone(), *fingerprint)),
        Content::Named(secret) => return Parsed::Named(secret.clone()),
        Content::Text(text) => text,
    };
    match Template::parse(text) {
        Ok(Some(template)) => Parsed::Template(template),
        Ok(None) => Parsed::Plain(Origin::written(leaf.place.clone(), Fingerprint::of(text.as_str()))),
        // There may be more that is malformed behind the first.
        Err(_) => Parsed::Malformed(Template::scan(text).into_iter().filter_map(|(_, read)| read.err()).collect()),
    }
}

/// What became of one reference.
enum Outcome {
    Read(Arc<Secret>, Zeroizing<String>),
    /// The optional secret does not exist.
    Absent(Error),
    Failed(Error),
}

fn outcome(pass: &Pass<'_>, reference: &Reference) -> Outcome {
    let read = || {
        let secret = pass.secret(reference)?;
        let text = match reference.property() {
            Some(property) => property.of(secret.expose_secret()).map_err(|error| error.about(secret.id()))?,
            None => Zeroizing::new(secret.expose_secret().to_owned()),
        };
        Ok((secret, text))
    };
    match read() {
        Ok((secret, text)) => Outcome::Read(secret, text),
        Err(error) if reference.is_optional() && is_missing(&error) => Outcome::Absent(error),
        Err(error) => Outcome::Failed(error),
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
            Outcome::Read(secret, text) => {
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

fn row(pass: &Pass<'_>, leaf: &Leaf, reference: &Reference, outcome: &Outcome) -> ReportRow {
    let row = ReportRow::of(leaf).referring(reference);
    let row = match pass.id(reference) {
        Ok(id) => row.about(&id),
        Err(_) => row,
    };
    match outcome {
        Outcome::Read(secret, _) => row.resolved(secret),
        Outcome::Absent(error) => ReportRow { is_absent: true, ..row.failed(error) },
        Outcome::Failed(error) => row.failed(error),
    }
}

fn named_row(pass: &Pass<'_>, leaf: &Leaf, secret: &SecretId) -> ReportRow {
    let row = ReportRow { origin: format!("the names in vault {}", secret.vault()), ..ReportRow::of(leaf) };
    match pass.taken(&secret.latest()) {
        Ok(secret) => row.resolved(&secret),
        // It was fetched before this pass: all that is known is its address.
        Err(_) => ReportRow { status: crate::ReferenceStatus::Resolved, ..row.about(secret) },
    }
}
