//! How the program starts, refuses to start and ends: exit codes, messages, signals.
#![forbid(unsafe_code)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use okgate_harness::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use okgate_harness::gateway::{Gateway, Settings, free_addresses};
use okgate_harness::tab::{Incoming, Seen, Tab};
use okgate_tests::{TestResult, program};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStderr;

/// A settings file, and the directory that it lives in as long as this value.
struct SettingsFile {
    _directory: TempDir,
    path: PathBuf,
}

impl SettingsFile {
    fn new(text: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("okgate.toml");
        std::fs::write(&path, text)?;
        Ok(Self {
            _directory: directory,
            path,
        })
    }

    fn path(&self) -> anyhow::Result<&str> {
        self.path.to_str().context("a path in UTF-8")
    }
}

/// Without asking the gateway for anything, which would wake it.
// protocol 4-d
#[tokio::test]
async fn the_crm_is_linked_at_once_although_nothing_else_happens() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let mut received = crm.received();
    let [clients, web, admin] = free_addresses()?;
    let settings = Settings::new().users(1).crm_ws_out(crm.address());
    let file = SettingsFile::new(&settings.listen(clients, web, admin).to_toml())?;
    let _gateway = program::start(&["run", "--config", file.path()?])?;
    CrmHandle::wait_for(&mut received, "whoareyou", Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::test]
