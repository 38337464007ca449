//! What is not about calls, with the hub's own clock.

use super::*;
use crate::base::Refused;
use crate::hub::{
    DeskQuestion, DeskTold, FileChange, NotifyRequest, Procedure, ProcedureSource, ProgramFailure,
    RunTarget, StoredFile, UploadedFile,
};
use crate::protocol::{
    ChatRequest, CustomEvent, DeskAnswer, DeskEvent, DeskRequest, ErrorNumber, EventKind, EventSet,
    Occurrence, ProcedureKind, RunProcedure,
};

const TEXT: EventKind = EventKind::UserTextMessageReceived;

impl World {
    fn desk(&mut self, slot: u32, user: u128, what: DeskRequest) -> Reply {
        self.ask(slot, user, UserRequest::Desk(Box::new(what)))
    }

    fn send_text(&mut self, text: &str, recipients: &[&str]) -> Reply {
        let recipients = recipients.iter().map(|name| Box::from(*name)).collect();
        let text = text.into();
        self.desk(0, 1, DeskRequest::SendText { text, recipients })
    }

    fn listen(&mut self, slot: u32, user: u128, kinds: &[EventKind]) {
        let (user, events) = (
            UserId(Guid::from_bits(user)),
            kinds.iter().copied().collect(),
        );
        self.say(link(slot), Upward::Listens { user, events });
    }

