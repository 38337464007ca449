use std::cell::RefCell;
use std::time::Duration;

use futures_lite::future;
use http_body_util::Full;
use okgate_core::hub::{Caller, InterfaceCall};
use okgate_core::protocol::{CallRequest, FlashMode, Secret, Sequence};

use super::*;

const PEER: &str = "192.0.2.1";

/// What the hub was asked, and the answer to it.
fn ask_hub(request: Request<Full<Bytes>>, status: u16) -> (Option<InterfaceRequest>, Answer) {
    let (hub, questions) = async_channel::bounded(1);
    let proxies = Proxies {
        trusted: vec!["192.0.2.1/32".parse().expect("a network")],
        header: ForwardedHeader::default(),
    };
    let interface = Interface::new(hub, 1024, proxies);
    let called = called(request.uri().path()).expect("a call");
    let asked = RefCell::new(None);
    let hub = async {
        let Ok((AdminRequest::Interface(request), reply)) = questions.recv().await else {
            return future::pending().await;
        };
        *asked.borrow_mut() = Some(*request);
        let answer = InterfaceAnswer {
            status,
            is_xml: true,
            content: "<x/>".into(),
        };
        let _gone = reply.try_send(Ok(AdminReply::Interface(answer)));
        future::pending().await
    };
    let peer = PEER.parse().expect("an address");
    let answer = answer(request, peer, called, &interface);
    let answer = future::block_on(future::or(answer, hub));
    (asked.into_inner(), answer)
}

fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Full::from(body.to_owned()))
        .expect("a well-formed request")
}

fn asked(target: &str) -> InterfaceRequest {
    let (asked, _) = ask_hub(request("GET", target, &[], ""), 200);
    asked.expect("a question to the hub")
}

const POSTED: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
);

// protocol 10-a
#[test]
fn parameters_come_in_the_query_and_in_the_form() {
    let target = "/callto?number=8927&&sequence=abonent";
    let (asked, _) = ask_hub(request("POST", target, &[POSTED], "user=anna"), 200);
    let call = CallRequest::AutoCallStart {
        number: "8927".into(),
        sequence: Sequence::Abonent,
        intercom: false,
    };
    let anna = Caller {
        user: Some("anna".into()),
        ..Caller::default()
    };
    let wanted = Ok(InterfaceCall::Phone(anna, call));
    assert_eq!(asked.expect("a question").call, wanted);
}

// protocol 10-b, 10-d, 10-e and 10-g
#[test]
fn every_call_has_its_parameters() {
    let line = Caller {
        line: Some("101".into()),
        ..Caller::default()
    };
    let phone = |call| Ok(InterfaceCall::Phone(line.clone(), call));
    let switch = CallRequest::Transfer("102".into());
    assert_eq!(
        asked("/wp_switchcall?line=101&number=102").call,
        phone(switch)
    );
    let stop = CallRequest::AutoCallAbort;
    assert_eq!(asked("/wp_autocallstop?line=101").call, phone(stop));
    let flash = CallRequest::Flash(FlashMode::Abort);
    assert_eq!(asked("/wp_flash?line=101&mode=abort").call, phone(flash));
    let swap = CallRequest::Flash(FlashMode::Switch);
    assert_eq!(asked("/wp_flash?line=101").call, phone(swap));
    let record = InterfaceCall::Record(Secret::new("x y"));
    assert_eq!(
        asked("/downloadrecordbylink?recordlink=x%20y").call,
        Ok(record)
    );
    let state = asked("/tst_getuserstate?iduser=anna").call;
    let anna = Caller {
        user: Some("anna".into()),
        ..Caller::default()
    };
    assert_eq!(state, Ok(InterfaceCall::UserState(anna)));
    let script = asked("/execsvcscript?name=s&startparam2=%22&async=1&timeout=7");
    let Ok(InterfaceCall::Script {
        run,
        is_async: true,
    }) = script.call
    else {
        panic!("{script:?}");
    };
    assert_eq!(&*run.input, r#"{"startparam2":"\""}"#);
    assert_eq!(run.timeout, Some(Duration::from_secs(7)));
    for wrong in [
        "/execsvcscript",
        "/execsvcscript?name=a&async=maybe",
        "/execsvcscript?name=a&timeout=-1",
        "/callto?user=a",
        "/callto?number=1&sequence=me",
        "/wp_flash?user=a&mode=x",
        "/wp_switchcall?user=a",
        "/wp_getchaincontent?user=a&chainid=5",
        "/downloadrecordbylink",
    ] {
        let fault = asked(wrong).call.expect_err(wrong);
        assert_eq!(fault.number, ErrorNumber::WrongParameters, "{wrong}");
    }
}

// protocol 10-a
#[test]
fn a_challenge_comes_with_every_401() {
    let (_, answer) = ask_hub(request("GET", "/wp_flash?user=a", &[], ""), 401);
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], auth::CHALLENGE);
    let (_, answer) = ask_hub(request("GET", "/wp_flash?user=a", &[], ""), 429);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

