//! Everything read anew while it is served: what changes, what stays when it is broken, and that no call is harmed.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use tokio::sync::Semaphore;
use tonic::{Response, Status};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;
use towbar::tls;

use crate::support;
use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::noting::{Bank, common_name};
use crate::support::process::{Ended, Gateway};
use crate::support::{Backend, health, http};

const TARGET: &str = "/health-check?bank_id=iron";
/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each worker takes over for itself: one may have, and another be about to.
fn let_every_worker_take_over() {
    std::thread::sleep(Duration::from_millis(300));
}

/// What the log says of a reload, without its times and without what the libraries say.
fn log(ended: Ended) -> Vec<String> {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let message = |line: &str| {
        let (level, message) = line.split_once(" towbar::app::reload: ")?;
        Some(format!("{} {message}", level.split_whitespace().last()?))
    };
    ended.stderr.lines().filter_map(message).collect()
}

/// A gateway with one route of `shop/orders.proto`, in front of nobody.
fn shop(more: &str) -> Folder {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: shop\nupstream: {NOBODY}\n{more}"));
    folder
}

/// What a path is answered with: 404 where there is no route, 503 where there is one and nobody behind it.
fn status(gateway: &Gateway, target: &str) -> u16 {
    http::get(gateway.address, target).status
}

