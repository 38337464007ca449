use std::sync::Arc;
use std::time::Duration;

use super::world::{World, anna};
use crate::base::{Engine as _, Guid, LinkId, LinkRef, Refused, ShardId};
use crate::hub::{Downward, FromShard, Upward};
use crate::protocol::{DeskEvent, Event, EventKind, EventSet, Occurrence, Secret, UserRef};
use crate::shard::Config;

fn event(user: Option<UserRef>, what: DeskEvent) -> Arc<Event> {
    Arc::new(Event {
        qid: Guid::from_bits(7),
        user,
        what: Occurrence::Desk(Arc::new(what)),
    })
}

fn custom(param: &str) -> Downward {
    let what = DeskEvent::Custom {
        name: "e".into(),
        param: param.into(),
    };
    Downward::Event(event(None, what))
}

fn subscribe(world: &mut World, id: LinkId, method: &str, events: &str) {
    world.send(id, &format!(r#"["{method}",{{"eventmethod":{events}}}]"#));
}

/// What the hub was told of subscriptions since the last look.
fn listens(world: &mut World) -> Vec<EventSet> {
    let posts = std::mem::take(&mut world.posts).into_iter();
    posts
        .filter_map(|post| match post {
            FromShard::Link {
                what: Upward::Listens { user, events },
                ..
            } => {
                assert_eq!(user, anna().id);
                Some(events)
            }
            _ => None,
        })
        .collect()
}

// protocol 6.7-a
#[test]
fn an_event_for_everybody_is_told_slice_by_slice_and_once_to_each_subscriber() {
    let mut world = World::new(Config::default());
    let tabs: Vec<LinkId> = (0..150).map(|_| world.tab()).collect();
    for tab in &tabs[1..] {
        subscribe(&mut world, *tab, "subscribeevent", r#"["customevent"]"#);
    }
    world.hub(custom("1"));
    assert!(world.shard.is_telling(), "one slice is told");
    world.hub(custom("2"));
    world.pass(Duration::ZERO);
    assert!(!world.shard.is_telling());
    assert!(world.messages(tabs[0]).is_empty(), "it has not subscribed");
    for tab in &tabs[1..] {
        let told: Vec<_> = world
            .messages(*tab)
            .into_iter()
            .map(|(_, fields)| fields["eventparam"].clone())
            .collect();
        assert_eq!(told, [1, 2]);
    }
}

#[test]
fn events_for_everybody_that_wait_are_bounded() {
    let mut world = World::new(Config::default());
    for _ in 0..65 {
        world.tab();
    }
    for _ in 0..300 {
        // The time stands still, so that nothing is told meanwhile.
        let (shard, what) = (ShardId(1), custom("1"));
        let message = crate::hub::ToShard { shard, what };
        world.shard.message(message, world.now);
    }
    let dropped = world.shard.counters().refused[Refused::BroadcastsWaiting as usize];
    assert_eq!(dropped, 300 - 256);
}

// protocol 7-o and 10-m
#[test]
fn an_event_for_one_link_needs_no_subscription_and_reaches_no_other() {
    let mut world = World::new(Config::default());
    let (one, other) = (world.tab(), world.tab());
    let what = DeskEvent::HttpResponse {
        password: Secret::new("p"),
        response: "200 OK".into(),
        content: "<a/>".into(),
    };
    let link = LinkRef {
        shard: ShardId(1),
        link: one,
    };
    let event = event(Some(anna()), what);
    world.hub(Downward::ToLink { link, event });
    assert_eq!(world.messages(one)[0].0, "httpresponsecopy");
    assert!(world.messages(other).is_empty());
}

// protocol 6.7-g
#[test]
fn the_hub_hears_of_subscriptions_to_what_is_kept_and_of_no_others() {
    let mut world = World::new(Config::default());
    let tab = world.tab();
    listens(&mut world);
    subscribe(
        &mut world,
        tab,
        "subscribeevent",
        r#"["phoneevent","chat","customevent"]"#,
    );
    assert!(listens(&mut world).is_empty());
    let text = [EventKind::UserTextMessageReceived].into_iter().collect();
    subscribe(
        &mut world,
        tab,
        "subscribeevent",
        r#"["usertextmessagereceived"]"#,
    );
    assert_eq!(listens(&mut world), [text]);
    subscribe(
        &mut world,
        tab,
        "subscribeevent",
        r#"["usertextmessagereceived"]"#,
    );
    assert!(listens(&mut world).is_empty(), "nothing new");
    subscribe(
        &mut world,
        tab,
        "subscribeevent",
        r#"["shownotifymessage"]"#,
    );
    assert_eq!(listens(&mut world), [EventSet::KEPT]);
    subscribe(
        &mut world,
        tab,
        "unsubscribeevent",
        r#"["shownotifymessage","phoneevent"]"#,
    );
    assert_eq!(listens(&mut world), [text]);
    subscribe(
        &mut world,
        tab,
        "unsubscribeevent",
        r#"["shownotifymessage"]"#,
    );
    assert!(listens(&mut world).is_empty());
}
