"""The pages of the small Hub of ``hub_server.py``: its HTTP protocol, one method for each page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

if TYPE_CHECKING:
    from tests.hub_server import HubServer

_LFS = re.compile(r".*\.(safetensors|png|jpg|gif|mp4|bin|pt|pth)")


@dataclass
class Repo:
    """One repository: commits (sha -> path -> bytes), refs (branch -> sha) and tags; a Space's id begins "spaces/"."""

    private: bool = False
    gated: bool = False
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes], branch: str, message: str = "commit") -> str:
        self.messages.append(message)
        state = hashlib.sha1(f"{len(self.messages)} {branch} {message}".encode())
        for name in sorted(files):
            state.update(name.encode() + hashlib.sha256(files[name]).digest())
        sha = state.hexdigest()
        self.commits[sha], self.refs[branch] = dict(files), sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision) or self.tags.get(revision)


class HubHttp(ThreadingHTTPServer):
    """Listens, and can drop every open connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, hub: HubServer) -> None:
        self.hub, self.open_sockets = hub, set()
        super().__init__(("127.0.0.1", hub.port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open_sockets.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self.open_sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its own thread meanwhile

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is part of the tests


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.message = status, message
        self.headers = {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one packet
    disable_nagle_algorithm = True
    server: HubHttp

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self) -> None:
        self.hub = self.server.hub
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.address = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(self.address.query).items()}
        self.hub.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        self.fault = self.hub.take_fault(f"{self.command} {self.path}")
        if self.fault is not None and self.fault.status is not None:
            return self.reply({"error": "injected"}, self.fault.status)
        try:
            with self.hub.lock:
                for method, pattern, name in _ROUTES:
                    found = re.fullmatch(pattern, self.address.path)
                    if found and self.command in method.split("|"):
                        parts = (unquote(part).removeprefix("models/") for part in found.groups())
                        status, content, headers = getattr(self, name)(*parts)
                        break
                else:
                    raise _Refused(404, "NotFound", "no such page")
        except _Refused as refused:
            return self.reply({"error": refused.message}, refused.status, refused.headers)
        if self.hub.twist is not None:
            status, content, headers = self.hub.twist(self.address.path, status, content, dict(headers))
        self.reply(content, status, headers)

    def reply(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = dict(headers or {})
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and status == 200 and isinstance(content, bytes):
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        self.send_response(status)
        self.close_connection |= "Content-Length" in headers  # it lies: nobody is to wait for the rest
        headers.setdefault("Content-Type", "application/octet-stream" if data is content else "application/json")
        for name, value in {**headers, "Content-Length": headers.get("Content-Length", str(len(data)))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            if self.fault is not None and self.fault.status is None:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return
            for piece in self.hub.pieces(self.address.path, data):
                self.wfile.write(piece)
                self.wfile.flush()

    # Who asks, and for what.

    def user(self) -> str | None:
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if bearer and bearer not in self.hub.users:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        return self.hub.users.get(bearer)

    def repo(self, repo_id: str, *, write: bool = False) -> Repo:
        repo, user, owner = self.hub.repos.get(repo_id), self.user(), repo_id.split("/")[-2]
        if repo is None or (repo.private and user != owner):
            raise _Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if repo.gated and user != owner:
            raise _Refused(403 if user else 401, "GatedRepo", f"Access to model {repo_id} is restricted")
        if write and user != owner:
            raise _Refused(403 if user else 401, "", "You don't have the rights to write here")
        return repo

    def at(self, repo: Repo, revision: str) -> tuple[str, dict[str, bytes]]:
        sha = repo.resolve(revision)
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, repo.commits[sha]

    def json(self) -> Any:
        return json.loads(self.body)

    # The pages, each gives (status, content, headers).

    def whoami(self) -> tuple[int, Any, dict[str, str]]:
        user = self.user()
        if user is None:
            raise _Refused(401, "", "Invalid user token")
        return 200, {"name": user, "type": "user", "orgs": []}, {}

    def create(self) -> tuple[int, Any, dict[str, str]]:
        user, asked = self.user(), self.json()
        owner = asked.get("organization") or user
        if user is None or owner != user:
            raise _Refused(403 if user else 401, "", f"You don't have the rights to create a model under {owner}")
        space = asked.get("type") == "space"
        if space and not asked.get("sdk"):
            raise _Refused(400, "", "A Space needs an sdk")
        repo_id = f"{'spaces/' if space else ''}{owner}/{asked['name']}"
        reply = {"url": f"{self.hub.url}/{repo_id}", "name": repo_id, "id": repo_id}
        if repo_id in self.hub.repos:
            return 409, {**reply, "error": "You already created this model repo"}, {}
        self.hub.repos[repo_id] = repo = Repo(private=asked.get("visibility") == "private")
        first = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}
        if space:
            first["README.md"] = b"---\ntitle: New\nsdk: gradio\n---\n\nCheck out the configuration reference\n"
        repo.commit(first, "main")
        return 200, reply, {}

    def branch(self, repo_id: str, branch: str) -> tuple[int, Any, dict[str, str]]:
        repo = self.repo(repo_id, write=True)
        if branch in repo.refs:
            raise _Refused(409, "", "Reference already exists")
        repo.refs[branch] = self.at(repo, self.json().get("startingPoint") or "main")[0]
        return 200, {}, {}

    def tag(self, repo_id: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        repo, name = self.repo(repo_id, write=True), self.json()["tag"]
        if name in repo.tags:
            raise _Refused(409, "", "Tag reference exists already")
        repo.tags[name] = self.at(repo, revision)[0]
        return 200, {}, {}

    def validate_yaml(self) -> tuple[int, Any, dict[str, str]]:
        found = re.match(r"---\r?\n(.*?)\r?\n---", self.json()["content"], re.DOTALL)
        try:
            data = yaml.safe_load(found[1]) if found else {}
            errors = [] if isinstance(data, dict) else [{"message": "the metadata is no mapping"}]
        except yaml.YAMLError as error:
            errors = [{"message": str(error)}]
        return 400 if errors else 200, {"errors": errors, "warnings": []}, {}

    def preupload(self, repo_id: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        _, files = self.at(self.repo(repo_id, write=True), revision)
        answers = [
            {
                "path": file["path"],
                "uploadMode": _mode(file["path"]),
                "shouldIgnore": False,
                "oid": _oid(file["path"], files[file["path"]]) if file["path"] in files else None,
            }
            for file in self.json()["files"]
        ]
        return 200, {"files": answers}, {}

    def lfs_batch(self, repo_id: str) -> tuple[int, Any, dict[str, str]]:
        self.repo(repo_id, write=True)
        objects = []
        for asked in self.json()["objects"]:
            entry = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.blobs:
                entry["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"},
                    "verify": {"href": f"{self.hub.url}/lfs/verify"},
                }
            objects.append(entry)
        return 200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"}

    def lfs_put(self, oid: str) -> tuple[int, Any, dict[str, str]]:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, "", "the bytes are not those of the oid")
        self.hub.blobs[oid] = self.body
        return 200, b"", {}

    def lfs_verify(self) -> tuple[int, Any, dict[str, str]]:
        asked = self.json()
        if len(self.hub.blobs.get(asked["oid"], b"")) != asked["size"]:
            raise _Refused(404, "", "Object does not exist")
        return 200, {}, {}

    def commit(self, repo_id: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        repo = self.repo(repo_id, write=True)
        files, message = dict(self.at(repo, revision)[1]), ""
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            match entry["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    if value["oid"] not in self.hub.blobs:
                        raise _Refused(400, "", f"LFS object {value['oid']} was never uploaded")
                    files[value["path"]] = self.hub.blobs[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        pull = f"refs/pr/{1 + sum(name.startswith('refs/pr/') for name in repo.refs)}"
        as_pull = self.query.get("create_pr") == "1"
        sha = repo.commit(files, pull if as_pull else revision, message)
        reply = {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{sha}"}
        if as_pull:
            reply["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/{pull.rsplit('/', 1)[1]}"
        return 200, reply, {}

    def info(self, repo_id: str, revision: str = "main") -> tuple[int, Any, dict[str, str]]:
        repo = self.repo(repo_id)
        sha, files = self.at(repo, revision)
        siblings: list[dict[str, Any]] = [{"rfilename": name} for name in sorted(files)]
        if self.query.get("blobs") in {"true", "True", "1"}:
            for entry in siblings:
                data = files[entry["rfilename"]]
                entry |= {"size": len(data), "blobId": _git_oid(data)}
                if _mode(entry["rfilename"]) == "lfs":
                    entry["lfs"] = {"size": len(data), "sha256": _sha256(data), "pointerSize": 134}
        reply = {"id": repo_id, "modelId": repo_id, "sha": sha, "private": repo.private, "siblings": siblings}
        return 200, {**reply, "tags": [], "downloads": 0}, {"X-Repo-Commit": sha}

    def tree(self, repo_id: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        sha, files = self.at(self.repo(repo_id), revision)
        entries: list[dict[str, Any]] = []
        for name, data in sorted(files.items()):
            entry = {"type": "file", "path": name, "size": len(data), "oid": _git_oid(data)}
            if _mode(name) == "lfs":
                entry["lfs"] = {"size": len(data), "oid": _sha256(data), "pointerSize": 134}
            entries.append(entry)
        return 200, entries, {"X-Repo-Commit": sha}

    def refs(self, repo_id: str) -> tuple[int, Any, dict[str, str]]:
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
            for name, sha in self.repo(repo_id).refs.items()
        ]
        return 200, {"branches": branches, "tags": [], "converts": [], "pullRequests": []}, {}

    def resolve(self, repo_id: str, revision: str, name: str) -> tuple[int, Any, dict[str, str]]:
        sha, files = self.at(self.repo(repo_id), revision)
        if name not in files:
            raise _Refused(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
        data = files[name]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{_oid(name, data)}"'}
        if _mode(name) == "regular":
            return 200, data, headers
        self.hub.blobs[_sha256(data)] = data
        linked = {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{_sha256(data)}"'}
        return 302, b"", {**headers, **linked, "Location": f"{self.hub.cdn_url}/{_sha256(data)}"}

    def cdn(self, oid: str) -> tuple[int, Any, dict[str, str]]:
        if oid not in self.hub.blobs:
            raise _Refused(404, "", "no such object")
        return 200, self.hub.blobs[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"}


def _mode(name: str) -> str:
    return "lfs" if _LFS.fullmatch(name) else "regular"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _oid(name: str, data: bytes) -> str:
    return _sha256(data) if _mode(name) == "lfs" else _git_oid(data)


_ID = r"((?:spaces/)?[^/]+/[^/]+)"
_KIND = r"((?:models|spaces)/[^/]+/[^/]+)"
_ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate_yaml"),
    ("POST", rf"/api/{_KIND}/branch/([^/]+)", "branch"),
    ("POST", rf"/api/{_KIND}/tag/([^/]+)", "tag"),
    ("POST", rf"/api/{_KIND}/preupload/([^/]+)", "preupload"),
    ("POST", rf"/api/{_KIND}/commit/([^/]+)", "commit"),
    ("POST", rf"/{_ID}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("POST", r"/lfs/verify", "lfs_verify"),
    ("PUT", r"/lfs/([0-9a-f]{64})", "lfs_put"),
    ("GET", rf"/api/{_KIND}", "info"),
    ("GET", rf"/api/{_KIND}/revision/([^/]+)", "info"),
    ("GET", rf"/api/{_KIND}/tree/([^/]+)", "tree"),
    ("GET", rf"/api/{_KIND}/refs", "refs"),
    ("GET|HEAD", rf"/{_ID}/resolve/([^/]+)/(.+)", "resolve"),
    ("GET|HEAD", r"/cdn/([0-9a-f]{64})", "cdn"),
]
