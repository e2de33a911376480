//! The pages of the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page in Markdown.
pub(crate) struct Page {
    /// The path from the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced code block.
pub(crate) struct CodeBlock {
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        Self { path: path.into(), text: fs::read_to_string(root().join(path)).unwrap() }
    }

    /// Returns the guides and the pages at the root of the repository.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths: Vec<PathBuf> = ["", "docs"].into_iter().flat_map(markdown_files).collect();
        paths.sort();
        assert!(paths.len() > 15, "{paths:?}");
        paths.iter().map(|path| Self::read(path.to_str().unwrap())).collect()
    }

    fn events(&self) -> Parser<'_> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    /// Returns the text of each heading.
    pub(crate) fn headings(&self) -> Vec<String> {
        let (mut headings, mut current) = (Vec::new(), None::<String>);
        for event in self.events() {
            match (event, &mut current) {
                (Event::Start(Tag::Heading { .. }), _) => current = Some(String::new()),
                (Event::End(TagEnd::Heading(_)), _) => headings.extend(current.take()),
                (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
                _ => {}
            }
        }
        headings
    }

    /// Returns the anchors of the headings, as GitHub and `mdbook` form them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let number = |anchor: String| {
            let count = counts.entry(anchor.clone()).or_default();
            *count += 1;
            if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
        };
        self.headings().iter().map(|heading| anchor(heading)).map(number).collect()
    }

    /// Returns the target of each link and image.
    pub(crate) fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    pub(crate) fn code_blocks(&self) -> Vec<CodeBlock> {
        let mut blocks = Vec::new();
        let mut current = None::<CodeBlock>;
        for event in self.events() {
            match (event, &mut current) {
                (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))), _) => {
                    current = Some(CodeBlock { language: language.to_string(), text: String::new() });
                }
                (Event::End(TagEnd::CodeBlock), _) => blocks.extend(current.take()),
                (Event::Text(text), Some(block)) => block.text.push_str(&text),
                _ => {}
            }
        }
        blocks
    }
}

pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn markdown_files(folder: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let pages = names.map(|name| Path::new(folder).join(name));
    pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}
