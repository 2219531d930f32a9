//! The backend behind an HTTP proxy: a real tinyproxy, a real Squid, and one that does what the test says.
//!
//! Whatever goes wrong on the way, nothing was sent: callers get 503 and no address, the log has the reason, and nobody gets
//! the password.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::config::Overrides;

use crate::support::folder::Folder;
use crate::support::forward::{Act, Forward, Own, PASSWORD, Program, Rules, USER};
use crate::support::http::{self, Answer};
use crate::support::ports;
use crate::support::process;
use crate::support::{
    Backend, Gateway, assert_refused, assert_reply, client_tls, config_for, replaced, server_tls, talk,
};

const PROGRAMS: [Program; 2] = [Program::Tinyproxy, Program::Squid];
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const UNREACHABLE: &str = r#"{"code":14,"message":"the backend cannot be reached; the call was not sent"}"#;
const TRANSFER: &str = concat!(
    r#"{"transferId":"t:1","transactionAmount":{"currency":"EUR","value":"10.00"},"#,
    r#""source":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}}}"#
);

/// Another password than the proxy's.
const WRONG: &str = "wr0ng";

/// `edwina:s3cret`, as it is sent.
const SENT: &str = "Basic ZWR3aW5hOnMzY3JldA==";

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn sample_bank() -> Router {
    SampleBank::new().routes().into_axum_router()
}

/// The same, and how many transfers came.
fn counting_bank() -> (Router, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let counted = count.clone();
    let layer = from_fn(move |request: Request, next: Next| {
        if request.uri().path().ends_with("/Transfer") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        next.run(request)
    });
    (sample_bank().layer(layer), count)
}

/// The bank deployment for the bank at `url`, with these lines under its `upstream`.
fn config_through(url: &str, lines: &str) -> String {
    replaced(config_for(url), "  deadline: 25s\n", &format!("  deadline: 25s\n{lines}"))
}

