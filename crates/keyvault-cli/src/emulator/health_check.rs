//! Whether an emulator responds: the health check of a container, which has no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::failure::Failure;

/// Asks the emulator whose plain listener has this address for its clock. Takes at most three seconds for each step.
pub(super) fn run(http: SocketAddr) -> Result<ExitCode, Failure> {
    if http.port() == 0 {
        return Err(Failure::usage(
            "--health-check needs the address of the emulator in --http or KEYVAULT_EMULATOR_HTTP",
        ));
    }
    match status_line(http) {
        Ok(line) if line == OK => Ok(ExitCode::SUCCESS),
        Ok(_) => Err(unhealthy(http, "another server responds")),
        Err(error) => Err(unhealthy(http, &error.to_string())),
    }
}

fn unhealthy(http: SocketAddr, cause: &str) -> Failure {
    Failure::Other { text: format!("no emulator responds at {http}: {cause}"), code: 1 }
}

/// Returns the beginning of the response.
fn status_line(http: SocketAddr) -> io::Result<[u8; OK.len()]> {
    let mut stream = TcpStream::connect_timeout(&http, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /_emulator/clock HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\n\r\n")?;
    let mut line = [0; OK.len()];
    stream.read_exact(&mut line)?;
    Ok(line)
}

const OK: [u8; 12] = *b"HTTP/1.1 200";
const TIMEOUT: Duration = Duration::from_secs(3);
