//! Service scripts over HTTP, and what stands behind them: fixed values, programs, URLs.

use std::net::SocketAddr;

use okgate_harness::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings, user_id};
use okgate_harness::tab::DEADLINE;
use okgate_tests::TestResult;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use toml::Table;

use super::{basic, get, is_counted, settings, temp_password, told, without_ids};

fn script(settings: Settings, name: &str, more: &str) -> Settings {
    let entry = format!("kind = \"script\"\nname = {name:?}\n{more}");
    settings.push("procedures", entry.parse::<Table>().expect("TOML"))
}

fn shell(settings: Settings, name: &str, text: &str, more: &str) -> Settings {
    let command = format!("command = [\"/bin/sh\", \"-c\", '''{text}''']\n{more}");
    script(settings, name, &command)
}

/// A web server of a CRM: it answers each request by its path and tells what it was asked.
async fn web_server() -> anyhow::Result<(SocketAddr, mpsc::UnboundedReceiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while !is_whole(&bytes) {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                    }
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let answer = answer_to(&text);
                let _ended = asked.send(text);
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    // It never answers.
                    None => drop(stream.read(&mut [0]).await),
                }
            });
        }
    });
    Ok((address, requests))
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}

fn answer_to(request: &str) -> Option<String> {
    let answer = |status: &str, kind: &str, body: &str| {
        Some(format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    match path {
        "/json" => answer("200 OK", "application/json", r#"{"returnvalue": 42}"#),
        "/plain" => answer("200 OK", "text/plain; charset=utf-8", "да & нет\n"),
        "/chunked" => Some("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\"ab\r\n2\r\nc\"\r\n0\r\n\r\n".to_owned()),
        "/page" => answer("200 OK", "text/html", "<html>"),
        "/fault" => answer("500 Oh", "text/plain", "secret words"),
        "/moved" => answer("302 Found\r\nLocation: /json", "text/plain", ""),
        "/flood" => answer("200 OK", "text/plain", &"x".repeat(5000)),
        "/short" => Some("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab".to_owned()),
        "/garbage" => Some("hello\r\n\r\n".to_owned()),
        _ => None,
    }
}

// protocol 10-b, 10-c and 6.7-m
#[tokio::test]
async fn a_script_gives_its_value_in_the_documents_form_or_alone() -> TestResult {
    let echo =
        r#"printf '{"returnvalue":'; sed 's/[\\"]/\\&/g; s/^/"/; s/$/"/' | tr -d '\n'; echo '}'"#;
    let settings = script(settings(), "fixed", "value = \"<a>]]>&\"");
    let gateway = Gateway::start(shell(settings, "echo", echo, "")).await?;
    let fixed = get(&gateway, "/execsvcscript?name=FIXED").await?;
    // Exactly, without a line for each element.
    insta::assert_snapshot!(fixed.body);
    let plain = get(&gateway, "/execsvcscriptplain?name=fixed").await?;
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(plain.body, "<a>]]>&");
    let target =
        "/execsvcscriptplain?name=echo&startparam1=a+b&startparam5=%D1%8F%22&async=0&timeout=10";
    let echoed = get(&gateway, target).await?;
    let input: Value = serde_json::from_str(&echoed.body)?;
    let wanted = json!({
        "name": "echo", "userid": user_id(3), "userlogin": "crm",
        "inputparams": {"startparam1": "a b", "startparam5": "я\""},
    });
    assert_eq!(input, wanted);
    let unknown = get(&gateway, "/execsvcscript?name=none").await?;
    assert_eq!(unknown.status, 404);
    insta::assert_snapshot!("unknown", without_ids(&unknown.body));
    let unknown = get(&gateway, "/execsvcscriptplain?name=none").await?;
    assert_eq!(
        (unknown.status, &*unknown.body),
        (404, "no procedure is called \"none\" in the settings\n")
    );
    // A tab's user may run them with a one-use password, as over the link.
    let mut anna = gateway.logged_in("anna").await?;
    let temp = temp_password(&mut anna, false).await?;
    let target = format!("/execsvcscriptplain?name=echo&temppass={temp}");
    let own = super::ask(&gateway, "GET", &target, "").await?;
    assert!(own.body.contains("\"userlogin\":\"anna\""), "{own:?}");
    Ok(gateway.stop().await?)
}

// protocol 10-b, 10-q and 6.7-m
#[tokio::test]
async fn a_script_that_is_not_waited_for_runs_all_the_same() -> TestResult {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("done");
    let text = format!("cat >{}; sleep 600", file.display());
    let settings = shell(settings(), "slow", &text, "timeout_s = 600");
    let gateway = Gateway::start(settings).await?;
    let started = told(&gateway, "/execsvcscript?name=slow&startparam1=x&async=1").await?;
    insta::assert_snapshot!(started);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"startparam1\":\"x\"")) {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "it was not run");
        tokio::task::yield_now().await;
    }
    let late = get(&gateway, "/execsvcscript?name=slow&timeout=1").await?;
    assert_eq!(late.status, 504);
    is_counted(&gateway, "program_timeout").await?;
    Ok(gateway.stop().await?)
}

