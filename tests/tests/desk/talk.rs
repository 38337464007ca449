//! Custom events, texts and notifications.

use std::time::Duration;

use okgate_harness::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use okgate_harness::gateway::{Gateway, user_id};
use okgate_tests::TestResult;
use serde_json::json;

use super::{events, is_counted, is_stamp, keys, refusal, settings, tab};

const SOON: Duration = Duration::from_secs(10);

// protocol 6.7-a, 7-n, 7-u and 3.1-g
#[tokio::test]
async fn a_custom_event_reaches_its_recipients_and_the_sender_only_if_it_is_sent_back() -> TestResult
{
    let gateway = Gateway::start(settings()).await?;
    let mut anna = tab(&gateway, "anna", &["customevent"]).await?;
    let mut boris = tab(&gateway, "boris", &["customevent"]).await?;
    let mut deaf = gateway.logged_in("boris").await?;
    let mut vera = tab(&gateway, "vera", &["customevent"]).await?;
    for (recipients, sendback, param) in [
        (
            json!([user_id(2), null, "nobody"]),
            json!("0"),
            json!({"sum": 1.5, "to": [null, "я"]}),
        ),
        (json!(["BORIS", user_id(1)]), json!(0), json!("second")),
        (json!("boris"), json!("1"), json!(3)),
        (json!([]), json!("0"), json!(null)),
    ] {
        let event = json!({"eventname": "sale", "eventparam": param, "recipients": recipients, "sendback": sendback});
        anna.request_ok("triggercustomevent", event).await?;
    }
    let told = events(&mut boris).await?;
    let params: Vec<_> = told
        .iter()
        .map(|event| event.field("eventparam").clone())
        .collect();
    let sum = json!({"sum": 1.5, "to": [null, "я"]});
    assert_eq!(params, [sum, json!("second"), json!(3), json!(null)]);
    for event in &told[..3] {
        assert_eq!(event.name, "customevent");
        assert_eq!(event.text("eventname"), Some("sale"));
        assert_eq!(event.text("userid"), Some(user_id(2).as_str()));
        assert_eq!(event.text("userlogin"), Some("boris"));
    }
    assert!(told[3].field("userid").is_null(), "it is everybody's");
    let back: Vec<_> = events(&mut anna)
        .await?
        .iter()
        .map(|it| it.field("eventparam").clone())
        .collect();
    assert_eq!(back, [json!(3), json!(null)]);
    assert_eq!(events(&mut vera).await?.len(), 1);
    assert!(events(&mut deaf).await?.is_empty());
    let nobody = json!({"eventname": "x", "recipients": ["nobody"]});
    assert_eq!(refusal(&mut anna, "triggercustomevent", nobody).await?, 404);
    Ok(gateway.stop().await?)
}

// protocol 5-f, 5-g and 6.7-a
#[tokio::test]
async fn the_crm_triggers_events_in_a_users_name_and_gets_those_of_its_users() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback().active_user("anna", "crm-7")).await?;
    let gateway = Gateway::start(settings().crm_ws_out(crm.address())).await?;
    CrmHandle::wait_for(&mut crm.received(), "getactiveusers", SOON).await?;
    crm.request("ping", json!({}), SOON).await?;
    let mut boris = tab(
        &gateway,
        "boris",
        &["customevent", "usertextmessagereceived"],
    )
    .await?;
    let event = json!({"userlogin": "anna", "eventname": "card", "eventparam": "7", "recipients": ["boris"]});
    let answer = crm.request("triggercustomevent", event, SOON).await?;
    assert!(answer.succeeded(), "{}", answer.to_text());
    assert_eq!(answer.text("userlogin"), Some("anna"));
    assert_eq!(
        boris.event("customevent").await?.text("eventname"),
        Some("card")
    );
    // The CRM's own id of a user is understood from the CRM.
    let text = json!({"userlogin": "boris", "text": "to myself and her", "recipients": ["crm-7", "boris"]});
    assert!(
        crm.request("sendusertextmessage", text, SOON)
            .await?
            .succeeded()
    );
    let told = CrmHandle::wait_for(&mut crm.received(), "usertextmessagereceived", SOON).await?;
    assert_eq!(
        (told.text("userlogin"), told.text("userid")),
        (Some("anna"), Some("crm-7"))
    );
    boris.event("usertextmessagereceived").await?;
    let stranger = json!({"userlogin": "nobody", "eventname": "x"});
    assert!(
        !crm.request("triggercustomevent", stranger, SOON)
            .await?
            .succeeded()
    );
    Ok(gateway.stop().await?)
}