/// Repeats the call until `done`.
fn get_until(gateway: SocketAddr, done: impl Fn(&Answer) -> bool) -> Answer {
    let started = Instant::now();
    loop {
        let answer = http::get(gateway, TARGET);
        if done(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{answer:?}");
    }
}

/// A refusal that tells nothing of where anybody is.
fn assert_unreachable(answer: &Answer, places: &[SocketAddr], case: &str) {
    assert_refused(answer, 503, UNREACHABLE, case);
    let ports: Vec<String> = places.iter().map(|place| place.port().to_string()).collect();
    for secret in ports.iter().map(String::as_str).chain(["127.0.0.1", "bank.test", USER, PASSWORD, SENT]) {
        assert!(!format!("{answer:?}").contains(secret), "{case}: {secret} in {answer:?}");
    }
}

/// Mutual TLS through a real proxy: calls, a payment that is made once, the proxy away and back.
#[test]
fn through_a_real_proxy_the_bank_is_called_over_mutual_tls() {
    for program in PROGRAMS {
        for asks in [false, true] {
            let case = format!("{program:?}, asks: {asks}");
            let authority = Authority::new("the bank's").unwrap();
            let (service, transfers) = counting_bank();
            let bank = Backend::start(service, Some(server_tls(&authority, &authority)));
            let rules = Rules { asks, port: bank.address.port() };
            let Some(proxy) = Forward::start(program, rules) else { continue };
            let folder = Folder::new();
            folder.write("password", format!("{PASSWORD}\n"));
            let place = proxy.address;
            let lines = match (asks, program) {
                (false, _) => format!("  proxy: http://{place}\n"),
                (true, Program::Tinyproxy) => format!("  proxy: http://{USER}:%733cret@{place}\n"),
                (true, Program::Squid) => format!(
                    "  proxy:\n    address: http://{place}\n    username: {USER}\n    password_file: {}\n",
                    folder.path("password").display()
                ),
            };
            // A name that only the proxy knows.
            let host = if program == Program::Squid { "bank.test" } else { "127.0.0.1" };
            let config = config_through(&format!("https://{host}:{}", bank.address.port()), &lines);
            let gateway = Gateway::start(&config, Some(client_tls(Some(&authority), &authority)));

            assert_reply(&http::get(gateway.address, TARGET), SERVING, &case);
            let paid = http::send_json(gateway.address, "POST", "/transfers", TRANSFER);
            assert_eq!((paid.status, transfers.load(Ordering::SeqCst)), (200, 1), "{case}: {paid:?}");
            for call in 0..20 {
                assert_reply(&http::get(gateway.address, TARGET), SERVING, &format!("{case}, call {call}"));
            }

            drop(proxy);
            let away = get_until(gateway.address, |answer| answer.status == 503);
            assert_unreachable(&away, &[place, bank.address], &case);
            let unpaid = http::send_json(gateway.address, "POST", "/transfers", TRANSFER);
            assert_unreachable(&unpaid, &[place, bank.address], &case);
            let _proxy = Forward::start_at(place, program, rules);
            let back = get_until(gateway.address, |answer| answer.status == 200);
            assert_reply(&back, SERVING, &case);
            assert_eq!(transfers.load(Ordering::SeqCst), 1, "{case}");
        }
    }
}

/// What `routes` says of a bank that is asked for its descriptors, without the place of it.
fn refused(bank: &str, proxy: &str) -> String {
    let folder = Folder::new();
    folder.write(
        "towbar.yaml",
        format!("schema: {{reflection: true}}\nupstream: {{address: 'http://{bank}', proxy: '{proxy}'}}\n"),
    );
    let refused = folder.refusal(&["routes", "--config", "towbar.yaml"]);
    let place = proxy.rsplit_once(['@', '/']).unwrap().1;
    let start = format!(
        "reflection of http://{bank}: no answer: the backend cannot be reached: {bank} through the proxy {place}: "
    );
    let [line] = &refused[..] else { panic!("{refused:?}") };
    assert!(!line.contains(PASSWORD) && !line.contains(WRONG) && !line.contains(SENT), "{line}");
    line.strip_prefix(&start).unwrap_or_else(|| panic!("{line} does not start with {start}")).to_owned()
}

#[test]
fn refusals_of_real_proxies_are_reported_with_what_to_do() {
    for program in PROGRAMS {
        let closed = ports::free();
        let rules = |asks| Rules { asks, port: closed.port() };
        let (Some(open), Some(asking)) = (Forward::start(program, rules(false)), Forward::start(program, rules(true)))
        else {
            continue;
        };
        let bank = closed.to_string();
        let other = format!("127.0.0.1:{}", if closed.port() == 1 { 2 } else { 1 });
        let none = "the proxy asks for credentials (Basic), and there are none: set `username` and `password_file` under \
                    `proxy`; it says: Proxy Authentication Required";
        let wrong = "the proxy refused our credentials (Basic): check user and password; it says: ";
        let rules =
            format!("403: the rules of the proxy do not allow {other}: have it allow CONNECT to this host and port; ");
        let far = format!(
            "the proxy could not reach {bank}: see whether the name is known and the port open from where it is; it says: "
        );
        let said = |tinyproxy: &str, squid: &str| {
            if program == Program::Squid { squid.to_owned() } else { tinyproxy.to_owned() }
        };
        let squids = said("", ", ERR_CACHE_ACCESS_DENIED 0");
        for (bank, proxy, message) in [
            (&bank, format!("http://{}", asking.address), format!("407: {none}{squids}")),
            (
                &bank,
                format!("http://{USER}:{WRONG}@{}", asking.address),
                said(
                    &format!("401: {wrong}Unauthorized"),
                    &format!("407: {wrong}Proxy Authentication Required{squids}"),
                ),
            ),
            (
                &bank,
                format!("http://{USER}:{PASSWORD}@{}", asking.address),
                said(
                    &format!("500: {far}Unable to connect"),
                    &format!("503: {far}Service Unavailable, ERR_CONNECT_FAIL 111"),
                ),
            ),
            (
                &other,
                format!("http://{}", open.address),
                rules + &said("it says: Access violation", "it says: Forbidden, ERR_ACCESS_DENIED 0"),
            ),
        ] {
            assert_eq!(refused(bank, &proxy), message, "{program:?}: {proxy}");
        }
    }
}

/// What every other answer does to a call: `upstream::tunnel` has more of them.
#[test]
fn a_proxy_that_opens_no_tunnel_is_reported_with_the_reason() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(16 << 10));
    for (act, message) in [
        (
            Act::Say("HTTP/1.1 407 Who?\r\n\r\n"),
            "407: the proxy asks for credentials (no scheme named), and there are none: set `username` and \
             `password_file` under `proxy`; it says: Who?",
        ),
        (
            Act::Say("HTTP/1.1 403 No\r\n\r\n"),
            "403: the rules of the proxy do not allow bank.test:9000: have it allow CONNECT to this host and port; it \
             says: No",
        ),
        (
            Act::Say("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "502: the proxy could not reach bank.test:9000: see whether the name is known and the port open from where \
             it is; it says: Bad Gateway",
        ),
        (
            Act::Say("HTTP/1.1 200 OK\r\nVia: x\r\n"),
            "the proxy closed the connection after 25 bytes of its answer to CONNECT",
        ),
        (Act::Say(""), "the proxy closed the connection without an answer to CONNECT; is it an HTTP proxy?"),
        (Act::Say(long.leak()), "the head of the proxy's answer to CONNECT is longer than 16 KiB"),
        // Until the time of a connection is over.
        (Act::Stall("HTTP/1.1 200 OK\r\n"), "the proxy did not answer to CONNECT in time: 17 bytes of an answer came"),
    ] {
        let proxy = Own::start(act.clone());
        assert_eq!(refused("bank.test:9000", &format!("http://{}", proxy.address)), message, "{act:?}");
    }
}

