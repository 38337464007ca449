//! The thread that writes the log, and the way to it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender, TryRecvError};
use tracing_subscriber::fmt::MakeWriter;

/// What the log counts.
#[derive(Debug, Default)]
pub struct LogCounters {
    lines: AtomicU64,
    dropped: AtomicU64,
}

impl LogCounters {
    /// Lines taken for writing.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Lines dropped because the writer was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Makes the way to the thread and the thread, which writes to `out`.
pub fn writer(out: impl Write + Send + 'static) -> io::Result<(LogWriter, WriterThread)> {
    let (sender, receiver) = async_channel::bounded(LINES_MAX);
    let (finished, ended) = mpsc::sync_channel(1);
    let counters = Arc::new(LogCounters::default());
    let of_thread = Arc::clone(&counters);
    thread::Builder::new()
        .name("okgate-log".to_owned())
        .spawn(move || {
            write_lines(&receiver, out, &of_thread);
            // The other end is gone if nobody waits for the end.
            let _ = finished.send(());
        })?;
    let log_writer = LogWriter {
        sender: sender.clone(),
        counters: Arc::clone(&counters),
    };
    let thread = WriterThread {
        sender,
        ended,
        counters,
    };
    Ok((log_writer, thread))
}

/// The way to the thread; each write is one line and never waits.
#[derive(Clone, Debug)]
pub struct LogWriter {
    sender: Sender<Box<[u8]>>,
    counters: Arc<LogCounters>,
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = &line[..line.len().min(LINE_BYTES_MAX)];
        let counter = match self.sender.try_send(kept.into()) {
            Ok(()) => &self.counters.lines,
            Err(_) => &self.counters.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = Self;

    fn make_writer(&'w self) -> Self::Writer {
        self.clone()
    }
}

/// The thread. Dropping it waits until what was taken is written, but not for
/// ever: standard error may be a full pipe.
#[derive(Debug)]
pub struct WriterThread {
    sender: Sender<Box<[u8]>>,
    ended: mpsc::Receiver<()>,
    counters: Arc<LogCounters>,
}

impl WriterThread {
    /// What the log counts.
    pub fn counters(&self) -> Arc<LogCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.sender.close();
        let _ = self.ended.recv_timeout(END_WAIT);
    }
}

/// Writes until the channel is closed and empty.
fn write_lines(lines: &Receiver<Box<[u8]>>, mut out: impl Write, counters: &LogCounters) {
    let mut reported = 0;
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Closed) => {
                report_dropped(&mut out, counters, &mut reported);
                return;
            }
            Err(TryRecvError::Empty) => {
                report_dropped(&mut out, counters, &mut reported);
                match lines.recv_blocking() {
                    Ok(line) => line,
                    Err(_) => return,
                }
            }
        };
        // A failing standard error has no better place to be told.
        let _ = out.write_all(&line);
    }
}

fn report_dropped(out: &mut impl Write, counters: &LogCounters, reported: &mut u64) {
    let dropped = counters.dropped();
    let lost = dropped - *reported;
    *reported = dropped;
    if lost > 0 {
        let _ = writeln!(
            out,
            "okgate: {lost} log line(s) dropped: the log was not read fast enough"
        );
    }
}

/// Lines that may wait for the writer; with [`LINE_BYTES_MAX`] at most 64 MiB,
/// in practice some hundred KiB.
const LINES_MAX: usize = 8192;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 8192;

/// How long the end waits for the writer.
const END_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// A place that holds writers up until it is opened.
    #[derive(Clone, Default)]
    struct Place {
        text: Arc<Mutex<Vec<u8>>>,
        gate: Option<Arc<Mutex<()>>>,
        reached: Option<std::sync::mpsc::Sender<()>>,
    }

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(reached) = self.reached.take() {
                reached.send(()).expect("the test listens");
            }
            let _open = self.gate.as_ref().map(|gate| gate.lock());
            self.text
                .lock()
                .expect("no panic inside")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text_of(place: &Place) -> String {
        String::from_utf8(place.text.lock().expect("no panic inside").clone()).expect("text")
    }

    #[test]
    fn what_was_logged_is_written_when_the_thread_is_dropped() {
        let place = Place::default();
        let (mut log, thread) = writer(place.clone()).expect("a thread");
        for number in 0..100 {
            writeln!(log, "line {number}").expect("never fails");
        }
        drop(thread);
        let text = text_of(&place);
        assert_eq!(text.lines().count(), 100);
        assert!(text.ends_with("line 99\n"), "{text}");
    }

    #[test]
    fn a_stuck_writer_costs_lines_and_never_time() {
        let (reached, is_stuck) = channel();
        let gate = Arc::new(Mutex::new(()));
        let place = Place {
            gate: Some(Arc::clone(&gate)),
            reached: Some(reached),
            ..Place::default()
        };
        let closed = gate.lock().expect("no panic inside");
        let (mut log, thread) = writer(place.clone()).expect("a thread");
        log.write_all(b"first\n").expect("never fails");
        is_stuck.recv().expect("the writer has begun");
        for _ in 0..LINES_MAX + 10 {
            log.write_all(b"more\n").expect("never waits");
        }
        assert_eq!(thread.counters().dropped(), 10);
        assert_eq!(thread.counters().lines(), LINES_MAX as u64 + 1);
        drop(closed);
        drop(thread);
        let text = text_of(&place);
        assert!(text.contains("10 log line(s) dropped"), "{text}");
    }
}
