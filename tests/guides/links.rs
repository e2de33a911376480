//! Links between pages.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::pages::{Page, root};

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let pages = Page::all();
    let mut broken = Vec::new();
    let mut count = 0;
    for page in &pages {
        for link in page.links().iter().filter(|link| is_relative(link)) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.path.clone() } else { beside(&page.path, file) };
            let is_there = root().join(&target).exists();
            let has_anchor = || match pages.iter().find(|page| page.path == target) {
                Some(target) => target.anchors().iter().any(|known| known == anchor),
                None => false,
            };
            if !is_there || !anchor.is_empty() && !has_anchor() {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn no_two_headings_of_a_guide_are_equal() {
    for page in Page::all().iter().filter(|page| page.path.starts_with("docs")) {
        let mut headings = BTreeSet::new();
        for heading in page.headings() {
            assert!(headings.insert(heading.clone()), "{}: {heading}", page.path.display());
        }
    }
}

#[test]
fn the_book_contains_every_page_that_its_pages_link_to() {
    let summary = Page::read("docs/SUMMARY.md");
    let chapters: BTreeSet<PathBuf> = summary.links().iter().map(|link| beside(&summary.path, link)).collect();
    assert!(chapters.len() > 10, "{chapters:?}");
    for page in Page::all().iter().filter(|page| chapters.contains(&page.path)) {
        for link in page.links().iter().filter(|link| is_relative(link)) {
            let file = link.split('#').next().unwrap();
            let target = if file.is_empty() { page.path.clone() } else { beside(&page.path, file) };
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            let is_in_book = if is_page { chapters.contains(&target) } else { target.starts_with("docs") };
            assert!(is_in_book, "{}: {link} leads out of the book", page.path.display());
        }
    }
}

#[test]
fn the_readme_lists_every_chapter_of_the_book() {
    let readme = Page::read("README.md").links();
    for chapter in Page::read("docs/SUMMARY.md").links() {
        assert!(readme.contains(&format!("docs/{chapter}")), "README.md does not list docs/{chapter}");
    }
}

fn is_relative(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// Returns the path of `link` in the page at `path`.
fn beside(path: &Path, link: &str) -> PathBuf {
    let mut target = PathBuf::new();
    for component in path.parent().unwrap().join(link).components() {
        match component {
            Component::ParentDir => assert!(target.pop(), "{link} leads out of the repository"),
            Component::CurDir => {}
            other => target.push(other),
        }
    }
    target
}
