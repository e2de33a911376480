//! The variables by which a command finds the emulator, trusts it and signs in to it.

use std::env;
use std::path::Path;

use keyvault_emulator::Emulator;

use super::ca_bundle::BUNDLE_VARIABLES;

/// Returns the variables. `bundle` holds the certificate authorities to trust, and `store` is the name of the App
/// Configuration store, if the command uses one.
pub(super) fn variables(emulator: &Emulator, bundle: &Path, store: Option<&str>) -> Vec<(&'static str, String)> {
    let bundle = bundle.to_string_lossy();
    let no_proxy = no_proxy();
    let mut variables = vec![
        ("KEYVAULT_VAULT", emulator.vault_url().to_owned()),
        ("KEYVAULT_EMULATOR_CONTROL", emulator.control_url()),
        ("IDENTITY_ENDPOINT", emulator.identity_endpoint()),
        ("IDENTITY_HEADER", emulator.identity_header().to_owned()),
        // The SDKs ask Microsoft whether AZURE_AUTHORITY_HOST is an authority before they send it the client secret,
        // unless the code disables that. The default credential must not depend on the answer.
        ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential".to_owned()),
        ("AZURE_AUTHORITY_HOST", emulator.authority_url().to_owned()),
        ("AZURE_TENANT_ID", emulator.tenant_id().to_owned()),
        ("AZURE_CLIENT_ID", emulator.client_id().to_owned()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret().to_owned()),
        // Some programs read one spelling, some the other.
        ("NO_PROXY", no_proxy.clone()),
        ("no_proxy", no_proxy),
    ];
    if let Some(name) = store {
        let store = emulator.app_configuration(name);
        variables.push(("KEYVAULT_APP_CONFIGURATION", store.endpoint()));
        // The names in Microsoft's quickstarts.
        variables.push(("AZURE_APPCONFIG_ENDPOINT", store.endpoint()));
        variables.push(("AZURE_APPCONFIG_CONNECTION_STRING", store.connection_string()));
    }
    variables.extend(BUNDLE_VARIABLES.map(|name| (name, bundle.clone().into_owned())));
    variables
}

/// Returns the hosts that the command reaches without a proxy: this machine, and those of our environment.
fn no_proxy() -> String {
    let inherited = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| env::var(name).ok());
    match inherited.filter(|hosts| !hosts.trim().is_empty()) {
        Some(hosts) => format!("{hosts},127.0.0.1,localhost"),
        None => "127.0.0.1,localhost".to_owned(),
    }
}
