//! Logging in and what a session may do: the opening sequence of browser libraries, passwords, sessions, tokens, several
//! tabs, refusals.
#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jsonwebtoken::{EncodingKey, Header};
use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings, User, user_id};
use okgate_harness::password::PasswordHashes;
use okgate_harness::tab::{Opening, Seen, Tab};
use okgate_harness::{Error, Message};
use okgate_tests::TestResult;
use serde_json::{Value, json};

const ZERO: &str = "00000000-0000-0000-0000-000000000000";

async fn gateway() -> anyhow::Result<Gateway> {
    Ok(Gateway::start(Settings::new().users(3)).await?)
}

/// An answer's fields without the `qid`.
fn fields(answer: &Message) -> Value {
    let mut fields = answer.fields.clone();
    fields.remove("qid");
    Value::Object(fields)
}

/// The error number and text of a request that must fail.
async fn refusal(tab: &mut Tab, method: &str, request: Value) -> anyhow::Result<(i64, String)> {
    match tab.request_ok(method, request).await {
        Err(Error::Failed {
            error, errormsg, ..
        }) => Ok((error, errormsg)),
        other => anyhow::bail!("{method} was not refused: {other:?}"),
    }
}

// protocol 6.1-a, 6.1-b, 6.1-d, 6.1-g, 6.1-h, 6.1-i, 6.2-a, 6.2-b, 6.3-a, 6.3-c, 6.3-d, 6.3-f, 6.3-h, 6.4-a, 6.4-b,
// protocol 6.4-c, 6.5-a, 6.5-c, 6.5-n, 3.1-f and 3.1-j
#[tokio::test]
async fn the_opening_sequence_succeeds_in_its_order_with_every_field_and_type() -> TestResult {
    let settings = Settings::new()
        .user(
            User::new("anna")
                .name("Анна")
                .operator()
                .supervises(&["boris"]),
        )
        .user(User::new("boris").number("205"))
        .department("Sales", &["boris"])
        .break_reason(1, "Обед")
        .break_reason(2, "Tea");
    let gateway = Gateway::start(settings).await?;
    let mut tab = gateway.tab().await?;
    let opening = tab.opening_sequence("anna", DEFAULT_PASSWORD).await?;
    check_connection(&gateway, &opening)?;
    check_directory(&opening)?;
    check_line(&opening)?;
    let methods: Vec<&str> = opening
        .answers
        .iter()
        .map(|(method, _)| method.as_str())
        .collect();
    let mut answered = tab.received();
    for method in methods {
        // Nothing comes in between: the login's own changes were read by the sequence itself.
        let next = answered.try_next().context("an answer")?;
        let is_answer = matches!(&next.what, Seen::Answer(answer) if answer.name.starts_with(method) || method == "ping");
        assert!(is_answer, "{method}: {next:?}");
    }
    Ok(gateway.stop().await?)
}

fn check_connection(gateway: &Gateway, opening: &Opening) -> TestResult {
    let answer = |method: &str| opening.answer(method).map(fields);
    let login = answer("login")?;
    let session = login["sessionid"].as_str().context("a session id")?;
    assert!(session.len() >= 32, "unguessable: {session}");
    let wanted =
        json!({"result": 1, "userid": user_id(1), "userlogin": "anna", "sessionid": session});
    assert_eq!(login, wanted);
    assert_eq!(answer("ping")?, json!({"userlogin": "anna"}));
    assert_eq!(
        answer("getcurrentqueue")?,
        json!({"result": 1, "queue": []})
    );
    assert_eq!(answer("subscribeevent")?, json!({"result": 1}));
    let port = gateway.addresses().web.port();
    let version = json!({"dated": 160_101, "build": "2.13.0.160101", "webserverport": port});
    let wanted = json!({"result": 1, "version": version, "alloweddbstoredprocs": {}});
    assert_eq!(answer("getversion")?, wanted);
    let info = answer("getmyuserinfo")?;
    let line = info["lineid"].as_str().context("a line id")?;
    assert_ne!(line, ZERO);
    let wanted = json!({
        "result": 1, "userid": user_id(1), "userlogin": "anna", "username": "Анна", "mainpbxnumber": "101",
        "hasline": true, "lineid": line, "linenumber": "101", "isoperator": true,
    });
    assert_eq!(info, wanted);
    let items = json!([{"id": 1, "name": "Обед"}, {"id": 2, "name": "Tea"}]);
    assert_eq!(
        answer("cc_getlunchtypes")?,
        json!({"result": 1, "items": items})
    );
    let wanted = json!({
        "result": 1, "userstateid": 1, "userstate": 1, "userstatestr": "usReady", "oncallcenter": true,
        "onccmanual": false, "onlunch": false, "onredirect": false, "ontask": false, "lunchreasonid": null,
        "userid": user_id(1), "userlogin": "anna",
    });
    assert_eq!(answer("getuserstate")?, wanted);
    assert_eq!(
        answer("getredirectrules")?,
        json!({"result": 1, "redirectrules": []})
    );
    Ok(())
}

