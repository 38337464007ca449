//! Procedures and scripts of the settings.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use okgate_harness::gateway::{Gateway, Settings};
use okgate_tests::TestResult;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use toml::Table;

use super::{is_counted, refusal, settings};

/// An entry of `[[procedures]]` whose program is a text for the shell.
fn program(settings: Settings, kind: &str, name: &str, script: &str, more: &str) -> Settings {
    let entry = format!(
        "kind = {kind:?}\nname = {name:?}\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']\n{more}"
    );
    settings.push("procedures", entry.parse::<Table>().expect("TOML"))
}

fn entry(settings: Settings, text: &str) -> Settings {
    settings.push("procedures", text.parse::<Table>().expect("TOML"))
}

const ECHO: &str = r#"read -r line; printf '{"dataset":[[["input"],[%s]]]}' "$line""#;

// protocol 6.7-b, 6.7-c, 6.7-m and 6.1-g
#[tokio::test]
async fn procedures_answer_with_their_rows_or_what_their_program_prints() -> TestResult {
    let settings = entry(
        settings(),
        "name = \"GetClients\"\ncolumns = [\"id\", \"имя\"]\nrows = [[1, \"Анна\"], [2, true]]",
    );
    let settings = entry(
        settings,
        "name = \"version\"\nkind = \"script\"\nvalue = \"1.0\"",
    );
    let settings = program(settings, "procedure", "Echo", ECHO, "");
    let settings = program(settings, "script", "sum", "cat >/dev/null; echo 42", "");
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let version = anna
        .request_ok("getversion", json!({"showalloweddbstoredprocs": 1}))
        .await?;
    assert_eq!(
        version.field("alloweddbstoredprocs"),
        &json!({"getclients": true, "echo": true})
    );
    let version = anna.request_ok("getversion", json!({})).await?;
    assert_eq!(version.field("alloweddbstoredprocs"), &json!({}));

    let answer = anna
        .request_ok(
            "execpredefineddbstoredproc",
            json!({"procedure": "getCLIENTS", "inputparams": {}}),
        )
        .await?;
    assert_eq!(answer.field("errorcode"), &json!(0));
    assert_eq!(
        answer.field("dataset"),
        &json!([[["id", "имя"], [1, "Анна"], [2, true]]])
    );
    let input = json!({"@Id": 5, "q": "a'b; $(touch x) `y` \"z\"", "list": [1, null]});
    let answer = anna
        .request_ok(
            "execpredefineddbstoredproc",
            json!({"procedure": "echo", "inputparams": input}),
        )
        .await?;
    let seen = &answer.field("dataset")[0][1][0];
    let wanted = json!({
        "name": "Echo", "userid": okgate_harness::gateway::user_id(1), "userlogin": "anna",
        "inputparams": {"Id": 5, "q": "a'b; $(touch x) `y` \"z\"", "list": [1, null]},
    });
    assert_eq!(seen, &wanted);
    let answer = anna
        .request_ok(
            "execsvcscript",
            json!({"name": "SUM", "startparam1": 1, "timeout": 5}),
        )
        .await?;
    assert_eq!(answer.field("returnvalue"), &json!("42"));
    let answer = anna
        .request_ok("execsvcscript", json!({"name": "version"}))
        .await?;
    assert_eq!(answer.field("returnvalue"), &json!("1.0"));
    Ok(gateway.stop().await?)
}

// protocol 6.7-b and 6.7-c
#[tokio::test]
async fn names_that_no_procedure_has_are_answered_with_their_error_code() -> TestResult {
    let settings = program(settings(), "procedure", "Echo", ECHO, "");
    let settings = program(settings, "script", "sum", "echo 42", "");
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    for (method, fields) in [
        ("execpredefineddbstoredproc", json!({"procedure": "sum"})),
        (
            "execpredefineddbstoredproc",
            json!({"procedure": "../bin/sh"}),
        ),
        ("execsvcscript", json!({"name": "echo"})),
    ] {
        let answer = anna.request(method, fields).await?;
        assert_eq!(
            (answer.field("result"), answer.field("errorcode")),
            (&json!(0), &json!(404))
        );
    }
    assert_eq!(
        refusal(
            &mut anna,
            "execpredefineddbstoredproc",
            json!({"procedure": {"a": 1}})
        )
        .await?,
        422
    );
    Ok(gateway.stop().await?)
}

