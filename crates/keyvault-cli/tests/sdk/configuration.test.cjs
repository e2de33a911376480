// The official client of JavaScript against the emulator's App Configuration:
// keyvault emulator --app-configuration -- node --test configuration.test.cjs

const assert = require("node:assert/strict");
const { test } = require("node:test");

const {
  AppConfigurationClient,
  featureFlagPrefix,
  isFeatureFlag,
  parseSecretReference,
} = require("@azure/app-configuration");
const { featureFlagContentType, secretReferenceContentType } = require("@azure/app-configuration");
const { ClientSecretCredential, DefaultAzureCredential } = require("@azure/identity");

const { env } = process;
const connectionString = env.AZURE_APPCONFIG_CONNECTION_STRING;
const client = new AppConfigurationClient(connectionString);

async function collect(iterator, map = (item) => item) {
  const items = [];
  for await (const item of iterator) items.push(map(item));
  return items;
}

const keys = (options) => collect(client.listConfigurationSettings(options), (setting) => setting.key);
const values = (options) => collect(client.listConfigurationSettings(options), (setting) => setting.value);

async function control(path, body, method = "POST") {
  const options = { method, body: body && JSON.stringify(body) };
  const response = await fetch(`${env.KEYVAULT_EMULATOR_CONTROL}/${path}`, options);
  assert.ok(response.ok, await response.text());
}

test("a setting is added, changed and deleted", async () => {
  const setting = { key: "add:a", label: "prod", value: "1", contentType: "text/plain", tags: { team: "billing" } };
  await client.addConfigurationSetting(setting);
  await assert.rejects(client.addConfigurationSetting(setting), { statusCode: 412 });
  const got = await client.getConfigurationSetting({ key: "add:a", label: "prod" });
  assert.deepEqual(
    [got.value, got.contentType, got.tags, got.isReadOnly],
    ["1", "text/plain", { team: "billing" }, false],
  );
  assert.ok(got.lastModified instanceof Date);
  await assert.rejects(client.getConfigurationSetting({ key: "add:a" }), { statusCode: 404 });
  await client.setConfigurationSetting({ ...setting, value: "2" });
  assert.equal((await client.deleteConfigurationSetting({ key: "add:a", label: "prod" })).value, "2");
  assert.equal((await client.deleteConfigurationSetting({ key: "add:a", label: "prod" })).statusCode, 204);
});

test("a key and a label have any character of Unicode", async () => {
  // This client leaves "?", "#", "&" and "+" unencoded, so that it cannot name a key with one of them.
  for (const name of ["a/b", "a b", "ключ", "🔑", "a=b", "a*b", "a,b", "a\\b", 'a"b', "(a)"]) {
    const id = { key: `any/${name}`, label: `label ${name}` };
    await client.setConfigurationSetting({ ...id, value: "value" });
    assert.equal((await client.getConfigurationSetting(id)).value, "value", name);
  }
});

test("a label separates settings of one key", async () => {
  for (const label of [undefined, "prod", "test"]) {
    await client.setConfigurationSetting({ key: "label:a", label, value: label ?? "none" });
  }
  assert.deepEqual(await values({ keyFilter: "label:a" }), ["none", "prod", "test"]);
  assert.deepEqual(await values({ keyFilter: "label:a", labelFilter: "\0" }), ["none"]);
  assert.deepEqual(await values({ keyFilter: "label:a", labelFilter: "\0,prod" }), ["none", "prod"]);
  assert.deepEqual(await values({ keyFilter: "label:a", labelFilter: "pro*" }), ["prod"]);
  const labels = await collect(client.listLabels({ nameFilter: "pro*" }), (label) => label.name);
  assert.deepEqual(labels, ["prod"]);
});

test("a filter has wildcards, lists and escapes", async () => {
  for (const key of ["f:a*b", "f:a,b", "f:a\\b", "f:axb", "f:b"]) {
    await client.setConfigurationSetting({ key, value: "" });
  }
  assert.deepEqual(await keys({ keyFilter: "f:*" }), ["f:a*b", "f:a,b", "f:a\\b", "f:axb", "f:b"]);
  assert.deepEqual(await keys({ keyFilter: "f:a\\*b,f:b" }), ["f:a*b", "f:b"]);
  assert.deepEqual(await keys({ keyFilter: "f:a\\,*" }), ["f:a,b"]);
  assert.deepEqual(await keys({ keyFilter: "f:a\\\\b" }), ["f:a\\b"]);
  await assert.rejects(keys({ keyFilter: "f:a*b" }), { statusCode: 400 });
  await assert.rejects(keys({ keyFilter: "1,2,3,4,5,6" }), { statusCode: 400 });
});

