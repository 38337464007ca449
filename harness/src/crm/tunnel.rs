//! Owns the users who speak over the CRM's link (protocol 5, way 1): they log in, ask in an open model at a set rate, log out
//! and in again, and every answer is checked for whose it is.
//!
//! Who asks what comes out of a seed. Answers come in from the link; a [`TunnelReport`] goes out.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::behaviour::{Packets, Users};
use super::link::Outgoing;
use crate::message::{Message, answer_name, guid};
use crate::report::{self, Latency};

/// What became of the users' requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TunnelReport {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that could not be sent, since too many were waiting already.
    pub unsent: u64,
    /// Right answers.
    pub answered: u64,
    /// Answers with `result: 0`.
    pub failed: u64,
    /// Answers with another name or for another user.
    pub wrong: u64,
    /// Requests whose link ended before an answer came.
    pub lost: u64,
    /// Requests that wait for their answer.
    pub waiting: u64,
    /// The first answer that was failed or wrong.
    pub first_bad: Option<String>,
    /// From request to right answer.
    pub latency: Latency,
}

impl fmt::Display for TunnelReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "users' requests: {} sent, {} answered, {} failed, {} wrong, {} lost, {} waiting, {} not sent; {}",
            self.sent,
            self.answered,
            self.failed,
            self.wrong,
            self.lost,
            self.waiting,
            self.unsent,
            self.latency
        )?;
        match &self.first_bad {
            Some(bad) => write!(formatter, "\nthe first that was not right: {bad}"),
            None => Ok(()),
        }
    }
}

/// The requests of all links.
#[derive(Debug)]
pub(super) struct Tunnel {
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    waiting: HashMap<String, Waiting>,
    report: TunnelReport,
    latency: Histogram<u64>,
}

#[derive(Debug)]
struct Waiting {
    link: u64,
    method: String,
    user: User,
    sent_at: Instant,
}

/// A user with the CRM's own id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    login: String,
    id: String,
}

impl Default for Tunnel {
    fn default() -> Self {
        let latency = report::histogram();
        let report = TunnelReport {
            sent: 0,
            unsent: 0,
            answered: 0,
            failed: 0,
            wrong: 0,
            lost: 0,
            waiting: 0,
            first_bad: None,
            latency: Latency::from(&latency),
        };
        Self {
            book: Mutex::new(Book {
                waiting: HashMap::new(),
                report,
                latency,
            }),
        }
    }
}

impl Tunnel {
    /// How it stands.
    pub(super) fn report(&self) -> TunnelReport {
        let book = self.book();
        TunnelReport {
            waiting: book.waiting.len() as u64,
            latency: Latency::from(&book.latency),
            ..book.report.clone()
        }
    }

    /// Takes what came, if it answers one of the requests; says what is wrong with the answer.
    pub(super) fn take(&self, message: &Message) -> Option<String> {
        let mut book = self.book();
        let waiting = book.waiting.remove(message.qid()?)?;
        let user = (message.text("userlogin"), message.text("userid"));
        let is_right = message.name == answer_name(&waiting.method)
            && user == (Some(&waiting.user.login), Some(&waiting.user.id));
        let is_good = is_right && message.succeeded();
        if is_good {
            book.report.answered += 1;
            report::record(&mut book.latency, waiting.sent_at.elapsed());
            return None;
        }
        if is_right {
            book.report.failed += 1;
        } else {
            book.report.wrong += 1;
        }
        let asked = format!("{} of {}", waiting.method, waiting.user.login);
        let bad = format!("{asked} got {}", message.to_text());
        book.report.first_bad.get_or_insert_with(|| bad.clone());
        Some(bad)
    }

