//! In the place of the crate's origins: which version each of some keys has.

#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<(&'static str, u32)>);

impl Origins {
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let differs = |(key, version): &&(&str, u32)| !self.0.contains(&(*key, *version));
        other.0.iter().filter(differs).map(|(key, _)| (*key).to_owned()).collect()
    }
}
