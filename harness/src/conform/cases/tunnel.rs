//! Owns the cases about users whom the CRM tunnels over its link (protocol 5).

use serde_json::json;

use crate::conform::case::{Case, Outcome, Place, WEBSOCKETS, case, hold};
use crate::conform::stage::{Stage, text};

pub(super) const CASES: &[Case] = &[
    case!(
        "5-a",
        Place::Link(WEBSOCKETS),
        [],
        login_is_trusted,
        "a user whom the CRM logs in needs no password, and is told events from then on"
    ),
    case!(
        "5-b",
        Place::Link(WEBSOCKETS),
        [],
        logout_ends_it,
        "a user whom the CRM logs out is told nothing more"
    ),
    case!(
        "5-i",
        Place::Link(WEBSOCKETS),
        [],
        own_id_is_echoed,
        "the CRM's own id of a user is kept, echoed and never refused"
    ),
];

async fn login_is_trusted(stage: &mut Stage) -> Outcome {
    let login = stage.user(0).login.clone();
    let fields = json!({"userlogin": login, "userid": "crm-1"});
    stage
        .ask("login", fields.clone())
        .await?
        .into_success("login")?;
    let mut received = stage.crm()?.received_from_now();
    change_state(stage, &login, 3).await?;
    let event = crate::crm::CrmHandle::wait_for(
        &mut received,
        "userstatechanged",
        crate::conform::stage::SOON,
    )
    .await;
    change_state(stage, &login, 1).await?;
    stage.ask("logout", fields).await?;
    let event = event?;
    hold!(
        text(&event, "userlogin")? == login,
        "the event is {}",
        event.to_text()
    );
    Ok(())
}

async fn logout_ends_it(stage: &mut Stage) -> Outcome {
    let login = stage.user(0).login.clone();
    let fields = json!({"userlogin": login, "userid": "crm-1"});
    stage.ask("login", fields.clone()).await?;
    stage.ask("logout", fields).await?.into_success("logout")?;
    let mut received = stage.crm()?.received_from_now();
    change_state(stage, &login, 3).await?;
    change_state(stage, &login, 1).await?;
    while let Some(record) = received.try_next() {
        if let Some(message) = record.received() {
            let is_event =
                message.name == "userstatechanged" && message.text("userlogin") == Some(&login);
            hold!(!is_event, "after the logout came {}", message.to_text());
        }
    }
    Ok(())
}

async fn own_id_is_echoed(stage: &mut Stage) -> Outcome {
    let login = stage.user(0).login.clone();
    let fields = json!({"userlogin": login, "userid": "crm-4711"});
    stage.ask("login", fields.clone()).await?;
    let answer = stage.ask("getuserstate", fields.clone()).await?;
    stage.ask("logout", fields).await?;
    let answer = answer.into_success("getuserstate")?;
    let id = text(&answer, "userid")?;
    hold!(id == "crm-4711", "the id came back as {id:?}");
    Ok(())
}

/// By a tab of the user's own.
async fn change_state(stage: &Stage, login: &str, state: u8) -> Outcome {
    let mut tab = stage.logged_in(0).await?;
    let fields = json!({"userstateid": state, "userlogin": login});
    tab.request_ok("setuserstate", fields).await?;
    Ok(())
}
