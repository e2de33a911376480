//! Settings for both frameworks, and types whose errors contain their input.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::live::Validate;
use keyvault::{Error, InMemory, Layers, Live, LiveBuilder};
pub(super) use keyvault_test_support::framework::{BOTH, Framework};
use keyvault_test_support::{CONTOSO, refusing_types};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, Unexpected};

use super::scan::Scan;

/// The settings of a program with one secret, by reference, and another by name.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) vault: InMemory,
    toml: Arc<str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct One<T> {
    pub(super) value: T,
}

impl Service {
    /// Creates a service whose `value` contains the secret, and whose `named` is the mapped secret.
    pub(super) fn new(scan: &Scan) -> Self {
        Self::with(scan, "value = '@KeyVault(SecretName=password)'")
    }

    pub(super) fn with(scan: &Scan, toml: &str) -> Self {
        let vault = InMemory::new(CONTOSO.parse().unwrap());
        vault.set("password", scan.secret.text()).unwrap();
        vault.set("named", scan.secret.text()).unwrap();
        Self { vault, toml: toml.into() }
    }

    pub(super) async fn start<T>(&self, framework: Framework, hook: impl Validate<T>) -> Result<Live<T>, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let toml = Arc::clone(&self.toml);
        match framework {
            Framework::Config => {
                let layers = move || Config::builder().add_source(File::from_str(&toml, FileFormat::Toml));
                begin(keyvault_config::layered(self.vault.clone(), layers), hook).await
            }
            Framework::Figment => {
                let layers = move || Figment::new().merge(Toml::string(&toml));
                begin(keyvault_figment::layered(self.vault.clone(), layers), hook).await
            }
        }
    }

    /// Resolves once, without a background task.
    pub(super) async fn resolve<T: DeserializeOwned>(&self, framework: Framework, scan: &mut Scan) -> Result<T, Error> {
        match framework {
            Framework::Config => {
                let source = File::from_str(&self.toml, FileFormat::Toml);
                let config = Config::builder().add_source(source).build().unwrap();
                let resolved = keyvault_config::resolve(config, self.vault.clone()).await?;
                scan.shows("config", &resolved);
                scan.report("config", resolved.report());
                scan.shows("config", resolved.origins());
                resolved.extract()
            }
            Framework::Figment => {
                let figment = Figment::new().merge(Toml::string(&self.toml));
                let resolved = keyvault_figment::resolve(figment, self.vault.clone()).await?;
                scan.shows("figment", &resolved);
                scan.report("figment", resolved.report());
                scan.shows("figment", resolved.origins());
                resolved.extract()
            }
        }
    }
}

async fn begin<T, H>(builder: LiveBuilder<impl Layers>, hook: H) -> Result<Live<T>, Error>
where
    T: DeserializeOwned + Send + Sync + 'static,
    H: Validate<T>,
{
    builder.minimum_failure_delay(Duration::ZERO).event_spread(Duration::ZERO).validate(hook).start().await
}

// Types whose errors quote the value, each in its own encoding.
refusing_types! {
    pub(super) InWords: |text| de::Error::custom(format!("bad value {text}"));
    pub(super) AsValue: |text| de::Error::invalid_value(Unexpected::Str(&text), &"something better");
    pub(super) AsBytes: |text| de::Error::invalid_value(Unexpected::Bytes(text.as_bytes()), &"something better");
    pub(super) AsExpected: |text| de::Error::invalid_value(Unexpected::Unit, &Said(text.clone()));
    pub(super) AsDebug: |text| de::Error::invalid_value(Unexpected::Unit, &Said(format!("{text:?}")));
    pub(super) AsList: |text| de::Error::invalid_value(Unexpected::Unit, &Said(format!("{:?}", text.as_bytes())));
    pub(super) AsHex: |text| de::Error::invalid_value(Unexpected::Unit, &Said(text.bytes().map(|byte| format!("{byte:02x}")).collect()));
    pub(super) AsBase64: |text| de::Error::invalid_value(Unexpected::Unit, &Said(azure_core::base64::encode(&text)));
    pub(super) AsBasic: |text| de::Error::invalid_value(Unexpected::Unit, &Said(azure_core::base64::encode(format!("user:{text}"))));
    pub(super) AsUrl: |text| de::Error::invalid_value(Unexpected::Unit, &Said(url::form_urlencoded::byte_serialize(text.as_bytes()).collect()));
    pub(super) AsPart: |text| de::Error::invalid_length(1, &Said(text.chars().take(20).collect()));
    pub(super) AsField: |text| de::Error::unknown_field(&text, &["a"]);
    pub(super) AsVariant: |text| de::Error::unknown_variant(&text, &["a"]);
    pub(super) AsMissing: |text| de::Error::missing_field(Box::leak(text.into_boxed_str()));
    pub(super) AsDuplicate: |text| de::Error::duplicate_field(Box::leak(text.into_boxed_str()));
}

/// Panics with the value and without the panic hook. The payload belongs to the application until it is printed.
#[derive(Debug)]
pub(super) struct AsPanic;

impl<'de> Deserialize<'de> for AsPanic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::panic::resume_unwind(Box::new(String::deserialize(deserializer)?))
    }
}

/// The expectation that a type reports.
struct Said(String);

impl de::Expected for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "anything but {}", self.0)
    }
}

/// A number. For other text, `T` reports the error.
#[derive(Debug)]
pub(super) struct Number<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.parse::<u16>().is_err() {
            T::deserialize(de::value::StringDeserializer::new(text))?;
        }
        Ok(Self(std::marker::PhantomData))
    }
}