#[test]
fn changed_files_are_applied_and_the_log_lists_changed_routes() {
    let folder = shop("reload: {interval: 100ms}\n");
    let gateway = folder.start(&SERVE);
    assert_eq!((status(&gateway, "/v1/7"), status(&gateway, "/v2/7")), (503, 404));
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    wait_until("the new route", || status(&gateway, "/v2/7") == 503);
    wait_until("no old route", || status(&gateway, "/v1/7") == 404);

    folder.write("shop/more.proto", get_with(r#"post: "/v3" body: "*""#).replace("shop.v1", "shop.v3"));
    wait_until("a new file", || http::send_json(gateway.address, "POST", "/v3", "{}").status == 503);

    let config = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("towbar.yaml", config + "requests: {body_limit: 1}\n");
    wait_until("the limit", || http::send_json(gateway.address, "POST", "/v3", "{}").status == 413);
    let expected = [
        "INFO reloading: changed: shop/orders.proto",
        "INFO route removed: GET /v1/{id} -> shop.v1.Orders.Get",
        "INFO route added: GET /v2/{id} -> shop.v1.Orders.Get",
        "INFO reloaded: serving 1 route",
        "INFO reloading: changed: shop/more.proto",
        "INFO route added: POST /v3 -> shop.v3.Orders.Get (body: *)",
        "INFO reloaded: serving 2 routes",
        "INFO reloading: changed: towbar.yaml",
        "INFO reloaded: serving 2 routes",
    ];
    assert_eq!(log(gateway.stop()), expected);
}

#[test]
fn a_changed_import_of_a_single_file_triggers_a_reload() {
    let folder = shop("reload: {interval: 100ms}\n");
    let importing = get_with(r#"get: "/v1/{id}""#).replace("import ", "import \"item.proto\";\nimport ");
    folder.write("shop/orders.proto", importing.replace("message Item { string name = 1; }", ""));
    folder.write("shop/item.proto", "syntax = \"proto3\";\npackage shop.v1;\nmessage Item { string name = 1; }\n");
    let config = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("towbar.yaml", config.replace("schema: shop", "schema: shop/orders.proto"));
    let gateway = folder.start(&SERVE);
    assert_eq!(status(&gateway, "/v1/7?item.size=1"), 400);
    folder.write("shop/item.proto", "package shop.v1;");
    std::thread::sleep(Duration::from_millis(300));
    folder.write("shop/item.proto", "syntax = \"proto3\";\npackage shop.v1;\nmessage Item { int32 size = 1; }\n");
    wait_until("the new field", || status(&gateway, "/v1/7?item.size=1") == 503);
    gateway.stop();
}

#[test]
fn a_broken_file_changes_nothing_and_its_problems_are_logged() {
    let folder = shop("reload: {interval: 100ms}\n");
    let gateway = folder.start(&SERVE);
    let whole = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{idd}""#));
    std::thread::sleep(Duration::from_millis(500));
    folder.write("towbar.yaml", whole.clone() + "uptsream: 1\n");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((status(&gateway, "/v1/7"), status(&gateway, "/v2/7")), (503, 404));
    folder.write("towbar.yaml", whole.replace("127.0.0.1:0", "127.0.0.1:9"));
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    wait_until("what is right again", || status(&gateway, "/v2/7") == 503);
    let log = log(gateway.stop());
    let field =
        r#"ERROR reload: shop.v1.Orders.Get: "/v2/{idd}": column 6: expected a field of `shop.v1.Order`, found `idd`"#;
    for line in [
        field,
        "ERROR reload rejected: 1 problem; the running configuration stays in use",
        "ERROR reload: towbar.yaml:5:1: unknown key `uptsream`; did you mean `upstream`?",
        "ERROR reload rejected: 2 problems; the running configuration stays in use",
        "WARN listen.address changed to 127.0.0.1:9: restart Towbar to apply it; until then it listens on 127.0.0.1:0",
        "INFO reloaded: serving 1 route",
    ] {
        assert!(log.iter().any(|told| told == line), "{line}: {log:#?}");
    }
}

#[test]
fn a_change_rejected_along_with_a_broken_file_is_applied_once_that_file_is_fixed() {
    let folder = shop("reload: {interval: 100ms}\n");
    let gateway = folder.start(&SERVE);
    let whole = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("towbar.yaml", whole.clone() + "uptsream: 1\n");
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!((status(&gateway, "/v1/7"), status(&gateway, "/v2/7")), (503, 404));
    folder.write("towbar.yaml", whole);
    wait_until("the new route", || status(&gateway, "/v2/7") == 503);
    wait_until("no old route", || status(&gateway, "/v1/7") == 404);
    gateway.stop();
}

#[test]
fn the_metrics_show_a_refused_reload_until_one_succeeds() {
    let folder = shop("reload: {interval: 100ms}\nadmin: 127.0.0.1:0\n");
    let mut gateway = folder.start(&SERVE);
    let admin = gateway.process.read_until("metrics on http://");
    let admin: SocketAddr = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    let told = || {
        let answer = http::get(admin, "/metrics");
        let text = answer.body;
        let names = [
            "towbar_reloads_total{result=\"done\"} ",
            "towbar_reloads_total{result=\"refused\"} ",
            "towbar_reload_is_current ",
        ];
        names.map(|name| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned())
    };
    assert_eq!(told(), ["0", "0", "1"]);
    folder.write("shop/orders.proto", "no proto");
    wait_until("the refusal is counted", || told() == ["0", "1", "0"]);
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    wait_until("the mended file is counted", || told() == ["1", "1", "1"]);

    let page = http::get(admin, "/metrics");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((page.status, page.header("content-type")), (200, Some(media_type)));
    for (method, target, status, body) in [
        ("POST", "/metrics", 405, "only GET and HEAD are answered here\n"),
        ("GET", "/v2/7", 404, "no such page; GET / lists the pages of this port\n"),
    ] {
        let answer = http::send(admin, method, target, &[], None);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{method} {target}");
    }
    // Callers do not see it.
    assert_eq!(status(&gateway, "/metrics"), 404);
}

#[test]
fn without_watch_only_sighup_triggers_a_reload() {
    let folder = shop("reload: {watch: false, interval: 10ms}\n");
    let gateway = folder.start(&SERVE);
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(status(&gateway, "/v1/7"), 503);
    gateway.process.signal("HUP");
    wait_until("the new route", || status(&gateway, "/v2/7") == 503);
    let expected = [
        "INFO reloading: SIGHUP",
        "INFO route removed: GET /v1/{id} -> shop.v1.Orders.Get",
        "INFO route added: GET /v2/{id} -> shop.v1.Orders.Get",
        "INFO reloaded: serving 1 route",
    ];
    assert_eq!(log(gateway.stop()), expected);
}

/// A backend that keeps each call until there is a permit for it; how many it has had, and where permits go.
fn holding() -> (Backend, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (had, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, opened) = (had.clone(), gate.clone());
    let service = health(move |_| {
        let (count, opened) = (count.clone(), opened.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            opened.acquire().await.unwrap().forget();
            Ok::<_, Status>(Response::new(HealthCheckResponse { status: 1 }))
        }
    });
    (Backend::start(service, None), had, gate)
}

#[test]
fn a_call_in_flight_keeps_the_configuration_it_started_with() {
    let (backend, waiting, gate) = holding();
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let config =
        |url: &str| format!("listen: 127.0.0.1:0\nschema: proto\nupstream: {url}\nreload: {{interval: 50ms}}\n");
    folder.write("towbar.yaml", config(&format!("http://{}", backend.address)));
    let gateway = folder.start(&SERVE);
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "GET", TARGET, &[], None);
    wait_until("the call", || waiting.load(Ordering::SeqCst) == 1);
    folder.write("towbar.yaml", config(NOBODY));
    // The first backend does not have this rpc, and says so: 501.
    wait_until("the other backend", || status(&gateway, "/storage/none") == 503);
    let_every_worker_take_over();
    gate.add_permits(1);
    let answer = http::read(&mut stream);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"SERVING"}"#));
    // The connection of the caller is what it was, and what it asks next is asked of the new backend.
    http::write(&mut stream, "GET", TARGET, &[], None);
    assert_eq!(http::read(&mut stream).status, 503);
    gateway.stop();
}

#[test]
fn an_unchanged_in_flight_limit_still_counts_the_calls_from_before_a_reload() {
    let (backend, waiting, gate) = holding();
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let config = |in_flight: usize, more: &str| {
        let limit = format!("limit: {{in_flight: {in_flight}, waiting: 0}}");
        let upstream = format!("upstream: {{address: \"http://{}\", {limit}}}", backend.address);
        format!("listen: 127.0.0.1:0\nschema: proto\n{upstream}\nreload: {{interval: 50ms}}\n{more}")
    };
    folder.write("towbar.yaml", config(1, ""));
    let gateway = folder.start(&SERVE);
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "GET", TARGET, &[], None);
    wait_until("the call", || waiting.load(Ordering::SeqCst) == 1);
    assert_eq!(status(&gateway, TARGET), 503);
    folder.write("towbar.yaml", config(1, "expose: io.token.proto.bankapi.HealthCheckService\n"));
    wait_until("the change", || status(&gateway, "/storage/none") == 404);
    let_every_worker_take_over();
    assert_eq!(status(&gateway, TARGET), 503, "the call from before the reload has the only place");
    gate.add_permits(1);
    assert_eq!(http::read(&mut stream).status, 200);
    gate.add_permits(1);
    assert_eq!(status(&gateway, TARGET), 200);

    // Another limit is counted anew.
    http::write(&mut stream, "GET", TARGET, &[], None);
    wait_until("another call", || waiting.load(Ordering::SeqCst) == 3);
    folder.write("towbar.yaml", config(2, ""));
    wait_until("the change", || status(&gateway, "/storage/none") != 404);
    let_every_worker_take_over();
    gate.add_permits(2);
    assert_eq!(http::read(&mut stream).status, 200);
    wait_until("no problems found", || status(&gateway, TARGET) == 200);
    gateway.stop();
}

