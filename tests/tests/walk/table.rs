//! The table of the walk's methods: what is asked in which scene, and what comes of it.

use serde_json::{Value, json};

use super::scenes::Scene;

/// One request and what comes of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// What it shows.
    pub(crate) rules: &'static str,
    pub(crate) scene: Scene,
    pub(crate) method: &'static str,
    pub(crate) fields: Value,
    pub(crate) outcome: Outcome,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The answer has the shape in the golden file of this name.
    Golden(&'static str),
    /// The answer has nothing but `qid` and `result`: the golden file `done`.
    Done,
    /// It is refused with this number: the golden file `refused`.
    Refused(i64),
    /// The same of a procedure, which has an `errorcode`, too: the golden file `failed`.
    Failed(i64),
}

use Outcome::{Done, Failed, Golden, Refused};
use Scene::{
    BackRing, BorisTalks, Chat, Conference, ConferenceAndHeld, Consult, Dialling, Held, Idle,
    OthersChat, OthersConference, PastCall, Photo, Queue, Ringing, Rule, Supervision, Talk, Upload,
};

/// No user's password.
const HASH: &str = "0123456789abcdef0123456789abcdef";

fn row(
    rules: &'static str,
    scene: Scene,
    method: &'static str,
    fields: Value,
    outcome: Outcome,
) -> Row {
    Row {
        rules,
        scene,
        method,
        fields,
        outcome,
    }
}

/// Sections 6.1 to 6.4.
#[rustfmt::skip]
pub(crate) fn state_and_directory() -> Vec<Row> {
    let no = || json!({});
    let rule = |id: &str, to: &str| json!({"redirectrule": {"id": id, "destinationnumber": to, "isenabled": false}});
    vec![
        row("protocol 6.1-b", Idle, "ping", json!({"a": 1, "b": [true]}), Golden("pong")),
        row("protocol 6.1-g and 6.2-a", Idle, "getversion", json!({"showalloweddbstoredprocs": 1}), Golden("getversion")),
        row("protocol 6.1-h", Idle, "getmyuserinfo", no(), Golden("getmyuserinfo")),
        row("protocol 6.1-i", Idle, "subscribeevent", json!({"eventmethod": ["linestatechanged", null]}), Done),
        row("protocol 6.1-i", Idle, "subscribeevent", json!({"event": "phoneevent"}), Done),
        row("protocol 6.1-i", Idle, "subscribeevent", no(), Refused(422)),
        row("protocol 6.1-k", Idle, "unsubscribeevent", json!({"eventmethod": ["phoneevent"]}), Done),
        row("protocol 6.1-k", Idle, "unsubscribeevent", no(), Refused(422)),
        row("protocol 6-a", Idle, "getuserstate", json!({"userlogin": "boris"}), Refused(403)),
        row("protocol 6-a", Idle, "nosuchmethod", no(), Refused(404)),
        row("protocol 6.3-a and 6.3-f", Idle, "getuserstate", no(), Golden("getuserstate")),
        row("protocol 6.3-b", Idle, "setuserstate", json!({"userstateid": "3"}), Golden("setuserstate")),
        row("protocol 6.3-b and 6.3-i", Idle, "setuserstate", json!({"userstateid": 2}), Golden("setuserstate_break")),
        row("protocol 6.3-b", Idle, "setuserstate", json!({"userstateid": 6}), Refused(422)),
        row("protocol 6.3-p", Idle, "setuserstate", json!({"userstateid": 2, "lunchreasonid": 9}), Refused(422)),
        row("protocol 5-d and 6.3-o", Idle, "entercallcenter", no(), Golden("entercallcenter")),
        row("protocol 5-d", Idle, "exitcallcenter", no(), Golden("exitcallcenter")),
        row("protocol 6.3-c", Idle, "cc_getlunchtypes", no(), Golden("cc_getlunchtypes")),
        row("protocol 6.3-d", Idle, "saveredirectrules", rule("one", "102"), Done),
        row("protocol 6.3-t", Idle, "saveredirectrules", rule("one", "101"), Refused(422)),
        row("protocol 6.3-d", Idle, "saveredirectrules", no(), Refused(422)),
        row("protocol 6.3-d", Rule, "getredirectrules", no(), Golden("getredirectrules")),
        row("protocol 6.3-d", Rule, "deleteredirectrules", json!({"ids": ["ONE"]}), Done),
        row("protocol 6.3-e", Idle, "changepassword", json!({"oldpwdmd5": "0", "newpwdmd5": "0"}), Refused(422)),
        row("protocol 6.3-e", Idle, "changepassword", json!({"oldpwdmd5": HASH, "newpwdmd5": HASH}), Refused(403)),
        row("protocol 6.4-a", Idle, "getpbxnumbers", json!({"mode": "full"}), Golden("getpbxnumbers")),
        row("protocol 6.4-b", Idle, "getallusernumbers", json!({"fillsubordinates": 1}), Golden("getallusernumbers")),
        row("protocol 6.4-c and 6.4-i", Idle, "getuserphoto", json!({"mode": "page"}), Golden("getuserphoto")),
        row("protocol 6.4-i", Idle, "getuserphoto", json!({"id": "nobody"}), Refused(404)),
        row("protocol 6.4-d and 6.4-i", Upload, "setmyuserphoto", json!({"filepath": "$path"}), Golden("setmyuserphoto")),
        row("protocol 6.4-d", Idle, "setmyuserphoto", json!({"filepath": "/download/x"}), Refused(404)),
        row("protocol 6.4-d", Idle, "setmyuserphoto", no(), Refused(422)),
        row("protocol 6.4-c", Photo, "getalluserphotolink", json!({"mode": "page"}), Golden("getalluserphotolink")),
    ]
}

