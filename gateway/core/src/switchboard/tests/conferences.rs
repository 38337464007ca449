//! The ladders of conferences and supervision (protocol 6.6), as golden texts.

use super::ladders::{SWITCH, story};
use super::world::{World, call_to, user};
use crate::base::{ConferenceId, Guid};
use crate::protocol::{
    Answer, CallRequest, ConferenceRequest, Fault, GhostMode, NewConference, Phase, Sequence,
};

const LISTEN: ConferenceRequest = ConferenceRequest::HandleEvents {
    conference: None,
    handle: true,
};

fn create(competitors: &[&str]) -> ConferenceRequest {
    ConferenceRequest::Create(NewConference {
        id: Some(ConferenceId(Guid::from_bits(0xC0FF_EE00 << 96))),
        name: "Monday".into(),
        competitors: competitors.iter().map(|it| (*it).into()).collect(),
        ..NewConference::default()
    })
}

fn invite(competitors: &[&str]) -> ConferenceRequest {
    ConferenceRequest::Invite {
        conference: None,
        competitors: competitors.iter().map(|it| (*it).into()).collect(),
    }
}

impl World {
    fn told_confer(&mut self, login: &str, what: &str, request: ConferenceRequest) {
        self.tell(&format!("{login} {what}"));
        self.confer(login, request);
    }

    fn answer(&mut self, login: &str, request: ConferenceRequest) -> Result<Answer, Fault> {
        let answer = self
            .switchboard
            .handle_conference(user(login), request, self.now);
        self.outputs();
        self.run();
        answer
    }

    fn kick(&mut self, by: &str, whom: &str) -> Result<Answer, Fault> {
        let info = self.conference_of(by).expect("a conference");
        let is_meant = |it: &&crate::protocol::CompetitorEntry| {
            it.party
                .user
                .as_ref()
                .is_some_and(|user| &*user.login == whom)
        };
        let competitor = info.competitors.iter().find(is_meant).expect("is in it").id;
        let conference = Some(info.id);
        self.answer(
            by,
            ConferenceRequest::Disconnect {
                conference,
                competitor,
            },
        )
    }

