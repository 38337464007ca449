//! Tabs that speak XML (protocol 2.2-d, 3.2), read and written by a parser that the gateway does not use.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings};
use okgate_harness::tab::login_fields;
use okgate_tests::TestResult;
use okgate_tests::raw::{FINAL, RawLink, TEXT};
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};

/// A tab that speaks XML.
struct XmlTab {
    link: RawLink,
    asked: usize,
    /// What came while an answer was awaited.
    events: Vec<(String, Value)>,
}

impl XmlTab {
    async fn connect(gateway: &Gateway) -> anyhow::Result<Self> {
        Ok(Self {
            link: RawLink::upgraded(gateway.clients(), Some("xml")).await?,
            asked: 0,
            events: Vec::new(),
        })
    }

    /// Asks, and reads on to the answer, which must say that it was done.
    async fn request(&mut self, name: &str, fields: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let qid = self.asked.to_string();
        let mut fields = fields;
        fields["qid"] = json!(qid);
        self.send(&document(name, &fields)).await?;
        loop {
            let (answered, fields) = self.next().await?;
            if fields["qid"] != qid.as_str() {
                self.events.push((answered, fields));
                continue;
            }
            let is_pong = name == "ping" && answered == "pong";
            ensure!(is_pong || answered == format!("{name}result"), "{answered}");
            ensure!(is_pong || fields["result"] == 1, "{name}: {fields}");
            return Ok(fields);
        }
    }

    async fn send(&mut self, document: &str) -> TestResult {
        self.link.frame(FINAL | TEXT, document.as_bytes()).await
    }

    /// The next message, put together if it comes in packets.
    async fn next(&mut self) -> anyhow::Result<(String, Value)> {
        let mut content = Vec::new();
        loop {
            let (name, fields) = message(&self.next_document().await?)?;
            if name != "multipart" {
                ensure!(content.is_empty(), "{name} between packets");
                return Ok((name, fields));
            }
            assert_eq!(fields["content-type"], "text/xml; charset=utf-8");
            let text = fields["content"].as_str().context("content")?;
            let bytes = STANDARD.decode(text)?;
            ensure!(bytes.is_ascii(), "each packet is read on its own");
            content.extend(bytes);
            if fields["packetnumber"].as_i64() == fields["packetcount"].as_i64().map(|it| it - 1) {
                return message(&String::from_utf8(content)?);
            }
        }
    }

    async fn next_document(&mut self) -> anyhow::Result<String> {
        let (opcode, payload) = self.link.next_frame().await?;
        ensure!(opcode == TEXT, "a frame of opcode {opcode}");
        Ok(String::from_utf8(payload)?)
    }

    /// The first event of this name that has not been looked at.
    async fn event(&mut self, name: &str) -> anyhow::Result<Value> {
        if let Some(place) = self.events.iter().position(|event| event.0 == name) {
            return Ok(self.events.remove(place).1);
        }
        loop {
            let (found, fields) = self.next().await?;
            if found == name {
                return Ok(fields);
            }
        }
    }
}

/// A message as a document, as a program would write it that knows nothing of types beyond what it must.
fn document(name: &str, fields: &Value) -> String {
    let fields = fields.as_object().into_iter().flatten();
    let fields: String = fields.map(|(key, value)| element(key, value)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<message name=\"{name}\">\n{fields}</message>\n"
    )
}

fn element(name: &str, value: &Value) -> String {
    let inner = match value {
        Value::Array(items) => {
            let items: String = items.iter().map(|item| element("item", item)).collect();
            return format!("<{name} type=\"array\">{items}</{name}>\n");
        }
        Value::String(inner) => inner.replace('&', "&amp;").replace('<', "&lt;"),
        other => other.to_string(),
    };
    format!("<{name}>{inner}</{name}>\n")
}

/// The name and the fields of a document.
fn message(text: &str) -> anyhow::Result<(String, Value)> {
    let document = Document::parse(text)?;
    let root = document.root_element();
    ensure!(root.has_tag_name("message"), "{text}");
    let name = root.attribute("name").context("a name")?;
    Ok((name.to_owned(), Value::Object(fields(root)?)))
}

fn fields(node: Node<'_, '_>) -> anyhow::Result<Map<String, Value>> {
    let field = |child: Node<'_, '_>| {
        let tag = child.tag_name().name();
        let key = if tag == "field" {
            child.attribute("name")
        } else {
            Some(tag)
        };
        Ok((key.context("a key")?.to_owned(), value(child)?))
    };
    node.children()
        .filter(Node::is_element)
        .map(field)
        .collect()
}

fn value(node: Node<'_, '_>) -> anyhow::Result<Value> {
    let text = node.text().unwrap_or_default();
    Ok(match node.attribute("type").unwrap_or("string") {
        "string" => json!(text),
        "number" | "boolean" => serde_json::from_str(text)?,
        "null" => Value::Null,
        "object" => Value::Object(fields(node)?),
        "array" => {
            let items = node.children().filter(Node::is_element).map(value);
            Value::Array(items.collect::<anyhow::Result<_>>()?)
        }
        other => bail!("the type {other}"),
    })
}

