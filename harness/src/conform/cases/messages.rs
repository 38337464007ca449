//! Owns the cases about what a message in JSON is (protocol 3.1).

use serde_json::{Value, json};

use crate::conform::case::{Broken, Case, Outcome, Place, case, hold};
use crate::conform::stage::{Stage, number, text};
use crate::message::Message;
use crate::tab::{Incoming, Seen, Tab};

pub(super) const CASES: &[Case] = &[
    case!(
        "3.1-a",
        Place::Tabs,
        [],
        pairs_only,
        "what is no pair of a name and fields is refused, and the link goes on"
    ),
    case!(
        "3.1-b",
        Place::Tabs,
        [],
        any_qid,
        "a qid of any form comes back as it was"
    ),
    case!(
        "3.1-c",
        Place::Tabs,
        [],
        answer_names,
        "an answer bears its request's name and `result`, or the name of the table"
    ),
    case!(
        "3.1-d",
        Place::Tabs,
        [],
        one_answer,
        "each of many requests is answered once"
    ),
    case!(
        "3.1-f",
        Place::Tabs,
        [],
        results,
        "a failure has a number and words, a success neither"
    ),
    case!(
        "3.1-g",
        Place::Tabs,
        [],
        event_fields,
        "each event has a qid of its own and says whose it is"
    ),
    case!(
        "3.1-h",
        Place::Tabs,
        [],
        unknown_fields,
        "a field that nobody knows does no harm"
    ),
    case!(
        "3.1-i",
        Place::Tabs,
        [],
        numbers_as_text,
        "a number that comes as a text counts as one"
    ),
    case!(
        "3.1-j",
        Place::Tabs,
        [],
        strict_types,
        "numbers go out as numbers, booleans as booleans"
    ),
    case!(
        "3.1-k",
        Place::Tabs,
        [],
        login_case,
        "a login is known in any case, and echoed as typed"
    ),
    case!(
        "3.1-l",
        Place::Tabs,
        [],
        lower_ids,
        "ids go out in lower case, and are known in any"
    ),
];

async fn pairs_only(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    for odd in [
        r#"["ping"]"#,
        r#"["ping",{},1]"#,
        r#"{"name":"ping"}"#,
        "[1,{}]",
        "ping",
    ] {
        let mut received = tab.received_from_now();
        tab.send_text(odd).await?;
        tab.settle().await?;
        let mut refusals = 0;
        while let Some(seen) = received.try_next() {
            if let Seen::Unasked(message) | Seen::Event(message) = &seen.what {
                hold!(
                    message.name == "error",
                    "{odd} was answered {}",
                    message.to_text()
                );
                refusals += 1;
            }
        }
        hold!(
            refusals == 1,
            "{odd} was answered by {refusals} errors, not one"
        );
    }
    Ok(())
}

async fn any_qid(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    for qid in [
        "0.8231764512",
        "EFD478CE-C7D9-4103-91D8-1BAC7528AC49",
        "Ё \"quoted\" \\",
        "1",
    ] {
        let asked = Message::new("ping", json!({"qid": qid}));
        let answer = answer_to(&mut tab, &asked, "pong").await?;
        hold!(
            answer.qid() == Some(qid),
            "the qid {qid:?} came back in {}",
            answer.to_text()
        );
    }
    Ok(())
}

async fn answer_names(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    for (method, wanted) in [
        ("ping", "pong"),
        ("getversion", "getversionresult"),
        ("getuserstate", "getuserstateresult"),
        ("nosuchmethod", "nosuchmethodresult"),
    ] {
        let qid = format!("name of {method}");
        let asked = Message::new(method, json!({"qid": qid}));
        let answer = message_with(&mut tab, &asked, |seen| seen.qid() == Some(&qid)).await?;
        hold!(
            answer.name == wanted,
            "{method} was answered by {}",
            answer.to_text()
        );
    }
    Ok(())
}

async fn one_answer(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let mut qids = Vec::new();
    for method in [
        "getuserstate",
        "getextendedlineinfo",
        "getcurrentqueue",
        "getuserstate",
    ] {
        qids.push((method, tab.send_request(method, json!({})).await?));
    }
    for (method, qid) in &qids {
        tab.answer_to(method, qid).await?;
    }
    tab.settle().await?;
    let mut received = tab.received();
    while let Some(seen) = received.try_next() {
        if let Seen::Unasked(message) = &seen.what {
            return Err(Broken(format!(
                "one answer too many: {}",
                message.to_text()
            )));
        }
    }
    Ok(())
}

