//! Owns a worker process, from both of its sides: this program again, with orders on its standard input and reports on its
//! standard output, both as one JSON document a line.
//!
//! It ends when its input ends, so that no worker outlives its supervisor.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::timeout;

use super::END_MAX;
use crate::error::{Error, Result};
use crate::report::{process_rss_bytes, raise_descriptor_limit};

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Child,
    input: Option<ChildStdin>,
    /// Takes its reports, until there are no more.
    forwarding: Option<JoinHandle<()>>,
}

impl WorkerProcess {
    /// Starts this program with this command and gives it its job; every report goes to `take`, whether anybody waits for one or
    /// not: a worker whose reports waited to be taken would stand still.
    pub(crate) async fn start<R: DeserializeOwned + 'static>(
        program: &Path,
        command: &str,
        job: &impl Serialize,
        take: impl FnMut(R) + Send + 'static,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::io("starting a worker process", error))?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let forwarding =
            output.map(|output| tokio::spawn(forward(BufReader::new(output).lines(), take)));
        let mut worker = Self {
            child,
            input,
            forwarding,
        };
        worker.tell(job).await?;
        Ok(worker)
    }

    /// Gives it an order.
    pub(crate) async fn tell(&mut self, order: &impl Serialize) -> Result<()> {
        let order =
            serde_json::to_string(order).map_err(|error| Error::Usage(error.to_string()))?;
        if let Some(input) = &mut self.input {
            let written = input.write_all(format!("{order}\n").as_bytes()).await;
            written.map_err(|error| Error::io("telling a worker process its job", error))?;
        }
        Ok(())
    }

    /// Ends its input, and so the worker, after its last report.
    pub(crate) fn tell_to_stop(&mut self) {
        self.input = None;
    }

    /// Waits for its end, and until its last report is taken; whether it was a good one, in time.
    pub(crate) async fn has_ended_well(&mut self) -> bool {
        let ended = timeout(END_MAX, self.child.wait()).await;
        let is_good = matches!(ended, Ok(Ok(status)) if status.success());
        let all_taken = match self.forwarding.take() {
            Some(forwarding) => timeout(END_MAX, forwarding).await.is_ok(),
            None => true,
        };
        is_good && all_taken
    }

    /// Whether it has ended already.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

async fn forward<R: DeserializeOwned>(
    mut lines: Lines<BufReader<ChildStdout>>,
    mut take: impl FnMut(R),
) {
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(report) => take(report),
            Err(error) => tracing::warn!(%error, "a worker's line could not be read"),
        }
    }
}

/// Does a worker's work, on this thread. Signals often go to the whole process group: they end the supervisor, which then ends
/// this process in order.
pub(crate) fn work(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting a runtime", error))?;
    raise_descriptor_limit();
    LocalSet::new().block_on(&runtime, async {
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            // Once it is listened for, a signal no longer ends the process, for as long as that lives.
            let listening = signal(kind);
            drop(listening.map_err(|error| Error::io("listening for signals", error))?);
        }
        work.await
    })
}

/// The worker's next order; `None` if there will be no more.
pub(crate) async fn next_order<O: DeserializeOwned>(
    input: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<O>> {
    let mut line = String::new();
    let read = input.read_line(&mut line).await;
    if read.map_err(|error| Error::io("reading the supervisor's orders", error))? == 0 {
        return Ok(None);
    }
    let order = serde_json::from_str(&line);
    order.map_err(|error| Error::Malformed(format!("an order: {error}")))
}

/// The worker's first order.
pub(crate) async fn job<J: DeserializeOwned>(input: &mut (impl AsyncBufRead + Unpin)) -> Result<J> {
    let without = || Error::Malformed("a worker without a job".into());
    next_order(input).await?.ok_or_else(without)
}

/// Writes one of the worker's reports.
pub(crate) fn tell(report: &impl Serialize) -> Result<()> {
    let report =
        serde_json::to_string(report).map_err(|error| Error::Malformed(error.to_string()))?;
    writeln!(std::io::stdout().lock(), "{report}")
        .map_err(|error| Error::io("writing a report", error))
}

/// The worker's resident memory.
pub(crate) fn own_rss_bytes() -> u64 {
    process_rss_bytes(std::process::id()).unwrap_or_default()
}
