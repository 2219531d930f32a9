//! Where the bank is, by DNS: followed as it changes, kept as it was while nobody can say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::bank::{Bank, wait_until};
use crate::support::dns::{Dns, Says};
use crate::support::folder::Folder;
use crate::support::{Gateway, assert_refused, assert_reply, http};

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const UNREACHABLE: &str = r#"{"code":14,"message":"the backend cannot be reached; the call was not sent"}"#;

/// What is configured for a bank with this name at that port; `bounds` are more keys of `dns`.
fn config(port: u16, dns: &Dns, bounds: &str) -> String {
    format!(
        "schema: proto\nstatus_headers: {{status: token-grpc-status, message: token-grpc-message}}\nupstream:\n  \
         address: http://core.bank.test:{port}\n  dns: {{servers: ['{}'], {bounds}}}\n",
        dns.address
    )
}

fn call(gateway: &Gateway, case: &str) {
    assert_reply(&http::get(gateway.address, TARGET), SERVING, case);
}

/// Both workers have learned what the server said last, and a moment more.
fn let_it_be_known(dns: &Dns) {
    wait_until("it was asked for", || dns.asked() > 0);
    thread::sleep(Duration::from_millis(300));
}

#[test]
fn after_the_ttl_calls_go_to_the_new_address_and_calls_in_flight_finish() {
    let banks = Bank::several(&["127.0.0.1", "127.0.0.2"]);
    let (old, new) = (&banks[0], &banks[1]);
    let dns = Dns::start(Says::at(&["127.0.0.1"], 1));
    let gateway = Gateway::start(&config(old.address.port(), &dns, ""), None);
    (0..10).for_each(|round| call(&gateway, &format!("call {round}")));
    assert_eq!((old.calls(), new.calls()), (10, 0));

    old.delay(Duration::from_secs(3));
    let address = gateway.address;
    let in_flight = thread::spawn(move || http::get(address, TARGET));
    wait_until("it is in flight", || old.calls() == 11);
    dns.say(Says::at(&["127.0.0.2"], 1));
    let_it_be_known(&dns);
    (0..10).for_each(|round| call(&gateway, &format!("call {round}")));
    assert_eq!((old.calls(), new.calls()), (11, 10));
    assert_eq!(old.open(), 1, "the one with the call in flight");
    assert_reply(&in_flight.join().unwrap(), SERVING, "in flight");
    wait_until("the old connections are closed", || old.open() == 0);

    // And back, and to both.
    old.delay(Duration::ZERO);
    dns.say(Says::at(&["127.0.0.1", "127.0.0.2"], 1));
    let_it_be_known(&dns);
    wait_until("both have calls", || {
        call(&gateway, "to both");
        old.calls() > 12 && new.calls() > 11
    });
}

#[test]
fn a_name_is_resolved_again_after_its_ttl_within_the_configured_bounds() {
    let bank = Bank::start("127.0.0.1:0");
    // TTL, bounds, and how many milliseconds after the first look-up the second one comes.
    for (ttl, bounds, due) in [
        (1, "", 1000),
        (3600, "max_ttl: 400ms, min_ttl: 100ms", 400),
        (0, "min_ttl: 600ms", 600),
        (2, "min_ttl: 100ms", 2000),
    ] {
        let dns = Dns::start(Says::at(&["127.0.0.1"], ttl));
        let gateway = Gateway::start(&config(bank.address.port(), &dns, bounds), None);
        wait_until("the first look-up", || dns.asked() == 1);
        let first = Instant::now();
        call(&gateway, "the first call");
        wait_until("the second look-up", || dns.asked() == 2);
        let between = first.elapsed().as_millis();
        // Not before, but for the time until the first was noticed; and how busy the machine may be.
        assert!((due - 50..=due + 3000).contains(&between), "TTL {ttl}, {bounds}: {between} ms");
    }
}

