//! Owns the table of bends: for each rule one server that breaks it and nothing else.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{Bend, Bender, Out, Passing, Side};
use crate::message::{Fields, Message, answer_name};

/// Every bend, in the order of the rules.
pub fn all() -> impl Iterator<Item = &'static Bend> {
    BENDS.iter()
}

/// The bends of one rule.
pub fn of_rule(rule: &str) -> impl Iterator<Item = &'static Bend> {
    all().filter(move |bend| bend.rule == rule)
}

const BENDS: &[Bend] = &[
    Bend {
        rule: "3.1-a",
        what: "a text that is no pair of name and fields is not answered",
        make: || from_gateway("error", |_| Vec::new()),
    },
    Bend {
        rule: "3.1-b",
        what: "only qids that are GUIDs come back as they were",
        make: || {
            edit("pong", |fields| {
                if text(fields, "qid").is_some_and(|qid| qid.starts_with("0.")) {
                    fields.insert("qid".into(), "0".into());
                }
            })
        },
    },
    Bend {
        rule: "3.1-c",
        what: "the answer to getversion bears the request's name",
        make: || {
            from_gateway("getversionresult", |message| {
                vec![Out::On(Message {
                    name: "getversion".into(),
                    ..message
                })]
            })
        },
    },
    Bend {
        rule: "3.1-d",
        what: "getuserstate is answered twice",
        make: || {
            from_gateway("getuserstateresult", |message| {
                vec![Out::On(message.clone()), Out::On(message)]
            })
        },
    },
    Bend {
        rule: "3.1-f",
        what: "a failed answer says no error number",
        make: || {
            every_answer(|fields| {
                fields.remove("error");
            })
        },
    },
    Bend {
        rule: "3.1-g",
        what: "events carry the same qid again and again",
        make: || {
            edit("userstatechanged", |fields| {
                fields.insert("qid".into(), "0".into());
            })
        },
    },
    Bend {
        rule: "3.1-h",
        what: "a request with a field that nobody knows is refused",
        make: || {
            to_gateway("getuserstate", |message| {
                if !message.fields.contains_key("unheardof") {
                    return vec![Out::On(message)];
                }
                refused(&message, 422, "unknown field")
            })
        },
    },
    Bend {
        rule: "3.1-i",
        what: "a state that comes as a text is taken for none",
        make: || {
            to_gateway("setuserstate", |mut message| {
                if message.field("userstateid").is_string() {
                    message.fields.remove("userstateid");
                }
                vec![Out::On(message)]
            })
        },
    },
    Bend {
        rule: "3.1-j",
        what: "the state goes out as a text",
        make: || {
            edit("getuserstateresult", |fields| {
                let state = fields.get("userstateid").map(Value::to_string);
                fields.insert("userstateid".into(), state.unwrap_or_default().into());
            })
        },
    },
    Bend {
        rule: "3.1-k",
        what: "logins are compared with their case",
        make: || {
            to_gateway("login", |mut message| {
                let login = message.text("userlogin").unwrap_or_default();
                if login.chars().all(|letter| !letter.is_lowercase()) {
                    message
                        .fields
                        .insert("userlogin".into(), "nobody at all".into());
                }
                vec![Out::On(message)]
            })
        },
    },
    Bend {
        rule: "3.1-l",
        what: "ids go out in capitals",
        make: || {
            edit("getmyuserinforesult", |fields| {
                let id = text(fields, "userid").map(str::to_uppercase);
                fields.insert("userid".into(), id.into());
            })
        },
    },
    Bend {
        rule: "5-a",
        what: "a login without a password is refused on the server link, too",
        make: || from_crm("login", |message| refused(&message, 401, "no password")),
    },
    Bend {
        rule: "5-b",
        what: "a user whom the CRM logged out is told on",
        make: || {
            from_crm("logout", |message| {
                let mut answer = message.clone();
                answer.name = "logoutresult".into();
                answer.fields.insert("result".into(), 1.into());
                vec![Out::Back(answer)]
            })
        },
    },
    Bend {
        rule: "5-i",
        what: "the CRM's own id is answered by the exchange's",
        make: || {
            edit_at_crm("getuserstateresult", |fields| {
                fields.insert(
                    "userid".into(),
                    "00000000-0000-4000-8000-000000000001".into(),
                );
            })
        },
    },
    Bend {
        rule: "6.6-b",
        what: "the first line that is asked for after a ring is still the idle one",
        make: || old_line_after("phoneevent_ringstarted"),
    },
    Bend {
        rule: "6.6-d",
        what: "every other tab is not told that its line has changed",
        make: || {
            static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
            let is_told = CONNECTIONS
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(2);
            from_gateway("linestatechanged", move |message| {
                if is_told {
                    vec![Out::On(message)]
                } else {
                    Vec::new()
                }
            })
        },
    },
    Bend {
        rule: "6.6-g",
        what: "a ring does not say who calls",
        make: || {
            edit("phoneevent_ringstarted", |fields| {
                fields.insert("callerid".into(), "".into());
            })
        },
    },
    Bend {
        rule: "6.6-h",
        what: "in a talk the line is still reserved",
        make: || {
            edit("getextendedlineinforesult", |fields| {
                if fields.get("linestatestr") == Some(&"lsCommutated".into()) {
                    fields.insert("linestatestr".into(), "lsReserved".into());
                }
            })
        },
    },
    Bend {
        rule: "6.6-i",
        what: "after a talk the line still shows who it was with",
        make: || party_stays_after("phoneevent_commstopped"),
    },
    Bend {
        rule: "6.6-j",
        what: "after a refusal the line still shows who rang",
        make: || party_stays_after("phoneevent_ringstopped"),
    },
    Bend {
        rule: "6.6-ak",
        what: "an answered call has another chainid than its ring",
        make: || {
            edit("phoneevent_commstarted", |fields| {
                fields.insert(
                    "chainid".into(),
                    "00000000-0000-4000-8000-000000000001".into(),
                );
            })
        },
    },
];