#[test]
fn reflection_goes_through_the_proxy_too() {
    for program in PROGRAMS {
        let reflecting =
            tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
        let service = SampleBank::new().routes().add_service(reflecting.build_v1().unwrap());
        let bank = Backend::start(service.into_axum_router(), None);
        let Some(proxy) = Forward::start(program, Rules { asks: true, port: bank.address.port() }) else { continue };
        let folder = Folder::new();
        let host = if program == Program::Squid { "bank.test" } else { "127.0.0.1" };
        folder.write_key("password", PASSWORD).write(
            "towbar.yaml",
            format!(
                "listen: 127.0.0.1:0\nschema: {{reflection: true}}\nexpose: io.token.proto.bankapi.HealthCheckService\n\
                 upstream:\n  address: http://{host}:{}\n  proxy: {{address: 'http://{}', username: {USER}, \
                 password_file: password}}\n",
                bank.address.port(),
                proxy.address
            ),
        );
        let mut gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
        let summary = gateway.process.read_until("serving ");
        let place = format!("http://{host}:{} through the proxy {}", bank.address.port(), proxy.address);
        assert_eq!(summary, format!("1 route, calling {place}"), "{program:?}");
        let answer = http::get(gateway.address, TARGET);
        assert_eq!((answer.status, answer.body.as_str()), (200, SERVING), "{program:?}");
        let ended = gateway.stop();
        assert_eq!((ended.code, ended.stderr.contains(PASSWORD)), (Some(0), false), "{program:?}");
        let checked = folder.run(&["check", "--config", "towbar.yaml"]);
        assert_eq!((checked.stdout, checked.stderr), (format!("calling {place}\nno problems found\n"), String::new()));
        fs::set_permissions(folder.path("password"), fs::Permissions::from_mode(0o644)).unwrap();
        let exposed =
            "password: others can read this file (mode 0644): run `chmod 600 password`, or set `secret_files: any`";
        assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [exposed]);
        folder.write("towbar.yaml", fs::read_to_string(folder.path("towbar.yaml")).unwrap() + "secret_files: any\n");
        let checked = folder.run(&["check", "--config", "towbar.yaml"]);
        assert_eq!((checked.code, checked.stderr), (Some(0), format!("warning: {exposed}\n")));
    }
}

#[test]
fn a_stream_passes_a_proxy_message_by_message() {
    for program in PROGRAMS {
        let (go, going) = channel::<()>();
        let going = Arc::new(Mutex::new(going));
        let bank = talk::backend(move |_, mut requests, replies| {
            let going = going.clone();
            async move {
                requests.next().await.unwrap();
                replies.send(&talk::note("one", 1)).await;
                let went = tokio::task::spawn_blocking(move || going.lock().unwrap().recv_timeout(PATIENCE));
                went.await.unwrap().unwrap();
                replies.send(&talk::note("two", 2)).await;
                replies.end("0", "").await;
            }
        });
        let Some(proxy) = Forward::start(program, Rules { asks: false, port: bank.address.port() }) else { continue };
        let config = format!(
            "schema: talk.proto\nupstream: {{address: 'http://{}', proxy: 'http://{}'}}\n",
            bank.address, proxy.address
        );
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
        let gateway = Gateway::with(&config, &overrides, Ok(talk::schema()), None);
        let mut reader = talk::start(&gateway, "GET", "/notes/t", &[("Accept", "application/x-ndjson")], None);
        let first = reader.chunk().unwrap();
        assert_eq!(String::from_utf8(first).unwrap(), "{\"result\":{\"text\":\"one\",\"number\":1}}\n", "{program:?}");
        go.send(()).unwrap();
        let (rest, is_whole) = reader.bytes();
        let expected = "{\"result\":{\"text\":\"two\",\"number\":2}}\n{\"status\":{\"code\":0}}\n";
        assert_eq!((String::from_utf8(rest).unwrap().as_str(), is_whole), (expected, true), "{program:?}");
    }
}

