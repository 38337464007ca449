//! Owns what is seen of a run while it lasts: a bar with the figures of the moment in a terminal, else one plain line a second.
//!
//! Moments come in, as often as there is news; what is shown goes to the standard error, so that the standard output holds the
//! summary alone.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::show_us;
use super::text::one_line;
use super::units::{Unit, duration, number};

/// A view of a run that lasts.
pub struct Live {
    view: View,
}

/// The figures of one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment<'m> {
    /// The phase's name.
    pub phase: &'m str,
    /// The time from the run's beginning.
    pub at: Duration,
    /// How many tabs there are.
    pub tabs: u64,
    /// How many messages come a second.
    pub rate_per_s: f64,
    /// The median of the times of the last interval; `None` if there were none.
    pub p50_us: Option<u64>,
    /// Their 99th percentile.
    pub p99_us: Option<u64>,
    /// How much went wrong so far.
    pub errors: u64,
}

enum View {
    Quiet,
    Bar(ProgressBar),
    Lines {
        output: Box<dyn Write + Send>,
        total: Duration,
        next: Duration,
    },
}

impl Live {
    /// A view of a run that is to last so long: nothing if it is to be quiet, a bar if the standard error is a terminal, lines
    /// if it is not.
    pub fn new(total: Duration, is_quiet: bool) -> Self {
        if is_quiet {
            return Self { view: View::Quiet };
        }
        if std::io::stderr().is_terminal() {
            return Self::bar(total, ProgressDrawTarget::stderr());
        }
        Self::lines(total, std::io::stderr())
    }

    /// Plain lines to this output, one a second at most.
    pub fn lines(total: Duration, output: impl Write + Send + 'static) -> Self {
        Self {
            view: View::Lines {
                output: Box::new(output),
                total,
                next: Duration::ZERO,
            },
        }
    }

    fn bar(total: Duration, target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(milliseconds(total)), target);
        Self {
            view: View::Bar(bar.with_style(style.progress_chars("━╸·"))),
        }
    }

    /// Shows the figures of a moment.
    pub fn show(&mut self, moment: &Moment<'_>) {
        match &mut self.view {
            View::Quiet => {}
            View::Bar(bar) => {
                let total = Duration::from_millis(bar.length().unwrap_or_default());
                let phase = one_line(moment.phase);
                bar.set_prefix(format!("{phase}  {}", clock(moment.at, total)));
                bar.set_message(figures(moment));
                bar.set_position(milliseconds(moment.at));
            }
            View::Lines {
                output,
                total,
                next,
            } => {
                if moment.at < *next {
                    return;
                }
                // The next one is due a second later, but a late one does not make all others late.
                *next = Duration::from_secs(moment.at.as_secs() + 1);
                let (clock, phase) = (clock(moment.at, *total), one_line(moment.phase));
                let line = format!("{clock}  {phase}  {}\n", figures(moment));
                print(output, &line);
            }
        }
    }

    /// Says something besides, such as that a gate has ended the run. A quiet view says it too.
    pub fn note(&mut self, text: &str) {
        let text = one_line(text);
        match &mut self.view {
            View::Quiet => print(&mut std::io::stderr(), &format!("{text}\n")),
            View::Bar(bar) => bar.println(text),
            View::Lines { output, .. } => print(output, &format!("{text}\n")),
        }
    }

    /// Takes a bar away, so that the summary can follow.
    pub fn finish(self) {
        if let View::Bar(bar) = self.view {
            bar.finish_and_clear();
        }
    }
}

/// A run goes on when nobody reads its lines any more.
fn print(output: &mut dyn Write, line: &str) {
    let written = output.write_all(line.as_bytes());
    if let Err(error) = written.and_then(|()| output.flush()) {
        tracing::debug!(%error, "nobody reads the progress");
    }
}

fn figures(moment: &Moment<'_>) -> String {
    let time = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), show_us);
    format!(
        "tabs {}  rate {}  p50 {}  p99 {}  errors {}",
        number(moment.tabs),
        Unit::PerSecond.show(moment.rate_per_s),
        time(moment.p50_us),
        time(moment.p99_us),
        number(moment.errors)
    )
}

fn clock(at: Duration, total: Duration) -> String {
    let (at, total) = (at.as_secs_f64(), total.as_secs_f64());
    format!("{} of {}", duration(at), duration(total))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Two lines: where the run is, and its figures.
const TEMPLATE: &str = "{bar:30} {prefix}\n{wide_msg}";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::InMemoryTerm;

    use super::*;

    const MOMENT: Moment<'_> = Moment {
        phase: "hold",
        at: Duration::from_secs(30),
        tabs: 2_000,
        rate_per_s: 12_345.0,
        p50_us: Some(1_234),
        p99_us: None,
        errors: 3,
    };

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_there_is_one_plain_line_a_second() {
        let kept = Kept::default();
        let mut live = Live::lines(Duration::from_secs(60), kept.clone());
        for tenth in 0..=20 {
            let at = Duration::from_millis(tenth * 100 + 50);
            live.show(&Moment { at, ..MOMENT });
        }
        live.note("a gate\x1b[2J failed");
        live.finish();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "0.1 s of 60.0 s  hold  tabs 2,000  rate 12,345 /s  p50 1.23 ms  p99 –  errors 3"
        );
        assert!(
            lines[1].starts_with("1.1 s") && lines[2].starts_with("2.0 s"),
            "{text}"
        );
        assert_eq!(lines[3], "a gate␛[2J failed");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn in_a_terminal_the_figures_stand_below_a_bar_and_leave_with_it() {
        let terminal = InMemoryTerm::new(8, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut live = Live::bar(Duration::from_secs(60), target);
        live.show(&Moment {
            phase: "hold\x07",
            ..MOMENT
        });
        live.note("the gate `errors = 0` ended the run");
        let shown = terminal.contents();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "the gate `errors = 0` ended the run");
        assert_eq!(
            lines[1],
            format!(
                "{}╸{} hold␇  30.0 s of 60.0 s",
                "━".repeat(15),
                "·".repeat(14)
            )
        );
        assert_eq!(
            lines[2],
            "tabs 2,000  rate 12,345 /s  p50 1.23 ms  p99 –  errors 3"
        );
        live.finish();
        assert_eq!(terminal.contents(), "the gate `errors = 0` ended the run");
    }

    #[test]
    fn nobody_who_reads_does_not_end_a_run() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut live = Live::lines(Duration::from_secs(60), Gone);
        live.show(&MOMENT);
        live.finish();
    }
}
