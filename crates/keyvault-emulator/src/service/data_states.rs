//! The vaults and stores as requests read them, and the changes that the data file does not contain yet.

use tokio::sync::watch;

use super::data::Data;

/// The data. Without a data file there is one state of them.
///
/// With a data file, a change of a client is visible to reads only after a write, and never if the write fails. Up to
/// three states exist then: the visible one, the one that is being written, and the one with the changes after that.
#[derive(Default)]
pub(crate) struct DataStates {
    visible: Data,
    saving: Option<UnsavedData>,
    pending: Option<UnsavedData>,
    has_file: bool,
    changes: u64,
}

/// Data with changes that the data file does not contain.
struct UnsavedData {
    data: Data,
    /// Receives whether the write succeeded.
    outcome: watch::Sender<Option<bool>>,
}

/// A change that waits for the data file.
#[derive(Debug)]
pub(crate) struct PendingSave(watch::Receiver<Option<bool>>);

impl DataStates {
    /// Creates the states from the initial data. `has_file` makes the changes of clients wait for a data file.
    pub(crate) fn new(data: Data, has_file: bool) -> Self {
        Self { visible: data, has_file, ..Self::default() }
    }

    /// Returns the data as requests read them.
    pub(crate) fn visible(&mut self) -> &mut Data {
        &mut self.visible
    }

    /// Returns the data with every change so far, even those that the data file does not contain yet.
    pub(crate) fn newest(&mut self) -> &mut Data {
        let unsaved = self.pending.as_mut().or(self.saving.as_mut());
        unsaved.map_or(&mut self.visible, |unsaved| &mut unsaved.data)
    }

    /// Returns the save that makes the newest data visible. `None` if they are.
    pub(crate) fn newest_save(&self) -> Option<PendingSave> {
        let unsaved = self.pending.as_ref().or(self.saving.as_ref())?;
        Some(PendingSave(unsaved.outcome.subscribe()))
    }

    /// Returns the number of changes of the newest data.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes a change for a client. With a data file it becomes visible when the returned save succeeds. A failed
    /// change has no effect.
    pub(crate) fn change<T, E>(
        &mut self,
        change: impl FnOnce(&mut Data) -> Result<T, E>,
    ) -> Result<(T, Option<PendingSave>), E> {
        if !self.has_file {
            let result = change(&mut self.visible)?;
            self.changes += 1;
            return Ok((result, None));
        }
        let mut pending = self.pending.take();
        let is_new = pending.is_none();
        let unsaved = pending.get_or_insert_with(|| {
            let latest = self.saving.as_ref().map_or(&self.visible, |saving| &saving.data);
            UnsavedData { data: latest.clone(), outcome: watch::Sender::new(None) }
        });
        let result = change(&mut unsaved.data);
        let save = PendingSave(unsaved.outcome.subscribe());
        if result.is_ok() || !is_new {
            self.pending = pending;
        }
        self.changes += u64::from(result.is_ok());
        result.map(|result| (result, Some(save)))
    }

    /// Makes a change for a test, visible at once. `change` runs on each state, and must have the same effect on each.
    pub(crate) fn change_now<T>(&mut self, change: impl Fn(&mut Data) -> T) -> T {
        for unsaved in [&mut self.saving, &mut self.pending].into_iter().flatten() {
            change(&mut unsaved.data);
        }
        self.changes += 1;
        change(&mut self.visible)
    }

    /// Returns the data to write, with all changes so far. [`end_save`](Self::end_save) must follow.
    pub(crate) fn begin_save(&mut self) -> &Data {
        // The pending changes build on those of a save that never ended.
        if let Some(pending) = self.pending.take() {
            self.saving = Some(pending);
        }
        self.saving.as_ref().map_or(&self.visible, |saving| &saving.data)
    }

