//! The commands as an operator uses them: `routes`, `check`, `--help`, and `serve` with the bank's configuration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, StreamOwned};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::io::token::proto::bankapi::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_service_server::{HealthCheckService, HealthCheckServiceServer},
};
use towbar::server::{Listener, Plain};
use towbar::tls;

use crate::support::folder;
use crate::support::folder::{Folder, NOBODY, authority, get_with, orders};
use crate::support::http;
use crate::support::http::Answer;
use crate::support::process;
use crate::support::process::{Ended, Gateway};

const ACCOUNT_KEYS: &str = "account.swift.bic account.swift.account account.sepa.iban account.sepa.bic account.ach.routing \
                    account.ach.account account.faster_payments.sort_code account.faster_payments.account_number \
                    account.custom.bank_id account.custom.payload";

/// The bank's routes by their annotations alone. ACCOUNT stands for ACCOUNT_KEYS.
const ROUTES: &str = "\
METHOD  PATH                            RPC                                                                BODY  QUERY KEYS
GET     /accounts/balance               io.token.proto.bankapi.AccountService.GetBalance                   -     ACCOUNT
GET     /accounts/transactions          io.token.proto.bankapi.AccountService.GetTransaction               -     transaction_id ACCOUNT
GET     /accounts/transactions          io.token.proto.bankapi.AccountService.GetTransactions              -     offset limit ACCOUNT
GET     /accounts/transfer-destination  io.token.proto.bankapi.AccountService.ResolveTransferDestinations  -     ACCOUNT
GET     /accounts/account-details       io.token.proto.bankapi.AccountService.GetAccountDetails            -     ACCOUNT
GET     /accounts/standing-orders       io.token.proto.bankapi.AccountService.GetStandingOrder             -     standing_order_id ACCOUNT
GET     /accounts/standing-orders       io.token.proto.bankapi.AccountService.GetStandingOrders            -     offset limit ACCOUNT
GET     /bank-authorization             io.token.proto.bankapi.AccountLinkingService.GetBankAuthorization  -     access_token
GET     /health-check                   io.token.proto.bankapi.HealthCheckService.HealthCheck              -     bank_id
POST    /notifications                  io.token.proto.bankapi.NotificationService.Notify                  *     -
PUT     /storage/{key}                  io.token.proto.bankapi.StorageService.SetValue                     -     -
GET     /storage/{key}                  io.token.proto.bankapi.StorageService.GetValue                     -     -
DELETE  /storage/{key}                  io.token.proto.bankapi.StorageService.RemoveValue                  -     -
POST    /transfers                      io.token.proto.bankapi.TransferService.Transfer                    *     -
GET     /transfers                      io.token.proto.bankapi.TransferService.GetTransferStatus           -     transfer_id ACCOUNT
POST    /bulk-transfers                 io.token.proto.bankapi.TransferService.CreateBulkTransfer          *     -
POST    /batch/transfers                io.token.proto.bankapi.TransferService.BatchTransfer               *     -
POST    /standing-orders                io.token.proto.bankapi.TransferService.CreateStandingOrder         *     -
";

/// The bank's deployment without its certificates.
fn deployment() -> Folder {
    let folder = Folder::new();
    folder.copy("config", "config").copy("proto", "proto");
    folder
}

fn printed(ended: Ended) -> String {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended.stdout
}

/// What `check` prints, where its only warnings are that the bank's transfers have no idempotency keys.
fn checked(ended: Ended) -> String {
    let warnings: Vec<String> = ["BatchTransfer", "CreateBulkTransfer", "Transfer"].map(unkeyed).to_vec();
    assert_eq!((ended.code, ended.stderr), (Some(0), warnings.concat()), "{}", ended.stdout);
    ended.stdout
}

