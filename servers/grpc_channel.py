"""How every gRPC client of this project opens its channel."""

MAX_MESSAGE_BYTES = 2**31 - 1

GRPC_CHANNEL_OPTIONS: list[tuple[str, int]] = [
    # gRPC takes http_proxy and https_proxy from the environment, for loopback too: a proxy that
    # is not there would keep every gRPC contender from starting, one that is would be measured.
    ("grpc.enable_http_proxy", 0),
    # tritonclient's own defaults, which options of one's own replace.
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]
"""For the options of grpc channels and the channel_args of tritonclient's clients."""

RECONNECTING_GRPC_CHANNEL_OPTIONS = [
    *GRPC_CHANNEL_OPTIONS,
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
"""For clients that outlive their server: gRPC's own pauses between attempts to connect grow to two
minutes, and for so long a server that was started again would not be found."""
