"""git_http.py <folder> - the repositories below a folder over smart HTTP, well-behaved and otherwise.

Prints the port it got and serves until it is killed. The first part of a path says how:

    /open/     as it should be
    /secret/   for bot:s3cr%t only
    /moved/    sends on to /open/
    /lured/    sends on to a file of this machine
    /circle/   sends on to itself
    /torn/     breaks off in the middle of every pack, until <folder>/mended exists

Answers come from `git http-backend`, which is what people's servers run.
"""
import base64
import http.server
import os
import subprocess
import sys

FOLDER = os.path.abspath(sys.argv[1])
PASS = "Basic " + base64.b64encode(b"bot:s3cr%t").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        return whole

    def refuse(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def backend(self, path, query, body):
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": FOLDER,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(fields.pop("Status", "200").split()[0]), fields, rest

    def serve(self):
        target, _, query = self.path.partition("?")
        _, way, rest = target.split("/", 2)
        body = self.body()
        onward = {
            "moved": "/open/%s?%s" % (rest, query),
            "lured": "file://%s/%s" % (FOLDER, rest),
            "circle": "/circle/%s?%s" % (rest, query),
        }.get(way)
        if onward:
            return self.refuse(302, Location=onward)
        if way == "secret" and self.headers.get("Authorization") != PASS:
            return self.refuse(401, WWW_Authenticate='Basic realm="git"')
        status, fields, answer = self.backend("/" + rest, query, body)
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if way == "torn" and b"PACK" in answer and not os.path.exists(FOLDER + "/mended"):
            answer = answer[: (answer.index(b"PACK") + len(answer)) // 2]
            self.close_connection = True
        self.wfile.write(answer)

    do_GET = do_POST = serve


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
