// The official provider of JavaScript against the emulator's App Configuration and Key Vault:
// keyvault emulator --app-configuration --seed seed.toml -- node --test configuration_provider.test.cjs

const assert = require("node:assert/strict");
const { beforeEach, test } = require("node:test");

const { AppConfigurationClient, featureFlagContentType, featureFlagPrefix } = require("@azure/app-configuration");
const { secretReferenceContentType, snapshotReferenceContentType } = require("@azure/app-configuration");
const { load } = require("@azure/app-configuration-provider");
const { DefaultAzureCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");

const { env } = process;
const connectionString = env.AZURE_APPCONFIG_CONNECTION_STRING;
const vault = env.KEYVAULT_VAULT.replace(/\/$/, "");
const json = "application/json";
const store = new AppConfigurationClient(connectionString);
const secrets = new SecretClient(vault, new DefaultAzureCredential(), { disableChallengeResourceVerification: true });

beforeEach(async () => {
  for await (const setting of store.listConfigurationSettings()) await store.deleteConfigurationSetting(setting);
});

function put(key, value, options) {
  return store.setConfigurationSetting({ key, value, ...options });
}

function refer(key, secret) {
  return put(key, { secretId: `${vault}/secrets/${secret}` }, { contentType: secretReferenceContentType });
}

function settings(options) {
  const keyVaultOptions = { secretClients: [secrets] };
  return load(connectionString, { keyVaultOptions, replicaDiscoveryEnabled: false, ...options });
}

async function waitFor(settings, key, value) {
  const deadline = Date.now() + 30_000;
  while (settings.get(key) !== value) {
    assert.ok(Date.now() < deadline, `${key} is ${settings.get(key)}`);
    await settings.refresh();
  }
}

test("settings without a label are loaded with their types", async () => {
  await put("text", "1");
  await put("number", "1", { contentType: json });
  const table = '{"a": [1, null, true]} // a comment';
  await put("table", table, { contentType: "application/vnd.shop+json;charset=utf-8" });
  await put("malformed", "{", { contentType: json });
  await put("other", "labelled", { label: "prod" });
  const expected = { malformed: "{", number: 1, table: { a: [1, null, true] }, text: "1" };
  assert.deepEqual(Object.fromEntries(await settings()), expected);
});

test("the last select wins and prefixes are trimmed", async () => {
  await put("shop:db:host", "default");
  await put("shop:db:port", "5432");
  await put("shop:db:host", "prod", { label: "prod" });
  await put("tagged", "yes", { tags: { team: "billing" } });
  const loaded = await settings({
    selectors: [
      { keyFilter: "shop:*" },
      { keyFilter: "shop:*", labelFilter: "prod" },
      { keyFilter: "*", tagFilters: ["team=billing"] },
    ],
    trimKeyPrefixes: ["shop:", "shop:db:"],
  });
  assert.deepEqual(Object.fromEntries(loaded), { host: "prod", port: "5432", tagged: "yes" });
});

test("references are resolved in the vault", async () => {
  await refer("password", "seeded");
  await refer("again", "seeded");
  const expected = { again: "from the seed", password: "from the seed" };
  for (const parallelSecretResolutionEnabled of [false, true]) {
    const keyVaultOptions = { secretClients: [secrets], parallelSecretResolutionEnabled };
    assert.deepEqual(Object.fromEntries(await settings({ keyVaultOptions })), expected);
  }
});

test("an Entra token signs in to both", async () => {
  await put("a", "1");
  const loaded = await load(env.AZURE_APPCONFIG_ENDPOINT, new DefaultAzureCredential(), {
    replicaDiscoveryEnabled: false,
  });
  assert.deepEqual(Object.fromEntries(loaded), { a: "1" });
});

test("flags are a list of their own", async () => {
  const flag = { id: "beta", enabled: true, conditions: { clientFilters: [] } };
  await put(`${featureFlagPrefix}beta`, flag, { contentType: featureFlagContentType });
  await put("a", "1");
  const loaded = await settings({ featureFlagOptions: { enabled: true } });
  const [beta] = loaded.get("feature_management").feature_flags;
  assert.deepEqual([beta.id, beta.enabled], ["beta", true]);
  assert.deepEqual(Object.fromEntries(await settings()), { a: "1" });
});

test("a snapshot is selected or referenced", async () => {
  await put("message", "from the snapshot");
  const frozen = { name: "frozen", filters: [{ keyFilter: "*" }] };
  await store.beginCreateSnapshotAndWait(frozen, { updateIntervalInMs: 50 });
  await put("message", "changed");
  const selected = await settings({ selectors: [{ snapshotName: "frozen" }] });
  assert.deepEqual(Object.fromEntries(selected), { message: "from the snapshot" });
  const reference = { contentType: snapshotReferenceContentType };
  await put("a-reference", { snapshotName: "frozen" }, reference);
  assert.deepEqual(Object.fromEntries(await settings()), { message: "changed" });
  await put("z-reference", { snapshotName: "frozen" }, reference);
  assert.deepEqual(Object.fromEntries(await settings()), { message: "from the snapshot" });
});

test("more than a page is loaded and refreshed", async () => {
  for (let n = 0; n < 201; n += 1) await put(`key${String(n).padStart(3, "0")}`, String(n));
  const loaded = await settings({ refreshOptions: { enabled: true, refreshIntervalInMs: 1000 } });
  assert.equal(loaded.size, 201);
  await put("key150", "changed");
  await waitFor(loaded, "key150", "changed");
  await put("key201", "added");
  await waitFor(loaded, "key201", "added");
});

test("a sentinel makes everything new", async () => {
  await put("a", "1");
  await put("sentinel", "1");
  const watchedSettings = [{ key: "sentinel" }];
  const loaded = await settings({ refreshOptions: { enabled: true, refreshIntervalInMs: 1000, watchedSettings } });
  await put("a", "2");
  await put("sentinel", "2");
  await waitFor(loaded, "a", "2");
});
