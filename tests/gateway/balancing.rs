//! Several addresses of one bank: calls are spread, those that fail are left alone for a while, and connections come and go
//! without harm to a call.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;

use crate::support::bank::{Bank, NO_HEALTH_SERVICE, wait_until};
use crate::support::ports;
use crate::support::{Backend, Gateway, assert_refused, assert_reply, client_tls, http, server_tls};

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const UNREACHABLE: &str = r#"{"code":14,"message":"the backend cannot be reached; the call was not sent"}"#;
const THREE: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// A gateway in front of these addresses, with more keys of `upstream`.
fn gateway(addresses: &[String], more: &str) -> Gateway {
    let list = addresses.join(", ");
    let status = "status_headers: {status: token-grpc-status, message: token-grpc-message}";
    Gateway::start(&format!("schema: proto\n{status}\nupstream:\n  address: [{list}]\n{more}"), None)
}

fn in_front_of(banks: &[Bank], more: &str) -> Gateway {
    gateway(&banks.iter().map(|bank| format!("http://{}", bank.address)).collect::<Vec<_>>(), more)
}

fn call(gateway: SocketAddr, case: &str) {
    assert_reply(&http::get(gateway, TARGET), SERVING, case);
}

/// So many calls from each of so many callers at a time; all have a reply.
fn load(gateway: SocketAddr, callers: usize, calls: usize) {
    let call_all = move || (0..calls).for_each(|round| call(gateway, &format!("call {round}")));
    let threads: Vec<_> = (0..callers).map(|_| thread::spawn(call_all)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn counts(banks: &[Bank]) -> Vec<usize> {
    banks.iter().map(Bank::calls).collect()
}

#[test]
fn calls_are_spread_over_all_addresses_and_a_slow_address_gets_fewer() {
    let banks = Bank::several(&THREE);
    let gateway = in_front_of(&banks, "");
    load(gateway.address, 1, 90);
    let before = counts(&banks);
    assert!(before.iter().all(|&calls| calls >= 20), "one after the other: {before:?}");

    banks[1].delay(Duration::from_millis(200));
    load(gateway.address, 6, 25);
    let calls: Vec<usize> = counts(&banks).iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(calls.iter().sum::<usize>(), 150);
    assert!(calls[1] * 2 < calls[0].min(calls[2]), "the second is slow: {calls:?}");
    assert!(calls[1] > 0, "and has calls all the same: {calls:?}");
}

#[test]
fn an_address_that_goes_down_fails_no_call_and_is_called_again_once_it_is_back() {
    let mut banks = Bank::several(&THREE);
    let gateway = in_front_of(&banks, "");
    load(gateway.address, 2, 15);
    let gone = banks.remove(1);
    let address = gone.address.to_string();
    drop(gone);
    // What is in flight at that moment is lost, and nothing is.
    thread::sleep(Duration::from_millis(50));
    load(gateway.address, 4, 25);
    let back = Bank::start(&address);
    wait_until("the one that is back has calls", || {
        call(gateway.address, "while it comes back");
        back.calls() > 0
    });
}

#[test]
fn an_address_that_was_never_reachable_fails_no_call() {
    let port = ports::free_at(&THREE);
    let bank = Bank::start(&format!("127.0.0.2:{port}"));
    let addresses: Vec<String> = THREE.iter().map(|address| format!("http://{address}:{port}")).collect();
    let gateway = gateway(&addresses, "");
    load(gateway.address, 2, 20);
    assert_eq!(bank.calls(), 40);
    drop(bank);
    // Then all are ejected, and all are tried.
    wait_until("nobody answers", || http::get(gateway.address, TARGET).status == 503);
    let bank = Bank::start(&format!("127.0.0.3:{port}"));
    wait_until("another one answers", || http::get(gateway.address, TARGET).status == 200);
    assert!(bank.calls() > 0);
}

#[test]
fn an_address_that_accepts_connections_but_stays_silent_stalls_no_call() {
    let authority = Authority::new("the bank's").unwrap();
    let port = ports::free_at(&THREE);
    let silent = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let service = SampleBank::new().routes().into_axum_router();
    let tls = Some(server_tls(&authority, &authority));
    let _bank = Backend::start_at(&format!("127.0.0.2:{port}"), service, tls);
    // A call that waited for the silent one would have no time left.
    let config = format!(
        "schema: proto\nstatus_headers: {{status: token-grpc-status, message: token-grpc-message}}\nupstream:\n  \
         address: ['https://{}', 'https://127.0.0.2:{port}']\n  deadline: 5s\n  tls: {{server_name: bank.test}}\n",
        silent.local_addr().unwrap()
    );
    for _ in 0..4 {
        let gateway = Gateway::start(&config, Some(client_tls(Some(&authority), &authority)));
        load(gateway.address, 2, 10);
    }
}

#[test]
fn an_address_that_closes_every_connection_at_once_fails_no_call() {
    let bank = Bank::start("127.0.0.2:0");
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closing.local_addr().unwrap();
    let (told, accepted) = channel();
    thread::spawn(move || {
        for stream in closing.incoming() {
            drop(stream.unwrap());
            let _ = told.send(());
        }
    });
    let gateway = gateway(&[format!("http://{address}"), format!("http://{}", bank.address)], "");
    load(gateway.address, 2, 30);
    assert_eq!(bank.calls(), 60);
    accepted.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn waiting_for_a_backend_connection_ends_at_connect_timeout() {
    let authority = Authority::new("the bank's").unwrap();
    for (scheme, tls) in [("https", Some(client_tls(Some(&authority), &authority))), ("http", None)] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        let config = format!(
            "schema: proto\nstatus_headers: {{status: token-grpc-status, message: token-grpc-message}}\nupstream:\n  \
             address: {url}\n  connections: {{connect_timeout: 200ms}}\n"
        );
        // The deadline is 25 s, after which the answer would be 504.
        assert_refused(&http::get(Gateway::start(&config, tls).address, TARGET), 503, UNREACHABLE, &url);
    }
}

#[test]
fn the_authority_of_a_call_is_that_of_the_address_it_goes_to() {
    let bank = Bank::start("127.0.0.1:0");
    let port = bank.address.port();
    let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let gateway = gateway(&names.clone().map(|name| format!("http://{name}")), "");
    wait_until("both names are called", || {
        call(gateway.address, "by either name");
        bank.authorities().len() == 2
    });
    assert_eq!(bank.authorities(), names);
}

#[test]
fn connections_past_their_maximum_age_are_replaced_without_failing_a_call() {
    let banks = Bank::several(&THREE[..2]);
    let gateway = in_front_of(&banks, "  connections: {age: 150ms}\n");
    banks.iter().for_each(|bank| bank.delay(Duration::from_millis(5)));
    load(gateway.address, 4, 100);
    for bank in &banks {
        assert!(bank.opened() >= 6, "{}", bank.opened());
        wait_until("old ones are closed", || bank.open() <= 6);
    }
    // A call that is longer than the age of its connection.
    banks.iter().for_each(|bank| bank.delay(Duration::from_millis(700)));
    load(gateway.address, 4, 1);
    // Who has no calls gets no new connections.
    wait_until("all are closed", || banks.iter().all(|bank| bank.open() == 0));
}

#[test]
fn an_idle_connection_is_closed_but_not_one_with_a_long_call() {
    let bank = Bank::start("127.0.0.1:0");
    let gateway = in_front_of(std::slice::from_ref(&bank), "  connections: {idle: 200ms}\n");
    for round in 1..=3 {
        call(gateway.address, "after a while");
        assert!(bank.open() > 0, "round {round}");
        wait_until("it is closed", || bank.open() == 0);
    }
    bank.delay(Duration::from_millis(900));
    let opened = bank.opened();
    load(gateway.address, 1, 1);
    assert_eq!(bank.opened(), opened + 1);
}

/// Carries one connection to a bank, as long as it is asked to; a second one it does not take.
fn relay(bank: &Bank) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, far) = (listener.local_addr().unwrap(), bank.address);
    let carries = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&carries);
    thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        drop(listener);
        let far = TcpStream::connect(far).unwrap();
        for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
            let carries = Arc::clone(&asked);
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    // What is not carried is lost, and nobody is told.
                    if carries.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, carries)
}

