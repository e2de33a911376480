//! Replicas that the domain name system (DNS) names.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use tokio::time::{Instant, timeout};

use super::replicas::Replica;
use crate::endpoint::Endpoint;

/// The replicas of a store that its DNS records name
/// ([replica discovery](https://learn.microsoft.com/azure/azure-app-configuration/howto-geo-replication)).
///
/// The records decide to which stores a token or a signature goes, and anyone on the way may have written them. So a
/// name counts only if it is that of a store in the domain of the endpoint that the program named.
#[derive(Debug)]
pub(super) struct Discovery {
    records: Box<dyn ServiceRecords>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    found: Vec<Arc<Replica>>,
    /// When the last look-up began, and when the last one that succeeded did.
    tried: Option<Instant>,
    succeeded: Option<Instant>,
}

/// Looks up service records ([RFC 2782](https://www.rfc-editor.org/rfc/rfc2782)).
#[async_trait]
pub trait ServiceRecords: fmt::Debug + Send + Sync {
    /// Returns the targets of the records of `name`. Empty if there are none.
    async fn targets(&self, name: &str) -> Result<Vec<String>, LookupFailed>;
}

/// A look-up had no answer.
#[derive(Debug, Eq, PartialEq)]
pub struct LookupFailed;

/// The service records that the resolvers of this machine know.
#[derive(Debug)]
struct SystemRecords;

/// As in the official providers.
const VALIDITY: Duration = Duration::from_secs(60 * 60);
const PAUSE: Duration = Duration::from_secs(30);

/// The time limit of one discovery: some look-ups, one after the other.
const LONGEST: Duration = Duration::from_secs(10);

/// The sets of records `_alt0`, `_alt1` … that are looked up, as in the provider of JavaScript.
const MAX_SETS: usize = 10;

/// More replicas than a store has in practice. Each one that fails takes its time of the deadline.
const MAX_REPLICAS: usize = 20;

impl Discovery {
    /// Creates a discovery by the resolvers of this machine, which looks up nothing yet.
    pub(super) fn by_system() -> Self {
        Self::by(SystemRecords)
    }

    pub(super) fn by(records: impl ServiceRecords + 'static) -> Self {
        Self { records: Box::new(records), state: Mutex::default() }
    }

    /// Returns the replicas that the last look-up found.
    pub(super) fn found(&self) -> Vec<Arc<Replica>> {
        self.state().found.clone()
    }

    /// Returns the replicas beside those that the program `named`, in random order. Looks them up if the last look-up
    /// was over an hour ago or failed, but not within 30 seconds after the last one.
    ///
    /// A look-up that fails leaves the replicas of the last one.
    pub(super) async fn find(&self, named: &[Arc<Replica>]) -> Vec<Arc<Replica>> {
        if self.begin(Instant::now()) {
            let primary = named[0].client.endpoint();
            match timeout(LONGEST, replicas_of(primary, &*self.records)).await {
                Ok(Ok(endpoints)) => self.set(&endpoints, named),
                Ok(Err(LookupFailed)) | Err(_) => {
                    tracing::warn!(endpoint = primary.origin(), "replicas could not be looked up");
                }
            }
        }
        self.found()
    }

    /// Returns whether a look-up is due, which then begins.
    fn begin(&self, now: Instant) -> bool {
        let mut state = self.state();
        let has_passed = |time: Option<Instant>, limit| time.is_none_or(|time| now.duration_since(time) >= limit);
        let is_due = has_passed(state.succeeded, VALIDITY) && has_passed(state.tried, PAUSE);
        if is_due {
            state.tried = Some(now);
        }
        is_due
    }

    fn set(&self, endpoints: &[Endpoint], named: &[Arc<Replica>]) {
        let mut state = self.state();
        let is_named = |endpoint: &Endpoint| named.iter().any(|replica| replica.client.endpoint() == endpoint);
        let mut found = Vec::new();
        for endpoint in endpoints.iter().filter(|endpoint| !is_named(endpoint)) {
            // One that was found before keeps its rest and its sync tokens.
            match state.found.iter().find(|replica| replica.client.endpoint() == endpoint) {
                Some(known) => found.push(Arc::clone(known)),
                None => {
                    let client = named[0].client.with_endpoint(endpoint.origin());
                    found.extend(client.ok().map(|client| Arc::new(Replica::new(client))));
                }
            }
        }
        // The instances of a program spread over the replicas.
        fastrand::shuffle(&mut found);
        (state.succeeded, state.found) = (state.tried, found);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up the endpoints of the store that `endpoint` is one of: the origin first. None for an endpoint under no known
/// domain.
async fn replicas_of(endpoint: &Endpoint, records: &dyn ServiceRecords) -> Result<Vec<Endpoint>, LookupFailed> {
    let Some(domain) = endpoint.domain() else { return Ok(Vec::new()) };
    let trusted = |target: &String| trusted(target, domain);
    let origins = records.targets(&format!("_origin._tcp.{}", endpoint.host())).await?;
    let Some(origin) = origins.first().and_then(trusted) else { return Ok(Vec::new()) };
    let mut found = vec![origin.clone()];
    for number in 0..MAX_SETS {
        let targets = records.targets(&format!("_alt{number}._tcp.{}", origin.host())).await?;
        if targets.is_empty() {
            break;
        }
        for endpoint in targets.iter().filter_map(trusted) {
            if !found.contains(&endpoint) && found.len() < MAX_REPLICAS {
                found.push(endpoint);
            }
        }
    }
    Ok(found)
}

/// Returns the endpoint of a target if it is a store in `domain`. The port of a record does not matter: a store has
/// one.
fn trusted(target: &str, domain: &str) -> Option<Endpoint> {
    let endpoint = Endpoint::parse(&format!("https://{}", target.trim_end_matches('.'))).ok()?;
    Some(endpoint).filter(|endpoint| endpoint.domain() == Some(domain))
}

#[async_trait]
impl ServiceRecords for SystemRecords {
    /// Reads the configuration of the system each time: it may have changed in the hour before.
    async fn targets(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        targets(&resolver.map_err(|_| LookupFailed)?, name).await
    }
}

async fn targets(resolver: &TokioResolver, name: &str) -> Result<Vec<String>, LookupFailed> {
    // With a dot at its end, a name is complete: the search list of the system does not apply.
    match resolver.srv_lookup(format!("{name}.")).await {
        Ok(lookup) => {
            let target = |data: &RData| match data {
                RData::SRV(record) => Some(record.target.to_string()),
                _ => None,
            };
            Ok(lookup.answers().iter().filter_map(|record| target(&record.data)).collect())
        }
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(_) => Err(LookupFailed),
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use tokio::net::UdpSocket;

    use super::*;

    /// The records of a name server on this machine, which answers each name with the same targets each time.
    #[derive(Debug)]
    struct StubRecords(TokioResolver);

    #[async_trait]
    impl ServiceRecords for StubRecords {
        async fn targets(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
            targets(&self.0, name).await
        }
    }

    type Zone = &'static [(&'static str, &'static [&'static str])];