/// Changes messages of this name that come from the gateway.
fn from_gateway(
    name: &'static str,
    change: impl FnMut(Message) -> Vec<Out> + Send + 'static,
) -> Bender {
    where_it_is(
        move |passing, message| passing.is_from_gateway && message.name == name,
        change,
    )
}

/// Changes messages of this name that go to the gateway.
fn to_gateway(
    name: &'static str,
    change: impl FnMut(Message) -> Vec<Out> + Send + 'static,
) -> Bender {
    where_it_is(
        move |passing, message| !passing.is_from_gateway && message.name == name,
        change,
    )
}

/// Changes messages of this name that the CRM sends.
fn from_crm(
    name: &'static str,
    change: impl FnMut(Message) -> Vec<Out> + Send + 'static,
) -> Bender {
    let is_it = move |passing: Passing, message: &Message| {
        !passing.is_from_gateway && passing.side != Side::Tabs && message.name == name
    };
    where_it_is(is_it, change)
}

/// Changes the fields of messages of this name that come from the gateway.
fn edit(name: &'static str, change: impl FnMut(&mut Fields) + Send + 'static) -> Bender {
    from_gateway(name, edited(change))
}

/// The same of those alone that go to the CRM.
fn edit_at_crm(name: &'static str, change: impl FnMut(&mut Fields) + Send + 'static) -> Bender {
    let is_it = move |passing: Passing, message: &Message| {
        passing.is_from_gateway && passing.side != Side::Tabs && message.name == name
    };
    where_it_is(is_it, edited(change))
}

/// Changes the fields of every answer of the gateway.
fn every_answer(change: impl FnMut(&mut Fields) + Send + 'static) -> Bender {
    let is_it = |passing: Passing, message: &Message| {
        passing.is_from_gateway && message.name.ends_with("result")
    };
    where_it_is(is_it, edited(change))
}

/// The message with its fields changed.
fn edited(mut change: impl FnMut(&mut Fields)) -> impl FnMut(Message) -> Vec<Out> {
    move |mut message| {
        change(&mut message.fields);
        vec![Out::On(message)]
    }
}

/// What the gateway would answer if it refused this request; the request gets no further.
fn refused(request: &Message, error: u16, errormsg: &str) -> Vec<Out> {
    let fields =
        json!({"qid": request.field("qid"), "result": 0, "error": error, "errormsg": errormsg});
    vec![Out::Back(Message::new(answer_name(&request.name), fields))]
}

/// The first picture of a line that is asked for behind this event shows nobody.
fn old_line_after(event: &'static str) -> Bender {
    let mut is_old = false;
    messages(move |passing, mut message| {
        if passing.is_from_gateway && message.name.starts_with("phoneevent_") {
            is_old = message.name == event;
        }
        if message.name == "getextendedlineinforesult" && std::mem::take(&mut is_old) {
            message
                .fields
                .insert("abonent".into(), json!({"isringing": false}));
        }
        vec![Out::On(message)]
    })
}

/// Idle lines show a party behind this event, until something else happens.
fn party_stays_after(event: &'static str) -> Bender {
    let mut stays = false;
    messages(move |passing, mut message| {
        if passing.is_from_gateway && message.name.starts_with("phoneevent_") {
            stays = message.name == event;
        }
        if stays && message.name == "getextendedlineinforesult" {
            message
                .fields
                .insert("abonent".into(), json!({"number": "89274513158"}));
        }
        vec![Out::On(message)]
    })
}

/// Changes what is meant, passes on everything else.
fn where_it_is(
    is_meant: impl Fn(Passing, &Message) -> bool + Send + 'static,
    mut change: impl FnMut(Message) -> Vec<Out> + Send + 'static,
) -> Bender {
    messages(move |passing, message| {
        if is_meant(passing, &message) {
            change(message)
        } else {
            vec![Out::On(message)]
        }
    })
}

fn messages(change: impl FnMut(Passing, Message) -> Vec<Out> + Send + 'static) -> Bender {
    Bender {
        head: |_, _| {},
        message: Box::new(change),
    }
}

fn text<'f>(fields: &'f Fields, key: &str) -> Option<&'f str> {
    fields.get(key).and_then(Value::as_str)
}
