"""Starts the LitServe contender."""

from servers.launch_args import parse_launch_args

if __name__ == "__main__":
    # Imported here because LitServe's worker runs this file again as it starts.
    from servers.http_service import require_engine
    from servers.litserve_service.api import ModelSettings
    from servers.litserve_service.server import run_server

    args = parse_launch_args()
    run_server(args, ModelSettings(args.model_dir, require_engine(args), args.threads))