fn check_directory(opening: &Opening) -> TestResult {
    let answer = |method: &str| opening.answer(method).map(fields);
    let mut numbers = answer("getpbxnumbers")?;
    for entry in numbers["numbers"].as_array_mut().context("a list")? {
        let id = entry["id"].take();
        assert!(
            id.as_str().is_some_and(|id| id.len() == 36 && id != ZERO),
            "{id}"
        );
    }
    let department = "00000000-0000-4000-9000-000000000001";
    let number = |number: &str,
                  caption: &str,
                  state: i64,
                  text: &str,
                  department: &str,
                  id: &str| {
        json!({
            "id": null, "number": number, "caption": caption, "type": 0, "typestr": "intRule", "state": state,
            "statestr": text, "isgroup": false, "department": department, "departmentid": id,
        })
    };
    let wanted = json!([
        number("101", "Анна", 1, "usReady", "", ZERO),
        number("205", "boris", 0, "usDisconnected", "Sales", department),
    ]);
    assert_eq!(numbers, json!({"result": 1, "numbers": wanted}));
    let users = json!([
        {"id": user_id(1), "name": "Анна", "main": "101", "nums": ["101"], "sub": false},
        {"id": user_id(2), "name": "boris", "main": "205", "nums": ["205"], "sub": true},
    ]);
    assert_eq!(
        answer("getallusernumbers")?,
        json!({"result": 1, "users": users})
    );
    assert_eq!(
        answer("getalluserphotolink")?,
        json!({"result": 1, "links": []})
    );
    Ok(())
}

fn check_line(opening: &Opening) -> TestResult {
    let answer = |method: &str| opening.answer(method).map(fields);
    let abonent = json!({
        "isextline": false, "isautocall": false, "isringing": false, "iswaitingforanswer": false,
        "iscommutated": false, "iswaitinginflash": false, "isivr": false, "isroutingivr": false,
        "isconference": false,
    });
    let wanted = json!({
        "result": 1, "linestatestr": "lsHookDown", "chainid": ZERO, "timertalklensec": 0, "isflashing": false,
        "abonent": abonent,
    });
    assert_eq!(answer("getextendedlineinfo")?, wanted);
    Ok(())
}

