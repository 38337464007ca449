//! Owns a worker process: this program again, with orders on its standard input and reports on its standard output, both as one
//! JSON document a line.
//!
//! It ends when its input ends, so that no worker outlives its supervisor.

use std::path::Path;
use std::process::Stdio;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::END_MAX;
use crate::error::{Error, Result};

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
