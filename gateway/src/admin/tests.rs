//! The admin address as programs see it: requests in memory, a scripted hub.

use futures_lite::future::{block_on, zip};
use http_body_util::{BodyExt, Full};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use hyper::http::request::Builder;
use okgate_core::base::{ChainId, ExecutionId, Guid, UserId, WindowId};
use okgate_core::crm::CrmStatus;
use okgate_core::hub::{
    FormClosed, FormEnd, FormOpened, FormState, MethodRun, SimCall, SimCallRequest,
};
use okgate_core::shard::{Admission, Limits};
use std::time::Duration;

use super::*;

type HubReply = Result<AdminReply, AdminFault>;

struct Stage {
    gate: AdminGate,
    questions: async_channel::Receiver<HubQuestion>,
}

struct Told {
    status: u16,
    headers: hyper::HeaderMap,
    text: String,
}

impl Told {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON, not {:?}", self.text))
    }

    fn error(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().expect("a word").to_owned();
        (self.status, error)
    }
}

fn stage(token: Option<&str>) -> Stage {
    let (hub, questions) = async_channel::bounded(1);
    let token = token.map(|token| Secret::new(token.as_bytes()));
    let admission = Arc::new(Admission::new(&Limits::default()));
    let rings: Vec<crate::metrics::RingReader> = vec![Box::new(Vec::new)];
    let metrics = Arc::new(Metrics::new(rings, admission, Arc::default(), 7));
    let readiness = Arc::new(Readiness::default());
    Stage {
        gate: AdminGate::new(hub, token, metrics, readiness),
        questions,
    }
}

fn local(method: &str, path: &str) -> Builder {
    let builder = Request::builder().method(method).uri(path);
    builder.header(HOST, "127.0.0.1:4056")
}

fn json_body(method: &str, path: &str) -> Builder {
    local(method, path).header(CONTENT_TYPE, "application/json")
}

impl Stage {
    /// Sends a request that does not reach the hub.
    fn send(&self, builder: Builder, body: &str) -> Told {
        let request = builder.body(Full::<bytes::Bytes>::from(body.to_owned()));
        let answered = handle(request.expect("a well-formed request"), &self.gate);
        let told = told(block_on(answered));
        assert!(self.questions.is_empty(), "the hub was asked");
        told
    }

    /// Sends a request; the hub is asked once and says `reply`.
    fn send_to_hub(&self, builder: Builder, body: &str, reply: HubReply) -> (Told, AdminRequest) {
        let request = builder.body(Full::<bytes::Bytes>::from(body.to_owned()));
        let answered = handle(request.expect("a well-formed request"), &self.gate);
        let hub = async {
            let (question, answer) = self.questions.recv().await.expect("the gate is there");
            answer.send(reply).await.expect("somebody waits");
            question
        };
        let (answer, question) = block_on(zip(answered, hub));
        (told(answer), question)
    }
}

fn told(answer: Answer) -> Told {
    let (head, body) = answer.into_parts();
    let bytes = block_on(body.collect())
        .expect("a body in memory")
        .to_bytes();
    Told {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).expect("text"),
    }
}

fn up() -> AdminReply {
    AdminReply::Status(Box::new(Status {
        pbx_connected: true,
        users_online: 3,
        crm: CrmStatus {
            mode: "ws-out",
            state: "ready",
            ..CrmStatus::default()
        },
        ..Status::default()
    }))
}

#[test]
fn it_is_alive_as_soon_as_it_answers() {
    let told = stage(None).send(Request::builder().uri("/healthz"), "");
    assert_eq!((told.status, told.text.as_str()), (200, "alive\n"));
}

