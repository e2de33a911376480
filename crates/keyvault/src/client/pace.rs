//! The pace at which a vault is asked: by every client of this process together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::bucket::Bucket;
use super::retry::{self, Reason};
use super::window::Window;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::Vault;

/// Gives requests to a vault their turn.
///
/// A turn comes when the vault is not cooling off from a refusal, the [`Window`] has room and the [`Bucket`] is not
/// empty. Whoever waits, waits in line.
#[derive(Debug)]
pub(super) struct Pace {
    rhythm: Mutex<Rhythm>,
    /// How many turns were given since whoever writes requests was last let go first.
    line: tokio::sync::Mutex<usize>,
    /// Wakes the first in line.
    freed: Notify,
}

/// What decides whose turn it is: plain data, told the time.
#[derive(Clone, Debug)]
struct Rhythm {
    bucket: Bucket,
    window: Window,
    under_way: usize,
    /// Counts refusals; what was sent before the last one tells nothing about the time after it.
    epoch: u64,
    refusals_in_a_row: u32,
    successes_since: u32,
    cool_until: Option<Instant>,
    /// How often the vault granted what one that counts by the window would have refused.
    granted_beyond: u32,
}

/// What the first in line is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Admission {
    Go,
    /// Not before this time.
    At(Instant),
    /// Not before another request is done.
    Full,
}

/// The right to have one request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pace: Arc<Pace>,
    epoch: u64,
}

impl Pace {
    /// Finds the pace of `vault` in this process, or begins one. The slowest that any client was given counts.
    pub(super) fn of(vault: &Vault, per_second: u32) -> Arc<Self> {
        let mut paces = PACES.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|(_, pace)| pace.strong_count() > 0);
        let known = paces.iter().find(|(known, _)| known == vault).and_then(|(_, pace)| pace.upgrade());
        if let Some(pace) = known {
            pace.rhythm().bucket.slow_to(per_second);
            return pace;
        }
        let pace = Self::new(per_second);
        paces.push((vault.clone(), Arc::downgrade(&pace)));
        pace
    }

    /// Makes a pace that nobody else keeps.
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        let rhythm = Rhythm::new(per_second, Instant::now());
        Arc::new(Self { rhythm: Mutex::new(rhythm), line: tokio::sync::Mutex::default(), freed: Notify::new() })
    }

    /// Waits for a turn, and no longer than it makes sense.
    ///
    /// # Errors
    ///
    /// [`Throttled`](ErrorKind::Throttled) if the turn would come after `deadline` because the vault is asked as often as
    /// it may be. If it is only that the vault does not answer, the deadline says so to whoever set it.
    pub(super) async fn turn(self: &Arc<Self>, deadline: Instant) -> Result<Turn> {
        let Ok(mut in_a_row) = timeout_at(deadline, self.line.lock()).await else {
            return Err(self.too_late());
        };
        if *in_a_row == MOST_IN_A_ROW {
            *in_a_row = 0;
            yield_now().await;
        }
        *in_a_row += 1;
        loop {
            let now = Instant::now();
            let (admission, epoch) = {
                let mut rhythm = self.rhythm();
                (rhythm.admit(now), rhythm.epoch)
            };
            match admission {
                Admission::Go => return Ok(Turn { pace: Arc::clone(self), epoch }),
                Admission::At(time) if time >= deadline => return Err(throttled(time - now)),
                Admission::At(time) => sleep_until(time).await,
                Admission::Full => self.freed.notified().await,
            }
        }
    }

    /// Tells when a request that was refused may be sent again.
    pub(super) fn cool_until(&self) -> Option<Instant> {
        self.rhythm().cool_until
    }

    /// Takes note that the vault speaks HTTP/2, so that requests need no connection each.
    pub(super) fn widen(&self) {
        self.rhythm().window.widen(MOST_STREAMS);
        self.freed.notify_one();
    }

    fn too_late(&self) -> Error {
        let now = Instant::now();
        match self.rhythm().closed_until(now) {
            Some(time) => throttled(time - now),
            None => Error::new(ErrorKind::Unavailable, "vault did not answer others in time")
                .with_status(ReferenceStatus::FetchTimedOut),
        }
    }

    fn rhythm(&self) -> MutexGuard<'_, Rhythm> {
        self.rhythm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Takes note that the vault answered the request.
    pub(super) fn succeeded(self) {
        self.pace.rhythm().succeeded(self.epoch, Instant::now());
    }

    /// Takes note that the vault refused the request, and perhaps for how long.
    pub(super) fn refused(self, retry_after: Option<Duration>) {
        let reason = retry_after.map_or(Reason::Throttled, Reason::Asked);
        self.pace.rhythm().refused(self.epoch, reason, Instant::now(), fastrand::f64());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pace.rhythm().over(Instant::now());
        self.pace.freed.notify_one();
    }
}

