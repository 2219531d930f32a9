//! The proxy in front that passes client certificates on: what checks them, and a warning if it is known by address only.

use crate::caller::hop::{Hop, Rules};
use crate::format::problem::Problem;
use crate::server;
use crate::tls::{ClientCheck, Clients, Trust};

/// The proxy of this listener, if certificates come from one.
pub(super) fn hop(listen: &server::Config) -> Result<Option<Hop>, Vec<Problem>> {
    let Some(server::HopFiles { rules, client_ca, clients }) = &listen.hop else { return Ok(None) };
    let trust = client_ca.as_deref().map(Trust::load).transpose()?;
    let clients = Clients { optional: rules.optional, trust, pinned: clients.clone() };
    let check = ClientCheck::new(&clients).map_err(|problem| vec![problem])?;
    Ok(Some(Hop::new(rules.clone(), Box::new(move |chain, now| check.check(chain, now)))))
}

/// A warning if the proxy is known by its address only.
pub(super) fn warning(listen: Option<&server::Config>) -> Option<String> {
    let Rules { header, from, .. } = &listen?.hop.as_ref()?.rules;
    (!from.is_empty()).then(|| {
        format!(
            "listen.hop.from: whoever can connect from these addresses can claim any client certificate in `{header}`; \
             give the proxy a certificate, and pin it under `listen.tls.clients`"
        )
    })
}
