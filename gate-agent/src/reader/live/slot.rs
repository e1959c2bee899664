//! A place for one thing: the newest.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Holds at most one thing; what is put in replaces it.
#[derive(Debug)]
pub(super) struct Slot<T> {
    newest: Mutex<Option<T>>,
    filled: Notify,
    is_closed: AtomicBool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            newest: Mutex::new(None),
            filled: Notify::new(),
            is_closed: AtomicBool::new(false),
        }
    }
}

impl<T> Slot<T> {
    /// Puts something in, and returns what nobody took in time.
    pub(super) fn put(&self, newest: T) -> Option<T> {
        let older = self.lock().replace(newest);
        self.filled.notify_one();
        older
    }

    /// Waits until there is something, and takes it. For one taker.
    pub(super) async fn take(&self) -> T {
        loop {
            if let Some(newest) = self.lock().take() {
                return newest;
            }
            self.filled.notified().await;
        }
    }

    /// Whether anybody may still take.
    pub(super) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        // Nothing that runs under the lock can leave it half done.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a slot when it is dropped.
#[derive(Debug)]
pub(super) struct CloseOnDrop<T>(pub(super) Arc<Slot<T>>);

impl<T> Drop for CloseOnDrop<T> {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_newest_is_taken_and_the_older_come_back() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.put(3), Some(2));
        assert_eq!(slot.take().await, 3);
        assert_eq!(slot.put(4), None);
        assert_eq!(slot.take().await, 4);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let slot = Arc::new(Slot::default());
        let putting = Arc::clone(&slot);
        let (taken, _) = tokio::join!(slot.take(), async move {
            tokio::task::yield_now().await;
            putting.put("late");
        });
        assert_eq!(taken, "late");
    }

    #[test]
    fn a_slot_closes_with_its_taker() {
        let slot = Arc::new(Slot::<u8>::default());
        let taker = CloseOnDrop(Arc::clone(&slot));
        assert!(slot.is_open());
        drop(taker);
        assert!(!slot.is_open());
    }
}
