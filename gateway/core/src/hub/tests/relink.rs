//! The CRM's link is made anew while the gateway runs.

use super::*;
use crate::crm::{
    CrmAction, CrmConfig, CrmConnectionId, CrmInput, CrmReport, Transport, WebSocketIn,
    WebSocketOut,
};
use crate::hub::CrmSetup;
use crate::protocol::UserRequest;
use crate::wire::frame::append_own_text;
use crate::wire::upgrade::Version;

fn setup(mode: &'static str, transport: Transport) -> CrmSetup {
    CrmSetup {
        crm: Some(CrmConfig::new(mode, transport)),
        caller_name: None,
    }
}

fn incoming() -> CrmSetup {
    setup("ws-in", Transport::WebSocketIn(WebSocketIn::default()))
}

fn outgoing() -> CrmSetup {
    let out = WebSocketOut {
        host: "crm.example:8045".to_owned(),
        path: "/".to_owned(),
        version: Version::V13,
    };
    setup("ws-out", Transport::WebSocketOut(out))
}

impl World {
    fn relink(&mut self, setup: CrmSetup) -> Vec<Output> {
        self.hub.relink(setup, self.now);
        self.settle();
        std::mem::take(&mut self.crm)
    }

    fn report(&mut self, what: CrmInput) {
        let connection = CrmConnectionId(1);
        self.hub
            .handle_crm(CrmReport { connection, what }, self.now);
        self.settle();
        self.crm.clear();
    }

    /// A CRM connects and logs a user in.
    fn crm_with(&mut self, login: &str) {
        self.report(CrmInput::Accepted("192.0.2.1:5000".to_owned()));
        let request = "GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: json\r\n\r\n";
        self.report(CrmInput::Bytes(request.into()));
        let message = format!(r#"["login",{{"qid":"1","userlogin":"{login}"}}]"#);
        let mut frame = Vec::new();
        append_own_text(&mut frame, message.as_bytes(), Some([1, 2, 3, 4]));
        self.report(CrmInput::Bytes(frame));
    }

    /// `numstateid` of a user's number, which says whether the user is there.
    fn is_there(&mut self, login: &str) -> bool {
        let user = self.hub.accounts.by_login(login).expect("a user").id;
        let state = self.hub.serve(user, UserRequest::UserState);
        let Ok(Answer::UserState(_, state)) = state else {
            panic!("{state:?}");
        };
        state.id.number() != 0
    }
}

#[test]
fn the_old_link_is_ended_before_the_new_one_is_made() {
    let mut world = World::new();
    let outputs = world.relink(outgoing());
    assert!(matches!(
        outputs[..],
        [Output::Relinked, Output::Crm(CrmAction::Connect(_))]
    ));
    let outputs = world.relink(incoming());
    assert!(
        matches!(
            outputs[..],
            [
                Output::CrmNews(_),
                Output::Crm(CrmAction::Close(..)),
                Output::Relinked
            ]
        ),
        "{outputs:?}"
    );
    assert_eq!(world.hub.crm_status().mode, "ws-in");
    world.relink(CrmSetup::default());
    assert_eq!(world.hub.crm_status().mode, "off");
}

// protocol 2-n
#[test]
fn no_tab_hears_of_it() {
    let mut world = World::new();
    world.relink(outgoing());
    world.relink(incoming());
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn who_was_active_stays_so_until_there_is_nobody_who_could_say() {
    let mut world = World::new();
    world.relink(incoming());
    world.crm_with("Anna");
    assert!(world.is_there("anna") && !world.is_there("boris"));
    world.relink(outgoing());
    assert!(world.is_there("anna"));
    // The new link knows it too: events of the time until the CRM says who is there are not lost.
    assert_eq!(world.hub.crm_status().active_users, 1);
    world.relink(setup("http-out", Transport::Http));
    assert!(!world.is_there("anna"));
}
