//! A bank over mutual TLS that notes who calls.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::{Response, Status};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{health, server_tls};

/// It runs until it is dropped.
pub struct Bank {
    pub address: SocketAddr,
    callers: Arc<Mutex<Vec<Caller>>>,
    _runtime: Runtime,
}

/// A connection to the bank.
#[derive(Clone)]
pub struct Caller {
    pub name: String,
    pub is_open: Arc<AtomicBool>,
}

impl Bank {
    pub fn start(authority: &Authority) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let callers = Arc::new(Mutex::new(Vec::new()));
        let acceptor = tokio_rustls::TlsAcceptor::from(server_tls(authority, authority));
        let answer = |_| async { Ok::<_, Status>(Response::new(HealthCheckResponse { status: 1 })) };
        runtime.spawn(accept(listener, acceptor, health(answer), callers.clone()));
        Self { address, callers, _runtime: runtime }
    }

    pub fn callers(&self) -> Vec<Caller> {
        self.callers.lock().unwrap().clone()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
    service: Router,
    callers: Arc<Mutex<Vec<Caller>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, service, callers) = (acceptor.clone(), service.clone(), callers.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let name = common_name(&stream.get_ref().1.peer_certificates().unwrap()[0]);
            let is_open = Arc::new(AtomicBool::new(true));
            callers.lock().unwrap().push(Caller { name, is_open: is_open.clone() });
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = http2.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
            is_open.store(false, Ordering::SeqCst);
        });
    }
}

pub fn common_name(certificate: &[u8]) -> String {
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
}
