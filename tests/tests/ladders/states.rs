//! A user's state beside calls: what is chosen during one, who is rung in which state, and commands that fail.

use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, User};
use okgate_harness::password::PasswordHashes;
use okgate_harness::tab::login_fields;
use okgate_tests::TestResult;
use serde_json::json;

use super::people::{self, OUTSIDE, calls, settings, story_with};

// protocol 6.3-n, 6.3-p, 6.3-i, 6.3-k, 6.3-b, 6.3-c and 6.3-f
#[tokio::test]
async fn a_break_that_is_chosen_in_a_call_begins_after_it() -> TestResult {
    let settings = settings().break_reason(4, "Lunch").break_reason(7, "Tea");
    let mut story = story_with(settings, &["anna"]).await?;
    let lunch = json!({"userstateid": "2"});
    let chain = story.calls(OUTSIDE, "101").await?;
    story
        .acts("anna", "wants a break", "setuserstate", lunch.clone())
        .await?;
    story.answers("anna").await?;
    story.caller_leaves(&chain).await?;
    let tea = json!({"userstateid": 2, "lunchreasonid": 7});
    story.acts("anna", "has tea", "setuserstate", tea).await?;
    story
        .acts("anna", "goes on with it", "setuserstate", lunch)
        .await?;
    let unknown = json!({"userstateid": 2, "lunchreasonid": 5});
    story.refused("anna", "setuserstate", unknown, 422).await?;
    // Calls ring in a break.
    let chain = story.calls(OUTSIDE, "101").await?;
    story.caller_leaves(&chain).await?;
    let ready = json!({"userstateid": 1});
    story
        .acts("anna", "is ready", "setuserstate", ready)
        .await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.3-q, 6.3-j, 6.3-k and 6.3-l
#[tokio::test]
async fn who_is_not_to_be_disturbed_or_busy_by_choice_is_not_rung() -> TestResult {
    let mut story = story_with(settings(), &["anna", "boris"]).await?;
    for state in [3, 5] {
        let choice = json!({"userstateid": state});
        let words = format!("chooses {state}");
        story.acts("anna", &words, "setuserstate", choice).await?;
        story.calls(OUTSIDE, "101").await?;
        let first = json!({"number": "101", "sequence": "abonent"});
        story
            .refused("boris", "pbxautocallstart", first, 409)
            .await?;
    }
    for state in [0, 6, 7, 4] {
        let choice = json!({"userstateid": state});
        story.refused("anna", "setuserstate", choice, 422).await?;
    }
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.3-o and 6.3-m
#[tokio::test]
async fn an_operator_is_in_the_call_centre_after_a_login() -> TestResult {
    let settings = settings()
        .user(User::new("olga").operator())
        .set("pbx.sim.answer_after_ms", 100);
    let mut story = story_with(settings, &["olga"]).await?;
    story.looks("olga", "getuserstate", json!({})).await?;
    let manual = json!({"onccmanual": 1, "oncallcenter": "0"});
    story
        .acts("olga", "works by hand", "setuserstate", manual)
        .await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-ak
#[tokio::test]
async fn what_the_switch_refuses_leaves_the_line_as_it_was() -> TestResult {
    let settings = settings().set("pbx.sim.reject_share", 1.0);
    let mut story = story_with(settings, &["anna", "boris"]).await?;
    calls(&mut story, "anna", "102").await?;
    story.calls(OUTSIDE, "101").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.3-m and 6.5-a
#[tokio::test]
async fn who_has_no_number_is_without_a_phone_and_cannot_call() -> TestResult {
    let hashes = PasswordHashes::of(DEFAULT_PASSWORD);
    let entry = format!(
        "login = \"nils\"\npassword_md5 = {:?}\npassword_lower_md5 = {:?}",
        hashes.as_typed, hashes.lower_case
    );
    let gateway = Gateway::start(people::entry(settings(), "users", &entry)).await?;
    let mut nils = gateway.logged_in("nils").await?;
    let state = nils.request_ok("getuserstate", json!({})).await?;
    assert_eq!(state.field("userstateid"), &json!(7));
    assert_eq!(state.text("userstatestr"), Some("usWOphone"));
    let line = nils.request_ok("getextendedlineinfo", json!({})).await?;
    assert_eq!(line.text("linestatestr"), Some("lsDisconnected"));
    let info = nils.request_ok("getmyuserinfo", json!({})).await?;
    assert_eq!(info.field("hasline"), &json!(false));
    for (method, fields) in [
        ("pbxautocallstart", json!({"number": "101"})),
        (
            "createnewconference",
            json!({"competitors": [{"number": "101"}]}),
        ),
    ] {
        let refused = nils.request(method, fields).await?;
        assert_eq!(refused.field("error"), &json!(409), "{method}");
    }
    let mut anna = gateway.logged_in("anna").await?;
    let to_him = json!({"number": info.field("userid"), "sequence": "abonent"});
    let refused = anna.request("pbxautocallstart", to_him).await?;
    assert_eq!(refused.field("result"), &json!(0), "{}", refused.to_text());
    Ok(gateway.stop().await?)
}

// protocol 6.1-w
#[tokio::test]
async fn the_web_phones_short_login_never_changes_presence() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let busy = json!({"userstateid": 3});
    anna.request_ok("setuserstate", busy).await?;
    anna.subscribe(&["userstatechanged", "linestatechanged"])
        .await?;
    let mut fields = login_fields("anna", DEFAULT_PASSWORD);
    fields["usewebrtc"] = true.into();
    let mut phone = gateway.tab().await?;
    phone.request_ok("login", fields).await?;
    phone.close(1000).await?;
    let state = anna.request_ok("getuserstate", json!({})).await?;
    assert_eq!(state.field("userstateid"), &json!(3));
    assert!(anna.events_so_far().is_empty());
    Ok(gateway.stop().await?)
}
