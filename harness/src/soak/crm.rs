//! Owns the simulated CRM of a soak, which is stopped and started again now and then. Behind a fault proxy its users come and go
//! besides, and after each heal the gateway's list of them must be the CRM's.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::World;
use super::phase::pass;
use super::watch::Gate;
use crate::crm::{ActiveUser, CrmHandle, CrmOptions, SimulatedCrm};
use crate::error::Result;
use crate::message::{Message, guid};

/// The CRM of a soak.
#[derive(Debug)]
pub(super) struct Crm {
    /// How it is started again.
    options: CrmOptions,
    handle: CrmHandle,
    /// Which of the users who have no tab are active in it.
    active: BTreeSet<usize>,
}

impl Crm {
    /// Starts the CRM.
    pub(super) async fn start(options: CrmOptions) -> Result<Self> {
        Ok(Self {
            handle: SimulatedCrm::start(options.clone()).await?,
            options,
            active: BTreeSet::new(),
        })
    }

    /// Lets the CRM, and its users, come and go until the traffic ends; it runs when this returns, unless its address is lost.
    pub(super) async fn come_and_go(
        mut self,
        world: Rc<World>,
        mut random: ChaCha8Rng,
    ) -> Option<Self> {
        let mut phases = world.phases.subscribe();
        let up = |random: &mut ChaCha8Rng| world.scaled(random.random_range(UP_MS));
        for round in 1_u32.. {
            if !pass(&mut phases, up(&mut random)).await {
                break;
            }
            if world.proxies.is_some() {
                self.turn(random.random_range(0..super::CRM_USERS)).await;
                if round.is_multiple_of(ROUNDS_PER_HEAL) {
                    self.heal(&world).await;
                    continue;
                }
            }
            let pause = world.scaled(random.random_range(DOWN_MS));
            // However the pause ends, the CRM comes back.
            self = match self.stop_and_start(&world, pass(&mut phases, pause)).await {
                Ok(crm) => crm,
                Err(error) => {
                    world.watch.fail(Gate::Scenario, error);
                    return None;
                }
            };
        }
        if world.proxies.is_some() {
            self.heal(&world).await;
        }
        Some(self)
    }

    async fn stop_and_start(
        mut self,
        world: &World,
        pause: impl Future<Output = bool>,
    ) -> Result<Self> {
        self.handle.stop().await;
        world.watch.count(|counts| counts.crm_stops += 1);
        pause.await;
        let active = self.active.iter().map(|user| ActiveUser {
            login: super::crm_login(*user),
            id: crm_id(*user),
        });
        self.options.active_users = active.collect();
        Ok(Self {
            handle: SimulatedCrm::start(self.options.clone()).await?,
            ..self
        })
    }

    /// A user who was active is so no more, or the other way round. The gateway is told, if there is a link; what is lost with a
    /// link the next one's list makes good.
    async fn turn(&mut self, user: usize) {
        let (login, id) = (super::crm_login(user), crm_id(user));
        let name = if self.active.remove(&user) {
            self.handle.unlist_user(&login);
            "logout"
        } else {
            self.active.insert(user);
            self.handle.list_user(&login, &id);
            "login"
        };
        let fields = json!({"qid": guid(), "userlogin": login, "userid": id});
        if let Err(error) = self.handle.send(Message::new(name, fields)).await {
            tracing::debug!(%error, name, "the CRM could not tell of its user");
        }
    }