#[test]
fn it_is_ready_between_the_start_and_the_drain_while_the_switch_is_there() {
    let stage = stage(None);
    let ready = |reply: HubReply| {
        let (told, _) = stage.send_to_hub(Request::builder().uri("/readyz"), "", reply);
        assert_eq!(
            told.json()["crm"]["state"].is_string(),
            told.json()["crm"].is_object()
        );
        (told.status, told.json()["reasons"].to_string())
    };
    assert_eq!(ready(Ok(up())), (503, r#"["starting"]"#.to_owned()));
    stage.gate.readiness.started();
    assert_eq!(ready(Ok(up())), (200, "[]".to_owned()));
    let switch_lost = Ok(AdminReply::Status(Box::default()));
    assert_eq!(ready(switch_lost), (503, r#"["pbx"]"#.to_owned()));
    stage.gate.readiness.draining();
    assert_eq!(ready(Ok(up())), (503, r#"["draining"]"#.to_owned()));
    stage.questions.close();
    let told = stage.send(Request::builder().uri("/readyz"), "");
    assert_eq!(told.json()["reasons"].to_string(), r#"["draining","hub"]"#);
}

#[test]
fn metrics_come_with_the_hubs_numbers_or_without() {
    let stage = stage(Some("0123456789abcdef"));
    let (told, _) = stage.send_to_hub(Request::builder().uri("/metrics"), "", Ok(up()));
    assert_eq!(told.status, 200);
    let kind = told.headers[CONTENT_TYPE].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(
        told.text.contains("okgate_users_online 3\n"),
        "{}",
        told.text
    );
    stage.questions.close();
    let told = stage.send(Request::builder().uri("/metrics"), "");
    assert!(told.text.contains("okgate_hub_up 0\n"), "{}", told.text);
}

#[test]
fn the_status_page_is_served_whole() {
    let stage = stage(None);
    for path in ["/", "/status.js", "/status.css"] {
        let told = stage.send(Request::builder().uri(path), "");
        assert_eq!(told.status, 200, "{path}");
        assert!(
            told.headers.contains_key("content-security-policy"),
            "{path}"
        );
    }
}

#[test]
fn with_a_token_only_its_bearers_may_use_the_api_wherever_they_are() {
    let stage = stage(Some("0123456789abcdef"));
    let path = "/api/v1/status";
    for wrong in [
        "",
        "Bearer ",
        "Bearer 0123456789abcdeX",
        "Bearer 0123456789abcdef0",
        "Basic 0123456789abcdef",
    ] {
        let builder = local("GET", path).header(AUTHORIZATION, wrong);
        let told = stage.send(builder, "");
        assert_eq!(told.error(), (401, "unauthorized".to_owned()), "{wrong}");
        assert_eq!(told.headers[WWW_AUTHENTICATE], "Bearer realm=\"okgate\"");
    }
    // A path that names nothing tells strangers nothing.
    assert_eq!(stage.send(local("GET", "/api/v1/nothing"), "").status, 401);
    let builder = Request::builder().uri(path).header(HOST, "gate.example");
    let builder = builder.header(AUTHORIZATION, "bearer 0123456789abcdef");
    let (told, _) = stage.send_to_hub(builder, "", Ok(up()));
    assert_eq!(told.status, 200);
}

#[test]
fn without_a_token_only_this_machine_may_use_the_api() {
    let stage = stage(None);
    let path = "/api/v1/status";
    let foreign_host = Request::builder()
        .uri(path)
        .header(HOST, "gate.example:4056");
    let foreign_page = local("GET", path).header(ORIGIN, "https://evil.example");
    let file_page = local("GET", path).header(ORIGIN, "null");
    for builder in [
        foreign_host,
        foreign_page,
        file_page,
        Request::builder().uri(path),
    ] {
        assert_eq!(
            stage.send(builder, "").error(),
            (403, "forbidden".to_owned())
        );
    }
    let own_page = local("GET", path).header(ORIGIN, "http://localhost:4056");
    let (told, question) = stage.send_to_hub(own_page, "", Ok(up()));
    assert_eq!((told.status, question), (200, AdminRequest::Status));
}

#[test]
fn the_status_holds_the_hubs_and_the_shards_numbers() {
    let stage = stage(None);
    let mut counters = okgate_core::shard::Counters {
        tabs: 2,
        ..Default::default()
    };
    counters.messages[0] = 9;
    let shard = stage.gate.metrics.shard(0).expect("there is one");
    shard.publish(&counters, &crate::metrics::FanoutTimes::default());
    let (told, _) = stage.send_to_hub(local("GET", "/api/v1/status"), "", Ok(up()));
    let status = told.json();
    assert_eq!(status["users_online"], 3);
    assert_eq!(status["crm"]["state"], "ready");
    assert_eq!(status["shards"][0]["tabs"], 2);
    assert_eq!(
        status["messages"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    assert_eq!(status["reasons"][0], "starting");
}

#[test]
fn catalogues_are_passed_on_as_the_crm_declared_them() {
    let stage = stage(None);
    for (path, expected) in [
        ("/api/v1/methods", AdminRequest::Methods),
        ("/api/v1/forms", AdminRequest::Forms),
    ] {
        let reply = Ok(AdminReply::Catalogue(r#"[{"key":"k"}]"#.into()));
        let (told, question) = stage.send_to_hub(local("GET", path), "", reply);
        assert_eq!(
            (question, told.text.as_str()),
            (expected, r#"[{"key":"k"}]"#)
        );
    }
}

#[test]
fn a_method_is_run_and_its_result_comes_back_untouched() {
    let stage = stage(None);
    let execution = ExecutionId(Guid::from_bits(5));
    let output = r#"{"name":"Анна","sum":1e999}"#;
    let reply = Ok(AdminReply::Run {
        execution,
        output: output.into(),
    });
    let body = r#"{"inputparameters": {"big": 12345678901234567890123}, "userlogin": "anna", "timeout_ms": 500, "wait_for_link": true}"#;
    let builder = json_body("POST", "/api/v1/methods/get%20name");
    let (told, question) = stage.send_to_hub(builder, body, reply);
    let run = MethodRun {
        key: "get name".into(),
        input: r#"{"big": 12345678901234567890123}"#.into(),
        user_login: Some("anna".into()),
        timeout: Duration::from_millis(500),
        wait_for_link: true,
    };
    assert_eq!(question, AdminRequest::RunMethod(run));
    let expected = format!(r#"{{"executionid":"{execution}","outputparameters":{output}}}"#);
    assert_eq!((told.status, told.text), (200, expected));
}

#[test]
fn a_method_without_a_body_runs_with_the_defaults() {
    let stage = stage(None);
    let builder = local("POST", "/api/v1/methods/k");
    let (told, question) = stage.send_to_hub(builder, "", Err(fault(504, "timeout", "late")));
    let AdminRequest::RunMethod(run) = question else {
        panic!("{question:?}");
    };
    assert_eq!((&*run.input, run.timeout), ("{}", Duration::from_secs(10)));
    assert_eq!(told.error(), (504, "timeout".to_owned()));
    assert_eq!(told.json()["message"], "late");
}

#[test]
fn bodies_that_are_wrong_are_refused_with_the_fitting_status() {
    let stage = stage(None);
    let method = || json_body("POST", "/api/v1/methods/k");
    let call = || json_body("POST", "/api/v1/sim/calls");
    let long = format!("{{\"userlogin\": \"{}\"}}", "x".repeat(64 << 10));
    let plain_text = local("POST", "/api/v1/methods/k").header(CONTENT_TYPE, "text/plain");
    for (builder, body, status, error) in [
        (plain_text, "{}", 415, "unsupported_media_type"),
        (
            local("POST", "/api/v1/methods/k"),
            "{}",
            415,
            "unsupported_media_type",
        ),
        (method(), &long, 413, "too_big"),
        (method(), "{", 400, "malformed"),
        (method(), "{\"timeout\": 5}", 422, "parameters"),
        (method(), "{\"timeout_ms\": 0}", 422, "parameters"),
        (method(), "{\"timeout_ms\": \"5\"}", 422, "parameters"),
        (method(), "{\"inputparameters\": []}", 422, "parameters"),
        (call(), "", 400, "malformed"),
        (call(), "{\"from\": \"1\"}", 422, "parameters"),
        (
            call(),
            "{\"from\": \"\", \"to\": \"101\"}",
            422,
            "parameters",
        ),
        (
            call(),
            "{\"from\": \"1\", \"to\": \"101\", \"talk_ms\": 99999999999}",
            422,
            "parameters",
        ),
    ] {
        let told = stage.send(builder, body);
        assert_eq!(told.error(), (status, error.to_owned()), "{body:.60}");
    }
}

#[test]
fn a_form_is_opened_asked_for_and_closed() {
    let stage = stage(None);
    let window = WindowId(Guid::from_bits(7));
    let opened = AdminReply::FormOpened(FormOpened {
        window,
        at_crm: true,
        tabs: 2,
    });
    let body = r#"{"userlogin": "anna", "inputparameters": {"callerid": "8927"}}"#;
    let (told, asked) =
        stage.send_to_hub(json_body("POST", "/api/v1/forms/card"), body, Ok(opened));
    assert_eq!(told.status, 201);
    let expected =
        serde_json::json!({"windowid": window.to_string(), "shown": {"crm": true, "tabs": 2}});
    assert_eq!(told.json(), expected);
    let AdminRequest::OpenForm(form) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!((&*form.key, &*form.user_login), ("card", "anna"));

    let path = format!("/api/v1/forms/windows/{window}");
    let ended = |end| {
        let form = FormState {
            window,
            user: UserId(Guid::from_bits(1)),
            key: "card".into(),
            end,
        };
        Ok(AdminReply::FormWindow(form, "anna".into()))
    };
    let (told, asked) = stage.send_to_hub(
        local("GET", &format!("{path}?wait_ms=1500")),
        "",
        ended(None),
    );
    let wait = std::time::Duration::from_millis(1500);
    assert_eq!(asked, AdminRequest::FormWindow { window, wait });
    assert_eq!(told.json()["state"], "open");
    let values = FormEnd::Answered(r#"{"comment": 1e400}"#.into());
    let (told, _) = stage.send_to_hub(local("GET", &path), "", ended(Some(values)));
    assert!(
        told.text
            .contains(r#""state":"answered","outputparameters":{"comment": 1e400}"#),
        "{}",
        told.text
    );
    let closed = FormEnd::Closed(FormClosed::CallEnd);
    let (told, _) = stage.send_to_hub(local("GET", &path), "", ended(Some(closed)));
    assert_eq!(
        (&told.json()["state"], &told.json()["reason"]),
        (&"closed".into(), &"call_end".into())
    );
    let (told, asked) = stage.send_to_hub(local("DELETE", &path), "", Ok(AdminReply::Done));
    assert_eq!((told.status, asked), (204, AdminRequest::CloseForm(window)));
    assert_eq!(
        stage
            .send(local("GET", "/api/v1/forms/windows/x"), "")
            .error()
            .0,
        400
    );
    assert_eq!(
        stage
            .send(local("GET", &format!("{path}?wait=1")), "")
            .error()
            .0,
        422
    );
    assert_eq!(stage.send(local("POST", &path), "").error().0, 405);
}

#[test]
fn a_run_is_cancelled_by_its_id() {
    let stage = stage(None);
    let id = "00000000-0000-0000-0000-000000000005";
    let builder = local("DELETE", &format!("/api/v1/executions/{id}"));
    let (told, question) = stage.send_to_hub(builder, "", Ok(AdminReply::Done));
    let execution = ExecutionId(Guid::from_bits(5));
    assert_eq!(question, AdminRequest::CancelRun(execution));
    assert_eq!((told.status, told.text.as_str()), (204, ""));
    let told = stage.send(local("DELETE", "/api/v1/executions/5"), "");
    assert_eq!(told.error(), (400, "malformed".to_owned()));
}

#[test]
fn simulated_calls_are_started_listed_answered_and_ended() {
    let stage = stage(None);
    let chain = ChainId(Guid::from_bits(7));
    let body = r#"{"from": "89274513158", "to": "101", "answer_after_ms": null, "talk_ms": 5000, "name": "Anna"}"#;
    let reply = Ok(AdminReply::SimCallStarted(chain));
    let builder = json_body("POST", "/api/v1/sim/calls");
    let (told, question) = stage.send_to_hub(builder, body, reply);
    let call = SimCallRequest {
        from: "89274513158".into(),
        to: "101".into(),
        name: Some("Anna".into()),
        answer_after: None,
        talk: Some(Duration::from_secs(5)),
    };
    assert_eq!(question, AdminRequest::SimCall(call));
    assert_eq!(
        (told.status, &told.json()["chainid"]),
        (201, &chain.to_string().into())
    );

    let calls = vec![SimCall {
        chainid: chain.to_string(),
        from: "89274513158".to_owned(),
        to: "101".to_owned(),
        state: "ringing",
    }];
    let builder = local("GET", "/api/v1/sim/calls");
    let (told, _) = stage.send_to_hub(builder, "", Ok(AdminReply::SimCalls(calls)));
    assert_eq!(told.json()[0]["state"], "ringing");

    for (end, expected) in [
        ("answer", AdminRequest::SimAnswer(chain)),
        ("hangup", AdminRequest::SimHangUp(chain)),
    ] {
        let builder = local("POST", &format!("/api/v1/sim/calls/{chain}/{end}"));
        let (told, question) = stage.send_to_hub(builder, "", Ok(AdminReply::Done));
        assert_eq!((told.status, question), (204, expected));
    }
}

#[test]
fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let stage = stage(None);
    let nothing = stage.send(local("GET", "/api/v1/sim/call"), "");
    assert_eq!(nothing.error(), (404, "not_found".to_owned()));
    for (method, path, allowed) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/api/v1/methods/k", "POST"),
        ("PUT", "/api/v1/sim/calls", "GET, HEAD, POST"),
        ("GET", "/api/v1/executions/5", "DELETE"),
    ] {
        let told = stage.send(local(method, path), "");
        assert_eq!(
            told.error(),
            (405, "method_not_allowed".to_owned()),
            "{path}"
        );
        assert_eq!(told.headers[ALLOW], allowed, "{path}");
    }
}

#[test]
fn a_hub_that_is_gone_or_busy_is_a_503() {
    let stage = stage(None);
    let (waiting, _answer) = async_channel::bounded(1);
    stage
        .gate
        .hub
        .try_send((AdminRequest::Status, waiting))
        .expect("room for one");
    let request = || local("GET", "/api/v1/status").body(Full::<bytes::Bytes>::default());
    let ask = || {
        told(block_on(handle(
            request().expect("well-formed"),
            &stage.gate,
        )))
    };
    assert_eq!(ask().error(), (503, "busy".to_owned()));
    stage.questions.close();
    assert_eq!(ask().error(), (503, "unavailable".to_owned()));
}

#[test]
fn head_is_get_without_the_body() {
    let stage = stage(None);
    let told = stage.send(Request::builder().method("HEAD").uri("/healthz"), "");
    assert_eq!((told.status, told.text.as_str()), (200, ""));
    assert_eq!(told.headers["content-length"], "6");
}

/// A connection whose peer has said everything already.
struct Said {
    input: std::io::Cursor<Vec<u8>>,
    output: Arc<std::sync::Mutex<Vec<u8>>>,
}

type IoPoll<T> = std::task::Poll<std::io::Result<T>>;

impl hyper::rt::Read for Said {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> IoPoll<()> {
        let mut piece = vec![0; buffer.remaining()];
        let length = std::io::Read::read(&mut self.input, &mut piece)?;
        buffer.put_slice(&piece[..length]);
        IoPoll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Said {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> IoPoll<usize> {
        let mut output = self.output.lock().expect("no panic inside");
        output.extend_from_slice(bytes);
        IoPoll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> IoPoll<()> {
        IoPoll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> IoPoll<()> {
        IoPoll::Ready(Ok(()))
    }
}

#[test]
fn over_http_one_connection_carries_many_requests() {
    let stage = stage(None);
    let output = Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let requests = "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\
        POST /api/v1/methods/k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n\
        GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let connection = Said {
        input: std::io::Cursor::new(requests.into()),
        output: Arc::clone(&output),
    };
    let service = hyper::service::service_fn(|request| async {
        Ok::<_, std::convert::Infallible>(handle(request, &stage.gate).await)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let served = builder
        .half_close(true)
        .serve_connection(connection, service);
    block_on(served).expect("the connection ends well");
    let output = output.lock().expect("no panic inside").clone();
    let text = String::from_utf8(output).expect("text");
    let answers: Vec<_> = text.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(answers.len(), 3, "{text}");
    assert!(
        answers[0].starts_with("200") && answers[0].ends_with("\r\n\r\n"),
        "{text}"
    );
    assert!(
        answers[1].starts_with("400") && answers[1].contains("\"malformed\""),
        "{text}"
    );
    assert!(
        answers[2].starts_with("200") && answers[2].ends_with("alive\n"),
        "{text}"
    );
}
