//! Dependencies point one way: between the crates (`config → core ← figment, figment2`, `appconfig → core`,
//! `cli → everything`, `emulator → none of ours`), between the rooms of a crate, and between the files of a room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The allowed dependencies within this workspace, and the external crates reserved for one crate.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("keyvault", &[]),
    ("keyvault-config", &["keyvault"]),
    ("keyvault-figment", &["keyvault"]),
    ("keyvault-figment2", &["keyvault"]),
    ("keyvault-appconfig", &["keyvault"]),
    ("keyvault-emulator", &[]),
    ("keyvault-cli", &["keyvault", "keyvault-appconfig", "keyvault-config", "keyvault-figment", "keyvault-emulator"]),
];

/// A framework belongs to its adapter, and HTTP to core and the emulator. `reqwest` has features that change the
/// clients of the whole program, so it is in none.
const ONLY_IN: [(&str, &[&str]); 7] = [
    ("config", &["keyvault-config"]),
    ("figment", &["keyvault-figment"]),
    ("figment2", &["keyvault-figment2"]),
    ("azure_core", &["keyvault", "keyvault-appconfig", "keyvault-cli", "keyvault-emulator"]),
    ("reqwest", &[]),
    ("hyper", &["keyvault-emulator"]),
    ("moka", &["keyvault"]),
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

/// A crate whose sources are divided into rooms: folders and files directly under `src`, each listed after those that
/// it uses.
struct Rooms {
    source: &'static str,
    order: &'static [&'static str],
}

const ROOMS: [Rooms; 3] = [
    Rooms {
        source: "crates/keyvault/src",
        order: &[
            "time",
            "secret",
            "report",
            "error",
            "metrics",
            "json_string",
            "cryptography",
            "certificate",
            "reference",
            "store",
            "http",
            "client",
            "credential",
            "blocking",
            "settings",
            "names",
            "resolver",
            "push",
            "sealed",
            "live",
            "derive",
        ],
    },
    Rooms {
        source: "crates/keyvault-appconfig/src",
        order: &["endpoint", "sync_token", "next_link", "key_value", "filter", "client", "mapping", "layer"],
    },
    Rooms {
        source: "crates/keyvault-emulator/src",
        order: &[
            "random",
            "clock",
            "protocol",
            "certificates",
            "vaults",
            "operations",
            "app_configuration",
            "seeds",
            "identity",
            "faults",
            "service",
            "storage",
            "control",
            "http",
            "handle",
        ],
    },
];

#[test]
fn a_room_uses_only_rooms_before_it() {
    for rooms in ROOMS {
        let files = sources(rooms.source);
        let listed: BTreeSet<&str> = rooms.order.iter().copied().collect();
        let found: BTreeSet<&str> = files.iter().map(|file| file.room()).filter(|room| *room != "lib").collect();
        assert_eq!(found, listed, "the rooms of {}", rooms.source);
        let wrong = backward_uses(&files, rooms.order);
        assert!(wrong.is_empty(), "a room uses a later one:\n{}", wrong.join("\n"));
    }
}

#[test]
fn no_cycle_in_a_room_has_more_than_two_files() {
    for rooms in ROOMS {
        let cycles = long_cycles(&sources(rooms.source));
        assert!(cycles.is_empty(), "files import each other in a circle:\n{}", cycles.join("\n"));
    }
}

#[test]
fn the_check_finds_uses_of_later_rooms() {
    let file = |path: &str, text: &str| Source::new(path, text);
    let lib = file("lib.rs", "mod a;\nmod b;\npub use self::b::Late;\n");
    for (text, is_backward) in [
        ("use crate::a::Early;\n", false),
        ("use crate::b::Late;\n", true),
        ("use crate::{a::Early, b::Late};\n", true),
        ("use crate::Late;\n", true),
        ("use super::b::Late;\n", true),
        ("fn f() {\n    crate::b::late()\n}\n", true),
        ("// crate::b::Late\n/// [`Late`](crate::b::Late)\n", false),
        ("#[cfg(test)]\nmod tests {\n    use crate::b::Late;\n}\n", false),
    ] {
        let files = [file("a/mod.rs", text), file("b/mod.rs", "use crate::a::Early;\n"), lib.clone()];
        assert_eq!(!backward_uses(&files, &["a", "b"]).is_empty(), is_backward, "{text}");
    }
    let circle = [
        file("a/mod.rs", "mod x;\nmod y;\nmod z;\npub use self::x::X;\n"),
        file("a/x.rs", "use super::y::Y;\n"),
        file("a/y.rs", "use super::z::Z;\nuse super::x::X;\n"),
        file("a/z.rs", ""),
    ];
    assert!(long_cycles(&circle).is_empty(), "two files may import each other");
    let mut circle = circle;
    circle[3] = file("a/z.rs", "fn f(_: crate::a::X) {}\n");
    assert_eq!(long_cycles(&circle).len(), 1, "three may not");
}

