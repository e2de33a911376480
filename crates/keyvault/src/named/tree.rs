//! Secrets by name as the tree that their keys make.

use super::{NamedSecret, NamedSecrets};
use crate::key::{Key, Segment};

/// What stands at one place of the tree that the keys of secrets make: what an adapter turns into its framework's value.
#[derive(Clone, Debug)]
pub enum NamedTree<'s> {
    /// A setting.
    Secret(&'s NamedSecret),
    /// A table, its members in the order of their names.
    Table(Vec<(&'s str, NamedTree<'s>)>),
    /// A list, its elements in order.
    List(Vec<NamedTree<'s>>),
}

impl NamedSecrets {
    /// Gives the secrets as the tree that their keys make: a table, which is empty if there are none.
    pub fn tree(&self) -> NamedTree<'_> {
        tree(&self.secrets, 0)
    }
}

/// Makes the tree of `secrets`, which stand at one place up to `depth`.
///
/// No key is above another, no table is a list, and no list has gaps: the name map saw to it.
fn tree(secrets: &[(Key, NamedSecret)], depth: usize) -> NamedTree<'_> {
    let Some((key, secret)) = secrets.first() else { return NamedTree::Table(Vec::new()) };
    let parts = secrets
        .chunk_by(|(one, _), (other, _)| one.segments()[depth] == other.segments()[depth])
        .map(|part| (&part[0].0.segments()[depth], tree(part, depth + 1)));
    match key.segments().get(depth) {
        None => NamedTree::Secret(secret),
        Some(Segment::Index(_)) => NamedTree::List(parts.map(|(_, below)| below).collect()),
        Some(Segment::Name(_)) => {
            NamedTree::Table(parts.filter_map(|(step, below)| Some((step.name()?, below))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{InMemory, NameMap, Resolver};

    use super::*;

    fn told(tree: NamedTree<'_>) -> String {
        match tree {
            NamedTree::Secret(secret) => secret.expose_secret().to_owned(),
            NamedTree::Table(members) => {
                let members: Vec<String> =
                    members.into_iter().map(|(name, below)| format!("{name}: {}", told(below))).collect();
                format!("{{{}}}", members.join(", "))
            }
            NamedTree::List(items) => format!("[{}]", items.into_iter().map(told).collect::<Vec<_>>().join(", ")),
        }
    }

    #[tokio::test]
    async fn keys_make_tables_and_lists() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let resolver = Resolver::from(vault.clone());
        let step = |key: Key, step: &str| step.parse().map_or_else(|_| key.member(step), |index| key.element(index));
        let map = NameMap::new().function(move |name| Some(name.split("--").fold(Key::root(), step)));
        assert_eq!(told(resolver.named(&map).await.unwrap().tree()), "{}");
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
        let named = resolver.named(&map).await.unwrap();
        let expected = "{db: {host: h, port: 1}, dbx: x, ports: [7, 8], servers: [{url: a}, {key: k, url: b}]}";
        assert_eq!(told(named.tree()), expected);
        assert_eq!(named.get(&["db", "port"].into_iter().collect()).unwrap().expose_secret(), "1");
        assert!(named.get(&["db"].into_iter().collect()).is_none());
    }
}
