//! The examples of `keyvault emulator --help`.

pub(super) const EXAMPLES: &str = r#"Examples:
  On fixed ports, with the certificate authority in a file to trust:
    keyvault emulator --listen 127.0.0.1:8443 --http 127.0.0.1:8080 --ca-file ca.pem

  With initial secrets, kept across restarts:
    keyvault emulator --seed seed.toml --data vault.json

  With the latency and throttling of the service:
    keyvault emulator --latency 20ms --async-delete 3s --throttle

  With a command, for as long as it runs:
    keyvault emulator --seed seed.toml -- pytest
    keyvault emulator --seed seed.toml -- npm test

  With an App Configuration store for the command:
    keyvault emulator --seed seed.toml --app-configuration -- pytest
    keyvault emulator --seed seed.toml --app-configuration -- keyvault run -- env

The command has, beside the variables of its caller except credentials:
  KEYVAULT_VAULT             the URL of the vault
  KEYVAULT_EMULATOR_CONTROL  the control endpoint, CONTROL below
  SSL_CERT_FILE, KEYVAULT_CA_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, NODE_EXTRA_CA_CERTS
                             the authorities of this machine and the emulator's
  IDENTITY_ENDPOINT, IDENTITY_HEADER, AZURE_TOKEN_CREDENTIALS
                             a managed identity for DefaultAzureCredential
  AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_AUTHORITY_HOST
                             for a client secret credential
  NO_PROXY, no_proxy         this machine, and those of the caller
With --app-configuration it also has:
  KEYVAULT_APP_CONFIGURATION the endpoint of the App Configuration store, for keyvault run, check and render
  AZURE_APPCONFIG_ENDPOINT, AZURE_APPCONFIG_CONNECTION_STRING
                             the same for the SDKs and providers, which reach it without an option
A client needs one option, because the host is not under vault.azure.net:
  Python:     SecretClient(os.environ["KEYVAULT_VAULT"], DefaultAzureCredential(),
                  verify_challenge_resource=False)
  JavaScript: new SecretClient(process.env.KEYVAULT_VAULT, new DefaultAzureCredential(),
                  { disableChallengeResourceVerification: true })

Connecting without a command, where ready is the JSON object of the first line:
  Python, azure-keyvault-secrets and azure-identity:
    credential = ClientSecretCredential(ready["tenant_id"], ready["client_id"], ready["client_secret"],
        authority=ready["authority_url"], disable_instance_discovery=True, connection_verify=ready["ca_file"])
    client = SecretClient(ready["vault_url"], credential,
        verify_challenge_resource=False, connection_verify=ready["ca_file"])

  JavaScript, @azure/keyvault-secrets and @azure/identity, where ca is the text of ca_file:
    const credential = new ClientSecretCredential(ready.tenant_id, ready.client_id, ready.client_secret,
        { authorityHost: ready.authority_url, disableInstanceDiscovery: true, tlsOptions: { ca } })
    const client = new SecretClient(ready.vault_url, credential,
        { disableChallengeResourceVerification: true, tlsOptions: { ca } })

  Managed identity: set IDENTITY_ENDPOINT to identity_endpoint and IDENTITY_HEADER to identity_header, or set
  AZURE_POD_IDENTITY_AUTHORITY_HOST to http_url.

  With curl, if --accept-any-token is given:
    curl -H "Authorization: Bearer any" "http://127.0.0.1:8080/secrets/db-password?api-version=2025-07-01"

A seed, as TOML:
    db-password = "hunter2"
    "other-vault/db-password" = "hunter3"

    [api-key]
    value = "k-123"
    content_type = "text/plain"
    tags = { team = "billing" }
    enabled = true
    not_before = 2026-01-01T00:00:00Z
    expires = 2027-01-01T00:00:00Z

    [rotated]
    versions = ["old", { value = "new", version = "0123456789abcdef0123456789abcdef" }]

    [tls]
    certificate = "app.example"     # self-signed; or pem = "..." with a key and its chain
    policy = { issuer = { name = "Emulator" }, lifetime_actions = [
        { trigger = { days_before_expiry = 30 }, action = { action_type = "AutoRenew" } } ] }

    [app_configuration]             # key-values of the App Configuration store
    "shop:db:host" = ["localhost", { value = "db.example", label = "prod" }]
    "shop:db:password" = { secret = "db-password" }    # a Key Vault reference

The same as JSON: {"db-password": "hunter2", "api-key": {"value": "k-123"}}

Several vaults and stores: the hosts NAME.vault.azure.net and NAME.localhost lead to the vault NAME, the hosts
NAME.azconfig.io and NAME.localhost to the store NAME, any other host to the default vault and the default store.

Certificates: the SDKs' certificate clients create, import, merge, update, list, delete, recover and restore them, with
RSA keys up to 4096 bits, P-256 and P-384. The issuers are Self, Emulator (the certificate authority of --ca-file) and
Unknown. A version is renewed by its policy when the clock below moves. There are no keys, contacts and other issuers.

The control endpoint, where CONTROL is the control_url of the first line:
    curl -d '{"shift_seconds": 86400}'                         $CONTROL/clock     (GET, DELETE)
    curl -d '{"frozen": true}'                                 $CONTROL/clock
    curl -d '{"fault": "status", "status": 503, "count": 2}'   $CONTROL/faults    (GET, DELETE)
    curl -d '{"fault": "hang", "path": "/secrets/db-*"}'       $CONTROL/faults
    curl -d '{"deny": "rbac", "operations": ["get", "list"]}'  $CONTROL/access    (GET, DELETE)
    curl -d '{"others": 100}'                                  $CONTROL/throttle  (GET, DELETE)
    curl -d '{"db-password": "new"}'                           $CONTROL/secrets   (DELETE)
    curl -d '{"shop:db:host": "db.example"}'                   $CONTROL/key-values (DELETE)
    curl -d '{"fault": "hang", "app_configuration": true}'     $CONTROL/faults
    curl                                                       $CONTROL/requests  (DELETE)
    curl                                                       $CONTROL/log       (DELETE)
    curl                                                       $CONTROL/events"#;