#[test]
fn a_failing_resolution_keeps_the_last_addresses_and_is_logged_once() {
    let bank = Bank::start("127.0.0.1:0");
    let dns = Dns::start(Says::at(&["127.0.0.1"], 0));
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let bounds = "min_ttl: 100ms, max_ttl: 200ms";
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\n{}", config(bank.address.port(), &dns, bounds)));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let call = |case: &str| assert_reply(&http::get(gateway.address, TARGET), SERVING, case);
    call("resolved");
    for says in [Says::NoSuchName, Says::Fails, Says::At(Vec::new(), 1)] {
        dns.say(says.clone());
        wait_until("it was asked for thrice", || dns.asked() >= 3);
        call(&format!("{says:?}"));
        dns.say(Says::at(&["127.0.0.1"], 0));
        wait_until("it was asked for again", || dns.asked() >= 2);
        call("resolved again");
    }
    let ended = gateway.stop();
    let told = ended.stderr.lines().filter_map(|line| line.split_once(" towbar::upstream::resolve: "));
    let told: Vec<String> = told.map(|(_, message)| message.to_owned()).collect();
    let kept = "its last addresses stay in use";
    assert_eq!(
        told,
        [
            "core.bank.test is resolved: 127.0.0.1".to_owned(),
            format!("core.bank.test cannot be resolved: there is no such name (NXDOMAIN); {kept}"),
            "core.bank.test is resolved again: 127.0.0.1".to_owned(),
            format!("core.bank.test cannot be resolved: the server answers Server Failure; {kept}"),
            "core.bank.test is resolved again: 127.0.0.1".to_owned(),
            format!("core.bank.test cannot be resolved: the name has no address; {kept}"),
            "core.bank.test is resolved again: 127.0.0.1".to_owned(),
        ]
    );
}

/// What is said between two addresses, and for how long.
type Between = (Option<Says>, u64);

/// So many changes of the address under steady calls, of which none fails: for each how long it took beyond the TTL until the
/// new address had a call.
fn changes(case: &str, ttl: u32, (between, milliseconds): Between) -> Vec<Duration> {
    let many = std::env::var("TOWBAR_LONG_TESTS").as_deref() == Ok("1");
    let banks = Bank::several(&["127.0.0.1", "127.0.0.2"]);
    let at = |round: usize| Says::at(&[["127.0.0.1", "127.0.0.2"][round % 2]], ttl);
    let dns = Dns::start(at(0));
    let gateway = Gateway::start(&config(banks[0].address.port(), &dns, ""), None);
    call(&gateway, "resolved for the first time");
    let is_over = AtomicBool::new(false);
    let mut times = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut caller = http::connect(gateway.address);
            while !is_over.load(Ordering::SeqCst) {
                http::write(&mut caller, "GET", TARGET, &[], None);
                assert_reply(&http::read(&mut caller), SERVING, case);
                thread::sleep(Duration::from_millis(20));
            }
        });
        for round in 1..=if many { 20 } else { 2 } {
            let (old, new) = (&banks[(round + 1) % 2], &banks[round % 2]);
            if let Some(says) = &between {
                dns.say(says.clone());
                wait_until("the failure is noticed", || dns.asked() > 0);
                thread::sleep(Duration::from_millis(milliseconds));
                let before = old.calls();
                wait_until("the last address stays in use", || old.calls() > before);
            }
            let before = new.calls();
            dns.say(at(round));
            let changed = Instant::now();
            wait_until(case, || new.calls() > before);
            times.push(changed.elapsed().saturating_sub(Duration::from_secs(ttl.clamp(1, 30).into())));
            wait_until("the old connections are closed", || old.open() == 0);
            // At another moment of the TTL each time.
            thread::sleep(Duration::from_millis(137 * round as u64 % 1000));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    times
}

#[test]
fn an_address_change_is_followed_and_dns_failures_in_between_fail_no_call() {
    let cases: [(&str, u32, Between); 8] = [
        ("TTL 0", 0, (None, 0)),
        ("TTL 1 s", 1, (None, 0)),
        ("TTL 2 s", 2, (None, 0)),
        ("NXDOMAIN", 1, (Some(Says::NoSuchName), 1500)),
        ("an empty answer", 1, (Some(Says::At(Vec::new(), 1)), 1500)),
        ("SERVFAIL", 1, (Some(Says::Fails), 1500)),
        ("SERVFAIL for long", 1, (Some(Says::Fails), 4000)),
        ("silence", 1, (Some(Says::Nothing), 1500)),
    ];
    thread::scope(|scope| {
        let running = cases.map(|(case, ttl, between)| (case, scope.spawn(move || changes(case, ttl, between))));
        for (case, times) in running {
            let mut times: Vec<u128> = times.join().unwrap().iter().map(Duration::as_millis).collect();
            times.sort_unstable();
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            eprintln!("{case}: {} changes, beyond the TTL: median {median} ms, maximum {most} ms", times.len());
        }
    });
}

#[test]
fn an_unresolvable_name_is_retried_as_often_as_before() {
    let bank = Bank::start("127.0.0.1:0");
    let dns = Dns::start(Says::at(&["127.0.0.1"], 0));
    let gateway = Gateway::start(&config(bank.address.port(), &dns, "min_ttl: 50ms"), None);
    call(&gateway, "resolved");
    dns.say(Says::NoSuchName);
    // Twice as late each time, and 5 s at most, would be half a minute.
    wait_until("it was asked for often", || dns.asked() >= 12);
    call(&gateway, "the last address stays in use");
}

