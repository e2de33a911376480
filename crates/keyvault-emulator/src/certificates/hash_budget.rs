//! The limit of the work that one container can cause.

/// The number of hashes that may still be computed to open a container.
pub(super) struct HashBudget(u64);

impl HashBudget {
    /// Creates a budget.
    pub(super) fn of(hashes: u64) -> Self {
        Self(hashes)
    }

    /// Takes the derivation of a key. `None` if it exceeds the budget, or has no iteration. `input` is the number of
    /// bytes of the password and the salt, which the first iteration hashes, and `output` that of the key.
    pub(super) fn spend(&mut self, iterations: u32, input: usize, output: usize) -> Option<()> {
        let first = input.div_ceil(SHORTEST_BLOCK);
        let hashes = u64::from(iterations).checked_add(u64::try_from(first).ok()?)?;
        let derivations = u64::try_from(output.div_ceil(SHORTEST_HASH)).ok()?;
        self.0 = self.0.checked_sub(hashes.checked_mul(derivations)?)?;
        (iterations > 0).then_some(())
    }
}

/// The budget of an import, which takes some seconds.
pub(super) const MAX_HASHES: u64 = 8_000_000;

/// Bytes of input and output of SHA-1. Other hashes have at least as many.
const SHORTEST_BLOCK: usize = 64;
const SHORTEST_HASH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivations_of_a_container_share_one_budget() {
        for (derivations, fits) in [
            (vec![(8_000_000, 0, 20)], true),
            (vec![(8_000_001, 0, 20)], false),
            (vec![(4_000_000, 0, 20), (4_000_000, 0, 20)], true),
            (vec![(4_000_000, 0, 20), (4_000_000, 0, 20), (1, 0, 20)], false),
            (vec![(4_000_000, 0, 32)], true),
            (vec![(4_000_001, 0, 32)], false),
            (vec![(1, 1 << 20, 20); 400], true),
            (vec![(1, 1 << 20, 20); 500], false),
            (vec![(0, 0, 20)], false),
            (vec![(u32::MAX, usize::MAX, 20)], false),
        ] {
            let mut budget = HashBudget::of(MAX_HASHES);
            let spend = |&(iterations, input, output)| budget.spend(iterations, input, output).is_some();
            assert_eq!(derivations.iter().all(spend), fits, "{:?}, {} times", derivations[0], derivations.len());
        }
    }
}
