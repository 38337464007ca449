//! What the guides for integrators print works: the sample CRMs of `gateway/examples/crm`, started as the guides say, with
//! the guides' settings, before the real gateway. A call comes in, and the customer's card pops up. The printed files are
//! those of the directory.
#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::gateway::{Gateway, Settings, free_addresses};
use okgate_harness::tab::Tab;
use okgate_tests::{TestResult, program};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

const CALLER: &str = "89274513158";
const NAME: &str = "Maria Lindqvist, Northwind Traders";
const PASSWORD: &str = "demo";
const CREDENTIALS: &str = "crm:a long password";
const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file or directory that `scripts/install guide` made.
fn tool(path: &str) -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("OKGATE_CACHE");
    let cache = cache.map_or_else(|| root().join(".cache"), PathBuf::from);
    let tool = cache.join("tools/guide").join(path);
    ensure!(
        tool.exists(),
        "{} is missing: scripts/install guide",
        tool.display()
    );
    Ok(fs::canonicalize(tool.parent().context("a parent")?)?
        .join(tool.file_name().context("a name")?))
}

/// A copy of the samples, with certificates, as an integrator has them.
struct Samples {
    directory: TempDir,
}

impl Samples {
    fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        for file in fs::read_dir(root().join("gateway/examples/crm"))? {
            let file = file?;
            if !file.file_type()?.is_file() {
                continue;
            }
            fs::copy(file.path(), directory.path().join(file.file_name()))?;
        }
        std::os::unix::fs::symlink(
            tool("node/node_modules")?,
            directory.path().join("node_modules"),
        )?;
        let made = std::process::Command::new("./certificates.sh")
            .current_dir(directory.path())
            .output()?;
        ensure!(
            made.status.success(),
            "certificates.sh: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(Self { directory })
    }

    fn path(&self, file: &str) -> String {
        self.directory.path().join(file).display().to_string()
    }

    fn settings(&self, mode: &str) -> anyhow::Result<Settings> {
        let text = fs::read_to_string(self.path(&format!("{mode}.toml")))?;
        Ok(Settings::from_toml(&text)?)
    }

    /// The outcome, and with a failure what the sample CRM said.
    fn told(&self, outcome: TestResult) -> TestResult {
        let said = fs::read_to_string(self.path("crm.log")).unwrap_or_default();
        outcome.with_context(|| format!("the sample CRM said:\n{said}"))
    }

    /// Starts a sample CRM with these arguments, all of them divided by spaces.
    fn start(&self, command: &str) -> anyhow::Result<Child> {
        self.start_with_users(command, "")
    }

    /// The same, with users who are active in it.
    fn start_with_users(&self, command: &str, users: &str) -> anyhow::Result<Child> {
        let mut words = command.split(' ');
        let interpreter = match words.next().context("a program")? {
            "python3" => tool("python/bin/python")?,
            other => PathBuf::from(other),
        };
        let log = fs::File::create(self.path("crm.log"))?;
        let child = Command::new(&interpreter)
            .args(words)
            .current_dir(self.directory.path())
            .env("CRM_CREDENTIALS", CREDENTIALS)
            .env("CRM_USERS", users)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        child.with_context(|| format!("{}: scripts/install guide", interpreter.display()))
    }
}

/// Waits until somebody listens there.
async fn listened_to(address: SocketAddr) -> TestResult {
    let mut ticks = interval(POLL);
    let connected = async {
        while TcpStream::connect(address).await.is_err() {
            ticks.tick().await;
        }
    };
    timeout(SOON, connected)
        .await
        .context("the sample CRM does not listen")
}

/// Waits until the CRM has declared its method and its form.
async fn declared(gateway: &Gateway) -> TestResult {
    status_shows(gateway, |crm| {
        crm["state"] == "ready" && crm["methods"] == 1 && crm["forms"] == 1
    })
    .await
}

