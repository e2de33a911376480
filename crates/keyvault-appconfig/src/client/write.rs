//! Changes of key-values: set, add, delete, and their locks.

use keyvault::Result;
use keyvault::http::Request;
use serde::Serialize;
use zeroize::Zeroizing;

use super::app_configuration_client::{AppConfigurationClient, IF_NONE_MATCH, parse};
use super::condition::Condition;
use super::operation::Operation;
use super::properties::{Attributes, KeyValueProperties};
use crate::key_value::KeyValue;

impl AppConfigurationClient {
    /// Sets a key-value, or creates it, without any attributes. Returns it as the store keeps it.
    ///
    /// A store takes 10 KB for a key-value with all its attributes. The client zeroizes its copy of the value.
    ///
    /// Costs one request. It is idempotent, so it is retried after any transient failure.
    ///
    /// # Errors
    ///
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the key-value is locked;
    /// [`Invalid`](keyvault::ErrorKind::Invalid) if the key is malformed or the key-value is too large; or an
    /// [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn set(&self, key: &str, label: Option<&str>, value: impl Into<String> + Send) -> Result<KeyValue> {
        self.set_with(key, label, value, KeyValueProperties::new()).await
    }

    /// Sets a key-value with attributes, and under a condition if `properties` has one.
    ///
    /// Costs and fails like [`set`](AppConfigurationClient::set). In addition, fails with
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the condition does not hold. With a condition it is retried only
    /// if the store has certainly not carried it out; after [`Unavailable`](keyvault::ErrorKind::Unavailable) the
    /// advice says whether the key-value may have been set.
    pub async fn set_with(
        &self,
        key: &str,
        label: Option<&str>,
        value: impl Into<String> + Send,
        properties: KeyValueProperties,
    ) -> Result<KeyValue> {
        let value = Zeroizing::new(value.into());
        let request = match &properties.condition {
            Some(condition) => self.request(&Operation::SetIf, key, label)?.header(IF_MATCH, condition.if_match()?),
            None => self.request(&Operation::Set, key, label)?,
        };
        self.send_set(request, &value, &properties).await
    }

    /// Adds a key-value that does not exist yet, without any attributes.
    ///
    /// Costs one request. It is retried only if the store has certainly not carried it out; after
    /// [`Unavailable`](keyvault::ErrorKind::Unavailable) the advice says whether the key-value may have been added.
    ///
    /// # Errors
    ///
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the key-value exists, or an error of
    /// [`set`](AppConfigurationClient::set).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn add(&self, key: &str, label: Option<&str>, value: impl Into<String> + Send) -> Result<KeyValue> {
        self.add_with(key, label, value, KeyValueProperties::new()).await
    }

    /// Adds a key-value with attributes. Costs and fails like [`add`](AppConfigurationClient::add); a condition of
    /// `properties` does not apply.
    pub async fn add_with(
        &self,
        key: &str,
        label: Option<&str>,
        value: impl Into<String> + Send,
        properties: KeyValueProperties,
    ) -> Result<KeyValue> {
        let value = Zeroizing::new(value.into());
        let request = self.request(&Operation::Add, key, label)?.header(IF_NONE_MATCH, "*");
        self.send_set(request, &value, &properties).await
    }

    async fn send_set(&self, request: Request, value: &str, properties: &KeyValueProperties) -> Result<KeyValue> {
        let body = SetBody { value, attributes: &properties.attributes };
        self.send_for(request.with_json(&body)?.header("content-type", KEY_VALUE)).await
    }

    /// Deletes a key-value. Returns it as it was, or `None` if there was none.
    ///
    /// Costs one request. It is retried after any transient failure; then `None` can mean that an earlier attempt
    /// deleted the key-value.
    ///
    /// # Errors
    ///
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the key-value is locked, or an
    /// [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn delete(&self, key: &str, label: Option<&str>) -> Result<Option<KeyValue>> {
        self.send_delete(self.request(&Operation::Delete, key, label)?).await
    }

    /// Deletes a key-value under a condition.
    ///
    /// Costs and fails like [`delete`](AppConfigurationClient::delete). In addition, fails with
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the condition does not hold. It is retried only if the store has
    /// certainly not carried it out.
    pub async fn delete_if(&self, key: &str, label: Option<&str>, condition: &Condition) -> Result<Option<KeyValue>> {
        let request = self.request(&Operation::DeleteIf, key, label)?;
        self.send_delete(request.header(IF_MATCH, condition.if_match()?)).await
    }

    async fn send_delete(&self, request: Request) -> Result<Option<KeyValue>> {
        let (request, response) = self.send(request).await?;
        if response.status == 204 { Ok(None) } else { parse(&request, &response).map(Some) }
    }

    /// Locks a key-value, so that it cannot be changed or deleted. Returns it. A locked one stays as it is.
    ///
    /// Costs one request. It is retried after any transient failure.
    ///
    /// # Errors
    ///
    /// [`NotFound`](keyvault::ErrorKind::NotFound) if there is no such key-value, or an
    /// [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn set_read_only(&self, key: &str, label: Option<&str>) -> Result<KeyValue> {
        self.send_for(self.request(&Operation::Lock, key, label)?).await
    }

    /// Locks a key-value under a condition: only the value that the program has read, for example.
    ///
    /// Costs and fails like [`set_read_only`](AppConfigurationClient::set_read_only). In addition, fails with
    /// [`Conflict`](keyvault::ErrorKind::Conflict) if the condition does not hold. It is retried only if the store has
    /// certainly not carried it out.
    pub async fn set_read_only_if(&self, key: &str, label: Option<&str>, condition: &Condition) -> Result<KeyValue> {
        let request = self.request(&Operation::LockIf, key, label)?;
        self.send_for(request.header(IF_MATCH, condition.if_match()?)).await
    }

    /// Removes the lock of a key-value. Costs and fails like [`set_read_only`](AppConfigurationClient::set_read_only).
    pub async fn clear_read_only(&self, key: &str, label: Option<&str>) -> Result<KeyValue> {
        self.send_for(self.request(&Operation::Unlock, key, label)?).await
    }

    /// Removes the lock of a key-value under a condition. Costs and fails like
    /// [`set_read_only_if`](AppConfigurationClient::set_read_only_if).
    pub async fn clear_read_only_if(&self, key: &str, label: Option<&str>, condition: &Condition) -> Result<KeyValue> {
        let request = self.request(&Operation::UnlockIf, key, label)?;
        self.send_for(request.header(IF_MATCH, condition.if_match()?)).await
    }
}

/// The body of [set](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#set-key).
#[derive(Serialize)]
struct SetBody<'a> {
    value: &'a str,
    #[serde(flatten)]
    attributes: &'a Attributes,
}

const IF_MATCH: &str = "if-match";
const KEY_VALUE: &str = "application/vnd.microsoft.appconfig.kv+json";