/// What belongs to the tunnel is neither lost nor taken for the proxy's answer, with TLS behind it and without.
#[test]
fn the_tunnel_starts_right_after_the_proxys_answer_however_it_is_split() {
    let authority = Authority::new("the bank's").unwrap();
    let secure = Backend::start(sample_bank(), Some(server_tls(&authority, &authority)));
    let plain = Backend::start(sample_bank(), None);
    for (case, bank, act) in [
        ("TLS", &secure, Act::Tunnel(secure.address)),
        ("TLS, in pieces", &secure, Act::Piecemeal(secure.address)),
        ("HTTP/2", &plain, Act::Tunnel(plain.address)),
        ("HTTP/2, in pieces", &plain, Act::Piecemeal(plain.address)),
        // A server of HTTP/2 sends its settings without being asked.
        ("HTTP/2, which speaks first", &plain, Act::Early(plain.address)),
    ] {
        let proxy = Own::start(act);
        let (lines, tls) = (format!("  proxy: http://{}\n", proxy.address), client_tls(Some(&authority), &authority));
        let gateway = if bank.address == secure.address {
            Gateway::start(&config_through(&format!("https://{}", bank.address), &lines), Some(tls))
        } else {
            let headers = "status_headers:\n  status: token-grpc-status\n";
            let config = format!("schema: proto\nupstream:\n  address: http://{}\n{lines}{headers}", bank.address);
            Gateway::start(&config, None)
        };
        for _ in 0..3 {
            assert_reply(&http::get(gateway.address, TARGET), SERVING, case);
        }
        // Each of the gateway's threads has a connection of its own.
        let expected = format!("CONNECT {} HTTP/1.1", bank.address);
        assert!(!proxy.asked().is_empty() && proxy.asked().iter().all(|line| *line == expected), "{case}");
    }
}

/// A `towbar serve` with these variables, in front of a bank whose name nobody knows.
fn with_variables(variables: &[(&str, &str)]) -> process::Gateway {
    let arguments = ["serve", "--proto", PROTO, "--backend", "http://bank.test:9000", "--listen", "127.0.0.1:0"];
    process::Gateway::of(process::towbar(&arguments).envs(variables.iter().copied()))
}

#[test]
fn the_proxy_is_taken_from_the_environment_and_resolves_the_backends_name() {
    let bank = Backend::start(sample_bank(), None);
    for variable in ["grpc_proxy", "https_proxy", "http_proxy", "GRPC_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        let proxy = Own::start(Act::Known(SENT, bank.address));
        let url = format!("http://{USER}:{PASSWORD}@{}", proxy.address);
        let mut gateway = with_variables(&[(variable, &url), ("no_proxy", "other.test,127.0.0.1")]);
        let summary = gateway.process.read_until("serving ");
        let expected = format!("calling http://bank.test:9000 through the proxy {} ({variable})", proxy.address);
        assert!(summary.ends_with(&expected), "{summary}");
        let answer = http::get(gateway.address, TARGET);
        assert_eq!((answer.status, answer.body.as_str()), (200, SERVING), "{variable}");
        assert_eq!(proxy.asked(), ["CONNECT bank.test:9000 HTTP/1.1"], "{variable}");
        let ended = gateway.stop();
        assert_eq!(ended.code, Some(0));
        assert!(!format!("{ended:?}").contains(PASSWORD), "{ended:?}");
    }
}

