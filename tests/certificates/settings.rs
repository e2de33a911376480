//! Settings take certificates by name and by reference, from whatever form the vault has.

use std::time::Duration;

use config::{Config, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::certificate::Certificate;
use keyvault::live::Current;
use keyvault::{InMemory, Layers, Live, LiveBuilder, NameMap, OpenJson, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::openssl::{Openssl, P256};

/// Starts settings with both frameworks, from a vault and a file.
async fn start<T: DeserializeOwned + Send + Sync + 'static>(
    vault: &InMemory,
    file: &'static str,
) -> [Result<Live<T>>; 2] {
    let config = move || Config::builder().add_source(config::File::from_str(file, FileFormat::Toml));
    let figment = move || Figment::from(Toml::string(file));
    [
        begin(keyvault_config::layered(vault.clone(), config)).await,
        begin(keyvault_figment::layered(vault.clone(), figment)).await,
    ]
}

async fn begin<T: DeserializeOwned + Send + Sync + 'static>(builder: LiveBuilder<impl Layers>) -> Result<Live<T>> {
    builder.minimum_failure_delay(Duration::ZERO).start().await
}

fn vault() -> InMemory {
    InMemory::new("https://contoso.vault.azure.net".parse().unwrap())
}

/// Returns a certificate in the forms of a vault.
fn forms(openssl: &Openssl) -> Vec<String> {
    let pem = openssl.text("leaf.key") + &openssl.text("leaf.pem") + &openssl.text("middle.pem");
    let open = azure_core::base64::encode(openssl.container("a.pfx", &["-passout", "pass:"]));
    let closed = azure_core::base64::encode(openssl.container("b.pfx", &["-passout", "pass:geheim"]));
    vec![pem, open, format!(r#"{{"data":"{closed}","dataType":"pfx","password":"geheim"}}"#)]
}

#[derive(Debug, Deserialize)]
struct Typed {
    tls: Certificate,
    other: Option<Certificate>,
}

#[tokio::test]
async fn a_field_of_the_type_takes_every_form_by_name_and_by_reference() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    for form in forms(&openssl) {
        let vault = vault();
        vault.set("tls", form.clone()).unwrap();
        for live in start::<Typed>(&vault, "other = '@KeyVault(SecretName=tls)'").await {
            let settings = Current::to_arc(&live.unwrap().current());
            for certificate in [&settings.tls, settings.other.as_ref().unwrap()] {
                assert_eq!(certificate.thumbprint(), openssl.fingerprint("leaf", "-sha1"), "{form}");
            }
        }
    }
}

#[tokio::test]
async fn a_secret_whose_json_is_opened_is_still_a_certificate() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let vault = vault();
    vault.set("tls", forms(&openssl).pop().unwrap()).unwrap();
    let names = || NameMap::new().open_json(OpenJson::new());
    let config = keyvault_config::layered(vault.clone(), Config::builder).names(names()).start::<Typed>().await;
    let figment = keyvault_figment::layered(vault, Figment::new).names(names()).start::<Typed>().await;
    for live in [config, figment] {
        assert_eq!(live.unwrap().current().tls.thumbprint(), openssl.fingerprint("leaf", "-sha1"));
    }
}

#[tokio::test]
async fn a_container_and_its_password_may_be_two_secrets() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let closed = azure_core::base64::encode(openssl.container("a.pfx", &["-passout", "pass:geheim"]));
    let by_reference = vault();
    by_reference.set("pfx", closed.clone()).unwrap();
    by_reference.set("pfx-password", "geheim").unwrap();
    let by_name = vault();
    by_name.set("tls--data", closed).unwrap();
    by_name.set("tls--password", "geheim").unwrap();
    let file = "
        [tls]
        data = '@KeyVault(SecretName=pfx)'
        password = '@KeyVault(SecretName=pfx-password)'";
    for (vault, file, password) in [(by_reference, file, "pfx-password"), (by_name, "", "tls--password")] {
        for live in start::<Typed>(&vault, file).await {
            let live = live.unwrap();
            assert_eq!(live.current().tls.thumbprint(), openssl.fingerprint("leaf", "-sha1"));
            // A new password without the container that it belongs to.
            vault.set(password, "geheim2").unwrap();
            let error = format!("{:?}", live.refresh_now().await.unwrap_err());
            assert!(
                error.contains("tls") && error.contains("password of the certificate is missing or wrong"),
                "{error}"
            );
            assert!(!error.contains("geheim"), "{error}");
            assert_eq!(live.current().tls.thumbprint(), openssl.fingerprint("leaf", "-sha1"));
            vault.set(password, "geheim").unwrap();
        }
    }
}

