//! Text that was meant to be a reference and is not one.

use std::ops::Range;

use super::marker::{is_invisible, strip_marker};
use super::template::Template;
use crate::error::{Error, Result};
use crate::secret::edit_distance;

impl Template {
    /// Finds text that was probably meant to be a reference and is not one, with its range of bytes: a misspelt
    /// `@Microsoft.KeyVault`, other brackets, a missing `@`, invisible characters, quotation marks around the whole, a
    /// closing bracket after the whole.
    ///
    /// The result contains neither references nor malformed references, which [`scan`](Template::scan) finds, nor
    /// escaped ones. Loading settings fails at such text unless [`Policy::AllowNearMiss`](crate::Policy) allows it. The
    /// errors never repeat the text. Costs time linear in the size of the text.
    pub fn near_misses(text: &str) -> Vec<(Range<usize>, Error)> {
        let references = Self::scan(text);
        if let Some(error) = quoted_whole(text, &references).or_else(|| closed_twice(text, &references)) {
            return vec![(0..text.len(), error)];
        }
        let mut found = Vec::new();
        let mut at = 0;
        for (range, _) in &references {
            search(text, at..range.start, &mut found);
            let neighbours = [text[..range.start].chars().next_back(), text[range.end..].chars().next()];
            if neighbours.into_iter().flatten().any(is_invisible) {
                found.push((
                    range.clone(),
                    Error::invalid("reference has an invisible character beside it").with_help(RETYPE),
                ));
            }
            at = range.end;
        }
        search(text, at..text.len(), &mut found);
        found
    }
}

const RETYPE: &str = "type the reference again: a copied text can contain characters that no editor shows";
const SPELLING: &str = "write @Microsoft.KeyVault( or @KeyVault(, the parameters, and )";

/// Returns the error of a text that is one reference in quotation marks.
fn quoted_whole(text: &str, references: &[(Range<usize>, Result<super::Reference>)]) -> Option<Error> {
    let [(range, _)] = references else { return None };
    let is_mark = |text: &str| {
        let text = text.trim();
        !text.is_empty() && text.chars().all(|c| matches!(c, '"' | '\'' | '`' | '\\' | '“' | '”' | '‘' | '’'))
    };
    let (before, after) = (&text[..range.start], &text[range.end..]);
    // A malformed reference may have swallowed the mark at the end.
    (is_mark(before) && (is_mark(after) || after.trim().is_empty())).then(|| {
        Error::invalid("reference is inside quotation marks").with_help(
            "remove the quotation marks: `docker --env-file`, compose files and some shells keep them in the value",
        )
    })
}

/// Returns the error of a text that is one reference and further closing brackets.
fn closed_twice(text: &str, references: &[(Range<usize>, Result<super::Reference>)]) -> Option<Error> {
    let [(range, Ok(_))] = references else { return None };
    let (before, after) = (text[..range.start].trim(), text[range.end..].trim());
    let is_closing = !after.is_empty() && after.chars().all(|c| matches!(c, ')' | ']' | '}'));
    (before.is_empty() && is_closing)
        .then(|| Error::invalid("reference has a closing bracket too many").with_help("remove what follows its )"))
}

/// Searches a part of `text` that contains no reference.
fn search(text: &str, part: Range<usize>, found: &mut Vec<(Range<usize>, Error)>) {
    let piece = &text[part.clone()];
    let mut end = 0;
    for (at, sign) in piece.char_indices().filter(|(_, c)| matches!(c, '@' | '＠') || is_bracket(*c)) {
        if at < end {
            continue;
        }
        let miss = if is_bracket(sign) { without_at(piece, at) } else { after_at(piece, at) };
        if let Some((range, error)) = miss {
            // The bracket belongs to it.
            end = range.end + 1;
            found.push((part.start + range.start..part.start + range.end, error));
        }
    }
}

