//! Each published crate has the page that a reader of the registry and of docs.rs expects.

use std::fs;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand, Package};

#[test]
fn each_published_crate_describes_itself() {
    let metadata = metadata();
    for package in published(&metadata) {
        let name = package.name.as_str();
        for (field, is_set) in [
            ("description", package.description.is_some()),
            ("license", package.license.as_deref() == Some("MIT")),
            ("readme", package.readme.as_ref().is_some_and(|readme| readme == "README.md")),
            ("keywords", (1..=5).contains(&package.keywords.len())),
            ("categories", (1..=5).contains(&package.categories.len())),
            ("rust-version", package.rust_version.is_some()),
            ("documentation", package.documentation == Some(format!("https://docs.rs/{name}"))),
            ("metadata.docs.rs", package.metadata["docs"]["rs"]["all-features"] == true),
        ] {
            assert!(is_set, "{field} of {name}");
        }
    }
}

#[test]
fn one_place_sets_the_repository_of_all_crates() {
    let metadata = metadata();
    let [first, others @ ..] = &Vec::from_iter(published(&metadata))[..] else { panic!("no crate is published") };
    assert!(first.repository.is_some());
    for package in [first].into_iter().chain(others) {
        assert_eq!(package.repository, first.repository, "{}", package.name);
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("repository.workspace = true"), "{}", package.name);
    }
}

#[test]
fn each_published_crate_has_the_licence_and_a_readme() {
    let metadata = metadata();
    let licence = fs::read_to_string(metadata.workspace_root.join("LICENSE")).unwrap();
    for package in published(&metadata) {
        let directory = package.manifest_path.parent().unwrap();
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(read("LICENSE"), licence, "{}", package.name);
        let readme = read("README.md");
        assert!(readme.starts_with(&format!("# {}\n", package.name)), "{}", package.name);
        for expected in ["Not affiliated with Microsoft", "](../../README.md)", "](LICENSE)"] {
            assert!(readme.contains(expected), "{expected:?} in the README of {}", package.name);
        }
    }
}

#[test]
fn every_relative_link_of_a_readme_leads_to_a_file() {
    let metadata = metadata();
    for package in published(&metadata) {
        let directory = package.manifest_path.parent().unwrap();
        let readme = fs::read_to_string(directory.join("README.md")).unwrap();
        let targets = readme.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.starts_with("https://")) {
            assert!(Path::new(directory).join(target).is_file(), "{target} in the README of {}", package.name);
        }
    }
}

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.workspace_packages().into_iter().filter(|package| package.publish.is_none())
}
