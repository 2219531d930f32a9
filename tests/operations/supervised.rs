//! Towbar as a service of systemd: the socket that it is passed, and what it tells.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::folder::Folder;
use crate::support::process::{Ended, Gateway, Process, towbar};
use crate::support::{Backend, health, http};

const TARGET: &str = "/health-check?bank_id=iron";

fn bank() -> Backend {
    let answer = |_| async { Ok::<_, Status>(Response::new(HealthCheckResponse { status: 1 })) };
    Backend::start(health(answer), None)
}

fn folder(bank: &Backend, listen: &str) -> Folder {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    folder.write("towbar.yaml", format!("listen: {listen}\nschema: proto\nupstream: http://{}\n", bank.address));
    folder
}

/// `towbar serve` with these sockets from file descriptor 3 on, as systemd starts it. All of them are the same.
fn started(folder: &Folder, socket: impl Into<OwnedFd>, count: usize) -> Process {
    let sockets = ["3<&0", "4<&0"][..count].join(" ");
    let serve = format!("LISTEN_PID=$$ LISTEN_FDS={count} exec \"$0\" serve --config towbar.yaml {sockets} </dev/null");
    let mut command = Command::new("sh");
    command.arg("-c").arg(serve).arg(towbar::<&str>(&[]).get_program()).current_dir(folder.path(""));
    Process::start_with(&mut command, Stdio::from(socket.into()))
}

fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_connection_on_a_passed_socket_waits_for_the_next_process() {
    let (bank, (socket, address)) = (bank(), listening());
    let folder = folder(&bank, "{address: systemd, drain: {notice: 200ms, timeout: 5s}}");
    let first = Gateway::of_process(started(&folder, socket.try_clone().unwrap(), 1));
    assert_eq!(first.address, address);
    assert_eq!(http::get(address, TARGET).status, 200);
    // With a notice, at whose end a port of one's own takes no new connections.
    first.process.signal("TERM");
    assert_eq!(first.process.wait().code, Some(0));
    let mut waiting = http::connect(address);
    http::write(&mut waiting, "GET", TARGET, &[], None);
    let second = Gateway::of_process(started(&folder, socket, 1));
    assert_eq!(http::read(&mut waiting).status, 200);
    assert_eq!(http::get(address, TARGET).status, 200);
    second.stop();
}

#[test]
fn without_exactly_one_tcp_socket_from_systemd_the_start_is_refused() {
    let bank = bank();
    let folder = folder(&bank, "systemd");
    let udp = || UdpSocket::bind("127.0.0.1:0").unwrap();
    let refusal = |ended: Ended| (ended.code, ended.stderr.lines().next().unwrap_or_default().to_owned());
    for (ended, reason) in [
        (
            folder.run(&["serve", "--config", "towbar.yaml"]),
            "no socket was passed (LISTEN_FDS); start Towbar by its socket unit, or set `listen.address` to host:port",
        ),
        (
            started(&folder, listening().0, 2).wait(),
            "more than one socket was passed (LISTEN_FDS); write one `ListenStream` in the socket unit",
        ),
        (started(&folder, udp(), 1).wait(), "the socket that was passed does not listen on TCP: "),
    ] {
        let (code, line) = refusal(ended);
        assert_eq!(code, Some(2), "{line}");
        assert!(line.starts_with(&format!("systemd: cannot listen on this address: {reason}")), "{line}");
    }
    // What does not start needs no socket.
    let checked = folder.run(&["check", "--config", "towbar.yaml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn systemd_is_told_when_the_service_is_ready_and_when_it_stops() {
    let bank = bank();
    let folder = folder(&bank, "127.0.0.1:0");
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let told = || {
        let mut text = [0; 256];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    let mut command = folder.command(&["serve", "--config", "towbar.yaml"]);
    let gateway = Gateway::of(command.env("NOTIFY_SOCKET", folder.path("notify")));
    assert_eq!(told(), "READY=1");
    assert_eq!(http::get(gateway.address, TARGET).status, 200);
    gateway.process.signal("INT");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(gateway.process.wait().code, Some(0));
}
