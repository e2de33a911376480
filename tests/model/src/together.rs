//! What is fetched is fetched once for all who ask together, and once more for whoever asks later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shuttle::future::{block_on, spawn, yield_now};

use crate::flights::Flights;

/// A vault that counts how often it was asked, how often it answered, and who waits for it.
struct Scene {
    flights: Flights<&'static str, u32>,
    asked: AtomicU32,
    answered: AtomicU32,
    under_way: AtomicU32,
}

/// A request, until its answer comes or nobody wants it any more.
struct Request<'s>(&'s Scene);

impl<'s> Request<'s> {
    fn begin(scene: &'s Scene) -> Self {
        assert_eq!(
            scene.under_way.fetch_add(1, Ordering::SeqCst),
            0,
            "nobody asks while another's request is under way"
        );
        Self(scene)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scene {
    fn new() -> Arc<Self> {
        let (asked, answered, under_way) = Default::default();
        Arc::new(Self { flights: Flights::new(), asked, answered, under_way })
    }

    async fn fetch(&self) -> u32 {
        let _request = Request::begin(self);
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        yield_now().await;
        self.answered.store(number + 1, Ordering::SeqCst);
        number
    }

    async fn ask(&self) {
        let before = self.answered.load(Ordering::SeqCst);
        let number = self.flights.join(&"a", || self.fetch()).await;
        assert!(number >= before, "an answer is never from before the question");
    }
}

/// Several ask at any time, and some of them are given up.
pub fn each_has_one_new_answer_and_nobody_waits_for_ever() {
    block_on(async {
        let scene = Scene::new();
        let ask = || {
            let scene = Arc::clone(&scene);
            spawn(async move {
                scene.ask().await;
                scene.ask().await;
            })
        };
        let (given_up, one, other, given_up_too) = (ask(), ask(), ask(), ask());
        given_up.abort();
        yield_now().await;
        given_up_too.abort();
        assert!(one.await.is_ok() && other.await.is_ok());
    });
}
