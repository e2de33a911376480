//! What becomes of a load when a reference cannot be resolved.

use super::key::{Key, Segment};
use crate::error::{Error, Result};

/// What becomes of a load when a reference in a setting cannot be resolved.
///
/// A policy is given to the settings that a pattern matches, by [`LiveBuilder::policy`](crate::LiveBuilder::policy):
///
/// | pattern | matches |
/// |---|---|
/// | `smtp.password` | that setting |
/// | `smtp.*` | what stands one step below `smtp` |
/// | `smtp.**` | `smtp` and everything below it |
/// | `servers[0].password`, `servers[*].password` | of one element, of every element |
/// | `**.password` | every `password`, at any depth |
/// | `**` | everything |
///
/// A step is a name, in its case, or an index; `*` is any one step and `**` any number of them. Where several patterns
/// match, the later ones add to the earlier: `Optional` and `KeepLastGood` go together, and `Required` takes both back.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// The load fails, even where the reference says `Optional=true`. Without `Optional=true` this is the default.
    Required,
    /// A secret that does not exist makes the setting absent, as `Optional=true` in the reference does, so that a default
    /// applies. Any other failure fails the load.
    Optional,
    /// In a refresh, the version that the current settings have stays in use for this setting, while everything else is
    /// refreshed. It is told in the report, in [`Health::kept`](crate::Health::kept), by every
    /// [`Watcher`](crate::Watcher) and as a `tracing` event, and the age of the settings goes on growing. At the start
    /// there is nothing to keep, and the load fails.
    ///
    /// This is for references. Secrets that are mapped by name are refreshed together or not at all.
    KeepLastGood,
}

/// Patterns with their policies, in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    rules: Vec<(Pattern, Policy)>,
}

/// What the policies say of one setting.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Terms {
    /// What the reference says counts where no policy does.
    optional: Option<bool>,
    pub(crate) keeps_last_good: bool,
}

impl Terms {
    /// Tells whether a secret that does not exist makes the setting absent.
    pub(crate) fn is_optional(self, reference: &crate::Reference) -> bool {
        self.optional.unwrap_or(reference.is_optional())
    }
}

impl Policies {
    pub(crate) fn add(&mut self, pattern: Pattern, policy: Policy) {
        self.rules.push((pattern, policy));
    }

    pub(crate) fn terms(&self, key: &Key) -> Terms {
        let matching = self.rules.iter().filter(|(pattern, _)| pattern.matches(key));
        matching.fold(Terms::default(), |terms, (_, policy)| match policy {
            Policy::Required => Terms { optional: Some(false), keeps_last_good: false },
            Policy::Optional => Terms { optional: Some(true), ..terms },
            Policy::KeepLastGood => Terms { keeps_last_good: true, ..terms },
        })
    }
}

/// Which settings a policy is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    One(Box<str>),
    Any,
    AnyNumber,
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let step = |step: &str| match step {
            "*" => Ok(Step::Any),
            "**" => Ok(Step::AnyNumber),
            "" => Err(Error::invalid("pattern of a policy has an empty step")),
            name if name.contains(['*', '[', ']']) => {
                Err(Error::invalid("pattern of a policy has a step that is neither a name nor * nor **"))
            }
            name => Ok(Step::One(name.into())),
        };
        let steps = brackets_to_steps(text).split('.').map(step).collect::<Result<_>>()?;
        Ok(Self { steps })
    }

    fn matches(&self, key: &Key) -> bool {
        matches(&self.steps, key.segments())
    }
}

/// Writes `a[0].b` as `a.0.b`; a bracket that is out of place stays.
fn brackets_to_steps(text: &str) -> String {
    let mut steps = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((index, behind)) = after.split_once(']') else { break };
        if before.is_empty() && steps.is_empty() || !(behind.is_empty() || behind.starts_with(['.', '['])) {
            break;
        }
        steps.push_str(before);
        steps.push('.');
        steps.push_str(index);
        rest = behind;
    }
    steps + rest
}

fn matches(pattern: &[Step], key: &[Segment]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((Step::AnyNumber, rest)), _) => (0..=key.len()).any(|skipped| matches(rest, &key[skipped..])),
        (Some((step, rest)), Some((segment, below))) => is_step(step, segment) && matches(rest, below),
        _ => false,
    }
}

fn is_step(step: &Step, segment: &Segment) -> bool {
    match (step, segment) {
        (Step::One(step), Segment::Name(name)) => step == name,
        (Step::One(step), Segment::Index(index)) => **step == index.to_string(),
        (Step::Any | Step::AnyNumber, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        brackets_to_steps(text).split('.').fold(Key::root(), |key, step| match step.parse() {
            Ok(index) => key.element(index),
            Err(_) => key.member(step),
        })
    }

    #[test]
    fn patterns_match_by_steps() {
        for (pattern, matched, unmatched) in [
            ("smtp.password", &["smtp.password"][..], &["smtp", "smtp.user", "a.smtp.password", "SMTP.password"][..]),
            ("smtp.*", &["smtp.a", "smtp[0]"], &["smtp", "smtp.a.b", "other.a"]),
            ("smtp.**", &["smtp", "smtp.a", "smtp.a[1].b"], &["a", "a.smtp"]),
            ("**", &["a", "a.b[0]"], &[]),
            ("**.password", &["password", "a.password", "a[0].b.password"], &["password.a", "passwords"]),
            ("servers[*].password", &["servers[0].password", "servers[12].password"], &["servers.password"]),
            ("servers[1].password", &["servers[1].password"], &["servers[0].password", "servers[11].password"]),
            ("a.**.b.*", &["a.b.c", "a.x.y.b[0]"], &["a.b", "b.c"]),
            ("m[0][1]", &["m[0][1]"], &["m[0]"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            matched.iter().for_each(|text| assert!(parsed.matches(&key(text)), "{pattern} {text}"));
            unmatched.iter().for_each(|text| assert!(!parsed.matches(&key(text)), "{pattern} {text}"));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a*", "***", "a[", "a]", "a[]", "[0]", "a[0]b", "a[x*]"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn later_policies_add_to_earlier_ones() {
        use Policy::{KeepLastGood, Optional, Required};
        for (rules, optional, keeps) in [
            (&[][..], None, false),
            (&[("a.*", Optional)], Some(true), false),
            (&[("a.*", Optional), ("**", KeepLastGood)], Some(true), true),
            (&[("**", KeepLastGood), ("a.b", Required)], Some(false), false),
            (&[("a.b", Required), ("**", KeepLastGood)], Some(false), true),
            (&[("other", Optional)], None, false),
        ] {
            let mut policies = Policies::default();
            rules.iter().for_each(|(pattern, policy)| policies.add(Pattern::parse(pattern).unwrap(), *policy));
            assert_eq!(policies.terms(&key("a.b")), Terms { optional, keeps_last_good: keeps }, "{rules:?}");
        }
    }
}
