"""`python -m servers.hybrid_gateway.new_key NAME [SCOPE,SCOPE]`: a key for a client, shown once,
and the line for the gateway's keys, which does not tell it."""

import argparse
import secrets

from servers.hybrid_gateway.api_keys import ApiKeys, digest_of
from servers.hybrid_gateway.clients import PREDICT, SCOPES
from servers.hybrid_gateway.features import FeatureError
from servers.launch_args import refuse_to_start


def new_key(name: str, scopes: str = PREDICT) -> tuple[str, str]:
    """The key, for the client, and the line, for the gateway."""
    key = secrets.token_urlsafe(32)
    line = f"{name} {digest_of(key.encode()).hex()} {scopes}"
    ApiKeys.parse(line)
    return key, line


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make an API key for a client of the gateway.")
    parser.add_argument("name", help="the client's name in logs and limits")
    parser.add_argument("scopes", nargs="?", default=PREDICT, help=f"of {', '.join(SCOPES)}")
    given = parser.parse_args()
    try:
        made, entry = new_key(given.name, given.scopes)
    except FeatureError as error:
        refuse_to_start(error)
    print(f"key, for the client: {made}\nline, for the gateway: {entry}")
