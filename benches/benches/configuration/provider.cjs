// The official provider of JavaScript, in the process that the benchmark `configuration` measures.
//
// Arguments: `start` or `refresh`, the connection string, the URL of the vault; `parallel` resolves references
// concurrently. Prints the milliseconds and the number of settings of each round. A line of input, `KEY VALUE` or
// empty, starts a round of `refresh`, and the line is what the settings must contain at its end. The certificate
// authority is in NODE_EXTRA_CA_CERTS.

const assert = require("node:assert/strict");
const readline = require("node:readline");
const { setTimeout } = require("node:timers/promises");

const { load } = require("@azure/app-configuration-provider");
const { SecretClient } = require("@azure/keyvault-secrets");

// The provider refreshes at most once a second.
const interval = 1000;
const [mode, connectionString, vault, parallel] = process.argv.slice(2);
const credential = {
  getToken: async () => ({ token: "any-token-will-do", expiresOnTimestamp: Date.now() + 3_600_000 }),
};
const client = new SecretClient(vault, credential, { disableChallengeResourceVerification: true });

function report(started, settings) {
  console.log(performance.now() - started, settings.size);
}

async function main() {
  const started = performance.now();
  const settings = await load(connectionString, {
    keyVaultOptions: { secretClients: [client], parallelSecretResolutionEnabled: parallel === "parallel" },
    refreshOptions: { enabled: mode === "refresh", refreshIntervalInMs: interval },
    replicaDiscoveryEnabled: false,
  });
  if (mode === "start") {
    report(started, settings);
    return;
  }
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await setTimeout(interval + 100);
    const [key, value] = line.trim().split(" ");
    const started = performance.now();
    await settings.refresh();
    report(started, settings);
    assert.ok(key === "" || settings.get(key) === value, `${key} is ${settings.get(key)}`);
  }
}

main();