#[test]
fn while_the_dns_server_is_silent_the_last_addresses_stay_in_use() {
    let bank = Bank::start("127.0.0.1:0");
    let dns = Dns::start(Says::at(&["127.0.0.1"], 0));
    let gateway = Gateway::start(&config(bank.address.port(), &dns, "min_ttl: 100ms"), None);
    call(&gateway, "resolved");
    dns.say(Says::Nothing);
    let_it_be_known(&dns);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(7) {
        call(&gateway, "silence");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn before_the_first_resolution_calls_are_refused_or_wait_for_the_dns_answer() {
    let bank = Bank::start("127.0.0.1:0");
    for says in [Says::NoSuchName, Says::Fails] {
        let dns = Dns::start(says.clone());
        let gateway = Gateway::start(&config(bank.address.port(), &dns, "min_ttl: 100ms"), None);
        for round in 0..3 {
            assert_refused(&http::get(gateway.address, TARGET), 503, UNREACHABLE, &format!("{says:?}, call {round}"));
        }
        dns.say(Says::at(&["127.0.0.1"], 1));
        wait_until("it works", || http::get(gateway.address, TARGET).status == 200);
    }
    // A server that says nothing yet: the call waits.
    let dns = Dns::start(Says::Nothing);
    let gateway = Gateway::start(&config(bank.address.port(), &dns, ""), None);
    let address = gateway.address;
    let waiting = thread::spawn(move || http::get(address, TARGET));
    wait_until("it was asked for", || dns.asked() > 0);
    dns.say(Says::at(&["127.0.0.1"], 1));
    assert_reply(&waiting.join().unwrap(), SERVING, "after a while");
}

#[test]
fn an_unreachable_ipv6_address_beside_an_ipv4_address_fails_no_call() {
    let bank = Bank::start("127.0.0.1:0");
    let dns = Dns::start(Says::at(&["127.0.0.1", "::1"], 1));
    let gateway = Gateway::start(&config(bank.address.port(), &dns, ""), None);
    (0..30).for_each(|round| call(&gateway, &format!("call {round}")));
    assert_eq!(bank.calls(), 30);
}

#[test]
fn ipv4_addresses_are_used_when_the_dns_server_never_answers_for_ipv6() {
    let banks = Bank::several(&["127.0.0.1", "127.0.0.2"]);
    let at = |address: &str| Says::SilentOfIpv6(vec![address.parse().unwrap()], 1);
    let dns = Dns::start(at("127.0.0.1"));
    let gateway = Gateway::start(&config(banks[0].address.port(), &dns, ""), None);
    call(&gateway, "the first call");
    dns.say(at("127.0.0.2"));
    wait_until("the change is followed", || {
        call(&gateway, "a later call");
        banks[1].calls() > 0
    });
}

#[test]
fn localhost_is_resolved_without_asking_the_dns_server() {
    let bank = Bank::start("127.0.0.1:0");
    let dns = Dns::start(Says::NoSuchName);
    let config = config(bank.address.port(), &dns, "max_ttl: 100ms, min_ttl: 50ms");
    let gateway = Gateway::start(&support::replaced(config, "core.bank.test", "localhost"), None);
    for round in 0..10 {
        call(&gateway, &format!("call {round}"));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(dns.asked(), 0);
}

#[test]
fn after_a_reload_only_the_newly_configured_dns_server_is_asked() {
    let bank = Bank::start("127.0.0.1:0");
    let [old, new] = [(); 2].map(|()| Dns::start(Says::at(&["127.0.0.1"], 0)));
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let write = |dns: &Dns| {
        let text = config(bank.address.port(), dns, "min_ttl: 100ms");
        folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nreload: {{watch: false}}\n{text}"));
    };
    write(&old);
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    wait_until("the first is asked, before any call", || old.asked() >= 2);
    assert_reply(&http::get(gateway.address, TARGET), SERVING, "before");
    write(&new);
    gateway.process.signal("HUP");
    wait_until("the second is asked", || new.asked() >= 2);
    wait_until("the first is asked no more", || {
        let before = old.asked();
        thread::sleep(Duration::from_millis(500));
        old.asked() == before
    });
    assert_reply(&http::get(gateway.address, TARGET), SERVING, "after");
    assert_eq!(gateway.stop().code, Some(0));
}
