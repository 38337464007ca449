//! Owns the rhythm of a soak: busy times, pauses in which nothing is sent so that the gateway's shards go to sleep, and
//! what follows a pause. Everybody who makes traffic follows the phase that is shown here.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What everybody does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Mixed traffic.
    Busy,
    /// Nothing is sent.
    Quiet,
    /// Right after a pause: all held tabs at once, and many new connections.
    Burst,
    /// Right after a pause: this tab alone, everybody else is quiet on.
    Lone(usize),
    /// The traffic is over; what is under way comes to its end.
    Calm,
    /// The held tabs close.
    Over,
}

impl Phase {
    /// Whether everybody may send.
    pub(super) fn is_lively(self) -> bool {
        matches!(self, Self::Busy | Self::Burst)
    }

    /// Whether no new traffic will come.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::Calm | Self::Over)
    }
}

/// Waits until everybody may send; false if the traffic is over instead.
pub(super) async fn until_lively(phases: &mut watch::Receiver<Phase>) -> bool {
    let reached = phases.wait_for(|phase| phase.is_lively() || phase.is_ending());
    reached.await.is_ok_and(|phase| phase.is_lively())
}

/// Passes this time, or less if the traffic ends before; then waits until everybody may send. False if it is over.
pub(super) async fn pass(phases: &mut watch::Receiver<Phase>, time: Duration) -> bool {
    // Only the end of the traffic ends the wait before the time is over.
    drop(timeout(time, phases.wait_for(|phase| phase.is_ending())).await);
    until_lively(phases).await
}

/// Goes from phase to phase for ever.
pub(super) async fn conduct(phases: &watch::Sender<Phase>, mut random: ChaCha8Rng, tabs: usize) {
    loop {
        phases.send_replace(Phase::Busy);
        sleep(Duration::from_millis(random.random_range(BUSY_MS))).await;
        phases.send_replace(Phase::Quiet);
        sleep(Duration::from_millis(random.random_range(QUIET_MS))).await;
        let wake = match random.random_range(0..5) {
            0 => continue,
            1 => Phase::Lone(random.random_range(0..tabs)),
            _ => Phase::Burst,
        };
        phases.send_replace(wake);
        sleep(WAKE).await;
    }
}

/// How long busy times last.
const BUSY_MS: std::ops::Range<u64> = 1_000..6_000;
/// How long pauses last: a shard sleeps after a pre-emption period without traffic.
const QUIET_MS: std::ops::Range<u64> = 1_200..4_000;
/// How long the phase after a pause lasts.
const WAKE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_lie_between_busy_times_and_the_same_seed_gives_the_same_phases() {
        let mut stories = Vec::new();
        for _ in 0..2 {
            let (sender, mut phases) = watch::channel(Phase::Calm);
            let mut story = Vec::new();
            let listening = async {
                while story.len() < 40 && phases.changed().await.is_ok() {
                    story.push(*phases.borrow_and_update());
                }
            };
            tokio::select! {
                () = conduct(&sender, ChaCha8Rng::seed_from_u64(7), 3) => {}
                () = listening => {}
            }
            stories.push(story);
        }
        assert_eq!(stories[0], stories[1]);
        let story = &stories[0];
        assert!(story.contains(&Phase::Burst));
        assert!(story.iter().any(|phase| matches!(phase, Phase::Lone(_))));
        for pair in story.windows(2) {
            let is_wake = matches!(pair[1], Phase::Burst | Phase::Lone(_));
            assert!(!is_wake || pair[0] == Phase::Quiet, "{pair:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_passes_time_stops_when_the_traffic_ends() {
        let (sender, mut phases) = watch::channel(Phase::Busy);
        assert!(pass(&mut phases, Duration::from_secs(1)).await);
        sender.send_replace(Phase::Calm);
        assert!(!pass(&mut phases, Duration::from_secs(1)).await);
    }
}
