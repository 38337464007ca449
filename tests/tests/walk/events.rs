//! The table of the walk's events: which scene brings each, and its golden shape.

use okgate_tests::{TestResult, shape};

use super::scenes::{Scene, World};

/// An event, what it shows and where it comes from.
struct Row {
    rules: &'static str,
    scene: Scene,
    event: &'static str,
    golden: &'static str,
}

const fn row(rules: &'static str, scene: Scene, event: &'static str) -> Row {
    Row {
        rules,
        scene,
        event,
        golden: event,
    }
}

const fn named(
    rules: &'static str,
    scene: Scene,
    event: &'static str,
    golden: &'static str,
) -> Row {
    Row {
        rules,
        scene,
        event,
        golden,
    }
}

#[rustfmt::skip]
const EVENTS: &[Row] = &[
    row("protocol 7-a and 6.3-f", Scene::Ringing, "userstatechanged"),
    row("protocol 7-b", Scene::Ringing, "pbxnumberstatechanged"),
    row("protocol 7-d", Scene::Ringing, "linestatechanged"),
    row("protocol 7-d", Scene::Held, "flashstatechanged"),
    row("protocol 7-e", Scene::Ringing, "phoneevent_ringstarted"),
    named("protocol 7-e and 6.6-k", Scene::BackRing, "phoneevent_ringstarted", "phoneevent_ringstarted_back"),
    row("protocol 7-f", Scene::Ringing, "phoneevent_ringstopped"),
    row("protocol 7-g", Scene::Talk, "phoneevent_commstarted"),
    named("protocol 7-g and 6.6-ai", Scene::Supervision, "phoneevent_commstarted", "phoneevent_commstarted_conference"),
    row("protocol 7-h", Scene::Talk, "phoneevent_commstopped"),
    row("protocol 7-i", Scene::Menu, "phoneevent_ivrstarted"),
    row("protocol 7-i", Scene::Menu, "phoneevent_ivrstopped"),
    row("protocol 7-j", Scene::Talk, "phoneevent_acmcallstarted"),
    row("protocol 7-j", Scene::Talk, "phoneevent_acmcallstopped"),
    row("protocol 7-l", Scene::LeftConference, "confcompositionchanged"),
    row("protocol 7-m", Scene::LeftConference, "confcompetitorstatechanged"),
    row("protocol 7-n and 6.7-a", Scene::Told, "customevent"),
    row("protocol 7-o and 6.7-d", Scene::Copied, "httpresponsecopy"),
    row("protocol 7-p and 6.7-h", Scene::Told, "shownotifymessage"),
    row("protocol 7-q", Scene::Told, "usertextmessagereceived"),
    row("protocol 7-s", Scene::ChatStory, "chatcreated"),
    row("protocol 7-s and 6.7-j", Scene::ChatStory, "chatnamechanged"),
    row("protocol 7-s and 6.7-j", Scene::ChatStory, "chatmemberadded"),
    row("protocol 7-s and 6.7-j", Scene::ChatStory, "chatmemberremoved"),
    row("protocol 7-s and 6.7-k", Scene::ChatStory, "chatmessage"),
    row("protocol 7-s and 6.7-l", Scene::ChatStory, "chatmessageviewed"),
];

// protocol 7-u: groups stand for their members.
const NAMES: &[&str] = &[
    "phoneevent",
    "chat",
    "userstatechanged",
    "pbxnumberstatechanged",
    "linestatechanged",
    "flashstatechanged",
    "confcompositionchanged",
    "confcompetitorstatechanged",
    "customevent",
    "shownotifymessage",
    "usertextmessagereceived",
];

/// Whether a row of the table shows this event.
pub(crate) fn is_walked(event: &str) -> bool {
    EVENTS.iter().any(|row| row.event == event)
}

#[tokio::test]
async fn every_event_has_the_shape_of_its_golden_file() -> TestResult {
    let mut world = World::new().await?;
    for Row {
        rules,
        scene,
        event,
        golden,
    } in EVENTS
    {
        // The copy of an upload's answer goes to the link that asked for it, the rest to a tab beside it.
        world.anna.skip_events();
        let mut tab = world.gateway.logged_in("anna").await?;
        tab.subscribe(NAMES).await?;
        world.play(*scene).await?;
        world.clear().await?;
        let seen = if *scene == Scene::Copied {
            world.anna.event(event).await
        } else {
            tab.event(event).await
        };
        let seen = seen.map_err(|error| anyhow::anyhow!("{event} ({rules}): {error}"))?;
        insta::assert_snapshot!(*golden, shape::of_message(&seen));
    }
    Ok(world.gateway.stop().await?)
}
