//! A stand-in for the crate's origins: keys with the versions of their secrets.

#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<(&'static str, u32)>);

impl Origins {
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let differs = |(key, version): &&(&str, u32)| !self.0.contains(&(*key, *version));
        other.0.iter().filter(differs).map(|(key, _)| (*key).to_owned()).collect()
    }
}
