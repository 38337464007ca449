//! What has happened before a method is asked or an event is told: scenes, by name.
//!
//! Each scene begins with idle lines and leaves behind the ids that the rows of the tables name with a `$`. After a row
//! everybody hangs up.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use okgate_harness::gateway::{Gateway, Settings, User};
use okgate_harness::tab::{DEADLINE, Tab};
use okgate_tests::TestResult;
use okgate_tests::raw::RawLink;
use serde_json::{Value, json};
use tokio::time::Instant;
use toml::Table;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Nothing.
    Idle,
    /// Anna's phone rings for an outside caller, `$chain`.
    Ringing,
    /// Anna called Boris; her own phone rings.
    BackRing,
    /// Anna called a number outside, which rings.
    Dialling,
    /// Anna and Boris talk, in `$chain`.
    Talk,
    /// Anna holds Boris.
    Held,
    /// Anna holds Boris and talks with Clara.
    Consult,
    /// Anna made a conference of her talk with Boris: `$conference`; Boris is `$competitor`.
    Conference,
    /// The same by Boris: Anna is not the creator.
    OthersConference,
    /// Anna holds Boris beside a conference with Clara.
    ConferenceAndHeld,
    /// Anna's conference, and Boris left.
    LeftConference,
    /// Boris, whom Anna supervises, talks with an outside caller.
    BorisTalks,
    /// Anna listens to him in `$conference`; he is `$competitor`.
    Supervision,
    /// Anna is on a break and a caller waits in her group.
    Queue,
    /// Anna was in a voice menu.
    Menu,
    /// Anna called Boris, and they hung up again.
    PastCall,
    /// Anna has a redirect rule.
    Rule,
    /// Anna and Boris are in `$chat`, where Boris said `$message`.
    Chat,
    /// Boris has a `$chat` without Anna.
    OthersChat,
    /// Anna uploaded a picture: `$path`.
    Upload,
    /// The same picture is hers.
    Photo,
    /// All that can happen in a chat happened to Anna.
    ChatStory,
    /// Boris sent a custom event and a text, and a scenario a notification.
    Told,
    /// Anna uploaded with a password whose answer is copied to her.
    Copied,
}

/// Four users and what has happened to them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) anna: Tab,
    boris: Tab,
    clara: Tab,
    ids: HashMap<&'static str, String>,
}

pub(crate) const OUTSIDE: &str = "89274513158";
const SILENT: &str = "89031112233";
/// A picture by its first bytes.
const PICTURE: &str = "GIF89a and so on";

pub(crate) fn settings() -> Settings {
    let entry = |text: &str| text.parse::<Table>().expect("TOML");
    Settings::new()
        .user(
            User::new("anna")
                .name("Анна")
                .operator()
                .supervises(&["boris"]),
        )
        .user(User::new("boris").name("Boris"))
        .user(User::new("clara").name("Clara"))
        .user(User::new("david").name("David"))
        .department("Sales", &["anna", "boris"])
        .break_reason(1, "Lunch")
        .set("pbx.sim.no_answer_numbers", vec![SILENT.to_owned()])
        .set("clients.messages_per_s", 0)
        .set("clients.messages_burst", 0)
        .push("groups", entry("number = \"201\"\nusers = [\"anna\"]"))
        .push("voice_menus", entry("number = \"301\"\nname = \"News\""))
        .push(
            "procedures",
            entry("name = \"clients\"\ncolumns = [\"id\"]\nrows = [[1]]"),
        )
        .push(
            "procedures",
            entry("name = \"sum\"\nkind = \"script\"\nvalue = \"42\""),
        )
}

impl World {
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> anyhow::Result<Self> {
        let gateway = Gateway::start(settings).await?;
        Ok(Self {
            anna: gateway.logged_in("anna").await?,
            boris: gateway.logged_in("boris").await?,
            clara: gateway.logged_in("clara").await?,
            gateway,
            ids: HashMap::new(),
        })
    }

