//! One simulated life of a service and its vault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::push::SecretEvent;
use keyvault::{Live, Notice};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::store::{ModelStore, SETTING};
use super::trace::Trace;
use super::vault::{ModelVault, State, Weather};

/// The value of each setting: the number of its version.
type Settings = BTreeMap<String, String>;

/// A service that reads its settings and watches changes, while its vault rotates and fails.
pub(super) struct Life {
    trace: Trace,
    vault: ModelVault,
    store: ModelStore,
    /// The offset of the clock of the host.
    ahead: Arc<AtomicU64>,
    live: Live<Settings>,
    seen: Settings,
    /// The versions announced by events.
    announced: BTreeSet<(String, u32)>,
    /// The events so far: they come late, twice and in any order.
    events: Vec<SecretEvent>,
    /// Whether the vault's replica lags at times. Only a vault that does not lag shows how old its answers are, and
    /// announces secrets that rotate together.
    lags: bool,
    /// The reports of rejected credentials.
    reports: Vec<JoinHandle<()>>,
    tally: Tally,
}

/// The events of a life, counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    rotations: u32,
    changes: u32,
    failures: u32,
    faults: u32,
}

/// A completed life.
pub(super) struct Lived {
    pub(super) tally: Tally,
    pub(super) trace: Vec<String>,
}

