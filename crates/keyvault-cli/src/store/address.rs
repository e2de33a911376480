//! The store that the user named.

use keyvault::secret::ParseError;
use keyvault_appconfig::client::AppConfigurationClientBuilder;
use keyvault_appconfig::{AccessKey, AppConfigurationClient, ConnectionString, Endpoint};

use crate::failure::Failure;
use crate::vault::ConnectionArguments;

/// The endpoint of a store, and the access key of a connection string.
pub(crate) struct StoreAddress {
    pub(crate) endpoint: Endpoint,
    access_key: Option<AccessKey>,
}

impl StoreAddress {
    /// Parses what people paste for a store: its name in Azure, its host, its endpoint or its connection string. An
    /// error never repeats the text.
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        if text.contains(['=', ';']) {
            let parsed = ConnectionString::parse(text)?;
            return Ok(Self { endpoint: parsed.endpoint().clone(), access_key: Some(parsed.access_key().clone()) });
        }
        let is_name = !text.contains(['/', ':', '.']);
        let text = text.strip_prefix("//").unwrap_or(text);
        let url = match text.contains("://") {
            true => text.to_owned(),
            false if is_name => format!("https://{text}.azconfig.io"),
            false => format!("https://{text}"),
        };
        Ok(Self { endpoint: Endpoint::parse(&url)?, access_key: None })
    }

    /// Returns whether requests need a token, because there is no access key.
    pub(crate) fn needs_credential(&self) -> bool {
        self.access_key.is_none()
    }

    /// Creates a client builder with the access key or a credential.
    ///
    /// `KEYVAULT_TOKEN` is a token for vaults, which a store refuses, so it does not receive it.
    pub(crate) fn client_builder(
        &self,
        connection: &ConnectionArguments,
    ) -> Result<AppConfigurationClientBuilder, Failure> {
        let builder = AppConfigurationClient::builder(self.endpoint.origin()).timeout(connection.timeout());
        let builder = match &self.access_key {
            Some(access_key) => builder.access_key(access_key.clone()),
            None => builder.credential(connection.credential.chain()?),
        };
        Ok(match connection.certificate_authority()? {
            None => builder,
            Some(pem) => builder.certificate_authority(pem),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_accepted_as_people_paste_it() {
        for (text, origin) in [
            ("contoso", "https://contoso.azconfig.io"),
            ("contoso.azconfig.io", "https://contoso.azconfig.io"),
            ("//contoso.azconfig.io/", "https://contoso.azconfig.io"),
            ("https://contoso.azconfig.io/", "https://contoso.azconfig.io"),
            ("contoso.azconfig.azure.us", "https://contoso.azconfig.azure.us"),
            ("localhost:8443", "https://localhost:8443"),
            ("Endpoint=https://contoso.azconfig.io;Id=a;Secret=Y2FuYXJ5", "https://contoso.azconfig.io"),
        ] {
            let address = StoreAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.endpoint.origin(), origin, "{text}");
            assert_eq!(address.needs_credential(), !text.contains("Secret"), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for text in [
            "canary name",
            "canary@",
            "http://canary.azconfig.io",
            "https://canary.vault.azure.net",
            "canary.azconfig.io.evil.example",
            "https://canary.azconfig.io/kv",
            "Secret=canary",
            "Endpoint=https://contoso.azconfig.io;Id=canary;Secret=canary!",
            "Id=canary;Secret=Y2FuYXJ5",
        ] {
            let Err(error) = StoreAddress::parse(text) else { panic!("{text}") };
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}: {error:?}");
        }
    }
}
