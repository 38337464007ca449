//! The ladders of conferences: made of a talk or from scratch, who comes and goes, and who is told.

use anyhow::Context as _;
use okgate_tests::TestResult;
use okgate_tests::story::Story;
use serde_json::{Value, json};

use super::people::{
    BUSY, OUTSIDE, SILENT, anna_and_boris_talk, calls, flash, hangs_up, settings, story, story_with,
};

const ROOM: &str = "c0ffee00-0000-4000-8000-000000000001";

/// Anna makes a conference of these, with an id of her own.
async fn makes_one_of(story: &mut Story, competitors: Value, more: Value) -> TestResult {
    let mut conference = json!({"id": ROOM, "name": "Monday", "room": "7"});
    if let (Value::Object(all), Value::Object(more)) = (&mut conference, more) {
        all.extend(more);
    }
    let fields = json!({"conference": conference, "competitors": competitors});
    let words = format!("makes a conference of {competitors}");
    story
        .acts("anna", &words, "createnewconference", fields)
        .await?;
    Ok(())
}

/// anna, who made it, boris and clara are in a conference; david is not.
async fn three_confer() -> anyhow::Result<Story> {
    let mut story = story(&["anna", "boris", "clara", "david"]).await?;
    makes_one_of(
        &mut story,
        json!([{"number": "102"}, {"number": "103"}]),
        json!({}),
    )
    .await?;
    for login in ["anna", "boris", "clara"] {
        story.answers(login).await?;
    }
    Ok(story)
}

async fn wants_to_be_told(story: &mut Story, login: &str) -> TestResult {
    let fields = json!({"conferenceid": "", "eventtype": "competitors", "handle": true});
    story
        .acts(login, "wants to be told", "confhandleevent", fields)
        .await?;
    Ok(())
}

async fn invites(story: &mut Story, login: &str, competitors: Value) -> TestResult {
    let words = format!("invites {competitors}");
    let fields = json!({"competitors": competitors});
    story
        .acts(login, &words, "invitetoconference", fields)
        .await?;
    Ok(())
}

/// The id of the competitor with this number.
async fn competitor(story: &mut Story, login: &str, number: &str) -> anyhow::Result<Value> {
    let mut tab = story.gateway().logged_in(login).await?;
    let list = tab
        .request_ok("getconferencecompetitors", json!({}))
        .await?;
    let list = list.field("competitorlist").as_array().cloned();
    let entry = list
        .unwrap_or_default()
        .into_iter()
        .find(|entry| entry["number"] == number);
    Ok(entry.with_context(|| format!("no {number}"))?["competitorid"].clone())
}

// protocol 6.6-ae, 6.6-ag, 6.6-ah, 6.6-aj, 6.5-r, 6.5-t, 6.5-x, 6.5-aa, 6.5-ab, 6.5-am, 7-l and 7-m
#[tokio::test]
async fn a_talk_becomes_a_conference_and_grows() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    let build = "buildconferencefromcommutation";
    story
        .acts("anna", "builds a conference", build, json!({}))
        .await?;
    story
        .looks("boris", "getconferencecompetitors", json!({}))
        .await?;
    wants_to_be_told(&mut story, "anna").await?;
    invites(
        &mut story,
        "anna",
        json!([{"number": "103"}, {"number": SILENT}]),
    )
    .await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "boris").await?;
    story
        .acts(
            "anna",
            "no longer wants to be told",
            "confhandleevent",
            json!({"handle": false}),
        )
        .await?;
    hangs_up(&mut story, "clara").await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.6-af, 6.6-ag, 6.6-ah, 6.5-s, 6.5-w, 6.5-z and 6.5-am
#[tokio::test]
async fn a_conference_is_made_from_scratch() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    makes_one_of(
        &mut story,
        json!([{"intnumber": "102"}, {"userlogin": "clara"}]),
        json!({}),
    )
    .await?;
    story.answers("anna").await?;
    wants_to_be_told(&mut story, "anna").await?;
    story.answers("boris").await?;
    story
        .acts("clara", "declines", "pbxdeclinecall", json!({}))
        .await?;
    story
        .looks("boris", "getconferenceinfo", json!({"conferenceid": ROOM}))
        .await?;
    let none = json!({"conferenceid": false});
    story
        .refused("clara", "getconferenceinfo", none, 404)
        .await?;
    story
        .refused("clara", "exitconference", json!({}), 404)
        .await?;
    story
        .acts("boris", "leaves", "exitconference", json!({}))
        .await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-u, 6.5-v and 6.6-ab
#[tokio::test]
async fn the_held_party_is_brought_into_the_conference() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    let can = "checkcanconnecttogathertoconference";
    let connect = "connecttogathertoconference";
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    story.answers("clara").await?;
    story.looks("anna", can, json!({})).await?;
    story.refused("anna", connect, json!({}), 409).await?;
    let build = "buildconferencefromcommutation";
    story
        .acts("anna", "builds a conference with clara", build, json!({}))
        .await?;
    story.looks("anna", can, json!({})).await?;
    story
        .acts("anna", "brings boris in", connect, json!({}))
        .await?;
    story
        .acts("anna", "leaves", "exitconference", json!({}))
        .await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-ao and 6.5-a
