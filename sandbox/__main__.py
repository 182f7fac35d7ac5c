"""Command line: ``python -m sandbox --host 127.0.0.1 --port 8081 --state FILE.sqlite``."""

import argparse
import logging

from aiohttp import web

from .admin import PROFILES
from .app import build
from .context import VENDORS, Config


def parse(arguments=None):
    """Return the ``Config`` of the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--state", help="SQLite file; without it nothing survives a restart")
    parser.add_argument("--seed", choices=PROFILES, default="demo")
    parser.add_argument("--retry-scale", type=float, default=1.0,
                        help="factor on the vendors' webhook retry intervals")
    parser.add_argument("--public-url", help="base URL that clients use, if not the Host header's")
    parser.add_argument("--vendors", default=",".join(VENDORS), help="serve only these, comma-separated")
    parser.add_argument("--option", action="append", default=[], metavar="VENDOR.NAME=VALUE")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return Config(
        host=args.host, port=args.port, state=args.state, seed=args.seed,
        retry_scale=args.retry_scale, public_url=args.public_url,
        vendors=tuple(args.vendors.split(",")), options=_options(args.option))


def _options(pairs):
    options = {}
    for pair in pairs:
        name, _equals, value = pair.partition("=")
        vendor, _dot, key = name.partition(".")
        options.setdefault(vendor, {})[key] = value
    return options


def main():
    """Run the server until it is interrupted."""
    config = parse()
    # Vendors take request lines of 16 KiB and more; aiohttp alone stops at 8 KiB.
    web.run_app(
        build(config), host=config.host, port=config.port, print=None,
        access_log=None, handler_cancellation=False, max_line_size=65536, max_field_size=65536)


if __name__ == "__main__":
    main()