test("a filter of tags matches all of them", async () => {
  await client.setConfigurationSetting({ key: "tag:a", value: "", tags: { team: "billing", env: "prod" } });
  await client.setConfigurationSetting({ key: "tag:b", value: "", tags: { team: "billing" } });
  assert.deepEqual(await keys({ keyFilter: "tag:*", tagsFilter: ["team=billing"] }), ["tag:a", "tag:b"]);
  assert.deepEqual(await keys({ keyFilter: "tag:*", tagsFilter: ["team=billing", "env=prod"] }), ["tag:a"]);
});

test("fields are selected", async () => {
  await client.setConfigurationSetting({ key: "select:a", value: "1", contentType: "text/plain" });
  const [only] = await collect(
    client.listConfigurationSettings({ keyFilter: "select:a", fields: ["key", "contentType"] }),
  );
  assert.deepEqual(
    [only.key, only.contentType, only.value, only.etag],
    ["select:a", "text/plain", undefined, undefined],
  );
});

test("pages have a hundred settings and an ETag", async () => {
  const names = Array.from({ length: 250 }, (_, n) => `page:${String(n).padStart(3, "0")}`);
  for (const key of names) await client.setConfigurationSetting({ key, value: key });
  const options = () => ({ keyFilter: "page:*" });
  assert.deepEqual(await keys(options()), names);
  const pages = await collect(client.listConfigurationSettings(options()).byPage());
  assert.deepEqual(
    pages.map((page) => page.items.length),
    [100, 100, 50],
  );
  const pageEtags = pages.map((page) => page.etag);
  // The header has quotes.
  const heads = await collect(client.checkConfigurationSettings(options()).byPage(), (page) => JSON.parse(page.etag));
  assert.deepEqual(heads, pageEtags);
  const statuses = () =>
    collect(client.listConfigurationSettings({ ...options(), pageEtags }).byPage(), (page) =>
      Number(page._response.status),
    );
  assert.deepEqual(await statuses(), [304, 304, 304]);
  await client.setConfigurationSetting({ key: "page:150", value: "changed" });
  assert.deepEqual(await statuses(), [304, 200, 304]);
});

test("ETags make requests conditional", async () => {
  const first = await client.setConfigurationSetting({ key: "etag:a", value: "1" });
  assert.equal((await client.getConfigurationSetting(first, { onlyIfChanged: true })).statusCode, 304);
  await client.setConfigurationSetting({ key: "etag:a", value: "2" });
  assert.equal((await client.getConfigurationSetting(first, { onlyIfChanged: true })).value, "2");
  await assert.rejects(client.setConfigurationSetting(first, { onlyIfUnchanged: true }), { statusCode: 412 });
  await assert.rejects(client.deleteConfigurationSetting(first, { onlyIfUnchanged: true }), { statusCode: 412 });
});

test("a locked setting is read-only", async () => {
  const setting = await client.setConfigurationSetting({ key: "lock:a", value: "1" });
  assert.equal((await client.setReadOnly(setting, true)).isReadOnly, true);
  await assert.rejects(client.setConfigurationSetting({ key: "lock:a", value: "2" }), { statusCode: 409 });
  await assert.rejects(client.deleteConfigurationSetting({ key: "lock:a" }), { statusCode: 409 });
  assert.equal((await client.setReadOnly(setting, false)).isReadOnly, false);
  assert.equal((await client.setConfigurationSetting({ key: "lock:a", value: "2" })).value, "2");
  await assert.rejects(client.setReadOnly({ key: "lock:missing" }, true), { statusCode: 404 });
});

test("revisions are kept newest first", async () => {
  for (const value of ["1", "2", "3"]) await client.setConfigurationSetting({ key: "revision:a", value });
  await client.deleteConfigurationSetting({ key: "revision:a" });
  const revisions = await collect(client.listRevisions({ keyFilter: "revision:a" }), (revision) => revision.value);
  assert.deepEqual(revisions, ["3", "2", "1"]);
});

