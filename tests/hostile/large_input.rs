//! The cost of text from outside is linear in its size.

use std::time::{Duration, Instant};

use keyvault::Template;
use keyvault_fuzz_entries::ENTRIES;

/// A debug build on a busy machine needs a second. A quadratic parser would need many minutes.
const SOON: Duration = Duration::from_secs(60);
const SIZE: usize = 512 << 10;

fn in_time(what: &str, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
}

#[test]
fn half_a_megabyte_of_hostile_text_is_parsed_soon() {
    for piece in
        ["@KeyVault(", "@", "@KeyVault(SecretName=a;", "[", "{\"a\":", "\"a\",", "Bearer a=\"", "\\\"", "a=b,", "((("]
    {
        let text = piece.repeat(SIZE / piece.len());
        // The settings of the others are parsed by their frameworks first.
        for (name, entry) in ENTRIES.iter().filter(|(name, _)| *name != "settings") {
            in_time(&format!("{name}: {piece}"), || entry(text.as_bytes()));
        }
        in_time(&format!("near-misses: {piece}"), || _ = Template::near_misses(&text));
    }
    for piece in
        ["KeyVault(", "@KeyVaults(", "\u{200b}@", "@\\", "@Microsoft.KeyVault SecretName", "KeyVault[SecretName="]
    {
        let text = piece.repeat(SIZE / piece.len());
        in_time(&format!("near-misses: {piece}"), || _ = Template::near_misses(&text));
    }
}
