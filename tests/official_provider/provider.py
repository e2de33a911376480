"""Prints what the official provider of Python makes of a store, as JSON.

Arguments: the connection string, the file of the certificate authority.
"""

import json
import sys

from azure.appconfiguration.provider import SettingSelector, load

connection_string, authority = sys.argv[1:]
settings = load(
    connection_string=connection_string,
    connection_verify=authority,
    selects=[SettingSelector(key_filter="*"), SettingSelector(key_filter="*", label_filter="prod")],
    trim_prefixes=["shop:", "shop:db:"],
    replica_discovery_enabled=False,
)
print(json.dumps(dict(settings)))
