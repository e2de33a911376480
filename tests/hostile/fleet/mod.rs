//! A fleet: thousands of instances share one vault, on a virtual clock.
//!
//! Every instance is the whole crate with its defaults (client, rate limit, resolver, live settings) over a transport
//! to one model vault, so the test measures real decisions and not estimates. A test run has a hundred instances and a
//! smaller vault. `KEYVAULT_FLEET=10000 cargo test --release -p keyvault-tests fleet -- --nocapture` runs the fleet of
//! `docs/fleet.md` and prints the rows of its table.

mod instance;
mod traffic;
mod vault;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use keyvault::SecretId;
use keyvault::push::{SecretEvent, SecretEventKind};
use tokio::time::{Instant, sleep};

use self::instance::Instance;
use self::traffic::Traffic;
use self::vault::FleetVault;

/// A number of instances, and the vault they share.
struct Fleet {
    vault: Arc<FleetVault>,
    size: usize,
    limit: u64,
}

impl Fleet {
    /// A small fleet gets a small limit, so that the limit matters.
    fn new() -> Self {
        let size = env::var("KEYVAULT_FLEET").ok().map_or(100, |size| size.parse().unwrap());
        let limit = (10 * size).min(4_000);
        Self { vault: FleetVault::new(limit), size, limit: limit as u64 }
    }

    /// Starts every instance, at once or spread over `time`, and waits until all are up.
    async fn start(&self, name: &str, deadline: Duration, over: Duration) -> (Vec<Instance>, Traffic) {
        let begun = Instant::now();
        let begin = |n: usize| Instance::begin(Arc::clone(&self.vault), deadline, over * n as u32 / self.size as u32);
        let instances: Vec<_> = (0..self.size).map(|n| tokio::spawn(begin(n))).collect();
        let instances: Vec<Instance> = join_all(instances).await.into_iter().map(Result::unwrap).collect();
        let traffic = self.end(name, begun);
        let mut up: Vec<u64> = instances.iter().map(|instance| (instance.up - begun).as_secs()).collect();
        up.sort();
        let restarts: u32 = instances.iter().map(|instance| instance.restarts).sum();
        let [half, most, all] = [50, 90, 100].map(|part| up[(up.len() * part).div_ceil(100) - 1]);
        println!("up: half after {half} s, 90 % after {most} s, all after {all} s; {restarts} starts failed");
        (instances, traffic)
    }

    /// Advances the clock.
    async fn go_on(&self, name: &str, time: Duration) -> Traffic {
        let begun = Instant::now();
        sleep(time).await;
        self.end(name, begun)
    }

    /// Ends a phase and prints its row of the table.
    fn end(&self, name: &str, begun: Instant) -> Traffic {
        let (took, traffic) = (begun.elapsed(), self.vault.take_traffic());
        println!(
            "| {name} | {} s | {} | {:.1} | {} | {} | {} |",
            took.as_secs(),
            traffic.requests(),
            traffic.requests() as f64 / took.as_secs_f64(),
            traffic.most_within(1),
            traffic.most_within(10),
            traffic.refusals()
        );
        traffic
    }

    fn each(&self, traffic: &Traffic) -> f64 {
        traffic.requests() as f64 / self.size as f64
    }
}

/// Runs a scenario on a virtual clock, with the same random numbers each time.
fn lived<F: Future>(life: F) -> F::Output {
    fastrand::seed(1);
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(life)
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_fleet_that_starts_together_polls_receives_events_and_survives_an_outage() {
    lived(async {
        let fleet = Fleet::new();
        let (instances, cold) = fleet.start("all start at once, deadline of an hour", HOUR, Duration::ZERO).await;
        // 52 are needed. The vault refuses most requests of the first second, and later serves most.
        assert!(fleet.each(&cold) < 2.5 * 52.0, "{} requests each", fleet.each(&cold));
        assert!(instances.iter().all(|instance| instance.restarts == 0));

        let steady = fleet.go_on("polling", HOUR / 2).await;
        assert!((10.0..=14.0).contains(&fleet.each(&steady)), "two pages each five minutes: {}", fleet.each(&steady));
        assert!(steady.refusals() == 0 && steady.most_within(10) <= fleet.limit);

        hear(&fleet, &instances).await;
        survive_an_outage(&fleet, &instances).await;
    });
}

/// An event reaches all instances at once. Each fetches that one version, at its own time within 30 seconds.
async fn hear(fleet: &Fleet, instances: &[Instance]) {
    let id = SecretId::parse(&fleet.vault.rotate()).unwrap();
    for instance in instances {
        instance.live.notify(SecretEvent::new(id.clone(), SecretEventKind::NewVersion));
    }
    let push = fleet.go_on("a push to all, and polling", Duration::from_secs(90)).await;
    assert!(fleet.each(&push) < 2.5, "{}", fleet.each(&push));
    assert!(instances.iter().all(|instance| instance.live.current()["s00"] == "1"), "every instance has it");
}

async fn survive_an_outage(fleet: &Fleet, instances: &[Instance]) {
    fleet.vault.go_down(true);
    let outage = fleet.go_on("an outage", Duration::from_secs(600)).await;
    assert!(fleet.each(&outage) < 60.0, "no instance floods the vault: {}", fleet.each(&outage));
    assert!(instances.iter().all(|instance| instance.live.health().consecutive_failures > 0));
    assert!(instances.iter().all(|instance| instance.live.current()["s00"] == "1"), "the last good settings stay");
    fleet.vault.rotate();
    fleet.vault.go_down(false);
    let recovery = fleet.go_on("its end", Duration::from_secs(400)).await;
    assert!(recovery.refusals() == 0 && recovery.most_within(10) <= fleet.limit, "no storm");
    assert!(instances.iter().all(|instance| instance.live.current()["s00"] == "2"), "every instance caught up");
}

#[test]
fn a_hundred_instances_that_start_together_are_up_within_the_default_deadline() {
    lived(async {
        let (fleet, begun) = (Fleet::new(), Instant::now());
        let deadline = Duration::from_secs(100);
        let (instances, _) = fleet.start("all start at once, deadline of 100 s", deadline, Duration::ZERO).await;
        // The limit of a vault does not let a larger fleet start in this time. Its row is only printed.
        if fleet.size <= 100 {
            assert!(instances.iter().all(|instance| instance.up - begun <= deadline));
            // A start fails early if the pause after a 429 would end after its deadline, and is repeated.
            let restarts: u32 = instances.iter().map(|instance| instance.restarts).sum();
            assert!(restarts <= 20, "{restarts} starts failed");
        }
    });
}

#[test]
fn a_fleet_rolled_out_below_the_limit_is_never_throttled() {
    lived(async {
        let fleet = Fleet::new();
        // 52 requests each at about half of the limit, while running instances poll.
        let over = Duration::from_secs_f64(52.0 * fleet.size as f64 / (fleet.limit as f64 / 10.0) / 0.6);
        let (_, rolling) = fleet.start("started one after the other", Duration::from_secs(100), over).await;
        assert_eq!(rolling.refusals(), 0);
    });
}
