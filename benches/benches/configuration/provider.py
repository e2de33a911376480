"""The official provider of Python, in the process that the benchmark `configuration` measures.

Arguments: `start` or `refresh`, the connection string, the URL of the vault, the file of the certificate authority.
Prints the milliseconds and the number of settings of each round. A line of input, `KEY VALUE` or empty, starts a round
of `refresh`, and the line is what the settings must contain at its end.
"""

import sys
import time

from azure.appconfiguration.provider import load
from azure.core.credentials import AccessToken

# The provider refreshes at most once a second.
INTERVAL = 1


class FixedToken:
    def get_token(self, *scopes, **options):
        return AccessToken("any-token-will-do", int(time.time()) + 3600)


def main():
    mode, connection_string, vault, authority = sys.argv[1:]
    client = {"credential": FixedToken(), "verify_challenge_resource": False, "connection_verify": authority}
    started = time.perf_counter()
    settings = load(
        connection_string=connection_string,
        connection_verify=authority,
        keyvault_client_configs={vault.rstrip("/") + "/": client},
        refresh_enabled=mode == "refresh",
        refresh_interval=INTERVAL,
        replica_discovery_enabled=False,
    )
    if mode == "start":
        report(started, settings)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        time.sleep(INTERVAL + 0.1)
        key, _, value = line.strip().partition(" ")
        started = time.perf_counter()
        settings.refresh()
        report(started, settings)
        assert not key or settings[key] == value, f"{key} is {settings[key]}"


def report(started, settings):
    print((time.perf_counter() - started) * 1000, len(settings), flush=True)


main()