    /// Logins or numbers of those who are in a user's conference, with their states.
    fn competitors(&self, of: &str) -> String {
        let info = self.conference_of(of).expect("a conference");
        let tell = |it: &crate::protocol::CompetitorEntry| {
            format!(
                "{} {}",
                it.party.number.clone().unwrap_or_default(),
                it.state.text()
            )
        };
        info.competitors
            .iter()
            .map(tell)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[test]
fn a_talk_becomes_a_conference_and_grows() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_confer("anna", "builds a conference", ConferenceRequest::Build);
        world.told_confer("anna", "wants to be told", LISTEN);
        world.told_confer(
            "anna",
            "invites 103 and 89031112233",
            invite(&["103", "89031112233"]),
        );
        world.told_pick_up("103");
        world.told_pass(3);
        world.told_hang_up("102");
        world.told_hang_up("103");
        world.told_hang_up("89031112233");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_conference_is_made_from_scratch() {
    let story = story(|world| {
        world.told_confer(
            "anna",
            "makes one of 102 and 103",
            create(&["102", "clara"]),
        );
        world.told_pick_up("101");
        world.told_confer("anna", "wants to be told", LISTEN);
        world.told_pick_up("102");
        world.told_ask("clara", "declines", CallRequest::Decline);
        world.told_confer("boris", "leaves", ConferenceRequest::Exit);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_held_party_is_brought_into_the_conference() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        world.told_pick_up("103");
        world.told_confer(
            "anna",
            "builds a conference with clara",
            ConferenceRequest::Build,
        );
        let can = world.answer("anna", ConferenceRequest::CanConnect);
        assert_eq!(can, Ok(Answer::CanConnect(true)));
        world.told_confer("anna", "brings boris in", ConferenceRequest::Connect);
        world.told_confer("anna", "leaves", ConferenceRequest::Exit);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_conference_is_held_for_a_consultation() {
    let story = story(|world| {
        world.told_confer("anna", "makes one of 102 and 103", create(&["102", "103"]));
        for number in ["101", "102", "103"] {
            world.told_pick_up(number);
        }
        world.told_ask("anna", "calls 104", call_to("104", Sequence::User));
        world.told_pick_up("104");
        world.told_ask("anna", "returns to the conference", SWITCH);
        world.told_ask("anna", "hangs up: david comes in", CallRequest::Abort);
        world.told_hang_up("104");
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_creator_sends_others_out_and_nobody_else_does() {
    let mut world = World::new();
    world.confer("anna", create(&["102", "103"]));
    for number in ["101", "102", "103"] {
        world.pick_up(number);
    }
    let refused = world.kick("boris", "clara").expect_err("no right");
    assert_eq!(
        refused.to_string(),
        "only who made the conference may send others out (403)"
    );
    let refused = world
        .answer("boris", invite(&["104"]))
        .expect_err("no right");
    assert_eq!(
        refused.to_string(),
        "only who made the conference may invite to it (403)"
    );
    assert_eq!(world.kick("anna", "clara"), Ok(Answer::Done));
    assert_eq!(world.phase("clara"), Phase::Idle);
    assert_eq!(
        world.competitors("anna"),
        "101 Connected, 102 Connected, 103 Exited"
    );
    world.confer("anna", invite(&["103"]));
    world.pick_up("103");
    assert_eq!(
        world.competitors("boris"),
        "101 Connected, 102 Connected, 103 Connected"
    );
}

#[test]
fn invitations_that_come_to_nothing_say_why() {
    let mut world = World::new();
    world.confer("anna", create(&["102", "555", "777", "104"]));
    world.pick_up("101");
    world.pick_up("102");
    world.ask("david", CallRequest::Decline);
    world.outside_call("89274513158", "105");
    world.confer("anna", invite(&["105"]));
    world.pass(std::time::Duration::from_secs(61));
    assert_eq!(
        world.competitors("anna"),
        "101 Connected, 102 Connected, 555 MisInviteBusy, 777 MisInviteNotRespond, \
         104 MisInviteRefuse, 105 MisInviteBusy"
    );
}

#[test]
fn a_supervisor_listens_and_the_talking_see_nothing() {
    let story = story(|world| {
        world.boris_and_an_outside_caller_talk();
        world.told_confer(
            "anna",
            "listens to boris",
            ConferenceRequest::AttachAsGhost("102".into()),
        );
        world.told_pick_up("101");
        for mode in [GhostMode::Help, GhostMode::Conference, GhostMode::Monitor] {
            let conference = None;
            let request = ConferenceRequest::GhostMode { conference, mode };
            world.told_confer("anna", &format!("{mode:?}"), request);
        }
        let info = world.conference_of("anna").expect("a hidden conference");
        let marks: Vec<_> = (info.competitors.iter())
            .map(|it| (it.party.number.clone(), it.is_ghost, it.is_ghost_major))
            .collect();
        world.tell(&format!("anna sees {}: {marks:?}", info.is_ghost));
        world.told_confer("anna", "leaves", ConferenceRequest::Exit);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_supervised_talk_that_ends_takes_the_supervisor_along() {
    let story = story(|world| {
        world.boris_and_an_outside_caller_talk();
        world.confer("anna", ConferenceRequest::AttachAsGhost("boris".into()));
        world.pick_up("101");
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn who_has_no_right_to_supervise_is_told_so() {
    let mut world = World::new();
    world.outside_call("89274513158", "105");
    world.pick_up("105");
    for (who, whom) in [("boris", "105"), ("anna", "105"), ("anna", "89274513158")] {
        let refused = world.answer(who, ConferenceRequest::AttachAsGhost(whom.into()));
        let refused = refused.expect_err("no right");
        assert_eq!(
            refused.to_string(),
            "no right to supervise that user (52710)"
        );
    }
    let idle = world.answer("anna", ConferenceRequest::AttachAsGhost("102".into()));
    assert_eq!(
        idle.expect_err("no talk").to_string(),
        "that user is in no talk (409)"
    );
}

#[test]
fn a_conference_and_a_supervised_talk_go_on_through_a_loss_of_the_switch() {
    let mut world = World::new();
    world.confer("clara", create(&["104", "105"]));
    for number in ["103", "104", "105"] {
        world.pick_up(number);
    }
    world.outside_call("89274513158", "102");
    world.pick_up("102");
    world.confer("anna", ConferenceRequest::AttachAsGhost("102".into()));
    world.pick_up("101");
    let told = world.story().len();
    world.sim.disconnect();
    world.run();
    assert_eq!(
        world
            .answer("clara", ConferenceRequest::Exit)
            .expect_err("in doubt")
            .to_string(),
        "the telephone switch is not connected: try again later (503)"
    );
    world.hang_up("105");
    world.sim.reconnect();
    world.run();
    assert_eq!(
        world.competitors("david"),
        "103 Connected, 104 Connected, 105 Exited"
    );
    let told = world.story()[told..].to_owned();
    let of_elena = |line: &&str| !line.trim_start().starts_with("elena");
    let invented: Vec<_> = told.lines().filter(of_elena).collect();
    assert!(invented.is_empty(), "{invented:#?}");
}
