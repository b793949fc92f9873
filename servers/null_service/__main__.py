"""Starts null-http or null-grpc.

The rules for bad input do not apply here: a null server answers without looking at the text.
"""

import asyncio
import signal
import sys

import uvloop

from servers.launch_args import LaunchArgs, parse_launch_args


async def run(args: LaunchArgs) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wire = args.options["wire"]
    if wire not in ("http", "grpc"):
        sys.exit(f"expected wire to be http or grpc, found {wire!r}: correct it.")
    if wire == "grpc":
        from servers.null_service.grpc import serve_grpc as serve  # spares null-http the import
    else:
        from servers.null_service.http import serve_http as serve
    await serve(args.contender, args.host, args.port, stop)


if __name__ == "__main__":
    uvloop.run(run(parse_launch_args()))