test("a snapshot keeps the settings and is archived", async () => {
  await client.setConfigurationSetting({ key: "snap:a", value: "1" });
  await client.setConfigurationSetting({ key: "snap:b", value: "prod", label: "prod", tags: { team: "billing" } });
  const filters = [{ keyFilter: "snap:*" }, { keyFilter: "snap:*", labelFilter: "prod", tagsFilter: ["team=billing"] }];
  const snapshot = await client.beginCreateSnapshotAndWait(
    { name: "release/1 ü", filters, retentionPeriodInSeconds: 3600, tags: { a: "b" } },
    { updateIntervalInMs: 50 },
  );
  assert.deepEqual([snapshot.name, snapshot.status, snapshot.itemCount], ["release/1 ü", "ready", 2]);
  await client.setConfigurationSetting({ key: "snap:a", value: "2" });
  const items = await collect(client.listConfigurationSettingsForSnapshot("release/1 ü"), (item) => item.value);
  assert.deepEqual(items, ["1", "prod"]);
  const archived = await client.archiveSnapshot("release/1 ü");
  assert.equal(archived.status, "archived");
  assert.ok(archived.expiresOn instanceof Date);
  const listed = await collect(client.listSnapshots({ nameFilter: "release*", statusFilter: ["archived"] }));
  assert.deepEqual(
    listed.map((snapshot) => snapshot.name),
    ["release/1 ü"],
  );
  assert.equal((await client.recoverSnapshot("release/1 ü")).status, "ready");
  assert.equal((await client.getSnapshot("release/1 ü")).status, "ready");
  await assert.rejects(client.getSnapshot("missing"), { statusCode: 404 });
});

test("flags and references have their types", async () => {
  const key = `${featureFlagPrefix}beta`;
  const value = { id: "beta", enabled: true, conditions: { clientFilters: [] } };
  await client.setConfigurationSetting({ key, contentType: featureFlagContentType, value });
  assert.ok(isFeatureFlag(await client.getConfigurationSetting({ key })));
  const secretId = `${env.KEYVAULT_VAULT}/secrets/seeded`;
  await client.setConfigurationSetting({
    key: "type:secret",
    contentType: secretReferenceContentType,
    value: { secretId },
  });
  const reference = parseSecretReference(await client.getConfigurationSetting({ key: "type:secret" }));
  assert.equal(reference.value.secretId, secretId);
});

test("Entra tokens of both credentials are accepted", async () => {
  const secret = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, {
    authorityHost: env.AZURE_AUTHORITY_HOST,
    disableInstanceDiscovery: true,
  });
  for (const credential of [secret, new DefaultAzureCredential()]) {
    for (const audience of [undefined, "https://azconfig.io"]) {
      const store = new AppConfigurationClient(env.AZURE_APPCONFIG_ENDPOINT, credential, { audience });
      assert.equal((await store.setConfigurationSetting({ key: "access:a", value: "1" })).value, "1");
    }
  }
});

test("a wrong access key is refused", async () => {
  const wrong = connectionString.replace(/Secret=.*/, "Secret=d3Jvbmc=");
  await assert.rejects(new AppConfigurationClient(wrong).getConfigurationSetting({ key: "a" }), (error) => {
    assert.match(error.response.headers.get("www-authenticate"), /Invalid Signature/);
    return error.statusCode === 401;
  });
});

test("a throttled request is repeated", async () => {
  for (const status of [429, 503]) {
    await control("faults", { fault: "status", status, count: 1, app_configuration: true, key: "access:e" });
    assert.equal((await client.setConfigurationSetting({ key: "access:e", value: `${status}` })).value, `${status}`);
    assert.deepEqual(await (await fetch(`${env.KEYVAULT_EMULATOR_CONTROL}/faults`)).json(), []);
  }
});

test("the token of the last change goes with the next request", async () => {
  const responses = [];
  const store = new AppConfigurationClient(connectionString, {
    additionalPolicies: [
      {
        position: "perRetry",
        policy: {
          name: "record",
          async sendRequest(request, next) {
            const response = await next(request);
            responses.push(response);
            return response;
          },
        },
      },
    ],
  });
  await store.setConfigurationSetting({ key: "sync:a", value: "1" });
  await store.setConfigurationSetting({ key: "sync:a", value: "2" });
  const [first, second] = responses;
  const token = first.headers.get("sync-token");
  assert.match(token, /^[^=]+=[^;]+;sn=\d+$/);
  assert.equal(second.request.headers.get("sync-token"), token.split(";")[0]);
});