/// What a browser library asks when it opens (protocol 6.1-a).
async fn open(tab: &mut XmlTab, login: &str) -> anyhow::Result<HashMap<&'static str, Value>> {
    tab.request("ping", json!({"userlogin": login})).await?;
    tab.request("login", login_fields(login, DEFAULT_PASSWORD))
        .await?;
    let mut answers = HashMap::new();
    for (method, request) in [
        ("getcurrentqueue", json!({})),
        ("getversion", json!({"showalloweddbstoredprocs": 1})),
        ("getmyuserinfo", json!({})),
        ("cc_getlunchtypes", json!({})),
        ("getuserstate", json!({})),
        ("getredirectrules", json!({})),
        ("getpbxnumbers", json!({"mode": "full"})),
        ("getallusernumbers", json!({"fillsubordinates": true})),
        ("getalluserphotolink", json!({"mode": "page"})),
        ("getextendedlineinfo", json!({})),
    ] {
        answers.insert(method, tab.request(method, request).await?);
    }
    let events = json!([
        "userstatechanged",
        "pbxnumberstatechanged",
        "linestatechanged"
    ]);
    tab.request("subscribeevent", json!({"eventmethod": events}))
        .await?;
    tab.request("subscribeevent", json!({"event": "phoneevent"}))
        .await?;
    Ok(answers)
}

// protocol 2.2-d, 3.2-a, 3.2-b, 3.2-c, 3.3-e, 3.3-g and 6.1-a
#[tokio::test]
async fn a_tab_opens_over_xml_and_gets_the_same_as_over_json() -> TestResult {
    let settings = Settings::new().users(400).break_reason(1, "Обед & <Tea>");
    let gateway = Gateway::start(settings).await?;
    let mut tab = XmlTab::connect(&gateway).await?;
    let answers = open(&mut tab, "user1").await?;
    let mut other = gateway.tab().await?;
    let opening = other.opening_sequence("user2", DEFAULT_PASSWORD).await?;
    for method in [
        "cc_getlunchtypes",
        "getpbxnumbers",
        "getallusernumbers",
        "getredirectrules",
    ] {
        let mut same = Value::Object(opening.answer(method)?.fields.clone());
        let mut ours = answers[method].clone();
        (ours["qid"], same["qid"]) = (Value::Null, Value::Null);
        if method == "getpbxnumbers" {
            // Who has logged in meanwhile is ready.
            (ours["numbers"][1]["state"], same["numbers"][1]["state"]) = (Value::Null, Value::Null);
            (
                ours["numbers"][1]["statestr"],
                same["numbers"][1]["statestr"],
            ) = (Value::Null, Value::Null);
        }
        assert_eq!(ours, same, "{method}");
    }
    assert_eq!(answers["getversion"]["version"]["dated"], 160_101);
    assert_eq!(answers["getuserstate"]["userstateid"], 1);
    drop(tab);
    Ok(gateway.stop().await?)
}

#[tokio::test]
async fn a_tab_over_xml_is_told_of_a_call_and_takes_part_in_it() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(1)).await?;
    let mut tab = XmlTab::connect(&gateway).await?;
    open(&mut tab, "user1").await?;
    let caller = "89274513158";
    gateway.admin().start_call(caller, "101", json!({})).await?;
    let ring = tab.event("phoneevent_ringstarted").await?;
    assert_eq!(ring["callerid"], caller);
    assert_eq!(ring["userlogin"], "user1");
    assert_eq!(ring["isconference"], false);
    let line = tab.request("getextendedlineinfo", json!({})).await?;
    assert_eq!(line["abonent"]["isringing"], true);
    assert_eq!(line["chainid"], ring["chainid"]);
    tab.request("pbxanswercall", json!({})).await?;
    let talk = tab.event("phoneevent_commstarted").await?;
    assert_eq!(talk["chainid"], ring["chainid"]);
    tab.request("pbxabortcall", json!({})).await?;
    tab.event("phoneevent_commstopped").await?;
    // A known field needs no type, one that cannot be converted is the method's own fault.
    let state = json!({"userstateid": 3, "onredirect": true});
    let state = tab.request("setuserstate", state).await?;
    assert_eq!(
        (&state["userstateid"], &state["onredirect"]),
        (&json!(3), &json!(true))
    );
    let refused = tab
        .request("setuserstate", json!({"userstateid": "three"}))
        .await;
    assert!(
        refused
            .expect_err("no number")
            .to_string()
            .contains("userstateid")
    );
    drop(tab);
    Ok(gateway.stop().await?)
}

#[tokio::test]
async fn what_is_no_document_is_answered_and_the_tab_goes_on() -> TestResult {
    let gateway = Gateway::start(Settings::new().users(1)).await?;
    let mut tab = XmlTab::connect(&gateway).await?;
    tab.send("<!DOCTYPE a [<!ENTITY b \"c\">]><message name='ping'><qid>&b;</qid></message>")
        .await?;
    let (name, fields) = tab.next().await?;
    assert_eq!(name, "error");
    assert_eq!(
        (&fields["error"], &fields["errormsg"]),
        (&json!(400), &json!("a DOCTYPE at byte 0: leave it out"))
    );
    tab.send("[\"ping\",{}]").await?;
    assert_eq!(tab.next().await?.0, "error");
    tab.request("ping", json!({})).await?;
    drop(tab);
    Ok(gateway.stop().await?)
}
