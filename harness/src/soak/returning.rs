//! Owns one tab of a soak whose link goes through the fault proxy: it loses the link and comes back as a browser library does,
//! with back-off, login by session and the whole opening sequence.
//!
//! While a link lives it must bring every event of the user once and in order, and no answer that was not asked for; after each
//! return the tab's picture must be that of the user's witness. How a link may end is told apart from what a gateway must not do.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::World;
use super::desk::Part;
use super::held::{ASK_MS, choose_method};
use super::phase::Phase;
use super::pictures::{LINE, Picture, STATE};
use super::tab_link::TabLink;
use super::watch::{Gate, Kind};
use crate::error::{Error, Result};
use crate::gateway::DEFAULT_PASSWORD;
use crate::message::Message;
use crate::raw_link::NO_CODE;
use crate::tab::opening;

/// A tab that comes and goes.
pub(super) struct ReturningTab {
    world: Rc<World>,
    index: usize,
    /// Where the proxy listens.
    address: SocketAddr,
    random: ChaCha8Rng,
    phases: watch::Receiver<Phase>,
    session: Option<String>,
}

impl ReturningTab {
    pub(super) fn new(world: &Rc<World>, index: usize, address: SocketAddr) -> Self {
        Self {
            world: Rc::clone(world),
            index,
            address,
            random: world.random(RETURNING_STREAM + index as u64),
            phases: world.phases.subscribe(),
            session: None,
        }
    }

    /// Is there, comes back, and closes in order when the phase is over.
    pub(super) async fn hold(mut self) {
        let mut is_first = true;
        while let Some(mut link) = self.come_back().await {
            if !std::mem::take(&mut is_first) {
                self.world.watch.count(|counts| counts.returns += 1);
            }
            let ended = self.stay(&mut link).await;
            drop(link);
            self.world.agreed.borrow_mut().remove(&self.index);
            match ended {
                Ok(()) => return,
                Err(error) => self.note_loss(&error),
            }
        }
    }

    /// Tries until there is a link that went through its opening; `None` when the phase is over.
    async fn come_back(&mut self) -> Option<TabLink> {
        let mut bound = BACK_OFF_MIN;
        loop {
            match self.open().await {
                Ok(link) => return Some(link),
                Err(error) => self.note_failed_opening(&error),
            }
            let pause = bound.mul_f64(self.random.random_range(0.2..1.0));
            bound = BACK_OFF_MAX.min(bound * 2);
            let over = self.phases.wait_for(|phase| *phase == Phase::Over);
            if timeout(pause, over).await.is_ok() {
                return None;
            }
        }
    }

    /// Connects, logs in, and asks everything that a library asks.
    async fn open(&mut self) -> Result<TabLink> {
        let (world, address, index) = (&self.world, self.address, self.index);
        let mut link = TabLink::connect(world, address, index, Part::Opening).await?;
        let login = super::login_of(link.desk.user());
        for (method, fields) in opening::sequence(&login, DEFAULT_PASSWORD) {
            if method == "login" {
                self.log_in(&mut link, &login, fields).await?;
                continue;
            }
            let answer = link.request(method, fields, Kind::Returning, OPENING_MAX);
            answer.await?.into_success(method)?;
        }
        link.desk.opened();
        Ok(link)
    }

    /// Logs in by the session, if there is one that is still known, else by password.
    async fn log_in(&mut self, link: &mut TabLink, login: &str, password: Value) -> Result<()> {
        let mut ask = async |fields| {
            let answer = link.request("login", fields, Kind::Returning, OPENING_MAX);
            answer.await
        };
        if let Some(session) = self.session.take() {
            let answer = ask(json!({"userlogin": login, "sessionid": session})).await?;
            if answer.succeeded() {
                // protocol 6.1-u
                if answer.text("sessionid") != Some(&session) {
                    return Err(wrong_answer(&answer));
                }
                self.session = Some(session);
                self.world.watch.count(|counts| counts.by_session += 1);
                return Ok(());
            }
            // protocol 6.1-q: the only reason that there may be.
            if answer.text("errormsg") != Some(NO_SESSION) {
                return Err(wrong_answer(&answer));
            }
        }
        let answer = ask(password).await?.into_success("login")?;
        self.session = answer.text("sessionid").map(str::to_owned);
        if self.session.is_none() {
            return Err(wrong_answer(&answer));
        }
        self.world.watch.count(|counts| counts.by_password += 1);
        Ok(())
    }