    /// Fields with the scene's ids in place of their names.
    pub(crate) fn filled(&self, fields: &Value) -> Value {
        match fields {
            Value::String(text) => match self.ids.get(text.as_str()) {
                Some(id) => id.as_str().into(),
                None => fields.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(all) => {
                let all = all
                    .iter()
                    .map(|(key, value)| (key.clone(), self.filled(value)));
                Value::Object(all.collect())
            }
            other => other.clone(),
        }
    }

    pub(crate) async fn play(&mut self, scene: Scene) -> TestResult {
        self.ids.clear();
        match scene {
            Scene::Idle => Ok(()),
            Scene::Ringing => self.outside_calls("101").await,
            Scene::BackRing => self.anna_calls("102").await,
            Scene::Dialling => {
                self.anna_calls(SILENT).await?;
                self.anna("pbxanswercall", json!({})).await
            }
            Scene::Talk => self.anna_and_boris_talk().await,
            Scene::Held => {
                self.anna_and_boris_talk().await?;
                self.anna("pbxmakeflash", json!({})).await
            }
            Scene::Consult => self.anna_consults_clara().await,
            Scene::Conference => self.anna_confers_with_boris().await,
            Scene::OthersConference => {
                self.anna_and_boris_talk().await?;
                self.boris
                    .request_ok("buildconferencefromcommutation", json!({}))
                    .await?;
                self.find_competitor("102", "number").await
            }
            Scene::ConferenceAndHeld => {
                self.anna_consults_clara().await?;
                self.anna("buildconferencefromcommutation", json!({})).await
            }
            Scene::LeftConference => {
                self.anna_confers_with_boris().await?;
                self.anna("confhandleevent", json!({"handle": true}))
                    .await?;
                let who = json!({"competitors": [{"number": SILENT}]});
                self.anna("invitetoconference", who).await?;
                self.boris.request_ok("exitconference", json!({})).await?;
                Ok(())
            }
            other => self.play_beside(other).await,
        }
    }

    async fn play_beside(&mut self, scene: Scene) -> TestResult {
        match scene {
            Scene::BorisTalks => self.boris_talks_outside().await,
            Scene::Supervision => {
                self.boris_talks_outside().await?;
                self.anna("attachasghost", json!({"ghostedid": "boris"}))
                    .await?;
                self.anna("pbxanswercall", json!({})).await?;
                self.find_competitor("102", "number").await
            }
            Scene::Queue => {
                self.anna("setuserstate", json!({"userstateid": 3})).await?;
                self.outside_calls("201").await
            }
            Scene::Menu => {
                let mut watch = self.gateway.logged_in("anna").await?;
                watch.subscribe(&["phoneevent"]).await?;
                self.anna_calls("301").await?;
                self.anna("pbxanswercall", json!({})).await?;
                watch.event("phoneevent_ivrstarted").await?;
                Ok(())
            }
            Scene::PastCall => {
                self.anna_and_boris_talk().await?;
                self.anna("pbxabortcall", json!({})).await
            }
            Scene::Rule => {
                let rule = json!({"id": "one", "destinationnumber": "102", "isenabled": false});
                self.anna("saveredirectrules", json!({"redirectrule": rule}))
                    .await
            }
            other => self.play_desk(other).await,
        }
    }

    async fn play_desk(&mut self, scene: Scene) -> TestResult {
        match scene {
            Scene::Chat | Scene::ChatStory => {
                let room = json!({"name": "Friday", "members": ["anna"]});
                self.chat(room).await?;
                let said = self.filled(&json!({"chatid": "$chat", "text": "hello"}));
                let said = self.boris.request_ok("sendchatmessage", said).await?;
                let id = said.text("messageid").context("a message")?.to_owned();
                self.ids.insert("$message", id);
                if scene == Scene::ChatStory {
                    self.chat_story().await?;
                }
                Ok(())
            }
            Scene::OthersChat => self.chat(json!({"name": "x", "members": ["clara"]})).await,
            Scene::Upload => self.upload(false).await,
            Scene::Photo => {
                self.upload(false).await?;
                let path = self.filled(&json!({"filepath": "$path"}));
                self.anna("setmyuserphoto", path).await
            }
            Scene::Copied => self.upload(true).await,
            Scene::Told => {
                let event =
                    json!({"eventname": "sale", "eventparam": {"a": 1}, "recipients": ["anna"]});
                self.boris.request_ok("triggercustomevent", event).await?;
                let text = json!({"text": "hello", "recipients": ["anna"]});
                self.boris.request_ok("sendusertextmessage", text).await?;
                let notice = json!({"userlogin": "anna", "text": "soon"});
                let notice = self.gateway.admin().post("/api/v1/notify", &notice).await?;
                ensure!(notice.status < 300, "{notice:?}");
                Ok(())
            }
            other => anyhow::bail!("{other:?} is no scene of the desk"),
        }
    }

    /// Everybody hangs up, and Anna is ready again.
    pub(crate) async fn clear(&mut self) -> TestResult {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let calls = self.gateway.admin().calls().await?;
            let calls = calls.as_array().cloned().unwrap_or_default();
            if calls.is_empty() {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "calls that do not end: {calls:?}"
            );
            for tab in [&mut self.anna, &mut self.boris, &mut self.clara] {
                // Who is in no call is refused.
                tab.request("pbxabortcall", json!({})).await?;
            }
            for call in calls {
                let chain = call["chainid"].as_str().context("a chain")?;
                let path = format!("/api/v1/sim/calls/{chain}/hangup");
                // It may have ended by now.
                self.gateway.admin().post(&path, &json!({})).await?;
            }
        }
        self.anna("setuserstate", json!({"userstateid": 1})).await
    }

