//! Owns the record of what a peer sent: appended by one task, read by any number of readers, each at its own place.
//!
//! Entries come in by [`Journal::push`]; a [`Reader`] gives them in order and waits, with a deadline, for the next one.
//! It keeps the newest entries up to a bound and counts what it dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How many entries a journal keeps; older ones are dropped.
pub const ENTRIES_MAX: usize = 1_000_000;

/// The shared record.
#[derive(Debug)]
pub struct Journal<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    kept: Mutex<Kept<T>>,
    pushed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept<T> {
    entries: VecDeque<Arc<T>>,
    dropped: u64,
}

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                kept: Mutex::new(Kept {
                    entries: VecDeque::new(),
                    dropped: 0,
                }),
                pushed: watch::Sender::new(0),
            }),
        }
    }
}

impl<T> Journal<T> {
    /// Appends an entry and wakes every waiting reader.
    pub fn push(&self, entry: T) {
        let mut kept = self.kept();
        if kept.entries.len() >= ENTRIES_MAX {
            kept.entries.pop_front();
            kept.dropped += 1;
        }
        kept.entries.push_back(Arc::new(entry));
        drop(kept);
        self.shared.pushed.send_modify(|count| *count += 1);
    }

    /// A reader that begins with the oldest kept entry.
    pub fn reader_from_start(&self) -> Reader<T> {
        self.reader_from(0)
    }

    /// A reader that sees only what comes from now on.
    pub fn reader_from_now(&self) -> Reader<T> {
        self.reader_from(self.count())
    }

    /// How many entries were ever pushed.
    pub fn count(&self) -> u64 {
        let kept = self.kept();
        kept.dropped + kept.entries.len() as u64
    }

    /// Every kept entry.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.kept().entries.iter().cloned().collect()
    }

    fn reader_from(&self, next: u64) -> Reader<T> {
        Reader {
            pushed: self.shared.pushed.subscribe(),
            journal: self.clone(),
            next,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // A panic while the lock is held cannot leave the record half-written.
        self.shared
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a journal.
#[derive(Debug)]
pub struct Reader<T> {
    journal: Journal<T>,
    pushed: watch::Receiver<u64>,
    next: u64,
}

impl<T> Reader<T> {
    /// The next entry if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<T>> {
        let kept = self.journal.kept();
        let index = self.next.saturating_sub(kept.dropped);
        let entry = kept.entries.get(usize::try_from(index).ok()?).cloned()?;
        self.next = kept.dropped + index + 1;
        Some(entry)
    }

    /// The next entry; `None` if none came within the time.
    pub async fn next(&mut self, within: Duration) -> Option<Arc<T>> {
        self.next_until(Instant::now() + within).await
    }

    /// The next entry; `None` if none came until the deadline.
    pub async fn next_until(&mut self, deadline: Instant) -> Option<Arc<T>> {
        loop {
            self.pushed.mark_unchanged();
            if let Some(entry) = self.try_next() {
                return Some(entry);
            }
            // The sender lives in the journal that this reader holds, so only the deadline can end the wait.
            timeout_at(deadline, self.pushed.changed())
                .await
                .ok()?
                .ok()?;
        }
    }

    /// Skips to the next entry for which `is_wanted` holds; on the deadline gives what was skipped.
    pub async fn find(
        &mut self,
        within: Duration,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> std::result::Result<Arc<T>, Vec<Arc<T>>> {
        let deadline = Instant::now() + within;
        let mut skipped = Vec::new();
        while let Some(entry) = self.next_until(deadline).await {
            if is_wanted(&entry) {
                return Ok(entry);
            }
            skipped.push(entry);
        }
        Err(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_reader_gets_what_was_there_before_it_and_what_comes_later() {
        let journal = Journal::default();
        journal.push(1);
        let mut reader = journal.reader_from_start();
        assert_eq!(reader.next(SOON).await.as_deref(), Some(&1));
        let writer = journal.clone();
        let push = tokio::spawn(async move { writer.push(2) });
        assert_eq!(reader.next(SOON).await.as_deref(), Some(&2));
        push.await.unwrap();
        assert_eq!(journal.reader_from_now().try_next(), None);
    }

    #[tokio::test]
    async fn a_search_that_fails_gives_what_it_skipped() {
        let journal = Journal::default();
        journal.push(1);
        journal.push(2);
        let skipped = journal
            .reader_from_start()
            .find(Duration::ZERO, |entry| *entry == 3)
            .await
            .unwrap_err();
        assert_eq!(skipped.len(), 2);
    }
}