impl Life {
    /// Runs the life of a seed. Every random number is derived from the seed.
    pub(super) fn live(seed: u64) -> Lived {
        // The refresh loop draws its jitter from the generator of this thread, and runs entirely on this thread.
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut life = Self::begin(seed).await;
            let trace = life.trace.clone();
            life.go_on(&mut Rng::with_seed(!seed)).await;
            let tally = life.end().await;
            Lived { tally, trace: trace.lines() }
        })
    }

    async fn begin(seed: u64) -> Self {
        let trace = Trace::begin();
        let vault = ModelVault::new(seed, &names(), &trace);
        let store = ModelStore::new(&vault);
        let (begun, ahead) = (Instant::now(), Arc::<AtomicU64>::default());
        ahead.store(EPOCH, Relaxed);
        let put_ahead = Arc::clone(&ahead);
        let time = move || SystemTime::UNIX_EPOCH + begun.elapsed() + Duration::from_secs(put_ahead.load(Relaxed));
        let live = keyvault_figment::layered(vault.clone(), || Figment::new().merge(Toml::string(FILE)))
            .with_layer(store.clone())
            .refresh_every(INTERVAL)
            .refresh_deadline(DEADLINE)
            .event_spread(INTERVAL / 3)
            // Without a maximum, which would publish changes before they are debounced.
            .debounce(SETTLE, LIFE)
            .max_staleness(MAX_STALENESS)
            .wall_clock(time)
            .start::<Settings>()
            .await
            .unwrap();
        let seen = (*live.published().settings().as_ref()).clone();
        Self {
            trace,
            vault,
            store,
            ahead,
            live,
            seen,
            announced: BTreeSet::new(),
            events: Vec::new(),
            lags: seed.is_multiple_of(2),
            reports: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Runs random events for a while, and checks each notice as it arrives.
    async fn go_on(&mut self, rng: &mut Rng) {
        let mut watcher = self.live.watch();
        let end = Instant::now() + LIFE;
        while Instant::now() < end {
            self.happen(rng);
            self.check_age();
            let next = sleep(Duration::from_millis(rng.u64(4_000..40_000)));
            tokio::pin!(next);
            loop {
                tokio::select! {
                    biased;
                    notice = watcher.next() => self.look_at(&notice.unwrap()),
                    () = sleep(SECOND * 3) => {}
                    () = &mut next => break,
                }
                self.check_age();
            }
        }
    }

    /// Runs one random event.
    fn happen(&mut self, rng: &mut Rng) {
        match rng.u8(..18) {
            0..=2 => self.rotate(&["user", "password"]),
            3..=4 => {
                let names = names();
                let one = names[rng.usize(..names.len())];
                // The operator rotates both secrets of the pair together.
                let group = if PAIR.contains(&one) { PAIR.to_vec() } else { vec![one] };
                self.rotate(&group);
                for name in &group {
                    if (group.len() == 1 || !self.lags) && rng.bool() {
                        self.announce(name);
                    }
                }
            }
            // Twice within one second.
            5 => {
                self.rotate(&["api-key"]);
                self.announce("api-key");
                self.rotate(&["api-key"]);
            }
            6 => self.vault.weather(Weather::Rough),
            7 => self.vault.weather(Weather::Outage),
            8 | 9 => self.vault.weather(Weather::Fair),
            10 => self.vault.put_clock(rng.i64(-90..90)),
            // The clock of the host, by which the refresh loop detects a suspension.
            11 => self.ahead.store(EPOCH + rng.u64(..2 * INTERVAL.as_secs()), Relaxed),
            12 | 13 if !self.events.is_empty() => self.repeat(rng),
            14 | 15 if !self.lags => self.report(),
            16 | 17 => self.change(rng.bool()),
            _ => self.vault.fall_behind(rng.bool() && self.lags),
        }
    }

    /// Changes the setting of the store, and pushes an event of it or not.
    fn change(&mut self, with_event: bool) {
        self.trace.note(format_args!("change of the store"));
        self.store.change();
        if with_event {
            self.live.notify(self.store.event());
        }
    }

    /// Repeats events, each as it was or without its version.
    fn repeat(&mut self, rng: &mut Rng) {
        for _ in 0..rng.usize(1..4) {
            let event = self.events[rng.usize(..self.events.len())].clone();
            let event = if rng.bool() { event } else { SecretEvent::new(event.id.latest(), event.kind) };
            self.trace.note(format_args!("again {event:?}"));
            self.live.notify(event);
        }
    }

    /// Reports a credential as rejected, and expects an answer within the deadline.
    fn report(&mut self) {
        let (live, trace) = (self.live.clone(), self.trace.clone());
        self.reports.push(tokio::spawn(async move {
            let answer = timeout(DEADLINE + SECOND, live.report_rejected("api-key")).await;
            trace.note(format_args!("reported: {answer:?}"));
            assert!(answer.is_ok(), "a report was not answered in time");
        }));
    }

    /// Checks that no setting is older than the health says, and that health is not green beyond the maximum.
    fn check_age(&self) {
        if self.lags {
            return;
        }
        let (health, settings) = (self.live.health(), self.live.published());
        let secrets = state(settings.settings()).into_iter();
        let secrets = secrets.map(|(name, number)| (self.vault.superseded(&name, number), name));
        let setting = (self.store.superseded(limit(settings.settings())), SETTING.to_owned());
        for (superseded, name) in secrets.chain([setting]) {
            assert!(
                superseded <= health.age + REQUEST,
                "{name} is {superseded:?} old, and health says {:?}",
                health.age
            );
            let is_fresh = superseded <= MAX_STALENESS + REQUEST;
            assert!(is_fresh || !health.is_healthy(), "health is green though {name} is {superseded:?} old");
        }
    }

    /// Pushes an event for exactly the current version.
    fn announce(&mut self, name: &str) {
        self.announced.insert((name.to_owned(), self.vault.state()[name]));
        let event = self.vault.new_version(name);
        self.live.notify(event.clone());
        self.events.push(event);
    }

    fn rotate(&mut self, names: &[&str]) {
        self.trace.note(format_args!("rotation of {names:?}"));
        self.vault.rotate(names);
        self.tally.rotations += 1;
    }

    fn look_at(&mut self, notice: &Notice) {
        self.trace.note(format_args!("{notice:?}"));
        match notice {
            Notice::Failed(_) => {
                self.tally.failures += 1;
                assert_eq!(**self.live.published().settings(), self.seen, "settings changed without a notice");
            }
            Notice::Changed(change) => {
                self.tally.changes += 1;
                let new = (**self.live.published().settings()).clone();
                assert_eq!(
                    change.keys.iter().map(String::as_str).collect::<BTreeSet<_>>(),
                    differing(&self.seen, &new)
                );
                self.check(&new);
                self.seen = new;
            }
            _ => {}
        }
    }

    /// Checks the published settings against the history of the vault.
    fn check(&self, new: &Settings) {
        assert!(limit(new) >= limit(&self.seen), "the setting of the store went back");
        let (old, new) = (state(&self.seen), state(new));
        let begun = self.vault.last_pass() - 4 * SETTLE - DEADLINE;
        for (name, number) in &new {
            assert!(number >= &old[name], "{name} went back from {} to {number}", old[name]);
            let is_true = number == &old[name]
                || self.announced.contains(&(name.clone(), *number))
                || self.vault.was_latest_since(name, *number, begun);
            assert!(is_true, "{name} version {number} was not the latest during this refresh");
        }
        assert_eq!(new["user"], new["password"], "the pair was torn apart");
    }

    /// Ends all faults, and waits as long as a service may take to recover.
    async fn end(mut self) -> Tally {
        self.vault.weather(Weather::Fair);
        self.vault.fall_behind(false);
        let mut watcher = self.live.watch();
        // The longest pause after a failure, plus one interval if an event announced a version that was not the last.
        let caught_up = sleep(DEADLINE + INTERVAL.mul_f64(2.5 + 1.1) + 8 * SETTLE);
        tokio::pin!(caught_up);
        loop {
            tokio::select! {
                biased;
                notice = watcher.next() => self.look_at(&notice.unwrap()),
                () = &mut caught_up => break,
            }
        }
        let settings = self.live.published().settings().as_ref().clone();
        assert_eq!(limit(&settings), self.store.value(), "a change of the store was never seen");
        let last = state(&settings);
        assert_eq!(last, self.vault.state(), "a change was never seen");
        for report in self.reports {
            report.await.unwrap();
        }
        self.live.shutdown().await;
        self.tally.faults = self.vault.lock().failures;
        self.tally
    }
}

const INTERVAL: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_millis(500);
const MAX_STALENESS: Duration = Duration::from_secs(90);
const SECOND: Duration = Duration::from_secs(1);
/// The time of one request on its way.
const REQUEST: Duration = Duration::from_millis(40);
/// Returns the clock of the host in seconds.
const EPOCH: u64 = 1_800_000_000;
const LIFE: Duration = Duration::from_secs(10 * 60);

const PAIR: [&str; 2] = ["user", "password"];

/// The pair inside one string, the key alone, everything else by name.
const FILE: &str = r#"
url = "@KeyVault(SecretName=user):@KeyVault(SecretName=password)"
key = "@KeyVault(SecretName=api-key)"
"#;

/// More than one page of a list.
fn names() -> Vec<&'static str> {
    const OTHERS: [&str; 24] = [
        "s00", "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12", "s13", "s14", "s15",
        "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23",
    ];
    PAIR.into_iter().chain(["api-key"]).chain(OTHERS).collect()
}

