//! A port: accepts connections, and closes without losing any.
//!
//! Closing a port resets every connection that waits to be accepted, and every one whose TCP handshake is not complete.
//! Its caller may already have sent a call on it, and cannot know that nobody has read it.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::admission::{Admission, Admissions};

/// The default for how many connections may wait to be accepted. With a shorter queue, connections of a burst are
/// dropped, and their callers try again only a second later (RFC 6298, section 2).
pub const BACKLOG: u32 = 1024;
/// The most waiting connections that are accepted before the port is closed; more than any backlog.
const WAITING: usize = 1 << 16;

/// Binds a port on which `backlog` connections may wait. The system may allow fewer (on Linux `net.core.somaxconn`).
pub(super) async fn bind(address: &str, backlog: u32) -> io::Result<TcpListener> {
    let mut last = None;
    for address in tokio::net::lookup_host(address).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let bound = socket.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(backlog)
        });
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))
}

/// Takes the listening socket that systemd passes (sd_listen_fds(3)).
pub(super) fn passed() -> io::Result<TcpListener> {
    let mut passed = ListenFd::from_env();
    let found = match passed.len() {
        1 => "",
        0 => "no socket was passed (LISTEN_FDS); start Towbar by its socket unit, or set `listen.address` to host:port",
        _ => "more than one socket was passed (LISTEN_FDS); write one `ListenStream` in the socket unit",
    };
    if !found.is_empty() {
        return Err(io::Error::other(found));
    }
    let no_tcp = |error| io::Error::other(format!("the socket that was passed does not listen on TCP: {error}"));
    let tcp = passed.take_tcp_listener(0).map_err(no_tcp)?;
    let tcp = tcp.ok_or_else(|| io::Error::other("the socket that was passed is in use already"))?;
    tcp.set_nonblocking(true)?;
    TcpListener::from_std(tcp)
}

/// Accepts connections while there is a place for them, until `stop` completes.
pub(super) async fn accept(
    tcp: &TcpListener,
    stop: impl Future<Output = ()>,
    admissions: &mut Admissions,
    give: impl Fn(TcpStream, Admission),
) {
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = admissions.next().await;
            tcp.accept().await.map(|(stream, _)| (stream, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = &mut stop => return,
        };
        match accepted {
            Ok((stream, place)) => give(stream, place),
            // Usually there are no file descriptors left, so some connection has to end first.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Stops new TCP connections from beginning, while those that have begun are completed. A caller that tries to connect
/// meanwhile tries again a second later, as after a lost packet (RFC 6298, section 2). False if the system does not
/// support this.
pub(super) fn begin_no_more(tcp: &TcpListener) -> bool {
    #[cfg(target_os = "linux")]
    {
        use socket2::{SockFilter, SockRef};
        // A program for the kernel's packet filter. It sees the segment from the TCP header on; byte 13 has the flags
        // (RFC 9293, section 3.1). SYN without ACK begins a connection and is dropped; everything else passes.
        let program = [
            SockFilter::new(0x30, 0, 0, 13),       // load the byte
            SockFilter::new(0x54, 0, 0, 0x12),     // keep SYN and ACK
            SockFilter::new(0x15, 0, 1, 0x02),     // SYN alone?
            SockFilter::new(0x06, 0, 0, 0),        // drop
            SockFilter::new(0x06, 0, 0, u32::MAX), // pass, whole
        ];
        SockRef::from(tcp).attach_filter(&program).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = tcp;
        false
    }
}

/// Closes the port, after accepting the connections that wait and for which there is a place.
pub(super) fn close(tcp: TcpListener, admissions: &mut Admissions, give: impl Fn(TcpStream, Admission)) {
    let Ok(tcp) = tcp.into_std() else { return };
    let next = || admissions.now().and_then(|place| Some((tcp.accept().ok()?.0, place)));
    let waiting = std::iter::from_fn(next).take(WAITING);
    waiting.for_each(|(stream, place)| {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            give(stream, place);
        }
    });
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;
    use std::net;

    use super::*;

    #[tokio::test]
    async fn closing_a_listener_accepts_waiting_connections_and_refuses_new_ones() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let waiting = net::TcpStream::connect(address).unwrap();
        assert!(begin_no_more(&tcp));
        let later = net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(later.unwrap_err().kind(), ErrorKind::TimedOut);
        let taken = Cell::new(Vec::new());
        close(tcp, &mut Admissions::unbounded(), |stream, _| {
            let mut all = taken.take();
            all.push(stream.peer_addr().unwrap());
            taken.set(all);
        });
        assert_eq!(taken.take(), [waiting.local_addr().unwrap()]);
        let refused = net::TcpStream::connect(address);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