    /// Starts a name server. It refuses names that contain `refused`, and other names than those of `zone` do not
    /// exist.
    async fn name_server(zone: Zone) -> StubRecords {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                socket.send_to(&answer(&query[..length], zone), client).await.unwrap();
            }
        });
        let mut server = NameServerConfig::udp(address.ip());
        server.connections[0].port = address.port();
        let config = ResolverConfig::from_name_servers(vec![server]);
        StubRecords(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap())
    }

    /// Returns the answer to a query for service records ([RFC 1035](https://www.rfc-editor.org/rfc/rfc1035#section-4)).
    fn answer(query: &[u8], zone: Zone) -> Vec<u8> {
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..end].to_vec()).unwrap());
            at = end;
        }
        let (name, question) = (labels.join("."), &query[12..at + 5]);
        assert_eq!(question[question.len() - 4..], [0, 33, 0, 1], "service records of the internet");
        let targets = zone.iter().find(|(one, _)| *one == name).map(|(_, targets)| *targets);
        let code = if name.contains("refused") { 5 } else { u8::from(targets.is_none()) * 3 };
        let targets = targets.unwrap_or_default();
        let mut answer =
            [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::try_from(targets.len()).unwrap(), 0, 0, 0, 0]].concat();
        answer.extend_from_slice(question);
        for target in targets {
            let mut data = vec![0, 1, 0, 1, 1, 187];
            for label in target.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            answer.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            answer.extend_from_slice(&data);
        }
        answer
    }

    async fn found(url: &str, zone: Zone) -> Result<Vec<String>, LookupFailed> {
        let endpoints = replicas_of(&Endpoint::parse(url).unwrap(), &name_server(zone).await).await?;
        Ok(endpoints.iter().map(|endpoint| endpoint.host().to_owned()).collect())
    }

    #[tokio::test]
    async fn the_origin_and_all_its_replicas_are_found() {
        const ZONE: Zone = &[
            ("_origin._tcp.contoso-west.azconfig.io", &["Contoso.azconfig.io"]),
            ("_alt0._tcp.contoso.azconfig.io", &["contoso-west.azconfig.io", "contoso-north.azconfig.io"]),
            ("_alt1._tcp.contoso.azconfig.io", &["contoso-south.azconfig.io", "contoso-west.azconfig.io"]),
            ("_alt3._tcp.contoso.azconfig.io", &["contoso-lost.azconfig.io"]),
        ];
        let expected =
            ["contoso", "contoso-west", "contoso-north", "contoso-south"].map(|name| format!("{name}.azconfig.io"));
        assert_eq!(found("https://contoso-west.azconfig.io", ZONE).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_store_without_records_has_no_replicas() {
        assert_eq!(found("https://contoso.azconfig.io", &[]).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn a_name_server_that_refuses_is_a_failure_and_no_absence_of_replicas() {
        assert_eq!(found("https://refused.azconfig.io", &[]).await, Err(LookupFailed));
    }

    #[tokio::test]
    async fn forged_records_name_no_host_of_another_domain() {
        const ZONE: Zone = &[
            ("_origin._tcp.contoso.azconfig.io", &["contoso.azconfig.io"]),
            (
                "_alt0._tcp.contoso.azconfig.io",
                &[
                    "evil.example",
                    "azconfig.io.evil.example",
                    "contoso.azconfig.io.evil.example",
                    "contoso.azconfig.azure.us",
                    "contoso-west.azconfig.io",
                    "a.b.azconfig.io",
                    "127.0.0.1",
                ],
            ),
            ("_origin._tcp.fabrikam.azconfig.io", &["evil.example"]),
            ("_alt0._tcp.evil.example", &["contoso-west.azconfig.io"]),
        ];
        let expected = ["contoso.azconfig.io", "contoso-west.azconfig.io"];
        assert_eq!(found("https://contoso.azconfig.io", ZONE).await.unwrap(), expected);
        assert_eq!(found("https://fabrikam.azconfig.io", ZONE).await, Ok(vec![]));
    }
}
