"""The official client of Python against the emulator's App Configuration:
keyvault emulator --app-configuration -- python configuration_test.py"""

import json
import os
import unittest
import urllib.request
from datetime import timedelta

from azure.appconfiguration import (
    AzureAppConfigurationClient,
    ConfigurationSetting,
    ConfigurationSettingsFilter,
    FeatureFlagConfigurationSetting,
    ResourceReadOnlyError,
    SecretReferenceConfigurationSetting,
)
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential, DefaultAzureCredential

ENDPOINT = os.environ["AZURE_APPCONFIG_ENDPOINT"]
CONNECTION_STRING = os.environ["AZURE_APPCONFIG_CONNECTION_STRING"]


def store(connection_string=CONNECTION_STRING, **options):
    return AzureAppConfigurationClient.from_connection_string(connection_string, **options)


def control(path, body=None, method="POST"):
    url = f"{os.environ['KEYVAULT_EMULATOR_CONTROL']}/{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as response:
        return json.loads(response.read() or "null")


def put(client, key, value="", label=None, **fields):
    return client.set_configuration_setting(ConfigurationSetting(key=key, value=value, label=label, **fields))


def keys(settings):
    return [setting.key for setting in settings]


class Settings(unittest.TestCase):
    def setUp(self):
        self.client = store()

    def test_a_setting_is_added_changed_and_deleted(self):
        tags = {"team": "billing", "empty": ""}
        setting = ConfigurationSetting(key="add:a", value="1", label="prod", content_type="text/plain", tags=tags)
        self.client.add_configuration_setting(setting)
        with self.assertRaises(ResourceExistsError):
            self.client.add_configuration_setting(setting)
        got = self.client.get_configuration_setting("add:a", "prod")
        self.assertEqual((got.value, got.content_type, got.tags, got.read_only), ("1", "text/plain", tags, False))
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_configuration_setting("add:a")
        put(self.client, "add:a", "2", "prod")
        self.assertEqual(self.client.get_configuration_setting("add:a", "prod").value, "2")
        self.assertEqual(self.client.delete_configuration_setting("add:a", "prod").value, "2")
        self.assertIsNone(self.client.delete_configuration_setting("add:a", "prod"))
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_configuration_setting("add:a", "prod")

    def test_a_key_and_a_label_have_any_character_of_unicode(self):
        for key in [
            "key/with/slashes",
            "key with spaces",
            "ключ",
            "🔑",
            "a+b&c=d?e#f",
            "a*b",
            "a,b",
            "a\\b",
            'a"b',
            "(a)",
        ]:
            with self.subTest(key):
                put(self.client, f"any/{key}", "value", f"label {key}")
                self.assertEqual(self.client.get_configuration_setting(f"any/{key}", f"label {key}").value, "value")

    def test_a_label_separates_settings_of_one_key(self):
        put(self.client, "label:a", "none")
        put(self.client, "label:a", "prod", "prod")
        put(self.client, "label:a", "test", "test")
        listed = lambda **filters: [s.value for s in self.client.list_configuration_settings(**filters)]
        self.assertEqual(listed(key_filter="label:a"), ["none", "prod", "test"])
        self.assertEqual(listed(key_filter="label:a", label_filter="\0"), ["none"])
        self.assertEqual(listed(key_filter="label:a", label_filter="\0,prod"), ["none", "prod"])
        self.assertEqual(listed(key_filter="label:a", label_filter="pro*"), ["prod"])
        self.assertEqual(self.client.get_configuration_setting("label:a", "\0").value, "none")
        labels = [label.name for label in self.client.list_labels()]
        self.assertLessEqual({None, "prod", "test"}, set(labels))
        self.assertEqual([label.name for label in self.client.list_labels(name="pro*")], ["prod"])

    def test_a_filter_has_wildcards_lists_and_escapes(self):
        for key in ["f:a*b", "f:a,b", "f:a\\b", "f:axb", "f:b"]:
            put(self.client, key)
        listed = lambda key_filter: keys(self.client.list_configuration_settings(key_filter=key_filter))
        self.assertEqual(listed("f:*"), ["f:a*b", "f:a,b", "f:a\\b", "f:axb", "f:b"])
        self.assertEqual(listed("f:a\\*b"), ["f:a*b"])
        self.assertEqual(listed("f:a\\*b,f:b"), ["f:a*b", "f:b"])
        self.assertEqual(listed("f:a\\,b"), ["f:a,b"])
        self.assertEqual(listed("f:a\\,*"), ["f:a,b"])
        self.assertEqual(listed("f:a\\\\b"), ["f:a\\b"])
        self.assertEqual(listed("f:none"), [])
        for invalid in ["f:a*b", "f:1,f:2,f:3,f:4,f:5,f:6"]:
            with self.subTest(invalid), self.assertRaises(HttpResponseError) as raised:
                listed(invalid)
            self.assertEqual(raised.exception.status_code, 400)

    def test_a_filter_of_tags_matches_all_of_them(self):
        put(self.client, "tag:a", tags={"team": "billing", "env": "prod"})
        put(self.client, "tag:b", tags={"team": "billing", "env": ""})
        put(self.client, "tag:c", tags={"a=b": "1,2"})
        put(self.client, "tag:d")
        listed = lambda *tags: keys(self.client.list_configuration_settings(key_filter="tag:*", tags_filter=list(tags)))
        self.assertEqual(listed("team=billing"), ["tag:a", "tag:b"])
        self.assertEqual(listed("team=billing", "env=prod"), ["tag:a"])
        self.assertEqual(listed("env="), ["tag:b"])
        self.assertEqual(listed("a\\=b=1\\,2"), ["tag:c"])
        self.assertEqual(listed("team=other"), [])

    def test_fields_are_selected(self):
        put(self.client, "select:a", "1", content_type="text/plain", tags={"a": "b"})
        (only,) = self.client.list_configuration_settings(key_filter="select:a", fields=["key", "content_type"])
        self.assertEqual((only.key, only.content_type, only.value, only.etag), ("select:a", "text/plain", None, None))

    def test_pages_have_a_hundred_settings_and_an_etag(self):
        for n in range(250):
            put(self.client, f"page:{n:03}", str(n))
        listed = lambda: self.client.list_configuration_settings(key_filter="page:*")
        self.assertEqual(keys(listed()), [f"page:{n:03}" for n in range(250)])
        pages, etags, heads = listed().by_page(), [], []
        self.assertEqual(
            [len(list(page)) for page in (etags.append(pages.etag) or page for page in pages)], [100, 100, 50]
        )
        self.assertEqual(len(set(etags)), 3)
        checked = self.client.check_configuration_settings(key_filter="page:*").by_page()
        for _ in checked:
            heads.append(checked.etag)
        self.assertEqual(heads, etags)
        changed = lambda: [keys(page)[0] for page in listed().by_page(match_conditions=etags)]
        self.assertEqual(changed(), [])
        put(self.client, "page:150", "changed")
        self.assertEqual(changed(), ["page:100"])

    def test_a_page_more_or_less_changes_an_etag(self):
        listed = lambda: self.client.list_configuration_settings(key_filter="grow:*")

        def load():
            pages, etags = listed().by_page(), []
            for _ in pages:
                etags.append(pages.etag)
            return etags

        changed = lambda etags: any(True for _ in listed().by_page(match_conditions=etags))
        empty = load()
        self.assertEqual(len(empty), 1)
        self.assertFalse(changed(empty))
        put(self.client, "grow:000")
        self.assertTrue(changed(empty))
        for n in range(1, 100):
            put(self.client, f"grow:{n:03}")
        full = load()
        self.assertFalse(changed(full))
        put(self.client, "grow:100")
        self.assertTrue(changed(full))
        more = load()
        self.client.delete_configuration_setting("grow:100")
        self.assertTrue(changed(more))

    def test_etags_make_requests_conditional(self):
        first = put(self.client, "etag:a", "1")
        if_modified = lambda etag: self.client.get_configuration_setting(
            "etag:a", etag=etag, match_condition=MatchConditions.IfModified
        )
        self.assertIsNone(if_modified(first.etag))
        same = put(self.client, "etag:a", "1")
        self.assertEqual((same.etag, same.last_modified), (first.etag, first.last_modified))
        second = put(self.client, "etag:a", "2")
        self.assertEqual(if_modified(first.etag).value, "2")
        with self.assertRaises(ResourceModifiedError):
            self.client.set_configuration_setting(first, match_condition=MatchConditions.IfNotModified)
        with self.assertRaises(ResourceModifiedError):
            self.client.delete_configuration_setting(
                "etag:a", etag=first.etag, match_condition=MatchConditions.IfNotModified
            )
        second.value = "3"
        third = self.client.set_configuration_setting(second, match_condition=MatchConditions.IfNotModified)
        self.assertEqual(third.value, "3")
        with self.assertRaises(ResourceNotFoundError):
            self.client.set_configuration_setting(
                ConfigurationSetting(key="etag:missing", value="1"), match_condition=MatchConditions.IfPresent
            )

    def test_a_locked_setting_is_read_only(self):
        setting = put(self.client, "lock:a", "1")
        locked = self.client.set_read_only(setting)
        self.assertTrue(locked.read_only)
        for change in [
            lambda: put(self.client, "lock:a", "2"),
            lambda: self.client.delete_configuration_setting("lock:a"),
        ]:
            with self.assertRaises(ResourceReadOnlyError) as raised:
                change()
            self.assertEqual(
                json.loads(raised.exception.response.text())["type"], "https://azconfig.io/errors/key-locked"
            )
        self.assertTrue(self.client.get_configuration_setting("lock:a").read_only)
        with self.assertRaises(ResourceModifiedError):
            self.client.set_read_only(setting, False, match_condition=MatchConditions.IfNotModified)
        self.assertFalse(self.client.set_read_only(locked, False).read_only)
        self.assertEqual(put(self.client, "lock:a", "2").value, "2")
        with self.assertRaises(ResourceNotFoundError):
            self.client.set_read_only(ConfigurationSetting(key="lock:missing"))

    def test_revisions_are_kept_newest_first(self):
        for value in "123":
            put(self.client, "revision:a", value)
        put(self.client, "revision:b", "1", "prod")
        self.client.delete_configuration_setting("revision:a")
        revisions = list(self.client.list_revisions(key_filter="revision:*"))
        self.assertEqual([(r.key, r.value) for r in revisions[:3]], [("revision:a", value) for value in "321"])
        self.assertEqual([r.value for r in self.client.list_revisions("revision:b", "prod")], ["1"])
        only, *_ = self.client.list_revisions(key_filter="revision:a", fields=["value"])
        self.assertEqual((only.key, only.value), (None, "3"))

    def test_revisions_have_pages(self):
        for n in range(130):
            put(self.client, "revisions:a", str(n))
        values = [revision.value for revision in self.client.list_revisions(key_filter="revisions:*")]
        self.assertEqual(values, [str(n) for n in reversed(range(130))])

    def test_a_time_shows_the_settings_as_they_were(self):
        put(self.client, "time:a", "old")
        moment = put(self.client, "time:b", "deleted later").last_modified + timedelta(seconds=60)
        control("clock", {"shift_seconds": 120})
        try:
            put(self.client, "time:a", "new")
            self.client.delete_configuration_setting("time:b")
            for time in [moment, moment.strftime("%a, %d %b %Y %H:%M:%S GMT")]:
                with self.subTest(time):
                    old = self.client.get_configuration_setting("time:a", accept_datetime=time)
                    self.assertEqual(old.value, "old")
                    listed = self.client.list_configuration_settings(key_filter="time:*", accept_datetime=time)
                    self.assertEqual([setting.value for setting in listed], ["old", "deleted later"])
            self.assertEqual(self.client.get_configuration_setting("time:a").value, "new")
        finally:
            control("clock", method="DELETE")

    def test_a_snapshot_keeps_the_settings(self):
        put(self.client, "snap:a", "1")
        put(self.client, "snap:b", "no label")
        put(self.client, "snap:b", "prod", "prod")
        create = lambda name, filters, **options: self.client.begin_create_snapshot(
            name, filters, polling_interval=0.1, **options
        ).result()
        filters = [ConfigurationSettingsFilter(key="snap:*"), ConfigurationSettingsFilter(key="snap:*", label="prod")]
        snapshot = create("release/1 ü", filters, tags={"a": "b"}, retention_period=3600)
        self.assertEqual((snapshot.name, snapshot.status, snapshot.items_count), ("release/1 ü", "ready", 2))
        self.assertEqual((snapshot.tags, snapshot.retention_period), ({"a": "b"}, 3600))
        put(self.client, "snap:a", "2")
        items = lambda name: [
            (setting.key, setting.value) for setting in self.client.list_configuration_settings(snapshot_name=name)
        ]
        self.assertEqual(items("release/1 ü"), [("snap:a", "1"), ("snap:b", "prod")])
        both = create("both", [ConfigurationSettingsFilter(key="snap:b", label="*")], composition_type="key_label")
        self.assertEqual((both.items_count, len(items("both"))), (2, 2))
        with self.assertRaises(ResourceExistsError):
            create("both", filters)
        with self.assertRaises(HttpResponseError) as raised:
            create("many-labels", [ConfigurationSettingsFilter(key="snap:*", label="*")])
        self.assertEqual(raised.exception.status_code, 400)
        self.assertEqual(items("missing"), [])
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_snapshot("missing")

    def test_a_snapshot_is_archived_and_recovered(self):
        put(self.client, "archive:a", "1")
        filters = [ConfigurationSettingsFilter(key="archive:*")]
        ready = self.client.begin_create_snapshot("archive", filters, polling_interval=0.1).result()
        self.assertIsNone(ready.expires)
        archived = self.client.archive_snapshot("archive")
        self.assertEqual(archived.status, "archived")
        self.assertIsNotNone(archived.expires)
        with self.assertRaises(ResourceModifiedError):
            self.client.recover_snapshot("archive", etag=ready.etag, match_condition=MatchConditions.IfNotModified)
        listed = lambda **filters: [snapshot.name for snapshot in self.client.list_snapshots(**filters)]
        self.assertEqual(listed(name="arch*", status=["archived"]), ["archive"])
        self.assertEqual(listed(name="archive", status=["ready", "failed"]), [])
        self.assertEqual(keys(self.client.list_configuration_settings(snapshot_name="archive")), ["archive:a"])
        recovered = self.client.recover_snapshot("archive")
        self.assertEqual((recovered.status, recovered.expires), ("ready", None))
        self.assertEqual(self.client.get_snapshot("archive").status, "ready")

    def test_a_snapshot_has_pages(self):
        for n in range(130):
            put(self.client, f"big:{n:03}")
        filters = [ConfigurationSettingsFilter(key="big:*")]
        self.client.begin_create_snapshot("big", filters, polling_interval=0.1).result()
        self.assertEqual(len(list(self.client.list_configuration_settings(snapshot_name="big"))), 130)

    def test_flags_and_references_have_their_types(self):
        flag = self.client.set_configuration_setting(FeatureFlagConfigurationSetting("beta", enabled=True))
        self.assertIsInstance(flag, FeatureFlagConfigurationSetting)
        (flag,) = self.client.list_configuration_settings(key_filter=".appconfig.featureflag/beta")
        self.assertTrue(flag.enabled)
        uri = f"{os.environ['KEYVAULT_VAULT']}/secrets/seeded"
        self.client.set_configuration_setting(SecretReferenceConfigurationSetting("type:secret", uri))
        self.assertEqual(self.client.get_configuration_setting("type:secret").secret_id, uri)


