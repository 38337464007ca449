//! The HTTP interface, with the hub's own clock.

use std::net::IpAddr;

use super::*;
use crate::base::{RateLimit, Refused};
use crate::hub::{
    Caller, Credentials, InterfaceAnswer, InterfaceCall, InterfaceMethod, InterfaceRequest,
    Procedure, ProcedureSource, ProgramFailure, RunTarget, SimCallRequest,
};
use crate::protocol::{
    CallRequest, DeskAnswer, DeskEvent, DeskRequest, FlashMode, Occurrence, ProcedureKind,
    RunProcedure, Sequence,
};
use crate::switchboard::{Group, HuntRule};

/// Anna has the right to the interface, Boris has not; 3 wrong passwords may come at
/// once from one address.
fn world() -> World {
    World::with(|config| {
        config.interface.users = vec![UserId(Guid::from_bits(1))];
        config.interface.failures = RateLimit::new(1, 3);
        config.desk.has_web = true;
        let script = |name: &str, source| Procedure {
            kind: ProcedureKind::Script,
            name: name.into(),
            source,
        };
        let program = ProcedureSource::Program {
            target: RunTarget::Command(vec!["program".to_owned()].into()),
            timeout: Duration::from_secs(10),
            output_bytes_max: 1024,
        };
        config.desk.procedures = vec![
            script("fixed", ProcedureSource::Value("a]]>b<&".into())),
            script("run", program),
        ];
        config.directory.groups = vec![Group {
            number: (NumberId(Guid::from_bits(300)), "201".into()),
            name: "Sales".into(),
            users: vec![UserId(Guid::from_bits(1))],
            rule: HuntRule::All,
            ring: Duration::from_secs(20),
            wait: Duration::ZERO,
            line_max: 10,
            is_queue: true,
        }];
    })
}

fn basic(login: &str) -> Credentials {
    Credentials::Basic {
        login: login.into(),
        password: Secret::new(format!("Secret of {login}")),
    }
}

fn address() -> IpAddr {
    "192.0.2.7".parse().expect("an address")
}

fn caller(user: &str) -> Caller {
    Caller {
        user: Some(user.into()),
        ..Caller::default()
    }
}

fn script(name: &str, is_async: bool) -> InterfaceCall {
    let run = RunProcedure {
        kind: ProcedureKind::Script,
        name: name.into(),
        input: r#"{"startparam1":"5"}"#.into(),
        timeout: None,
    };
    InterfaceCall::Script { run, is_async }
}

impl World {
    fn send(&mut self, credentials: Credentials, method: InterfaceMethod, call: InterfaceCall) {
        let request = AdminRequest::Interface(Box::new(InterfaceRequest {
            address: address(),
            credentials,
            method,
            call: Ok(call),
        }));
        self.hub.handle_admin(AdminTicket(9), request, self.now);
        self.settle();
    }

    fn interface_answer(&mut self) -> Option<InterfaceAnswer> {
        match self.admin.pop()? {
            Ok(AdminReply::Interface(answer)) => Some(answer),
            other => panic!("another kind: {other:?}"),
        }
    }

    fn call(
        &mut self,
        credentials: Credentials,
        method: InterfaceMethod,
        call: InterfaceCall,
    ) -> InterfaceAnswer {
        self.send(credentials, method, call);
        self.interface_answer().expect("an answer at once")
    }

    fn state_of(&mut self, credentials: Credentials, user: &str) -> InterfaceAnswer {
        let call = InterfaceCall::UserState(caller(user));
        self.call(credentials, InterfaceMethod::UserState, call)
    }

    fn temp_password(&mut self, slot: u32, user: u128, respond: bool) -> Credentials {
        let what = UserRequest::Desk(Box::new(DeskRequest::TempPassword { respond }));
        match self.ask(slot, user, what) {
            Ok(Answer::Desk(answer)) => match *answer {
                DeskAnswer::TempPassword(password) => Credentials::TempPassword(password),
                other => panic!("no password: {other:?}"),
            },
            other => panic!("no password: {other:?}"),
        }
    }

    fn refusals(&self, wanted: Refused) -> usize {
        let is_wanted = |(_, what): &&(ShardId, Downward)| matches!(what, Downward::RefusedAddress { reason, .. } if *reason == wanted);
        self.told.iter().filter(is_wanted).count()
    }

    fn line_text(&mut self, user: u128) -> String {
        let call = InterfaceCall::AbonentInfo(caller(&Guid::from_bits(user).to_string()));
        let answer = self.call(basic("Anna"), InterfaceMethod::AbonentInfo, call);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.content.to_string()
    }
}

