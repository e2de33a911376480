//! Properties over random trees: no panic, plain text stays unchanged, and no reference marker reaches a setting.

use std::collections::{BTreeMap, BTreeSet};

use config::{Config, Value, ValueKind};
use figment::Figment;
use figment::providers::Serialized;
use keyvault::{InMemory, Resolver, Result, Template};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::service::{BOTH, Framework, block_on, vault};

/// A tree of text, tables and lists.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Tree {
    Text(String),
    List(Vec<Tree>),
    Table(BTreeMap<String, Tree>),
}

impl Tree {
    fn texts<'t>(&'t self, found: &mut Vec<&'t str>) {
        match self {
            Tree::Text(text) => found.push(text),
            Tree::List(items) => items.iter().for_each(|item| item.texts(found)),
            Tree::Table(members) => members.values().for_each(|member| member.texts(found)),
        }
    }

    /// Returns the tree with each text replaced. `None` if it is an absent text.
    fn replaced(&self, resolved: &BTreeMap<&str, Option<String>>) -> Option<Tree> {
        Some(match self {
            Tree::Text(text) => Tree::Text(resolved[text.as_str()].clone()?),
            Tree::List(items) => Tree::List(items.iter().filter_map(|item| item.replaced(resolved)).collect()),
            Tree::Table(members) => Tree::Table(members_of(members, resolved)),
        })
    }

    fn value(&self) -> Value {
        let kind = match self {
            Tree::Text(text) => ValueKind::String(text.clone()),
            Tree::List(items) => ValueKind::Array(items.iter().map(Tree::value).collect()),
            Tree::Table(members) => {
                ValueKind::Table(members.iter().map(|(name, member)| (name.clone(), member.value())).collect())
            }
        };
        Value::new(None, kind)
    }
}

type Root = BTreeMap<String, Tree>;

fn resolve(framework: Framework, root: &Root, vault: &InMemory) -> Result<Root> {
    let resolver = Resolver::from(vault.clone());
    match framework {
        Framework::Config => {
            let mut builder = Config::builder();
            for (name, tree) in root {
                builder = builder.set_override(name, tree.value()).unwrap();
            }
            block_on(keyvault_config::resolve(builder.build().unwrap(), resolver))?.extract()
        }
        Framework::Figment => {
            block_on(keyvault_figment::resolve(Figment::from(Serialized::defaults(root)), resolver))?.extract()
        }
    }
}

fn tree_of(text: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Root> {
    let tree = text.prop_map(Tree::Text).prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::List),
            prop::collection::btree_map("[a-z]{1,4}", inner, 1..4).prop_map(Tree::Table),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", tree, 1..4)
}

/// Fragments of the grammar, and text between them.
fn almost_a_template() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "@",
        "@@",
        "@KeyVault(",
        "@Microsoft.KeyVault(",
        "@KeyVault(SecretName=here)",
        "@keyvault( secretname = here ; )",
        "@KeyVault(SecretName=gone;Optional=true)",
        "@@KeyVault(",
        "@KeyVault (",
        ")",
        ";",
        "SecretName=here",
        "x",
        "ü\0\n\"",
        "",
    ]);
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn sound_template() -> impl Strategy<Value = String> {
    almost_a_template().prop_filter("the references are well formed", |text| is_sound(text))
}

/// Returns the number of references that begin in `text`.
fn markers(text: &str) -> usize {
    let text = text.to_ascii_lowercase();
    let begin = |marker| text.split(marker).skip(1).filter(|rest| rest.trim_start().starts_with('(')).count();
    ["@microsoft.keyvault", "@keyvault"].into_iter().map(begin).sum()
}

/// Returns whether the references in `text` are well formed, and nothing else looks like one.
fn is_sound(text: &str) -> bool {
    Template::parse(text).is_ok() && Template::near_misses(text).is_empty()
}

fn texts_of(root: &Root) -> Vec<&str> {
    let mut texts = Vec::new();
    root.values().for_each(|tree| tree.texts(&mut texts));
    texts
}

/// Resolves each text alone. A text is `None` if its optional secret is absent.
fn resolve_each<'t>(texts: &[&'t str], vault: &InMemory) -> BTreeMap<&'t str, Option<String>> {
    let resolver = Resolver::from(vault.clone());
    block_on(async {
        let mut resolved = BTreeMap::new();
        for text in texts {
            let found = resolver.resolve(text).await.unwrap();
            resolved.insert(*text, found.map(|found| found.expose_secret().to_owned()));
        }
        resolved
    })
}

/// Returns a table with each text replaced and without the absent ones.
fn members_of(table: &Root, resolved: &BTreeMap<&str, Option<String>>) -> Root {
    let member = |(name, tree): (&String, &Tree)| Some((name.clone(), tree.replaced(resolved)?));
    table.iter().filter_map(member).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn text_without_a_marker_comes_through_as_it_is(root in tree_of(any::<String>().boxed())) {
        prop_assume!(texts_of(&root).into_iter().all(|text| markers(text) == 0));
        for framework in BOTH {
            prop_assert_eq!(&resolve(framework, &root, &vault("contoso")).unwrap(), &root, "{:?}", framework);
        }
    }

    #[test]
    fn no_marker_gets_to_a_setting_unless_it_was_escaped(root in tree_of(sound_template())) {
        let vault = vault("contoso");
        vault.set("here", "secret").unwrap();
        let resolved = resolve_each(&texts_of(&root), &vault);
        for (text, resolved) in &resolved {
            let resolved = resolved.as_deref().unwrap_or_default();
            prop_assert!(markers(resolved) <= text.matches("@@").count(), "{text:?} becomes {resolved:?}");
        }
        for framework in BOTH {
            let found = resolve(framework, &root, &vault).unwrap();
            prop_assert_eq!(&found, &members_of(&root, &resolved), "{:?}", framework);
        }
    }

    #[test]
    fn a_tree_with_a_malformed_text_is_refused_with_its_key(root in tree_of(almost_a_template())) {
        let vault = vault("contoso");
        vault.set("here", "secret").unwrap();
        let malformed = texts_of(&root).into_iter().filter(|text| !is_sound(text)).count();
        prop_assume!(malformed > 0);
        for framework in BOTH {
            let error = resolve(framework, &root, &vault).unwrap_err();
            // A text may have several malformed references, and each is a failure.
            let settings: Option<BTreeSet<&str>> = error.failures().iter().map(|failure| failure.setting()).collect();
            prop_assert_eq!(settings.map_or(0, |settings| settings.len()), malformed, "{:?} {}", framework, error);
        }
    }

    /// Resolves each text alone, so that a malformed neighbour does not hide the outcome of the others.
    #[test]
    fn every_text_is_resolved_or_refused_alike_by_both(text in almost_a_template()) {
        let vault = vault("contoso");
        vault.set("here", "secret").unwrap();
        let root = Root::from([("a".to_owned(), Tree::List(vec![Tree::Text("x".into()), Tree::Text(text.clone())]))]);
        let [config, figment] = BOTH.map(|framework| resolve(framework, &root, &vault).map_err(|error| error.to_string()));
        match (config, figment) {
            (Ok(config), Ok(figment)) => prop_assert_eq!(config, figment, "{}", text),
            (Err(_), Err(_)) => {}
            (config, figment) => prop_assert!(false, "{text}: {config:?} {figment:?}"),
        }
    }
}
