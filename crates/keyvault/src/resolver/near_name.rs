//! The name of a secret that is spelled much like a missing one.

use super::loader::Loader;
use crate::secret::{SecretId, edit_distance};

impl Loader<'_> {
    /// Returns the nearest name to that of a missing secret, among the secrets of its vault that this load listed or
    /// read. Makes no request.
    pub(super) fn near_name(&self, missing: &SecretId) -> Option<String> {
        let observed = self.plan.observed();
        let is_default = missing.vault() == self.resolver.vault();
        let listed = observed.listing.iter().filter(|_| is_default).flat_map(|listing| listing.keys());
        let read = observed.secrets.keys().filter(|id| id.vault() == missing.vault()).map(SecretId::name);
        let names = listed.chain(read).filter(|name| *name != missing.name()).map(|name| name.as_str());
        nearest(missing.name().as_str(), names).map(str::to_owned)
    }
}

/// Returns the name with the fewest different letters, if it is near enough to be a misspelling.
fn nearest<'n>(missing: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = match missing.len() {
        0..=3 => 0,
        4..=8 => 2,
        _ => 3,
    };
    let near = names.filter(|name| name.len().abs_diff(missing.len()) <= most);
    let near = near.map(|name| (edit_distance(missing, name), name)).filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_has_few_other_letters() {
        let names = ["db-password", "db-user", "Billing--Key", "x", "password"];
        for (missing, expected) in [
            ("db-pasword", Some("db-password")),
            ("db--password", Some("db-password")),
            ("dbpassword", Some("db-password")),
            ("db-pass", None),
            ("billing-key", Some("Billing--Key")),
            ("paswrod", None),
            ("y", None),
            ("unlike", None),
        ] {
            assert_eq!(nearest(missing, names.into_iter()), expected, "{missing}");
        }
    }
}