    async fn anna(&mut self, method: &str, fields: Value) -> TestResult {
        self.anna.request_ok(method, fields).await?;
        Ok(())
    }

    async fn anna_calls(&mut self, number: &str) -> TestResult {
        self.anna("pbxautocallstart", json!({"number": number}))
            .await?;
        let line = self
            .anna
            .request_ok("getextendedlineinfo", json!({}))
            .await?;
        let chain = line.text("chainid").context("a chain")?.to_owned();
        self.ids.insert("$chain", chain);
        Ok(())
    }

    async fn outside_calls(&mut self, number: &str) -> TestResult {
        let chain = self
            .gateway
            .admin()
            .start_call(OUTSIDE, number, json!({}))
            .await?;
        self.ids.insert("$chain", chain);
        Ok(())
    }

    async fn anna_and_boris_talk(&mut self) -> TestResult {
        self.anna_calls("102").await?;
        self.anna("pbxanswercall", json!({})).await?;
        self.boris.request_ok("pbxanswercall", json!({})).await?;
        Ok(())
    }

    async fn anna_consults_clara(&mut self) -> TestResult {
        self.anna_and_boris_talk().await?;
        self.anna("pbxautocallstart", json!({"number": "103"}))
            .await?;
        self.clara.request_ok("pbxanswercall", json!({})).await?;
        Ok(())
    }

    async fn anna_confers_with_boris(&mut self) -> TestResult {
        self.anna_and_boris_talk().await?;
        self.anna("buildconferencefromcommutation", json!({}))
            .await?;
        self.find_competitor("102", "number").await
    }

    async fn boris_talks_outside(&mut self) -> TestResult {
        self.outside_calls("102").await?;
        self.boris.request_ok("pbxanswercall", json!({})).await?;
        Ok(())
    }

    async fn find_competitor(&mut self, value: &str, key: &str) -> TestResult {
        let info = self.anna.request_ok("getconferenceinfo", json!({})).await?;
        let room = info.field("conference")["id"].as_str().context("a room")?;
        self.ids.insert("$conference", room.to_owned());
        let list = info.field("competitors").as_array().context("a list")?;
        let entry = list.iter().find(|entry| entry[key] == value);
        let id = entry.and_then(|entry| entry["competitorid"].as_str());
        let id = id.context("a competitor")?.to_owned();
        self.ids.insert("$competitor", id);
        Ok(())
    }

    async fn chat(&mut self, fields: Value) -> TestResult {
        let chat = self.boris.request_ok("createchat", fields).await?;
        let id = chat.text("chatid").context("a chat")?.to_owned();
        self.ids.insert("$chat", id);
        Ok(())
    }

    async fn chat_story(&mut self) -> TestResult {
        for (method, fields) in [
            ("renamechat", json!({"chatid": "$chat", "name": "Monday"})),
            (
                "addchatmembers",
                json!({"chatid": "$chat", "members": ["clara"]}),
            ),
            (
                "removechatmembers",
                json!({"chatid": "$chat", "members": ["clara"]}),
            ),
        ] {
            let fields = self.filled(&fields);
            self.boris.request_ok(method, fields).await?;
        }
        let seen = self.filled(&json!({"chatid": "$chat", "messageid": "$message"}));
        self.anna("viewchatmessage", seen).await
    }

    async fn upload(&mut self, copied: bool) -> TestResult {
        let asked = json!({"responsetowebsock": copied});
        let password = self.anna.request_ok("gettemphttppass", asked).await?;
        let password = password.text("password").context("a password")?;
        let body = format!(
            "--BB\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.gif\"\r\n\r\n{PICTURE}\r\n--BB--\r\n"
        );
        let head = format!(
            "POST /upload?temppass={password} HTTP/1.1\r\nHost: gate\r\n\
             Content-Type: multipart/form-data; boundary=BB\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut link = RawLink::connect(self.gateway.addresses().web).await?;
        let answer = link.ask(&head).await?;
        let (_, path) = answer.body.split_once(" path=\"").context("a path")?;
        let path = path.split('"').next().unwrap_or_default().to_owned();
        self.ids.insert("$path", path);
        Ok(())
    }
}
