//! Owns the cases about an incoming call: what the line shows and which events go out (protocol 6.6).

use serde_json::{Value, json};

use crate::conform::case::{Broken, Case, Need, Outcome, Place, case, hold};
use crate::conform::stage::{CALLER, Stage, number, text};
use crate::message::Message;
use crate::tab::Tab;

pub(super) const CASES: &[Case] = &[
    case!(
        "6.6-b",
        Place::Tabs,
        [Need::Switch],
        picture_first,
        "at the ring's event the line shows the ring already"
    ),
    case!(
        "6.6-d",
        Place::Tabs,
        [Need::Switch],
        same_everywhere,
        "all tabs of a user are told the same in the same order"
    ),
    case!(
        "6.6-g",
        Place::Tabs,
        [Need::Switch],
        rings,
        "a ring: the caller as `abonent`, `isringing`, `phoneevent_ringstarted`"
    ),
    case!(
        "6.6-h",
        Place::Tabs,
        [Need::Switch],
        answered,
        "answered: `iscommutated`, `phoneevent_ringstopped` before `phoneevent_commstarted`"
    ),
    case!(
        "6.6-i",
        Place::Tabs,
        [Need::Switch],
        over,
        "over: an idle line, `phoneevent_commstopped`"
    ),
    case!(
        "6.6-j",
        Place::Tabs,
        [Need::Switch],
        refused,
        "refused: an idle line, `phoneevent_ringstopped`"
    ),
    case!(
        "6.6-ak",
        Place::Tabs,
        [Need::Switch],
        one_chain,
        "from the first ring to the end a call has one `chainid`"
    ),
];

async fn picture_first(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    stage.ring(0).await?;
    tab.event("phoneevent_ringstarted").await?;
    let line = line(&mut tab).await;
    end(&mut tab).await?;
    let line = line?;
    hold!(
        flag(&line, "isringing"),
        "at the ring the line is {}",
        line.to_text()
    );
    Ok(())
}

async fn same_everywhere(stage: &mut Stage) -> Outcome {
    let (mut one, mut other) = (told(stage).await?, told(stage).await?);
    stage.ring(0).await?;
    for name in ["phoneevent_ringstarted", "linestatechanged"] {
        one.event(name).await?;
    }
    one.request("pbxanswercall", json!({})).await?;
    one.event("phoneevent_commstarted").await?;
    end(&mut one).await?;
    let mut seen = Vec::new();
    for tab in [&mut one, &mut other] {
        tab.event("phoneevent_commstopped").await?;
        tab.settle().await?;
        let events = tab.events_so_far().into_iter();
        let names = events
            .map(|event| event.name)
            .filter(|name| name != "pbxnumberstatechanged");
        seen.push(names.collect::<Vec<_>>());
    }
    hold!(
        seen[0] == seen[1],
        "one tab was told {:?}, the other {:?}",
        seen[0],
        seen[1]
    );
    Ok(())
}

async fn rings(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    stage.ring(0).await?;
    let event = tab.event("phoneevent_ringstarted").await?;
    // Whether the first picture is the new one already is 6.6-b's.
    line(&mut tab).await?;
    let line = line(&mut tab).await;
    end(&mut tab).await?;
    let line = line?;
    let caller = text(&event, "callerid")?;
    hold!(
        caller == CALLER,
        "the caller is {caller} in {}",
        event.to_text()
    );
    let shown = &line.field("abonent")["number"];
    hold!(
        shown == CALLER && flag(&line, "isringing"),
        "the line is {}",
        line.to_text()
    );
    let state = text(&line, "linestatestr")?;
    hold!(state == "lsReserved", "the line is {state}");
    Ok(())
}

async fn answered(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    stage.ring(0).await?;
    tab.event("phoneevent_ringstarted").await?;
    tab.request("pbxanswercall", json!({})).await?;
    let stopped = tab.event("phoneevent_ringstopped").await;
    let started = tab.event("phoneevent_commstarted").await;
    let line = line(&mut tab).await;
    end(&mut tab).await?;
    stopped?;
    started?;
    let line = line?;
    let is_talk = flag(&line, "iscommutated") && text(&line, "linestatestr")? == "lsCommutated";
    hold!(is_talk, "the line is {}", line.to_text());
    Ok(())
}

async fn over(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    stage.ring(0).await?;
    tab.event("phoneevent_ringstarted").await?;
    tab.request("pbxanswercall", json!({})).await?;
    tab.event("phoneevent_commstarted").await?;
    tab.request("pbxabortcall", json!({})).await?;
    tab.event("phoneevent_commstopped").await?;
    is_idle(&mut tab).await
}

async fn refused(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    stage.ring(0).await?;
    tab.event("phoneevent_ringstarted").await?;
    tab.request("pbxdeclinecall", json!({})).await?;
    let stopped = tab.event("phoneevent_ringstopped").await;
    end(&mut tab).await?;
    stopped?;
    is_idle(&mut tab).await
}

async fn one_chain(stage: &mut Stage) -> Outcome {
    let mut tab = told(stage).await?;
    let chain = stage.ring(0).await?;
    tab.event("phoneevent_ringstarted").await?;
    tab.request("pbxanswercall", json!({})).await?;
    tab.event("phoneevent_commstarted").await?;
    let during = line(&mut tab).await;
    end(&mut tab).await?;
    tab.event("phoneevent_commstopped").await?;
    hold!(
        text(&during?, "chainid")? == chain,
        "the line has another chain than {chain}"
    );
    for event in tab.events_so_far() {
        if event.name.starts_with("phoneevent_") {
            hold!(
                text(&event, "chainid")? == chain,
                "{} is not of {chain}",
                event.to_text()
            );
        }
    }
    Ok(())
}

/// A tab that is told everything of a phone.
async fn told(stage: &Stage) -> Result<Tab, Broken> {
    let events = [
        "userstatechanged",
        "linestatechanged",
        "flashstatechanged",
        "phoneevent",
    ];
    Ok(stage.told(0, &events).await?)
}

async fn line(tab: &mut Tab) -> Result<Message, Broken> {
    Ok(tab.request("getextendedlineinfo", json!({})).await?)
}

/// A flag of the other party.
fn flag(line: &Message, name: &str) -> bool {
    matches!(&line.field("abonent")[name], Value::Bool(true)) || line.field("abonent")[name] == 1
}

/// Hangs up, whatever the line does; the next case begins with an idle one.
async fn end(tab: &mut Tab) -> Outcome {
    tab.request("pbxabortcall", json!({})).await?;
    let busy = |state: i64| state == 5;
    while busy(number(
        &tab.request("getuserstate", json!({})).await?,
        "userstateid",
    )?) {
        tab.event("userstatechanged").await?;
    }
    Ok(())
}

async fn is_idle(tab: &mut Tab) -> Outcome {
    let line = line(tab).await?;
    let is_idle = text(&line, "linestatestr")? == "lsHookDown"
        && line.field("abonent").get("number").is_none()
        && !flag(&line, "isringing");
    hold!(is_idle, "the line is {}", line.to_text());
    Ok(())
}
