//! Keys, certificates and containers, made by `openssl`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A folder in which `openssl` runs.
pub(super) struct Openssl(TempDir);

/// The arguments that make a key of each kind.
pub(super) const KEYS: [&[&str]; 5] = [
    &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    &["-algorithm", "ED25519"],
];
pub(super) const P256: &[&str] = KEYS[2];

impl Openssl {
    /// Creates an empty folder. `None` if `openssl` is not installed.
    pub(super) fn new() -> Option<Self> {
        match Command::new("openssl").arg("version").output() {
            Ok(_) => Some(Self(tempfile::tempdir().unwrap())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
                eprintln!("SKIPPED: openssl is not installed");
                None
            }
            Err(error) => panic!("openssl does not start: {error}"),
        }
    }

    /// Creates a folder with the files `root`, `middle` and `leaf`, each a `.key` and a `.pem`: a chain of three.
    pub(super) fn with_chain(key: &[&str]) -> Option<Self> {
        let openssl = Self::new()?;
        openssl.root("root");
        openssl.issue("middle", P256, "root", &["basicConstraints=critical,CA:TRUE"]);
        let names = "subjectAltName=DNS:app.example,DNS:*.app.example,IP:10.0.0.1";
        openssl.issue("leaf", key, "middle", &[names]);
        Some(openssl)
    }

    /// Makes a key and a certificate that it signs itself.
    pub(super) fn root(&self, name: &str) {
        self.key(name, P256);
        let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
        self.run(&["req", "-x509", "-key", &key, "-subj", &format!("/CN={name}"), "-days", "30", "-out", &out]);
    }

    /// Makes a key.
    pub(super) fn key(&self, name: &str, kind: &[&str]) {
        self.run(&[&["genpkey", "-quiet", "-out", &format!("{name}.key")], kind].concat());
    }

    /// Makes a key and a certificate that `issuer` signs, with extensions.
    pub(super) fn issue(&self, name: &str, kind: &[&str], issuer: &str, extensions: &[&str]) {
        self.key(name, kind);
        self.sign(name, name, issuer, extensions);
    }

    /// Makes the certificate `out` for the key `name`.
    pub(super) fn sign(&self, name: &str, out: &str, issuer: &str, extensions: &[&str]) {
        let file = |kind: &str| format!("{name}.{kind}");
        let subject = format!("/O=Contoso/CN={name}");
        self.run(&["req", "-new", "-key", &file("key"), "-subj", &subject, "-out", &file("csr")]);
        fs::write(self.path("extensions"), extensions.join("\n")).unwrap();
        let (ca, ca_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let request = ["x509", "-req", "-in", &file("csr"), "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        let output = ["-days", "20", "-extfile", "extensions", "-out", &format!("{out}.pem")];
        self.run(&[&request[..], &output].concat());
    }

    /// Makes the container `out` of the leaf, with the rest of its chain.
    pub(super) fn container(&self, out: &str, arguments: &[&str]) -> Vec<u8> {
        fs::write(self.path("issuers.pem"), self.text("middle.pem") + &self.text("root.pem")).unwrap();
        let input = ["pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-certfile", "issuers.pem"];
        self.run(&[&input[..], &["-out", out], arguments].concat());
        self.bytes(out)
    }

    /// Runs `openssl` and returns its output.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {}: {error}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Returns the certificate in a file, in DER.
    pub(super) fn der(&self, name: &str) -> Vec<u8> {
        self.run(&["x509", "-in", &format!("{name}.pem"), "-outform", "DER", "-out", "out.der"]);
        self.bytes("out.der")
    }

    /// Returns the key in a file, in DER: as PKCS#8, or in the older form with `-traditional`.
    pub(super) fn key_der(&self, name: &str, form: &[&str]) -> Vec<u8> {
        let file = format!("{name}.key");
        self.run(&[&["pkey", "-in", &file, "-outform", "DER", "-out", "out.der"], form].concat());
        self.bytes("out.der")
    }

    /// Returns the fingerprint of a certificate, without colons.
    pub(super) fn fingerprint(&self, name: &str, hash: &str) -> String {
        let output = self.run(&["x509", "-in", &format!("{name}.pem"), "-noout", "-fingerprint", hash]);
        output.split_once('=').unwrap().1.trim().replace(':', "")
    }
}