// protocol 6.7-g and 5-a
#[tokio::test]
async fn what_waits_for_a_user_is_told_when_the_user_appears_in_the_crm() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let gateway = Gateway::start(settings().crm_ws_out(crm.address())).await?;
    CrmHandle::wait_for(&mut crm.received(), "getactiveusers", SOON).await?;
    crm.request("ping", json!({}), SOON).await?;
    let mut anna = gateway.logged_in("anna").await?;
    for text in ["one", "two"] {
        let message = json!({"text": text, "recipients": ["vera"]});
        anna.request_ok("sendusertextmessage", message).await?;
    }
    let mut records = crm.received_from_now();
    let login = json!({"userlogin": "vera", "userid": "crm-9"});
    crm.request("login", login, SOON).await?;
    for text in ["one", "two"] {
        let told = CrmHandle::wait_for(&mut records, "usertextmessagereceived", SOON).await?;
        assert_eq!(
            (told.text("text"), told.text("userid")),
            (Some(text), Some("crm-9"))
        );
    }
    Ok(gateway.stop().await?)
}

// protocol 5-e, 6.7-f, 6.7-g and 7-q
#[tokio::test]
async fn a_text_reaches_all_or_nobody_and_waits_for_who_is_not_there() -> TestResult {
    let gateway = Gateway::start(settings().set("desk.kept_per_user", 2)).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut boris = tab(&gateway, "boris", &["usertextmessagereceived"]).await?;
    let half = json!({"text": "half", "recipients": ["boris", "nobody"]});
    assert_eq!(refusal(&mut anna, "sendusertextmessage", half).await?, 404);
    for text in ["first", "второй", "third"] {
        let message = json!({"text": text, "recipients": ["Boris", user_id(2), user_id(3)]});
        anna.request_ok("sendusertextmessage", message).await?;
    }
    let told = events(&mut boris).await?;
    let texts: Vec<_> = told
        .iter()
        .map(|event| event.text("text").unwrap_or_default())
        .collect();
    assert_eq!(
        texts,
        ["first", "второй", "third"],
        "each once, and nothing of the half"
    );
    let event = &told[0];
    let wanted = [
        "dt",
        "dtformat",
        "id",
        "sender",
        "senderuserid",
        "senderuserlogin",
        "text",
        "userid",
        "userlogin",
    ];
    assert_eq!(keys(event), wanted.into());
    assert_eq!(event.text("sender"), Some("Анна"));
    assert_eq!(event.text("senderuserid"), Some(user_id(1).as_str()));
    assert_eq!(event.text("senderuserlogin"), Some("anna"));
    assert!(is_stamp(event.field("dt")), "{}", event.to_text());
    is_counted(&gateway, "kept_per_user").await?;
    // Vera was not there: the two newest wait for her, whatever else she subscribes before.
    let mut vera = gateway.logged_in("vera").await?;
    vera.subscribe(&["phoneevent", "shownotifymessage"]).await?;
    assert!(events(&mut vera).await?.is_empty());
    vera.subscribe(&["usertextmessagereceived"]).await?;
    let told = events(&mut vera).await?;
    let texts: Vec<_> = told
        .iter()
        .map(|event| event.text("text").unwrap_or_default())
        .collect();
    assert_eq!(texts, ["второй", "third"]);
    vera.request_ok(
        "unsubscribeevent",
        json!({"event": "usertextmessagereceived"}),
    )
    .await?;
    let message = json!({"text": "later", "recipients": "vera"});
    anna.request_ok("sendusertextmessage", message).await?;
    assert_eq!(events(&mut vera).await?.len(), 2, "it waits");
    drop(vera);
    let mut again = tab(&gateway, "vera", &["usertextmessagereceived"]).await?;
    assert_eq!(
        again.event("usertextmessagereceived").await?.text("text"),
        Some("later")
    );
    Ok(gateway.stop().await?)
}

