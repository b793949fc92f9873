"""The simulated service's process, with the common command line."""

import asyncio
import selectors
import signal
import sys

from servers.launch_args import LaunchArgs, parse_launch_args
from servers.raw_http import live_answer
from servers.simulated_service.http import LawHttp
from servers.simulated_service.law import Law, LawError
from servers.simulated_service.service import SimulatedService


async def run(args: LaunchArgs) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    law = Law.from_options(args.options)
    service = SimulatedService(law, loop)
    live = live_answer(args.contender)
    server = await loop.create_server(
        lambda: LawHttp(service, law.answer, loop, live), args.host, args.port, backlog=2048
    )
    print(f"simulated service, no model: {law!r}", flush=True)
    await stop.wait()
    server.close()


def new_loop() -> asyncio.AbstractEventLoop:
    # select() waits to the microsecond; epoll and libuv (uvloop) round timers to milliseconds,
    # which would be an error of the truth.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(run(parse_launch_args()))
    except LawError as error:
        sys.exit(f"servers.simulated_service: {error}")