fn unkeyed(rpc: &str) -> String {
    let rpc = format!("io.token.proto.bankapi.TransferService.{rpc}");
    format!(
        "warning: {rpc}: moves money by its name, and a caller that repeats a request pays twice; to require an idempotency key, add \
         `rpcs: {{{rpc}: {{idempotency: required}}}}`\n"
    )
}

/// The same with what config/towbar.yaml says of `PUT /storage/{key}`, which makes the column wider.
fn configured_routes() -> String {
    const BODY: usize = 107;
    let row = |line: &str| {
        let (body, keys) = line[BODY..].split_at("BODY  ".len());
        let body = if line.starts_with("PUT ") { "* (accepted)" } else { body.trim_end() };
        format!("{}{body:12}  {keys}\n", &line[..BODY])
    };
    ROUTES.lines().map(row).collect()
}

#[test]
fn routes_prints_the_route_table_and_needs_no_certificate() {
    let folder = deployment();
    let configured = configured_routes();
    for (arguments, table) in [
        (&["routes", "--proto", "proto"][..], ROUTES),
        (&["routes", "--config", "config/towbar.yaml"], &configured),
        (&["routes", "--config", "config/towbar.yaml", "--proto", "proto"], &configured),
        (&["routes", "--config", "config/towbar.yaml", "--backend", "https://b:1", "--listen", "a:1"], &configured),
    ] {
        let table = table.replace("ACCOUNT\n", &format!("{ACCOUNT_KEYS}\n"));
        assert_eq!(printed(folder.run(arguments)), table, "{arguments:?}");
    }
}