#[tokio::test]
async fn a_table_may_have_other_members_of_any_type() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let vault = vault();
    vault.set("pfx", azure_core::base64::encode(openssl.container("a.pfx", &["-passout", "pass:geheim"]))).unwrap();
    vault.set("password", "geheim").unwrap();
    let file = "
        [tls]
        Data = '@KeyVault(SecretName=pfx)'
        password = '@KeyVault(SecretName=password)'
        port = 443
        names = ['shop.example']
        since = { year = 2026, is_exact = true }";
    for live in start::<Typed>(&vault, file).await {
        assert_eq!(live.unwrap().current().tls.thumbprint(), openssl.fingerprint("leaf", "-sha1"));
    }
}

#[tokio::test]
async fn a_content_type_leads_nothing_astray() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    for form in forms(&openssl) {
        for content_type in [
            None,
            Some("application/x-pkcs12"),
            Some("application/x-pem-file"),
            Some("application/json"),
            Some("text/plain; charset=utf-8"),
            Some("renewed by Anna"),
        ] {
            let vault = vault();
            vault.set_with("tls", form.clone(), |it| it.set_content_type(content_type.map(str::to_owned))).unwrap();
            for live in start::<Typed>(&vault, "other = '@KeyVault(SecretName=tls)'").await {
                let thumbprint = live.unwrap().current().tls.thumbprint().to_owned();
                assert_eq!(thumbprint, openssl.fingerprint("leaf", "-sha1"), "{content_type:?}");
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Texts {
    pem: String,
    key: String,
    chain: String,
    pfx: String,
}

#[tokio::test]
async fn a_reference_converts_every_form() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    for form in forms(&openssl) {
        let vault = vault();
        vault.set("shop-tls", form.clone()).unwrap();
        let file = "
            pem = '@KeyVault(SecretName=shop-tls;Format=pem)'
            key = '@KeyVault(SecretName=shop-tls;Format=KEY)'
            chain = '@KeyVault(SecretName=shop-tls;Format=chain)'
            pfx = '@KeyVault(SecretName=shop-tls;Format=pfx)'";
        let certificate = Certificate::from_bytes(&form).unwrap();
        for live in start::<Texts>(&vault, file).await {
            let texts = Current::to_arc(&live.unwrap().current());
            assert_eq!(texts.pem, *certificate.pem());
            assert_eq!(texts.key, *certificate.key_pem());
            assert_eq!(texts.chain, certificate.chain_pem());
            assert_eq!(azure_core::base64::decode(&texts.pfx).unwrap(), *certificate.pfx());
        }
    }
}

#[tokio::test]
async fn an_error_names_the_setting_the_secret_and_the_problem() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    openssl.key("other", P256);
    let foreign = openssl.text("other.key") + &openssl.text("leaf.pem");
    let vault = vault();
    vault.set("tls", foreign.clone()).unwrap();
    vault.set("broken", foreign.clone()).unwrap();
    let by_name = start::<Typed>(&vault, "").await;
    let by_reference = start::<Typed>(&vault, "tls = '@KeyVault(SecretName=broken)'").await;
    let by_format = start::<Typed>(&vault, "tls = '@KeyVault(SecretName=broken;Format=pem)'").await;
    for (live, secret) in by_name
        .into_iter()
        .map(|it| (it, "tls"))
        .chain(by_reference.into_iter().chain(by_format).map(|it| (it, "broken")))
    {
        let error = live.unwrap_err();
        let shown = format!("{error:?}");
        assert_eq!(error.setting(), Some("tls"), "{shown}");
        assert!(shown.contains(secret) && shown.contains("in contoso"), "{shown}");
        assert!(shown.contains("private key does not belong to the certificate"), "{shown}");
        assert!(!foreign.lines().any(|line| line.len() > 20 && shown.contains(line)), "{shown}");
    }
    for live in start::<Typed>(&vault, "tls = '@KeyVault(SecretName=broken;Format=jks)'").await {
        let error = live.unwrap_err();
        assert!(error.to_string().contains("reference parameter 2, Format: format is unknown"), "{error}");
    }
}

#[tokio::test]
async fn a_bad_renewal_keeps_the_last_good_certificate() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let good = &forms(&openssl)[0];
    openssl.key("other", P256);
    let vault = vault();
    vault.set("tls", good.clone()).unwrap();
    for live in start::<Typed>(&vault, "").await {
        let live = live.unwrap();
        vault.set("tls", openssl.text("other.key") + &openssl.text("leaf.pem")).unwrap();
        let error = live.refresh_now().await.unwrap_err();
        assert!(error.to_string().contains("private key does not belong"), "{error}");
        assert_eq!(live.current().tls.thumbprint(), openssl.fingerprint("leaf", "-sha1"));
        assert!(live.health().last_error.is_some());
        vault.set("tls", good.clone()).unwrap();
        live.refresh_now().await.unwrap();
    }
}