    /// The texts that a shard was told, since the last look.
    fn texts(&mut self, shard: u16) -> Vec<String> {
        let events = self.events(shard).into_iter();
        events
            .filter_map(|event| match &event.what {
                Occurrence::Desk(what) => match &**what {
                    DeskEvent::Text(message) => Some(message.text.to_string()),
                    DeskEvent::Notification(message) => Some(message.text.to_string()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    fn refused(&self, wanted: Refused) -> bool {
        let mut told = self.told.iter();
        told.any(|(_, what)| matches!(what, Downward::Refused { reason, .. } if *reason == wanted))
    }

    fn run(&mut self, name: &str, timeout: Option<Duration>) {
        let what = UserRequest::Desk(Box::new(DeskRequest::Run(RunProcedure {
            kind: ProcedureKind::Procedure,
            name: name.into(),
            input: "{}".into(),
            timeout,
        })));
        let (request, user) = (RequestId(7), UserId(Guid::from_bits(1)));
        let what = Upward::Request {
            request,
            user,
            what,
        };
        self.say(link(0), what);
    }

    fn end_program(&mut self, run: &ProgramRun, end: Result<Vec<u8>, ProgramFailure>) {
        self.hub.handle_program(run.id, end, self.now);
        self.settle();
    }

    fn replies(&self) -> usize {
        let is_reply = |(_, what): &&(ShardId, Downward)| matches!(what, Downward::Reply { .. });
        self.told.iter().filter(is_reply).count()
    }

    fn ask_http(&mut self, question: DeskQuestion) -> Result<DeskTold, AdminFault> {
        match self.admin(AdminRequest::Desk(question))? {
            AdminReply::Desk(told) => Ok(told),
            other => panic!("another kind: {other:?}"),
        }
    }

    fn upload(&mut self, bytes: &[u8]) -> Result<String, AdminFault> {
        let temp = self.desk(0, 1, DeskRequest::TempPassword { respond: false });
        let Ok(Answer::Desk(answer)) = temp else {
            panic!("no password: {temp:?}");
        };
        let DeskAnswer::TempPassword(password) = *answer else {
            panic!("no password: {answer:?}");
        };
        let DeskTold::Ticket(ticket) = self.ask_http(DeskQuestion::Redeem(password))? else {
            panic!("no ticket");
        };
        let file = UploadedFile {
            name: "a".into(),
            bytes: bytes.into(),
        };
        let question = DeskQuestion::Uploaded {
            ticket,
            is_relative: true,
            end: Ok(vec![file]),
        };
        let DeskTold::Uploaded(content) = self.ask_http(question)? else {
            panic!("no answer");
        };
        let (_, rest) = content.split_once("path=\"").expect("a path");
        Ok(rest.split('/').next().expect("a token").to_owned())
    }
}

fn with_program() -> World {
    World::with(|config| {
        config.desk.procedures = vec![Procedure {
            kind: ProcedureKind::Procedure,
            name: "Run".into(),
            source: ProcedureSource::Program {
                target: RunTarget::Command(vec!["program".to_owned()].into()),
                timeout: Duration::from_secs(10),
                output_bytes_max: 100,
            },
        }];
        config.desk.limits.programs_max = 1;
    })
}

fn with_web() -> World {
    let mut world = World::with(|config| {
        config.desk.has_web = true;
        config.desk.limits.files_bytes_max = 100;
        config.desk.limits.uploads_per_user = 2;
    });
    world.log_in(0, password("Anna")).expect("right");
    world
}

// protocol 6.7-g
#[test]
fn a_text_waits_until_a_link_of_its_user_listens() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    world.log_in(1, password("boris")).expect("right");
    assert_eq!(world.send_text("one", &["BORIS"]), Ok(Answer::Done));
    world.listen(1, 2, &[EventKind::ShowNotifyMessage]);
    assert!(world.texts(1).is_empty(), "another kind");
    world.listen(1, 2, &[EventKind::ShowNotifyMessage, TEXT]);
    assert_eq!(world.texts(1), ["one"]);
    assert_eq!(world.send_text("two", &["boris"]), Ok(Answer::Done));
    assert_eq!(world.texts(1), ["two"], "at once");
    world.say(link(1), Upward::Gone);
    assert_eq!(world.send_text("three", &["boris"]), Ok(Answer::Done));
    world.log_in(3, password("boris")).expect("right");
    world.told.clear();
    world.listen(3, 2, &[TEXT]);
    assert_eq!(world.texts(1), ["three"]);
    world.listen(3, 2, &[]);
    assert_eq!(world.send_text("four", &["boris"]), Ok(Answer::Done));
    assert!(world.texts(1).is_empty(), "no longer subscribed");
}

// protocol 6.7-g
#[test]
fn what_waits_is_bounded_for_one_user_and_in_all() {
    let mut world = World::with(|config| {
        config.desk.limits.kept_bytes_per_user = 4096;
        config.desk.limits.kept_bytes_max = 5000;
    });
    world.log_in(0, password("Anna")).expect("right");
    let long = |letter: &str| letter.repeat(1500);
    for letter in ["a", "b", "c"] {
        assert_eq!(world.send_text(&long(letter), &["boris"]), Ok(Answer::Done));
    }
    assert!(world.refused(Refused::KeptPerUser));
    world.log_in(1, password("boris")).expect("right");
    world.listen(1, 2, &[TEXT]);
    assert_eq!(world.texts(1), [long("b"), long("c")]);
    world.say(link(1), Upward::Gone);
    // Now both are not there, and there is room for one of the two only.
    let refused = world
        .send_text(&long("d"), &["boris", "Anna"])
        .and(world.send_text(&long("e"), &["boris", "Anna"]));
    assert_eq!(refused.expect_err("no room").number, ErrorNumber::TooMany);
    assert!(world.refused(Refused::KeptMax));
    world.listen(0, 1, &[TEXT]);
    assert_eq!(
        world.texts(0),
        [long("d")],
        "the one without room was sent to nobody"
    );
}

// protocol 6.7-f
#[test]
fn what_many_are_told_is_bounded_a_second() {
    let mut world = World::with(|config| {
        for index in 10..200_u128 {
            let (login, number) = (format!("u{index}"), format!("9{index}"));
            config.directory.users.push(user(index, &login, &number));
        }
    });
    world.log_in(0, password("Anna")).expect("right");
    let event = |recipients: Vec<Box<str>>| {
        DeskRequest::CustomEvent(CustomEvent {
            name: "x".into(),
            param: "1".into(),
            recipients,
            send_back: false,
        })
    };
    let many: Vec<Box<str>> = (10..200).map(|index| format!("u{index}").into()).collect();
    let few: Vec<Box<str>> = many[..50].to_vec();
    for _ in 0..20 {
        assert_eq!(world.desk(0, 1, event(many.clone())), Ok(Answer::Done));
    }
    for recipients in [many.clone(), Vec::new()] {
        let refused = world.desk(0, 1, event(recipients)).expect_err("too many");
        assert_eq!(refused.number, ErrorNumber::TooMany);
    }
    assert!(world.refused(Refused::Broadcasts));
    assert_eq!(world.desk(0, 1, event(few)), Ok(Answer::Done));
    assert_eq!(
        world.desk(0, 2, event(Vec::new())),
        Ok(Answer::Done),
        "another user"
    );
    world.pass(Duration::from_secs(1));
    assert_eq!(world.desk(0, 1, event(many)), Ok(Answer::Done));
}

// protocol 6.7-m
#[test]
fn a_program_that_nobody_hears_of_again_is_answered_all_the_same() {
    let mut world = with_program();
    world.log_in(0, password("Anna")).expect("right");
    world.run("RUN", None);
    let run = world.runs.remove(0);
    assert_eq!(
        (run.timeout, run.output_bytes_max),
        (Duration::from_secs(10), 100)
    );
    let input = r#"{"name":"Run","userid":"00000000-0000-0000-0000-000000000001","userlogin":"Anna","inputparams":{}}"#;
    assert_eq!(run.input, input);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.replies(), 0, "whoever runs it has to say so first");
    world.pass(Duration::from_secs(2));
    assert_eq!(
        world.reply().expect_err("late").number,
        ErrorNumber::TimedOut
    );
    assert!(world.refused(Refused::ProgramTimeout));
    // It still counts as running until its end is told, which answers nobody any more.
    world.run("run", Some(Duration::from_secs(60)));
    assert!(world.runs.is_empty());
    world.end_program(&run, Ok(b"[]".to_vec()));
    assert_eq!(world.replies(), 0);
    let next = world.runs.remove(0);
    assert_eq!(
        next.timeout,
        Duration::from_secs(10),
        "the settings' time is the longest"
    );
    world.end_program(&next, Ok(b"[]".to_vec()));
    let dataset = Answer::Desk(Box::new(DeskAnswer::Dataset("[]".into())));
    assert_eq!(world.reply(), Ok(dataset));
    world.end_program(&next, Ok(b"[]".to_vec()));
    assert_eq!(world.replies(), 0, "its end is told once");
}

// protocol 6.7-m
#[test]
fn a_run_that_waits_too_long_for_others_is_answered_and_never_begun() {
    let mut world = with_program();
    world.log_in(0, password("Anna")).expect("right");
    world.run("run", None);
    world.run("run", Some(Duration::from_secs(1)));
    world.pass(Duration::from_secs(7));
    assert_eq!(
        world.reply().expect_err("late").number,
        ErrorNumber::TimedOut
    );
    let run = world.runs.remove(0);
    world.end_program(&run, Err(ProgramFailure::TooMuch));
    assert_eq!(
        world.reply().expect_err("too much").number,
        ErrorNumber::TooBig
    );
    assert!(world.runs.is_empty());
    assert_eq!(world.hub.desk.next_timeout(), None, "nothing is left");
}

// protocol 6.7-d, 10-l and 10-m
#[test]
fn passwords_and_uploads_end_in_time_and_photos_do_not() {
    let mut world = with_web();
    let temp = world.desk(0, 1, DeskRequest::TempPassword { respond: true });
    let Ok(Answer::Desk(answer)) = temp else {
        panic!("{temp:?}");
    };
    let DeskAnswer::TempPassword(password) = *answer else {
        panic!("{answer:?}");
    };
    world.pass(Duration::from_secs(300));
    let refused = world.ask_http(DeskQuestion::Redeem(password));
    assert_eq!(refused.expect_err("too old").status, 401);
    let token = world.upload(b"GIF89a...").expect("room");
    let path = token.as_str().into();
    let set = world.desk(0, 1, DeskRequest::SetPhoto { path });
    assert!(set.is_ok(), "{set:?}");
    let secret = Secret::new(token.as_str());
    assert!(world.ask_http(DeskQuestion::File(secret.clone())).is_ok());
    world.pass(Duration::from_secs(24 * 3600));
    let gone = world.ask_http(DeskQuestion::File(secret));
    assert_eq!(gone.expect_err("a day is over").status, 404);
    match world.ask(0, 2, UserRequest::AllUserPhotoLinks) {
        Ok(Answer::PhotoLinks(links)) => assert_eq!(links.len(), 1),
        other => panic!("{other:?}"),
    }
    let path = token.as_str().into();
    let over = world.desk(0, 1, DeskRequest::SetPhoto { path });
    assert_eq!(over.expect_err("gone").number, ErrorNumber::NotFound);
}

// protocol 10-l
#[test]
fn the_memory_of_files_is_given_back() {
    let mut world = with_web();
    for _ in 0..10 {
        world.upload(&[0; 40]).expect("the oldest made room");
    }
    assert_eq!(world.upload(&[0; 90]).expect_err("no room").status, 507);
    assert!(world.refused(Refused::FilesMax));
    world.pass(Duration::from_secs(24 * 3600));
    world.upload(&[0; 90]).expect("all is given back");
}

#[test]
fn without_an_http_interface_there_is_no_password_for_it() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    let refused = world.desk(0, 1, DeskRequest::TempPassword { respond: true });
    assert_eq!(
        refused.expect_err("no web").number,
        ErrorNumber::NotAvailable
    );
}

// protocol 6.7-h
#[test]
fn a_notification_is_kept_or_told() {
    let mut world = World::new();
    let notify = |user: &str| {
        DeskQuestion::Notify(NotifyRequest {
            user: user.into(),
            text: "look".into(),
            sender: "".into(),
            kind: 0,
            auto_hide: false,
            back_color: "FFFFFFFF".into(),
            save: false,
        })
    };
    let told = world.ask_http(notify("anna")).expect("known");
    assert!(matches!(told, DeskTold::Notified { is_kept: true, .. }));
    world.log_in(0, password("Anna")).expect("right");
    world.listen(0, 1, &[EventKind::ShowNotifyMessage]);
    assert_eq!(world.texts(0), ["look"]);
    let told = world.ask_http(notify("anna")).expect("known");
    assert!(matches!(told, DeskTold::Notified { is_kept: false, .. }));
}

// protocol 6.7-k
#[test]
fn chats_stay_within_their_memory_and_give_it_back() {
    let mut world = World::with(|config| config.desk.limits.chat_bytes_max = 4000);
    world.log_in(0, password("Anna")).expect("right");
    let mut chats = Vec::new();
    for name in ["a", "b"] {
        let (name, members) = (name.into(), Vec::new());
        let created = world.desk(
            0,
            1,
            DeskRequest::Chat(ChatRequest::Create { name, members }),
        );
        let Ok(Answer::Desk(answer)) = created else {
            panic!("{created:?}");
        };
        match *answer {
            DeskAnswer::Chat(info) => chats.push(info.id),
            other => panic!("{other:?}"),
        }
    }
    let say = |world: &mut World, chat: Guid| {
        let text = "x".repeat(1500).into();
        world.desk(0, 1, DeskRequest::Chat(ChatRequest::Send { chat, text }))
    };
    for _ in 0..5 {
        say(&mut world, chats[0]).expect("its own older ones make room");
    }
    assert_eq!(
        say(&mut world, chats[1]).expect_err("no room").number,
        ErrorNumber::TooMany
    );
    assert!(world.refused(Refused::ChatBytes));
    let chat = chats[0];
    world
        .desk(0, 1, DeskRequest::Chat(ChatRequest::Leave { chat }))
        .expect("a member");
    say(&mut world, chats[1]).expect("a chat without members is gone with what was said");
}

#[test]
fn only_what_is_kept_is_asked_about() {
    assert!(EventSet::KEPT.contains(TEXT));
    assert!(EventSet::KEPT.contains(EventKind::ShowNotifyMessage));
    assert!(!EventSet::KEPT.contains(EventKind::CustomEvent));
}

// protocol 10-l
#[test]
fn files_that_are_kept_outlive_the_gateway_with_their_links() {
    let first = |config: &mut Config| {
        config.desk.has_web = true;
        config.desk.stored = Some(Vec::new());
    };
    let mut world = World::with(first);
    world.log_in(0, password("Anna")).expect("right");
    let token = world.upload(b"GIF89a...").expect("room");
    let path = token.as_str().into();
    world
        .desk(0, 1, DeskRequest::SetPhoto { path })
        .expect("a picture");
    let stored: Vec<StoredFile> = std::mem::take(&mut world.files)
        .into_iter()
        .map(kept)
        .collect();
    assert_eq!(stored.len(), 2);
    let mut nobodys = stored[0].clone();
    nobodys.owner = UserId(Guid::from_bits(99));
    let mut old = stored[0].clone();
    old.until_unix = Some(1);
    let again = [stored.clone(), vec![nobodys, old]].concat();
    let mut world = World::with(|config| config.desk.stored = Some(again));
    assert_eq!(
        world.files.len(),
        2,
        "what nobody wants is forgotten: {:?}",
        world.files
    );
    let secret = Secret::new(token.as_str());
    assert!(world.ask_http(DeskQuestion::File(secret.clone())).is_ok());
    match world.ask(0, 2, UserRequest::AllUserPhotoLinks) {
        Ok(Answer::PhotoLinks(links)) => assert!(links[0].link.contains(stored[1].token.reveal())),
        other => panic!("{other:?}"),
    }
    world.files.clear();
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!(
        world.files,
        [FileChange::Forget(secret)],
        "its time goes on"
    );
}

fn kept(change: FileChange) -> StoredFile {
    match change {
        FileChange::Keep(stored) => stored,
        FileChange::Forget(_) => panic!("nothing is to be forgotten"),
    }
}
