//! Owns what is seen of a run while it lasts: a bar with the figures of the moment in a terminal, else one plain line a second.
//!
//! [`Progress`] comes in, as often as there is news; what is shown goes to the standard error, so that the standard output holds the
//! summary alone.

use std::io::{IsTerminal as _, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::show_us;
use super::text::one_line;
use super::units::{Unit, duration, number};
use crate::results::Progress;

/// A view of a run that lasts.
pub struct Live {
    view: View,
}

enum View {
    Quiet,
    Bar(ProgressBar),
    Lines {
        output: Box<dyn Write + Send>,
        /// The next line is due from this second on.
        next_s: f64,
    },
}

impl Live {
    /// Nothing if it is to be quiet, a bar if the standard error is a terminal, lines if it is not.
    pub fn new(is_quiet: bool) -> Self {
        if is_quiet {
            return Self { view: View::Quiet };
        }
        if std::io::stderr().is_terminal() {
            return Self::bar(ProgressDrawTarget::stderr());
        }
        Self::lines(std::io::stderr())
    }

    /// Plain lines to this output, one a second at most.
    pub fn lines(output: impl Write + Send + 'static) -> Self {
        let output = Box::new(output);
        let next_s = 0.0;
        Self {
            view: View::Lines { output, next_s },
        }
    }

    fn bar(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(0), target);
        Self {
            view: View::Bar(bar.with_style(style.progress_chars("━╸·"))),
        }
    }

    /// Shows how the run stands.
    pub fn show(&mut self, progress: &Progress) {
        match &mut self.view {
            View::Quiet => {}
            View::Bar(bar) => {
                bar.set_length(milliseconds(progress.of_s));
                bar.set_position(milliseconds(progress.at_s));
                bar.set_prefix(place(progress));
                bar.set_message(figures(progress).join("\n"));
            }
            View::Lines { output, next_s } => {
                if progress.at_s < *next_s {
                    return;
                }
                // A late line does not make all others late.
                *next_s = progress.at_s.floor() + 1.0;
                print(output, &format!("{}\n", one_line(&progress.to_string())));
            }
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

fn place(progress: &Progress) -> String {
    let (at, of) = (duration(progress.at_s), duration(progress.of_s));
    let counts = if progress.is_measured {
        ""
    } else {
        " (not measured)"
    };
    format!("{at} of {of}  {}{counts}", one_line(&progress.phase))
}

/// What the tabs are answered, what comes to them, and what the processes on both sides use.
fn figures(progress: &Progress) -> [String; 3] {
    let time = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), show_us);
    let rate = |rate| Unit::PerSecond.show(rate);
    let (tabs, wanted) = [progress.tabs, progress.tabs_wanted]
        .map(|tabs| number(tabs as u64))
        .into();
    let tabs = if tabs == wanted {
        tabs
    } else {
        format!("{tabs} of {wanted}")
    };
    let answers = format!(
        "tabs {tabs}  requests {}  p50 {}  p99 {}  errors {}",
        rate(progress.rate_per_s),
        time(progress.p50_us),
        time(progress.p99_us),
        number(progress.errors),
    );
    let events = format!(
        "events {}  calls {}  rings p99 {}",
        rate(progress.events_per_s),
        rate(progress.calls_per_s),
        time(progress.ring_p99_us),
    );
    [answers, events, processes(progress)]
}

#[allow(clippy::cast_precision_loss)] // memory is shown to three digits
fn processes(progress: &Progress) -> String {
    let share = |share: f64| format!("CPU {}", Unit::Share.show(share));
    let memory = |bytes: u64| format!("memory {}", Unit::Bytes.show(bytes as f64));
    let late = |us| format!("timers late p99 {}", show_us(us));
    let server = progress.server_cpu_share.map(share).into_iter();
    let server = server.chain(progress.server_rss_bytes.map(memory));
    let harness = std::iter::once(share(progress.harness_cpu_share));
    let harness = harness.chain(progress.harness_lag_p99_us.map(late));
    let told = |name: &str, parts: Vec<String>| {
        let parts = parts.join(", ");
        (!parts.is_empty()).then(|| format!("{name}: {parts}"))
    };
    let told = [
        told("server", server.collect()),
        told("harness", harness.collect()),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a time from zero on
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1e3) as u64
}

/// Where the run is, and its figures.
const TEMPLATE: &str = "{bar:30} {prefix}\n{msg}";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::InMemoryTerm;

    use super::*;

    fn progress(at_s: f64) -> Progress {
        Progress {
            at_s,
            of_s: 60.0,
            phase: "hold\x07".into(),
            is_measured: true,
            tabs: 2_000,
            tabs_wanted: 2_000,
            rate_per_s: 12_345.0,
            p50_us: Some(1_234),
            errors: 3,
            server_rss_bytes: Some(5 << 20),
            server_cpu_share: Some(0.42),
            ..Progress::default()
        }
    }

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
        let mut live = Live::lines(kept.clone());
        for tenth in 0..=20 {
            live.show(&progress(f64::from(tenth) / 10.0 + 0.06));
        }
        live.finish();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (line, second) in lines.iter().zip(0..3) {
            let begins = format!("{second:>5} s hold␇: 2000/2000 tabs, ");
            assert!(line.starts_with(&begins), "{line}");
        }
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn in_a_terminal_the_figures_stand_below_a_bar_and_leave_with_it() {
        let terminal = InMemoryTerm::new(8, 100);
        let mut live = Live::bar(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
        live.show(&Progress {
            tabs: 1_990,
            ring_p99_us: Some(9_990),
            ..progress(30.0)
        });
        let shown = terminal.contents();
        let lines: Vec<&str> = shown.lines().collect();
        let bar = format!("{}╸{}", "━".repeat(15), "·".repeat(14));
        assert_eq!(lines[0], format!("{bar} 30.0 s of 60.0 s  hold␇"));
        assert!(
            lines[1].starts_with("tabs 1,990 of 2,000  requests 12,345 /s"),
            "{shown}"
        );
        assert_eq!(lines[2], "events 0 /s  calls 0 /s  rings p99 9.99 ms");
        assert_eq!(
            lines[3],
            "server: CPU 42.0 %, memory 5.00 MiB  harness: CPU 0 %"
        );
        let widest = lines.iter().map(|line| line.chars().count()).max();
        assert!(widest < Some(80), "{shown}");
        live.finish();
        assert_eq!(terminal.contents(), "");
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
        let mut live = Live::lines(Gone);
        live.show(&progress(30.0));
        live.finish();
    }
}