// protocol 6.1-l and 6.1-m
#[tokio::test]
async fn either_hash_of_a_password_is_enough_also_of_a_russian_one() -> TestResult {
    let settings = Settings::new()
        .user(User::new("anna").password("Пароль Ё1"))
        .user(User::new("boris").password("Secret"));
    let gateway = Gateway::start(settings).await?;
    for (login, right, other_case) in [
        ("anna", "Пароль Ё1", "пАРОЛЬ ё1"),
        ("boris", "Secret", "SECRET"),
    ] {
        let (right, other_case) = (PasswordHashes::of(right), PasswordHashes::of(other_case));
        let good = [
            json!({"userlogin": login, "password": right.lower_case}),
            json!({"userlogin": login, "Password": right.as_typed}),
            json!({"userlogin": login, "Password": right.as_typed.to_uppercase()}),
            json!({"userlogin": login, "password": right.lower_case, "Password": right.as_typed}),
            // A password in another case has the same lower-case hash.
            json!({"userlogin": login, "password": other_case.lower_case, "Password": other_case.as_typed}),
        ];
        for request in good {
            let mut tab = gateway.tab().await?;
            tab.request_ok("login", request.clone())
                .await
                .with_context(|| request.to_string())?;
        }
        let bad = [
            json!({"userlogin": login, "Password": other_case.as_typed}),
            json!({"userlogin": login, "password": right.as_typed}),
            json!({"userlogin": login, "password": ""}),
            json!({"userlogin": login}),
        ];
        for request in bad {
            let mut tab = gateway.tab().await?;
            let (_, text) = refusal(&mut tab, "login", request.clone()).await?;
            assert_eq!(text, "Wrong login/pass combination", "{request}");
        }
    }
    Ok(gateway.stop().await?)
}

// protocol 6.1-q and 6.1-e
#[tokio::test]
async fn a_failed_login_has_the_text_that_libraries_compare_and_may_be_tried_again() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.tab().await?;
    for (login, password) in [
        ("user1", "wrong"),
        ("nobody", DEFAULT_PASSWORD),
        ("", DEFAULT_PASSWORD),
    ] {
        let request =
            json!({"userlogin": login, "password": PasswordHashes::of(password).lower_case});
        let (error, text) = refusal(&mut tab, "login", request).await?;
        assert_eq!(
            (error, text.as_str()),
            (401, "Wrong login/pass combination"),
            "{login}"
        );
    }
    let request = json!({"userlogin": "user1", "sessionid": "nosuchsession"});
    let (_, text) = refusal(&mut tab, "login", request).await?;
    assert_eq!(text, "Bad request. Session does not exist");
    tab.login("user1", DEFAULT_PASSWORD).await?;
    // Libraries log out after a failed login and wait for the server to close.
    let mut failed = gateway.tab().await?;
    refusal(
        &mut failed,
        "login",
        json!({"userlogin": "user1", "password": "0"}),
    )
    .await?;
    failed.request_ok("logout", json!({})).await?;
    assert_eq!(failed.closed().await?.code, Some(1000));
    Ok(gateway.stop().await?)
}

// protocol 6.1-t, 6.1-u, 6.1-v and 6.1-q
#[tokio::test]
async fn a_session_lets_its_user_in_again_and_nobody_else() -> TestResult {
    let gateway = gateway().await?;
    let mut first = gateway.tab().await?;
    let login = first.login("user1", DEFAULT_PASSWORD).await?;
    let session = login.text("sessionid").context("a session")?.to_owned();
    let again = |login: &str| json!({"userlogin": login, "sessionid": session});
    let mut second = gateway.tab().await?;
    let answer = second.request_ok("login", again("USER1")).await?;
    assert_eq!(answer.text("sessionid"), Some(session.as_str()));
    let mut stranger = gateway.tab().await?;
    let (_, text) = refusal(&mut stranger, "login", again("user2")).await?;
    assert_eq!(text, "Bad request. Invalid session user");
    // With both, the session is tried first; a session that is gone does not spoil a right password.
    let mut both = again("user1");
    both["password"] = "wrong".into();
    let mut third = gateway.tab().await?;
    let answer = third.request_ok("login", both).await?;
    assert_eq!(answer.text("sessionid"), Some(session.as_str()));
    let lower = PasswordHashes::of(DEFAULT_PASSWORD).lower_case;
    let stale = json!({"userlogin": "user1", "sessionid": "gone", "password": lower});
    let mut fourth = gateway.tab().await?;
    let answer = fourth.request_ok("login", stale).await?;
    assert_ne!(answer.text("sessionid"), Some(session.as_str()));
    // It outlives its last tab.
    for tab in [first, second, third] {
        tab.close(1000).await?;
    }
    let mut later = gateway.tab().await?;
    let answer = later.request_ok("login", again("user1")).await?;
    assert_eq!(answer.text("sessionid"), Some(session.as_str()));
    Ok(gateway.stop().await?)
}

