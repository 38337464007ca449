//! Answers that are longer than what may wait for a tab (protocol 3.3, 9-f): who asked for them gets them whole, however
//! slowly it reads, up to a bound of their own.

use std::collections::HashSet;
use std::time::Duration;

use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings};
use okgate_harness::multipart::Assembler;
use okgate_harness::tab::login_fields;
use okgate_tests::TestResult;
use okgate_tests::raw::RawLink;
use serde_json::{Value, json};
use tokio::time::timeout;

/// More than what the kernel keeps for one connection of the loopback, several times what may wait for a tab.
const ANSWERS: usize = 100;

#[tokio::test]
async fn a_tab_that_asks_for_much_before_it_reads_gets_all_of_it() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut tab = asking_for_much(&gateway).await?;
    let mut assembler = Assembler::default();
    let mut answered = 0;
    while answered < ANSWERS {
        let message = tab.next_message().await?;
        let Some(answer) = assembler.accept(&message)? else {
            continue;
        };
        assert_eq!(answer.qid(), Some(answered.to_string().as_str()));
        let numbers = answer.field("numbers").as_array().map(Vec::len);
        assert_eq!(numbers, Some(USERS));
        answered += 1;
    }
    assert_eq!(dropped(&gateway).await?, Some(0.0));
    Ok(())
}

#[tokio::test]
async fn a_tab_that_asks_for_more_than_may_wait_is_closed_at_a_frame_boundary() -> TestResult {
    let settings = settings().set("clients.long_answer_bytes_max", 1 << 20);
    let gateway = Gateway::start(settings).await?;
    let mut tab = asking_for_much(&gateway).await?;
    assert_eq!(tab.closed().await?.0, 1013);
    // The counters are shown a moment later.
    let shown = async {
        while dropped(&gateway).await? != Some(1.0) {}
        anyhow::Ok(())
    };
    timeout(Duration::from_secs(10), shown).await??;
    gateway.logged_in("user2").await?.settle().await?;
    Ok(())
}

#[tokio::test]
async fn every_tab_gets_the_same_lists_with_its_own_qids_in_the_order_in_which_it_asked()
-> TestResult {
    let gateway = Gateway::start(Settings::new().users(2 * USERS)).await?;
    let mut lists: Vec<Value> = Vec::new();
    let mut message_ids = Vec::new();
    for user in ["user1", "user2"] {
        let mut tab = asking(&gateway, user).await?;
        for (method, qid) in METHODS.iter().zip(0..) {
            let qid = format!("{user} {qid}");
            tab.message(method, json!({"qid": qid})).await?;
        }
        let mut assembler = Assembler::default();
        let mut answered = 0;
        while answered < METHODS.len() {
            let message = tab.next_message().await?;
            if message.name == "multipart" {
                message_ids.push(message.text("message-id").unwrap_or_default().to_owned());
            }
            let answer = if message.name == "multipart" {
                assembler.accept(&message)?
            } else {
                Some(message)
            };
            let Some(answer) = answer else { continue };
            let qid = format!("{user} {answered}");
            assert_eq!(answer.qid(), Some(qid.as_str()));
            assert_eq!(answer.name, format!("{}result", METHODS[answered]));
            if answered < 2 {
                lists.push(answer.field(["numbers", "users"][answered]).clone());
            }
            answered += 1;
        }
        // Three lists came in packets, each with an id of its own.
        message_ids.dedup();
        let distinct: HashSet<_> = message_ids.drain(..).collect();
        assert_eq!(distinct.len(), 3);
    }
    let states = |list: &Value| -> Vec<Value> {
        let numbers = list.as_array().into_iter().flatten();
        numbers.map(|number| number["state"].clone()).collect()
    };
    let (first, second) = (states(&lists[0]), states(&lists[2]));
    assert_eq!(first.len(), 2 * USERS);
    // The second user was not there when the first one asked.
    assert_ne!(first[1], second[1]);
    assert_eq!(first[2..], second[2..]);
    assert_eq!(lists[1].as_array().map(Vec::len), Some(2 * USERS));
    assert_eq!(lists[1], lists[3]);
    Ok(())
}

/// What a tab asks, one after the other.
const METHODS: [&str; 4] = [
    "getpbxnumbers",
    "getallusernumbers",
    "getpbxnumbers",
    "getuserstate",
];

/// A tab whose login, which has no `qid`, is not answered.
async fn asking(gateway: &Gateway, login: &str) -> anyhow::Result<RawLink> {
    let mut tab = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    tab.message("login", login_fields(login, DEFAULT_PASSWORD))
        .await?;
    Ok(tab)
}

/// A tab that has asked for the numbers many times and read nothing since.
async fn asking_for_much(gateway: &Gateway) -> anyhow::Result<RawLink> {
    let mut tab = asking(gateway, "user1").await?;
    for number in 0..ANSWERS {
        tab.message(
            "getpbxnumbers",
            json!({"qid": number.to_string(), "mode": "full"}),
        )
        .await?;
    }
    Ok(tab)
}

async fn dropped(gateway: &Gateway) -> anyhow::Result<Option<f64>> {
    let metrics = gateway.admin().metrics().await?;
    Ok(metrics.sum("okgate_refusals_total", &["reason=\"slow\""]))
}

fn settings() -> Settings {
    Settings::new().users(USERS)
}

/// So many that the list of their numbers is sent in pieces.
const USERS: usize = 400;
