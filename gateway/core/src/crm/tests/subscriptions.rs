//! Events that the CRM asks for (protocol 5-g and 5-n).

use super::talk::event_of;
use super::*;

const DIALLED: &str = "phoneevent_acmcallstarted";

fn subscribe(world: &mut World, method: &str, login: &str, events: &Value) -> Value {
    let fields = json!({"qid": "s", "userlogin": login, "eventmethod": events});
    world.say(method, &fields);
    world.heard(&format!("{method}result"))
}

// protocol 5-g
#[test]
fn users_who_are_not_active_need_a_subscription_and_one_for_all_needs_no_user() {
    let mut world = World::ready();
    world.event(&event_of("anna"));
    assert!(world.heard_names().is_empty());
    assert_eq!(
        subscribe(&mut world, "subscribeevent", "Anna", &json!(["phoneevent"]))["result"],
        1
    );
    world.event(&event_of("anna"));
    let told = world.heard(DIALLED);
    assert_eq!(told["userlogin"], "anna");
    assert_eq!(told["userid"], "00000000-0000-0000-0000-000000000abc");
    world.event(&event_of("boris"));
    assert!(world.heard_names().is_empty());
    assert_eq!(
        subscribe(
            &mut world,
            "subscribeevent",
            "",
            &json!(["phoneevent", null])
        )["result"],
        1
    );
    world.event(&event_of("boris"));
    assert_eq!(world.heard(DIALLED)["userlogin"], "boris");
    assert_eq!(
        subscribe(&mut world, "subscribeevent", "anna", &json!({}))["error"],
        422
    );
}

// protocol 5-n
#[test]
fn an_active_user_who_is_subscribed_to_gets_each_event_once_and_goes_on_without_it() {
    let mut world = World::ready();
    world.say("login", &json!({"userlogin": "anna", "userid": "7"}));
    for login in ["anna", ""] {
        subscribe(&mut world, "subscribeevent", login, &json!(["phoneevent"]));
    }
    world.event(&event_of("anna"));
    assert_eq!(world.heard(DIALLED)["userid"], "7");
    subscribe(&mut world, "unsubscribeevent", "", &json!(["phoneevent"]));
    world.event(&event_of("anna"));
    assert_eq!(world.heard(DIALLED)["userid"], "7");
    world.say("logout", &json!({"userlogin": "anna"}));
    world.event(&event_of("anna"));
    assert!(
        world.heard_names().is_empty(),
        "her own subscription went with all"
    );
}

// protocol 5-n
#[test]
fn a_subscription_is_taken_back_for_the_same_user_and_ends_with_the_link() {
    let mut world = World::ready();
    for login in ["anna", "boris"] {
        subscribe(&mut world, "subscribeevent", login, &json!(["phoneevent"]));
    }
    subscribe(
        &mut world,
        "unsubscribeevent",
        "ANNA",
        &json!(["phoneevent"]),
    );
    world.event(&event_of("anna"));
    assert!(world.heard_names().is_empty());
    world.event(&event_of("boris"));
    assert_eq!(world.heard_names(), [DIALLED]);
    world.report(CrmInput::Closed("gone".into()));
    world.pass_seconds(1);
    world.link_up();
    world.introduce();
    world.event(&event_of("boris"));
    assert!(world.heard_names().is_empty());
}

// protocol 5-i and 5-n
#[test]
fn the_crms_own_id_names_its_active_user_and_too_many_users_are_refused() {
    let mut config = config();
    config.limits.users_max = 1;
    let mut world = World::ready_with(config);
    world.say("login", &json!({"userlogin": "anna", "userid": "7"}));
    let by_id = |world: &mut World, id: &str| {
        world.say(
            "subscribeevent",
            &json!({"qid": "s", "userid": id, "event": "phoneevent"}),
        );
        world.heard("subscribeeventresult")
    };
    assert_eq!(by_id(&mut world, "7")["result"], 1);
    assert_eq!(by_id(&mut world, "8")["error"], 422);
    assert_eq!(
        subscribe(
            &mut world,
            "subscribeevent",
            "boris",
            &json!(["phoneevent"])
        )["error"],
        429
    );
}
