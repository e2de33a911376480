//! The policy for references that cannot be resolved.

use super::key::{Key, Segment};
use crate::error::{Error, Result};
use crate::reference::Reference;

/// The rule for a setting whose reference cannot be resolved.
///
/// [`LiveBuilder::policy`](crate::LiveBuilder::policy) sets a policy for the settings that a pattern matches:
///
/// | pattern | matches |
/// |---|---|
/// | `smtp.password` | that setting |
/// | `smtp.*` | every setting one step below `smtp` |
/// | `smtp.**` | `smtp` and everything below it |
/// | `servers[0].password`, `servers[*].password` | the password of one element, of every element |
/// | `**.password` | every `password`, at any depth |
/// | `**` | everything |
///
/// A step is a name, which is case-sensitive, or an index; `*` matches any one step and `**` any number of steps. If
/// several patterns match, the later ones add to the earlier: `Optional`, `KeepLastGood` and `AllowNearMiss` combine,
/// and `Required` undoes them. A pattern that matches no setting is in [`Report::unmatched`](crate::Report::unmatched)
/// and logged as a warning once.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// The load fails, even if the reference has `Optional=true`. The default for references without `Optional=true`.
    Required,
    /// A missing secret makes the setting absent, as `Optional=true` in the reference does, so that a default applies.
    /// Any other failure fails the load.
    Optional,
    /// A refresh keeps the current version for this setting and refreshes all others. The report,
    /// [`Health::kept`](crate::Health::kept), every [`Watcher`](crate::Watcher) and a `tracing` event show it, and the
    /// age of the settings keeps growing. At the start there is no version to keep, so the load fails.
    ///
    /// Applies to references only. Secrets that are mapped by name are refreshed all together or not at all.
    KeepLastGood,
    /// Text that looks like a reference and is not one ([`Template::near_misses`](crate::Template::near_misses)) stays
    /// text, with a warning in the log at the start. By default it fails the load.
    AllowNearMiss,
}

/// Patterns with their policies, in the order in which the program set them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    rules: Vec<(Pattern, Policy)>,
}

/// The combined policies for one setting.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Terms {
    /// `None` if no policy decides, so that the reference does.
    optional: Option<bool>,
    pub(crate) keeps_last_good: bool,
    pub(crate) allows_near_miss: bool,
}

impl Terms {
    /// Returns whether a missing secret makes the setting absent.
    pub(crate) fn is_optional(self, reference: &Reference) -> bool {
        self.optional.unwrap_or(reference.is_optional())
    }
}

impl Policies {
    pub(crate) fn add(&mut self, pattern: Pattern, policy: Policy) {
        self.rules.push((pattern, policy));
    }

    /// Returns every pattern, before the first setting of a load.
    pub(crate) fn unmatched(&self) -> UnmatchedPatterns<'_> {
        let unmatched = self.rules.iter().map(|(pattern, _)| UnmatchedPattern { pattern, is_table: false });
        UnmatchedPatterns(unmatched.collect())
    }

    pub(crate) fn terms(&self, key: &Key) -> Terms {
        let matching = self.rules.iter().filter(|(pattern, _)| pattern.matches(key));
        matching.fold(Terms::default(), |terms, (_, policy)| match policy {
            Policy::Required => Terms { optional: Some(false), ..Terms::default() },
            Policy::Optional => Terms { optional: Some(true), ..terms },
            Policy::KeepLastGood => Terms { keeps_last_good: true, ..terms },
            Policy::AllowNearMiss => Terms { allows_near_miss: true, ..terms },
        })
    }
}

