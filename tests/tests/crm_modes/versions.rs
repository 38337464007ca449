//! The versions of the WebSocket protocol, credentials and certificates of the CRM's link, in and out.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::auth::{Credentials, Scheme};
use okgate_harness::crm::{CrmRecord, CrmSeen, Mode, SimulatedCrm, WebSocketVersion};
use okgate_harness::format::Format;
use okgate_harness::gateway::{Gateway, Settings};
use okgate_harness::pairing::Pairing;
use okgate_harness::tls::Flaw;
use okgate_tests::TestResult;
use serde_json::json;

use crate::stage::{SOON, Stage};

// protocol 2.2-a, 2.2-b, 3.5-a
#[tokio::test]
async fn every_version_carries_texts_of_any_length_in_and_out() -> TestResult {
    for mode in [Mode::WsOut, Mode::WsIn] {
        for version in WebSocketVersion::ALL {
            let pairing = Pairing::new(mode, Format::Json)?.version(version);
            let stage = Stage::of(mode, pairing).await?;
            for length in [1, 125, 126, 65_535, 65_536, 1 << 20] {
                let text = "x".repeat(length);
                let pong = stage
                    .crm
                    .request("ping", json!({"text": text}), SOON)
                    .await?;
                ensure!(
                    pong.text("text") == Some(&*text),
                    "{mode} {version:?} {length}"
                );
            }
            let mut records = stage.crm.received_from_now();
            stage.gateway.stop().await?;
            let is_down = |record: &CrmRecord| matches!(&record.what, CrmSeen::LinkDown(how) if how.contains("closed by the gateway"));
            let seen = records.find(SOON, is_down).await;
            ensure!(seen.is_ok(), "{mode} {version:?}: {seen:?}");
        }
    }
    Ok(())
}

// protocol 2.1-k, 2.2-l, 2.2-m, 2.2-o
#[tokio::test]
async fn right_credentials_are_let_in_and_wrong_ones_are_not() -> TestResult {
    let right = || Credentials::new("crm", "secret: with a colon");
    for mode in Mode::ALL {
        for scheme in [Scheme::Basic, Scheme::Digest] {
            let pairing = Pairing::new(mode, Format::Json)?.auth(scheme, right(), right());
            let stage = Stage::of(mode, pairing).await?;
            let named = stage.expect_name().await;
            named.with_context(|| format!("{mode} with {scheme:?}"))?;
            stage.gateway.stop().await?;
        }
    }
    for mode in Mode::ALL {
        for given in [
            Credentials::new("CRM", "secret: with a colon"),
            Credentials::new("crm", "secret"),
        ] {
            let pairing = Pairing::new(mode, Format::Json)?;
            let pairing = pairing.auth(Scheme::Digest, right(), given);
            expect_refused(&pairing, "401").await?;
        }
    }
    Ok(())
}

// protocol 2-b, 2-d, 2-f
#[tokio::test]
async fn a_certificate_with_a_flaw_is_not_trusted() -> TestResult {
    for mode in [Mode::HttpsOut, Mode::WssOut, Mode::WssIn] {
        for flaw in [
            Flaw::Expired,
            Flaw::NotYetValid,
            Flaw::WrongName,
            Flaw::UnknownIssuer,
            Flaw::SelfSigned,
        ] {
            // A gateway may refuse to start with a certificate that it could not show to anybody.
            if mode == Mode::WssIn && matches!(flaw, Flaw::Expired | Flaw::NotYetValid) {
                continue;
            }
            let pairing = Pairing::new(mode, Format::Json)?.flaw(flaw)?;
            expect_refused(&pairing, "TLS").await?;
        }
    }
    Ok(())
}

/// Starts both ends and waits for the CRM to see a refusal that says this; no message came.
async fn expect_refused(pairing: &Pairing, word: &str) -> TestResult {
    let crm = SimulatedCrm::start(pairing.crm()).await?;
    let gateway = Gateway::start(pairing.settings(Settings::new().users(1))).await?;
    let says = |record: &CrmRecord| match &record.what {
        CrmSeen::Refused(what) | CrmSeen::LinkDown(what) => what.contains(word),
        _ => false,
    };
    let found = crm.received().find(SOON, says).await;
    if let Err(seen) = found {
        return Err(gateway
            .failure(format!("{pairing:?}: the CRM saw {seen:?}"))
            .into());
    }
    // The gateway may try again by now, with no more success.
    tokio::time::timeout(Duration::from_secs(5), async {
        let status = gateway.admin().status().await?;
        ensure!(status["crm"]["state"] != "ready", "{}", status["crm"]);
        Ok(())
    })
    .await??;
    let records = crm.records();
    let message = records.iter().find_map(|record| record.received());
    ensure!(message.is_none(), "{message:?} came");
    Ok(gateway.stop().await?)
}