/// Waits until the status shows this of the CRM.
async fn status_shows(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> TestResult {
    let mut ticks = interval(POLL);
    let admin = gateway.admin();
    let shown = async {
        while !is_it(&admin.status().await?["crm"]) {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    if let Ok(outcome) = timeout(SOON, shown).await {
        return outcome;
    }
    let status = admin.status().await?;
    let problem = format!("the CRM shows as {}", status["crm"]);
    Err(gateway.failure(problem).into())
}

/// A call comes in, and the card with the caller's name opens at the operator, who answers it.
async fn card_pops_up(gateway: &Gateway) -> TestResult {
    declared(gateway).await?;
    let mut tab = Tab::logged_in(gateway.clients(), "anna", PASSWORD).await?;
    tab.subscribe(&["showuserform", "closeform"]).await?;
    // The hub knows of the subscription before the next thing that it is asked.
    tab.request_ok("getuserstate", json!({})).await?;
    gateway.admin().start_call(CALLER, "101", json!({})).await?;
    let form = tab.event("showuserform").await?;
    assert_eq!(form.text("formkey"), Some("card"));
    assert_eq!(
        *form.field("inputparameters"),
        json!({"callerid": CALLER, "name": NAME})
    );
    let values =
        json!({"windowid": form.field("windowid"), "outputparameters": {"comment": "calls back"}});
    tab.request_ok("methodresult", values).await?;
    Ok(())
}

/// `okgate crm test` with these settings: its last line, or all that it said.
async fn link_test(samples: &Samples, settings: &Settings) -> TestResult {
    let file = samples.path("test.toml");
    fs::write(&file, settings.to_toml())?;
    let ended = program::run(&["crm", "test", "--config", &file]).await?;
    ensure!(
        ended.code == Some(0)
            && ended.output.contains("1 method(s) and 1 form(s)")
            && ended.output.ends_with("fine\n"),
        "{ended:?}"
    );
    Ok(())
}

/// The gateway goes to the CRM, in both formats: `crm` starts a sample on a port.
async fn outgoing(mode: &str, formats: &[&str], crm: impl Fn(u16) -> String) -> TestResult {
    let samples = Samples::new()?;
    let [address] = free_addresses()?;
    let _crm = samples.start(&crm(address.port()))?;
    listened_to(address).await?;
    for format in formats {
        let settings = samples
            .settings(mode)?
            .set("crm.format", *format)
            .set("crm.credentials", CREDENTIALS);
        let port = address.port();
        let settings = match mode {
            "http-out" => settings.set("crm.url", format!("http://127.0.0.1:{port}/")),
            "https-out" => settings.set("crm.url", format!("https://localhost:{port}/")),
            "wss-out" => settings.set("crm.address", format!("localhost:{port}")),
            _ => settings.set("crm.address", address.to_string()),
        };
        let settings = match settings.value("crm.trust_roots") {
            Some(_) => settings.set("crm.trust_roots", samples.path("authority.pem")),
            None => settings,
        };
        samples.told(link_test(&samples, &settings).await)?;
        let gateway = Gateway::start(settings).await?;
        samples.told(card_pops_up(&gateway).await)?;
    }
    Ok(())
}

/// The CRM comes to the gateway.
async fn incoming(mode: &str, crm: impl Fn(u16) -> String) -> TestResult {
    let samples = Samples::new()?;
    let [address] = free_addresses()?;
    let mut settings = samples
        .settings(mode)?
        .set("crm.listen", address.to_string());
    for key in ["tls.certificate", "tls.private_key"] {
        if let Some(file) = settings.value(key).and_then(toml::Value::as_str) {
            let file = samples.path(file);
            settings = settings.set(key, file);
        }
    }
    let gateway = Gateway::start(settings).await?;
    let _crm = samples.start(&crm(address.port()))?;
    samples.told(card_pops_up(&gateway).await)
}

// protocol 2-a, 2.1-a to 2.1-k, 8-o, 8-p
#[tokio::test]
async fn the_card_of_the_crm_in_php_pops_up_in_json_and_in_xml() -> TestResult {
    outgoing("http-out", &["json", "xml"], |port| {
        format!("php -S 127.0.0.1:{port} crm.php")
    })
    .await
}

#[tokio::test]
async fn the_card_of_the_crm_in_python_pops_up_over_http() -> TestResult {
    outgoing("http-out", &["json", "xml"], |port| {
        format!("python3 crm.py http {port}")
    })
    .await
}

// protocol 2-b
#[tokio::test]
async fn the_card_of_the_crm_in_python_pops_up_over_https() -> TestResult {
    outgoing("https-out", &["json", "xml"], |port| {
        format!("python3 crm.py http {port} --certificate server.pem --key server.key")
    })
    .await
}

// protocol 2-c
#[tokio::test]
async fn the_card_of_a_crm_that_listens_for_a_websocket_pops_up() -> TestResult {
    outgoing("ws-out", &["json", "xml"], |port| {
        format!("python3 crm.py listen {port}")
    })
    .await?;
    outgoing("ws-out", &["json"], |port| {
        format!("node crm.mjs listen {port}")
    })
    .await
}

// protocol 2-d
#[tokio::test]
async fn the_card_of_a_crm_that_listens_for_a_websocket_over_tls_pops_up() -> TestResult {
    outgoing("wss-out", &["json", "xml"], |port| {
        format!("python3 crm.py listen {port} --certificate server.pem --key server.key")
    })
    .await?;
    outgoing("wss-out", &["json"], |port| {
        format!("node crm.mjs listen {port} server.pem server.key")
    })
    .await
}

// protocol 2-e
#[tokio::test]
async fn the_card_of_a_crm_that_connects_pops_up() -> TestResult {
    for format in ["json", "xml"] {
        incoming("ws-in", |port| {
            format!("python3 crm.py connect ws://127.0.0.1:{port} --format {format}")
        })
        .await?;
    }
    incoming("ws-in", |port| {
        format!("node crm.mjs connect ws://127.0.0.1:{port}")
    })
    .await
}

// protocol 2-f
#[tokio::test]
async fn the_card_of_a_crm_that_connects_over_tls_pops_up() -> TestResult {
    for format in ["json", "xml"] {
        incoming("wss-in", |port| {
            format!("python3 crm.py connect wss://localhost:{port} --format {format} --authority authority.pem")
        })
        .await?;
    }
    incoming("wss-in", |port| {
        format!("node crm.mjs connect wss://localhost:{port} authority.pem")
    })
    .await
}

// protocol 1-a, 5-c, 5-g, 8-l
#[tokio::test]
async fn the_samples_get_the_events_and_the_form_of_a_user_who_is_active_there() -> TestResult {
    for program in ["python3 crm.py", "node crm.mjs"] {
        let samples = Samples::new()?;
        let [address] = free_addresses()?;
        let settings = samples.settings("ws-in")?;
        let gateway = Gateway::start(settings.set("crm.listen", address.to_string())).await?;
        let command = format!("{program} connect ws://{address}");
        let _crm = samples.start_with_users(&command, "anna")?;
        samples.told(declared(&gateway).await)?;
        let admin = gateway.admin();
        samples.told(status_shows(&gateway, |crm| crm["active_users"] == 1).await)?;
        admin.start_call(CALLER, "101", json!({})).await?;
        let mut ticks = interval(POLL);
        let came = async {
            loop {
                let said = fs::read_to_string(samples.path("crm.log"))?;
                if said.contains("phoneevent_ringstarted") && said.contains("showform") {
                    return anyhow::Ok(());
                }
                ticks.tick().await;
            }
        };
        let came = timeout(SOON, came).await.context("no event, or no form");
        samples.told(came.and_then(|it| it))?;
    }
    Ok(())
}

#[tokio::test]
async fn the_settings_of_the_guides_have_no_fault() -> TestResult {
    let samples = Samples::new()?;
    for mode in [
        "http-out",
        "https-out",
        "ws-out",
        "wss-out",
        "ws-in",
        "wss-in",
    ] {
        let file = samples.path(&format!("{mode}.toml"));
        let ended = program::run(&["check", "--config", &file]).await?;
        ensure!(ended.code == Some(0), "{mode}: {ended:?}");
    }
    Ok(())
}

/// A file that a guide prints: named in a comment right above its block.
struct Printed {
    name: String,
    text: String,
}

fn printed_files(guide: &str) -> anyhow::Result<Vec<Printed>> {
    let mut printed = Vec::new();
    let mut parts = guide.split("<!-- file: ");
    parts.next();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").context("the end of a comment")?;
        let (fence, rest) = rest.split_once('\n').context("a block")?;
        ensure!(fence.starts_with("```"), "{name}: no block, but {fence}");
        let (text, _) = rest.split_once("\n```\n").context("the end of a block")?;
        printed.push(Printed {
            name: name.to_owned(),
            text: format!("{text}\n"),
        });
    }
    Ok(printed)
}

#[test]
fn the_guides_print_the_samples_as_they_are() -> TestResult {
    let mut names = Vec::new();
    for guide in ["INTEGRATION.md", "INTEGRATION.ru.md"] {
        let text = fs::read_to_string(root().join("gateway").join(guide))?;
        let printed = printed_files(&text)?;
        for Printed { name, text } in &printed {
            let file = fs::read_to_string(root().join("gateway").join(name));
            let file = file.with_context(|| format!("{guide} prints {name}"))?;
            assert_eq!(*text, file, "{guide} prints another {name}");
        }
        names.push(printed.into_iter().map(|it| it.name).collect::<Vec<_>>());
    }
    assert_eq!(names[0], names[1], "both guides print the same files");
    for mode in [
        "http-out",
        "https-out",
        "ws-out",
        "wss-out",
        "ws-in",
        "wss-in",
    ] {
        let file = format!("examples/crm/{mode}.toml");
        ensure!(names[0].contains(&file), "{file} is not printed");
    }
    Ok(())
}

/// The numbers and marks of a document that do not depend on its language.
fn skeleton(text: &str) -> Value {
    let lines = |start: &str| text.lines().filter(|it| it.starts_with(start)).count();
    json!({"sections": lines("## "), "parts": lines("### "), "rows": lines("| "), "blocks": lines("```")})
}

#[test]
fn the_guides_say_the_same_in_both_languages() -> TestResult {
    for guide in ["INTEGRATION", "MIGRATION"] {
        let read = |end: &str| fs::read_to_string(root().join(format!("gateway/{guide}{end}")));
        assert_eq!(
            skeleton(&read(".md")?),
            skeleton(&read(".ru.md")?),
            "{guide}: sections, rows and blocks of the two languages"
        );
    }
    Ok(())
}
