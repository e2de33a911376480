//! A service under load, whose key rotates hundreds of times while its vault fails in every way that the emulator can.
//!
//! The real client over a transport in this process, on a virtual clock. There are always two valid keys, as a storage
//! account has them: whoever rotates replaces the older one, and the newer goes on being valid until the next rotation. What
//! must hold:
//!
//! * no request is refused: a correct client has the newer key long before the older is replaced;
//! * nobody reads a key that was replaced longer than [`BOUND`] ago while the vault was well all that time;
//! * every change of the settings is told, with the keys that differ, and nothing is told without a change.

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
        let story = service.end().await;
        println!("{story}, {}", server.tally());
        let served = server.tally();
        assert_eq!(served.refused, 0, "{story}");
        assert!(served.served > 20_000 && story.rotations >= ROTATIONS && story.failures > ROTATIONS, "{story}");
        assert_eq!(story.changes, story.generations, "{story}");
    });
}

const ROTATIONS: u32 = 200;

/// How often the service asks its vault by itself.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long it lets one refresh take.
const DEADLINE: Duration = Duration::from_secs(20);
/// The longest pause after a failure: the interval, and a quarter of it.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(75);

/// How long after it was replaced a key may be read, counted from when the vault was well again.
///
/// A refresh that began in the fault runs to its deadline, the pause after it is the longest, and the next refresh may wait
/// until the vault has cooled off, which is within its own deadline. An interval with its tenth is shorter than that.
const BOUND: Duration = Duration::from_secs(2 * DEADLINE.as_secs() + LONGEST_BACK_OFF.as_secs());

/// The longest that a fault lasts.
const LONGEST_FAULT: Duration = Duration::from_secs(240);