#[test]
fn after_an_unanswered_ping_calls_go_to_other_addresses() {
    let banks = Bank::several(&THREE[..2]);
    let (address, carries) = relay(&banks[0]);
    let more = "  connections: {ping_interval: 100ms, ping_timeout: 200ms}\n";
    let gateway = gateway(&[format!("http://{address}"), format!("http://{}", banks[1].address)], more);
    // All by one connection of the caller, so that one worker has them all.
    let mut caller = http::connect(gateway.address);
    let mut call = || {
        http::write(&mut caller, "GET", TARGET, &[], None);
        http::read(&mut caller)
    };
    wait_until("both are called", || call().status == 200 && banks.iter().all(|bank| bank.calls() > 0));
    carries.store(false, Ordering::SeqCst);
    let lost = (0..20).filter(|_| call().status != 200).count();
    assert!(lost <= 1, "{lost} calls were given to the dead one");
    assert_reply(&call(), SERVING, "by the other one");
}

#[test]
fn a_connection_that_died_while_idle_gets_no_call() {
    let banks = Bank::several(&THREE[..2]);
    let (address, carries) = relay(&banks[0]);
    let more = "  connections: {ping_interval: 100ms}\n";
    let gateway = gateway(&[format!("http://{address}"), format!("http://{}", banks[1].address)], more);
    // All by one connection of the caller, so that one worker has them all.
    let mut caller = http::connect(gateway.address);
    let mut call = || {
        http::write(&mut caller, "GET", TARGET, &[], None);
        http::read(&mut caller)
    };
    wait_until("both are called", || call().status == 200 && banks.iter().all(|bank| bank.calls() > 0));
    thread::sleep(Duration::from_millis(500));
    // As a firewall does that has forgotten the connection.
    carries.store(false, Ordering::SeqCst);
    for round in 0..10 {
        assert_reply(&call(), SERVING, &format!("call {round}"));
    }
}

