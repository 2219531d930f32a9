//! AccountLinkingService: the account that the customer in the document's example linked.

use tonic::{Request, Response, Status};

use super::refusal::Refusal;
use super::service::SampleBank;
use super::state::BANK_ID;
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{
        GetBankAuthorizationRequest, GetBankAuthorizationResponse,
        account_linking_service_server::AccountLinkingService,
    },
    banklink::BankAuthorization,
    common::security::SealedMessage,
};

/// The bearer token that the document's bank web site hands out.
const ACCESS_TOKEN: &str = "ZmpkCmF";

/// The sealed account of the document's sample. It cannot be decrypted.
const CIPHERTEXT: &str = "CBiZSBlbmNpcGhlcmVkIGF1dGggZGF0YQo=";

#[tonic::async_trait]
impl AccountLinkingService for SampleBank {
    async fn get_bank_authorization(
        &self,
        request: Request<GetBankAuthorizationRequest>,
    ) -> Result<Response<GetBankAuthorizationResponse>, Status> {
        let authorization = authorization(&request.get_ref().access_token)?;
        Ok(Response::new(GetBankAuthorizationResponse { authorization: Some(authorization) }))
    }
}

fn authorization(access_token: &str) -> Result<BankAuthorization, Refusal> {
    match access_token {
        "" => Err(Refusal::invalid("access_token", "an access token")),
        ACCESS_TOKEN => Ok(BankAuthorization {
            bank_id: BANK_ID.to_owned(),
            accounts: vec![SealedMessage { ciphertext: CIPHERTEXT.to_owned(), ..Default::default() }],
        }),
        _ => Err(Refusal::AccessToken),
    }
}
