//! The HTTP modes: introduction, catalogues, methods, and every kind of answer that is none
//! (protocol 2.1, 8).

use super::*;
use crate::base::Guid;
use crate::protocol::peek;
use crate::wire::credentials::Login;

/// A link over HTTP, and what it has posted.
struct Office {
    link: CrmLink,
    now: Instant,
    /// Exchanges under way: id and message.
    posted: Vec<(u64, Value)>,
    abandoned: Vec<u64>,
    events: Vec<CrmEvent>,
}

fn http() -> CrmConfig {
    CrmConfig {
        mode: "http-out",
        transport: Transport::Http,
        posting: Some(Posting {
            target: "/oktell".to_owned(),
            exchanges_max: 16,
        }),
        ..config()
    }
}

impl Office {
    fn with(config: CrmConfig) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut office = Self {
            link: CrmLink::new(config, Random::from_number(7), now),
            now,
            posted: Vec::new(),
            abandoned: Vec::new(),
            events: Vec::new(),
        };
        office.pump();
        office
    }

    fn ready() -> Self {
        let mut office = Self::with(http());
        office.answer(&json!(["iam", {"name": "Web CRM"}]));
        let methods = json!([
            {"key": "name", "connectiontype": "http", "inputparams": [{"key": "number", "type": "string"}]},
            {"key": "slow", "allowcancel": true},
        ]);
        office.answer(&json!(["availablemethods", {"methods": methods}]));
        office.answer(&json!(["availableforms", {"forms": []}]));
        office.events.clear();
        office
    }

    fn pump(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                CrmAction::Post(id, post) => self.posted.push((id.0, message_in(&post.body))),
                CrmAction::Abandon(id) => {
                    let place = self.posted.iter().position(|(it, _)| *it == id.0);
                    self.posted.remove(place.expect("it is under way"));
                    self.abandoned.push(id.0);
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.link.poll_event() {
            self.events.push(event);
        }
    }

    /// The oldest exchange under way ends so; gives its message.
    fn end(&mut self, outcome: Result<PostAnswer, PostFailure>) -> Value {
        let (id, message) = self.posted.remove(0);
        let what = CrmInput::Posted(outcome);
        let connection = CrmConnectionId(id);
        self.link
            .handle_report(CrmReport { connection, what }, self.now);
        self.pump();
        message
    }

    fn answer(&mut self, message: &Value) -> Value {
        self.say(200, &message.to_string())
    }

    fn say(&mut self, status: u16, body: &str) -> Value {
        self.end(Ok(PostAnswer {
            status,
            body: body.into(),
            ..PostAnswer::default()
        }))
    }

    fn run(&mut self, key: &str, number: u64) -> ExecutionId {
        let execution = ExecutionId(Guid::random(u128::from(number)));
        let run = MethodRun {
            key: key.into(),
            input: r#"{"number":"79270000000"}"#.into(),
            user_login: None,
            timeout: Duration::from_secs(10),
            wait_for_link: false,
        };
        self.link.run_method(run, execution, self.now);
        self.pump();
        execution
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.link.next_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.link.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    fn names(&self) -> Vec<&str> {
        let names = self.posted.iter().map(|(_, it)| it[0].as_str());
        names.map(|name| name.expect("a name")).collect()
    }

    fn state(&self) -> &'static str {
        self.link.status().state
    }

    /// The end of the one run.
    #[track_caller]
    fn ended(&mut self) -> Result<Arc<str>, MethodFailure> {
        let place = self
            .events
            .iter()
            .position(|event| matches!(event, CrmEvent::MethodDone { .. }));
        match self.events.remove(place.expect("a run ended")) {
            CrmEvent::MethodDone { end, .. } => end,
            _ => unreachable!("it was looked for"),
        }
    }
}

