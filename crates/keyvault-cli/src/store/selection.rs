//! One `--select`.

use keyvault_appconfig::{NO_LABEL, Selector};

/// Parses `KEY` or `KEY@LABEL`. The label begins after the last `@`; an empty one, and `\0` as in the Azure CLI, means
/// no label.
pub(super) fn parse(text: &str) -> Result<Selector, String> {
    let (key, label) = text.rsplit_once('@').unwrap_or((text, ""));
    let label = if matches!(label, "" | "\\0") { NO_LABEL } else { label };
    let selector = Selector::new(key, label);
    selector.check().map_err(|error| match error.help() {
        Some(help) => format!("{error}: {help}"),
        None => error.to_string(),
    })?;
    if !selector.has_one_label() {
        return Err("it matches several labels: select once for each, the later one wins".to_owned());
    }
    Ok(selector)
}

/// Returns the choice without a `--select`: all key-values without a label.
pub(super) fn all_without_label() -> Selector {
    Selector::new("*", NO_LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_the_last_at_sign() {
        for (text, shown) in [
            ("*", "key filter *, no label"),
            ("shop:*", "key filter shop:*, no label"),
            ("shop:*@prod", "key filter shop:*, label prod"),
            ("a@b@prod", "key filter a@b, label prod"),
            ("a@b@", "key filter a@b, no label"),
            ("shop:*@\\0", "key filter shop:*, no label"),
            ("a,b@prod", "key filter a,b, label prod"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_malformed_selection_is_refused() {
        for text in ["", "@prod", "a*b", "a,b*", "a\\", "a,b,c,d,e,f", "*@*", "*@a,b", "*@p*"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