async fn every_fault_of_the_settings_is_named_with_its_line_and_the_exit_code_is_2() -> TestResult {
    let file = SettingsFile::new(
        "[clients]\nlisten = [\"nonsense\"]\nfoo = 1\ntabs_per_user = \"many\"\n[crm]\nmode = \"bad\"\n[[users]]\nlogin = \"\"\n",
    )?;
    for command in ["run", "check"] {
        let ended = program::run(&[command, "--config", file.path()?]).await?;
        assert_eq!(ended.code, Some(2), "{command}: {ended:?}");
        let text = format!("{}{}", ended.output, ended.errors);
        for (line, key) in [
            (2, "clients.listen"),
            (3, "clients.foo"),
            (4, "clients.tabs_per_user"),
            (6, "crm.mode"),
            (8, "users[1].login"),
        ] {
            let wanted = format!("{}:{line}: {key}: ", file.path()?);
            assert!(
                text.contains(&wanted),
                "{command} does not say {wanted:?}:\n{text}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_wrong_usage() -> TestResult {
    let broken = SettingsFile::new("[clients\n")?;
    let empty = SettingsFile::new("")?;
    for path in ["/nonexistent/okgate.toml", broken.path()?, empty.path()?] {
        let ended = program::run(&["run", "--config", path]).await?;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.errors.contains(path), "{ended:?}");
    }
    for arguments in [&["run"][..], &["nosuchcommand"], &["run", "--nosuchoption"]] {
        let ended = program::run(arguments).await?;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains("Usage"), "{arguments:?}: {ended:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_sample_of_the_settings_is_fine() -> TestResult {
    let sample = program::run(&["settings"]).await?;
    assert_eq!(sample.code, Some(0), "{sample:?}");
    let file = SettingsFile::new(&sample.output)?;
    let checked = program::run(&["check", "--config", file.path()?]).await?;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    Ok(())
}

// protocol 2-k
#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting_and_the_exit_code_is_3() -> TestResult {
    for key in ["clients.listen", "web.listen", "admin.listen"] {
        // An address that no other test connects from, so that no port is taken meanwhile.
        let taken = TcpListener::bind("127.77.0.1:0")?;
        // Held until all are known, so that they differ.
        let others = [
            TcpListener::bind("127.77.0.1:0")?,
            TcpListener::bind("127.77.0.1:0")?,
        ];
        let taken_address = taken.local_addr()?.to_string();
        let mut free = Vec::new();
        for other in &others {
            free.push(other.local_addr()?);
        }
        drop(others);
        let (one, two) = (free[0], free[1]);
        let settings = match key {
            "clients.listen" => Settings::new().listen(taken.local_addr()?, one, two),
            "web.listen" => Settings::new().listen(one, taken.local_addr()?, two),
            _ => Settings::new().listen(one, two, taken.local_addr()?),
        };
        let file = SettingsFile::new(&settings.users(1).to_toml())?;
        let ended = program::run(&["run", "--config", file.path()?]).await?;
        assert_eq!(ended.code, Some(3), "{key}: {ended:?}");
        let names_it = ended.errors.contains(key) && ended.errors.contains(&taken_address);
        assert!(names_it, "{key}: {ended:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named_with_its_setting() -> TestResult {
    let text = Settings::new().users(1).to_toml();
    let mode = "mode = \"wss-in\"\n[tls]\ncertificate = \"/nowhere/cert.pem\"\nprivate_key = \"/nowhere/key.pem\"";
    let text = text.replacen("mode = \"off\"", mode, 1);
    let file = SettingsFile::new(&text)?;
    let ended = program::run(&["run", "--config", file.path()?]).await?;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let words = "tls.certificate: /nowhere/cert.pem cannot be read";
    assert!(ended.errors.contains(words), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_gateway_on_the_same_ports_is_refused_and_the_first_goes_on() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(1)).await?;
    let mut tab = gateway.logged_in("user1").await?;
    let addresses = gateway.addresses();
    let same = Settings::new()
        .users(1)
        .listen(addresses.clients, addresses.web, addresses.admin);
    let file = SettingsFile::new(&same.to_toml())?;
    let ended = program::run(&["run", "--config", file.path()?]).await?;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.errors.contains("in use"), "{ended:?}");
    // All connections still come to the first.
    for _ in 0..8 {
        gateway.logged_in("user1").await?;
    }
    tab.settle().await?;
    Ok(gateway.stop().await?)
}

#[tokio::test]
async fn too_little_lockable_memory_is_said_in_one_clear_line() -> TestResult {
    let file = SettingsFile::new(&Settings::new().users(1).to_toml())?;
    let child = program::start_after("ulimit -l 64", &["run", "--config", file.path()?])?;
    let ended = program::end_of(child).await?;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.errors.trim().lines().count(), 1, "{ended:?}");
    assert!(
        ended.errors.contains("64 KiB") && ended.errors.contains("ulimit -l"),
        "{ended:?}"
    );
    Ok(())
}

// protocol 9-l
#[tokio::test]
async fn sigterm_and_sigint_close_the_tabs_with_1001_and_exit_0() -> TestResult {
    for signal in [Signal::TERM, Signal::INT] {
        let gateway = Gateway::start(Settings::new().users(1)).await?;
        let clients = gateway.clients();
        let mut tabs = vec![gateway.tab().await?];
        for _ in 0..16 {
            tabs.push(gateway.logged_in("user1").await?);
        }
        send(&gateway, signal)?;
        for tab in &tabs {
            assert_eq!(tab.closed().await?.code, Some(1001), "{signal:?}");
        }
        let status = gateway.ended().await?;
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(Tab::connect(clients, Some("json")).await.is_err());
    }
    Ok(())
}

// protocol 9-l
#[tokio::test]
async fn the_closes_are_spread_over_the_set_time() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(1).set("gateway.drain_s", 2)).await?;
    let mut tabs = Vec::new();
    for _ in 0..16 {
        tabs.push(gateway.logged_in("user1").await?);
    }
    send(&gateway, Signal::TERM)?;
    let mut times = Vec::new();
    for tab in &tabs {
        tab.closed().await?;
        let mut entries = tab.received();
        let last = std::iter::from_fn(|| entries.try_next()).last();
        times.push(last.context("the close")?.at);
    }
    times.sort_unstable();
    let spread = times[times.len() - 1] - times[0];
    assert!(
        spread > Duration::from_millis(800) && spread < Duration::from_secs(4),
        "{spread:?}"
    );
    assert_eq!(gateway.ended().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_goes_down_says_that_it_is_not_ready() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(1).set("gateway.drain_s", 2)).await?;
    let mut tabs = Vec::new();
    for _ in 0..16 {
        tabs.push(gateway.logged_in("user1").await?);
    }
    assert!(gateway.admin().is_ready().await?);
    send(&gateway, Signal::TERM)?;
    wait_for_a_close(&tabs).await?;
    let answer = gateway.admin().get("/readyz").await?;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(gateway.ended().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn an_ended_gateway_leaves_its_addresses_free_at_once() -> TestResult {
    let mut gateway = Gateway::start(Settings::new().users(1)).await?;
    for _ in 0..10 {
        let tab = gateway.logged_in("user1").await?;
        gateway = gateway.restart().await?;
        tab.closed().await?;
    }
    Ok(gateway.stop().await?)
}

/// Waits until one of the tabs is closed.
async fn wait_for_a_close(tabs: &[Tab]) -> TestResult {
    let mut waiting = tokio::task::JoinSet::new();
    for tab in tabs {
        let mut entries = tab.received();
        waiting.spawn(async move {
            let is_close = |entry: &Incoming| matches!(entry.what, Seen::Closed(_));
            entries
                .find(Duration::from_secs(10), is_close)
                .await
                .is_ok()
        });
    }
    let closed = waiting.join_next().await.context("tabs")??;
    anyhow::ensure!(closed, "no tab was closed");
    Ok(())
}

fn send(gateway: &Gateway, signal: Signal) -> TestResult {
    let id = gateway.process_id().context("a running gateway")?;
    let id = Pid::from_raw(i32::try_from(id)?).context("a process id")?;
    Ok(kill_process(id, signal)?)
}

#[tokio::test]
async fn sighup_says_that_changed_form_rules_wait_for_the_next_start() -> TestResult {
    let [crm, clients, web, admin] = free_addresses()?;
    let settings = Settings::new().users(1).crm_ws_out(crm);
    let settings = settings.listen(clients, web, admin);
    let file = SettingsFile::new(&settings.to_toml())?;
    let mut gateway = program::start(&["run", "--config", file.path()?])?;
    let mut log = BufReader::new(gateway.stderr.take().context("the log")?).lines();
    line_with(&mut log, "tabs are served").await?;
    let rule = "event = 'phoneevent_ringstarted'\nform = 'card'".parse()?;
    std::fs::write(file.path()?, settings.push("form_rules", rule).to_toml())?;
    let id = gateway
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    kill_process(id.context("a process")?, Signal::HUP)?;
    let line = line_with(&mut log, "they take effect at the next start").await?;
    assert!(line.contains("[forms] and [[form_rules]]"), "{line}");
    Ok(())
}

/// The next line of the log with these words.
async fn line_with(log: &mut Lines<BufReader<ChildStderr>>, words: &str) -> anyhow::Result<String> {
    let found = async {
        while let Some(line) = log.next_line().await? {
            if line.contains(words) {
                return Ok(line);
            }
        }
        anyhow::bail!("the log ends without {words:?}")
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    found.with_context(|| format!("the log does not say {words:?}"))?
}