#[test]
fn an_old_connection_stays_in_use_while_it_cannot_be_replaced() {
    let bank = Bank::start("127.0.0.1:0");
    let (address, _) = relay(&bank);
    let gateway = gateway(&[format!("http://{address}")], "  connections: {age: 100ms}\n");
    // All by one connection of the caller, so that one worker has them all.
    let mut caller = http::connect(gateway.address);
    for round in 0..40 {
        http::write(&mut caller, "GET", TARGET, &[], None);
        assert_reply(&http::read(&mut caller), SERVING, &format!("call {round}"));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(bank.opened(), 1);
}

#[test]
fn calls_go_to_healthy_addresses_only_unless_none_is_healthy() {
    let banks = Bank::several(&THREE);
    banks[2].say(NO_HEALTH_SERVICE);
    let gateway = in_front_of(&banks, "  health: {interval: 50ms}\n");
    load(gateway.address, 2, 15);
    assert!(counts(&banks).iter().all(|&calls| calls > 0), "{:?}", counts(&banks));

    for status in [2, 0, 3] {
        banks[0].say(status);
        let said = banks[0].checks();
        wait_until("it has said so", || banks[0].checks() > said + 1);
        let before = banks[0].calls();
        load(gateway.address, 2, 15);
        assert_eq!(banks[0].calls(), before, "status {status}");

        banks[0].say(1);
        wait_until("it has calls again", || {
            call(gateway.address, "well again");
            banks[0].calls() > before
        });
    }
    // Where nobody is well, all are as good.
    banks.iter().for_each(|bank| bank.say(2));
    let said = banks[0].checks();
    wait_until("they have said so", || banks[0].checks() > said + 2);
    load(gateway.address, 2, 15);
}
