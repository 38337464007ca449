//! Owns faults by themselves: their kinds, what each does, and between which bounds its numbers are drawn.

use std::fmt;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What a fault does: as bounds in a plan, as numbers once it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Effect<N> {
    /// Bytes come later, all by the same time.
    Delay {
        /// By how much.
        delay_ms: N,
    },
    /// Bytes come later, each read of them by another time; their order stays.
    Jitter {
        /// By how much at most.
        jitter_ms: N,
    },
    /// No more than so many bytes come in a second.
    Bandwidth {
        /// How many.
        bytes_per_s: N,
    },
    /// Each byte comes in a segment of its own.
    ByteByByte {
        /// The pause between two of them.
        pause_ms: N,
    },
    /// Both sides see an ordinary end of the stream, in the middle of what was being sent.
    Cut {
        /// When.
        #[serde(flatten)]
        after: Moment<N>,
    },
    /// Both sides see a reset.
    Reset {
        /// When.
        #[serde(flatten)]
        after: Moment<N>,
    },
    /// From a moment on nothing comes through any more, and nobody is told; at last both sides see a reset.
    HalfOpen {
        /// When it begins.
        #[serde(flatten)]
        after: Moment<N>,
        /// How long it lasts.
        lasts_ms: N,
    },
}

/// After how many bytes or how much time; if both are there, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment<N> {
    /// Bytes that came through in the fault's direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<N>,
    /// Time from the connection's beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<N>,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the side that connected.
    Up,
    /// To the side that connected.
    Down,
    /// Either way.
    #[default]
    Both,
}

/// The kinds of faults.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Bytes come later
    Delay,
    /// Bytes come later, by changing times
    Jitter,
    /// Few bytes come in a second
    Bandwidth,
    /// Each byte comes by itself
    ByteByByte,
    /// An ordinary end of the stream, in the middle of a frame
    Cut,
    /// A reset
    Reset,
    /// Nothing comes through any more, and nobody is told
    HalfOpen,
}

/// From the one to the other, both included; in TOML also a single number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NumberOrPair", into = "[u64; 2]")]
pub struct Bounds {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl<N> Effect<N> {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Delay { .. } => Kind::Delay,
            Self::Jitter { .. } => Kind::Jitter,
            Self::Bandwidth { .. } => Kind::Bandwidth,
            Self::ByteByByte { .. } => Kind::ByteByByte,
            Self::Cut { .. } => Kind::Cut,
            Self::Reset { .. } => Kind::Reset,
            Self::HalfOpen { .. } => Kind::HalfOpen,
        }
    }
}

impl Effect<Bounds> {
    /// The same with numbers from within the bounds.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Effect<u64> {
        let mut draw = |bounds: Bounds| random.random_range(bounds.min..=bounds.max);
        match *self {
            Self::Delay { delay_ms } => Effect::Delay {
                delay_ms: draw(delay_ms),
            },
            Self::Jitter { jitter_ms } => Effect::Jitter {
                jitter_ms: draw(jitter_ms),
            },
            Self::Bandwidth { bytes_per_s } => Effect::Bandwidth {
                bytes_per_s: draw(bytes_per_s),
            },
            Self::ByteByByte { pause_ms } => Effect::ByteByByte {
                pause_ms: draw(pause_ms),
            },
            Self::Cut { after } => Effect::Cut {
                after: after.map(draw),
            },
            Self::Reset { after } => Effect::Reset {
                after: after.map(draw),
            },
            Self::HalfOpen { after, lasts_ms } => Effect::HalfOpen {
                after: after.map(&mut draw),
                lasts_ms: draw(lasts_ms),
            },
        }
    }
}

impl<N> Moment<N> {
    fn map<M>(self, mut change: impl FnMut(N) -> M) -> Moment<M> {
        Moment {
            after_bytes: self.after_bytes.map(&mut change),
            after_ms: self.after_ms.map(&mut change),
        }
    }
}

impl Direction {
    /// Whether this one is part of it.
    pub fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Delay,
        Self::Jitter,
        Self::Bandwidth,
        Self::ByteByByte,
        Self::Cut,
        Self::Reset,
        Self::HalfOpen,
    ];

    /// Its name in plans and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Bandwidth => "bandwidth",
            Self::ByteByByte => "byte-by-byte",
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::HalfOpen => "half-open",
        }
    }

    /// Whether the connection is over with it, so that no other such fault can follow.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Cut | Self::Reset | Self::HalfOpen)
    }

    /// What it does where a plan does not say.
    pub(super) fn usual(self) -> Effect<Bounds> {
        let after = |bytes: Option<Bounds>, ms| Moment {
            after_bytes: bytes,
            after_ms: ms,
        };
        match self {
            Self::Delay => Effect::Delay {
                delay_ms: Bounds::new(20, 200),
            },
            Self::Jitter => Effect::Jitter {
                jitter_ms: Bounds::new(5, 100),
            },
            Self::Bandwidth => Effect::Bandwidth {
                bytes_per_s: Bounds::new(2_000, 50_000),
            },
            Self::ByteByByte => Effect::ByteByByte {
                pause_ms: Bounds::new(0, 2),
            },
            Self::Cut => Effect::Cut {
                after: after(Some(Bounds::new(100, 20_000)), None),
            },
            Self::Reset => Effect::Reset {
                after: after(Some(Bounds::new(100, 20_000)), None),
            },
            Self::HalfOpen => Effect::HalfOpen {
                after: after(None, Some(Bounds::new(1_000, 20_000))),
                lasts_ms: Bounds::new(30_000, 60_000),
            },
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Bounds {
    /// From the one to the other.
    pub const fn new(min: u64, max: u64) -> Self {
        Self { min, max }
    }
}

impl From<NumberOrPair> for Bounds {
    fn from(read: NumberOrPair) -> Self {
        match read {
            NumberOrPair::Number(number) => Self::new(number, number),
            NumberOrPair::Pair([min, max]) => Self::new(min, max),
        }
    }
}

impl From<Bounds> for [u64; 2] {
    fn from(bounds: Bounds) -> Self {
        [bounds.min, bounds.max]
    }
}

/// How bounds are written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a number, or the least and the greatest one: [MIN, MAX]"
)]
enum NumberOrPair {
    Number(u64),
    Pair([u64; 2]),
}