// protocol 10-a
#[test]
fn only_users_with_the_right_are_let_in_and_everybody_else_is_told_why() {
    let mut world = world();
    assert_eq!(world.state_of(basic("Anna"), "boris").status, 200);
    assert_eq!(world.state_of(Credentials::Missing, "boris").status, 401);
    assert_eq!(world.state_of(basic("nobody"), "boris").status, 401);
    let wrong = Credentials::Basic {
        login: "Anna".into(),
        password: Secret::new("secret of anna!"),
    };
    assert_eq!(world.state_of(wrong, "boris").status, 401);
    let other_case = Credentials::Basic {
        login: "Anna".into(),
        password: Secret::new("SECRET of Anna"),
    };
    assert_eq!(world.state_of(other_case, "boris").status, 401);
    world.pass(Duration::from_secs(5));
    let right = world.state_of(basic("boris"), "boris");
    assert_eq!(right.status, 403);
    assert!(right.content.contains("web.users"), "{}", right.content);
    assert_eq!(
        world.refusals(Refused::InterfaceLogin),
        3,
        "none for a missing one"
    );
    assert_eq!(world.refusals(Refused::InterfaceRight), 1);
}

// protocol 10-o
#[test]
fn an_address_that_guesses_is_not_even_asked_for_the_password_any_more() {
    let mut world = world();
    for _ in 0..3 {
        assert_eq!(world.state_of(basic("guess"), "boris").status, 401);
    }
    let refused = world.state_of(basic("Anna"), "boris");
    assert_eq!(refused.status, 429, "the right password, too");
    assert_eq!(world.refusals(Refused::InterfaceFailures), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.state_of(basic("Anna"), "boris").status, 200);
    assert_eq!(
        world.state_of(basic("Anna"), "boris").status,
        200,
        "uses nothing up"
    );
}

// protocol 10-n
#[test]
fn a_call_names_its_user_by_login_id_line_or_workplace_and_always_the_same() {
    let mut world = world();
    let some = |text: &str| Some(Box::from(text));
    let id = "00000000-0000-0000-0000-000000000002";
    let number_id = "00000000-0000-0000-0000-000000000066";
    let named =
        |user: Option<Box<str>>, line: Option<Box<str>>, workplace: Option<Box<str>>| Caller {
            user,
            line,
            workplace,
        };
    for (who, status) in [
        (named(some("BORIS"), None, None), 200),
        (named(some(id), None, None), 200),
        (named(None, some("102"), None), 200),
        (named(None, None, some(number_id)), 200),
        (named(some("boris"), some("102"), some(number_id)), 200),
        (named(some("boris"), some("101"), None), 422),
        (named(None, some("201"), None), 404),
        (named(some("nobody"), None, None), 404),
        (named(None, None, None), 422),
    ] {
        let call = InterfaceCall::UserState(who.clone());
        let answer = world.call(basic("Anna"), InterfaceMethod::UserState, call);
        assert_eq!(answer.status, status, "{who:?}: {}", answer.content);
    }
}

// protocol 10-n and 6-a
#[test]
fn a_one_use_password_acts_once_and_for_its_own_user_only() {
    let mut world = world();
    world.log_in(0, password("boris")).expect("right");
    let temp = world.temp_password(0, 2, false);
    let own = InterfaceCall::UserState(Caller::default());
    let answer = world.call(temp.clone(), InterfaceMethod::UserState, own.clone());
    assert_eq!(answer.status, 200);
    assert!(
        answer.content.contains("name=\"usReady\""),
        "{}",
        answer.content
    );
    let again = world.call(temp, InterfaceMethod::UserState, own);
    assert_eq!(again.status, 401);
    let temp = world.temp_password(0, 2, false);
    assert_eq!(world.state_of(temp, "Anna").status, 403);
    let temp = world.temp_password(0, 2, false);
    let all = InterfaceCall::Queues {
        of: Caller::default(),
        number: None,
    };
    let queues = world.call(temp, InterfaceMethod::Queues, all);
    assert!(
        queues.content.contains("name=\"queues\" count=\"0\""),
        "{}",
        queues.content
    );
}

// protocol 7-o
#[test]
fn the_answer_to_a_one_use_password_is_copied_to_the_link_that_wants_it() {
    let mut world = world();
    world.log_in(0, password("boris")).expect("right");
    let temp = world.temp_password(0, 2, true);
    world.told.clear();
    let answer = world.state_of(temp, "Anna");
    let copies: Vec<_> = world
        .told
        .iter()
        .filter_map(|(_, what)| match what {
            Downward::ToLink { event, .. } => Some(&event.what),
            _ => None,
        })
        .collect();
    let [Occurrence::Desk(copy)] = &copies[..] else {
        panic!("{copies:?}");
    };
    let DeskEvent::HttpResponse {
        response, content, ..
    } = &**copy
    else {
        panic!("{copy:?}");
    };
    assert_eq!(&**response, "403 Forbidden");
    assert_eq!(content, &answer.content);
}