#[test]
fn hosts_in_no_proxy_and_loopback_addresses_are_called_directly() {
    let bank = Backend::start(sample_bank(), None);
    let proxy = Own::start(Act::Say("HTTP/1.1 403 Forbidden\r\n\r\n"));
    let url = format!("http://{}", proxy.address);
    // This machine's own bank, which no proxy is asked for.
    let backend = format!("http://{}", bank.address);
    let arguments = ["serve", "--proto", PROTO, "--backend", &backend, "--listen", "127.0.0.1:0"];
    let gateway = process::Gateway::of(process::towbar(&arguments).env("http_proxy", &url));
    assert_eq!(http::get(gateway.address, TARGET).body, SERVING);
    // A name that `no_proxy` has, which is then looked up here, where nobody knows it.
    let mut gateway = with_variables(&[("http_proxy", &url), ("no_proxy", "bank.test")]);
    assert!(gateway.process.read_until("serving ").ends_with("calling http://bank.test:9000"));
    assert_eq!(proxy.asked(), Vec::<String>::new());
    // `none` in the file.
    let folder = Folder::new();
    for (lines, printed) in
        [("proxy: none", ""), ("deadline: 5s", "calling https://bank.test:443 through the proxy P (https_proxy)\n")]
    {
        folder.write("towbar.yaml", format!("schema: {PROTO}\nupstream: {{address: 'https://bank.test', {lines}}}\n"));
        let arguments = ["check".to_owned(), "--config".to_owned(), folder.path("towbar.yaml").display().to_string()];
        let ended = process::Process::start(process::towbar(&arguments).env("https_proxy", &url)).wait();
        let place = proxy.address.to_string();
        assert_eq!(
            (ended.code, ended.stdout),
            (Some(0), format!("{printed}no problems found\n").replace('P', &place)),
            "{lines}"
        );
    }
}

#[test]
fn an_invalid_proxy_setting_stops_the_start_and_its_source_is_named() {
    let folder = Folder::new();
    let check = |upstream: &str, variables: &[(&str, &str)]| {
        folder.write("towbar.yaml", format!("schema: {PROTO}\nupstream: {upstream}\n"));
        let file = folder.path("towbar.yaml").display().to_string();
        let mut command = process::towbar(&["check", "--config", &file]);
        let ended = process::Process::start(command.envs(variables.iter().copied())).wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{upstream}");
        ended.stderr.replace(&folder.path("").display().to_string(), "")
    };
    let one = "towbar: 1 problem, nothing was started\n";
    assert_eq!(
        check("https://bank.test", &[("https_proxy", "http://ann:s3cret@proxy:port")]),
        format!("https_proxy: expected a port from 1 to 65535 after the host\n{one}")
    );
    assert_eq!(
        check("https://bank.test", &[("HTTP_PROXY", "https://ann:s3cret@proxy:3128")]),
        format!("HTTP_PROXY: expected an HTTP proxy, http://HOST:PORT; `https://` proxies are not supported\n{one}")
    );
    assert_eq!(
        check("{address: https://bank.test, proxy: 'http://ann:s3/cret@proxy:3128'}", &[]),
        format!(
            "towbar.yaml:2:47: proxy: the user or password has a character that must be percent-encoded: `/` is %2F, `?` %3F, \
             `#` %23, `@` %40\n{one}"
        )
    );
    assert_eq!(
        check("{address: https://bank.test, proxy: {address: 'http://p', username: u, password_file: none.txt}}", &[]),
        format!("none.txt: No such file or directory (os error 2)\n{one}")
    );
}

#[test]
fn rejected_proxy_credentials_are_logged_and_a_new_password_is_picked_up() {
    let bank = Backend::start(sample_bank(), None);
    let proxy = Own::start(Act::Known(SENT, bank.address));
    let folder = Folder::new();
    folder.write_key("password", format!("{WRONG}\n")).write(
        "towbar.yaml",
        format!(
            "listen: 127.0.0.1:0\nschema: {PROTO}\nreload: {{interval: 20ms}}\nstatus_headers: {{status: token-grpc-status}}\n\
             upstream:\n  address: http://bank.test:9000\n  proxy: {{address: 'http://{}', username: {USER}, \
             password_file: password}}\n",
            proxy.address
        ),
    );
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    for _ in 0..3 {
        assert_unreachable(&http::get(gateway.address, TARGET), &[proxy.address, bank.address], "another password");
    }
    folder.write_key("password", format!("{PASSWORD}\n"));
    let answer = get_until(gateway.address, |answer| answer.status == 200);
    assert_eq!(answer.body, SERVING);
    let ended = gateway.stop();
    let expected = format!(
        "error=the backend cannot be reached: bank.test:9000 through the proxy {}: 407: the proxy refused our credentials \
         (Basic): check user and password; it says: Who?",
        proxy.address
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(!ended.stderr.contains(PASSWORD) && !ended.stderr.contains(WRONG), "{}", ended.stderr);
}