// protocol 6.1-f
#[tokio::test]
async fn logout_ends_the_session_and_all_its_tabs_and_no_other() -> TestResult {
    let gateway = gateway().await?;
    let mut first = gateway.tab().await?;
    let login = first.login("user1", DEFAULT_PASSWORD).await?;
    let by_session = json!({"userlogin": "user1", "sessionid": login.field("sessionid")});
    let mut same_session = Vec::new();
    for _ in 0..6 {
        let mut tab = gateway.tab().await?;
        tab.request_ok("login", by_session.clone()).await?;
        same_session.push(tab);
    }
    let mut own_session = gateway.logged_in("user1").await?;
    first.request_ok("logout", json!({})).await?;
    assert_eq!(first.closed().await?.code, Some(1000));
    for tab in &same_session {
        assert_eq!(tab.closed().await?.code, Some(1000));
    }
    own_session.settle().await?;
    let mut late = gateway.tab().await?;
    let (_, text) = refusal(&mut late, "login", by_session).await?;
    assert_eq!(text, "Bad request. Session does not exist");
    Ok(gateway.stop().await?)
}

// protocol 6.1-p
#[tokio::test]
async fn a_signed_token_lets_in_the_user_that_it_names() -> TestResult {
    const KEY: &[u8] = b"a key of the test, longer than thirty-two bytes";
    let directory = tempfile::tempdir()?;
    let key_file = directory.path().join("token.key");
    std::fs::write(&key_file, KEY)?;
    let settings = Settings::new()
        .users(2)
        .set("clients.token.algorithm", "HS256")
        .set("clients.token.key_file", key_file.display().to_string())
        .set("clients.token.issuer", "crm.example")
        .set("clients.token.lifetime_max_s", 600);
    let gateway = Gateway::start(settings).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = |key: &[u8], claims: Value| {
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(key))
    };
    let good = token(
        KEY,
        json!({"sub": "user1", "exp": now + 60, "iss": "crm.example"}),
    )?;
    for request in [
        json!({"userlogin": "User1", "token": good}),
        json!({"token": good}),
    ] {
        let mut tab = gateway.tab().await?;
        let answer = tab.request_ok("login", request).await?;
        assert_eq!(answer.text("userid"), Some(user_id(1).as_str()));
        tab.request_ok("getuserstate", json!({})).await?;
    }
    let bad = [
        ("another user", json!({"userlogin": "user2", "token": good})),
        (
            "another key",
            json!({"token": token(b"another key, longer than thirty-two bytes", json!({"sub": "user1", "exp": now + 60, "iss": "crm.example"}))?}),
        ),
        (
            "too old",
            json!({"token": token(KEY, json!({"sub": "user1", "exp": now - 60, "iss": "crm.example"}))?}),
        ),
        (
            "too long a life",
            json!({"token": token(KEY, json!({"sub": "user1", "exp": now + 6_000, "iss": "crm.example"}))?}),
        ),
        (
            "another issuer",
            json!({"token": token(KEY, json!({"sub": "user1", "exp": now + 60, "iss": "x"}))?}),
        ),
        (
            "no end",
            json!({"token": token(KEY, json!({"sub": "user1", "iss": "crm.example"}))?}),
        ),
        (
            "unsigned",
            json!({"token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyMSIsImV4cCI6OTk5OTk5OTk5OX0."}),
        ),
        ("no token", json!({"token": "x"})),
    ];
    for (what, request) in bad {
        let mut tab = gateway.tab().await?;
        let (_, text) = refusal(&mut tab, "login", request).await.context(what)?;
        assert_eq!(text, "Wrong login/pass combination", "{what}");
    }
    Ok(gateway.stop().await?)
}

