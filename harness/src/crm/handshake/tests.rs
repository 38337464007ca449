use std::sync::Mutex;

use super::*;
use crate::auth::{Answerer, Credentials, Guard, Scheme};
use crate::crm::options::{SubprotocolAnswer, WebSocketVersion};
use crate::crm::socket::{Event, Socket};
use crate::error::Error;

fn offer(version: WebSocketVersion) -> Offer<'static> {
    Offer {
        host: "localhost:1".into(),
        path: "/path?x=1",
        version,
        subprotocols: "xml, json".into(),
        authorization: None,
    }
}

/// The client's and the server's outcome.
async fn meet(
    offer: &Offer<'_>,
    version: WebSocketVersion,
    guard: &Mutex<Guard>,
) -> (
    crate::error::Result<(Socket, Option<String>)>,
    crate::error::Result<Upgraded>,
) {
    let (one, other) = tokio::io::duplex(4096);
    let terms = Terms {
        version,
        subprotocol: &SubprotocolAnswer::Echo,
        guard,
        is_tls: false,
    };
    tokio::join!(ask(Box::new(one), offer), answer(Box::new(other), &terms))
}

fn open_door() -> Mutex<Guard> {
    Mutex::new(Guard::new(Scheme::None, Credentials::new("", "")))
}

// protocol 2.2-a
#[tokio::test]
async fn both_sides_of_every_version_agree_and_texts_go_both_ways() {
    for version in WebSocketVersion::ALL {
        let (client, server) = meet(&offer(version), version, &open_door()).await;
        let (mut client, chosen) = client.unwrap();
        let mut server = server.unwrap();
        assert_eq!(chosen.as_deref(), Some("xml"));
        assert_eq!(server.asked.as_deref(), Some("xml, json"));
        for length in [1, 126, 70_000, 1 << 20] {
            let text = "Ё".repeat(length / 2) + "x";
            let (sent, got) = tokio::join!(client.send(text.clone()), server.socket.next());
            sent.unwrap();
            assert!(matches!(got.unwrap(), Event::Text(got) if got == text));
            let (sent, got) = tokio::join!(server.socket.send(text.clone()), client.next());
            sent.unwrap();
            assert!(matches!(got.unwrap(), Event::Text(got) if got == text));
        }
        client.close(1000).await.unwrap();
        assert!(
            matches!(server.socket.next().await.unwrap(), Event::Ended(how) if how.contains("closed"))
        );
        assert!(matches!(client.next().await.unwrap(), Event::Ended(_)));
    }
}

#[tokio::test]
async fn another_version_is_refused_with_the_one_that_is_spoken() {
    for (asked, spoken) in [
        (WebSocketVersion::V13, WebSocketVersion::V8),
        (WebSocketVersion::V7, WebSocketVersion::V0),
        (WebSocketVersion::V0, WebSocketVersion::V13),
    ] {
        let (client, server) = meet(&offer(asked), spoken, &open_door()).await;
        assert!(matches!(
            client.err(),
            Some(Error::Refused { status: 426, .. })
        ));
        assert!(server.err().unwrap().to_string().contains("426"));
    }
}

#[tokio::test]
async fn credentials_are_asked_for_and_given() {
    let credentials = || Credentials::new("crm", "secret");
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let guard = Mutex::new(Guard::new(scheme, credentials()));
        let mut offer = offer(WebSocketVersion::V13);
        let (client, _) = meet(&offer, WebSocketVersion::V13, &guard).await;
        let Err(Error::Refused {
            status: 401,
            headers,
            ..
        }) = client
        else {
            panic!("it is not refused");
        };
        let challenges: Vec<String> = headers.into_iter().map(|(_, value)| value).collect();
        let mut answerer = Answerer::new(credentials());
        answerer.take_challenges(&challenges).unwrap();
        offer.authorization = answerer.authorization("GET", offer.path);
        let (client, _) = meet(&offer, WebSocketVersion::V13, &guard).await;
        assert!(client.is_ok(), "{scheme:?}");
    }
}
