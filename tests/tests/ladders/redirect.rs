//! Redirect rules over the wire: whose phone rings when they hold.

use okgate_harness::tab::Tab;
use okgate_tests::TestResult;
use okgate_tests::story::Story;
use serde_json::{Value, json};

use super::people::{OUTSIDE, calls, story};

const ID: &str = "0123456789ABCDEF0123456789abcdef";

/// Saves a rule of this tab's user.
async fn rule(tab: &mut Tab, id: &str, to: &str, more: Value) -> TestResult {
    let mut rule =
        json!({"id": id, "caption": id, "priority": 1, "isenabled": true, "destinationnumber": to});
    if let (Value::Object(rule), Value::Object(more)) = (&mut rule, more) {
        rule.extend(more);
    }
    let fields = json!({"redirectrule": rule});
    tab.request_ok("saveredirectrules", fields).await?;
    Ok(())
}

/// Somebody calls Anna and gives up again.
async fn anna_is_called(story: &mut Story, words: &str, from: &str) -> TestResult {
    story.tell(&format!("— {words}"));
    let chain = story.calls(from, "101").await?;
    story.caller_leaves(&chain).await
}

// protocol 6.3-d, 6.3-r and 6.3-u
#[tokio::test]
async fn the_rule_of_the_lowest_priority_whose_conditions_hold_sends_calls_elsewhere() -> TestResult
{
    let mut story = story(&["anna", "boris", "clara", "david"]).await?;
    let mut anna = story.gateway().logged_in("anna").await?;
    rule(&mut anna, ID, "102", json!({})).await?;
    anna_is_called(&mut story, "to boris", OUTSIDE).await?;
    // Her own phone rings for her own call.
    calls(&mut story, "anna", "103").await?;
    story
        .acts("anna", "stops", "pbxautocallabort", json!({}))
        .await?;
    let sources = json!({"priority": 0, "definesources": ["89270000004"]});
    rule(&mut anna, "sources", "103", sources).await?;
    anna_is_called(&mut story, "to clara by its source", "89270000004").await?;
    anna_is_called(&mut story, "to boris from elsewhere", OUTSIDE).await?;
    let state = json!({"priority": -1, "state": 2});
    rule(&mut anna, "state", "104", state).await?;
    let switched = json!({"priority": -2, "onlyforredirectstate": true});
    rule(&mut anna, "switched", "103", switched).await?;
    let off = json!({"priority": -3, "isenabled": false});
    rule(&mut anna, "off", "104", off).await?;
    anna_is_called(&mut story, "to boris in state 1", OUTSIDE).await?;
    let redirects = json!({"onredirect": true});
    story
        .acts("anna", "redirects", "setuserstate", redirects)
        .await?;
    anna_is_called(&mut story, "to clara while she redirects", OUTSIDE).await?;
    let kept = anna.request_ok("getredirectrules", json!({})).await?;
    assert_eq!(
        kept.field("redirectrules").as_array().map(Vec::len),
        Some(5)
    );
    // Without dashes and case.
    let ids = json!({"ids": ["01234567-89ab-cdef-0123-456789abcdef", "SOURCES", "state", "switched", "off"]});
    anna.request_ok("deleteredirectrules", ids).await?;
    anna_is_called(&mut story, "to anna again", OUTSIDE).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.3-s
#[tokio::test]
async fn rules_follow_each_other_where_they_may_and_never_in_a_circle() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    let mut tabs = Vec::new();
    for login in ["anna", "boris", "clara"] {
        tabs.push(story.gateway().logged_in(login).await?);
    }
    let cascade = || json!({"allowcascade": true});
    rule(&mut tabs[0], ID, "102", cascade()).await?;
    rule(&mut tabs[1], ID, "103", cascade()).await?;
    anna_is_called(&mut story, "to clara over boris", OUTSIDE).await?;
    rule(&mut tabs[2], ID, "101", cascade()).await?;
    anna_is_called(&mut story, "not in a circle", OUTSIDE).await?;
    rule(&mut tabs[0], ID, "102", json!({})).await?;
    anna_is_called(&mut story, "to boris without cascade", OUTSIDE).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.3-t
#[tokio::test]
async fn rules_that_lead_to_their_own_user_and_too_many_are_refused() -> TestResult {
    let story = story(&["anna"]).await?;
    let mut anna = story.gateway().logged_in("anna").await?;
    let own = json!({"redirectrule": {"id": ID, "destinationnumber": "101"}});
    let refused = anna.request("saveredirectrules", own).await?;
    assert_eq!(refused.field("error"), &json!(422));
    for id in 0..50 {
        rule(&mut anna, &format!("rule {id}"), "102", json!({})).await?;
    }
    let more = json!({"redirectrule": {"id": "one more", "destinationnumber": "102"}});
    let refused = anna.request("saveredirectrules", more).await?;
    assert_eq!(refused.field("error"), &json!(429));
    story.end().await?;
    Ok(())
}
