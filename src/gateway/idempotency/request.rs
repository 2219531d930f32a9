//! How the store identifies a request: the slot of its key, and the fingerprint of its content.

use aws_lc_rs::digest::{Context, SHA256};
use http::header::AUTHORIZATION;

use super::key::Key;
use super::slot::{Digest, Fingerprint, Slot};
use crate::caller::{Principal, Subject};
use crate::gateway::call::Call;
use crate::limits::memory::CALL;
use crate::limits::offload::{self, LONG};
use crate::route::Route;

/// From this many bytes on, hashing takes about a millisecond.
const LONG_TO_HASH: usize = 8 * LONG;

/// SHA-256 of several parts, each prefixed with its length.
struct Hasher(Context);

impl Hasher {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn digest(self) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// The slot of this caller's key for the rpc of this route.
pub(super) fn slot(principal: Principal<'_>, route: &Route, key: Key<'_>) -> Slot {
    let hasher = Hasher::new();
    let caller = match principal {
        Principal::Subject(Subject { issuer, subject, client }) => {
            hasher.part(b"subject").part(issuer.as_bytes()).part(subject.as_bytes()).part(client.as_bytes())
        }
        Principal::Certificate(sha256) => hasher.part(b"certificate").part(&sha256),
        Principal::Anonymous => hasher.part(b"anonymous"),
    };
    let caller = caller.digest();
    let id = Hasher::new().part(&caller).part(route.rpc.name.as_bytes()).part(key.as_bytes()).digest();
    Slot { caller, id }
}

/// The fingerprint of a call: its method, its route, and the message made from path, query and body. Parameters that
/// change the form of the reply count too.
///
/// Callers without a proved identity are distinguished by their credentials, which the backend checks. So nobody gets a
/// response with credentials that the backend has not seen.
fn of_call(call: &Call<'_>, message: &[u8]) -> Fingerprint {
    let Call { head, route, query, .. } = *call;
    let mut hasher = Hasher::new().part(head.method.as_str().as_bytes()).part(route.template.as_bytes());
    hasher = hasher.part(message).part(&query.system().bytes());
    if call.caller.principal(call.peer) == Principal::Anonymous {
        for credentials in head.headers.get_all(AUTHORIZATION) {
            hasher = hasher.part(credentials.as_bytes());
        }
    }
    Fingerprint(hasher.digest())
}

/// The fingerprint of a call with this message. A long message is hashed outside the worker thread, and put back
/// afterwards.
pub(super) async fn fingerprint(call: &Call<'_>, message: &mut Vec<u8>) -> Fingerprint {
    if message.len() < LONG_TO_HASH {
        return of_call(call, message);
    }
    let (held, taken) = (call.memory.part(CALL), std::mem::take(message));
    let ((digest, taken), held) = offload::run(move || {
        let digest = Hasher::new().part(&taken).digest();
        ((digest, taken), held)
    })
    .await;
    call.memory.join(held);
    *message = taken;
    of_call(call, &digest)
}
