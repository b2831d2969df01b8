//! The numbers that a pod is reached by.
//!
//! A number that a command is to bind itself can only be tried and let go again. So that no other pod takes it in
//! between, nor a passing outgoing connection, it comes from below the range that the kernel hands out by itself, and
//! is reserved among pods by a name in the abstract socket namespace, which is gone with its holder.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use atlas_auth::Entropy;

use crate::report::BoundPort;
use crate::spec::{PortKind, PortSpec};

/// Where commands' own ports are taken from: unprivileged, and below Linux's default range for outgoing connections,
/// which starts at 32768.
const OWN_PORTS: std::ops::Range<u16> = 18_000..32_000;

/// How many numbers are tried before the range counts as full.
const TRIES: usize = 500;

/// One port, bound or reserved until this is dropped.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) bound: BoundPort,
    /// Where the world is answered; none for a port that the command binds itself.
    pub(super) listener: Option<TcpListener>,
    /// Keeps other pods from the command's own number.
    _reservation: UnixListener,
}

/// Binds and reserves what a spec asks for.
pub(super) fn bind(asked: &[PortSpec], guarded: bool, entropy: &dyn Entropy) -> Result<Vec<Port>, String> {
    asked
        .iter()
        .map(|port| match port.kind {
            PortKind::Http => bind_http(*port, guarded, entropy),
            PortKind::Tcp => bind_tcp(*port, entropy),
        })
        .collect()
}

fn bind_http(asked: PortSpec, guarded: bool, entropy: &dyn Entropy) -> Result<Port, String> {
    let wanted = asked.public.unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| cannot_bind(wanted, &error))?;
    let public = listener.local_addr().map_err(|error| cannot_bind(wanted, &error))?.port();
    let (inner, reservation) = reserve_any(entropy)?;
    let bound = BoundPort { container: asked.container, kind: asked.kind, public, inner, guarded };
    Ok(Port { bound, listener: Some(listener), _reservation: reservation })
}

fn bind_tcp(asked: PortSpec, entropy: &dyn Entropy) -> Result<Port, String> {
    let (number, reservation) = match asked.public {
        Some(wanted) => (wanted, reserve(wanted).map_err(|error| cannot_bind(wanted, &error))?),
        None => reserve_any(entropy)?,
    };
    let bound =
        BoundPort { container: asked.container, kind: asked.kind, public: number, inner: number, guarded: false };
    Ok(Port { bound, listener: None, _reservation: reservation })
}

fn cannot_bind(port: u16, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        format!("port {port} on 127.0.0.1 is in use; end what uses it or ask for another")
    } else {
        format!("port {port} on 127.0.0.1 cannot be bound: {error}")
    }
}

fn reserve_any(entropy: &dyn Entropy) -> Result<(u16, UnixListener), String> {
    for _ in 0..TRIES {
        let mut random = [0; 2];
        entropy.fill(&mut random);
        let number = OWN_PORTS.start + u16::from_ne_bytes(random) % (OWN_PORTS.end - OWN_PORTS.start);
        if let Ok(reservation) = reserve(number) {
            return Ok((number, reservation));
        }
    }
    Err(format!("no free port was found from {} to {}; end some machines", OWN_PORTS.start, OWN_PORTS.end))
}

/// Reserves a number among pods, if nobody listens on it.
fn reserve(number: u16) -> io::Result<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("atlas-pod/port/{number}"))?;
    let reservation = UnixListener::bind_addr(&name)?;
    // A command that listens on all addresses needs them all.
    drop(TcpListener::bind((Ipv4Addr::UNSPECIFIED, number))?);
    Ok(reservation)
}
