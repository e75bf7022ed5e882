"""A small Hub on loopback: the endpoints that huggingface_hub's client takes to push a model and to have it again."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_test"
READ_ONLY = "hf_that_reads"


@dataclass
class Repository:
    """Commits in memory, newest last on each branch."""

    private: bool = False
    commits: dict = field(default_factory=dict)  # sha -> {path: content}
    branches: dict = field(default_factory=dict)  # name -> sha
    messages: list = field(default_factory=list)

    def commit(self, branch, files, message):
        sha = hashlib.sha1(f"{branch}{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def at(self, revision):
        sha = self.branches.get(revision, revision)
        return (sha, self.commits[sha]) if sha in self.commits else (None, None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, why="no"):
        self.answer(status, {"error": why}, X_Error_Code=code, X_Error_Message=why)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = urlsplit(self.path).path
        hub = self.server.hub
        hub.requests.append(("POST", path))
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if token not in (TOKEN, READ_ONLY):
            return self.refuse(401, "", "Invalid credentials")
        if token == READ_ONLY:
            return self.refuse(403, "", "Forbidden: you need a token with write access")
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        owner, name, verb, *rest = path.removeprefix("/api/models/").split("/")
        branch = unquote(rest[0]) if rest else "main"
        return getattr(self, verb)(f"{owner}/{name}", branch, body)

    def create(self, asked):
        hub, name = self.server.hub, f"{asked['organization']}/{asked['name']}"
        there = name in hub.repositories
        if not there:
            hub.repositories[name] = Repository(asked.get("visibility") == "private")
            hub.repositories[name].commit("main", {".gitattributes": b""}, "initial commit")
        self.answer(409 if there else 200, {"url": f"{hub.url}/{name}", "error": "You already created this model repo"})

    def branch(self, name, branch, body):
        branches = self.server.hub.repositories[name].branches
        branches.setdefault(branch, branches["main"])
        self.answer(200, {})

    def preupload(self, name, branch, body):
        files = json.loads(body)["files"]
        told = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
        self.answer(200, {"files": told})

    def commit(self, name, branch, body):
        repository = self.server.hub.repositories[name]
        files, message = dict(repository.at(branch)[1]), ""
        for line in body.decode().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                assert item["key"] == "deletedFile", item["key"]
                files.pop(value["path"])
        sha = repository.commit(branch, files, message)
        url = f"{self.server.hub.url}/{name}/commit/{sha}"
        self.answer(200, {"success": True, "commitOid": sha, "commitUrl": url})

    def do_GET(self):
        path = urlsplit(self.path).path
        hub = self.server.hub
        hub.requests.append((self.command, path))
        parts = [unquote(part) for part in path.strip("/").split("/")]
        api = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2:] if api else parts
        repository = hub.repositories.get(f"{owner}/{name}")
        if repository is None:
            return self.refuse(404, "RepoNotFound", "Repository not found")
        verb, revision, *inside = [*rest, "main", "main"] if api and not rest else [*rest, "main"][: max(2, len(rest))]
        branches = repository.branches
        sha, files = repository.at(revision)
        if files is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if verb == "refs":
            told = [{"name": one, "ref": f"refs/heads/{one}", "targetCommit": sha} for one, sha in branches.items()]
            return self.answer(200, {"branches": told, "converts": [], "tags": []})
        if verb == "tree":
            return self.answer(200, [self.entry(path, content) for path, content in files.items()])
        if verb != "resolve":
            siblings = [{"rfilename": path} for path in files]
            return self.answer(200, {"id": f"{owner}/{name}", "sha": sha, "siblings": siblings, "private": False})
        content = files.get("/".join(inside))
        if content is None:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        return self.answer(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=sha)

    do_HEAD = do_GET  # noqa: N815

    @staticmethod
    def entry(path, content):
        return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


class Hub:
    """What the server keeps, and how to reach it."""

    def __init__(self):
        self.repositories, self.requests = {}, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.hub = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def files(self, name, revision="main"):
        return self.repositories[name].at(revision)[1]


@contextmanager
def running():
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