#[test]
fn check_warns_of_rpcs_that_move_money_without_protection() {
    let folder = Folder::new();
    let rpc = |name: &str, rule: &str| {
        format!("rpc {name}(Order) returns (Order) {{ option (google.api.http) = {{ {rule} }}; }}\n")
    };
    let rpcs = [
        rpc("MakePayment", r#"post: "/payments" body: "*""#),
        rpc("RedeemVoucher", r#"get: "/vouchers/{id}/redeem""#),
        rpc("RefundOrder", r#"put: "/orders/{id}/refund""#),
        rpc("GetPayment", r#"get: "/payments/{id}""#),
        rpc("CancelOrder", r#"post: "/orders/{id}/cancel""#),
    ];
    folder.write("shop.proto", orders(&rpcs.concat()));
    let all = "idempotency: required\nexpose: shop.v1.Orders\n";
    let ca = "listen: {address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem}}\n";
    let authority = authority("callers");
    folder.write("ca.pem", authority.pem());
    folder.write_identity("cert.pem", "key.pem", &authority.issue("gateway.test").unwrap());
    let name = |rpc: &str| format!("shop.v1.Orders.{rpc}");
    let moves = |rpc: &str| format!("warning: {}: moves money by its name, and", name(rpc));
    let pays = |rpc: &str| {
        let add = format!("`rpcs: {{{}: {{idempotency: required}}}}`", name(rpc));
        format!("{} a caller that repeats a request pays twice; to require an idempotency key, add {add}\n", moves(rpc))
    };
    let called = [
        format!(
            "{} is called with GET /vouchers/{{id}}/redeem, so browsers, proxies and link previews may send it at any time; map it to POST\n",
            moves("RedeemVoucher")
        ),
        format!(
            "{} is called with PUT /orders/{{id}}/refund, so clients and proxies repeat it after a lost connection; map it to POST\n",
            moves("RefundOrder")
        ),
    ];
    let rpcs = ["CancelOrder", "GetPayment", "MakePayment", "RedeemVoucher", "RefundOrder"].map(name).join(", ");
    let shared = format!(
        "warning: {rpcs}: nothing verified tells callers apart, so their idempotency keys are those of one caller; configure \
         `callers`, or require client certificates with `listen.tls.client_ca`\n"
    );
    let noted = format!("idempotency keys required, stored in the memory of this one process until it stops: {rpcs}\n");
    for (more, notes, warnings) in [
        (
            "",
            "",
            [pays("MakePayment"), pays("RedeemVoucher"), called[0].clone(), pays("RefundOrder"), called[1].clone()]
                .concat(),
        ),
        (all, &noted, called.concat() + &shared),
        (&format!("{all}{ca}"), &noted, called.concat()),
    ] {
        folder.write("towbar.yaml", format!("schema: shop.proto\nupstream: {NOBODY}\n{more}"));
        let ended = folder.run(&["check", "--config", "towbar.yaml"]);
        assert_eq!((ended.code, ended.stderr), (Some(0), warnings), "{more}");
        assert_eq!(ended.stdout, format!("{notes}no problems found\n"), "{more}");
    }
}

#[test]
fn impossible_idempotency_settings_stop_the_start() {
    let folder = Folder::new();
    let rule = r#"option (google.api.http) = { get: "/watch" };"#;
    folder.write("shop.proto", orders(&format!("rpc Watch(Order) returns (stream Order) {{ {rule} }}")));
    let config =
        "schema: shop.proto\nupstream: http://127.0.0.1:1\nrpcs: {shop.v1.Orders.Watch: {idempotency: optional}}\n";
    folder.write("towbar.yaml", config);
    let problem = "shop.v1.Orders.Watch: `idempotency` applies only to unary rpcs; the messages of a stream are not kept to be repeated";
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [problem]);
    folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#));
    let limited = "schema: shop.proto\nupstream: http://127.0.0.1:1\nmemory: 64MiB\nidempotency: {keys: optional, memory: 17MiB}\n";
    folder.write("towbar.yaml", limited);
    let problem = "idempotency.memory: expected at most 16777216 bytes, a quarter of the memory of this process (67108864 bytes), found \
                   17825792; set `memory`, or less for this key";
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [problem]);
    folder.write("towbar.yaml", limited.replace("17MiB", "16MiB"));
    assert_eq!(folder.run(&["check", "--config", "towbar.yaml"]).code, Some(0));
}

#[test]
fn check_lists_every_problem_or_prints_no_problems_found() {
    let folder = deployment();
    let arguments = ["check", "--config", "config/towbar.yaml"];
    let missing = |name| format!("config/tls/{name}: No such file or directory (os error 2)");
    assert_eq!(folder.refusal(&arguments), ["cert.pem", "key.pem", "trusted-certs.pem"].map(missing));
    write_certificates(&folder, &authority("bank"));
    // The bank's transfers have no keys, and `check` warns of that.
    assert_eq!(checked(folder.run(&arguments)), "no problems found\n");
    assert_eq!(checked(folder.run(&["check", "--proto", "proto", "--backend", NOBODY])), "no problems found\n");
    let rpc = "io.token.proto.bankapi.TransferService.GetTransferStatus";
    folder.write("again.yaml", format!("schema: proto\nupstream: {NOBODY}\nrpcs: {{{rpc}: {{idempotent: true}}}}\n"));
    let printed = checked(folder.run(&["check", "--config", "again.yaml"]));
    assert_eq!(printed, format!("idempotent, and therefore retried: {rpc}\nno problems found\n"));
    for (told, warning) in [
        (
            "certificate: x-cert",
            "warning: listen.trusted_proxies: has no effect, because no backend receives the caller's address; set \
             `metadata.caller.address`\n",
        ),
        ("address: x-address", ""),
    ] {
        let proxied = format!(
            "schema: proto\nexpose: io.token.proto.bankapi.AccountService\nupstream: {NOBODY}\nlisten: {{trusted_proxies: 10.0.0.1}}\nmetadata: {{caller: {{{told}}}}}\n"
        );
        folder.write("proxied.yaml", proxied);
        let ended = folder.run(&["check", "--config", "proxied.yaml"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "no problems found\n", warning),
            "{told}"
        );
    }
}

#[test]
fn help_lists_the_commands() {
    let help = printed(process::run(&["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let expected = [
        "  serve        Start the gateway",
        "  check        Check the configuration, schema and certificates, and list every problem",
        "  routes       List the routes: method, path, rpc, body and query parameters",
        "  openapi      Print the OpenAPI document of the routes, or compare it with an older one",
        "  config       Print the JSON Schema of the configuration file, or the configuration in effect",
        "  explain      Show how a request would be answered, without sending anything",
        "  curl         Print the curl command that calls an rpc with a given message",
        "  certs        Create and check certificates",
        "  doctor       Test a connection step by step, and suggest fixes",
        "  demo         Run a sample bank with the gateway in front of it",
        "  completions  Print the completion script for a shell",
        "  man          Print a man page, or write all of them to a folder",
        "  help         Print this message or the help of the given subcommand(s)",
    ];
    assert_eq!(commands.lines().collect::<Vec<_>>(), expected);
    assert_eq!(printed(process::run(&["--version"])), concat!("towbar ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = printed(process::run(&["serve", "--help"]));
    for flag in ["--config <FILE>", "--proto <PATH>", "--backend <URL>", "--listen <ADDR>"] {
        assert!(help.contains(&format!("\n      {flag}  ")), "{flag}: {help}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_code_2_and_says_why() {
    for (arguments, first_line) in [
        (&[][..], "A gateway that serves gRPC services as REST/JSON APIs, as their google.api.http annotations say"),
        (&["server"], "error: unrecognized subcommand 'server'"),
        (&["serve", "--port", "80"], "error: unexpected argument '--port' found"),
        (&["serve", "--listen"], "error: a value is required for '--listen <ADDR>' but none was supplied"),
        (&["demo", "here"], "error: unexpected argument 'here' found"),
    ] {
        let ended = process::run::<&str>(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.stderr.lines().next(), Some(first_line), "{arguments:?}");
    }
}

/// The three files that config/towbar.yaml names.
fn write_certificates(folder: &Folder, authority: &Authority) {
    let issued = authority.issue("gateway.test").unwrap();
    folder.write_identity("config/tls/cert.pem", "config/tls/key.pem", &issued);
    folder.write("config/tls/trusted-certs.pem", authority.pem());
}

/// A sample bank that wants a certificate of this authority.
fn start_bank(runtime: &Runtime, authority: &Authority) -> SocketAddr {
    let (identity, clients) = (authority.issue("bank.test").unwrap().identity(), authority.trust().unwrap());
    let tls = tls::server(identity, Some(&clients), &[b"h2"]).unwrap();
    let listener = runtime.block_on(Listener::bind("127.0.0.1:0", Some(tls), Plain::Http2)).unwrap();
    let address = listener.address().unwrap();
    runtime.spawn(listener.serve(SampleBank::new().routes().into_axum_router(), std::future::pending()));
    address
}

/// The bank's deployment, complete: only the addresses are others, and the file is changed as the test wants.
fn start_deployment(authority: &Authority, bank: SocketAddr, change: fn(String) -> String) -> (Folder, Gateway) {
    let folder = deployment();
    write_certificates(&folder, authority);
    let text = fs::read_to_string(folder.path("config/towbar.yaml")).unwrap();
    let text = replace(text, "https://bank.example.com:1234", &format!("https://{bank}"));
    folder.write("config/towbar.yaml", change(replace(text, "0.0.0.0:8443", "127.0.0.1:0")));
    let gateway = folder.start(&["serve", "--config", "config/towbar.yaml"]);
    (folder, gateway)
}

fn replace(text: String, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(caller: &Arc<ClientConfig>, to: SocketAddr) -> Tls {
    let client = ClientConnection::new(Arc::clone(caller), ServerName::from(to.ip())).unwrap();
    StreamOwned::new(client, http::connect(to))
}

/// A call over TLS.
fn call(caller: &Arc<ClientConfig>, to: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = connect(caller, to);
    let length = body.len();
    write!(stream, "{head}\r\nHost: gateway.test\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    http::read(&mut stream)
}

/// The alert that ends the handshake. In TLS 1.3 it comes in place of the first byte (RFC 8446, section 4.4.2.4).
fn alert(caller: &Arc<ClientConfig>, to: SocketAddr) -> AlertDescription {
    let error = connect(caller, to).read(&mut [0]).unwrap_err();
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    }
}

/// A caller who trusts this authority and shows a certificate of another, if any.
fn caller(trusted: &Authority, own: Option<&Authority>) -> Arc<ClientConfig> {
    let identity = own.map(|own| own.issue("caller.test").unwrap().identity());
    tls::client(identity, &tls::Servers::Trusted(trusted.trust().unwrap()), &[b"http/1.1"]).unwrap()
}

const BALANCE: &str = "GET /accounts/balance?account.swift.bic=IRONUSCA000&account.swift.account=iban:3814827 HTTP/1.1";
const EUROS: &str =
    r#"{"current":{"currency":"EUR","value":"123.45"},"available":{"currency":"EUR","value":"123.45"}}"#;

#[test]
fn serve_with_the_banks_configuration_speaks_tls_to_callers_and_mutual_tls_to_the_bank() {
    let (runtime, authority) = (Runtime::new().unwrap(), authority("bank"));
    let bank = start_bank(&runtime, &authority);
    let (_folder, gateway) = start_deployment(&authority, bank, |text| text);
    let caller = caller(&authority, None);
    let put = "PUT /storage/k HTTP/1.1\r\nContent-Type: application/x-protobuf";
    for (head, body, answer) in [
        (BALANCE, "", EUROS),
        (put, r#"{"value":"QUJD"}"#, "{}"),
        ("GET /storage/k HTTP/1.1", "", r#"{"value":"QUJD"}"#),
    ] {
        let found = call(&caller, gateway.address, head, body);
        assert_eq!((found.status, found.body.as_str()), (200, answer), "{head}");
        assert_eq!(found.header("token-grpc-status"), Some("0"), "{head}");
    }
    let address = gateway.address;
    let expected = format!("listening on https://{address}\nserving 18 routes, calling https://{bank}\n");
    assert_eq!(printed(gateway.stop()), expected);
}

#[test]
fn with_client_ca_callers_need_a_certificate_from_a_trusted_authority() {
    let (runtime, authority) = (Runtime::new().unwrap(), authority("bank"));
    let bank = start_bank(&runtime, &authority);
    let uncomment = |text| replace(text, "# client_ca: tls/", "client_ca: tls/");
    let (_folder, gateway) = start_deployment(&authority, bank, uncomment);
    let foreign = folder::authority("another");
    for (own, expected) in
        [(None, AlertDescription::CertificateRequired), (Some(&foreign), AlertDescription::UnknownCA)]
    {
        assert_eq!(alert(&caller(&authority, own), gateway.address), expected);
    }
    let answer = call(&caller(&authority, Some(&authority)), gateway.address, BALANCE, "");
    assert_eq!((answer.status, answer.body.as_str()), (200, EUROS));
    let address = gateway.address;
    let first = format!("listening on https://{address}, client certificate required");
    let Ended { code, stdout, stderr } = gateway.stop();
    assert_eq!((code, stdout.lines().next()), (Some(0), Some(first.as_str())));
    let told = stderr.lines().next().and_then(|line| line.split_once("INFO towbar::server::handshakes: "));
    let expected = "a TLS handshake with 127.0.0.1 failed: peer sent no certificates";
    assert_eq!(told.map(|(_, text)| text), Some(expected), "{stderr}");
}

/// A health check that says when it was asked, and answers when it may.
#[derive(Clone)]
struct Slow {
    asked: Arc<Semaphore>,
    may_answer: Arc<Semaphore>,
}

#[tonic::async_trait]
impl HealthCheckService for Slow {
    async fn health_check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.asked.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }
}

impl Slow {
    fn start(runtime: &Runtime) -> (Self, SocketAddr) {
        let slow = Self { asked: Arc::new(Semaphore::new(0)), may_answer: Arc::new(Semaphore::new(0)) };
        let listener = runtime.block_on(Listener::bind("127.0.0.1:0", None, Plain::Http2)).unwrap();
        let address = listener.address().unwrap();
        let service = tonic::service::Routes::new(HealthCheckServiceServer::new(slow.clone())).into_axum_router();
        runtime.spawn(listener.serve(service, std::future::pending()));
        (slow, address)
    }
}

/// Waits until nobody listens there any more.
fn wait_until_refused(address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "{address} still takes connections");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_stops_the_gateway_after_the_calls_in_flight() {
    let folder = deployment();
    let runtime = Runtime::new().unwrap();
    // The second SIGTERM cuts the notice short, which is told.
    for (signals, told) in [(&["TERM", "TERM"][..], 1), (&["INT"], 0)] {
        let (slow, bank) = Slow::start(&runtime);
        let backend = format!("http://{bank}");
        let mut gateway =
            folder.start(&["serve", "--proto", "proto", "--backend", &backend, "--listen", "127.0.0.1:0"]);
        let address = gateway.address;
        // A connection that is kept open between calls holds nothing up.
        let mut idle = http::connect(address);
        http::write(&mut idle, "GET", "/no/such/path", &[], None);
        assert_eq!(http::read(&mut idle).status, 404);
        let call = std::thread::spawn(move || http::get(address, "/health-check?bank_id=iron"));
        runtime.block_on(async {
            let asked = tokio::time::timeout(Duration::from_secs(20), slow.asked.acquire());
            asked.await.expect("the bank is asked").unwrap().forget();
        });

        signals.iter().for_each(|signal| gateway.process.signal(signal));
        wait_until_refused(address);
        assert!(gateway.process.is_running() && !call.is_finished(), "{signals:?}: it waits for the call");
        slow.may_answer.add_permits(1);
        let answer = call.join().unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"SERVING"}"#), "{signals:?}");
        let Ended { code, stdout, stderr } = gateway.process.wait();
        let is_of_end = |line: &&str| !line.contains(" towbar::gateway::telemetry: a request was refused ");
        let lines: Vec<&str> = stderr.lines().filter(is_of_end).collect();
        assert_eq!((code, lines.len()), (Some(0), told), "{signals:?}: {stderr}");
        assert!(lines.iter().all(|line| line.contains(" stopping: new connections are accepted for ")), "{stderr}");
        assert_eq!(stdout, format!("listening on http://{address}\nserving 18 routes, calling {backend}\n"));
    }
}

#[test]
fn a_signal_right_after_the_start_stops_the_gateway() {
    let folder = Folder::new();
    folder.write("orders.proto", get_with(r#"get: "/v1/{id}""#));
    for _ in 0..40 {
        let gateway =
            folder.start(&["serve", "--proto", "orders.proto", "--backend", NOBODY, "--listen", "127.0.0.1:0"]);
        printed(gateway.stop());
    }
}

/// The disk of the log is full, or what reads it has stopped: calls go on.
#[test]
fn an_unread_log_pipe_or_a_full_disk_does_not_block_calls() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (name, stderr) in [("a pipe that nobody reads", Stdio::piped()), ("a full disk", full.into())] {
        let mut command = process::towbar(&["demo", "--listen", "127.0.0.1:0"]);
        command.env("TOWBAR_LOG", "trace").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = Killed(command.spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let place = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        let address = place.unwrap().split("://").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        let mut stream = http::connect(address);
        for number in 0..200 {
            http::write(&mut stream, "GET", "/health-check?bank_id=iron", &[], None);
            assert_eq!(http::read(&mut stream).status, 200, "{name}: call {number}");
        }
        assert!(child.0.try_wait().unwrap().is_none(), "{name}: it has ended");
    }
}

/// A process that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
