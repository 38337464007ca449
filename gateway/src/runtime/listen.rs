//! Listening sockets: all are bound before any shard starts, so that a busy
//! address is a start-up error that names the setting.
//!
//! Every shard has its own socket on the same address and the kernel spreads
//! connections over them. The first socket of an address is bound without
//! sharing: so a second gateway on the same address is refused even though the
//! sockets of one gateway share it.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::start::StartError;

/// One address with a socket for each shard.
#[derive(Debug)]
pub struct Listening {
    /// The address, with the port that the system chose if 0 was asked for.
    pub address: SocketAddr,
    /// One socket per shard.
    pub sockets: Vec<TcpListener>,
}

/// Listens on `address` with `shards` sockets; `setting` is the key to name in errors.
///
/// Accepted connections send without delay (`TCP_NODELAY`).
pub fn listen(
    address: SocketAddr,
    shards: usize,
    backlog: u32,
    setting: &str,
) -> Result<Listening, StartError> {
    open_all(address, shards.max(1), backlog).map_err(|source| fault(address, setting, source))
}

fn open_all(address: SocketAddr, shards: usize, backlog: u32) -> io::Result<Listening> {
    let first = open(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let bound = first
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        let next = open(address)?;
        next.set_reuse_port(true)?;
        next.bind(&bound.into())?;
        sockets.push(next);
    }
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    for socket in &sockets {
        socket.listen(backlog)?;
    }
    Ok(Listening {
        address: bound,
        sockets: sockets.into_iter().map(TcpListener::from).collect(),
    })
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Old connections in TIME_WAIT do not keep a restarted gateway out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Linux hands these down to accepted sockets: two system calls less for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(socket)
}

fn fault(address: SocketAddr, setting: &str, source: io::Error) -> StartError {
    let setting = setting.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { address, setting },
        io::ErrorKind::AddrNotAvailable => StartError::AddressNotAvailable { address, setting },
        io::ErrorKind::PermissionDenied => StartError::PermissionDenied { address, setting },
        _ => StartError::Listen {
            address,
            setting,
            source,
        },
    }
}

/// What the kernel keeps for a connection beyond what its peer has room for. The rest
/// of a long list waits where all links share it, and not as a copy in the kernel,
/// whose memory for sockets is bounded for all of them together.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn a_second_gateway_on_the_same_address_is_refused() {
        let first = listen(loopback(), 2, 128, "clients.listen").expect("a free port");
        assert_eq!(first.sockets.len(), 2);
        let error = listen(first.address, 2, 128, "clients.listen").expect_err("in use");
        assert!(matches!(error, StartError::PortInUse { .. }), "{error}");
        assert!(error.to_string().contains(&first.address.to_string()));
        assert!(error.to_string().contains("clients.listen"));
    }

    #[test]
    fn a_restart_is_not_kept_out_by_old_connections() {
        let first = listen(loopback(), 1, 128, "clients.listen").expect("a free port");
        let client = TcpStream::connect(first.address).expect("a connection");
        let (server, _) = first.sockets[0].accept().expect("the connection");
        drop(server);
        drop(client);
        let address = first.address;
        drop(first);
        listen(address, 2, 128, "clients.listen").expect("the port again");
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let address = SocketAddr::from(([192, 0, 2, 1], 4066));
        let error = listen(address, 1, 128, "web.listen").expect_err("not ours");
        assert!(
            matches!(error, StartError::AddressNotAvailable { .. }),
            "{error}"
        );
    }

    #[test]
    fn accepted_connections_send_without_delay() {
        let listening = listen(loopback(), 1, 128, "clients.listen").expect("a free port");
        let _client = TcpStream::connect(listening.address).expect("a connection");
        let (server, _) = listening.sockets[0].accept().expect("the connection");
        assert!(server.nodelay().expect("the option"));
    }
}
