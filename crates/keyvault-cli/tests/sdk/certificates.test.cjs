// The official certificate client of JavaScript against the emulator: keyvault emulator -- node --test
// certificates.test.cjs

const assert = require("node:assert/strict");
const { X509Certificate, createPrivateKey } = require("node:crypto");
const { test } = require("node:test");

const { ClientSecretCredential, DefaultAzureCredential } = require("@azure/identity");
const { CertificateClient } = require("@azure/keyvault-certificates");
const { SecretClient } = require("@azure/keyvault-secrets");

const { env } = process;

function client(Client = CertificateClient, credential = new DefaultAzureCredential()) {
  return new Client(env.KEYVAULT_VAULT, credential, { disableChallengeResourceVerification: true });
}

// Returns a credential without a token. Those of a managed identity share their tokens.
function newCredential() {
  return new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, {
    authorityHost: env.AZURE_AUTHORITY_HOST,
    disableInstanceDiscovery: true,
  });
}

async function control(path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${env.KEYVAULT_EMULATOR_CONTROL}/${path}`, options);
  assert.equal(response.status, 200);
  return response.json();
}

async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function create(name, policy, options) {
  const poller = await client().beginCreateCertificate(name, policy, { intervalInMs: 1, ...options });
  return poller.pollUntilDone();
}

const POLICY = {
  issuerName: "Self",
  subject: "CN=app.example",
  keyType: "EC",
  keyCurveName: "P-256",
  contentType: "application/x-pem-file",
  validityInMonths: 3,
  lifetimeActions: [{ action: "AutoRenew", daysBeforeExpiry: 20 }],
};

test("a certificate is created by a policy and its secret has its key", async () => {
  const subjectAlternativeNames = { dnsNames: ["default.example"] };
  const policy = { issuerName: "Self", subject: "CN=default.example", subjectAlternativeNames };
  const certificate = await create("default", policy, { tags: { team: "web" } });
  assert.equal(certificate.properties.enabled, true);
  assert.deepEqual(certificate.properties.tags, { team: "web" });
  assert.equal(certificate.policy.keyType, "RSA");
  const parsed = new X509Certificate(certificate.cer);
  assert.equal(parsed.subject, "CN=default.example");
  assert.equal(parsed.subjectAltName, "DNS:default.example");
  assert.equal(parsed.fingerprint.replaceAll(":", "").toLowerCase(), certificate.properties.x509ThumbprintString);
  assert.equal(parsed.publicKey.asymmetricKeyDetails.modulusLength, 2048);
  const secret = await client(SecretClient).getSecret("default", { version: certificate.properties.version });
  assert.equal(secret.properties.id, certificate.secretId);
  assert.equal(secret.properties.contentType, "application/x-pkcs12");
});

test("a certificate is renewed by the authority of the emulator when the clock moves", async () => {
  const first = await create("renewed", { ...POLICY, issuerName: "Emulator" });
  await control("clock", { shift_seconds: 80 * 86400 });
  try {
    const vault = client(CertificateClient, newCredential());
    const second = await vault.getCertificate("renewed");
    assert.notEqual(second.properties.version, first.properties.version);
    const versions = await all(vault.listPropertiesOfCertificateVersions("renewed"));
    assert.equal(versions.length, 2);
    assert.equal((await vault.getCertificateVersion("renewed", first.properties.version)).name, "renewed");
    const events = (await control("events")).filter((event) => event.subject === "renewed");
    assert.equal(events.filter((event) => event.eventType.endsWith("CertificateNewVersionCreated")).length, 2);
  } finally {
    await control("clock", { shift_seconds: -80 * 86400 });
  }
  const { value } = await client(SecretClient).getSecret("renewed");
  const [leaf, authority] = value.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g);
  const parsed = new X509Certificate(leaf);
  assert.ok(parsed.verify(new X509Certificate(authority).publicKey));
  assert.ok(parsed.checkPrivateKey(createPrivateKey(value)));
});

test("the secret of a certificate is imported as another certificate", async () => {
  const source = await create("source", POLICY);
  const { value } = await client(SecretClient).getSecret("source");
  const policy = { issuerName: "Unknown", subject: "CN=app.example", contentType: "application/x-pem-file" };
  const pem = await client().importCertificate("imported-pem", Buffer.from(value), { policy });
  assert.deepEqual(pem.cer, source.cer);
  await create("source", { ...POLICY, contentType: "application/x-pkcs12" });
  const pkcs12 = await client(SecretClient).getSecret("source");
  const imported = await client().importCertificate("imported-pfx", Buffer.from(pkcs12.value, "base64"));
  assert.equal(imported.policy.keyType, "EC");
  await assert.rejects(client().importCertificate("imported-pfx", Buffer.from("canary")), { statusCode: 400 });
});

test("a creation is cancelled and deleted", async () => {
  const poller = await client().beginCreateCertificate("cancelled", { ...POLICY, issuerName: "Unknown" });
  const operation = async () =>
    (await client().getCertificateOperation("cancelled")).getOperationState().certificateOperation;
  assert.ok((await operation()).csr.length > 100);
  await poller.cancelOperation();
  assert.equal((await operation()).status, "cancelled");
  await client().deleteCertificateOperation("cancelled");
  await assert.rejects(client().getCertificateOperation("cancelled"), { statusCode: 404 });
});

test("a certificate is updated and its policy", async () => {
  const { properties } = await create("updated", POLICY);
  const updated = await client().updateCertificateProperties("updated", properties.version, { enabled: false });
  assert.equal(updated.properties.enabled, false);
  await client().updateCertificatePolicy("updated", { ...POLICY, validityInMonths: 24 });
  const policy = await client().getCertificatePolicy("updated");
  assert.deepEqual([policy.subject, policy.validityInMonths], ["CN=app.example", 24]);
});

test("a certificate is deleted, recovered, purged and restored", async () => {
  const vault = client();
  const created = await create("deleted", POLICY);
  const backup = await vault.backupCertificate("deleted");
  await (await vault.beginDeleteCertificate("deleted", { intervalInMs: 1 })).pollUntilDone();
  assert.equal((await vault.getDeletedCertificate("deleted")).name, "deleted");
  assert.ok((await all(vault.listDeletedCertificates())).some((item) => item.name === "deleted"));
  await assert.rejects(client(SecretClient).getSecret("deleted"), { statusCode: 404 });
  await (await vault.beginRecoverDeletedCertificate("deleted", { intervalInMs: 1 })).pollUntilDone();
  assert.ok((await all(vault.listPropertiesOfCertificates())).some((item) => item.name === "deleted"));
  await (await vault.beginDeleteCertificate("deleted", { intervalInMs: 1 })).pollUntilDone();
  await vault.purgeDeletedCertificate("deleted");
  const restored = await vault.restoreCertificateBackup(backup);
  assert.deepEqual(restored.cer, created.cer);
});

test("a failure of the vault is retried", async () => {
  await create("retried", POLICY);
  await control("faults", { fault: "status", status: 503, count: 1, operations: ["get_certificate"] });
  assert.equal((await client().getCertificate("retried")).name, "retried");
});
