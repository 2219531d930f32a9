//! `listen`: the listener for callers.

use super::input::Input;
use super::reader::{Read, Value, or_default};
use super::{drain, limits, trusted, value};
use crate::gateway::Protocols;
use crate::server::{self, BACKLOG, HANDSHAKES_OF_ONE_ADDRESS};
use crate::tls::PinnedClient;

/// The default accepts connections from this machine only.
const LISTEN: &str = "127.0.0.1:8080";

const KEYS: &[&str] =
    &["address", "protocols", "tls", "hop", "addresses", "drain", "connections", "handshakes", "backlog"];

impl Input<'_> {
    /// The listener, and the protocols that it serves.
    pub(super) fn listen(&self) -> Read<(server::Config, Protocols)> {
        if let Some(flag) = &self.overrides.listen {
            let address = value::listen_place(flag).map_err(|message| self.problems.flag("--listen", message))?;
            return Ok((plain_listener(address), Protocols::default()));
        }
        match self.value("listen") {
            Some(value) if value.is_map() => self.listen_section(value),
            Some(value) => Ok((plain_listener(listen_place(value)?), Protocols::default())),
            None => self.top.map(|_| (plain_listener(LISTEN.to_owned()), Protocols::default())),
        }
    }

    fn listen_section(&self, value: Value) -> Read<(server::Config, Protocols)> {
        let section = value.section(&[KEYS, trusted::KEYS].concat())?;
        let address = section.value("address").map_or(Ok(LISTEN.to_owned()), listen_place);
        let tls = section.value("tls").map(|value| self.listen_tls(value)).transpose();
        let connections = section.value("connections").map(limits::connections).transpose();
        let handshakes =
            or_default(section.value("handshakes"), |value| limits::connections(*value), HANDSHAKES_OF_ONE_ADDRESS);
        let backlog = or_default(section.value("backlog"), |value| limits::backlog(*value), BACKLOG);
        let (proxies, drain) = (trusted::proxies(section), drain::drain(section));
        let protocols = section.value("protocols").map_or_else(Protocols::default, protocols);
        let hop = match (section.value("hop"), &tls) {
            (Some(value), Ok(tls)) => Some(self.hop(value, tls.as_ref())).transpose(),
            (Some(_), Err(noted)) => Err(*noted),
            (None, _) => Ok(None),
        };
        let (address, tls, proxies, hop, connections) = (address?, tls?, proxies?, hop?, connections?);
        let prior_knowledge = protocols.grpc || protocols.connect;
        let config =
            server::Config { address, tls, proxies, hop, drain, connections, handshakes, backlog, prior_knowledge };
        Ok((config, protocols))
    }

    fn listen_tls(&self, value: Value) -> Read<server::TlsFiles> {
        let section = value.section(&["cert", "key", "client_ca", "clients", "client_auth"])?;
        let identity = self.identity(section);
        let client_ca = self.path(section, "client_ca");
        let clients = section.value("clients").map_or(Ok(Vec::new()), clients);
        let is_optional = |value: Value| value.parsed("`required` or `optional`", value::is_optional);
        let optional = section.value("client_auth").map(is_optional).transpose();
        if let Some(auth) = section.value("client_auth")
            && section.value("client_ca").is_none()
            && section.value("clients").is_none()
        {
            return Err(
                auth.wrong("has no effect without `client_ca` or `clients`; set one of them, or remove this key")
            );
        }
        let identity = identity?.ok_or_else(|| value.wrong("`cert` and `key` are missing"))?;
        let (client_ca, clients, client_optional) = (client_ca?, clients?, optional?.unwrap_or(false));
        Ok(server::TlsFiles { identity, client_ca, clients, client_optional })
    }
}

/// Named clients with their pins. A pin belongs to one client only.
pub(super) fn clients(value: Value) -> Read<Vec<PinnedClient>> {
    let mut clients: Vec<PinnedClient> = Vec::new();
    for (_, named) in value.named()? {
        let pins = named.one_or_more("pins", |item| {
            let read = item.parsed("a pin", value::pin)?;
            match clients.iter().find(|client| client.pins.contains(&read)) {
                Some(other) => Err(item.wrong(format!("this pin already belongs to client `{}`", other.name))),
                None => Ok(read),
            }
        });
        clients.push(PinnedClient { name: named.name().to_owned(), pins });
    }
    if clients.is_empty() { Err(value.wrong("expected at least one client by name, found none")) } else { Ok(clients) }
}

/// The protocols of a list of their names.
fn protocols(value: Value) -> Protocols {
    let name = |item: Value| item.parsed("a protocol", value::protocol);
    let names = value.one_or_more("a protocol", name);
    let has = |name| names.contains(&name);
    Protocols { rest: has("rest"), grpc: has("grpc"), grpc_web: has("grpc_web"), connect: has("connect") }
}

fn listen_place(value: Value) -> Read<String> {
    value.parsed("`host:port` or `systemd`", value::listen_place)
}

pub(super) fn listen_address(value: Value) -> Read<String> {
    value.parsed("`host:port`", value::listen_address)
}

fn plain_listener(address: String) -> server::Config {
    let drain = server::Drain::default();
    let handshakes = HANDSHAKES_OF_ONE_ADDRESS;
    server::Config {
        address,
        tls: None,
        proxies: None,
        hop: None,
        drain,
        connections: None,
        handshakes,
        backlog: BACKLOG,
        prior_knowledge: false,
    }
}