async fn results(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let good = tab.request("getuserstate", json!({})).await?;
    let has = |message: &Message, key: &str| message.fields.contains_key(key);
    hold!(
        good.field("result") == 1 && !has(&good, "error") && !has(&good, "errormsg"),
        "a success is {}",
        good.to_text()
    );
    let bad = tab.request("nosuchmethod", json!({})).await?;
    hold!(
        bad.field("result") == 0 && bad.field("error").is_u64() && bad.text("errormsg").is_some(),
        "a failure is {}",
        bad.to_text()
    );
    Ok(())
}

async fn event_fields(stage: &mut Stage) -> Outcome {
    let mut tab = stage.told(0, &["userstatechanged"]).await?;
    let mut qids = Vec::new();
    for state in [3, 1] {
        tab.skip_events();
        tab.request("setuserstate", json!({"userstateid": state}))
            .await?;
        let event = tab.event("userstatechanged").await?;
        qids.push(text(&event, "qid")?.to_owned());
        let login = text(&event, "userlogin")?;
        hold!(
            login.eq_ignore_ascii_case(&stage.user(0).login),
            "the event is {}",
            event.to_text()
        );
        text(&event, "userid")?;
    }
    hold!(qids[0] != qids[1], "two events have the qid {:?}", qids[0]);
    Ok(())
}

async fn unknown_fields(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let fields = json!({"unheardof": {"a": [1, null]}, "another": "text"});
    tab.request_ok("getuserstate", fields).await?;
    Ok(())
}

async fn numbers_as_text(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let fields = json!({"userstateid": "3", "onredirect": "1"});
    let answer = tab.request_ok("setuserstate", fields).await?;
    let redirects = answer.field("onredirect");
    let is_true = |value: &Value| ["true", "1", "\"1\""].contains(&value.to_string().as_str());
    let state = number(&answer, "userstateid")?;
    tab.request("setuserstate", json!({"userstateid": 1, "onredirect": 0}))
        .await?;
    hold!(
        state == 3 && is_true(redirects),
        "the state became {}",
        answer.to_text()
    );
    Ok(())
}

async fn strict_types(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let state = tab.request("getuserstate", json!({})).await?;
    let is_strict = state.field("userstateid").is_u64() && state.field("onredirect").is_boolean();
    hold!(is_strict, "the state is {}", state.to_text());
    let line = tab.request("getextendedlineinfo", json!({})).await?;
    hold!(
        line.field("isflashing").is_boolean(),
        "the line is {}",
        line.to_text()
    );
    Ok(())
}

async fn login_case(stage: &mut Stage) -> Outcome {
    let user = stage.user(0).clone();
    for typed in [user.login.to_uppercase(), user.login.to_lowercase()] {
        let mut tab = stage.stranger().await?;
        let answer = tab.login(&typed, &user.password).await?;
        let echoed = text(&answer, "userlogin")?;
        hold!(echoed == typed, "{typed:?} logged in as {echoed:?}");
    }
    Ok(())
}

async fn lower_ids(stage: &mut Stage) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let info = tab.request("getmyuserinfo", json!({})).await?;
    let id = text(&info, "userid")?;
    hold!(id == id.to_lowercase(), "the id is {id}");
    let fields = json!({"userid": id.to_uppercase(), "userlogin": stage.user(0).login});
    tab.request_ok("getuserstate", fields).await?;
    Ok(())
}

/// The first message of this name behind a request.
async fn answer_to(tab: &mut Tab, asked: &Message, name: &str) -> Result<Message, Broken> {
    message_with(tab, asked, |seen| seen.name == name).await
}

/// The first message behind a request that is as wanted, whatever the tab takes it for.
async fn message_with(
    tab: &mut Tab,
    asked: &Message,
    is_wanted: impl Fn(&Message) -> bool,
) -> Result<Message, Broken> {
    let mut received = tab.received_from_now();
    tab.send(asked).await?;
    let is_it = |seen: &Incoming| seen.what.message().is_some_and(&is_wanted);
    let found = received.find(crate::conform::stage::SOON, is_it).await;
    let message = found.as_ref().ok().and_then(|seen| seen.what.message());
    message.cloned().ok_or_else(|| {
        let asked = asked.to_text();
        Broken(format!(
            "{asked} was not answered; instead came {:?}",
            found.err()
        ))
    })
}