/// A source file without comments and tests.
#[derive(Clone)]
struct Source {
    /// The path below `src`.
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let code = code.map(|line| line.split("//").next().unwrap_or_default().to_owned());
        Self { path: path.to_owned(), lines: code.collect() }
    }

    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Returns the module of the file: `a::b` for `a/b.rs`, `a` for `a/mod.rs`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        path.split('/').filter(|step| !matches!(*step, "mod" | "lib")).collect()
    }

    /// Returns every path in the code that begins at `crate`, `super` or `self`, as a path from the root of the crate,
    /// with its line. Re-exports are left out where `with_exports` is not set.
    fn paths(&self, with_exports: bool) -> Vec<(usize, Vec<String>)> {
        let (mut found, mut statement) = (Vec::new(), None::<(usize, String)>);
        for (number, line) in self.lines.iter().enumerate() {
            let code = line.trim();
            let begins_use =
                code.split_once("use ").is_some_and(|(before, _)| before.is_empty() || before.starts_with("pub"));
            if begins_use && statement.is_none() {
                statement = Some((number + 1, String::new()));
            }
            match &mut statement {
                Some((_, text)) => text.push_str(code),
                None => found.extend(inline_paths(code).map(|path| (number + 1, path))),
            }
            if code.ends_with(';')
                && let Some((number, text)) = statement.take()
            {
                let (visibility, tree) = text.trim_end_matches(';').split_once("use ").unwrap_or_default();
                if with_exports || visibility.is_empty() {
                    found.extend(expanded(tree).into_iter().map(|path| (number, path)));
                }
            }
        }
        found.into_iter().filter_map(|(line, path)| Some((line, self.absolute(&path)?))).collect()
    }

    fn absolute(&self, path: &str) -> Option<Vec<String>> {
        let mut module = self.module();
        let mut steps = path.split("::").map(str::trim).peekable();
        match steps.next()? {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
                while steps.next_if_eq(&"super").is_some() {
                    module.pop();
                }
            }
            _ => return None,
        }
        Some(module.into_iter().chain(steps).map(str::to_owned).collect())
    }
}

/// Expands `a::{b, c::{d, e}}` to `a::b`, `a::c::d` and `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let (mut depth, mut branches) = (0, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(String::new());
                continue;
            }
            _ => {}
        }
        branches.last_mut().unwrap().push(c);
    }
    let branches = branches.iter().map(|branch| branch.trim()).filter(|branch| !branch.is_empty());
    branches.flat_map(expanded).map(|branch| format!("{}{branch}", head.trim())).collect()
}

/// Returns the paths in a line of code that begin at `crate` or `super`.
fn inline_paths(code: &str) -> impl Iterator<Item = String> {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let words = code.split(move |c| !is_path(c)).map(|word| word.trim_end_matches(':').to_owned());
    words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
}

fn sources(root: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let path = entry.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source::new(&path, &fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Finds the uses of a later room. A name at the root of the crate counts as the room that `lib.rs` exports it from.
fn backward_uses(files: &[Source], order: &[&str]) -> Vec<String> {
    let lib = files.iter().filter(|file| file.path == "lib.rs").flat_map(|lib| lib.paths(true));
    let exports: BTreeMap<String, String> =
        lib.filter_map(|(_, path)| Some((path.last()?.clone(), path[0].clone()))).collect();
    let place = |room: &str| order.iter().position(|listed| *listed == room);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path != "lib.rs") {
        for (line, path) in file.paths(true) {
            let used = path.first().map(|first| exports.get(first).unwrap_or(first).as_str()).and_then(place);
            if used > place(file.room()) {
                wrong.push(format!("{}:{line}: {}", file.path, path.join("::")));
            }
        }
    }
    wrong
}

/// Finds the cycles of more than two files that import each other. An export of `mod.rs` counts as the file it comes
/// from.
fn long_cycles(files: &[Source]) -> Vec<String> {
    let modules: BTreeMap<Vec<String>, usize> =
        files.iter().enumerate().map(|(at, file)| (owned(file.module()), at)).collect();
    let mut exports: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for file in files {
        for (_, path) in file.paths(true) {
            if let Some(name) = path.last() {
                exports.entry(owned(file.module()).into_iter().chain([name.clone()]).collect()).or_insert(path);
            }
        }
    }
    let target = |path: &Vec<String>| {
        let mut path = exports.get(path).unwrap_or(path).clone();
        while !path.is_empty() && !modules.contains_key(&path) {
            path.pop();
        }
        modules.get(&path).copied()
    };
    let uses: Vec<BTreeSet<usize>> = files
        .iter()
        .enumerate()
        .map(|(at, file)| {
            let targets = file.paths(false).into_iter().filter_map(|(_, path)| target(&path));
            targets.filter(|used| *used != at && files[*used].room() == file.room()).collect()
        })
        .collect();
    let mut cycles = BTreeSet::new();
    for (from, used) in uses.iter().enumerate() {
        for next in used {
            if let Some(path) = way_back(&uses, *next, from) {
                let mut names: Vec<&str> = path.iter().map(|at| files[*at].path.as_str()).collect();
                names.sort_unstable();
                cycles.insert(names.join(", "));
            }
        }
    }
    cycles.into_iter().collect()
}

/// Finds the shortest way from `start` to `end` that is not the direct one.
fn way_back(uses: &[BTreeSet<usize>], start: usize, end: usize) -> Option<Vec<usize>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::from([start]);
    while let Some(way) = ways.pop_front() {
        for next in &uses[*way.last()?] {
            let is_direct = way.len() == 1 && *next == end;
            if *next == end && !is_direct {
                return Some(way.into_iter().chain([end]).collect());
            }
            if !is_direct && *next != end && seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

fn owned(module: Vec<&str>) -> Vec<String> {
    module.into_iter().map(str::to_owned).collect()
}
