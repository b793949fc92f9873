"""Starts the LitServe contender."""

from servers.launch_args import parse_launch_args, refuse_to_start

if __name__ == "__main__":
    # Imported here because LitServe's worker runs this file again as it starts.
    from servers.classifier import EngineUnavailableError, placement_from
    from servers.http_service import require_engine
    from servers.litserve_service.api import ModelSettings
    from servers.litserve_service.server import run_server

    args = parse_launch_args()
    try:
        placement = placement_from(args.options)
    except EngineUnavailableError as error:
        refuse_to_start(error)
    run_server(args, ModelSettings(args.model_dir, require_engine(args), args.threads, placement))
