//! `docs/dependencies.md` lists the dependencies of the published crates, with reasons.

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dependencies.md");

#[test]
fn every_direct_dependency_has_a_reason() {
    let page = fs::read_to_string(PAGE).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let reasoned: BTreeSet<String> =
        rows.flat_map(|names| names.split(", ")).map(|name| name.replace('`', "")).collect();
    let metadata = metadata();
    let named = published(&metadata).flat_map(|package| &package.dependencies);
    let named = named.filter(|named| named.kind != DependencyKind::Development && named.path.is_none());
    let named: BTreeSet<String> = named.map(|named| named.name.clone()).collect();
    assert_eq!(reasoned, named, "left: the table in docs/dependencies.md, right: the manifests");
}

#[test]
fn the_whole_graph_is_written_down() {
    let mut page = fs::read_to_string(PAGE).unwrap();
    let start = page.find(FENCE).unwrap() + FENCE.len();
    let end = start + page[start..].find("```").unwrap();
    let graph = wrapped(&graph());
    if env::var_os("KEYVAULT_WRITE_TABLES").is_some() {
        page.replace_range(start..end, &graph);
        fs::write(PAGE, &page).unwrap();
        return;
    }
    let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let (written, resolved) = (names(&page[start..end]), names(&graph));
    let (gone, new) = (written.difference(&resolved), resolved.difference(&written));
    let (gone, new) = (gone.collect::<Vec<_>>(), new.collect::<Vec<_>>());
    assert!(gone.is_empty() && new.is_empty(), "docs/dependencies.md has {gone:?} too many and lacks {new:?}");
}

/// Cargo unifies features: one that we turned on in `reqwest` would change the clients of the whole program.
#[test]
fn an_http_client_beside_ours_keeps_its_features() {
    let args = ["--package=keyvault-neighbour", "--edges=normal,dev", "--format={p} features: {f}"];
    let tree = tree(&args);
    let clients: BTreeSet<&str> = tree.lines().filter(|line| line.starts_with("reqwest ")).collect();
    let [client] = Vec::from_iter(clients)[..] else { panic!("one client of another crate: {tree}") };
    assert_eq!(client.split_once("features:").unwrap().1.trim_matches([' ', '(', '*', ')']), "", "{client}");
    let graph = graph();
    for shared in ["native-tls", "openssl", "reqwest", "tower-http"] {
        assert!(!graph.contains(shared), "our features would change {shared} for others");
    }
}

const FENCE: &str = "```text\n";

/// Returns the names of all build dependencies of the published crates. `cargo tree` omits optional crates that no
/// feature enables. `cargo metadata` lists them too.
fn graph() -> BTreeSet<String> {
    let metadata = metadata();
    let packages = published(&metadata).map(|package| format!("--package={}", package.name));
    let args = ["--all-features", "--target=all", "--edges=normal,build"].map(str::to_owned);
    let lines = tree(&Vec::from_iter(args.into_iter().chain(packages)));
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| !name.starts_with("keyvault")).map(str::to_owned).collect()
}

/// Returns the output of `cargo tree`.
fn tree(args: &[impl AsRef<std::ffi::OsStr>]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["tree", "--locked", "--prefix=none"]).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.workspace_packages().into_iter().filter(|package| package.publish.is_none())
}

fn wrapped(names: &BTreeSet<String>) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + name.len() <= 120 && !line.is_empty() => *line += &format!(" {name}"),
            Some(line) if line.is_empty() => *line = name.clone(),
            _ => lines.push(name.clone()),
        }
    }
    lines.join("\n") + "\n"
}
