//! The commands in the guides are commands that this program accepts.

use clap::Parser;
use clap::error::ErrorKind;

use crate::Arguments;

#[test]
fn every_command_of_the_guides_is_accepted() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    // The package of this crate has no guides.
    let Ok(pages) = std::fs::read_dir(docs) else { return };
    let pages = pages.map(|entry| entry.unwrap().path());
    let pages = pages.chain([concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md").into()]);
    let mut count = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        for command in commands(&std::fs::read_to_string(&page).unwrap()) {
            count += 1;
            if cfg!(windows) && command.iter().any(|word| ["--mode", "--owner"].contains(&word.as_str())) {
                continue;
            }
            if let Err(error) = Arguments::try_parse_from(&command) {
                // A code span may have the name of a command alone.
                let is_fine = matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        | ErrorKind::MissingRequiredArgument
                );
                assert!(is_fine, "{}: {command:?}: {error}", page.display());
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
}

/// Returns the arguments of each command `keyvault` in the shell blocks and code spans of a page.
fn commands(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let spans = page.split('`').filter(|span| span.starts_with("keyvault ") && !span.contains("COMMAND"));
    let lines: Vec<String> = blocks.chain(spans).map(|block| block.replace("\\\n", " ")).collect();
    let lines = lines.iter().flat_map(|block| block.lines()).filter(|line| !line.starts_with('#'));
    let lines = lines.flat_map(|line| line.split(" #").next());
    // `az keyvault` and `cargo … -p keyvault` are others.
    let lines = lines.map(|line| line.replace("az keyvault ", "").replace("-p keyvault ", ""));
    lines.flat_map(|line| line.split("keyvault ").skip(1).map(words).collect::<Vec<_>>()).collect()
}

/// Splits the words of a command as a shell does, up to the end of the command.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (vec!["keyvault".to_owned()], None::<String>, None);
    for c in text.chars() {
        match (c, quote) {
            (c, Some(mark)) if c == mark => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('|' | ';' | '#' | ')' | '&' | '>' | '<', None) => break,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
