//! `towbar demo`: runs a sample bank with the gateway in front of it, in one process, over real mutual TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::app::App;
use crate::cli::demo::bank::SampleBank;
use crate::cli::demo::bank::certificates::Authority;
use crate::cli::demo::generated::DESCRIPTORS;
use crate::cli::outcome::Outcome;
use crate::cli::runtime::runtime;
use crate::cli::{log, signals};
use crate::config::{self, Overrides};
use crate::format::problem::Problem;
use crate::format::reserved::ReservedPath;
use crate::route::policy::Validation;
use crate::schema::Schema;
use crate::server::{Listener, Plain};
use crate::tls;
use crate::upstream::{self, Upstream};

/// The deployment that the demo runs. Its listener, upstream and certificates are replaced.
const CONFIG: &str = include_str!("../../../config/towbar.yaml");

/// What requests may contain: the rules of the deployment, which the demo enforces.
const RULES: &str = include_str!("../../../config/bank-rules.yaml");

/// The path of the API documentation page.
const PAGE: &str = "/docs";

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The address to listen on: HOST:PORT
    #[arg(long, help_heading = "Network", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
}

pub(crate) fn run(arguments: &DemoArguments) -> Outcome {
    let _log = log::to_stderr();
    runtime()?.block_on(async {
        let stop = signals::stop_by_signals()?;
        let authority = Authority::new("towbar demo").map_err(|error| vec![Problem::new(error)])?;
        let bank = start_bank(&authority).await.map_err(|problem| vec![problem])?;
        let bound = gateway(&arguments.listen, &authority, bank)?.bind().await.map_err(|problem| vec![problem])?;
        println!("a page to read the API and try calls: http://{}{PAGE}", bound.address);
        println!("a sample bank on https://{bank}, client certificate required");
        println!("{}", bound.summary);
        println!("{}", curl_lines(bound.address));
        bound.serve(&stop).await.map_err(|problem| vec![problem])?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Starts the bank on a free port. It runs until the process ends.
async fn start_bank(authority: &Authority) -> Result<SocketAddr, Problem> {
    let identity = authority.issue("bank.demo").map_err(Problem::new)?.identity();
    let clients = authority.trust().map_err(Problem::new)?;
    let tls = tls::server(identity, Some(&clients), &[b"h2"])?;
    let listener = Listener::bind("127.0.0.1:0", Some(tls), Plain::Http2).await.map_err(Problem::new)?;
    let address = listener.address().map_err(Problem::new)?;
    let service = SampleBank::new().routes().into_axum_router();
    tokio::spawn(listener.serve(service, std::future::pending()));
    Ok(address)
}

fn gateway(listen: &str, authority: &Authority, bank: SocketAddr) -> Result<App, Vec<Problem>> {
    let overrides =
        Overrides { listen: Some(listen.to_owned()), backend: Some(format!("https://{bank}")), ..Overrides::default() };
    let (mut config, problems) = config::load_text(CONFIG, Path::new("config/towbar.yaml"), &overrides);
    if let Some(listen) = &mut config.listen {
        // A demo has no load balancer that would need notice of a shutdown.
        listen.drain.notice = Duration::ZERO;
    }
    config.routes.validation.rules = config::rules_text(RULES, Path::new("config/bank-rules.yaml"))?;
    config.routes.policy.validation = Validation::Enforce;
    config.openapi = ReservedPath::parse(PAGE, PAGE).ok();
    let upstream = config.upstream.take().map(|upstream| connect(upstream, authority)).transpose()?;
    let schema = Schema::decode("the sample bank's API", DESCRIPTORS);
    App::with_parts(config, Some(schema), upstream, problems)
}

fn connect(config: upstream::Config, authority: &Authority) -> Result<Upstream, Vec<Problem>> {
    let identity = authority.issue("gateway.demo").map_err(|error| vec![Problem::new(error)])?.identity();
    let servers = authority.trust().map_err(|error| vec![Problem::new(error)])?;
    let tls =
        tls::client(Some(identity), &tls::Servers::Trusted(servers), &[b"h2"]).map_err(|problem| vec![problem])?;
    Upstream::with_tls(&config, Some(tls))
}

fn curl_lines(gateway: SocketAddr) -> String {
    let swift = "account.swift.bic=IRONUSCA000&account.swift.account=iban%3A3814827";
    let key = "m:88Enz2:5zKtXEAq%2Fa:UP4PwzxDuKbK:5zKcENpV";
    let transfer = concat!(
        r#"{"transferId":"t:demo-1","transactionAmount":{"currency":"EUR","value":"10.00"},"#,
        r#""source":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}},"#,
        r#""destinations":[{"account":{"sepa":{"iban":"IE64BOFI90583812345678"}}}],"description":"Demo transfer"}"#
    );
    let wrong = transfer.replace("IE64BOFI90583812345678", "IE64");
    let json = "-H 'Content-Type: application/json'";
    let root = format!("http://{gateway}");
    format!(
        "
Try it, in another terminal:

# a balance
curl '{root}/accounts/balance?{swift}'
# the transactions of the account
curl '{root}/accounts/transactions?limit=10&{swift}'
# one of them
curl '{root}/accounts/transactions?transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd&{swift}'
# a transfer: sent again, it is the same transfer
curl {json} -d '{transfer}' '{root}/transfers'
# a value put into the bank's storage, read and removed
curl -X PUT {json} -d '{{\"value\":\"Wm05MWNpQm1hWFpsSUhOcGVBbz0=\",\"category\":\"ACCOUNT_INFO\"}}' '{root}/storage/{key}'
curl '{root}/storage/{key}'
curl -X DELETE '{root}/storage/{key}'
# one that fails as it should: a malformed IBAN
curl {json} -d '{wrong}' '{root}/transfers'
# another: two ways to name one account
curl -i '{root}/accounts/balance?{swift}&account.iban.iban=DE89370400440532013000'
"
    )
}
