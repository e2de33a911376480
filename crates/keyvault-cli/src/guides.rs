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
        let text = std::fs::read_to_string(&page).unwrap();
        // A code span may have the name of a command alone.
        let spans = commands(spans(&text)).into_iter().map(|command| (command, true));
        let blocks = commands(blocks(&text, "sh")).into_iter().chain(containers(&text)).map(|command| (command, false));
        for (command, may_be_part) in spans.chain(blocks) {
            count += 1;
            if cfg!(windows) && command.iter().any(|word| ["--mode", "--owner"].contains(&word.as_str())) {
                continue;
            }
            if let Err(error) = Arguments::try_parse_from(&command) {
                let is_help = matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                );
                let is_part = may_be_part && error.kind() == ErrorKind::MissingRequiredArgument;
                assert!(is_help || is_part, "{}: {command:?}: {error}", page.display());
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
}

/// Returns the code blocks of a page in `language`.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    page.split(&format!("```{language}\n")).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Returns the code spans of a page that have a command.
fn spans(page: &str) -> Vec<&str> {
    page.split('`').filter(|span| span.starts_with("keyvault ") && !span.contains("COMMAND")).collect()
}

/// Returns the arguments of each command `keyvault` in lines for a shell.
fn commands(texts: Vec<&str>) -> Vec<Vec<String>> {
    let lines: Vec<String> = texts.into_iter().map(|text| text.replace("\\\n", " ")).collect();
    let lines = lines.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| !line.starts_with('#') && !line.starts_with("cargo add "));
    let lines = lines.flat_map(|line| line.split(" #").next());
    // `az keyvault` and `cargo … -p keyvault` are others.
    let lines = lines.map(|line| line.replace("az keyvault ", "").replace("-p keyvault ", ""));
    lines.flat_map(|line| line.split("keyvault ").skip(1).map(words).collect::<Vec<_>>()).collect()
}

/// Returns the arguments of the containers and probes that run `keyvault`.
fn containers(page: &str) -> Vec<Vec<String>> {
    let list = |line: &str, mark| Some(line.split_once(mark)?.1.split_once(']')?.0.replace(',', ""));
    let lines = blocks(page, "yaml").into_iter().flat_map(str::lines);
    let lists = lines.filter_map(|line| list(line, " args: [").or_else(|| list(line, "command: [/keyvault,")));
    lists.map(|list| words(&list)).collect()
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
