use std::net::SocketAddr;

use super::*;
use crate::reference::{Answer, ReferenceServer};
use crate::tab::Tab;

/// The server, on a thread of its own until the process ends.
fn start(peer: Peer) -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = Peer::listen("127.0.0.1:0".parse().unwrap()).unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            peer.serve(listener).await
        })
    });
    address.recv().unwrap()
}

/// Checks each peer, a new one each time.
async fn every_peer(check: impl AsyncFn(SocketAddr) -> Result<()>) {
    for peer in Peer::ALL {
        if let Err(error) = check(start(peer)).await {
            panic!("{}: {error}", peer.library());
        }
    }
}

#[tokio::test]
async fn every_peer_answers_a_ping_with_its_qid_however_it_is_written() {
    every_peer(check::answers_pings).await;
}

#[tokio::test]
async fn every_peer_takes_a_ping_in_fragments_and_answers_control_frames_between_them() {
    every_peer(check::takes_fragments).await;
}

#[tokio::test]
async fn every_peer_answers_a_thousand_requests_that_come_at_once_in_order() {
    every_peer(check::answers_many_in_order).await;
}

#[tokio::test]
async fn every_peer_tells_all_others_what_one_connection_wants_told() {
    every_peer(check::tells_all_others).await;
}

#[tokio::test]
async fn every_peer_answers_a_close_with_its_code_and_lives_on() {
    every_peer(async |address| {
        let tab = Tab::connect(address, Some("json")).await?;
        assert_eq!(tab.close(1000).await?.code, Some(1000));
        check::answers_pings(address).await
    })
    .await;
}

#[tokio::test]
async fn a_server_that_only_echoes_is_no_peer() {
    let server = ReferenceServer::bind("127.0.0.1:0".parse().unwrap(), Answer::Echo).unwrap();
    let address = server.address().unwrap();
    std::thread::spawn(move || server.run());
    assert!(check::check(address).await.is_err());
}

#[test]
fn a_library_is_named_with_the_version_that_this_program_was_built_with() {
    for peer in Peer::ALL {
        let version = peer.version();
        let is_version = version.split('.').count() == 3
            && version.starts_with(|first: char| first.is_ascii_digit());
        assert!(is_version, "{}: {version}", peer.library());
    }
}
