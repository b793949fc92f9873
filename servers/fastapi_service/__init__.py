"""The classifier behind FastAPI, one request at a time: as usually published, and tuned."""