    /// Lets everything through until both ends agree on who is active, and then fails again, if the traffic goes on.
    async fn heal(&mut self, world: &World) {
        let Some(proxies) = &world.proxies else {
            return;
        };
        proxies.crm.heal();
        let deadline = Instant::now() + HEAL_MAX;
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let why = match self.disagreement(world).await {
                Ok(None) => {
                    world.watch.count(|counts| counts.crm_lists += 1);
                    break;
                }
                Ok(Some(why)) => why,
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                let what = format_args!("{HEAL_MAX:?} after a heal: {why}");
                world.watch.fail(Gate::CrmUsers, what);
                break;
            }
        }
        // Nothing is awaited between the look and the order: the end of the traffic heals for good.
        if !world.phases.borrow().is_ending() {
            proxies.crm.arm();
        }
    }

    /// What the gateway has otherwise than the CRM.
    async fn disagreement(&self, world: &World) -> Result<Option<String>> {
        let status = world.admin.status().await?;
        let (state, count) = (&status["crm"]["state"], &status["crm"]["active_users"]);
        if state != "ready" {
            return Ok(Some(format!("the link is {state}: {}", status["crm"])));
        }
        if count.as_u64() != Some(self.active.len() as u64) {
            let active = self.active.len();
            return Ok(Some(format!(
                "{count} users are active for the gateway, {active} for the CRM"
            )));
        }
        for user in 0..super::CRM_USERS {
            let login = super::crm_login(user);
            let fields = json!({"userlogin": login});
            let answer = self.handle.request("getuserstate", fields, ANSWER_MAX);
            let answer = answer.await?.into_success("getuserstate")?;
            let state = answer.field("userstateid").as_u64();
            // protocol 5-l: who is active in the CRM is present.
            let wanted = u64::from(self.active.contains(&user));
            if state != Some(wanted) {
                return Ok(Some(format!(
                    "{login} has the state {state:?} instead of {wanted}"
                )));
            }
        }
        Ok(None)
    }
}

/// The CRM's own id of a user.
fn crm_id(user: usize) -> String {
    format!("crm-{user}")
}

/// How long the CRM runs.
const UP_MS: std::ops::Range<u64> = 10_000..30_000;
/// How long it is away.
const DOWN_MS: std::ops::Range<u64> = 200..6_000;
/// After how many of these times its link is healed instead.
const ROUNDS_PER_HEAL: u32 = 3;
/// How long it may take until both agree: the gateway tries to link the CRM every half a minute at least.
const HEAL_MAX: Duration = Duration::from_secs(60);
/// How often they are asked: HTTP has no way to be told.
const POLL: Duration = Duration::from_millis(250);
/// How long an answer over the healed link may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::admin::Admin;
    use crate::soak::SoakOptions;

    /// A world whose gateway says this of its CRM.
    async fn world(crm: &'static str) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                let body = format!("{{\"crm\":{crm}}}");
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let options = SoakOptions::of_test(4, 1, Duration::from_secs(60));
        World::new(options, address, Admin::new(address), None)
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_linked_or_counts_others_as_active_disagrees() {
        let mut crm = Crm::start(CrmOptions::on_loopback()).await.unwrap();
        for (says, why) in [
            (
                r#"{"state":"waiting","active_users":1}"#,
                "the link is \"waiting\"",
            ),
            (
                r#"{"state":"ready","active_users":2}"#,
                "2 users are active for the gateway, 1 for the CRM",
            ),
        ] {
            crm.active = BTreeSet::from([3]);
            let found = crm.disagreement(&world(says).await).await.unwrap().unwrap();
            assert!(found.starts_with(why), "{found}");
        }
        // Nobody can be asked for the users' states.
        let says = r#"{"state":"ready","active_users":1}"#;
        assert!(crm.disagreement(&world(says).await).await.is_err());
    }

    #[tokio::test]
    async fn users_turn_from_absent_to_active_and_back_and_a_restarted_crm_knows_them() {
        let world = world("{}").await;
        let mut crm = Crm::start(CrmOptions::on_loopback()).await.unwrap();
        crm.options.listen = crm.handle.address();
        for user in [1, 2, 1, 4] {
            crm.turn(user).await;
        }
        assert_eq!(crm.active, BTreeSet::from([2, 4]));
        let crm = crm.stop_and_start(&world, async { true }).await.unwrap();
        let known = crm.options.active_users.iter().map(|it| it.login.as_str());
        assert_eq!(known.collect::<Vec<_>>(), ["office3", "office5"]);
        assert_eq!(world.watch.counts().crm_stops, 1);
    }
}