    /// Uses the link until it is lost, which is an error, or the phase is over.
    async fn stay(&mut self, link: &mut TabLink) -> Result<()> {
        self.compare(link, TRIES_MAX).await?;
        let patience = self.world.scaled(PATIENCE_MS).max(PATIENCE_MIN);
        let mut phase = *self.phases.borrow_and_update();
        let mut next = self.next_request();
        loop {
            match phase {
                Phase::Over => return link.close(OPENING_MAX).await,
                Phase::Calm if !self.has_agreed() => {
                    self.compare(link, 1).await?;
                }
                _ => {}
            }
            let late = link.desk.next_late(patience);
            let is_asking = phase.is_lively() || (phase == Phase::Calm && !self.has_agreed());
            tokio::select! {
                done = link.progress() => done?,
                // It does not fail: the tab's own world shows the phases.
                _ = self.phases.changed() => phase = *self.phases.borrow(),
                () = sleep_until(next), if is_asking => {
                    let method = choose_method(&mut self.random);
                    link.ask(method, json!({}), Kind::Returning)?;
                    next = self.next_request();
                }
                () = sleep_until(late.unwrap_or(next)), if late.is_some() => return Err(silent(patience)),
            }
        }
    }

    fn next_request(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.random.random_range(ASK_MS))
    }

    fn has_agreed(&self) -> bool {
        self.world.agreed.borrow().contains(&self.index)
    }

    /// Holds this tab's picture against that of the user's witness. If the user's story goes on meanwhile, they may be of two
    /// moments, and are taken again.
    async fn compare(&mut self, link: &mut TabLink, tries: usize) -> Result<()> {
        let world = Rc::clone(&self.world);
        let user = link.desk.user();
        for _ in 0..tries {
            let before = world.stories.length(user);
            let mut ask = async |method| {
                let answer = link.request(method, json!({}), Kind::Returning, OPENING_MAX);
                answer.await?.into_success(method)
            };
            let mine = Picture::of(ask(STATE).await?, ask(LINE).await?);
            let theirs = world.witnesses.picture(user, WITNESS_MAX).await;
            if let Some(theirs) = theirs
                && world.stories.length(user) == before
            {
                if let Some(difference) = mine.difference(&theirs) {
                    let index = self.index;
                    let what = format_args!("tab {index} of user {user}: {difference}");
                    world.watch.fail(Gate::Returns, what);
                }
                world.watch.count(|counts| counts.pictures += 1);
                world.agreed.borrow_mut().insert(self.index);
                return Ok(());
            }
            sleep(BETWEEN_TRIES).await;
        }
        Ok(())
    }

    /// A link is lost: by the network, or by a gateway that has heard nothing, or was not read, for too long.
    fn note_loss(&self, error: &Error) {
        let how = how_it_ended(error);
        self.world.watch.count(|counts| {
            *counts.losses.entry(how.unwrap_or("wrongly")).or_default() += 1;
        });
        if how.is_none() {
            let what = format_args!("tab {} lost its link: {error}", self.index);
            self.world.watch.fail(Gate::Returns, what);
        }
    }

    fn note_failed_opening(&self, error: &Error) {
        self.world.watch.count(|counts| counts.failed_openings += 1);
        if how_it_ended(error).is_none() {
            let what = format_args!("tab {} could not open: {error}", self.index);
            self.world.watch.fail(Gate::Returns, what);
        }
    }
}

