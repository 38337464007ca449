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
        for (phase, time) in cycle(&mut random, tabs) {
            phases.send_replace(phase);
            sleep(time).await;
        }
    }
}

/// A busy time, a pause, and what follows it if that is not just the next busy time.
fn cycle(random: &mut ChaCha8Rng, tabs: usize) -> Vec<(Phase, Duration)> {
    let mut chosen = |ms| Duration::from_millis(random.random_range(ms));
    let mut cycle = vec![
        (Phase::Busy, chosen(BUSY_MS)),
        (Phase::Quiet, chosen(QUIET_MS)),
    ];
    match random.random_range(0..5) {
        0 => {}
        1 => cycle.push((Phase::Lone(random.random_range(0..tabs)), WAKE)),
        _ => cycle.push((Phase::Burst, WAKE)),
    }
    cycle
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

    #[test]
    fn pauses_follow_busy_times_and_the_same_seed_gives_the_same_phases() {
        let story = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let cycles = (0..40).flat_map(|_| cycle(&mut random, 3));
            cycles.collect::<Vec<_>>()
        };
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
        let phases: Vec<Phase> = story(7).into_iter().map(|(phase, _)| phase).collect();
        for kind in [Phase::Burst, Phase::Lone(0), Phase::Lone(1), Phase::Lone(2)] {
            assert!(phases.contains(&kind), "{kind:?}");
        }
        for pair in phases.windows(2) {
            let is_wake = matches!(pair[1], Phase::Burst | Phase::Lone(_));
            assert_eq!(pair[0] == Phase::Busy, pair[1] == Phase::Quiet, "{pair:?}");
            assert!(!is_wake || pair[0] == Phase::Quiet, "{pair:?}");
        }
    }

    #[tokio::test]
    async fn who_passes_time_waits_for_traffic_and_stops_when_it_ends() {
        let (sender, mut phases) = watch::channel(Phase::Busy);
        assert!(pass(&mut phases, Duration::ZERO).await);
        sender.send_replace(Phase::Quiet);
        let mut waiting = Box::pin(pass(&mut phases, Duration::ZERO));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        sender.send_replace(Phase::Burst);
        assert!(waiting.await);
        sender.send_replace(Phase::Calm);
        assert!(!pass(&mut phases, Duration::from_secs(3600)).await);
    }
}
