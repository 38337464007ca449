//! Owns the gateway's program as a child that a test watches from its first to its last moment: arguments and a settings
//! file come in; exit code and output go out. Every wait has a deadline, and no child outlives its test.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

/// How long a program may take to end.
const DEADLINE: Duration = Duration::from_secs(20);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub output: String,
    /// What it wrote to its standard error.
    pub errors: String,
}

/// The program's path: the environment variable `OKGATE_BIN`, absolute.
pub fn path() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("OKGATE_BIN").map(PathBuf::from);
    let path = path.context("OKGATE_BIN must be the absolute path of the built okgate program")?;
    ensure!(
        path.is_absolute() && path.is_file(),
        "OKGATE_BIN is no absolute path of a program: {}",
        path.display()
    );
    Ok(path)
}

/// Starts the program.
pub fn start(arguments: &[&str]) -> anyhow::Result<Child> {
    spawn(Command::new(path()?).args(arguments))
}

/// Starts the program from a shell that first runs this command, e.g. to set a limit.
pub fn start_after(command: &str, arguments: &[&str]) -> anyhow::Result<Child> {
    let script = format!("{command} && exec \"$0\" \"$@\"");
    spawn(
        Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(path()?)
            .args(arguments),
    )
}

/// Runs the program to its end.
pub async fn run(arguments: &[&str]) -> anyhow::Result<Ended> {
    end_of(start(arguments)?).await
}

/// Waits for the end of a started program.
pub async fn end_of(child: Child) -> anyhow::Result<Ended> {
    let Ok(output) = tokio::time::timeout(DEADLINE, child.wait_with_output()).await else {
        bail!("the program did not end within {DEADLINE:?}");
    };
    let output = output?;
    Ok(Ended {
        code: output.status.code(),
        output: String::from_utf8(output.stdout)?,
        errors: String::from_utf8(output.stderr)?,
    })
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command.kill_on_drop(true).spawn()?)
}
