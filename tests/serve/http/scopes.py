"""Requests as a server passes them on to its app."""


def request_scope(path="/v1/predict", **headers):
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "client": ("1.1.1.1", 1),
            "server": ("127.0.0.1", 80), "headers": [(b"host", b"localhost"), *pairs]}  # fmt: skip
