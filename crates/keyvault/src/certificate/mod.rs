//! Certificates with their private keys, from whatever form a vault has.
//!
//! A certificate of a vault is also a secret of the same name, whose value is the private key and the chain: PKCS#12
//! in base64, or PEM. People also store certificates as plain secrets, in the forms that their tools wrote.
//! [`Certificate`] reads all of them:
//!
//! * PKCS#12 (`.pfx`, `.p12`), with or without a password, in base64 or binary, in DER or BER: AES, triple DES and RC2;
//!   MACs by SHA-1 and SHA-2, PBMAC1, or none.
//! * PEM in any order, with any text around it and any line ends: keys in PKCS#8 (encrypted ones with the password),
//!   PKCS#1 and SEC1, and PKCS#12 and PKCS#7 in PEM. The content of a block counts, and not its label.
//! * JSON with the members `data` and `password`, in base64 or not, as App Service and old virtual machines store it;
//!   any JSON with one of these forms, or with keys and certificates in DER, in its members.
//!
//! The value itself shows its form. The content type is free text of the secret's owner, and is not read. The
//! certificate whose public key is that of the private key is the leaf. Its issuers follow in order, as far as the
//! value has them; nothing is downloaded. Certificates of others are left out. Of several keys, it is that of a leaf
//! which issued none of the other certificates, is not self-signed, is valid now, and expires last.
//!
//! Keys are RSA of 2048, 3072 and 4096 bits, P-256, P-384 and Ed25519; with the feature `aws-lc-rs` also P-521, and RSA
//! up to 8192 bits. A provider of rustls that the program installed has its own list.
//!
//! A settings type has a field of the type [`Certificate`], or text of the form that a reference asks for:
//! `@Microsoft.KeyVault(SecretName=tls; Format=pem)`.
//!
//! Reading one certificate takes about a millisecond, and one or two seconds at most: larger values, and containers
//! that need more work to open, are refused. Memory that holds the key is wiped, except in the TLS library.
//!
//! # Modules
//!
//! Read `certificate` first, then `server_certificates`, for servers of rustls. `form` finds the form of a value: JSON,
//! `pem` or a `der_value`. These, and `pkcs12` with `mac`, `encryption`, `key_derivation` and `password`, read it into
//! `contents`: each `private_key` and `x509` in it. `key_proof` finds a key's certificate, and `chain` orders the
//! others. `pkcs12_writer` writes a container. `der_reader` and `der_writer` are the encoding below all of them, and
//! `problem` lists the failures.

#[allow(clippy::module_inception, reason = "the file is named after its type")]
mod certificate;
mod chain;
mod contents;
mod der_reader;
mod der_value;
mod der_writer;
mod encryption;
mod form;
mod key_derivation;
mod key_proof;
mod mac;
mod password;
mod pem;
mod pkcs12;
mod pkcs12_writer;
mod private_key;
mod problem;
mod server_certificates;
mod x509;

pub use self::certificate::Certificate;
pub(crate) use self::problem::Problem;
pub use self::server_certificates::ServerCertificates;
