//! The code blocks of the guides. Those in Rust are doctests: see `readme.rs`.

use std::io::Write;
use std::process::{Command, Stdio};

use keyvault::Template;
use saphyr_parser::Parser;

use crate::pages::Page;

#[test]
fn every_block_is_well_formed_in_its_language() {
    let mut count = 0;
    for page in Page::all() {
        for block in page.code_blocks() {
            let fault = match block.language.as_str() {
                "json" => serde_json::from_str::<serde_json::Value>(&block.text).err().map(|error| error.to_string()),
                "toml" => block.text.parse::<toml::Table>().err().map(|error| error.to_string()),
                "yaml" => {
                    Parser::new_from_str(&block.text).find_map(|event| event.err().map(|error| error.to_string()))
                }
                "sh" => shell_fault(&block.text),
                "rust" | "text" | "mermaid" | "ini" | "kusto" | "csharp" | "java" | "python" | "docker" => None,
                other => Some(format!("unknown language {other:?}")),
            };
            count += 1;
            assert_eq!(fault, None, "{}:\n{}", page.path.display(), block.text);
        }
    }
    assert!(count > 50, "only {count} blocks were found");
}

#[test]
fn every_guide_with_rust_code_names_its_dependencies() {
    let mut count = 0;
    for page in Page::all().iter().filter(|page| page.path.starts_with("docs")) {
        let blocks = page.code_blocks();
        if blocks.iter().any(|block| block.language == "rust") {
            count += 1;
            let is_named = blocks.iter().any(|block| block.language == "sh" && block.text.starts_with("cargo add "));
            assert!(is_named, "{} has no `cargo add`", page.path.display());
        }
    }
    assert!(count > 10, "only {count} guides were found");
}

#[test]
fn every_reference_in_a_block_is_well_formed() {
    let mut count = 0;
    for page in Page::all() {
        for block in
            page.code_blocks().iter().filter(|block| ["json", "sh", "toml", "yaml"].contains(&&*block.language))
        {
            let lines = block.text.lines().filter_map(|line| line.split(" #").next());
            for line in lines.filter(|line| line.contains("KeyVault(")) {
                count += 1;
                let template = Template::parse(line);
                assert!(template.is_ok(), "{}: {line}: {:?}", page.path.display(), template.err());
            }
        }
    }
    assert!(count > 20, "only {count} references were found");
}

/// Lets a shell parse `text` without running it.
fn shell_fault(text: &str) -> Option<String> {
    let mut shell = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
