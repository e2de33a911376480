//! Arrows point at core: `config → core ← figment`, `cli → everything`, `emulator → nothing of ours`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The allowed dependencies within this workspace, and the external crates reserved for one crate.
const MAY_USE: [(&str, &[&str]); 5] = [
    ("keyvault", &[]),
    ("keyvault-config", &["keyvault"]),
    ("keyvault-figment", &["keyvault"]),
    ("keyvault-emulator", &[]),
    ("keyvault-cli", &["keyvault", "keyvault-config", "keyvault-figment", "keyvault-emulator"]),
];

/// A framework belongs to its adapter, and HTTP to core and the emulator.
const ONLY_IN: [(&str, &[&str]); 6] = [
    ("config", &["keyvault-config"]),
    ("figment", &["keyvault-figment"]),
    ("azure_core", &["keyvault", "keyvault-cli"]),
    ("reqwest", &["keyvault"]),
    ("hyper", &["keyvault-emulator"]),
    ("hashbrown", &["keyvault"]),
];

#[test]
fn each_crate_has_only_its_allowed_dependencies() {
    let crates = dependencies();
    assert_eq!(crates.keys().map(String::as_str).collect::<BTreeSet<_>>(), MAY_USE.map(|(name, _)| name).into());
    for (name, allowed) in MAY_USE {
        let ours = crates[name].iter().filter(|used| used.starts_with("keyvault"));
        for used in ours {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
    for (foreign, owners) in ONLY_IN {
        for (name, used) in &crates {
            assert!(!used.contains(foreign) || owners.contains(&name.as_str()), "{name} must not depend on {foreign}");
        }
    }
}

/// The dependencies of the published crates, without those of their tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let published = metadata.packages.into_iter().filter(|package| package.publish.is_none());
    published
        .map(|package| {
            let used = package.dependencies.into_iter().filter(|used| used.kind != DependencyKind::Development);
            (package.name.to_string(), used.map(|used| used.name).collect())
        })
        .collect()
}
