//! The pages of the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A page in Markdown.
pub(crate) struct Page {
    /// The path from the root of the repository.
    pub(crate) path: PathBuf,
    text: String,
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

    /// Returns the lines outside of code blocks, and the code blocks.
    fn parts(&self) -> (Vec<&str>, Vec<CodeBlock>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::new());
        let mut open = None::<CodeBlock>;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    let language = info.split(',').next().unwrap_or_default().into();
                    open = Some(CodeBlock { language, text: String::new() });
                }
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => prose.push(line),
            }
        }
        assert!(open.is_none(), "{}: a code block has no end", self.path.display());
        (prose, blocks)
    }

    pub(crate) fn code_blocks(&self) -> Vec<CodeBlock> {
        self.parts().1
    }

    /// Returns the text of each heading of `level`.
    pub(crate) fn headings_of(&self, level: usize) -> Vec<String> {
        let mark = "#".repeat(level) + " ";
        self.parts().0.iter().filter_map(|line| line.strip_prefix(&mark)).map(|text| text.trim().to_owned()).collect()
    }

    /// Returns the text of each heading, in order.
    pub(crate) fn headings(&self) -> Vec<String> {
        let prose = self.parts().0;
        let headings = prose.into_iter().filter(|line| line.starts_with('#'));
        headings.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
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

    /// Returns the target of each link and image: `[text](target)`. A link may be broken over lines.
    pub(crate) fn links(&self) -> Vec<String> {
        let prose = self.parts().0.join("\n");
        let without_code: String = prose.split('`').step_by(2).collect();
        let targets = without_code.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.trim().to_owned()).collect()
    }
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
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
