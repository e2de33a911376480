//! A service under load: its key rotates hundreds of times while its vault fails in every way the emulator can.
//!
//! The real client runs over a transport in this process, on a virtual clock. Two keys are valid at any time, as in a
//! storage account: a rotation replaces the older one, and the newer stays valid until the next rotation. These
//! invariants hold:
//!
//! * no request is refused: a correct client has the newer key long before the older one is replaced;
//! * no reader gets a key that was replaced longer than [`BOUND`] ago while the vault was available all that time;
//! * every change of the settings has a notice with the keys that differ, and every notice has a change.

mod operator;
mod server;
mod service;

use std::time::Duration;

use self::operator::Operator;
use self::server::Server;
use self::service::Service;

#[test]
fn a_service_under_load_serves_every_request_through_hundreds_of_rotations_and_every_fault() {
    fastrand::seed(7);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let server = Server::open();
        let operator = Operator::hire(&server).await;
        let service = Service::start(&operator, &server).await;
        operator.work(&service).await;
        let notices = service.end().await;
        println!("{notices}, {}", server.tally());
        let served = server.tally();
        assert_eq!(served.refused, 0, "{notices}");
        assert!(served.served > 20_000 && notices.rotations >= ROTATIONS && notices.failures > ROTATIONS, "{notices}");
        assert_eq!(notices.changes, notices.generations, "{notices}");
    });
}

const ROTATIONS: u32 = 200;

/// The refresh interval of the service.
const INTERVAL: Duration = Duration::from_secs(60);
/// The refresh deadline of the service.
const DEADLINE: Duration = Duration::from_secs(20);
/// The longest pause after a failure: the interval plus a quarter.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(75);

/// The longest time that a replaced key may be read, counted from the recovery of the vault.
///
/// A refresh that begins during the fault runs to its deadline, the longest pause follows, and the next refresh may
/// wait for the cool-off of the vault, up to its own deadline. An interval plus a tenth is shorter.
const BOUND: Duration = Duration::from_secs(2 * DEADLINE.as_secs() + LONGEST_BACK_OFF.as_secs());

/// The longest duration of a fault.
const LONGEST_FAULT: Duration = Duration::from_secs(240);
