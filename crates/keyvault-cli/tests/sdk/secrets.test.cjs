// The official client of JavaScript against the emulator: keyvault emulator -- node --test secrets.test.cjs

const assert = require("node:assert/strict");
const { test } = require("node:test");

const { ClientSecretCredential, DefaultAzureCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");

const { env } = process;

function client(credential = new DefaultAzureCredential()) {
  return new SecretClient(env.KEYVAULT_VAULT, credential, { disableChallengeResourceVerification: true });
}

test("a seeded secret is read", async () => {
  assert.equal((await client().getSecret("seeded")).value, "from the seed");
});

test("a client secret signs in", async () => {
  const credential = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, {
    authorityHost: env.AZURE_AUTHORITY_HOST,
    disableInstanceDiscovery: true,
  });
  assert.equal((await client(credential).getSecret("seeded")).value, "from the seed");
});

test("versions are kept and a deleted secret is recovered", async () => {
  const vault = client();
  const old = await vault.setSecret("javascript", "1");
  await vault.setSecret("javascript", "2", { contentType: "text/plain", tags: { team: "billing" } });
  assert.equal((await vault.getSecret("javascript")).value, "2");
  assert.equal((await vault.getSecret("javascript", { version: old.properties.version })).value, "1");
  const names = [];
  for await (const secret of vault.listPropertiesOfSecrets()) names.push(secret.name);
  assert.ok(names.includes("javascript"));
  await (await vault.beginDeleteSecret("javascript")).pollUntilDone();
  await assert.rejects(vault.getSecret("javascript"), { statusCode: 404 });
  await (await vault.beginRecoverDeletedSecret("javascript")).pollUntilDone();
  assert.deepEqual((await vault.getSecret("javascript")).properties.tags, { team: "billing" });
});

test("a failure of the vault is retried", async () => {
  const fault = { fault: "status", status: 503, count: 1, path: "/secrets/seeded*" };
  const response = await fetch(`${env.KEYVAULT_EMULATOR_CONTROL}/faults`, {
    method: "POST",
    body: JSON.stringify(fault),
  });
  assert.equal(response.status, 200);
  assert.equal((await client().getSecret("seeded")).value, "from the seed");
});
