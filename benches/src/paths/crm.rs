//! The CRM's link: requests that it sends in its users' names, and methods that scenarios have it run.

use std::ops::Range;

use okgate_core::base::Guid;
use okgate_core::protocol::Format;

use super::{Amount, HotPath, Reads, Repeats, Step};
use crate::crm::{INPUT, Linked, message_frame};

pub(super) const PATHS: &[HotPath] = &[
    path("crm/tunnel_json", || tunnel(Format::Json)),
    path("crm/tunnel_xml", || tunnel(Format::Xml)),
    path("crm/method_json", || method(Format::Json)),
    path("crm/method_xml", || method(Format::Xml)),
    path("crm/post_method", post_method),
];

const fn path(name: &'static str, set_up: fn() -> Step) -> HotPath {
    HotPath {
        name,
        amount: Amount::Elements(1),
        repeats: Repeats::Always,
        set_up,
    }
}

/// A request in a user's name, and its answer (protocol 5-a).
fn tunnel(format: Format) -> Step {
    let mut linked = Linked::by_web_socket(format);
    let request = r#"["getuserstate",{"qid":"7B1D3A52-4c1e-4f6a-9d20-000000000001","userlogin":"user1","userid":"crm-1"}]"#;
    let mut reads = Reads::of(message_frame(request, format));
    let sent = linked.say(reads.next().to_vec());
    assert!(sent > 200, "only {sent} bytes went out");
    Box::new(move || linked.say(reads.next().to_vec()))
}

/// `executemethod`, and the result, which is known by its `executionid` (protocol 8-e).
fn method(format: Format) -> Step {
    let mut linked = Linked::by_web_socket(format);
    // Every run's id stands at the same place; to look for it is not what is measured.
    let place = place_of_execution(linked.run_echo());
    Box::new(move || {
        let before = linked.sent();
        let told = &linked.run_echo()[place.clone()];
        let id = std::str::from_utf8(told).expect("a GUID");
        let result =
            format!(r#"["methodresult",{{"executionid":"{id}","outputparameters":{INPUT}}}]"#);
        let result = message_frame(&result, format);
        linked.say(result);
        linked.sent() - before
    })
}

/// A run that is posted, and whose result is in the answer (protocol 2.1-d).
fn post_method() -> Step {
    let mut linked = Linked::by_posts();
    Box::new(move || {
        let before = linked.sent();
        linked.run_echo();
        linked.answer_post(format!(r#"["methodresult",{{"outputparameters":{INPUT}}}]"#).into());
        linked.sent() - before
    })
}

/// Where the id of the run stands that this frame asks for: the first GUID in it, which is its `qid`, too.
fn place_of_execution(frame: &[u8]) -> Range<usize> {
    let is_guid = |text: &[u8]| {
        let text = std::str::from_utf8(text).unwrap_or_default();
        text.parse::<Guid>().is_ok()
    };
    let start = frame.windows(36).position(is_guid).expect("a run");
    start..start + 36
}