/// Returns the version numbers in the settings, and asserts that all settings of one secret agree.
fn state(settings: &Settings) -> State {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let mut state = State::new();
    for name in names() {
        state.insert(name.to_owned(), number(&settings[&name.replace('-', "_")]));
    }
    assert_eq!(settings["url"], format!("{}:{}", state["user"], state["password"]));
    assert_eq!(settings["key"], state["api-key"].to_string());
    state
}

/// Returns the setting of the store.
fn limit(settings: &Settings) -> u32 {
    settings[SETTING].parse().unwrap()
}

fn differing<'s>(old: &'s Settings, new: &'s Settings) -> BTreeSet<&'s str> {
    old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).map(String::as_str).collect()
}

impl Tally {
    /// Returns whether enough happened in `lives` to prove anything.
    pub(super) fn is_eventful(self, lives: u64) -> bool {
        let least = u32::try_from(lives).unwrap();
        [self.rotations, self.changes, self.failures, self.faults].into_iter().all(|count| count >= least)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rotations += other.rotations;
        self.changes += other.changes;
        self.failures += other.failures;
        self.faults += other.faults;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotations, changes, failures, faults } = self;
        write!(f, "{rotations} rotations, {changes} changes published, {failures} refreshes failed, {faults} faults")
    }
}
