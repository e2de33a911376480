//! The values of mapped secrets, in the shape in which layers merge them.

use super::key::{Key, Segment};
use super::mapped::{MappedKind, MappedSecret, MappedSecrets};

/// The value of a mapped secret. An adapter converts it into its framework's value.
#[derive(Clone, Debug)]
pub enum MappedTree<'s> {
    /// A secret, a value of an expanded JSON secret, or a setting of a store.
    Secret(&'s MappedSecret),
    /// A table in a list, with its members in the order of their names.
    Table(Vec<(&'s str, MappedTree<'s>)>),
    /// A list of an expanded JSON secret or of a store, with its elements in order.
    List(Vec<MappedTree<'s>>),
}

impl<'s> MappedTree<'s> {
    /// Returns the secret that the value comes from, or `None` for an empty table or list.
    pub fn secret(&self) -> Option<&'s MappedSecret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Table(members) => members.first().and_then(|(_, member)| member.secret()),
            Self::List(items) => items.first().and_then(MappedTree::secret),
        }
    }
}

impl MappedSecrets {
    /// Returns every value with the key at which an adapter merges it, in the order of the keys.
    ///
    /// An index in a key stands in the name of a secret: the value is one element of a list to which other layers may
    /// contribute. A list of an expanded JSON secret is a value as a whole.
    pub fn entries(&self) -> impl Iterator<Item = (Key, MappedTree<'_>)> {
        let is_same = |one: &(Key, MappedSecret), other: &(Key, MappedSecret)| {
            let (one, other) = (place(&one.0, &one.1), place(&other.0, &other.1));
            one.is_list && other.is_list && one.key == other.key
        };
        self.secrets.chunk_by(is_same).map(|value| {
            let key = place(&value[0].0, &value[0].1).key;
            (key.iter().cloned().collect(), tree(value, key.len()))
        })
    }
}

/// The place of a value, and whether a list is there that the value is in.
struct Place<'s> {
    key: &'s [Segment],
    is_list: bool,
}

/// Returns the key of the list that contains a value and is one value as a whole. An empty list contains itself.
pub(crate) fn list_place((key, secret): &(Key, MappedSecret)) -> Option<Key> {
    let place = place(key, secret);
    let is_list = place.is_list || secret.kind() == MappedKind::EmptyList;
    is_list.then(|| place.key.iter().cloned().collect())
}

/// Returns the lists that are one value each and that other values reach into. An element from elsewhere would divide
/// such a list, and its own elements would move. The values are sorted by their keys.
pub(crate) fn mixed_lists<'v>(values: impl Iterator<Item = (&'v Key, &'v MappedSecret)>) -> Vec<Key> {
    let places: Vec<(&Key, Place<'_>)> = values.map(|(key, secret)| (key, place(key, secret))).collect();
    // All values below a list follow each other, so one of its own is next to one from elsewhere.
    let mixed = places.windows(2).filter_map(|pair| {
        let [(one_key, one), (other_key, other)] = pair else { return None };
        let is_same = one.is_list && other.is_list && one.key == other.key;
        let is_in = |key: &Key, place: &Place<'_>| {
            let below = key.segments().strip_prefix(place.key).and_then(<[Segment]>::first);
            !is_same && place.is_list && matches!(below, Some(Segment::Index(_)))
        };
        let list = [(other_key, one), (one_key, other)].into_iter().find(|(key, place)| is_in(key, place));
        list.map(|(_, place)| place.key.iter().cloned().collect())
    });
    mixed.collect()
}

/// Returns whether a value is an empty table, and not an element of a list that is one value.
pub(crate) fn is_empty_table((key, secret): &(Key, MappedSecret)) -> bool {
    secret.kind() == MappedKind::EmptyTable && !place(key, secret).is_list
}

fn place<'v>(key: &'v Key, secret: &MappedSecret) -> Place<'v> {
    let key = key.segments();
    let depth = secret.part.as_ref().map_or(key.len(), |part| part.depth);
    let list = key[depth..].iter().position(|segment| matches!(segment, Segment::Index(_)));
    Place { key: &key[..list.map_or(key.len(), |list| depth + list)], is_list: list.is_some() }
}

/// Builds the tree of `secrets`, whose keys agree up to `depth`.
///
/// The name map ensures that no key is above another and no table is a list.
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
    use crate::names::{NameMap, OpenJson};
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
    async fn lists_of_json_secrets_are_whole_and_elements_by_name_are_not() {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let resolver = Resolver::from(vault.clone());
        let map = NameMap::new().open_json(OpenJson::new());
        assert_eq!(resolver.mapped(&map).await.unwrap().entries().count(), 0);
        for (name, value) in [
            ("db--port", "1"),
            ("db--host", "h"),
            ("servers--1--url", "b"),
            ("servers--1--key", "k"),
            ("ports--2", "8"),
        ] {
            vault.set(name, value).unwrap();
        }
        for (name, json) in [("json", r#"{"a":[1,{"b":[2],"c":3}],"d":{"e":4}}"#), ("servers--3", r#"{"x":[5,6]}"#)] {
            vault
                .set_with(name, json, |properties| properties.set_content_type("application/json".to_owned()))
                .unwrap();
        }
        let mapped = resolver.mapped(&map).await.unwrap();
        let entries: Vec<String> = mapped.entries().map(|(key, value)| format!("{key}={}", shown(value))).collect();
        let expected = [
            "db.host=h",
            "db.port=1",
            "json.a=[1, {b: [2], c: 3}]",
            "json.d.e=4",
            "ports[2]=8",
            "servers[1].key=k",
            "servers[1].url=b",
            "servers[3].x=[5, 6]",
        ];
        assert_eq!(entries, expected);
        assert_eq!(mapped.get(&["db", "port"].into_iter().collect()).unwrap().expose_secret(), "1");
        assert!(mapped.get(&["db"].into_iter().collect()).is_none());
    }
}
