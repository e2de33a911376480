//! Connections in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use keyvault::certificate::Certificate;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

/// The two ends of a connection after its handshake.
pub(super) type Connection = (ClientConnection, ServerConnection);

/// Connects in memory.
pub(super) fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<Connection, rustls::Error> {
    let mut connection = begin(client, server, name)?;
    exchange(&mut connection)?;
    Ok(connection)
}

/// Creates the ends of a connection whose handshake has not begun.
pub(super) fn begin(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<Connection, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Ok((ClientConnection::new(Arc::clone(client), name)?, ServerConnection::new(Arc::clone(server))?))
}

/// Moves bytes between the ends until neither has more.
pub(super) fn exchange(connection: &mut Connection) -> Result<(), rustls::Error> {
    while round(connection)? {}
    Ok(())
}

/// Moves one flight to the server and one back. Returns whether there was any.
pub(super) fn round((client, server): &mut Connection) -> Result<bool, rustls::Error> {
    let is_busy = client.wants_write() || server.wants_write();
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        server.read_tls(&mut rest).unwrap();
        server.process_new_packets()?;
    }
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        client.read_tls(&mut rest).unwrap();
        client.process_new_packets()?;
    }
    Ok(is_busy)
}

/// Sends one byte to the server, and asserts that it arrives.
pub(super) fn send(connection: &mut Connection) {
    connection.0.writer().write_all(b"x").unwrap();
    exchange(connection).unwrap();
    let mut byte = [0];
    connection.1.reader().read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"x");
}

/// Returns the certificate that the server presented.
pub(super) fn of_server(connection: &Connection) -> &[u8] {
    connection.0.peer_certificates().unwrap()[0].as_ref()
}

pub(super) fn leaf(certificate: &Certificate) -> &[u8] {
    certificate.rustls_chain()[0].as_ref()
}

/// Returns the certificate that the client presented.
pub(super) fn of_client(connection: &Connection) -> &[u8] {
    connection.1.peer_certificates().unwrap()[0].as_ref()
}