// protocol 10-b and 10-c
#[test]
fn a_script_answers_when_it_has_ended_or_at_once_when_it_is_not_waited_for() {
    let mut world = world();
    let fixed = world.call(
        basic("Anna"),
        InterfaceMethod::Script,
        script("FIXED", false),
    );
    insta::assert_snapshot!(fixed.content);
    let plain = world.call(
        basic("Anna"),
        InterfaceMethod::ScriptPlain,
        script("fixed", false),
    );
    assert_eq!((plain.is_xml, &*plain.content), (false, "a]]>b<&"));

    world.send(
        basic("Anna"),
        InterfaceMethod::ScriptPlain,
        script("run", false),
    );
    assert_eq!(world.interface_answer(), None, "it runs");
    let run = world.runs.pop().expect("a run");
    let input = r#"{"name":"run","userid":"00000000-0000-0000-0000-000000000001","userlogin":"Anna","inputparams":{"startparam1":"5"}}"#;
    assert_eq!(run.input, input);
    world
        .hub
        .handle_program(run.id, Ok(b"42".to_vec()), world.now);
    world.settle();
    let answer = world.interface_answer().expect("the end");
    assert_eq!((answer.status, &*answer.content), (200, "42"));

    let started = world.call(basic("Anna"), InterfaceMethod::Script, script("run", true));
    assert!(started.content.contains("key=\"started\" value=\"1\""));
    let run = world.runs.pop().expect("it runs all the same");
    world
        .hub
        .handle_program(run.id, Err(ProgramFailure::TooMuch), world.now);
    world.settle();
    assert_eq!(world.interface_answer(), None, "nobody waits");
}

// protocol 10-q
#[test]
fn a_script_that_fails_is_told_in_the_same_form() {
    let mut world = world();
    let unknown = world.call(
        basic("Anna"),
        InterfaceMethod::Script,
        script("other", false),
    );
    assert_eq!(unknown.status, 404);
    insta::assert_snapshot!(unknown.content);
    world.send(
        basic("Anna"),
        InterfaceMethod::ScriptPlain,
        script("run", false),
    );
    world.pass(Duration::from_secs(20));
    let late = world.interface_answer().expect("an answer in any case");
    assert_eq!(
        (late.status, &*late.content),
        (504, "the procedure took too long\n")
    );
}

// protocol 10-d
#[test]
fn a_call_is_made_swapped_and_stopped_in_the_users_name() {
    let mut world = world();
    world.log_in(0, password("boris")).expect("right");
    let phone = |call: CallRequest| InterfaceCall::Phone(caller("boris"), call);
    let start = CallRequest::AutoCallStart {
        number: "89274513158".into(),
        sequence: Sequence::User,
        intercom: false,
    };
    let done = world.call(basic("Anna"), InterfaceMethod::CallTo, phone(start.clone()));
    assert_eq!(done.status, 200);
    insta::assert_snapshot!(done.content);
    assert!(world.line_text(2).contains("89274513158"));
    let twice = world.call(basic("Anna"), InterfaceMethod::CallTo, phone(start));
    assert_eq!(twice.status, 409, "{}", twice.content);
    let flash = phone(CallRequest::Flash(FlashMode::Abort));
    let nothing = world.call(basic("Anna"), InterfaceMethod::Flash, flash);
    assert_eq!(nothing.status, 409, "{}", nothing.content);
    let stop = phone(CallRequest::AutoCallAbort);
    let stopped = world.call(basic("Anna"), InterfaceMethod::AutoCallStop, stop);
    assert_eq!(stopped.status, 200, "{}", stopped.content);
    world.pass(Duration::from_secs(1));
    assert!(!world.line_text(2).contains("89274513158"));
}

// protocol 10-f
#[test]
fn queues_tell_who_waits_and_how_many_could_answer() {
    let mut world = world();
    let call = |number: &str| {
        AdminRequest::SimCall(SimCallRequest {
            from: number.into(),
            to: "201".into(),
            name: None,
            answer_after: None,
            talk: None,
        })
    };
    world.admin(call("89270000001")).expect("a caller");
    let all = |number: Option<&str>| InterfaceCall::Queues {
        of: Caller::default(),
        number: number.map(Box::from),
    };
    let queues = world.call(basic("Anna"), InterfaceMethod::Queues, all(None));
    assert!(
        queues.content.contains("key=\"waiting\" value=\"1\""),
        "{}",
        queues.content
    );
    assert!(queues.content.contains("89270000001"));
    let none = world.call(basic("Anna"), InterfaceMethod::Queues, all(Some("999")));
    assert_eq!(none.status, 404);
}

// protocol 10-g and 10-p
#[test]
fn no_link_leads_to_a_recording_and_what_is_no_link_is_said_to_be_none() {
    let mut world = world();
    for (link, status) in [
        ("0123456789abcdef0123456789abcdef", 404),
        ("/download/0123456789abcdef0123456789abcdef", 404),
        ("", 422),
        ("../../etc/passwd", 422),
        ("short", 422),
    ] {
        let call = InterfaceCall::Record(Secret::new(link));
        let answer = world.call(basic("Anna"), InterfaceMethod::Record, call);
        assert_eq!(answer.status, status, "{link}");
    }
}
