"""The official client of Python against the emulator: keyvault emulator -- python secrets_test.py"""

import json
import os
import unittest
import urllib.request

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets import SecretClient


def client(credential=None):
    credential = credential or DefaultAzureCredential()
    return SecretClient(os.environ["KEYVAULT_VAULT"], credential, verify_challenge_resource=False)


def control(path, body):
    url = f"{os.environ['KEYVAULT_EMULATOR_CONTROL']}/{path}"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode())).close()


class Secrets(unittest.TestCase):
    def test_a_seeded_secret_is_read(self):
        self.assertEqual(client().get_secret("seeded").value, "from the seed")

    def test_a_client_secret_signs_in(self):
        credential = ClientSecretCredential(
            os.environ["AZURE_TENANT_ID"],
            os.environ["AZURE_CLIENT_ID"],
            os.environ["AZURE_CLIENT_SECRET"],
            authority=os.environ["AZURE_AUTHORITY_HOST"],
            disable_instance_discovery=True,
        )
        self.assertEqual(client(credential).get_secret("seeded").value, "from the seed")

    def test_versions_are_kept_and_a_deleted_secret_is_recovered(self):
        vault = client()
        old = vault.set_secret("python", "1")
        vault.set_secret("python", "2", content_type="text/plain", tags={"team": "billing"})
        self.assertEqual(vault.get_secret("python").value, "2")
        self.assertEqual(vault.get_secret("python", old.properties.version).value, "1")
        self.assertEqual(len(list(vault.list_properties_of_secret_versions("python"))), 2)
        self.assertIn("python", [secret.name for secret in vault.list_properties_of_secrets()])
        vault.begin_delete_secret("python").wait()
        with self.assertRaises(ResourceNotFoundError):
            vault.get_secret("python")
        vault.begin_recover_deleted_secret("python").wait()
        self.assertEqual(vault.get_secret("python").properties.tags, {"team": "billing"})

    def test_a_failure_of_the_vault_is_retried(self):
        control("faults", {"fault": "status", "status": 503, "count": 1, "path": "/secrets/seeded*"})
        self.assertEqual(client().get_secret("seeded").value, "from the seed")


if __name__ == "__main__":
    unittest.main()
