//! Owns the subcommand `proxy`: options to the reference proxy.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use okgate_harness::proxy::{Proxy, ProxyOptions};

/// The options of `proxy`.
#[derive(Debug, Args)]
pub(super) struct ProxyArguments {
    /// Address to listen on, for posts and for WebSockets; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4098")]
    listen: SocketAddr,
    /// Address of the CRM, which takes WebSockets
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8045")]
    connect: SocketAddr,
    /// Answer what the CRM itself asks with so many bytes [default: leave it unanswered]
    #[arg(long, value_name = "BYTES")]
    answer_bytes: Option<usize>,
}

/// Serves until the CRM's link ends or the process is asked to end.
pub(super) async fn run(arguments: ProxyArguments) -> anyhow::Result<ExitCode> {
    let proxy = Proxy::start(ProxyOptions {
        listen: arguments.listen,
        connect: arguments.connect,
        answer_bytes: arguments.answer_bytes,
    })
    .await?;
    println!("listening on {}", proxy.address());
    tokio::select! {
        ended = super::asked_to_end() => ended?,
        ended = proxy.run() => match ended? {},
    }
    Ok(ExitCode::SUCCESS)
}