/// The settings that a policy applies to: the steps of a path, with `*` for any one and `**` for any number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern {
    text: Box<str>,
    steps: Vec<Box<str>>,
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let step = |step: &str| match step.strip_prefix('[').and_then(|step| step.strip_suffix(']')).unwrap_or(step) {
            "" => Err(Error::invalid("policy pattern has an empty step")),
            name if name.contains(['*', '[', ']']) && !matches!(name, "*" | "**") => {
                Err(Error::invalid("policy pattern has a step that is not a name, an index, * or **"))
            }
            name => Ok(name.into()),
        };
        let steps = text.replace('[', ".[").split('.').map(step).collect::<Result<_>>()?;
        Ok(Self { text: text.into(), steps })
    }

    fn matches(&self, key: &Key) -> bool {
        matches(&self.steps, key.segments())
    }

    /// Returns whether the pattern matches a table or list that contains `key`.
    fn matches_above(&self, key: &Key) -> bool {
        let segments = key.segments();
        (1..segments.len()).any(|length| matches(&self.steps, &segments[..length]))
    }
}

/// The patterns that no setting of a load matches yet.
#[derive(Default)]
pub(crate) struct UnmatchedPatterns<'p>(Vec<UnmatchedPattern<'p>>);

struct UnmatchedPattern<'p> {
    pattern: &'p Pattern,
    is_table: bool,
}

impl UnmatchedPatterns<'_> {
    /// Removes the patterns that match the setting at `key`.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.0.retain_mut(|unmatched| {
            unmatched.is_table |= unmatched.pattern.matches_above(key);
            !unmatched.pattern.matches(key)
        });
    }

    /// Returns a note on each pattern.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|UnmatchedPattern { pattern: Pattern { text, .. }, is_table }| match is_table {
            true => format!(
                "policy pattern {text} matches no setting but a table or list: write {text}.** for those below it"
            ),
            false => format!("policy pattern {text} matches no setting"),
        })
    }
}

fn matches(pattern: &[Box<str>], key: &[Segment]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((step, rest)), _) if &**step == "**" => (0..=key.len()).any(|skipped| matches(rest, &key[skipped..])),
        (Some((step, rest)), Some((segment, below))) => (&**step == "*" || segment.is(step)) && matches(rest, below),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        let dotted = text.replace('[', ".").replace(']', "");
        dotted.split('.').fold(Key::root(), |key, step| match step.parse() {
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
    fn patterns_that_match_no_setting_are_named() {
        let mut policies = Policies::default();
        for pattern in ["smtp.password", "smtp.*", "smtp", "servers", "servers[1].x", "smpt.**", "**.port"] {
            policies.add(Pattern::parse(pattern).unwrap(), Policy::Optional);
        }
        let mut unmatched = policies.unmatched();
        ["smtp.user", "servers[0].x"].iter().for_each(|text| unmatched.remove(&key(text)));
        let expected = [
            "policy pattern smtp.password matches no setting",
            "policy pattern smtp matches no setting but a table or list: write smtp.** for those below it",
            "policy pattern servers matches no setting but a table or list: write servers.** for those below it",
            "policy pattern servers[1].x matches no setting",
            "policy pattern smpt.** matches no setting",
            "policy pattern **.port matches no setting",
        ];
        assert_eq!(unmatched.notes().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a*", "***", "a[", "a]", "a[]", "[0]", "a[0]b", "a[x*]"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn later_policies_add_to_earlier_ones() {
        use Policy::{AllowNearMiss, KeepLastGood, Optional, Required};
        for (rules, optional, keeps) in [
            (&[][..], None, false),
            (&[("a.*", Optional)], Some(true), false),
            (&[("a.*", Optional), ("**", KeepLastGood)], Some(true), true),
            (&[("**", KeepLastGood), ("a.b", Required)], Some(false), false),
            (&[("a.b", Required), ("**", KeepLastGood)], Some(false), true),
            (&[("other", Optional)], None, false),
            (&[("**", AllowNearMiss), ("a.b", Required)], Some(false), false),
        ] {
            let mut policies = Policies::default();
            rules.iter().for_each(|(pattern, policy)| policies.add(Pattern::parse(pattern).unwrap(), *policy));
            assert_eq!(
                policies.terms(&key("a.b")),
                Terms { optional, keeps_last_good: keeps, ..Terms::default() },
                "{rules:?}"
            );
        }
        let mut policies = Policies::default();
        policies.add(Pattern::parse("**").unwrap(), AllowNearMiss);
        assert!(policies.terms(&key("a.b")).allows_near_miss);
    }
}
