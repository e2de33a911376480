"""The official provider of Python against the emulator's App Configuration and Key Vault:
keyvault emulator --app-configuration --seed seed.toml -- python configuration_provider_test.py"""

import json
import os
import time
import unittest

from azure.appconfiguration import (
    AzureAppConfigurationClient,
    ConfigurationSetting,
    ConfigurationSettingsFilter,
    FeatureFlagConfigurationSetting,
    SecretReferenceConfigurationSetting,
)
from azure.appconfiguration.provider import SettingSelector, load
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

ENDPOINT = os.environ["AZURE_APPCONFIG_ENDPOINT"]
CONNECTION_STRING = os.environ["AZURE_APPCONFIG_CONNECTION_STRING"]
VAULT = os.environ["KEYVAULT_VAULT"].rstrip("/")
JSON = "application/json"
SNAPSHOT_REFERENCE = 'application/json; profile="https://azconfig.io/mime-profiles/snapshot-ref"; charset=utf-8'


def settings(**options):
    # The provider takes the credential out of it.
    vault = {"credential": DefaultAzureCredential(), "verify_challenge_resource": False}
    return load(
        connection_string=CONNECTION_STRING,
        keyvault_client_configs={f"{VAULT}/": vault},
        replica_discovery_enabled=False,
        startup_timeout=0,
        **options,
    )


class Provider(unittest.TestCase):
    def setUp(self):
        self.store = AzureAppConfigurationClient.from_connection_string(CONNECTION_STRING)
        for setting in self.store.list_configuration_settings():
            self.store.delete_configuration_setting(setting.key, setting.label)

    def put(self, key, value, label=None, **fields):
        self.store.set_configuration_setting(ConfigurationSetting(key=key, value=value, label=label, **fields))

    def refer(self, key, secret):
        self.store.set_configuration_setting(SecretReferenceConfigurationSetting(key, f"{VAULT}/secrets/{secret}"))

    def wait_for(self, provider, key, value):
        deadline = time.monotonic() + 30
        while provider.get(key) != value:
            self.assertLess(time.monotonic(), deadline, f"{key} is {provider.get(key)!r}")
            provider.refresh()

    def test_settings_without_a_label_are_loaded_with_their_types(self):
        self.put("text", "1")
        self.put("number", "1", content_type=JSON)
        self.put("table", '{"a": [1, null, true]} // a comment', content_type="application/vnd.shop+json;charset=utf-8")
        self.put("malformed", "{", content_type=JSON)
        self.put("empty", "")
        self.put("other", "labelled", "prod")
        provider = settings()
        expected = {"text": "1", "number": 1, "table": {"a": [1, None, True]}, "malformed": "{", "empty": ""}
        self.assertEqual(dict(provider), expected)

    def test_the_last_select_wins_and_prefixes_are_trimmed(self):
        self.put("shop:db:host", "default")
        self.put("shop:db:port", "5432")
        self.put("shop:db:host", "prod", "prod")
        self.put("other", "1")
        self.put("tagged", "yes", tags={"team": "billing"})
        selects = [SettingSelector(key_filter="shop:*"), SettingSelector(key_filter="shop:*", label_filter="prod")]
        tagged = SettingSelector(key_filter="*", tag_filters=["team=billing"])
        provider = settings(selects=[*selects, tagged], trim_prefixes=["shop:", "shop:db:"])
        self.assertEqual(dict(provider), {"host": "prod", "port": "5432", "tagged": "yes"})

    def test_references_are_resolved_in_the_vault(self):
        self.refer("password", "seeded")
        self.refer("again", "seeded")
        self.assertEqual(dict(settings()), {"password": "from the seed", "again": "from the seed"})

    def test_an_entra_token_signs_in_to_both(self):
        self.put("a", "1")
        provider = load(
            endpoint=ENDPOINT, credential=DefaultAzureCredential(), replica_discovery_enabled=False, startup_timeout=0
        )
        self.assertEqual(dict(provider), {"a": "1"})

    def test_flags_are_a_list_of_their_own(self):
        self.put("a", "1")
        self.store.set_configuration_setting(FeatureFlagConfigurationSetting("beta", enabled=True))
        provider = settings(feature_flag_enabled=True)
        (flag,) = provider["feature_management"]["feature_flags"]
        self.assertEqual((flag["id"], flag["enabled"]), ("beta", True))
        self.assertEqual(set(provider), {"a", "feature_management"})
        self.assertEqual(dict(settings()), {"a": "1"})

    def test_a_snapshot_is_selected_or_referenced(self):
        self.put("message", "from the snapshot")
        filters = [ConfigurationSettingsFilter(key="*")]
        self.store.begin_create_snapshot("frozen", filters, polling_interval=0.1).result()
        self.put("message", "changed")
        self.assertEqual(
            dict(settings(selects=[SettingSelector(snapshot_name="frozen")])), {"message": "from the snapshot"}
        )
        reference = json.dumps({"snapshot_name": "frozen"})
        self.put("a-reference", reference, content_type=SNAPSHOT_REFERENCE)
        self.assertEqual(dict(settings()), {"message": "changed"})
        self.put("z-reference", reference, content_type=SNAPSHOT_REFERENCE)
        self.assertEqual(dict(settings()), {"message": "from the snapshot"})

    def test_more_than_a_page_is_loaded_and_refreshed(self):
        for n in range(201):
            self.put(f"key{n:03}", str(n))
        provider = settings(refresh_enabled=True, refresh_interval=1)
        self.assertEqual(len(provider), 201)
        self.put("key150", "changed")
        self.wait_for(provider, "key150", "changed")
        self.store.delete_configuration_setting("key200")
        self.wait_for(provider, "key200", None)
        self.put("key201", "added")
        self.wait_for(provider, "key201", "added")

    def test_a_sentinel_makes_everything_new(self):
        self.put("a", "1")
        self.put("sentinel", "1")
        provider = settings(refresh_on=[("sentinel", "\0")], refresh_interval=1)
        self.put("a", "2")
        self.put("sentinel", "2")
        self.wait_for(provider, "a", "2")

    def test_a_rotated_secret_is_read_again(self):
        vault = SecretClient(VAULT, DefaultAzureCredential(), verify_challenge_resource=False)
        vault.set_secret("rotated", "old")
        self.refer("password", "rotated")
        provider = settings(refresh_enabled=True, refresh_interval=1, secret_refresh_interval=1)
        self.assertEqual(provider["password"], "old")
        vault.set_secret("rotated", "new")
        self.wait_for(provider, "password", "new")


if __name__ == "__main__":
    unittest.main()