/// The certificates as Kubernetes mounts them: `tls/cert.pem` is a link into `tls/..data`, which is a link to a folder.
struct Mounted<'a> {
    folder: &'a Folder,
    authority: &'a Authority,
}

impl Mounted<'_> {
    /// New files beside the old ones, and then one rename.
    fn swap(&self, name: &str) {
        self.swap_with(name, &self.authority.pem());
    }

    /// The same with the authorities of callers.
    fn swap_with(&self, name: &str, clients: &str) {
        let issued = self.authority.issue(name).unwrap();
        let data = format!("tls/..{name}");
        self.folder.write_identity(&format!("{data}/cert.pem"), &format!("{data}/key.pem"), &issued);
        self.folder.write(&format!("{data}/ca.pem"), self.authority.pem());
        self.folder.write(&format!("{data}/clients.pem"), clients);
        self.point_to(&format!("..{name}"));
    }

    fn point_to(&self, folder: &str) {
        symlink(folder, self.folder.path("tls/..next")).unwrap();
        fs::rename(self.folder.path("tls/..next"), self.folder.path("tls/..data")).unwrap();
        for file in ["cert.pem", "key.pem", "ca.pem", "clients.pem"] {
            let link = self.folder.path(&format!("tls/{file}"));
            if !link.is_symlink() {
                symlink(Path::new("..data").join(file), link).unwrap();
            }
        }
    }
}

fn deployment(bank: &Bank, client_ca: &str) -> Folder {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let files = "cert: tls/cert.pem, key: tls/key.pem";
    folder.write(
        "towbar.yaml",
        format!(
            "listen: {{address: '127.0.0.1:0', tls: {{{files}{client_ca}}}}}\nschema: proto\n\
             upstream: {{address: 'https://{}', tls: {{{files}, ca: tls/ca.pem}}}}\n",
            bank.address
        ),
    );
    folder
}

