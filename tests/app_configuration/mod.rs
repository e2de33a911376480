//! App Configuration: the client, and the layer.

mod conditions;
mod confinement;
mod deadlines;
mod key_values;
mod layer;
mod lists;
mod refusals;
mod requests;
mod snapshots;
mod store_layer;

use std::sync::Arc;

use keyvault_appconfig::AppConfigurationClient;
use keyvault_emulator::Emulator;
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::FakeTransport;

/// Starts an emulator, with a client that signs its requests and reaches it without a socket.
async fn store() -> (Arc<Emulator>, Arc<FakeTransport>, AppConfigurationClient) {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let wire = transport_to(&emulator);
    let connection_string = emulator.app_configuration("").connection_string();
    let client = AppConfigurationClient::from_connection_string(&connection_string).client_options(wire.options());
    (emulator, wire, client.build().unwrap())
}

/// Returns a client that signs its requests and sends them to `wire`.
fn client(wire: &Arc<FakeTransport>) -> AppConfigurationClient {
    let text = format!("Endpoint={ENDPOINT};Id=id;Secret={SECRET}");
    AppConfigurationClient::from_connection_string(&text).client_options(wire.options()).build().unwrap()
}

const ENDPOINT: &str = "https://contoso.azconfig.io";
const SECRET: &str = "c2VjcmV0LWNhbmFyeQ==";
