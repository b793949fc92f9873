"""Lean HTTP/1.1 and gRPC clients on gevent: prepared bodies in, raw replies out, no retries."""