    /// Makes the written changes visible, or discards every change that is not written: later ones build on those.
    pub(crate) fn end_save(&mut self, succeeded: bool) {
        if !succeeded {
            // The newest data are the visible ones again.
            self.changes += 1;
            if let Some(pending) = self.pending.take() {
                pending.outcome.send_replace(Some(false));
            }
        }
        if let Some(UnsavedData { data, outcome }) = self.saving.take() {
            if succeeded {
                self.visible = data;
            }
            outcome.send_replace(Some(succeeded));
        }
    }
}

impl PendingSave {
    /// Waits for the write. Returns whether the data file contains the change.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn succeeds(mut self) -> bool {
        self.0.wait_for(Option::is_some).await.is_ok_and(|outcome| *outcome == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::vaults::SetSecret;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn set(value: &str) -> impl Fn(&mut Data) -> Result<(), ()> {
        move |data| data.vaults.open("", NOW).set("a", SetSecret::new(value), NOW).map(|_| ()).map_err(|_| ())
    }

    fn value(states: &mut DataStates) -> Option<String> {
        let vault = states.visible().vaults.open("", NOW);
        vault.get("a", None, NOW).ok().map(|(_, version)| version.value.clone())
    }

    fn outcome(save: &Option<PendingSave>) -> Option<bool> {
        *save.as_ref().unwrap().0.borrow()
    }

    #[test]
    fn a_change_is_visible_after_its_own_write() {
        let mut states = DataStates::new(Data::default(), true);
        let (_, first) = states.change(set("1")).unwrap();
        assert_eq!((value(&mut states), outcome(&first)), (None, None));
        states.begin_save();
        let (_, second) = states.change(set("2")).unwrap();
        assert_eq!(value(&mut states), None);
        states.end_save(true);
        assert_eq!((value(&mut states).as_deref(), outcome(&first), outcome(&second)), (Some("1"), Some(true), None));
        states.begin_save();
        states.end_save(true);
        assert_eq!((value(&mut states).as_deref(), outcome(&second)), (Some("2"), Some(true)));
        assert_eq!(states.changes(), 2);
    }

    #[test]
    fn a_failed_write_discards_its_changes_and_those_that_build_on_them() {
        let mut states = DataStates::new(Data::default(), true);
        let (_, saved) = states.change(set("1")).unwrap();
        states.begin_save();
        states.end_save(true);
        let (_, first) = states.change(set("2")).unwrap();
        states.begin_save();
        let (_, second) = states.change(set("3")).unwrap();
        states.end_save(false);
        assert_eq!((outcome(&saved), outcome(&first), outcome(&second)), (Some(true), Some(false), Some(false)));
        assert_eq!(value(&mut states).as_deref(), Some("1"));
        let (_, third) = states.change(set("4")).unwrap();
        states.begin_save();
        states.end_save(true);
        assert_eq!((value(&mut states).as_deref(), outcome(&third)), (Some("4"), Some(true)));
        let versions = states.visible().vaults.open("", NOW).versions("a", NOW).unwrap().1.len();
        assert_eq!(versions, 2, "no discarded version remains");
    }

    #[test]
    fn a_change_of_a_test_is_visible_at_once_and_survives_every_outcome() {
        for succeeded in [true, false] {
            let mut states = DataStates::new(Data::default(), true);
            states.change(set("1")).unwrap();
            states.begin_save();
            states.change(set("2")).unwrap();
            states.change_now(set("test")).unwrap();
            assert_eq!(value(&mut states).as_deref(), Some("test"));
            states.end_save(succeeded);
            assert_eq!(value(&mut states).as_deref(), Some("test"), "{succeeded}");
        }
    }

    #[test]
    fn a_rejected_change_waits_for_nothing_and_has_no_effect() {
        let mut states = DataStates::new(Data::default(), true);
        let rejected = states.change(|data| set("1")(data).and(Err::<(), _>(())));
        assert!(rejected.is_err());
        states.begin_save();
        states.end_save(true);
        assert_eq!((value(&mut states), states.changes()), (None, 0));
    }
}
