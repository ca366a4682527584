"""A model hub on the loopback: repositories under OWNER/REPO/resolve/REVISION/PATH with large files behind signed addresses of a
second server, lists of files in pages, errors as the real hub words them, and every way of misbehaving that the tests need."""
import hashlib
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse

PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in to the network.</body></html>"


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Content:
    """Bytes of one file; of a path, so that large sparse files need no memory."""

    def __init__(self, data=None, path=None, large=None):
        self.data, self.path = data, path
        self.size = len(data) if path is None else path.stat().st_size
        self.large = self.size >= 4096 if large is None else large  # kept in LFS
        if path is None:
            self.sha256 = hashlib.sha256(data).hexdigest()
            self.sha1 = git_sha1(data)
        else:
            with open(path, "rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.sha1 = "0" * 40

    def blocks(self, start, size=1 << 18):
        if self.path is None:
            for at in range(start, self.size, size):
                yield self.data[at:at + size]
        else:
            with open(self.path, "rb") as file:
                file.seek(start)
                while block := file.read(size):
                    yield block


class Repository:
    def __init__(self, files, commit="c" * 40, gated=False, private=False):
        self.files = {name: content if isinstance(content, Content) else Content(content) for name, content in files.items()}
        self.commit, self.gated, self.private = commit, gated, private
        self.revisions = {"main": commit, commit: commit}


class Hub:
    """Both servers. `faults`: dictionaries with the keys `on` (hub, cdn, tree), `match` (part of the path), `kind`, and `times`
    (how often; endless without it). Every request is in `log`: (server, method, path, headers)."""

    def __init__(self):
        self.repositories = {}
        self.renamed = {}
        self.direct = {}  # files with an address of their own: name -> Content
        self.tokens = set()
        self.faults = []
        self.log = []
        self.page_size = 5
        self.rate = None  # bytes a second of each connection
        self.generation = 0  # signed addresses of an older one have expired
        self.lock = threading.Lock()
        self.hub = self._server("hub", HubHandler)
        self.cdn = self._server("cdn", CdnHandler)
        self.endpoint = f"http://127.0.0.1:{self.hub.server_port}"
        self.cdn_address = f"http://127.0.0.1:{self.cdn.server_port}"

    def _server(self, name, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.owner, server.label = self, name
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self):
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    def requests(self, label=None, method=None, match=""):
        with self.lock:
            return [r for r in self.log if (label is None or r[0] == label) and (method is None or r[1] == method) and match in r[2]]

    def fault(self, on, match, method):
        with self.lock:
            for fault in self.faults:
                if fault["on"] != on or fault.get("match", "") not in match or fault.get("method", method) != method:
                    continue
                times = fault.get("times")
                if times == 0:
                    continue
                if times is not None:
                    fault["times"] = times - 1
                return dict(fault)
        return None

    def content_of(self, sha256):
        for repository in self.repositories.values():
            for content in repository.files.values():
                if content.sha256 == sha256:
                    return content
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            pass

    def do_HEAD(self):
        self.serve()

    def do_GET(self):
        self.serve()

    def serve(self):
        owner = self.server.owner
        with owner.lock:
            owner.log.append((self.server.label, self.command, self.path, dict(self.headers)))
        self.answer(owner)

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, str(value))
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self):
        self.close_connection = True
        self.connection.close()

    def misbehave(self, fault):
        """True when the fault was the whole answer."""
        kind = fault["kind"]
        if kind == "html":
            self.reply(200, [("Content-Type", "text/html; charset=utf-8"), ("ETag", '"portal"')], PAGE)
        elif kind == "portal":
            self.reply(302, [("Location", "http://127.0.0.1:9/login")])
        elif kind == "status":
            self.reply(fault["status"], [*fault.get("headers", {}).items()], b"{\"error\": \"no\"}")
        elif kind == "hang up":
            self.hang_up()
        elif kind == "silent":
            time.sleep(fault.get("seconds", 3600))
            self.hang_up()
        else:
            return False
        return True

    def send_content(self, content, fault):
        """A body with ranges, and with what goes wrong in bodies."""
        kind = fault["kind"] if fault else None
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        ranged = wanted is not None and kind != "ignore range"
        if ranged:
            start = int(wanted[1])
            if start >= content.size or kind == "416":
                self.reply(416, [("Content-Range", f"bytes */{content.size}")])
                return
        if kind == "wrong range" and ranged:
            start //= 2
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Type", "binary/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{content.size - 1}/{content.size}")
        if kind == "longer":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(content.size - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        end = content.size if kind not in ("cut", "stall") else min(content.size, start + fault["after"])
        at = start
        for block in content.blocks(start):
            block = block[:max(0, end - at)]
            if kind == "corrupt" and block:
                block = bytes([block[0] ^ 1]) + block[1:]
            if kind == "longer":
                self.wfile.write(b"%x\r\n" % len(block) + block + b"\r\n")
            else:
                self.wfile.write(block)
            at += len(block)
            if self.server.owner.rate:
                time.sleep(len(block) / self.server.owner.rate)
            if at >= end:
                break
        if kind == "longer":
            self.wfile.write(b"5\r\nextra\r\n0\r\n\r\n")
        elif kind == "cut":
            self.hang_up()
        elif kind == "stall":
            self.wfile.flush()
            time.sleep(fault.get("seconds", 3600))
            self.hang_up()


class HubHandler(Handler):
    def answer(self, owner):
        url = urllib.parse.urlsplit(self.path)
        tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", url.path)
        fault = owner.fault("tree" if tree else "hub", self.path, self.command)
        if fault and self.misbehave(fault):
            return
        if tree:
            self.tree(owner, tree[1], urllib.parse.unquote(tree[2]), urllib.parse.parse_qs(url.query))
            return
        resolve = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", url.path)
        if resolve:
            self.resolve(owner, resolve[1], urllib.parse.unquote(resolve[2]), urllib.parse.unquote(resolve[3]), fault)
            return
        if url.path.startswith("/files/") and url.path[7:] in owner.direct:
            self.send_content(owner.direct[url.path[7:]], fault)
            return
        self.reply(404, [], b"nothing here")

    def token(self, owner):
        given = self.headers.get("Authorization", "")
        return given.removeprefix("Bearer ") if given.startswith("Bearer ") else None

    def repository(self, owner, name, revision):
        """The repository and the commit; None after an error was sent."""
        token = self.token(owner)
        if token is not None and token not in owner.tokens:
            self.reply(401, [("X-Error-Message", "Invalid credentials in Authorization header")])
            return None
        repository = owner.repositories.get(name)
        if repository is None or (repository.private and token is None):
            # The real hub does not tell the two apart.
            self.reply(401 if token is None else 404, [("X-Error-Code", "RepoNotFound"), ("X-Error-Message", "Repository not found")])
            return None
        if repository.gated and token is None:
            self.reply(401, [("X-Error-Code", "GatedRepo"), ("X-Error-Message", f"Access to model {name} is restricted.")])
            return None
        if revision not in repository.revisions:
            self.reply(404, [("X-Error-Code", "RevisionNotFound"), ("X-Error-Message", f"Invalid rev id: {revision}")])
            return None
        return repository, repository.revisions[revision]

    def moved(self, owner, name):
        if name not in owner.renamed:
            return False
        self.reply(307, [("Location", self.path.replace(name, owner.renamed[name], 1))])
        return True

    def tree(self, owner, name, revision, query):
        if self.moved(owner, name):
            return
        found = self.repository(owner, name, revision)
        if found is None:
            return
        entries = [{"type": "directory", "path": "ckpts", "size": 0, "oid": "0" * 40}]
        for path, content in sorted(found[0].files.items()):
            entry = {"type": "file", "path": path, "size": content.size, "oid": content.sha1}
            if content.large:
                entry["lfs"] = {"oid": content.sha256, "size": content.size, "pointerSize": 134}
            entries.append(entry)
        start = int(query.get("cursor", ["0"])[0])
        headers = [("Content-Type", "application/json")]
        if start + owner.page_size < len(entries):
            following = f"{owner.endpoint}/api/models/{name}/tree/{revision}?recursive=true&cursor={start + owner.page_size}"
            headers.append(("Link", f'<{following}>; rel="next"'))
        self.reply(200, headers, json.dumps(entries[start:start + owner.page_size]).encode())

    def resolve(self, owner, name, revision, path, fault):
        if self.moved(owner, name):
            return
        found = self.repository(owner, name, revision)
        if found is None:
            return
        repository, commit = found
        content = repository.files.get(path)
        if content is None:
            self.reply(404, [("X-Error-Code", "EntryNotFound"), ("X-Error-Message", "Entry not found"), ("X-Repo-Commit", commit)])
            return
        if content.large:
            location = f"{owner.cdn_address}/blobs/{content.sha256}?signature={owner.generation}"
            self.reply(302, [("Location", location), ("X-Repo-Commit", commit), ("X-Linked-Etag", f'"{content.sha256}"'),
                             ("X-Linked-Size", content.size), ("ETag", '"of-the-redirect"')], b"Found. Redirecting")
            return
        if fault and fault["kind"] == "corrupt":
            content = Content(bytes([content.data[0] ^ 1]) + content.data[1:])
        headers = [("X-Repo-Commit", commit), ("ETag", f'W/"{repository.files[path].sha1}"'), ("Content-Length", content.size),
                   ("Content-Type", "text/plain; charset=utf-8")]
        self.reply(200, headers, content.data)


class CdnHandler(Handler):
    def answer(self, owner):
        url = urllib.parse.urlsplit(self.path)
        fault = owner.fault("cdn", self.path, self.command)
        if fault and self.misbehave(fault):
            return
        content = owner.content_of(pathlib.PurePosixPath(url.path).name)
        if content is None:
            self.reply(404, [], b"no such blob")
            return
        if int(urllib.parse.parse_qs(url.query)["signature"][0]) != owner.generation:
            self.reply(403, [("Content-Type", "application/xml")], b"<Error><Code>AccessDenied</Code>Request has expired</Error>")
            return
        if fault and fault["kind"] == "expire":
            # The connection breaks, and with it the address expires.
            owner.generation += 1
            fault = {"kind": "cut", "after": fault["after"]}
        self.send_content(content, fault)