/// How a link ended or could not be made, in a word, if a network that fails can be the reason.
fn how_it_ended(error: &Error) -> Option<&'static str> {
    match error {
        Error::Connect { .. } => Some("not connected"),
        Error::Io { .. } => Some("reset"),
        Error::Deadline { .. } => Some("silent"),
        Error::Closed { close, .. } => match close.as_str() {
            NO_CODE => Some("ended"),
            // protocol 3.5-c: it was silent for too long.
            "1001" => Some("closed with 1001"),
            // protocol 9-f: it did not read.
            "1013" => Some("closed with 1013"),
            _ => None,
        },
        _ => None,
    }
}

fn wrong_answer(answer: &Message) -> Error {
    Error::WrongAnswer {
        method: "login".into(),
        answer: answer.to_text(),
    }
}

fn silent(after: Duration) -> Error {
    Error::Deadline {
        awaited: "an answer".into(),
        after,
        instead: "nothing that answers it".into(),
    }
}

/// What the gateway says of a session that it does not know.
const NO_SESSION: &str = "Bad request. Session does not exist";
/// The bound of the first pause between two tries.
const BACK_OFF_MIN: Duration = Duration::from_millis(250);
/// The greatest bound of a pause.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How long an answer within the opening may take.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// After how much silence a tab gives its link up.
const PATIENCE_MS: u64 = 20_000;
/// In a short soak.
const PATIENCE_MIN: Duration = Duration::from_secs(3);
/// How long a witness may take to give its picture.
const WITNESS_MAX: Duration = Duration::from_secs(5);
/// How often a picture is taken again while the user's story goes on.
const TRIES_MAX: usize = 5;
/// The pause between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// Where these tabs' streams of random numbers begin.
const RETURNING_STREAM: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio_tungstenite::tungstenite::Message as Frame;
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    use super::*;
    use crate::admin::Admin;
    use crate::message::answer_name;
    use crate::soak::SoakOptions;
    use crate::soak::pictures::Wanted;

    /// What a server sends for a request.
    type Manner = fn(&Message) -> Frame;

    /// Success for every request, and a session for a login.
    fn well(request: &Message) -> Frame {
        let mut fields = json!({"qid": request.qid(), "result": 1, "userstateid": 1});
        if request.name == "login" {
            fields["sessionid"] = "s".into();
        }
        Frame::text(Message::new(answer_name(&request.name), fields).to_text())
    }

    /// Likewise, but no session is known.
    fn forgetful(request: &Message) -> Frame {
        refusing(request, NO_SESSION)
    }

    /// Likewise, but sessions are refused for another reason.
    fn stubborn(request: &Message) -> Frame {
        refusing(request, "Service not available")
    }

    fn refusing(request: &Message, words: &str) -> Frame {
        if request.text("sessionid").is_none() {
            return well(request);
        }
        let fields = json!({"qid": request.qid(), "result": 0, "errormsg": words});
        Frame::text(Message::new("loginresult", fields).to_text())
    }

    /// Likewise, and behind the opening a close frame that tells of silence.
    fn deaf(request: &Message) -> Frame {
        closing(request, 1001)
    }

    /// Likewise, and behind the opening a close frame that tells of a protocol error.
    fn picky(request: &Message) -> Frame {
        closing(request, 1002)
    }

    fn closing(request: &Message, code: u16) -> Frame {
        let opening = opening::sequence("", "").len();
        let place: usize = request.qid().unwrap().parse().unwrap();
        if place < opening {
            return well(request);
        }
        Frame::Close(Some(CloseFrame {
            code: code.into(),
            reason: "".into(),
        }))
    }

    /// A server of this manner; gives its address and every login.
    async fn server(manner: Manner) -> (SocketAddr, mpsc::UnboundedReceiver<Message>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (logins, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let logins = logins.clone();
                tokio::spawn(async move {
                    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                    while let Some(Ok(Frame::Text(text))) = socket.next().await {
                        let request = Message::parse(&text).unwrap();
                        if request.name == "login" {
                            logins.send(request.clone()).unwrap();
                        }
                        socket.send(manner(&request)).await.unwrap();
                    }
                });
            }
        });
        (address, seen)
    }

    fn world() -> Rc<World> {
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let options = SoakOptions::of_test(4, 1, Duration::from_secs(60));
        Rc::new(World::new(options, nowhere, Admin::new(nowhere), None))
    }

    /// The user's witness, who is shown this state.
    fn witness(world: &World, state: u64) {
        let mut wishes = world.witnesses.enlist(0);
        tokio::spawn(async move {
            while let Some(Wanted { state: tell, line }) = wishes.recv().await {
                let fields = json!({"result": 1, "userstateid": state});
                tell.send(Message::new("getuserstateresult", fields))
                    .unwrap();
                let fields = json!({"result": 1, "userstateid": 1});
                line.send(Message::new("getextendedlineinforesult", fields))
                    .unwrap();
            }
        });
    }

    fn gates(world: &World) -> Vec<Gate> {
        let failures = world.watch.failures().into_iter();
        failures.map(|failed| failed.gate).collect()
    }

    #[tokio::test]
    async fn a_tab_comes_back_by_its_session_and_by_password_where_that_is_gone() {
        for (manner, by_session, by_password) in [(well as Manner, 1, 1), (forgetful, 0, 2)] {
            let (world, (address, mut logins)) = (world(), server(manner).await);
            let mut tab = ReturningTab::new(&world, 3, address);
            drop(tab.open().await.unwrap());
            drop(tab.open().await.unwrap());
            let counts = world.watch.counts();
            assert_eq!(
                (counts.by_session, counts.by_password),
                (by_session, by_password)
            );
            assert!(logins.recv().await.unwrap().text("Password").is_some());
            assert_eq!(logins.recv().await.unwrap().text("sessionid"), Some("s"));
            assert_eq!((gates(&world), world.watch.open_requests()), (vec![], 0));
        }
    }

    #[tokio::test]
    async fn a_session_that_is_refused_without_reason_is_a_failure() {
        let (world, (address, _logins)) = (world(), server(stubborn).await);
        let mut tab = ReturningTab::new(&world, 3, address);
        drop(tab.open().await.unwrap());
        let Err(error) = tab.open().await else {
            panic!("it was let in");
        };
        tab.note_failed_opening(&error);
        assert_eq!(gates(&world), [Gate::Returns], "{error}");
    }

    #[tokio::test]
    async fn a_picture_that_is_not_the_witnesses_is_a_failure() {
        for (state, failed) in [(1, vec![]), (5, vec![Gate::Returns])] {
            let (world, (address, _logins)) = (world(), server(well).await);
            witness(&world, state);
            let mut tab = ReturningTab::new(&world, 3, address);
            let mut link = tab.open().await.unwrap();
            tab.compare(&mut link, 1).await.unwrap();
            assert_eq!(gates(&world), failed, "{:?}", world.watch.failures());
            assert!(tab.has_agreed());
        }
    }

    #[tokio::test]
    async fn a_link_may_be_closed_for_silence_but_not_for_what_was_said() {
        for (manner, failed) in [(deaf as Manner, vec![]), (picky, vec![Gate::Returns])] {
            let (world, (address, _logins)) = (world(), server(manner).await);
            let mut tab = ReturningTab::new(&world, 3, address);
            let mut link = tab.open().await.unwrap();
            let lost = tab.stay(&mut link).await.unwrap_err();
            tab.note_loss(&lost);
            assert_eq!(gates(&world), failed, "{lost}");
            assert_eq!(world.watch.counts().losses.values().sum::<u64>(), 1);
        }
    }

    #[test]
    fn a_refused_handshake_and_a_message_that_cannot_be_read_are_no_faults_of_the_network() {
        let refused = Error::Refused {
            status: 503,
            headers: Vec::new(),
            body: String::new(),
        };
        for wrong in [refused, Error::Malformed("x".into())] {
            assert_eq!(how_it_ended(&wrong), None, "{wrong}");
        }
        let reset = Error::io("driving a link", std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(how_it_ended(&reset), Some("reset"));
        assert_eq!(how_it_ended(&silent(PATIENCE_MIN)), Some("silent"));
    }
}
