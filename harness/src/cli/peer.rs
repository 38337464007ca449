//! Owns the hidden subcommand `peer`: one of the servers that okgate is measured beside, until it is killed.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::peers::Peer;

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
    let listener = Peer::listen(arguments.listen)?;
    let address = listener
        .local_addr()
        .context("finding the listening address")?;
    let peer = arguments.peer;
    println!(
        "{} {} listening on {address}",
        peer.library(),
        peer.version()
    );
    match peer.serve(listener).await {}
}