/// Section 6.5, without conferences.
#[rustfmt::skip]
pub(crate) fn line_and_calls() -> Vec<Row> {
    let no = || json!({});
    let line = "getextendedlineinfo";
    vec![
        row("protocol 6.5-a and 6.5-c", Idle, line, no(), Golden("line_idle")),
        row("protocol 6.5-a, 6.5-b and 6.6-g", Ringing, line, no(), Golden("line_ringing")),
        row("protocol 6.5-a, 6.5-b and 6.6-k", BackRing, line, no(), Golden("line_back_ring")),
        row("protocol 6.5-a and 6.6-l", Dialling, line, no(), Golden("line_dialling")),
        row("protocol 6.5-a and 6.6-m", Talk, line, no(), Golden("line_talk")),
        row("protocol 6.5-a and 6.6-y", Held, line, no(), Golden("line_held")),
        row("protocol 6.5-a and 6.6-v", Consult, line, no(), Golden("line_consult")),
        row("protocol 6.5-a and 6.6-ae", Conference, line, no(), Golden("line_conference")),
        row("protocol 6.5-a and 6.6-t", Scene::Menu, line, no(), Golden("line_menu")),
        row("protocol 6.5-e", Idle, "pbxautocallstart", json!({"number": "102", "sequence": "abonent"}), Done),
        row("protocol 6.5-e", Idle, "pbxautocallstart", json!({"number": "102", "intercom": 1}), Done),
        row("protocol 6.5-e", Talk, "pbxautocallstart", json!({"number": "103"}), Done),
        row("protocol 6.5-e", Idle, "pbxautocallstart", no(), Refused(422)),
        row("protocol 6.5-e", Idle, "pbxautocallstart", json!({"number": "102", "sequence": "x"}), Refused(422)),
        row("protocol 6.5-e", Idle, "pbxautocallstart", json!({"number": "101"}), Refused(422)),
        row("protocol 6.5-aj", BorisTalks, "pbxautocallstart", json!({"number": "102", "sequence": "abonent"}), Refused(409)),
        row("protocol 6.5-aj", Consult, "pbxautocallstart", json!({"number": "555"}), Refused(409)),
        row("protocol 6.5-f", Dialling, "pbxautocallabort", no(), Done),
        row("protocol 6.5-f", Idle, "pbxautocallabort", no(), Refused(409)),
        row("protocol 6.5-g", Ringing, "pbxanswercall", no(), Done),
        row("protocol 6.5-g", Idle, "pbxanswercall", no(), Refused(409)),
        row("protocol 6.5-h", Talk, "pbxabortcall", no(), Done),
        row("protocol 6.5-h", Idle, "pbxabortcall", no(), Refused(409)),
        row("protocol 6.5-i", Ringing, "pbxdeclinecall", no(), Done),
        row("protocol 6.5-i", Talk, "pbxdeclinecall", no(), Refused(409)),
        row("protocol 6.5-j", Consult, "pbxmakeflash", json!({"mode": "abort"}), Done),
        row("protocol 6.5-j", Talk, "pbxmakeflash", json!({"mode": "abort"}), Refused(409)),
        row("protocol 6.5-j", Talk, "pbxmakeflash", json!({"mode": "x"}), Refused(422)),
        row("protocol 6.5-k", Talk, "pbxmaketransfer", json!({"transferto": "103"}), Done),
        row("protocol 6.5-k", Talk, "pbxmaketransfer", no(), Done),
        row("protocol 6.5-k and 6.5-aj", Talk, "pbxmaketransfer", json!({"transferto": "102"}), Refused(409)),
        row("protocol 6.5-k", Idle, "pbxmaketransfer", json!({"transferto": "102"}), Refused(409)),
        row("protocol 6.5-l", Talk, "pbxtransfercall", json!({"transferto": "103"}), Done),
        row("protocol 6.5-l", Idle, "pbxtransfercall", json!({"transferto": "103"}), Refused(409)),
        row("protocol 6.5-m", Idle, "getflashedabonentinfo", no(), Golden("getflashedabonentinfo")),
        row("protocol 6.5-m", Held, "getflashedabonentinfo", no(), Golden("getflashedabonentinfo_held")),
        row("protocol 6.5-n", Idle, "getcurrentqueue", no(), Golden("getcurrentqueue")),
        row("protocol 6.5-n and 6.5-af", Queue, "getcurrentqueue", no(), Golden("getcurrentqueue_waiting")),
        row("protocol 6.5-o and 6.5-ag", Talk, "getchaincontent", no(), Golden("getchaincontent")),
        row("protocol 6.5-o", Talk, "getchaincontent", json!({"chainid": "$chain"}), Golden("getchaincontent")),
        row("protocol 6.5-ag", BorisTalks, "getchaincontent", json!({"chainid": "$chain"}), Refused(404)),
        row("protocol 6.5-p and 6.5-ah", PastCall, "getpbxcalljournal", json!({"filter": {"minduration": 0}}), Golden("getpbxcalljournal")),
        row("protocol 6.5-p", PastCall, "getpbxcalljournal", json!({"filter": {"connectiontype": "in", "datestart": "2100-01-01T00:00:00Z"}}), Golden("getpbxcalljournal_empty")),
        row("protocol 6.5-p", Idle, "getpbxcalljournal", json!({"filter": {"datestart": "yesterday"}}), Refused(422)),
    ]
}

