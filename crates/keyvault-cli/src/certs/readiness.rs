//! The notification of [systemd](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html).

/// Notifies the service manager that the service is ready, if its unit has `Type=notify`. A failure is printed, and
/// changes nothing else.
#[cfg(target_os = "linux")]
pub(super) fn notify() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address));
    if let Err(error) = sent {
        eprintln!("keyvault: NOTIFY_SOCKET: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn notify() {}