/// A caller's side of TLS; its sessions are kept, as browsers and libraries do.
fn caller(authority: &Authority, own: Option<&Authority>) -> Arc<ClientConfig> {
    let identity = own.map(|own| own.issue("caller.test").unwrap().identity());
    tls::client(identity, &tls::Servers::Trusted(authority.trust().unwrap()), &[b"http/1.1"]).unwrap()
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(caller: &Arc<ClientConfig>, to: SocketAddr) -> Tls {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(caller.clone(), name).unwrap(), http::connect(to))
}

/// A request on this connection: its status, and whether another may follow.
fn ask(stream: &mut Tls) -> (u16, bool) {
    use std::io::Write as _;
    stream.write_all(format!("GET {TARGET} HTTP/1.1\r\nHost: gateway.test\r\n\r\n").as_bytes()).unwrap();
    let answer = http::read(stream);
    (answer.status, answer.header("connection") != Some("close"))
}

/// Who the gateway says it is to a new connection, how it was made, and that it answers.
fn meet(caller: &Arc<ClientConfig>, to: SocketAddr) -> (String, HandshakeKind) {
    let mut stream = connect(caller, to);
    assert_eq!(ask(&mut stream).0, 200);
    (common_name(&stream.conn.peer_certificates().unwrap()[0]), stream.conn.handshake_kind().unwrap())
}

/// How often certificates are swapped, every two seconds: for a minute where there is time for it.
fn swaps() -> usize {
    if std::env::var("TOWBAR_LONG_TESTS").as_deref() == Ok("1") { 30 } else { 3 }
}

/// Whether a caller's handshake comes to nothing.
fn is_refused(caller: &Arc<ClientConfig>, to: SocketAddr) -> bool {
    use std::io::{Read as _, Write as _};
    let mut stream = connect(caller, to);
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
    stream.read(&mut [0; 64]).is_err()
}

/// Median and maximum.
fn told(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    format!("median {} ms, maximum {} ms", milliseconds(times.get(times.len() / 2)), milliseconds(times.last()))
}

