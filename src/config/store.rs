//! `store`: the server of Redis or Valkey that several gateways share.

use std::path::{Path, PathBuf};

use super::input::Input;
use super::reader::{Read, Value, or_default};
use crate::format::problem::Problem;
use crate::format::quantity;
use crate::format::secret::SecretSource;
use crate::tls::IdentityFiles;
use crate::upstream::TlsFiles;
use crate::upstream::redis::{RedisAddress, RedisConfig};

/// The `store` section.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// The server, still without its password.
    redis: RedisConfig,
    password: Option<SecretSource>,
}

impl Input<'_> {
    /// The `store` section; `None` if it is missing or wrong.
    pub(super) fn store(&self) -> Option<Store> {
        let value = self.value("store")?;
        if value.is_map() {
            return self.store_section(value).ok();
        }
        let address = value.parsed("an address", str::parse::<RedisAddress>).ok()?;
        Some(Store { redis: RedisConfig::of(address), password: None })
    }

    fn store_section(&self, value: Value) -> Read<Store> {
        let section = value.section(&["address", "user", "password", "database", "timeout", "tls"])?;
        let address = match section.value("address") {
            Some(address) => address.parsed("an address", str::parse::<RedisAddress>),
            None => Err(value.wrong("`address` is missing: set it to redis://HOST:PORT or rediss://HOST:PORT")),
        };
        let password = section.value("password").map(|value| self.secret(value)).transpose();
        let user = section.value("user").map(|user| user.text("a name").map(str::to_owned)).transpose();
        if let (Some(user), None) = (section.value("user"), section.value("password")) {
            user.wrong("`password` is missing: set it to the password of this user");
        }
        let number = |value: &Value| value.parsed("a number", |text| quantity::number_or_none(text, u16::MAX.into()));
        let database = or_default(section.value("database"), number, 0);
        let timeout = or_default(section.value("timeout"), Value::duration, RedisConfig::TIMEOUT);
        let tls = section.value("tls").map(|tls| {
            let files = self.tls_files(tls)?;
            match &address {
                Ok(address) if !address.tls() => {
                    Err(tls.wrong("a `redis://` server has none; write `rediss://` or leave `tls` out"))
                }
                _ => Ok(files),
            }
        });
        let (address, user, password, tls) = (address?, user?, password?, tls.transpose()?.unwrap_or_default());
        let database = u16::try_from(database).unwrap_or_default();
        let redis = RedisConfig { user, database, timeout, tls, ..RedisConfig::of(address) };
        Ok(Store { redis, password })
    }
}

impl Store {
    /// The server, with its password.
    ///
    /// # Errors
    /// The password cannot be read.
    pub fn redis(&self) -> Result<RedisConfig, Problem> {
        let password = self.password.as_ref().map(SecretSource::load).transpose()?;
        Ok(RedisConfig { password, ..self.redis.clone() })
    }

    /// Where it is and how it is used, without secrets.
    #[must_use]
    pub fn described(&self) -> String {
        let RedisConfig { address, database, timeout, .. } = &self.redis;
        format!("{address}, database {database}, within {timeout:?}")
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &RedisAddress {
        &self.redis.address
    }

    /// Its certificates and keys.
    #[must_use]
    pub fn tls(&self) -> &TlsFiles {
        &self.redis.tls
    }

    /// Every file that the section names.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let tls = &self.redis.tls;
        let identity = |files: &IdentityFiles| [files.cert.clone(), files.key.clone()];
        let tls = tls.identity.iter().flat_map(identity).chain(tls.ca.clone());
        tls.chain(self.password.as_ref().and_then(SecretSource::path).map(Path::to_owned))
    }
}