// protocol 6.7-f, 6.7-a, 9-r and 3.4-e
#[tokio::test]
async fn texts_that_are_too_long_too_many_recipients_and_too_many_events_are_refused() -> TestResult
{
    let settings = settings()
        .set("desk.text_bytes_max", 256)
        .set("desk.recipients_max", 2)
        .set("desk.kept_bytes_per_user", 4096)
        .set("desk.kept_bytes_max", 65_536)
        .set("desk.broadcasts_per_s", 1);
    let gateway = Gateway::start(settings).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let long = json!({"text": "я".repeat(200), "recipients": ["boris"]});
    assert_eq!(refusal(&mut anna, "sendusertextmessage", long).await?, 413);
    let many = json!({"text": "x", "recipients": ["anna", "boris", "vera"]});
    assert_eq!(refusal(&mut anna, "sendusertextmessage", many).await?, 413);
    let long = json!({"eventname": "x", "eventparam": "y".repeat(300)});
    assert_eq!(refusal(&mut anna, "triggercustomevent", long).await?, 413);
    for (method, fields) in [
        ("triggercustomevent", json!({"eventname": {"a": 1}})),
        (
            "triggercustomevent",
            json!({"eventname": "x", "recipients": {"a": 1}}),
        ),
        (
            "triggercustomevent",
            json!({"eventname": "x", "sendback": "perhaps"}),
        ),
        ("triggercustomevent", json!({"eventname": "x".repeat(300)})),
        (
            "sendusertextmessage",
            json!({"text": "x", "recipients": []}),
        ),
        (
            "sendusertextmessage",
            json!({"text": " ", "recipients": ["boris"]}),
        ),
        (
            "sendusertextmessage",
            json!({"text": ["x"], "recipients": ["boris"]}),
        ),
    ] {
        let number = refusal(&mut anna, method, fields.clone()).await?;
        assert_eq!(number, 422, "{method} {fields}");
    }
    let mut refused = None;
    for _ in 0..10 {
        let event = json!({"eventname": "x"});
        if let Err(error) = anna.request_ok("triggercustomevent", event).await {
            refused = Some(error.to_string());
        }
    }
    assert!(refused.is_some_and(|words| words.contains("429")));
    for reason in ["text_too_long", "recipients_max", "broadcasts"] {
        is_counted(&gateway, reason).await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.7-h and 7-p
#[tokio::test]
async fn a_notification_of_the_admin_address_reaches_the_user_or_waits() -> TestResult {
    let gateway = Gateway::start(settings().set("desk.utc_offset", "+03:00")).await?;
    let mut anna = tab(&gateway, "anna", &["shownotifymessage"]).await?;
    let admin = gateway.admin();
    let plain = json!({"userlogin": "ANNA", "text": "Пора"});
    let answer = admin
        .post("/api/v1/notify", &plain)
        .await?
        .expect_status(200)?
        .json()?;
    assert_eq!(answer["kept"], false);
    let event = anna.event("shownotifymessage").await?;
    let wanted = [
        "autohide",
        "backcolor",
        "dt",
        "dtformat",
        "id",
        "savedb",
        "sender",
        "text",
        "type",
        "userid",
        "userlogin",
    ];
    assert_eq!(keys(&event), wanted.into());
    assert_eq!(event.field("id"), &answer["id"]);
    assert_eq!(event.text("dtformat"), Some("dd.MM.yyyy HH:mm:ss"));
    assert!(is_stamp(event.field("dt")), "{}", event.to_text());
    let rest = json!([
        event.field("sender"),
        event.field("type"),
        event.field("autohide"),
        event.field("backcolor"),
        event.field("savedb")
    ]);
    assert_eq!(rest, json!(["", 0, false, "FFFFFFFF", false]));
    let full = json!({
        "userlogin": "boris", "text": "x", "sender": "CRM", "type": 2, "autohide": true, "backcolor": "ff00aa00", "savedb": true,
    });
    let answer = admin
        .post("/api/v1/notify", &full)
        .await?
        .expect_status(200)?
        .json()?;
    assert_eq!(answer["kept"], true);
    let mut boris = tab(&gateway, "boris", &["shownotifymessage"]).await?;
    let event = boris.event("shownotifymessage").await?;
    assert_eq!(event.field("id"), &answer["id"]);
    let rest = json!([
        event.field("sender"),
        event.field("type"),
        event.field("autohide"),
        event.field("backcolor"),
        event.field("savedb")
    ]);
    assert_eq!(rest, json!(["CRM", 2, true, "FF00AA00", true]));
    Ok(gateway.stop().await?)
}

// protocol 6.7-h
#[tokio::test]
async fn a_notification_that_makes_no_sense_is_refused() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let admin = gateway.admin();
    for (body, status) in [
        (json!({"userlogin": "nobody", "text": "x"}), 404),
        (json!({"userlogin": "anna"}), 422),
        (json!({"userlogin": "anna", "text": " "}), 422),
        (
            json!({"userlogin": "anna", "text": "x", "backcolor": "red"}),
            422,
        ),
        (
            json!({"userlogin": "anna", "text": "x".repeat(20_000)}),
            422,
        ),
        (json!({"userlogin": "anna", "text": "x", "color": 1}), 422),
    ] {
        admin
            .post("/api/v1/notify", &body)
            .await?
            .expect_status(status)?;
    }
    admin.get("/api/v1/notify").await?.expect_status(405)?;
    Ok(gateway.stop().await?)
}

// protocol 7-t, 7-k and 6.1-i
#[tokio::test]
async fn dialogue_cards_and_faxes_can_be_subscribed_and_never_come() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = tab(
        &gateway,
        "anna",
        &[
            "dlgcard",
            "chat",
            "dlgcard_showreserve",
            "phoneevent_faxreceived",
        ],
    )
    .await?;
    assert!(events(&mut anna).await?.is_empty());
    Ok(gateway.stop().await?)
}