/// The gateway's certificate, to callers and to the bank, and the authorities of callers: all of them at a time, and at any
/// time two authorities are trusted, the one that goes and the one that comes.
#[test]
fn certificates_are_swapped_on_both_sides_under_load_and_no_request_fails() {
    let swaps = swaps();
    let authority = Authority::new("the stage").unwrap();
    let clients: Vec<Authority> =
        (0..swaps + 2).map(|number| Authority::new(&format!("clients-{number}")).unwrap()).collect();
    let trusted = |number: usize| clients[number].pem() + &clients[number + 1].pem();
    let bank = Bank::start(&authority);
    let folder = deployment(&bank, ", client_ca: tls/clients.pem");
    let mounted = Mounted { folder: &folder, authority: &authority };
    mounted.swap_with("0", &trusted(0));
    let gateway = folder.start(&SERVE);
    let to = gateway.address;
    let (is_over, answered, current) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (mut to_callers, mut to_bank) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        // One that keeps its connection, and one that makes a new one for each request.
        for keeps in [true, false] {
            let (is_over, answered, authority, clients, current) =
                (&is_over, &answered, &authority, &clients, &current);
            scope.spawn(move || {
                let mut number = 0;
                let mut own = caller(authority, Some(&clients[1]));
                let mut kept = connect(&own, to);
                while !is_over.load(Ordering::SeqCst) {
                    let (status, goes_on) = ask(&mut kept);
                    assert_eq!(status, 200, "keeps its connection: {keeps}");
                    let newest = current.load(Ordering::SeqCst);
                    let is_renewed = newest != number;
                    if is_renewed {
                        number = newest;
                        own = caller(authority, Some(&clients[number + 1]));
                    }
                    // With a connection of the authority that goes next it would be refused when that is gone.
                    if !keeps || !goes_on || is_renewed {
                        kept = connect(&own, to);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        for number in 1..=swaps {
            let next = Instant::now() + Duration::from_secs(2);
            let (name, name_of) = (number.to_string(), |caller: &support::noting::Caller| caller.name.clone());
            let new = caller(&authority, Some(&clients[number]));
            let swapped = Instant::now();
            mounted.swap_with(&name, &trusted(number));
            wait_until(&name, || meet(&new, to).0 == name);
            to_callers.push(swapped.elapsed());
            wait_until(&name, || bank.callers().last().map(name_of).as_ref() == Some(&name));
            to_bank.push(swapped.elapsed());
            // What the bank has from now on has the new name, and the old connections go.
            wait_until(&name, || {
                let callers = bank.callers();
                let open: Vec<_> = callers.iter().filter(|caller| caller.is_open.load(Ordering::SeqCst)).collect();
                !open.is_empty() && open.iter().all(|caller| caller.name == name)
            });
            let_every_worker_take_over();
            assert!(is_refused(&caller(&authority, Some(&clients[number - 1])), to), "clients-{} are gone", number - 1);
            current.store(number, Ordering::SeqCst);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let answered = answered.load(Ordering::SeqCst);
    eprintln!("{swaps} swaps, {answered} requests; to callers: {}; to the bank: {}", told(to_callers), told(to_bank));
    assert!(answered > 30 * swaps, "{answered}");
    let names: Vec<usize> = bank.callers().into_iter().map(|caller| caller.name.parse().unwrap()).collect();
    assert!(names.is_sorted(), "an old identity came back: {names:?}");
    gateway.stop();
}

#[test]
fn a_broken_certificate_changes_nothing() {
    let authority = Authority::new("the stage").unwrap();
    let bank = Bank::start(&authority);
    let folder = deployment(&bank, "");
    let mounted = Mounted { folder: &folder, authority: &authority };
    mounted.swap("first");
    let gateway = folder.start(&SERVE);
    let caller = caller(&authority, None);
    assert_eq!(meet(&caller, gateway.address).0, "first");
    // The certificate is new and whole, its key is another's: both ends are as they were.
    folder.write_identity("tls/..broken/cert.pem", "tls/..broken/old.pem", &authority.issue("broken").unwrap());
    folder.write_key("tls/..broken/key.pem", authority.issue("other").unwrap().key_pem());
    folder.write("tls/..broken/ca.pem", authority.pem());
    mounted.point_to("..broken");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(meet(&caller, gateway.address).0, "first");
    fs::copy(folder.path("tls/..broken/old.pem"), folder.path("tls/..broken/key.pem")).unwrap();
    wait_until("whole again", || meet(&caller, gateway.address).0 == "broken");
    assert!(bank.callers().iter().all(|caller| ["first", "broken"].contains(&caller.name.as_str())));
    let expected = [
        "INFO reloading: changed: tls/cert.pem, tls/key.pem",
        "ERROR reload: tls/cert.pem: the private key in tls/key.pem does not match this certificate",
        "ERROR reload rejected: 1 problem; the running configuration stays in use",
        "INFO reloading: changed: tls/key.pem",
        "INFO reloaded: serving 18 routes",
    ];
    assert_eq!(log(gateway.stop()), expected);
}

#[test]
fn a_tls_session_is_not_resumed_after_the_certificate_changes() {
    let authority = Authority::new("the stage").unwrap();
    let (ours, theirs) = (Authority::new("ours").unwrap(), Authority::new("theirs").unwrap());
    let bank = Bank::start(&authority);
    let folder = deployment(&bank, ", client_ca: clients.pem");
    let mounted = Mounted { folder: &folder, authority: &authority };
    mounted.swap("first");
    folder.write("clients.pem", ours.pem() + &theirs.pem());
    let gateway = folder.start(&SERVE);
    let (one, other) = (caller(&authority, Some(&ours)), caller(&authority, Some(&theirs)));
    // Another worker may take the connection: all have the same sessions.
    let again = |caller| meet(caller, gateway.address);
    for caller in [&one, &other] {
        assert_eq!(again(caller), ("first".to_owned(), HandshakeKind::Full));
        assert_eq!(again(caller), ("first".to_owned(), HandshakeKind::Resumed));
    }
    mounted.swap("second");
    wait_until("second", || {
        let fresh = caller(&authority, Some(&ours));
        meet(&fresh, gateway.address).0 == "second"
    });
    let_every_worker_take_over();
    // The ticket is of the first identity: the handshake begins anew.
    assert_eq!(again(&one), ("second".to_owned(), HandshakeKind::Full));
    assert_eq!(again(&one), ("second".to_owned(), HandshakeKind::Resumed));

    // Whoever is not trusted any more does not come in with an old ticket either, and is refused on an old connection.
    assert_eq!(again(&other).0, "second");
    let mut old = connect(&other, gateway.address);
    assert_eq!(ask(&mut old), (200, true));
    folder.write("clients.pem", ours.pem());
    wait_until("the refusal", || is_refused(&other, gateway.address));
    let_every_worker_take_over();
    assert!(is_refused(&other, gateway.address));
    assert_eq!(again(&one).0, "second");
    assert_eq!(ask(&mut old), (421, false));

    // A reload that changes nothing of TLS leaves connections and sessions as they are.
    let mut kept = connect(&one, gateway.address);
    assert_eq!(ask(&mut kept), (200, true));
    gateway.process.signal("HUP");
    let config = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("towbar.yaml", config + "expose: io.token.proto.bankapi.HealthCheckService\n");
    wait_until("fewer routes", || {
        use std::io::Write as _;
        let mut stream = connect(&one, gateway.address);
        stream.write_all(b"GET /accounts/balance HTTP/1.1\r\nHost: gateway.test\r\n\r\n").unwrap();
        http::read(&mut stream).status == 404
    });
    let_every_worker_take_over();
    assert_eq!(again(&one).1, HandshakeKind::Resumed);
    assert_eq!(ask(&mut kept), (200, true));
    gateway.stop();
}

/// A caller of HTTP/2 is told by GOAWAY, and what it has asked is answered.
#[test]
fn an_http2_connection_with_the_old_certificate_ends_after_its_next_call() {
    let authority = Authority::new("the stage").unwrap();
    let bank = Bank::start(&authority);
    let folder = deployment(&bank, "");
    let mounted = Mounted { folder: &folder, authority: &authority };
    mounted.swap("first");
    let gateway = folder.start(&SERVE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = tls::client(None, &tls::Servers::Trusted(authority.trust().unwrap()), &[b"h2"]).unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let ended = tokio::spawn(connection);
        let ask = async |send: &h2::client::SendRequest<bytes::Bytes>| {
            let request = ::http::Request::get(format!("https://gateway.test{TARGET}")).body(()).unwrap();
            let (response, _) = send.clone().ready().await.unwrap().send_request(request, true).unwrap();
            response.await.unwrap().status()
        };
        assert_eq!(ask(&send).await, 200);
        mounted.swap("second");
        let new = caller(&authority, None);
        tokio::task::spawn_blocking(move || wait_until("second", || meet(&new, gateway.address).0 == "second"))
            .await
            .unwrap();
        tokio::task::spawn_blocking(let_every_worker_take_over).await.unwrap();
        assert!(!ended.is_finished());
        assert_eq!(ask(&send).await, 200);
        // Its handle is still there: the gateway ends it.
        tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
        drop(send);
    });
}

/// What it asks was not forwarded, and it is told that it may ask again over another connection.
#[test]
fn requests_of_a_caller_no_longer_trusted_are_refused_on_open_http2_connections() {
    let authority = Authority::new("the stage").unwrap();
    let (ours, theirs) = (Authority::new("ours").unwrap(), Authority::new("theirs").unwrap());
    let bank = Bank::start(&authority);
    let folder = deployment(&bank, ", client_ca: clients.pem");
    Mounted { folder: &folder, authority: &authority }.swap("first");
    folder.write("clients.pem", ours.pem() + &theirs.pem());
    let gateway = folder.start(&SERVE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask_twice = async |own: &Authority, between: &dyn Fn()| {
        let identity = own.issue("caller.test").unwrap().identity();
        let trust = tls::Servers::Trusted(authority.trust().unwrap());
        let config = tls::client(Some(identity), &trust, &[b"h2"]).unwrap();
        let tcp = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let ended = tokio::spawn(connection);
        let mut statuses = Vec::new();
        for turn in 0..2 {
            let request = ::http::Request::get(format!("https://gateway.test{TARGET}")).body(()).unwrap();
            let (response, _) = send.clone().ready().await.unwrap().send_request(request, true).unwrap();
            statuses.push(response.await.unwrap().status().as_u16());
            if turn == 0 {
                between();
            }
        }
        // Its handle is still there: the gateway ends it, whether or not it hears the last that is said to it.
        let _ = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap();
        drop(send);
        statuses
    };
    let other = caller(&authority, Some(&theirs));
    let lock_out = || {
        folder.write("clients.pem", ours.pem());
        wait_until("the refusal", || is_refused(&other, gateway.address));
        let_every_worker_take_over();
    };
    assert_eq!(runtime.block_on(ask_twice(&theirs, &lock_out)), [200, 421]);
    let let_in = || {
        folder.write("clients.pem", ours.pem() + &theirs.pem());
        wait_until("theirs", || !is_refused(&caller(&authority, Some(&theirs)), gateway.address));
        let_every_worker_take_over();
    };
    assert_eq!(runtime.block_on(ask_twice(&ours, &let_in)), [200, 200]);
    gateway.stop();
}