/// Conferences and supervision.
#[rustfmt::skip]
pub(crate) fn conferences() -> Vec<Row> {
    let no = || json!({});
    let some = || json!([{"number": "103"}]);
    let other = "c0ffee00-0000-4000-8000-000000000001";
    vec![
        row("protocol 6.5-r and 6.5-am", Talk, "buildconferencefromcommutation", no(), Golden("buildconferencefromcommutation")),
        row("protocol 6.5-r", Idle, "buildconferencefromcommutation", no(), Refused(409)),
        row("protocol 6.5-s and 6.5-am", Idle, "createnewconference", json!({"conference": {"id": other}, "competitors": some()}), Golden("createnewconference")),
        row("protocol 6.5-s", Idle, "createnewconference", json!({"competitors": []}), Refused(422)),
        row("protocol 6.5-s", Talk, "createnewconference", json!({"competitors": some()}), Refused(409)),
        row("protocol 6.5-t", Conference, "invitetoconference", json!({"conferenceid": "$conference", "competitors": some()}), Done),
        row("protocol 6.5-an", OthersConference, "invitetoconference", json!({"competitors": some()}), Refused(403)),
        row("protocol 6.5-t", Idle, "invitetoconference", json!({"competitors": some()}), Refused(404)),
        row("protocol 6.5-t", Conference, "invitetoconference", json!({"competitors": [{}]}), Refused(422)),
        row("protocol 6.5-u", ConferenceAndHeld, "checkcanconnecttogathertoconference", no(), Golden("checkcanconnecttogathertoconference")),
        row("protocol 6.5-u", Idle, "checkcanconnecttogathertoconference", no(), Golden("checkcanconnecttogathertoconference")),
        row("protocol 6.5-v", ConferenceAndHeld, "connecttogathertoconference", no(), Done),
        row("protocol 6.5-v", Consult, "connecttogathertoconference", no(), Refused(409)),
        row("protocol 6.5-w and 6.5-ab", Conference, "getconferenceinfo", json!({"conferenceid": "$conference"}), Golden("getconferenceinfo")),
        row("protocol 6.5-w", Idle, "getconferenceinfo", json!({"conferenceid": false}), Refused(404)),
        row("protocol 6.5-w", Conference, "getconferenceinfo", json!({"conferenceid": other}), Refused(404)),
        row("protocol 6.5-x and 6.6-aj", Conference, "getconferencecompetitors", no(), Golden("getconferencecompetitors")),
        row("protocol 6.5-x", Idle, "getconferencecompetitors", no(), Refused(404)),
        row("protocol 6.5-y", Conference, "confdisconnectcompetitor", json!({"conferenceid": "$conference", "competitor": {"competitorid": "$competitor"}}), Done),
        row("protocol 6.5-an", OthersConference, "confdisconnectcompetitor", json!({"competitor": {"competitorid": "$competitor"}}), Refused(403)),
        row("protocol 6.5-y", Conference, "confdisconnectcompetitor", json!({"competitor": {"competitorid": other}}), Refused(404)),
        row("protocol 6.5-y", Conference, "confdisconnectcompetitor", no(), Refused(422)),
        row("protocol 6.5-z", Conference, "exitconference", no(), Done),
        row("protocol 6.5-z", Talk, "exitconference", no(), Refused(404)),
        row("protocol 6.5-aa", Conference, "confhandleevent", json!({"conferenceid": "$conference", "eventtype": "competitors", "handle": true}), Done),
        row("protocol 6.5-aa", Idle, "confhandleevent", json!({"handle": true}), Refused(404)),
        row("protocol 6.5-aa", Conference, "confhandleevent", json!({"eventtype": "x"}), Refused(422)),
        row("protocol 6.5-ac and 6.5-am", BorisTalks, "attachasghost", json!({"ghostedid": "102"}), Golden("attachasghost")),
        row("protocol 6.5-ac", BorisTalks, "attachasghost", json!({"ghostedid": "103"}), Refused(52710)),
        row("protocol 6.5-ap", Idle, "attachasghost", json!({"ghostedid": "boris"}), Refused(409)),
        row("protocol 6.5-ac", Idle, "attachasghost", no(), Refused(422)),
        row("protocol 6.6-ai", Supervision, "getconferenceinfo", json!({"conferenceid": "$conference"}), Golden("getconferenceinfo_supervision")),
        row("protocol 6.5-ad", Supervision, "confsetghostmode", json!({"conferenceid": "$conference", "ghostmode": "help"}), Done),
        row("protocol 6.5-ad", Supervision, "confsetghostmode", json!({"ghostmode": "x"}), Refused(422)),
        row("protocol 6.5-ad", Conference, "confsetghostmode", json!({"ghostmode": "help"}), Refused(404)),
        row("protocol 6.5-ae", Supervision, "confsetvoiceparams", json!({"conferenceid": "$conference", "competitor": {"competitorid": "$competitor", "ghosthelp": 1}}), Done),
        row("protocol 6.5-ae", Supervision, "confsetvoiceparams", no(), Refused(422)),
        row("protocol 6.5-ae", Idle, "confsetvoiceparams", json!({"competitor": {"ghosthelp": 1}}), Refused(404)),
    ]
}