// protocol 6.1-y, 6-b, 6.3-b, 6.6-d, 7-a and 3.1-g
#[tokio::test]
async fn all_tabs_of_a_user_see_its_events_and_nobody_elses_tab_does() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(2).break_reason(1, "Lunch")).await?;
    let mut tabs = Vec::new();
    for _ in 0..8 {
        let mut tab = gateway.logged_in("user1").await?;
        tab.subscribe(&["userstatechanged"]).await?;
        tabs.push(tab);
    }
    let mut other = gateway.logged_in("user2").await?;
    other.subscribe(&["userstatechanged"]).await?;
    let mut unsubscribed = gateway.logged_in("user1").await?;
    // Numbers may come as texts.
    let wanted = json!({"userstateid": "2", "lunchreasonid": "1", "lunchreasonmsg": "чай"});
    let answer = fields(&tabs[0].request_ok("setuserstate", wanted).await?);
    let state = json!({
        "userstateid": 2, "userstate": 2, "userstatestr": "usLunch", "oncallcenter": false, "onccmanual": false,
        "onlunch": true, "onredirect": false, "ontask": false, "lunchreasonid": 1, "lunchreasonmsg": "чай",
        "userid": user_id(1), "userlogin": "user1",
    });
    let mut with_result = state.clone();
    with_result["result"] = 1.into();
    assert_eq!(answer, with_result);
    tabs[1]
        .request_ok("setuserstate", json!({"userstateid": 3}))
        .await?;
    let mut stories = Vec::new();
    for tab in &mut tabs {
        let first = tab.next_event().await?;
        assert_eq!(first.name, "userstatechanged");
        assert_eq!(fields(&first), state);
        let second = tab.next_event().await?;
        assert_eq!(second.text("userstatestr"), Some("usDND"));
        assert_eq!(
            (second.field("onlunch"), second.field("lunchreasonid")),
            (&json!(false), &Value::Null)
        );
        stories.push([first, second]);
    }
    assert!(
        stories.windows(2).all(|pair| pair[0] == pair[1]),
        "the same events with the same qid"
    );
    for tab in [&mut other, &mut unsubscribed] {
        // An answer of the hub comes behind every event that it gave out before.
        tab.request_ok("getuserstate", json!({})).await?;
        assert_eq!(tab.events_so_far(), []);
    }
    Ok(gateway.stop().await?)
}

// protocol 6.1-k
#[tokio::test]
async fn what_is_unsubscribed_comes_no_more() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.logged_in("user1").await?;
    tab.request_ok(
        "subscribeevent",
        json!({"eventmethod": ["userstatechanged", null, "unheard_of"]}),
    )
    .await?;
    tab.request_ok("setuserstate", json!({"userstateid": 3}))
        .await?;
    assert_eq!(tab.next_event().await?.name, "userstatechanged");
    tab.request_ok("unsubscribeevent", json!({"event": "userstatechanged"}))
        .await?;
    tab.request_ok("setuserstate", json!({"userstateid": 1}))
        .await?;
    tab.request_ok("getuserstate", json!({})).await?;
    assert_eq!(tab.events_so_far().len(), 1);
    Ok(gateway.stop().await?)
}

