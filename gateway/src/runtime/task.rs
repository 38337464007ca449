//! Small async tools, so that nobody else names the executor: tasks, sleeping,
//! time-outs, and threads for what blocks.

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use glommio::timer::Timer;

/// A future that runs on this shard, beside the ring. Dropping this ends it.
#[must_use = "dropping a task ends it: detach it to let it run"]
#[derive(Debug)]
pub struct Task(glommio::Task<()>);

impl Task {
    /// Lets it run until it is done.
    pub fn detach(self) {
        self.0.detach();
    }

    /// Waits until it is done.
    pub async fn join(self) {
        self.0.await;
    }
}

/// Runs a future on this shard, beside the ring.
pub fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    Task(glommio::spawn_local(future))
}

/// Waits this long. It may take some milliseconds more while the shard is busy.
pub async fn sleep(duration: Duration) {
    Timer::new(duration).await;
}

/// What the future gives, or `None` if that takes longer than this.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    let value = async { Some(future.await) };
    let over = async {
        sleep(duration).await;
        None
    };
    futures_lite::future::or(value, over).await
}

/// What the work gives, which blocks and so runs on a thread of its own.
pub async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = async_channel::bounded(1);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.try_send(work());
        })?;
    receiver.recv().await.map_err(io::Error::other)
}

/// Lets the other tasks of this shard run, those included whose IO has completed.
pub(super) async fn run_others() {
    // Only a task that waits lets the executor look for completed IO. It must
    // be a wait for a timer and never a plain yield: when the executor's
    // pre-emption timer fires just before it looks for runnable tasks, it goes
    // to sleep although there are some, and only a timer wakes it.
    sleep(TURN).await;
}

/// Long enough to be a wait at all.
const TURN: Duration = Duration::from_micros(2);