class Access(unittest.TestCase):
    def test_entra_tokens_of_both_credentials_are_accepted(self):
        secret = ClientSecretCredential(
            os.environ["AZURE_TENANT_ID"],
            os.environ["AZURE_CLIENT_ID"],
            os.environ["AZURE_CLIENT_SECRET"],
            authority=os.environ["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
        )
        for credential in [secret, DefaultAzureCredential()]:
            for audience in [None, "https://azconfig.io", ENDPOINT]:
                options = {} if audience is None else {"audience": audience.rstrip("/") + "/"}
                with self.subTest(audience), AzureAppConfigurationClient(ENDPOINT, credential, **options) as client:
                    self.assertEqual(put(client, "access:a", "1").value, "1")

    def test_a_wrong_access_key_is_refused(self):
        parts = dict(part.split("=", 1) for part in CONNECTION_STRING.split(";"))
        for name, value, reason in [
            ("Secret", "d3Jvbmc=", "Invalid Signature"),
            ("Id", "unknown", "Invalid Credential"),
        ]:
            wrong = ";".join(f"{key}={text}" for key, text in {**parts, name: value}.items())
            with self.subTest(name), self.assertRaises(ClientAuthenticationError) as raised:
                put(store(wrong), "access:b")
            self.assertIn(reason, raised.exception.response.headers["WWW-Authenticate"])
            self.assertNotIn(parts["Secret"], str(raised.exception))

    def test_a_clock_that_is_wrong_is_named(self):
        control("clock", {"shift_seconds": 3600})
        try:
            with self.assertRaises(ClientAuthenticationError) as raised:
                put(store(), "access:c")
        finally:
            control("clock", method="DELETE")
        self.assertIn("The access token has expired", raised.exception.response.headers["WWW-Authenticate"])

    def test_every_version_of_the_api_is_served(self):
        for version in ["1.0", "2023-10-01", "2023-11-01", "2024-09-01", "2026-04-01"]:
            with self.subTest(version):
                client = store(api_version=version)
                self.assertEqual(put(client, "access:d", version).value, version)
        with self.assertRaises(HttpResponseError) as raised:
            put(store(api_version="2001-01-01"), "access:d")
        self.assertEqual(raised.exception.status_code, 400)
        self.assertEqual(json.loads(raised.exception.response.text())["name"], "api-version")

    def test_a_throttled_request_is_repeated(self):
        for status in [429, 503]:
            fault = {"fault": "status", "status": status, "count": 1, "app_configuration": True, "key": "access:e"}
            control("faults", fault)
            self.assertEqual(put(store(), "access:e", str(status)).value, str(status))
            self.assertEqual(control("faults", method="GET"), [])

    def test_the_token_of_the_last_change_goes_with_the_next_request(self):
        sent, received = [], []
        client = store(
            raw_request_hook=lambda request: sent.append(request.http_request.headers.get("Sync-Token")),
            raw_response_hook=lambda response: received.append(response.http_response.headers.get("Sync-Token")),
        )
        put(client, "sync:a", "1")
        put(client, "sync:a", "2")
        put(client, "sync:a", "3")
        tokens = [dict(zip(["id", "value"], token.split(";")[0].split("=", 1))) for token in received]
        numbers = [int(token.split(";sn=")[1]) for token in received]
        self.assertEqual(len({token["id"] for token in tokens}), 1)
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(sent, [None] + [f"{token['id']}={token['value']}" for token in tokens[:2]])
        client.update_sync_token(received[-1])
        self.assertEqual(client.get_configuration_setting("sync:a").value, "3")


if __name__ == "__main__":
    unittest.main()