// protocol 6-a, 3.4-b, 3.4-e, 9-d and 3.1-d
#[tokio::test]
async fn messages_that_may_not_be_are_refused_by_number_and_the_link_goes_on() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.tab().await?;
    for method in [
        "getuserstate",
        "subscribeevent",
        "pbxabortcall",
        "nosuchmethod",
    ] {
        assert_eq!(
            refusal(&mut tab, method, json!({"eventmethod": ["x"]}))
                .await?
                .0,
            401,
            "{method}"
        );
    }
    // `iam` is noted and not answered.
    tab.send(&Message::new(
        "iam",
        json!({"qid": "i", "type": "iriscrm-client"}),
    ))
    .await?;
    tab.login("user1", DEFAULT_PASSWORD).await?;
    let others = [
        json!({"userlogin": "user2"}),
        json!({"userid": user_id(2)}),
        json!({"userlogin": "user1", "userid": user_id(2)}),
    ];
    for of_another in others {
        for method in [
            "getuserstate",
            "setuserstate",
            "getextendedlineinfo",
            "pbxautocallstart",
            "nosuchmethod",
        ] {
            let mut request = of_another.clone();
            request["number"] = "103".into();
            let (error, _) = refusal(&mut tab, method, request).await?;
            assert_eq!(error, 403, "{method} {of_another}");
        }
    }
    let own = json!({"userlogin": "USER1", "userid": user_id(1).to_uppercase()});
    tab.request_ok("getuserstate", own).await?;
    tab.request_ok("getuserstate", json!({"userlogin": "", "userid": ""}))
        .await?;
    for method in ["nosuchmethod", "GetUserState", "getuserstateresultx"] {
        assert_eq!(
            refusal(&mut tab, method, json!({})).await?.0,
            404,
            "{method}"
        );
    }
    let unasked = |seen: &Seen| matches!(seen, Seen::Unasked(_) | Seen::Malformed(_));
    let mut received = tab.received();
    while let Some(entry) = received.try_next() {
        assert!(!unasked(&entry.what), "{entry:?}");
    }
    Ok(gateway.stop().await?)
}

// protocol 3.4-e and 3.1-i
#[tokio::test]
async fn wrong_parameters_and_wrong_states_have_their_numbers() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.logged_in("user1").await?;
    let wrong = [
        ("setuserstate", json!({"userstateid": 4}), 422),
        ("setuserstate", json!({"userstateid": "x"}), 422),
        ("pbxautocallstart", json!({}), 422),
        (
            "pbxautocallstart",
            json!({"number": "102", "sequence": "x"}),
            422,
        ),
        ("pbxmakeflash", json!({"mode": "x"}), 422),
        ("subscribeevent", json!({}), 422),
        ("pbxanswercall", json!({}), 409),
        ("pbxdeclinecall", json!({}), 409),
    ];
    for (method, request, number) in wrong {
        assert_eq!(
            refusal(&mut tab, method, request.clone()).await?.0,
            number,
            "{method} {request}"
        );
    }
    Ok(gateway.stop().await?)
}

// protocol 3.1-k and 3.1-l
#[tokio::test]
async fn logins_are_echoed_as_typed_and_guids_in_lower_case() -> TestResult {
    let id = "ABCDEF01-2345-4678-9ABC-DEF012345678";
    let gateway = Gateway::start(Settings::new().user(User::new("Анна").id(id))).await?;
    for typed in ["Анна", "АННА", "анна"] {
        let mut tab = gateway.tab().await?;
        let answer = tab.login(typed, DEFAULT_PASSWORD).await?;
        assert_eq!(answer.text("userlogin"), Some(typed));
        assert_eq!(answer.text("userid"), Some(id.to_lowercase().as_str()));
        let state = tab
            .request_ok("getuserstate", json!({"userlogin": "аННа", "userid": id}))
            .await?;
        assert_eq!(state.text("userid"), Some(id.to_lowercase().as_str()));
    }
    Ok(gateway.stop().await?)
}

// protocol 3.1-b and 6.1-b
#[tokio::test]
async fn any_text_serves_as_a_qid_and_what_follows_a_login_waits_for_it() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.tab().await?;
    let mut qids = Vec::new();
    let hashes = PasswordHashes::of(DEFAULT_PASSWORD);
    let login = json!({"userlogin": "user1", "password": hashes.lower_case, "qid": "0.8231"});
    qids.push(("login", tab.send_request("login", login).await?));
    for qid in [
        "",
        "\"quoted\\\" \u{1}",
        "Ё😀",
        "EFD478CE-C7D9-4103-91D8-1BAC7528AC49",
    ] {
        qids.push((
            "getuserstate",
            tab.send_request("getuserstate", json!({"qid": qid}))
                .await?,
        ));
    }
    for (method, qid) in &qids {
        tab.answer_to(method, qid).await?.into_success(method)?;
    }
    Ok(gateway.stop().await?)
}

