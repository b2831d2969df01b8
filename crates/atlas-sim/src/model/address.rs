//! Which address leads where. A machine's address is its own only while it runs: afterwards it belongs to the cloud's
//! proxy, or, where a start moves ports, to a stranger.

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, PortSpec, Protocol};
use url::Url;

use super::{Cloud, Machine, Serial};

/// The first port outside that is given out.
const FIRST_PORT: u16 = 20_000;
/// How many are given out before the first comes again.
const PORTS: u16 = 40_000;
/// The domain of this cloud; nobody can own it (RFC 2606).
const DOMAIN: &str = "mock.invalid";

/// Who takes what is sent to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A running machine.
    Machine(Serial),
    /// The cloud's proxy: there is no running machine behind it.
    Proxy,
    /// Somebody else's machine.
    Stranger,
    /// Nobody listens.
    Nobody,
}

impl Cloud {
    /// Gives a machine ports outside that no other has.
    pub(super) fn allot(&mut self, machine: &mut Machine) {
        let mut ports = Vec::with_capacity(machine.blueprint.ports.len());
        for _ in &machine.blueprint.ports {
            let port = FIRST_PORT + self.allotments % PORTS;
            self.allotments = (self.allotments + 1) % PORTS;
            self.allotted.insert(port, machine.serial);
            ports.push(port);
        }
        machine.public_ports = ports;
    }

    /// The address of a machine's http port, while it runs.
    pub(crate) fn url(&self, machine: &Machine, port: PortSpec, now: Timestamp) -> Option<String> {
        if port.protocol != Protocol::Http || !machine.is_running(now) {
            return None;
        }
        let public = public_port(machine, port)?;
        let (id, inside) = (&machine.id, port.port);
        Some(match (self.settings.has_proxy, self.settings.moves_ports) {
            (true, false) => format!("https://{id}-{inside}.{DOMAIN}/"),
            (true, true) => format!("https://{DOMAIN}:{public}/"),
            (false, _) => format!("http://{}:{public}/", public_ip(machine)),
        })
    }

    /// Who takes what is sent to `url` now.
    pub(crate) fn recipient(&self, url: &Url, now: Timestamp) -> Recipient {
        let now = now.max(self.latest);
        let host = url.host_str().unwrap_or_default();
        if let Some(name) = host.strip_suffix(&format!(".{DOMAIN}")) {
            let machine = name
                .rsplit_once('-')
                .and_then(|(id, port)| Some((self.machine(&ComputeId::new(id))?, port.parse::<u16>().ok()?)))
                .filter(|(machine, inside)| machine.blueprint.ports.contains(&PortSpec::http(*inside)))
                .map(|(machine, _)| machine);
            return self.behind_proxy(machine, now);
        }
        let Some(public) = url.port() else { return Recipient::Nobody };
        let Some(owner) = self.allotted.get(&public).and_then(|serial| self.machines.get(serial)) else {
            return Recipient::Nobody;
        };
        if owner.is_running(now) && owner.public_ports.contains(&public) {
            self.behind_proxy(Some(owner), now)
        } else if self.settings.moves_ports {
            Recipient::Stranger
        } else {
            Recipient::Nobody
        }
    }

    fn behind_proxy(&self, machine: Option<&Machine>, now: Timestamp) -> Recipient {
        let answers = |machine: &&Machine| {
            machine.is_running(now) && now >= machine.life.since(now).plus(self.settings.answers_after)
        };
        match machine.filter(answers) {
            Some(machine) => Recipient::Machine(machine.serial),
            None if self.settings.has_proxy => Recipient::Proxy,
            None => Recipient::Nobody,
        }
    }
}

/// The number outside of a port inside.
pub(crate) fn public_port(machine: &Machine, port: PortSpec) -> Option<u16> {
    let index = machine.blueprint.ports.iter().position(|spec| *spec == port)?;
    machine.public_ports.get(index).copied()
}

/// A machine's address: one of those that are kept for examples (RFC 5737).
pub(crate) fn public_ip(machine: &Machine) -> String {
    format!("192.0.2.{}", 1 + machine.serial % 254)
}