#[tokio::test]
async fn a_conference_is_held_for_a_consultation() -> TestResult {
    let mut story = three_confer().await?;
    calls(&mut story, "anna", "104").await?;
    story
        .looks("anna", "getflashedabonentinfo", json!({}))
        .await?;
    story.answers("david").await?;
    flash(&mut story, "anna", "returns to the conference", "switch").await?;
    hangs_up(&mut story, "anna").await?;
    hangs_up(&mut story, "david").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-an, 6.5-y, 6.5-t and 6.5-ab
#[tokio::test]
async fn the_creator_sends_others_out_and_nobody_else_does() -> TestResult {
    let mut story = three_confer().await?;
    let clara = competitor(&mut story, "boris", "103").await?;
    let out = json!({"conferenceid": ROOM, "competitor": {"competitorid": clara}});
    let method = "confdisconnectcompetitor";
    let mut boris = story.gateway().logged_in("boris").await?;
    let refused = boris.request(method, out.clone()).await?;
    assert_eq!(refused.field("error"), &json!(403));
    let invitation = json!({"competitors": [{"number": "104"}]});
    story
        .refused("boris", "invitetoconference", invitation, 403)
        .await?;
    let unknown = json!({"competitor": {"competitorid": ROOM}});
    story.refused("anna", method, unknown, 404).await?;
    story.acts("anna", "sends clara out", method, out).await?;
    invites(&mut story, "anna", json!([{"number": "103"}])).await?;
    story.answers("clara").await?;
    assert_eq!(
        competitor(&mut story, "boris", "103").await?,
        clara,
        "she keeps her competitorid"
    );
    let second = json!({"competitors": [{"number": "104"}]});
    story
        .refused("anna", "createnewconference", second, 409)
        .await?;
    story
        .acts("clara", "leaves", "exitconference", json!({}))
        .await?;
    story
        .acts("boris", "leaves", "exitconference", json!({}))
        .await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-an
#[tokio::test]
async fn everyone_invites_where_the_creator_lets_them() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    makes_one_of(
        &mut story,
        json!([{"number": "102"}]),
        json!({"everyonecaninvite": 1}),
    )
    .await?;
    story.answers("anna").await?;
    story.answers("boris").await?;
    invites(&mut story, "boris", json!([{"userlogin": "clara"}])).await?;
    story
        .acts("clara", "declines", "pbxdeclinecall", json!({}))
        .await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-ab and 6.6-ag
#[tokio::test]
async fn invitations_that_come_to_nothing_say_why() -> TestResult {
    let settings = settings().set("pbx.sim.ring_timeout_ms", 4_000);
    let mut story = story_with(settings, &["anna", "boris", "clara", "david"]).await?;
    let other = story.calls(OUTSIDE, "104").await?;
    story.answers("david").await?;
    makes_one_of(&mut story, json!([{"number": "102"}]), json!({})).await?;
    story.answers("anna").await?;
    story.answers("boris").await?;
    invites(
        &mut story,
        "anna",
        json!([{"number": BUSY}, {"number": "104"}]),
    )
    .await?;
    wants_to_be_told(&mut story, "anna").await?;
    story
        .acts_until(
            ("anna", "invites an outside number that does not answer"),
            (
                "invitetoconference",
                json!({"competitors": [{"number": SILENT}]}),
            ),
            // This one says that it rings; what became of it is asked for below.
            ("anna", "confcompetitorstatechanged"),
        )
        .await?;
    let mut told = story.gateway().logged_in("anna").await?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let list = loop {
        let list = told
            .request_ok("getconferencecompetitors", json!({}))
            .await?;
        let entries = list.field("competitorlist").as_array().cloned();
        let entries = entries.unwrap_or_default();
        let states: Vec<(String, String)> = entries
            .iter()
            .map(|it| {
                let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
                (text("number"), text("confstatestr"))
            })
            .collect();
        if states.iter().all(|(_, state)| state != "Inviting") {
            break states;
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "{states:?}");
    };
    let told: Vec<String> = list
        .iter()
        .map(|(number, state)| format!("{number} {state}"))
        .collect();
    assert_eq!(
        told,
        [
            "101 Connected",
            "102 Connected",
            "555 MisInviteBusy",
            "104 MisInviteBusy",
            &*format!("{SILENT} MisInviteNotRespond"),
        ]
    );
    drop(other);
    Ok(())
}

// protocol 6.6-af and 6.6-ah
#[tokio::test]
async fn whoever_answers_first_is_in_the_conference_alone_until_others_come() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    let others = json!([{"number": "102"}, {"number": "103"}]);
    makes_one_of(&mut story, others.clone(), json!({})).await?;
    story.answers("boris").await?;
    story.answers("anna").await?;
    hangs_up(&mut story, "clara").await?;
    hangs_up(&mut story, "anna").await?;
    makes_one_of(&mut story, others, json!({})).await?;
    story
        .acts("anna", "declines her own", "pbxdeclinecall", json!({}))
        .await?;
    story.answers("boris").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}