/// Checks the word after `@`: a misspelt name, other brackets, or none.
fn after_at(text: &str, at: usize) -> Option<(Range<usize>, Error)> {
    let sign = text[at..].chars().next()?;
    let rest = &text[at + sign.len_utf8()..];
    if text[..at].ends_with(['@', '＠']) || rest.starts_with(['@', '＠']) || strip_marker(&text[at..]).is_some() {
        return None;
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') || is_invisible(c);
    let mut head = String::new();
    let mut length = 0;
    for c in rest.chars().take(MAX_HEAD).take_while(|c| is_part(*c)) {
        head.push(c);
        length += c.len_utf8();
    }
    let after = &rest[length..];
    let stop = after.trim_start_matches(['\\', '"', '\'']).chars().next()?;
    let name = letters(&head);
    let error = if is_bracket(stop) {
        let has_parameter = begins_with_parameter(after);
        let closeness = distance_to_marker(&name);
        match () {
            () if name.is_empty() => return None,
            // Without a parameter, only the name shows that a reference is meant.
            () if !has_parameter && (closeness > 1 || head.ends_with(' ')) => return None,
            () if head.contains(is_invisible) || sign != '@' => {
                Error::invalid("text looks like a reference with an invisible or look-alike character")
                    .with_help(RETYPE)
            }
            () if stop != '(' && closeness == 0 => {
                Error::invalid("text looks like a reference with other brackets").with_help(SPELLING)
            }
            () => Error::invalid("text looks like a reference with a misspelt name").with_help(SPELLING),
        }
    } else {
        // The parameters follow without a bracket.
        let own = PARAMETERS.into_iter().find_map(|parameter| name.strip_suffix(parameter));
        let head = own.filter(|_| stop == '=').or_else(|| begins_with_parameter(after).then_some(&*name))?;
        if distance_to_marker(head) > 2 {
            return None;
        }
        Error::invalid("text looks like a reference without its parentheses").with_help(SPELLING)
    };
    Some((at..at + sign.len_utf8() + length, error))
}

/// Checks the word before a bracket: a reference without its `@`.
fn without_at(text: &str, at: usize) -> Option<(Range<usize>, Error)> {
    let before = text[..at].trim_end_matches(is_invisible);
    let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_') || is_invisible(*c);
    let head: Vec<char> = before.chars().rev().take(MAX_HEAD).take_while(is_part).collect();
    if head.len() < "KeyVault".len() - 2 || !begins_with_parameter(&text[at..]) {
        return None;
    }
    let start = before.len() - head.iter().map(|c| c.len_utf8()).sum::<usize>();
    let name = letters(&head.into_iter().rev().collect::<String>());
    let is_near = name.ends_with("keyvault") || distance_to_marker(&name) <= 2;
    let error = || Error::invalid("text looks like a reference without @").with_help(SPELLING);
    (is_near && !text[..start].ends_with(['@', '＠'])).then(|| (start..at, error()))
}

/// More letters than any misspelt `Microsoft.KeyVault`, with a parameter.
const MAX_HEAD: usize = 48;

/// Returns how many letters differ between a name, in lower case, and the closest name of a reference.
fn distance_to_marker(name: &str) -> usize {
    ["keyvault", "microsoftkeyvault"].into_iter().map(|marker| edit_distance(name, marker)).min().unwrap_or(usize::MAX)
}

/// Returns the letters and digits of a name, in lower case and in ASCII where they only look different.
fn letters(name: &str) -> String {
    let ascii = |c: char| match c {
        'Ａ'..='Ｚ' | 'ａ'..='ｚ' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    name.chars().map(ascii).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

const PARAMETERS: [&str; 5] = ["secretname", "secreturi", "secretversion", "vaultname", "vaulturi"];

/// Returns whether a parameter of a reference follows some punctuation.
fn begins_with_parameter(text: &str) -> bool {
    let is_punctuation = |c: char| {
        c.is_whitespace()
            || is_invisible(c)
            || is_bracket(c)
            || matches!(c, '\\' | '"' | '\'' | ':' | '=' | '/' | ',' | ';')
    };
    let mut letters = text.chars().take(MAX_HEAD).skip_while(|c| is_punctuation(*c));
    let head: String = letters.by_ref().filter(|c| !is_invisible(*c)).collect::<String>().to_ascii_lowercase();
    let names_parameter = |parameter: &&str| {
        let after = head.strip_prefix(*parameter);
        after.is_some_and(|after| after.trim_start_matches([' ', '\\', '"', '\'']).starts_with(['=', ':']))
    };
    head.starts_with("https://") && head.contains(".vault.") || PARAMETERS.iter().any(names_parameter)
}

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | '[' | '{' | '<' | '（' | '［' | '｛')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_found_with_what_was_meant() {
        const URL: &str = "https://contoso.vault.azure.net/secrets/canary";
        for (text, clause) in [
            ("@Microsoft.KeyVaults(SecretName=canary)", "misspelt"),
            ("@Microsft.KeyVault(SecretName=canary)", "misspelt"),
            ("@Microsoft.KeyVaul(SecretName=canary)", "misspelt"),
            ("@Microsoft.KeyVualt(SecretName=canary)", "misspelt"),
            ("@Mircosoft.KeyVault(SecretName=canary)", "misspelt"),
            ("@KeyVualt(SecretName=canary)", "misspelt"),
            ("@KeyVaults(canary)", "misspelt"),
            ("@Microsoft-KeyVault(SecretName=canary)", "misspelt"),
            ("@Microsoft.Key Vault(SecretName=canary)", "misspelt"),
            ("@MicrosoftKeyVault(SecretName=canary)", "misspelt"),
            ("@Azure.KeyVault(SecretName=canary)", "misspelt"),
            ("@ Microsoft.KeyVault(SecretName=canary)", "misspelt"),
            ("@Microsoft.KeyVaultSecret(SecretName=canary)", "misspelt"),
            ("@KV(SecretName=canary)", "misspelt"),
            ("x=@Microsft.KeyVault(SecretName=canary);y=1", "misspelt"),
            ("@Microsoft.KeyVault[SecretName=canary]", "other brackets"),
            ("@Microsoft.KeyVault{SecretName=canary}", "other brackets"),
            ("@KeyVault<canary>", "other brackets"),
            ("@Microsoft.KeyVault（SecretName=canary）", "other brackets"),
            ("Microsoft.KeyVault(SecretName=canary)", "without @"),
            ("KeyVault( SecretName = canary )", "without @"),
            ("$Microsoft.KeyVault(SecretUri=canary)", "without @"),
            ("%40Microsoft.KeyVault(SecretUri=canary)", "without @"),
            ("@Microsoft.KeyVault SecretName=canary", "without its parentheses"),
            ("@Microsoft.KeyVault:SecretName=canary", "without its parentheses"),
            ("@Microsoft.KeyVault\u{200b}(SecretName=canary)", "invisible"),
            ("@\u{200b}Microsoft.KeyVault(SecretName=canary)", "invisible"),
            ("@Microsoft\u{feff}.KeyVault(SecretName=canary)", "invisible"),
            ("@Microsoft\u{a0}.KeyVault(SecretName=canary)", "invisible"),
            ("＠Microsoft.KeyVault(SecretName=canary)", "invisible"),
            ("\u{feff}@KeyVault(SecretName=canary)", "invisible"),
            ("\u{a0}@KeyVault(SecretName=canary)", "invisible"),
            ("@KeyVault(SecretName=canary)\u{200b}", "invisible"),
            ("\"@KeyVault(SecretName=canary)\"", "quotation marks"),
            ("'@KeyVault(SecretName=canary)'", "quotation marks"),
            ("\\\"@KeyVault(SecretName=canary)\\\"", "quotation marks"),
            (" '\"@KeyVault(SecretName=canary)\"' \n", "quotation marks"),
            ("“@KeyVault(SecretName=canary)”", "quotation marks"),
            ("\"@KeyVault(SecretName=canary\"", "quotation marks"),
            ("@KeyVault(SecretName=canary))", "bracket too many"),
            (" @Microsoft.KeyVault(SecretName=canary) }\n", "bracket too many"),
        ] {
            let found = Template::near_misses(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            let (range, error) = &found[0];
            assert!(error.to_string().contains(clause), "{text}: {error}");
            assert!(error.advice().is_some(), "{text}");
            assert!(!error.report().contains("canary"), "{text}: {error}");
            assert!(text.get(range.clone()).is_some_and(|piece| !piece.is_empty()), "{text}: {range:?}");
        }
        for text in [format!("@Microsft.KeyVault({URL})"), format!("Microsoft.KeyVault({URL})")] {
            assert_eq!(Template::near_misses(&text).len(), 1, "{text}");
        }
    }

    #[test]
    fn ordinary_values_are_not_near_misses() {
        for text in [
            "",
            "@",
            "p@ssw0rd(1)",
            "p@ss[word]{1}<2>",
            "user@keyvault.example",
            "ann.keyvault@contoso.example",
            "ann@contoso.example (key vault)",
            "<ann@contoso.example>",
            "@keyvault",
            "ask @keyvault-team about it",
            "ask @contoso-keyvault (on call)",
            "ask @keyvaults (on call)",
            "The key vault (SecretName) holds the password.",
            "the Key Vault has a SecretName=value syntax",
            "see Microsoft.KeyVault/vaults/contoso",
            "/subscriptions/0/providers/Microsoft.KeyVault/vaults/contoso",
            "https://contoso.vault.azure.net/secrets/db",
            "SecretName=db;VaultName=contoso",
            "VaultName=contoso",
            "{\"SecretName\": \"db\", \"keyVault\": {\"name\": \"contoso\"}}",
            "keyVaultName(contoso)",
            "getKeyVault(name)",
            "@keyframes {from {top: 0}}",
            "@media (max-width: 100px)",
            "@Value(\"${db.password}\")",
            "@Configuration(prefix=\"db\")",
            "postgres://app:p@ss@db/shop",
            "git@github.com:contoso/keyvault.git",
            "npm install @azure/keyvault-secrets",
            "@azure/keyvault-secrets@4.7.0 (latest)",
            "@KeyVault(SecretName=db)",
            "a @Microsoft.KeyVault(SecretName=db) b",
            "(@KeyVault(SecretName=db))",
            "@KeyVault(SecretName=db)@KeyVault(SecretName=db2))",
            "\"a @KeyVault(SecretName=db)\"",
            "Password=\"@KeyVault(SecretName=db)\";",
            "@@KeyVault(SecretName=db)",
            "@@Microsoft.KeyVault[text]",
            "@KeyVault(",
            "#{DbPassword}#",
            "ü@€(x)",
            "Tr0ub4dor&3@(SecretSauce)",
        ] {
            let found = Template::near_misses(text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}
