"""The official certificate client of Python against the emulator: keyvault emulator -- python certificates_test.py"""

import base64
import datetime
import json
import os
import unittest
import urllib.request

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.keyvault.certificates import (
    CertificateClient,
    CertificateContentType,
    CertificatePolicy,
    CertificatePolicyAction,
    KeyType,
    LifetimeAction,
    WellKnownIssuerNames,
)
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


def client(kind=CertificateClient):
    return kind(os.environ["KEYVAULT_VAULT"], DefaultAzureCredential(), verify_challenge_resource=False)


def control(path, body):
    url = f"{os.environ['KEYVAULT_EMULATOR_CONTROL']}/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, body and json.dumps(body).encode())) as response:
        return json.load(response)


def key_and_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "imported.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=90))
    return key, builder.sign(key, hashes.SHA256())


class Certificates(unittest.TestCase):
    def test_a_certificate_is_created_by_the_default_policy(self):
        vault = client()
        certificate = vault.begin_create_certificate("default", CertificatePolicy.get_default()).result()
        self.assertEqual(certificate.properties.name, "default")
        self.assertTrue(certificate.properties.enabled)
        self.assertEqual(certificate.policy.subject, "CN=DefaultPolicy")
        self.assertEqual(certificate.policy.key_size, 2048)
        self.assertTrue(certificate.policy.exportable)
        parsed = x509.load_der_x509_certificate(bytes(certificate.cer))
        self.assertEqual(parsed.public_key().key_size, 2048)
        self.assertEqual(parsed.fingerprint(hashes.SHA1()), certificate.properties.x509_thumbprint)
        self.assertEqual(parsed.not_valid_after_utc, certificate.properties.expires_on)
        self.assertEqual(vault.get_certificate_operation("default").status, "completed")

        secret = client(SecretClient).get_secret("default", certificate.properties.version)
        self.assertEqual(certificate.secret_id, secret.id)
        self.assertEqual(certificate.key_id, secret.properties.key_id)
        key, leaf, _ = pkcs12.load_key_and_certificates(base64.b64decode(secret.value), None)
        self.assertEqual(leaf, parsed)
        self.assertEqual(key.public_key(), leaf.public_key())

    def test_a_certificate_is_renewed_by_the_authority_of_the_emulator_when_the_clock_moves(self):
        vault = client()
        policy = CertificatePolicy(
            issuer_name="Emulator",
            subject="CN=app.example, O=Contoso",
            san_dns_names=["app.example", "www.app.example"],
            key_type=KeyType.ec,
            key_curve_name="P-384",
            content_type=CertificateContentType.pem,
            validity_in_months=3,
            lifetime_actions=[LifetimeAction(CertificatePolicyAction.auto_renew, days_before_expiry=20)],
        )
        first = vault.begin_create_certificate("renewed", policy, tags={"team": "web"}).result()
        self.assertEqual(first.policy.san_dns_names, ["app.example", "www.app.example"])
        self.assertEqual(first.properties.tags, {"team": "web"})
        try:
            control("clock", {"shift_seconds": 80 * 86400})
            vault = client()  # the token of the other one has expired
            second = vault.get_certificate("renewed")
            self.assertNotEqual(first.properties.version, second.properties.version)
            versions = list(vault.list_properties_of_certificate_versions("renewed"))
            self.assertEqual(
                {version.version for version in versions},
                {first.properties.version, second.properties.version},
            )
            created = [
                event["data"]["Version"]
                for event in control("events", None)
                if event["eventType"] == "Microsoft.KeyVault.CertificateNewVersionCreated"
                and event["subject"] == "renewed"
            ]
            self.assertEqual(created, [first.properties.version, second.properties.version])
        finally:
            control("clock", {"shift_seconds": -80 * 86400})
        pem = client(SecretClient).get_secret("renewed").value.encode()
        leaf, authority = x509.load_pem_x509_certificates(pem)
        leaf.verify_directly_issued_by(authority)
        self.assertEqual(
            serialization.load_pem_private_key(pem, None).public_key(), leaf.public_key()
        )

    def test_pfx_with_a_password_and_pem_are_imported(self):
        vault = client()
        key, certificate = key_and_certificate()
        encryption = serialization.BestAvailableEncryption("pässword".encode())
        pfx = pkcs12.serialize_key_and_certificates(b"name", key, certificate, None, encryption)
        imported = vault.import_certificate("imported", pfx, password="pässword")
        self.assertEqual(x509.load_der_x509_certificate(bytes(imported.cer)), certificate)
        self.assertEqual(imported.policy.subject, "CN=imported.example")

        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ) + certificate.public_bytes(serialization.Encoding.PEM)
        policy = CertificatePolicy(issuer_name=WellKnownIssuerNames.unknown, content_type=CertificateContentType.pem)
        imported = vault.import_certificate("imported", pem, policy=policy)
        self.assertEqual(x509.load_der_x509_certificate(bytes(imported.cer)), certificate)
        secret = client(SecretClient).get_secret("imported")
        self.assertEqual(secret.properties.content_type, "application/x-pem-file")
        self.assertEqual(len(list(vault.list_properties_of_certificate_versions("imported"))), 2)

    def test_a_request_is_signed_by_another_issuer_and_merged(self):
        vault = client()
        policy = CertificatePolicy(
            issuer_name=WellKnownIssuerNames.unknown, subject="CN=merged.example", key_type=KeyType.ec
        )
        vault.begin_create_certificate("merged", policy)
        operation = vault.get_certificate_operation("merged")
        request = x509.load_der_x509_csr(bytes(operation.csr))
        self.assertTrue(request.is_signature_valid)
        issuer, issuer_certificate = key_and_certificate()
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(request.subject).public_key(request.public_key())
        builder = builder.issuer_name(issuer_certificate.subject).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=30))
        leaf = builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        merged = vault.merge_certificate("merged", [leaf])
        self.assertEqual(bytes(merged.cer), leaf)
        self.assertEqual(vault.get_certificate_operation("merged").status, "completed")

    def test_a_creation_is_cancelled_and_deleted(self):
        vault = client()
        policy = CertificatePolicy(
            issuer_name=WellKnownIssuerNames.unknown, subject="CN=cancelled.example", key_type=KeyType.ec
        )
        vault.begin_create_certificate("cancelled", policy)
        self.assertTrue(vault.cancel_certificate_operation("cancelled").cancellation_requested)
        self.assertEqual(vault.get_certificate_operation("cancelled").status, "cancelled")
        vault.delete_certificate_operation("cancelled")
        with self.assertRaises(ResourceNotFoundError):
            vault.get_certificate_operation("cancelled")
        vault.begin_delete_certificate("cancelled").wait()

    def test_a_certificate_is_updated_and_its_policy(self):
        vault = client()
        policy = CertificatePolicy(issuer_name="Self", subject="CN=updated.example", key_type=KeyType.ec)
        vault.begin_create_certificate("updated", policy).result()
        updated = vault.update_certificate_properties("updated", enabled=False, tags={"a": "b"})
        self.assertEqual((updated.properties.enabled, updated.properties.tags), (False, {"a": "b"}))
        self.assertFalse(vault.get_certificate("updated").properties.enabled)
        policy = vault.get_certificate_policy("updated")
        policy._validity_in_months = 24
        changed = vault.update_certificate_policy("updated", policy)
        self.assertEqual((changed.validity_in_months, changed.subject), (24, "CN=updated.example"))

    def test_a_certificate_is_deleted_recovered_purged_and_restored(self):
        vault = client()
        policy = CertificatePolicy(issuer_name="Self", subject="CN=deleted.example", key_type=KeyType.ec)
        created = vault.begin_create_certificate("deleted", policy).result()
        backup = vault.backup_certificate("deleted")
        deleted = vault.begin_delete_certificate("deleted").result()
        self.assertEqual(deleted.name, "deleted")
        self.assertIn("deleted", [item.name for item in vault.list_deleted_certificates()])
        with self.assertRaises(ResourceExistsError):
            vault.begin_create_certificate("deleted", policy)
        with self.assertRaises(ResourceNotFoundError):
            client(SecretClient).get_secret("deleted")
        recovered = vault.begin_recover_deleted_certificate("deleted").result()
        self.assertEqual(recovered.properties.version, created.properties.version)
        self.assertIn("deleted", [item.name for item in vault.list_properties_of_certificates()])
        vault.begin_delete_certificate("deleted").wait()
        vault.purge_deleted_certificate("deleted")
        restored = vault.restore_certificate_backup(backup)
        self.assertEqual(restored.properties.version, created.properties.version)
        self.assertEqual(restored.cer, created.cer)

    def test_a_failure_of_the_vault_is_retried(self):
        vault = client()
        vault.begin_create_certificate(
            "retried", CertificatePolicy(issuer_name="Self", subject="CN=retried", key_type=KeyType.ec)
        ).result()
        fault = {"fault": "status", "status": 503, "count": 1, "operations": ["get_certificate"]}
        control("faults", fault)
        self.assertEqual(vault.get_certificate("retried").name, "retried")


if __name__ == "__main__":
    unittest.main()
