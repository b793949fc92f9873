"""Starts one of the FastAPI contenders; the option `handlers` says which code serves it."""

from fastapi import FastAPI

from servers.classifier import EngineUnavailableError
from servers.http_service import (
    Counters,
    add_health_and_stats,
    exit_on_sigterm,
    refuse_bad_input,
    serve,
)
from servers.launch_args import LaunchArgs, parse_launch_args, refuse_to_start


def build_app(args: LaunchArgs, counters: Counters) -> FastAPI:
    app = _served_model(args, counters)
    add_health_and_stats(app, args.contender, counters)
    refuse_bad_input(app, int(args.options.get("max_in_progress", 0)))
    return app


def _served_model(args: LaunchArgs, counters: Counters) -> FastAPI:
    if args.options["handlers"] == "published":
        from servers.fastapi_service import published

        return published.create_app(args, counters)
    from servers.fastapi_service import tuned

    return tuned.create_app(args, counters)


if __name__ == "__main__":
    exit_on_sigterm()  # loading takes seconds, and comes first
    launch_args = parse_launch_args()
    try:
        built = build_app(launch_args, Counters())
    except EngineUnavailableError as error:
        refuse_to_start(error)
    serve(built, launch_args)