impl Rhythm {
    fn new(per_second: u32, now: Instant) -> Self {
        Self {
            bucket: Bucket::new(per_second, now),
            window: Window::new(MOST_CONNECTIONS),
            under_way: 0,
            epoch: 0,
            refusals_in_a_row: 0,
            successes_since: 0,
            cool_until: None,
            granted_beyond: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        if let Some(time) = self.closed_until(now) {
            return Admission::At(time);
        }
        // Nobody knows how the vault counts. If it refuses now, it refuses all that is under way.
        let is_doubtful = self.granted_beyond < ENOUGH && self.bucket.is_overdrawn(self.under_way, now);
        let most = if is_doubtful { FEW.min(self.window.size()) } else { self.window.size() };
        if self.under_way >= most || self.bucket.is_empty(self.under_way, now) {
            return Admission::Full;
        }
        self.bucket.take(now);
        self.under_way += 1;
        Admission::Go
    }

    /// Tells until when nothing may be sent, however little is under way.
    fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        let cool = self.cool_until.filter(|until| *until > now);
        cool.max(self.bucket.next(self.under_way, now))
    }

    fn over(&mut self, now: Instant) {
        self.under_way -= 1;
        self.bucket.over(now);
    }

    fn succeeded(&mut self, epoch: u64, now: Instant) {
        if epoch == self.epoch {
            if self.granted_beyond < ENOUGH && self.bucket.is_overdrawn(self.under_way, now) {
                self.granted_beyond += 1;
            }
            self.successes_since = self.successes_since.saturating_add(1);
            self.window.succeeded();
        }
    }

    /// The first refusal of an epoch stops everybody; the others of the same epoch only say it again.
    fn refused(&mut self, epoch: u64, reason: Reason, now: Instant, random: f64) {
        if epoch == self.epoch {
            self.epoch += 1;
            self.refusals_in_a_row = if self.is_calm(now) { 1 } else { self.refusals_in_a_row.saturating_add(1) };
            self.successes_since = 0;
            self.bucket.refused();
            self.window.refused();
        }
        let until = now + retry::cool_off(self.refusals_in_a_row, reason, random);
        self.cool_until = self.cool_until.max(Some(until));
    }

    /// Tells whether the last refusal is over and done with. That something is granted now and then does not mean that: so
    /// it is for everybody where a crowd shares what there is.
    fn is_calm(&self, now: Instant) -> bool {
        self.successes_since >= MANY || self.cool_until.is_none_or(|until| until + LONG <= now)
    }
}

/// More than somebody gets in between who shares with a crowd.
const MANY: u32 = 10;

/// How many requests are under way while a vault may begin to refuse.
const FEW: usize = 16;

/// How much a vault has to grant beyond ten seconds' worth until it is plain that it does not count by the window: more than its
/// limit is above ours, and what was under way.
const ENOUGH: u32 = 160;

/// How many requests are made before whoever writes them to the connection has a turn. In the program's own task nothing else
/// runs while it makes them, and a vault that has the first sixteen can work while the next are made.
const MOST_IN_A_ROW: usize = 16;

/// Longer than any vault is left alone.
const LONG: Duration = Duration::from_secs(90);

/// By vault, for every client of the process that has no transport of its own.
static PACES: Mutex<Vec<(Vault, Weak<Pace>)>> = Mutex::new(Vec::new());

/// A connection for each request over HTTP/1.1: enough for the service's limit at any latency below 150 ms.
const MOST_CONNECTIONS: u16 = 64;

/// What servers of HTTP/2 allow on a connection, mostly.
const MOST_STREAMS: u16 = 100;

