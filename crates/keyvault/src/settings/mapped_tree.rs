//! The tree of the secrets that were mapped by name.

use super::key::{Key, Segment};
use super::mapped::{MappedSecret, MappedSecrets};

/// The tree of the secrets that were mapped by name, shaped by their keys.
///
/// An adapter converts it into its framework's value.
#[derive(Clone, Debug)]
pub enum MappedTree<'s> {
    /// A setting.
    Secret(&'s MappedSecret),
    /// A table with its members in the order of their names.
    Table(Vec<(&'s str, MappedTree<'s>)>),
    /// A list with its elements in order.
    List(Vec<MappedTree<'s>>),
}

impl MappedSecrets {
    /// Returns the secrets as a tree: a table, which is empty if there are no secrets.
    pub fn tree(&self) -> MappedTree<'_> {
        tree(&self.secrets, 0)
    }
}

/// Builds the tree of `secrets`, whose keys agree up to `depth`.
///
/// The name map ensures that no key is above another, no table is a list, and no list has gaps.
fn tree(secrets: &[(Key, MappedSecret)], depth: usize) -> MappedTree<'_> {
    let Some((key, secret)) = secrets.first() else { return MappedTree::Table(Vec::new()) };
    let parts = secrets
        .chunk_by(|(one, _), (other, _)| one.segments()[depth] == other.segments()[depth])
        .map(|part| (&part[0].0.segments()[depth], tree(part, depth + 1)));
    match key.segments().get(depth) {
        None => MappedTree::Secret(secret),
        Some(Segment::Index(_)) => MappedTree::List(parts.map(|(_, below)| below).collect()),
        Some(Segment::Name(_)) => {
            MappedTree::Table(parts.filter_map(|(segment, below)| Some((segment.name()?, below))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NameMap;
    use crate::resolver::Resolver;
    use crate::store::InMemory;

    fn shown(tree: MappedTree<'_>) -> String {
        match tree {
            MappedTree::Secret(secret) => secret.expose_secret().to_owned(),
            MappedTree::Table(members) => {
                let members: Vec<String> =
                    members.into_iter().map(|(name, below)| format!("{name}: {}", shown(below))).collect();
                format!("{{{}}}", members.join(", "))
            }
            MappedTree::List(items) => format!("[{}]", items.into_iter().map(shown).collect::<Vec<_>>().join(", ")),
        }
    }

    #[tokio::test]
    async fn keys_make_tables_and_lists() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let resolver = Resolver::from(vault.clone());
        let step = |key: Key, step: &str| step.parse().map_or_else(|_| key.member(step), |index| key.element(index));
        let map = NameMap::new().function(move |name| Some(name.split("--").fold(Key::root(), step)));
        assert_eq!(shown(resolver.mapped(&map).await.unwrap().tree()), "{}");
        for (name, value) in [
            ("db--port", "1"),
            ("db--host", "h"),
            ("dbx", "x"),
            ("servers--0--url", "a"),
            ("servers--1--url", "b"),
            ("servers--1--key", "k"),
            ("ports--0", "7"),
            ("ports--1", "8"),
        ] {
            vault.set(name, value).unwrap();
        }
        let mapped = resolver.mapped(&map).await.unwrap();
        let expected = "{db: {host: h, port: 1}, dbx: x, ports: [7, 8], servers: [{url: a}, {key: k, url: b}]}";
        assert_eq!(shown(mapped.tree()), expected);
        assert_eq!(mapped.get(&["db", "port"].into_iter().collect()).unwrap().expose_secret(), "1");
        assert!(mapped.get(&["db"].into_iter().collect()).is_none());
    }
}