// protocol 6.7-n
#[tokio::test]
async fn a_script_may_be_a_url_that_is_asked_by_post_or_get() -> TestResult {
    let (address, mut requests) = web_server().await?;
    let url = |path: &str| format!("url = \"http://{address}{path}\"");
    let settings = script(settings(), "json", &url("/json"));
    let get_it = url("/plain?key=1") + "\nmethod = \"GET\"";
    let settings = script(settings, "plain", &get_it);
    let gateway = Gateway::start(script(settings, "chunked", &url("/chunked"))).await?;
    let answer = get(&gateway, "/execsvcscriptplain?name=json&startparam1=5").await?;
    assert_eq!((answer.status, &*answer.body), (200, "42"));
    let request = requests.recv().await.unwrap_or_default();
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("POST /json HTTP/1.1\r\n"), "{head}");
    let host = format!("host: {address}");
    assert!(head.to_lowercase().contains(&host), "{head}");
    let input: Value = serde_json::from_str(body)?;
    let wanted = json!({
        "name": "json", "userid": user_id(3), "userlogin": "crm", "inputparams": {"startparam1": "5"},
    });
    assert_eq!(input, wanted);

    let mut anna = gateway.logged_in("anna").await?;
    let fields = json!({"name": "plain", "startparam1": "a&b я"});
    let answer = anna.request_ok("execsvcscript", fields).await?;
    assert_eq!(answer.text("returnvalue"), Some("да & нет"));
    let request = requests.recv().await.unwrap_or_default();
    let line = request.lines().next().unwrap_or_default();
    let wanted = format!(
        "GET /plain?key=1&name=plain&userid={}&userlogin=anna&startparam1=a%26b%20%D1%8F HTTP/1.1",
        user_id(1)
    );
    assert_eq!(line, wanted);
    let chunked = get(&gateway, "/execsvcscriptplain?name=chunked").await?;
    assert_eq!(chunked.body, "abc");
    Ok(gateway.stop().await?)
}

// protocol 6.7-n
#[tokio::test]
async fn whatever_a_url_does_the_request_is_answered() -> TestResult {
    let (address, _requests) = web_server().await?;
    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let mut settings = settings();
    for (name, more) in [
        ("page", ""),
        ("fault", ""),
        ("moved", ""),
        ("short", ""),
        ("garbage", ""),
        ("flood", "output_bytes_max = 1024"),
        ("silent", "timeout_s = 1"),
    ] {
        let url = format!("url = \"http://{address}/{name}\"\n{more}");
        settings = script(settings, name, &url);
    }
    let settings = script(settings, "closed", &format!("url = \"http://{closed}/\""));
    let gateway = Gateway::start(settings).await?;
    for (name, status, words) in [
        ("page", 503, "cannot be read"),
        ("fault", 503, "status 500"),
        ("moved", 503, "status 302"),
        ("short", 503, "no whole answer"),
        ("garbage", 503, "no whole answer"),
        ("closed", 503, "cannot be reached"),
        ("flood", 413, "too much"),
        ("silent", 504, "too long"),
    ] {
        let target = format!("/execsvcscriptplain?name={name}");
        let answer = get(&gateway, &target).await?;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(answer.body.contains(words), "{name}: {answer:?}");
        assert!(!answer.body.contains("secret"), "{name}: {answer:?}");
    }
    is_counted(&gateway, "program_timeout").await?;
    is_counted(&gateway, "program_output").await?;
    Ok(gateway.stop().await?)
}

// protocol 6.7-n
#[tokio::test]
async fn urls_wait_for_each_other_and_for_programs() -> TestResult {
    let (address, mut requests) = web_server().await?;
    let url = format!("url = \"http://{address}/silent\"\ntimeout_s = 3600");
    let settings = script(settings().set("desk.programs_max", 1), "silent", &url);
    let settings = shell(settings, "quick", "echo 1", "timeout_s = 1");
    let gateway = Gateway::start(settings).await?;
    told(&gateway, "/execsvcscript?name=silent&async=1").await?;
    assert!(requests.recv().await.is_some());
    let late = get(&gateway, "/execsvcscriptplain?name=quick").await?;
    assert_eq!(late.status, 504, "its time runs while it waits");
    // The gateway does not wait for whoever is silent when it ends.
    assert!(!gateway.log().contains(&basic("crm", DEFAULT_PASSWORD)));
    Ok(gateway.stop().await?)
}

// protocol 6.7-c and 6.7-n
#[tokio::test]
async fn the_crm_runs_scripts_over_its_link_in_the_name_of_its_users() -> TestResult {
    let (address, mut requests) = web_server().await?;
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let url = format!("url = \"http://{address}/json\"");
    let settings = script(settings().crm_ws_out(crm.address()), "price", &url);
    let gateway = Gateway::start(settings).await?;
    CrmHandle::wait_for(&mut crm.received(), "getactiveusers", DEADLINE).await?;
    let fields = json!({"userlogin": "anna", "name": "Price", "startparam1": "box", "timeout": 5});
    let answer = crm.request("execsvcscript", fields, DEADLINE).await?;
    assert_eq!(
        answer.text("returnvalue"),
        Some("42"),
        "{}",
        answer.to_text()
    );
    let request = requests.recv().await.unwrap_or_default();
    assert!(request.contains(r#""userlogin":"anna""#), "{request}");
    let fields = json!({"userlogin": "anna", "name": "other"});
    let answer = crm.request("execsvcscript", fields, DEADLINE).await?;
    assert_eq!(answer.field("error"), &json!(404));
    Ok(gateway.stop().await?)
}