/// Section 6.7.
#[rustfmt::skip]
pub(crate) fn desk() -> Vec<Row> {
    let no = || json!({});
    let in_chat = || json!({"chatid": "$chat"});
    vec![
        row("protocol 6.7-a", Idle, "triggercustomevent", json!({"eventname": "x", "recipients": ["boris"]}), Done),
        row("protocol 6.7-f", Idle, "triggercustomevent", json!({"eventname": "x", "recipients": ["nobody"]}), Refused(404)),
        row("protocol 6.7-a", Idle, "triggercustomevent", no(), Refused(422)),
        row("protocol 6.7-f", Idle, "sendusertextmessage", json!({"text": "x", "recipients": ["boris"]}), Done),
        row("protocol 6.7-f", Idle, "sendusertextmessage", json!({"text": "x", "recipients": ["nobody"]}), Refused(404)),
        row("protocol 6.7-f", Idle, "sendusertextmessage", json!({"text": "x"}), Refused(422)),
        row("protocol 6.7-b", Idle, "execpredefineddbstoredproc", json!({"procedure": "CLIENTS"}), Golden("execpredefineddbstoredproc")),
        row("protocol 6.7-b", Idle, "execpredefineddbstoredproc", json!({"procedure": "none"}), Failed(404)),
        row("protocol 6.7-c", Idle, "execsvcscript", json!({"name": "sum", "startparam1": 1}), Golden("execsvcscript")),
        row("protocol 6.7-c", Idle, "execsvcscript", json!({"name": "none"}), Failed(404)),
        row("protocol 6.7-d", Idle, "gettemphttppass", json!({"responsetowebsock": 1}), Golden("gettemphttppass")),
        row("protocol 6.7-i", Idle, "createchat", json!({"name": "x", "members": ["boris"]}), Golden("createchat")),
        row("protocol 6.7-i", Idle, "createchat", json!({"name": "x", "members": ["nobody"]}), Refused(404)),
        row("protocol 6.7-i", Idle, "createchat", no(), Refused(422)),
        row("protocol 6.7-j", Chat, "renamechat", json!({"chatid": "$chat", "name": "y"}), Done),
        row("protocol 6.7-j", OthersChat, "renamechat", json!({"chatid": "$chat", "name": "y"}), Refused(404)),
        row("protocol 6.7-j", Chat, "addchatmembers", json!({"chatid": "$chat", "members": ["clara"]}), Done),
        row("protocol 6.7-j", OthersChat, "addchatmembers", json!({"chatid": "$chat", "members": ["clara"]}), Refused(404)),
        row("protocol 6.7-j", Chat, "addchatmembers", in_chat(), Refused(422)),
        row("protocol 6.7-j", Chat, "removechatmembers", json!({"chatid": "$chat", "members": ["anna"]}), Done),
        row("protocol 6.7-j", Chat, "removechatmembers", json!({"chatid": "$chat", "members": ["boris"]}), Refused(403)),
        row("protocol 6.7-j", Chat, "leavechat", in_chat(), Done),
        row("protocol 6.7-j", OthersChat, "leavechat", in_chat(), Refused(404)),
        row("protocol 6.7-k", Chat, "sendchatmessage", json!({"chatid": "$chat", "text": "x"}), Golden("sendchatmessage")),
        row("protocol 6.7-k", OthersChat, "sendchatmessage", json!({"chatid": "$chat", "text": "x"}), Refused(404)),
        row("protocol 6.7-k", Chat, "sendchatmessage", in_chat(), Refused(422)),
        row("protocol 6.7-k", Chat, "getchatmessages", in_chat(), Golden("getchatmessages")),
        row("protocol 6.7-k", OthersChat, "getchatmessages", in_chat(), Refused(404)),
        row("protocol 6.7-l", Chat, "viewchatmessage", json!({"chatid": "$chat", "messageid": "$message"}), Done),
        row("protocol 6.7-l", Chat, "viewchatmessage", in_chat(), Refused(422)),
        row("protocol 6.7-l", Chat, "getchats", no(), Golden("getchats")),
    ]
}
