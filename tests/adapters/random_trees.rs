//! Properties over random trees: no panic, plain text stays unchanged, and no reference marker reaches a setting.

use std::collections::BTreeMap;

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
    prop::collection::btree_map("[a-z]{1,4}", tree, 0..4)
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

/// Returns whether `text` contains the beginning of a reference.
fn has_marker(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["@microsoft.keyvault", "@keyvault"].iter().any(|marker| {
        let mut rest = text.split(marker).skip(1);
        rest.any(|rest| rest.trim_start().starts_with('('))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn text_without_a_marker_comes_through_as_it_is(root in tree_of(any::<String>().boxed())) {
        let mut texts = Vec::new();
        root.values().for_each(|tree| tree.texts(&mut texts));
        prop_assume!(!texts.iter().any(|text| has_marker(text)));
        for framework in BOTH {
            prop_assert_eq!(&resolve(framework, &root, &vault("contoso")).unwrap(), &root, "{:?}", framework);
        }
    }

    #[test]
    fn no_marker_gets_to_a_setting_unless_it_was_escaped(root in tree_of(almost_a_template())) {
        let vault = vault("contoso");
        vault.set("here", "secret").unwrap();
        let mut texts = Vec::new();
        root.values().for_each(|tree| tree.texts(&mut texts));
        let is_escaped = texts.iter().any(|text| text.to_ascii_lowercase().contains("@@"));
        let is_sound =
            texts.iter().all(|text| Template::parse(text).is_ok() && Template::near_misses(text).is_empty());
        for framework in BOTH {
            match resolve(framework, &root, &vault) {
                Ok(resolved) => {
                    prop_assert!(is_sound, "{framework:?}");
                    let mut texts = Vec::new();
                    resolved.values().for_each(|tree| tree.texts(&mut texts));
                    prop_assert!(is_escaped || !texts.iter().any(|text| has_marker(text)), "{framework:?} {texts:?}");
                }
                Err(error) => {
                    prop_assert!(!is_sound, "{framework:?} {error}");
                    prop_assert!(error.failures().iter().all(|failure| failure.setting().is_some()), "{framework:?} {error}");
                }
            }
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