    /// Nobody answers any more over this link.
    pub(super) fn link_ended(&self, link: u64) {
        let mut book = self.book();
        let before = book.waiting.len();
        book.waiting.retain(|_, waiting| waiting.link != link);
        book.report.lost += (before - book.waiting.len()) as u64;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic while the lock is held cannot leave the counts half-written.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the users of the options speak over a link until it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    link: u64,
    sender: mpsc::Sender<Outgoing>,
    listed: Arc<Notify>,
) {
    let Some(users) = shared.options.behaviour.users.clone() else {
        return;
    };
    // What the gateway learns from the list comes before what the users do; some gateways never ask.
    let _ = timeout(LIST_MAX, listed.notified()).await;
    let crowd = Crowd {
        random: ChaCha8Rng::seed_from_u64(shared.options.seed ^ (link << 32)),
        shared,
        link,
        sender,
        users,
    };
    crowd.run().await;
}

struct Crowd {
    random: ChaCha8Rng,
    shared: Arc<Shared>,
    link: u64,
    sender: mpsc::Sender<Outgoing>,
    users: Users,
}

impl Crowd {
    async fn run(mut self) {
        for place in 0..self.users.count {
            let user = self.user(place);
            if self.shared.mind().is_active(&user.login) {
                continue;
            }
            self.shared.mind().log_in(&user.login, &user.id);
            let request = self.request("login", user);
            let sent = self.sender.send(request).await;
            if sent.is_err() {
                return;
            }
        }
        let rate = self.users.rate + self.users.churn;
        if rate == 0.0 {
            return;
        }
        let mut next = Instant::now();
        loop {
            next += self.pause(rate);
            sleep_until(next).await;
            let place = self.random.random_range(0..self.users.count);
            let user = self.user(place);
            if self.random.random_bool(self.users.churn / rate) {
                self.shared.mind().log_out(&user.login);
                self.ask("logout", &user);
                self.shared.mind().log_in(&user.login, &user.id);
                self.ask("login", &user);
            } else {
                let chosen = self.random.random_range(0..self.users.methods.len());
                let method = self.users.methods[chosen].clone();
                self.ask(&method, &user);
            }
        }
    }

    /// The time to the next request, as independent people leave it.
    fn pause(&mut self, rate: f64) -> Duration {
        let chance: f64 = self.random.random_range(f64::EPSILON..1.0);
        Duration::from_secs_f64(-chance.ln() / rate)
    }

    fn user(&self, place: usize) -> User {
        let number = self.users.first + place;
        User {
            login: format!("{}{number}", self.users.prefix),
            id: format!("{}{number}", self.users.id_prefix),
        }
    }

    /// Sends at once or not at all: who waited for room would ask more slowly than was told.
    fn ask(&mut self, method: &str, user: &User) {
        let Ok(place) = self.sender.clone().try_reserve_owned() else {
            self.shared.tunnel.book().report.unsent += 1;
            return;
        };
        place.send(self.request(method, user.clone()));
    }

    fn request(&self, method: &str, user: User) -> Outgoing {
        let qid = guid();
        let fields = json!({"qid": qid, "userlogin": user.login, "userid": user.id});
        let mut book = self.shared.tunnel.book();
        book.report.sent += 1;
        book.waiting.insert(
            qid,
            Waiting {
                link: self.link,
                method: method.to_owned(),
                user,
                sent_at: Instant::now(),
            },
        );
        Outgoing::Message(Message::new(method, fields), Packets::Auto)
    }
}

/// How long the users wait for the gateway to ask who is active.
const LIST_MAX: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(tunnel: &Tunnel, qid: &str) {
        let user = User {
            login: "user1".into(),
            id: "crm-1".into(),
        };
        tunnel.book().waiting.insert(
            qid.to_owned(),
            Waiting {
                link: 1,
                method: "getuserstate".into(),
                user,
                sent_at: Instant::now(),
            },
        );
    }

    #[tokio::test]
    async fn answers_are_right_failed_wrong_or_lost() {
        let tunnel = Tunnel::default();
        for qid in ["1", "2", "3", "4", "5"] {
            waiting(&tunnel, qid);
        }
        let answer = |qid: &str, id: &str, result: i32| {
            let fields = json!({"qid": qid, "userlogin": "user1", "userid": id, "result": result});
            Message::new("getuserstateresult", fields)
        };
        tunnel.take(&answer("1", "crm-1", 1));
        tunnel.take(&answer("1", "crm-1", 1));
        let wrong = tunnel.take(&answer("2", "crm-2", 1)).unwrap();
        assert!(wrong.starts_with("getuserstate of user1 got ["), "{wrong}");
        tunnel.take(&answer("3", "crm-1", 0));
        tunnel.link_ended(2);
        assert_eq!(tunnel.report().waiting, 2);
        tunnel.link_ended(1);
        let report = tunnel.report();
        let counts = (report.answered, report.wrong, report.failed, report.lost);
        assert_eq!(counts, (1, 1, 1, 2));
        assert!(report.first_bad.unwrap().contains("crm-2"));
    }
}