fn throttled(wait: Duration) -> Error {
    Error::new(ErrorKind::Throttled { retry_after: Some(wait) }, "vault is asked as often as it may be")
        .with_help("ask for fewer secrets at once, or spread them over vaults")
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    /// A rhythm that is refused what it just sent; gives the seconds for which it stops.
    fn refuse(rhythm: &mut Rhythm, now: Instant) -> u64 {
        rhythm.refused(rhythm.epoch, Reason::Throttled, now, 0.5);
        rhythm.cool_until.map_or(0, |until| (until - now).as_secs())
    }

    fn succeed(rhythm: &mut Rhythm, times: u32) {
        (0..times).for_each(|_| rhythm.succeeded(rhythm.epoch, Instant::now()));
    }

    #[tokio::test]
    async fn requests_are_written_while_others_are_made() {
        let (pace, made) = (Pace::new(4_000), AtomicUsize::new(0));
        let deadline = Instant::now() + LONG;
        let requests = join_all((0..40).map(async |_| {
            let turn = pace.turn(deadline).await.unwrap();
            made.fetch_add(1, Ordering::Relaxed);
            turn
        }));
        let mut made_before = Vec::new();
        let mut requests = pin!(requests);
        poll_fn(|context| {
            made_before.push(made.load(Ordering::Relaxed));
            requests.as_mut().poll(context)
        })
        .await;
        assert_eq!(made_before, [0, 16, 32]);
    }

    #[test]
    fn in_a_crowd_the_pauses_grow_whatever_is_granted_in_between() {
        let (mut rhythm, mut now) = (Rhythm::new(396, Instant::now()), Instant::now());
        let pauses = [1, 2, 4, 8, 16, 32, 64, 64].map(|expected| {
            let pause = refuse(&mut rhythm, now);
            now += Duration::from_secs(pause);
            succeed(&mut rhythm, 3);
            (pause, expected)
        });
        assert!(pauses.iter().all(|(pause, expected)| pause == expected), "{pauses:?}");
    }

    #[test]
    fn after_many_successes_or_a_long_time_a_refusal_is_a_first_one() {
        let (mut rhythm, now) = (Rhythm::new(396, Instant::now()), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!([refuse(&mut rhythm, now), refuse(&mut rhythm, later(1))], [1, 2]);
        succeed(&mut rhythm, MANY);
        assert_eq!([refuse(&mut rhythm, later(3)), refuse(&mut rhythm, later(4))], [1, 2]);
        assert_eq!(refuse(&mut rhythm, later(6) + LONG), 1);
    }

    #[test]
    fn beyond_ten_seconds_worth_few_are_under_way_until_it_is_plain_that_they_are_granted() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(10, start);
        let send_all = |rhythm: &mut Rhythm, now| {
            let sent = std::iter::from_fn(|| (rhythm.admit(now) == Admission::Go).then_some(())).count();
            (0..sent).for_each(|_| rhythm.succeeded(rhythm.epoch, now));
            (0..sent).for_each(|_| rhythm.over(now));
            sent
        };
        // As many as there may be under way, and then what is left of ten seconds' worth.
        assert_eq!([send_all(&mut rhythm, start), send_all(&mut rhythm, start)], [64, 36]);
        let later = start + Duration::from_secs(9);
        let sent: Vec<usize> = (0..4).map(|_| send_all(&mut rhythm, later)).collect();
        assert_eq!(sent, [16, 16, 16, 16], "90 tokens are there");
        rhythm.granted_beyond = ENOUGH;
        assert_eq!(send_all(&mut rhythm, later), 26);
    }

    #[test]
    fn what_was_sent_before_a_refusal_tells_nothing_of_the_time_after_it() {
        let (mut rhythm, now) = (Rhythm::new(396, Instant::now()), Instant::now());
        let before = rhythm.epoch;
        rhythm.refused(before, Reason::Throttled, now, 0.5);
        (0..50).for_each(|_| rhythm.refused(before, Reason::Throttled, now, 0.5));
        (0..MANY).for_each(|_| rhythm.succeeded(before, now));
        assert_eq!((rhythm.refusals_in_a_row, rhythm.successes_since, rhythm.window.size()), (1, 0, 1));
    }
}
