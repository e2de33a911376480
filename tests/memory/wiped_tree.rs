//! A framework that keeps no copies: its tree is one string, wiped on drop.

use std::time::Duration;

use keyvault::settings::{ConfigValue, Key, MappedSecrets, Mismatch, Resolved, Tree};
use keyvault::{InMemory, Layers, Live, LiveBuilder, SealedSnapshot};
use serde::de::value::{self, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use zeroize::Zeroizing;

struct Line(Zeroizing<String>);

impl Tree for Line {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Ok(vec![ConfigValue::text(Key::root().member("line"), "a test", self.0.as_str())])
    }

    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        let text = resolved.into_iter().find_map(|(_, text)| text);
        Ok(text.map_or(self, |text| Self(Zeroizing::new(text.expose_secret().to_owned()))))
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        let text: StrDeserializer<'_, value::Error> = self.0.as_str().into_deserializer();
        T::deserialize(text).map_err(|_| Mismatch::new("not valid"))
    }
}

fn builder(vault: &InMemory) -> LiveBuilder<impl Layers> {
    let layers = |_: &MappedSecrets| Ok(Line(Zeroizing::new("@KeyVault(SecretName=a)".to_owned())));
    LiveBuilder::new(vault.clone(), layers).references_only().minimum_failure_delay(Duration::ZERO)
}

pub(crate) async fn settings(vault: &InMemory) -> Live<Zeroizing<String>> {
    builder(vault).start().await.unwrap()
}

pub(crate) async fn sealed_settings(vault: &InMemory, sealed: SealedSnapshot) -> Live<Zeroizing<String>> {
    builder(vault).sealed(sealed).start().await.unwrap()
}
