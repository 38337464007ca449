//! What ladders are written in: the other party as events and lines show it, events with their fields, and the steps
//! that several ladders share.
//!
//! `$chain` and `$talk` stand for the ids of one call, which a ladder learns while it is climbed.

use okgate_harness::gateway::user_id;
use okgate_tests::ladder::{Step, ZERO};
use serde_json::{Value, json};

/// An event's name and fields.
type Told = (&'static str, Value);

/// The other party of a call.
#[derive(Clone)]
pub(crate) struct Party(serde_json::Map<String, Value>);

pub(crate) fn outside(number: &str, name: Option<&str>) -> Party {
    let mut party = json!({
        "number": number, "callerid": number, "caption": name.unwrap_or(number), "isextline": true, "extline": number,
    });
    if let Some(name) = name {
        party["simplename"] = name.into();
        party["name"] = name.into();
    }
    Party(party.as_object().expect("an object").clone())
}

pub(crate) fn user(login: &str, place: usize, number: &str, name: &str) -> Party {
    let party = json!({
        "number": number, "callerid": number, "userid": user_id(place), "userlogin": login, "username": name,
        "simplename": name, "name": name, "caption": name, "isextline": false,
    });
    Party(party.as_object().expect("an object").clone())
}

impl Party {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_outside(&self) -> bool {
        self.0["isextline"] == true
    }

    /// `phoneevent_ringstarted` of an incoming call.
    pub(crate) fn rings(&self) -> Told {
        self.ring("", "")
    }

    /// `phoneevent_ringstarted` of the own phone in a back-call to this party.
    pub(crate) fn back_rings(&self) -> Told {
        self.ring("oktell_pbx", self.text("number"))
    }

    fn ring(&self, direction: &str, info: &str) -> Told {
        let fields = json!({
            "chainid": "$chain", "callerid": self.text("number"), "callername": self.text("name"),
            "callerdirection": direction, "callerinfo": info, "callerlineid": "", "callerlinenum": "",
            "callercomment": "", "callerdescription": "", "isextline": self.is_outside(), "isconference": false,
            "istask": false, "canfax": false, "canvideo": false, "connectionindex": 0,
        });
        ("phoneevent_ringstarted", fields)
    }

    pub(crate) fn talk_starts(&self, talk: &str) -> Told {
        let fields = json!({
            "chainid": "$chain", "commutationid": talk, "callerid": self.text("number"),
            "isextline": self.is_outside(), "isconference": false,
        });
        ("phoneevent_commstarted", fields)
    }

    pub(crate) fn dialling(&self, what: &'static str) -> Told {
        (what, json!({"number": self.text("number")}))
    }

    /// A row that shows this party with one flag.
    pub(crate) fn row(&self, line: &str, called: &str, flag: &str) -> Value {
        let mut abonent = self.0.clone();
        abonent.extend(flags(flag));
        json!({
            "linestatestr": line, "chainid": "$chain", "calledid": called, "isflashing": false, "abonent": abonent,
        })
    }

    /// The row while the own phone rings first.
    pub(crate) fn back_ring_row(&self) -> Value {
        let mut row = self.row("lsReserved", self.text("number"), "isringing");
        row["abonent"]["direction"] = "acm_callback".into();
        row
    }

    /// The row of the one who holds this party.
    pub(crate) fn held_row(&self) -> Value {
        let mut row = idle();
        row["linestatestr"] = "lsHookUp".into();
        row["chainid"] = "$chain".into();
        row["isflashing"] = true.into();
        row["flashed"] = self.0.clone().into();
        row
    }
}

fn flags(set: &str) -> serde_json::Map<String, Value> {
    let all = [
        "isautocall",
        "isringing",
        "iswaitingforanswer",
        "iscommutated",
        "iswaitinginflash",
        "isivr",
        "isroutingivr",
        "isconference",
    ];
    all.into_iter()
        .map(|flag| (flag.to_owned(), (flag == set).into()))
        .collect()
}

pub(crate) fn idle() -> Value {
    let mut abonent = flags("");
    abonent.insert("isextline".into(), false.into());
    json!({"linestatestr": "lsHookDown", "chainid": ZERO, "isflashing": false, "abonent": abonent})
}

pub(crate) fn state(id: i64) -> Told {
    let text = if id == 5 { "usFullbusy" } else { "usReady" };
    let fields = json!({
        "userstateid": id, "userstate": id, "userstatestr": text, "oncallcenter": false, "onccmanual": false,
        "onlunch": false, "onredirect": false, "ontask": false, "lunchreasonid": null,
    });
    ("userstatechanged", fields)
}

pub(crate) fn line(state: &str) -> Told {
    ("linestatechanged", json!({"linestatestr": state}))
}

pub(crate) fn ring_stops() -> Told {
    ("phoneevent_ringstopped", json!({"chainid": "$chain"}))
}

pub(crate) fn talk_stops(talk: &str) -> Told {
    (
        "phoneevent_commstopped",
        json!({"chainid": "$chain", "commutationid": talk}),
    )
}

pub(crate) fn flash(is_flashing: bool) -> Told {
    ("flashstatechanged", json!({"isflashing": is_flashing}))
}

pub(crate) fn step(events: Vec<Told>, row: Value) -> Step {
    Step { events, row }
}

/// The step that ends a ladder.
pub(crate) fn over(events: Vec<Told>) -> Step {
    let mut all = vec![state(1)];
    all.extend(events);
    all.push(line("lsHookDown"));
    step(all, idle())
}

pub(crate) fn incoming_rings(party: &Party, called: &str) -> Step {
    step(
        vec![state(5), party.rings(), line("lsReserved")],
        party.row("lsReserved", called, "isringing"),
    )
}

pub(crate) fn incoming_answered(party: &Party, called: &str) -> Step {
    let events = vec![
        ring_stops(),
        party.talk_starts("$talk"),
        line("lsCommutated"),
    ];
    step(events, party.row("lsCommutated", called, "iscommutated"))
}

pub(crate) fn own_phone_rings(party: &Party) -> Step {
    let dials = party.dialling("phoneevent_acmcallstarted");
    step(
        vec![state(5), dials, party.back_rings(), line("lsReserved")],
        party.back_ring_row(),
    )
}

pub(crate) fn own_phone_answered(party: &Party) -> Step {
    let row = party.row("lsHookUp", party.text("number"), "isautocall");
    step(vec![ring_stops(), line("lsHookUp")], row)
}

pub(crate) fn other_answers(party: &Party) -> Step {
    let events = vec![
        party.dialling("phoneevent_acmcallstopped"),
        party.talk_starts("$talk"),
        line("lsCommutated"),
    ];
    step(
        events,
        party.row("lsCommutated", party.text("number"), "iscommutated"),
    )
}