// protocol 6.7-b and 6.7-m
#[tokio::test]
async fn whatever_a_program_does_the_request_is_answered() -> TestResult {
    let cases: &[(&str, &str, &str, i64)] = &[
        ("garbage", "echo hello", "", 503),
        ("silent", "true", "", 503),
        ("failing", "echo '[]'; exit 3", "", 503),
        ("killed", "kill -9 $$", "", 503),
        (
            "refusing",
            r#"echo '{"errorcode":7,"errormsg":"no such client"}'"#,
            "",
            503,
        ),
        ("ragged", r#"echo '[[["a","b"],[1]]]'"#, "", 503),
        ("binary", r"printf '\377\376'", "", 503),
        ("flooding", "yes", "output_bytes_max = 1024", 413),
        ("hanging", "sleep 600", "timeout_s = 1", 504),
        ("leaving", "sleep 600 & exit 0", "timeout_s = 1", 504),
        ("closing", "exec >&-; sleep 600", "timeout_s = 1", 504),
    ];
    let mut settings = settings();
    for (name, script, more, _) in cases {
        settings = program(settings, "procedure", name, script, more);
    }
    settings = entry(
        settings,
        "name = \"missing\"\ncommand = [\"no-such-program-anywhere\"]",
    );
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let missing = [("missing", 503)];
    let all = cases
        .iter()
        .map(|(name, _, _, number)| (*name, *number))
        .chain(missing);
    for (name, number) in all {
        let answer = anna
            .request("execpredefineddbstoredproc", json!({"procedure": name}))
            .await?;
        let found = (
            answer.field("result").clone(),
            answer.field("errorcode").clone(),
        );
        assert_eq!(
            found,
            (json!(0), json!(number)),
            "{name}: {}",
            answer.to_text()
        );
    }
    let answer = anna
        .request(
            "execpredefineddbstoredproc",
            json!({"procedure": "refusing"}),
        )
        .await?;
    assert!(
        answer
            .text("errormsg")
            .is_some_and(|words| words.contains("no such client"))
    );
    is_counted(&gateway, "program_timeout").await?;
    Ok(gateway.stop().await?)
}

// protocol 6.7-m
#[tokio::test]
async fn a_bounded_number_runs_at_a_time_and_nothing_outlives_the_gateway() -> TestResult {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("pid");
    let settings = settings()
        .set("desk.programs_max", 1)
        .set("clients.messages_per_s", 0);
    let script = format!("echo $$ >{}; sleep 600", file.display());
    let settings = program(settings, "procedure", "slow", &script, "timeout_s = 600");
    let settings = program(settings, "procedure", "quick", "echo '[]'", "timeout_s = 1");
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    anna.send_request("execpredefineddbstoredproc", json!({"procedure": "slow"}))
        .await?;
    let group = process_of(&file).await?;
    // Others wait for it, and their time runs meanwhile; too many do not even wait.
    let mut waiting = Vec::new();
    for _ in 0..257 {
        let request = json!({"procedure": "quick"});
        waiting.push(
            anna.send_request("execpredefineddbstoredproc", request)
                .await?,
        );
    }
    let refused = anna
        .answer_to("execpredefineddbstoredproc", &waiting[256])
        .await?;
    assert_eq!(refused.field("errorcode"), &json!(429));
    let late = anna
        .answer_to("execpredefineddbstoredproc", &waiting[0])
        .await?;
    assert_eq!(late.field("errorcode"), &json!(504));
    // Other users are served meanwhile.
    gateway
        .logged_in("boris")
        .await?
        .request_ok("getuserstate", json!({}))
        .await?;
    is_counted(&gateway, "programs_max").await?;
    gateway.stop().await?;
    let gone = async {
        while Path::new(&format!("/proc/{group}/stat")).exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), gone)
        .await
        .context("the program outlives the gateway")?;
    Ok(())
}

/// The number that a program writes into a file.
async fn process_of(file: &Path) -> anyhow::Result<u32> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Ok(number) = text.trim().parse() {
            return Ok(number);
        }
        anyhow::ensure!(Instant::now() < deadline, "the program did not start");
        tokio::task::yield_now().await;
    }
}

// protocol 6.7-m
#[tokio::test]
async fn a_program_sees_no_secret_of_the_gateways_environment() -> TestResult {
    let script = r#"cat >/dev/null; printf '"%s"' "$(env | cut -d= -f1 | sort | tr '\n' ' ')""#;
    let gateway = Gateway::start(program(settings(), "script", "env", script, "")).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let answer = anna
        .request_ok("execsvcscript", json!({"name": "env"}))
        .await?;
    let names = answer
        .field("returnvalue")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // What the shell itself sets is no secret.
    let known = ["HOME", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TZ", "_"];
    assert!(
        names.split_whitespace().all(|name| known.contains(&name)),
        "{names}"
    );
    assert!(matches!(answer.field("returnvalue"), Value::String(_)));
    Ok(gateway.stop().await?)
}
