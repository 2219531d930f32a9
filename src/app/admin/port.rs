//! The listener of the admin port.

use std::net::SocketAddr;

use super::pages::Pages;
use super::router::router;
use crate::format::problem::Problem;
use crate::server::{Listener, Plain};

/// A bound admin port that is not served yet.
pub struct Admin {
    listener: Listener,
    pub address: SocketAddr,
}

impl Admin {
    /// Binds `host:port`.
    ///
    /// # Errors
    /// The port is in use, or the address does not belong to this machine.
    pub async fn bind(address: &str) -> Result<Self, Problem> {
        let bound = Listener::bind(address, None, Plain::Http1).await;
        let bound = bound.and_then(|listener| listener.address().map(|address| (listener, address)));
        let (listener, held) = bound.map_err(|error| {
            Problem::at(
                address,
                format!("cannot listen on this address: {error}; choose another address as `admin.address`"),
            )
        })?;
        Ok(Self { listener, address: held })
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, pages: Pages) {
        self.listener.serve(router(pages), std::future::pending()).await;
    }
}
