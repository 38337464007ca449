//! What outlives the gateway: uploads and photos, below `gateway.data_dir`.
//!
//! In come the hub's changes; a thread of its own writes them, so that no shard ever
//! waits for a disk. What is there is read once, before the shards start. It decides
//! nothing: which files there are, and for how long, the hub says.

mod files;

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use okgate_core::hub::{FileChange, StoredFile};

use files::Files;

/// The thread that writes.
#[derive(Debug)]
pub struct Store {
    /// Dropped to end the thread.
    changes: Option<Sender<FileChange>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Reads what an earlier gateway kept below this directory, which is made if it is
    /// not there, and takes changes from then on.
    pub fn open(data_dir: &Path) -> io::Result<(Self, Vec<StoredFile>)> {
        let files = Files::open(data_dir)?;
        let stored = files.read_all()?;
        let (changes, given) = mpsc::channel::<FileChange>();
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Ok(change) = given.recv() {
                    if let Err(error) = files.apply(&change) {
                        tracing::error!(%error, "a file below gateway.data_dir cannot be changed");
                    }
                }
            })?;
        let store = Self {
            changes: Some(changes),
            thread: Some(thread),
        };
        Ok((store, stored))
    }

    /// Takes a change; it is written soon. What may wait is bounded by what the hub
    /// keeps in memory.
    pub fn take(&self, change: FileChange) {
        let changes = self.changes.as_ref();
        if changes.is_none_or(|changes| changes.send(change).is_err()) {
            tracing::error!("nobody writes below gateway.data_dir any more");
        }
    }
}

impl Drop for Store {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // It has logged why, if it panicked.
            let _panicked = thread.join();
        }
    }
}
