//! A CRM over HTTP whose answers are none: each kind has its own words, counter and line of the log, costs the run that it
//! answers and nothing else, and is not in the way of the next one.
#![forbid(unsafe_code)]

use anyhow::ensure;
use okgate_harness::crm::{CrmOptions, HttpAnswer, HttpBehaviour, Mode, SimulatedCrm};
use okgate_harness::format::Format;
use okgate_harness::gateway::{Gateway, Settings};
use okgate_harness::pairing::Pairing;
use okgate_tests::TestResult;
use okgate_tests::link::{crm_status, until_crm, until_logged};
use serde_json::json;

/// How runs are answered, what the scenario is told, and which counter counts it.
const WRONG: [(HttpAnswer, u16, &str, &str); 7] = [
    (HttpAnswer::Html, 502, "a page of HTML", "posts_html"),
    (HttpAnswer::Base64, 502, "base64", "posts_base64"),
    (
        HttpAnswer::Empty,
        502,
        "holds no `methodresult`",
        "posts_unanswered",
    ),
    (HttpAnswer::Status, 502, "status 500", "posts_status"),
    (
        HttpAnswer::Redirect,
        502,
        "redirects are not followed",
        "posts_status",
    ),
    (HttpAnswer::Half, 502, "broke off", "posts_broken"),
    (HttpAnswer::Silent, 504, "in time", "posts_timed_out"),
];

fn odd(options: CrmOptions, answer: HttpAnswer, only: &str) -> CrmOptions {
    let mut options = options;
    options.behaviour.http = HttpBehaviour {
        answer,
        only: vec![only.to_owned()],
        ..HttpBehaviour::default()
    };
    options
}

fn settings(pairing: &Pairing) -> Settings {
    let settings = pairing.settings(Settings::new().users(1));
    settings.set("crm.answer_timeout_ms", 500)
}

// protocol 2.1-q
#[tokio::test]
async fn a_run_whose_answer_is_none_fails_with_words_a_counter_and_a_line_of_its_own() -> TestResult
{
    for (answer, status, words, counter) in WRONG {
        let pairing = Pairing::new(Mode::HttpOut, Format::Json)?;
        let crm = odd(pairing.crm(), answer, "executemethod");
        let _crm = SimulatedCrm::start(crm).await?;
        let gateway = Gateway::start(settings(&pairing)).await?;
        let before = until_crm(&gateway, |crm| crm["methods"] != 0).await?;
        let body = json!({"inputparameters": {"callerid": "1"}, "timeout_ms": 5000});
        let failed = gateway.admin().run_method("callername", &body).await?;
        ensure!(failed.status == status, "{answer:?}: {failed:?}");
        ensure!(failed.body.contains(words), "{answer:?}: {failed:?}");
        let after = crm_status(&gateway).await?;
        let counted = (&before[counter], &after[counter]);
        ensure!(counted == (&json!(0), &json!(1)), "{answer:?}: {after}");
        until_logged(&gateway, "came to nothing").await?;
        // The link is introduced to again, and is there.
        assert_eq!(after["state"], "ready", "{answer:?}");
        gateway.stop().await?;
    }
    Ok(())
}

// protocol 2.1-q, 2.1-j
#[tokio::test]
async fn an_introduction_without_an_answer_is_tried_again_and_the_status_says_why() -> TestResult {
    for (answer, _, words, _) in WRONG {
        if answer == HttpAnswer::Empty {
            // protocol 2.1-e: it has nothing to say.
            continue;
        }
        let pairing = Pairing::new(Mode::HttpOut, Format::Xml)?;
        let crm = odd(pairing.crm(), answer, "whoareyou");
        let crm = SimulatedCrm::start(crm).await?;
        let gateway = Gateway::start(settings(&pairing)).await?;
        let words = if answer == HttpAnswer::Silent {
            "does not answer"
        } else {
            words
        };
        let lost = until_crm(&gateway, |crm| crm["last_error"].is_string()).await?;
        let error = lost["last_error"].as_str().unwrap_or_default();
        ensure!(error.contains(words), "{answer:?}: {error}");
        until_logged(&gateway, "the CRM cannot be linked").await?;
        crm.stop().await;
        let good = SimulatedCrm::start(pairing.crm()).await?;
        until_crm(&gateway, |crm| crm["state"] == "ready").await?;
        drop(good);
        gateway.stop().await?;
    }
    Ok(())
}

// protocol 2.1-d, 2.1-f, 2.1-p
#[tokio::test]
async fn chunks_closed_connections_and_more_messages_in_an_answer_are_all_understood() -> TestResult
{
    for (chunked, keep_alive) in [(true, true), (true, false), (false, false)] {
        let pairing = Pairing::new(Mode::HttpOut, Format::Json)?;
        let mut options = pairing.crm().caller("1", "One");
        let mut ignored = serde_json::Map::new();
        ignored.insert("qid".into(), "q".into());
        options.behaviour.http = HttpBehaviour {
            chunked,
            keep_alive,
            also: vec![("getpbxnumbers".into(), ignored)],
            ..HttpBehaviour::default()
        };
        let _crm = SimulatedCrm::start(options).await?;
        let gateway = Gateway::start(settings(&pairing)).await?;
        until_crm(&gateway, |crm| crm["methods"] != 0).await?;
        let body = json!({"inputparameters": {"callerid": "1"}});
        for _ in 0..3 {
            let named = gateway.admin().run_method("callername", &body).await?;
            let named = named.expect_status(200)?.json()?;
            assert_eq!(named["outputparameters"], json!({"name": "One"}));
        }
        let status = crm_status(&gateway).await?;
        ensure!(status["requests_ignored"].as_u64() >= Some(3), "{status}");
        gateway.stop().await?;
    }
    Ok(())
}
