//! An authority that issues certificates, and the ends of connections that trust it.

use std::sync::Arc;

use keyvault::Derived;
use keyvault::certificate::Certificate;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::server::{ClientCertVerifierBuilder, ResolvesServerCert, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        Self::until(4096)
    }

    /// Creates an authority whose own certificate is valid until a year.
    pub(super) fn until(year: i32) -> Self {
        Self(CertifiedIssuer::self_signed(parameters("root", year), KeyPair::generate().unwrap()).unwrap())
    }

    /// Creates an authority whose certificate this one issues.
    pub(super) fn authority(&self, year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(parameters("intermediate", year), key, &self.0).unwrap())
    }

    /// Returns the certificate of this authority as PEM.
    pub(super) fn own_pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate as PEM, valid between two years.
    pub(super) fn issue(&self, names: &[&str], key: &KeyPair, years: (i32, i32)) -> String {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        key.serialize_pem() + &params.signed_by(key, &self.0).unwrap().pem()
    }

    pub(super) fn pem(&self, names: &[&str]) -> String {
        self.issue(names, &KeyPair::generate().unwrap(), (2000, 2100))
    }

    pub(super) fn certificate(&self, names: &[&str]) -> Certificate {
        Certificate::from_bytes(self.pem(names)).unwrap()
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// Returns the configuration of a server that also takes clients without a certificate.
    pub(super) fn server(&self, certificates: impl ResolvesServerCert + 'static) -> Arc<ServerConfig> {
        self.server_for(|clients| clients.allow_unauthenticated(), certificates)
    }

    /// Returns the configuration of a server that refuses clients without a certificate of this authority.
    pub(super) fn server_with_client_authentication(
        &self,
        certificates: impl ResolvesServerCert + 'static,
    ) -> Arc<ServerConfig> {
        self.server_for(|clients| clients, certificates)
    }

    fn server_for(
        &self,
        rule: impl Fn(ClientCertVerifierBuilder) -> ClientCertVerifierBuilder,
        certificates: impl ResolvesServerCert + 'static,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(rule(clients).build().unwrap());
        Arc::new(config.with_cert_resolver(Arc::new(certificates)))
    }

    pub(super) fn client(&self, certificate: Option<Derived<Certificate>>) -> Arc<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(self.roots());
        let mut config = match certificate {
            Some(certificate) => config.with_client_cert_resolver(Arc::new(certificate)),
            None => config.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// Returns the certificate of an authority, valid until a year.
fn parameters(name: &str, year: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(1975, 1, 1), date_time_ymd(year, 1, 1));
    params
}