/// The message in a body, read as any server reads a form.
fn message_in(body: &[u8]) -> Value {
    let body = std::str::from_utf8(body).expect("ASCII");
    let (data, format) = body
        .strip_prefix("data=")
        .and_then(|rest| rest.split_once("&format="))
        .expect("data and format");
    assert_eq!(format, "json");
    let data = data
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let text = base64_simd::STANDARD.decode_to_vec(data).expect("base64");
    peek(&text).expect("a message");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn the_gateway_introduces_itself_and_asks_one_thing_after_another() {
    let mut office = Office::with(http());
    assert_eq!(
        (office.state(), office.names()),
        ("introducing", vec!["whoareyou"])
    );
    let asked = office.answer(&json!(["iam", {"name": "Web CRM"}]));
    assert_eq!(asked[1]["type"], "commserver");
    assert_eq!(office.names(), ["getavailablemethods", "getavailableforms"]);
    assert_eq!(office.events, [CrmEvent::Ready { peer: None }]);
    let status = office.link.status();
    assert_eq!(status.name.as_deref(), Some("Web CRM"));
    assert_eq!((status.mode, status.state), ("http-out", "ready"));
}

#[test]
fn a_crm_may_ask_back_or_say_nothing_at_all() {
    let mut office = Office::with(http());
    office.answer(&json!(["whoareyou", {"qid": "q", "name": "Curious"}]));
    assert_eq!(office.link.status().name.as_deref(), Some("Curious"));
    assert_eq!(
        office.names(),
        ["iam", "getavailablemethods", "getavailableforms"]
    );
    assert_eq!(office.posted[0].1[1]["qid"], "q");
    for nothing in ["", " \r\n"] {
        let mut office = Office::with(http());
        office.say(200, nothing);
        assert_eq!(office.state(), "ready");
    }
    let mut office = Office::with(http());
    office.say(204, "");
    assert_eq!(office.state(), "ready");
}

// protocol 2.1-p
#[test]
fn whatever_else_it_asks_in_an_answer_is_ignored() {
    let mut office = Office::ready();
    office.run("name", 1);
    office.answer(&json!(["whoareyou", {"qid": "q"}]));
    office.run("name", 2);
    office.answer(&json!(["getpbxnumbers", {"qid": "q"}]));
    assert_eq!(office.names(), [""; 0]);
    assert_eq!(office.link.status().counters.requests_ignored, 2);
}

#[test]
fn a_method_runs_in_one_exchange_and_needs_no_id_in_its_answer() {
    for fields in [
        json!({"outputparameters": {"name": "Ann"}}),
        json!({"executionid": Value::Null, "outputparameters": {"name": "Ann"}}),
    ] {
        let mut office = Office::ready();
        office.run("name", 1);
        let asked = office.answer(&json!(["methodresult", fields]));
        assert_eq!(asked[0], "executemethod");
        assert_eq!(asked[1]["inputparameters"]["number"], "79270000000");
        assert_eq!(office.ended().as_deref(), Ok(r#"{"name":"Ann"}"#));
    }
}

// protocol 2.1-o
#[test]
fn a_hundred_runs_at_a_time_get_their_own_results_and_sixteen_go_out_at_once() {
    let mut office = Office::ready();
    let runs: Vec<_> = (1..=100).map(|number| office.run("name", number)).collect();
    assert_eq!(office.posted.len(), 16);
    assert_eq!(office.link.status().exchanges, 16);
    for number in 1..=100 {
        // The newest first.
        let newest = office.posted.pop().expect("one under way");
        office.posted.insert(0, newest);
        office.answer(&json!(["methodresult", {"outputparameters": {"number": number}}]));
    }
    let ended: Vec<_> = office.events.iter().collect();
    let mut of_runs = Vec::new();
    for event in ended {
        let CrmEvent::MethodDone { execution, end } = event else {
            panic!("{event:?}");
        };
        assert!(end.is_ok());
        of_runs.push(*execution);
    }
    of_runs.sort_unstable();
    let mut expected = runs;
    expected.sort_unstable();
    assert_eq!(of_runs, expected);
}

// protocol 2.1-o
#[test]
fn a_run_that_times_out_or_is_cancelled_gives_its_exchange_up() {
    let mut office = Office::ready();
    office.run("slow", 1);
    let id = office.posted[0].0;
    office.pass(Duration::from_secs(10));
    assert_eq!(office.ended(), Err(MethodFailure::Timeout));
    assert_eq!(
        (office.abandoned.clone(), office.names()),
        (vec![id], vec!["executemethodwaitaborted"])
    );
    office.say(200, "");
    let execution = office.run("slow", 2);
    assert!(office.link.cancel(execution, office.now));
    office.pump();
    assert_eq!(office.ended(), Err(MethodFailure::Cancelled));
    assert_eq!(office.names(), ["cancelmethod"]);
}

#[test]
fn an_answer_that_is_none_fails_its_run_alone_and_says_what_is_wrong() {
    let wrong = [
        (500, "<h1>Oops</h1>", "status 500"),
        (404, "", "status 404"),
        (302, "", "redirects are not followed"),
        (401, "", "crm.credentials"),
        (
            200,
            "<!DOCTYPE html><html><body>Login</body></html>",
            "HTML",
        ),
        (200, "WyJtZXRob2RyZXN1bHQiLHt9XQ==", "base64"),
        (200, "{\"result\": 1}", "no message"),
        (200, "", "no `methodresult`"),
        (200, "[\"iam\",{}]", "no `methodresult`"),
    ];
    for (status, body, words) in wrong {
        let mut office = Office::ready();
        office.run("name", 1);
        office.run("name", 2);
        office.say(status, body);
        match office.ended() {
            Err(MethodFailure::Failed(text)) => assert!(text.contains(words), "{text}"),
            other => panic!("{words}: {other:?}"),
        }
        assert_eq!(
            (office.state(), office.posted.len()),
            ("ready", 1),
            "{words}"
        );
        office.answer(&json!(["methodresult", {}]));
        assert_eq!(office.ended().as_deref(), Ok("{}"));
    }
}

// protocol 2.1-q
#[test]
fn each_kind_of_wrong_answer_has_its_own_counter() {
    let mut office = Office::ready();
    let outcomes = [
        Err(PostFailure::TimedOut("30 s".to_owned())),
        Err(PostFailure::Broken("reset".to_owned())),
        Err(PostFailure::TooBig),
        Ok((401, "")),
        Ok((500, "")),
        Ok((200, "<html>")),
        Ok((200, "WyJtZXRob2RyZXN1bHQiLHt9XQ==")),
        Ok((200, "nothing of the kind")),
    ];
    for (number, outcome) in (1..).zip(outcomes) {
        office.run("name", number);
        match outcome {
            Ok((status, body)) => office.say(status, body),
            Err(failure) => office.end(Err(failure)),
        };
        assert!(office.ended().is_err());
    }
    let counters = office.link.status().counters;
    let counted = [
        counters.posts_timed_out,
        counters.posts_broken,
        counters.too_big,
        counters.posts_unauthorized,
        counters.posts_status,
        counters.posts_html,
        counters.posts_base64,
        counters.malformed,
    ];
    assert_eq!(counted, [1; 8]);
    let failures = office.events.iter();
    let failures = failures.filter(|it| matches!(it, CrmEvent::ExchangeFailed { .. }));
    assert_eq!(failures.count(), 8, "each is told to the log");
}

#[test]
fn a_crm_that_cannot_be_reached_is_lost_and_introduced_to_again() {
    let mut office = Office::ready();
    office.run("name", 1);
    office.run("name", 2);
    let unreachable = || Err(PostFailure::Unreachable("refused".to_owned()));
    office.end(unreachable());
    assert_eq!(office.ended(), Err(MethodFailure::Unavailable));
    assert_eq!(office.ended(), Err(MethodFailure::Unavailable));
    let [
        CrmEvent::Lost {
            was_ready,
            retry_in: Some(pause),
            ..
        },
    ] = &office.events[..]
    else {
        panic!("{:?}", office.events);
    };
    assert!(*was_ready && office.posted.is_empty());
    assert_eq!(office.state(), "waiting");
    let pause = *pause;
    office.pass(pause);
    assert_eq!(office.names(), ["whoareyou"]);
    office.end(unreachable());
    assert_eq!(office.state(), "waiting");
}

#[test]
fn a_loss_gives_up_every_exchange_that_is_under_way() {
    let mut office = Office::ready();
    let slow = office.run("slow", 1);
    assert!(office.link.cancel(slow, office.now));
    office.run("name", 2);
    assert_eq!(office.names(), ["cancelmethod", "executemethod"]);
    let run = office.posted.remove(1).0;
    let connection = CrmConnectionId(run);
    let what = CrmInput::Posted(Err(PostFailure::Unreachable("refused".to_owned())));
    office
        .link
        .handle_report(CrmReport { connection, what }, office.now);
    office.pump();
    assert_eq!(office.state(), "waiting");
    assert!(office.posted.is_empty(), "{:?}", office.names());
    assert_eq!(office.link.status().exchanges, 0);
}

#[test]
fn the_introduction_is_repeated_every_ten_minutes_and_soon_after_a_failure() {
    let mut office = Office::ready();
    office.pass(Duration::from_secs(599));
    assert_eq!(office.names(), [""; 0]);
    office.pass(Duration::from_secs(1));
    let names = ["whoareyou", "getavailablemethods", "getavailableforms"];
    assert_eq!(office.names(), names);
    office.say(200, "");
    let changed = json!(["availablemethods", {"methods": [{"key": "new"}]}]);
    office.answer(&changed);
    office.say(200, "");
    assert_eq!(office.events, [CrmEvent::CatalogueChanged]);
    office.run("new", 1);
    office.say(500, "");
    office.pass(Duration::from_millis(500));
    assert_eq!(office.names(), names);
}

#[test]
fn no_event_is_posted() {
    let mut office = Office::ready();
    let event = Arc::new(Event {
        qid: Guid::default(),
        user: None,
        what: crate::protocol::Occurrence::NumberStateChanged(Vec::new()),
    });
    office.link.send_event(&event, office.now);
    office.pump();
    assert_eq!(office.names(), [""; 0]);
    assert_eq!(office.link.status().counters.events_not_wanted, 1);
}

// protocol 2.1-r
#[test]
fn a_method_that_is_declared_for_http_is_posted_also_beside_a_websocket() {
    let mut world = World::ready_with(CrmConfig {
        posting: http().posting,
        ..config()
    });
    let methods = json!([{"key": "posted", "connectiontype": "http"}]);
    world.say("availablemethods", &json!({"methods": methods}));
    let execution = ExecutionId(Guid::random(1));
    let run = MethodRun {
        key: "posted".into(),
        input: "{}".into(),
        user_login: None,
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    };
    world.link.run_method(run, execution, world.now);
    let Some(CrmAction::Post(id, post)) = world.link.poll_action() else {
        panic!("nothing is posted");
    };
    assert_eq!(message_in(&post.body)[1]["methodkey"], "posted");
    let answer = PostAnswer {
        status: 200,
        body: br#"["methodresult",{"outputparameters":{"a":1}}]"#.to_vec(),
        ..PostAnswer::default()
    };
    let what = CrmInput::Posted(Ok(answer));
    let connection = id;
    world.events.clear();
    world
        .link
        .handle_report(CrmReport { connection, what }, world.now);
    world.pump();
    let end = Ok(Arc::from(r#"{"a":1}"#));
    assert_eq!(
        world.take_events(),
        [CrmEvent::MethodDone { execution, end }]
    );
}

fn with_login() -> CrmConfig {
    CrmConfig {
        credentials: Some(Login::new("gate", "secret")),
        ..http()
    }
}

/// An office over HTTP that keeps what each exchange said of its login.
fn authorizations(office: &mut CrmLink) -> Vec<(u64, String)> {
    let mut said = Vec::new();
    while let Some(action) = office.poll_action() {
        if let CrmAction::Post(id, post) = action {
            let shown = format!("{post:?}");
            assert!(
                !shown.contains("Basic") && !shown.contains("Digest"),
                "{shown}"
            );
            said.push((id.0, post.authorization.expect("a login")[..].to_owned()));
        }
    }
    said
}

fn posted(link: &mut CrmLink, id: u64, status: u16, challenge: &str, body: &str) {
    let answer = PostAnswer {
        status,
        challenges: vec![challenge.to_owned()],
        body: body.into(),
        ..PostAnswer::default()
    };
    let connection = CrmConnectionId(id);
    let what = CrmInput::Posted(Ok(answer));
    link.handle_report(
        CrmReport { connection, what },
        Instant::from_micros(2_000_000),
    );
}

const DIGEST: &str = r#"Digest realm="crm", qop="auth", algorithm=SHA-256, nonce="one""#;

#[test]
fn basic_goes_with_every_post_until_the_crm_asks_for_digest() {
    let mut link = CrmLink::new(
        with_login(),
        Random::from_number(7),
        Instant::from_micros(1_000_000),
    );
    let said = authorizations(&mut link);
    assert_eq!(said, [(1, "Basic Z2F0ZTpzZWNyZXQ=".to_owned())]);
    posted(&mut link, 1, 401, DIGEST, "");
    let said = authorizations(&mut link);
    let [(2, header)] = &said[..] else {
        panic!("{said:?}");
    };
    assert!(header.starts_with("Digest username=\"gate\"") && header.contains("nc=00000001"));
    posted(&mut link, 2, 200, "", "");
    // Two at a time, each with its own count.
    let said = authorizations(&mut link);
    assert!(said[0].1.contains("nc=00000002") && said[1].1.contains("nc=00000003"));
    // The nonce becomes stale under both.
    let stale = r#"Digest realm="crm", qop="auth", algorithm=SHA-256, nonce="two", stale=true"#;
    posted(&mut link, said[0].0, 401, stale, "");
    posted(&mut link, said[1].0, 401, stale, "");
    let said = authorizations(&mut link);
    assert_eq!(said.len(), 2);
    for (id, header) in said {
        assert!(header.contains("nonce=\"two\""), "{header}");
        posted(&mut link, id, 200, "", "");
    }
    assert_eq!(link.status().state, "ready");
}

#[test]
fn a_login_that_the_crm_refuses_is_said_to_be_wrong() {
    for (credentials, challenge, words) in [
        (None, "Basic realm=\"crm\"", "put it into crm.credentials"),
        (
            Some(("gate", "wrong")),
            "Basic realm=\"crm\"",
            "check crm.credentials",
        ),
        (
            Some(("gate", "secret")),
            "Negotiate",
            "neither for Basic nor for Digest",
        ),
    ] {
        let mut office = Office::with(CrmConfig {
            credentials: credentials.map(|(login, password)| Login::new(login, password)),
            ..http()
        });
        office.end(Ok(PostAnswer {
            status: 401,
            challenges: vec![challenge.to_owned()],
            ..PostAnswer::default()
        }));
        let error = office.link.status().last_error.expect("it is lost");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("wrong\"") && office.state() == "waiting");
        assert_eq!(office.link.status().counters.posts_unauthorized, 1);
    }
}