// protocol 9-e and 6.1-s
#[tokio::test]
async fn a_user_may_have_twenty_tabs() -> TestResult {
    let gateway = gateway().await?;
    let mut tabs = Vec::new();
    for _ in 0..20 {
        tabs.push(gateway.logged_in("user1").await?);
    }
    let mut one_more = gateway.tab().await?;
    let hash = PasswordHashes::of(DEFAULT_PASSWORD).lower_case;
    let (error, _) = refusal(
        &mut one_more,
        "login",
        json!({"userlogin": "user1", "password": hash}),
    )
    .await?;
    assert_eq!(error, 50025);
    one_more.login("user2", DEFAULT_PASSWORD).await?;
    drop(tabs.pop());
    // The gateway learns of the broken connection in its own time.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut tab = gateway.tab().await?;
        match tab.login("user1", DEFAULT_PASSWORD).await {
            Ok(_) => break,
            Err(error) => anyhow::ensure!(tokio::time::Instant::now() < deadline, "{error}"),
        }
    }
    Ok(gateway.stop().await?)
}

// protocol 9-c
#[tokio::test]
async fn a_flood_is_answered_429_and_then_closed_with_1008() -> TestResult {
    let settings = Settings::new()
        .users(1)
        .set("clients.messages_per_s", 10)
        .set("clients.messages_burst", 20);
    let gateway = Gateway::start(settings).await?;
    let mut tab = gateway.logged_in("user1").await?;
    let mut qids = Vec::new();
    for _ in 0..200 {
        qids.push(tab.send_request("getuserstate", json!({})).await?);
    }
    let mut refused = 0;
    for qid in &qids {
        let answer = tab.answer_to("getuserstate", qid).await?;
        if !answer.succeeded() {
            assert_eq!(answer.field("error"), &json!(429));
            refused += 1;
        }
    }
    assert!(
        (100..=185).contains(&refused),
        "{refused} of 200 were refused"
    );
    // A tab that goes on is closed.
    while tab.send_text(r#"["ping",{"qid":"more"}]"#).await.is_ok() {}
    assert_eq!(tab.closed().await?.code, Some(1008));
    Ok(gateway.stop().await?)
}

// protocol 9-d
#[tokio::test]
async fn a_tab_that_nobody_logs_in_is_closed_with_1008() -> TestResult {
    let settings = Settings::new().users(1).set("clients.unauthenticated_s", 1);
    let gateway = Gateway::start(settings).await?;
    let idle = gateway.tab().await?;
    let mut busy = gateway.logged_in("user1").await?;
    assert_eq!(idle.closed().await?.code, Some(1008));
    busy.settle().await?;
    Ok(gateway.stop().await?)
}

// protocol 6.1-x, 6.3-g and 7-b
#[tokio::test]
async fn a_user_is_absent_ten_seconds_after_the_last_tab_left_and_a_reload_is_no_absence()
-> TestResult {
    let gateway = gateway().await?;
    let mut watcher = gateway.logged_in("user2").await?;
    watcher.request_ok("getpbxnumbers", json!({})).await?;
    watcher.subscribe(&["pbxnumberstatechanged"]).await?;
    watcher.set_deadline(Duration::from_secs(20));
    let tab = gateway.logged_in("user1").await?;
    let state = |event: &Message| event.field("numbers")[0].clone();
    let mut events = watcher.events();
    let (_, came) = events.named("pbxnumberstatechanged").await?;
    assert_eq!(state(&came), json!({"num": "101", "numstateid": 1}));
    tab.close(1001).await?;
    let reloaded = gateway.logged_in("user1").await?;
    let left = tokio::time::Instant::now();
    reloaded.close(1001).await?;
    let (at, went) = events.named("pbxnumberstatechanged").await?;
    assert_eq!(state(&went), json!({"num": "101", "numstateid": 0}));
    let after = at - left;
    assert!(
        after >= Duration::from_millis(9_900) && after < Duration::from_secs(13),
        "{after:?}"
    );
    Ok(gateway.stop().await?)
}
