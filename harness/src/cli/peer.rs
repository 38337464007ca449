//! Owns the hidden subcommand `peer`: one of the servers that okgate is measured beside, until it is killed.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use okgate_harness::Error;
use okgate_harness::peers::Peer;
use tokio::net::TcpListener;

/// The options of `peer`.
#[derive(Debug, Args)]
pub(super) struct PeerArguments {
    /// Which one
    #[arg(value_enum)]
    peer: Peer,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4097")]
    listen: SocketAddr,
}

/// Serves until the process is killed.
pub(super) async fn run(arguments: PeerArguments) -> anyhow::Result<ExitCode> {
    okgate_harness::report::raise_descriptor_limit();
    let failed = |source| Error::Listen {
        address: arguments.listen.to_string(),
        source,
    };
    let listener = TcpListener::bind(arguments.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let peer = arguments.peer;
    println!(
        "{} {} listening on {address}",
        peer.library(),
        peer.version()
    );
    match peer.serve(listener).await {}
}
