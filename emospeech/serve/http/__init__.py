"""The HTTP API: FastAPI in front of `serve.engine`."""