// protocol 10-o
#[test]
fn a_page_of_another_site_needs_a_one_use_password() {
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("authorization", "Basic Y3JtOmE6Yg=="),
    ];
    let (asked, answer) = ask_hub(request("GET", "/wp_flash?user=a", &foreign, ""), 200);
    assert_eq!((asked, answer.status()), (None, StatusCode::FORBIDDEN));
    let (asked, _) = ask_hub(request("GET", "/wp_flash?temppass=p", &foreign, ""), 200);
    let credentials = asked.expect("a question").credentials;
    assert_eq!(credentials, Credentials::TempPassword(Secret::new("p")));
}

// protocol 9-o
#[test]
fn a_trusted_proxy_is_believed_for_whom_it_asks() {
    let forwarded = [("x-forwarded-for", "203.0.113.9, 198.51.100.4")];
    let (asked, _) = ask_hub(request("GET", "/getqueues", &forwarded, ""), 200);
    assert_eq!(
        asked.expect("a question").address.to_string(),
        "198.51.100.4"
    );
    // A client that writes more lines than are read does not get past the proxy's own.
    let mut many = vec![("x-forwarded-for", "203.0.113.9"); 80];
    many.push(("x-forwarded-for", "198.51.100.5"));
    let (asked, _) = ask_hub(request("GET", "/getqueues", &many, ""), 200);
    assert_eq!(
        asked.expect("a question").address.to_string(),
        "198.51.100.5"
    );
    let broken = [("x-forwarded-for", "nowhere at all")];
    let (asked, answer) = ask_hub(request("GET", "/getqueues", &broken, ""), 200);
    assert_eq!((asked, answer.status()), (None, StatusCode::BAD_REQUEST));
}

#[test]
fn forms_that_are_none_or_too_long_are_refused_before_the_hub_is_asked() {
    let json = [("content-type", "application/json")];
    for (headers, body, status) in [
        (
            &[POSTED][..],
            "a=".to_owned() + &"x".repeat(1024),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (&json, "{}".to_owned(), StatusCode::BAD_REQUEST),
        (&[], "user=anna".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let (asked, answer) = ask_hub(request("POST", "/wp_flash", headers, &body), 200);
        assert_eq!((asked, answer.status()), (None, status));
    }
}

#[test]
fn head_is_only_for_what_changes_nothing() {
    for (method, path, allowed) in [
        ("HEAD", "/callto", "GET, POST"),
        ("PUT", "/callto", "GET, POST"),
        ("DELETE", "/getqueues", "GET, HEAD, POST"),
    ] {
        let (asked, answer) = ask_hub(request(method, path, &[], ""), 200);
        assert_eq!(
            (asked, answer.status()),
            (None, StatusCode::METHOD_NOT_ALLOWED)
        );
        assert_eq!(answer.headers()["allow"], allowed);
    }
    let (asked, answer) = ask_hub(request("HEAD", "/getqueues", &[], ""), 200);
    assert!(asked.is_some());
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn every_call_stands_in_the_guide() {
    let guide = include_str!("../../../HTTP.md");
    for method in InterfaceMethod::ALL {
        let path = format!("/{}", method.name());
        assert!(guide.contains(&path), "{path}");
        assert_eq!(called(&path), Some(*method));
    }
}
