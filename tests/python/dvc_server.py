"""Answers `dvc` command lines without a start of Python for each: the tests' judge.

    python dvc_server.py SOCKET

Prints "ready", then takes connections on SOCKET. A connection carries one JSON line, {"argv", "cwd", "env"}, and gets
one back, {"code", "out", "err"}. Each command line runs in a forked child, so that several run at once and none leaves
anything to the next. The server ends when its standard input does.

What a command costs beside its own work is imports and the parser of command lines. Both are made before the first
fork: a rehearsal in a child of its own tells which modules commands load, and the server then loads these. It runs no
command itself, so no state of one is in it.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile

import colorama
import dvc.api  # noqa: F401
import dvc.cli
import dvc.cli.parser
import dvc.dagascii  # noqa: F401
import dvc.data_cloud  # noqa: F401
import dvc.parsing  # noqa: F401
import dvc.repo.experiments  # noqa: F401
import dvc.repo.index  # noqa: F401
import dvc.stage.cache  # noqa: F401
import dvc_data.hashfile.build  # noqa: F401
import dvc_data.index.checkout  # noqa: F401
import dvc_data.index.fetch  # noqa: F401
import dvc_data.index.push  # noqa: F401

REHEARSAL = (
    "init -q", "add -q data", "stage add -q -n s -d data -p a -M m.json cp data/x m.json", "repro -q", "commit -qf",
    "status --json", "data status --json --granular", "diff --json", "params diff --json", "metrics show --json",
    "metrics diff --json", "checkout -q", "push -q", "fetch -q", "pull -q", "status -c --json", "dag --dot",
    "freeze s", "unfreeze s", "move data moved", "unprotect moved", "remove moved.dvc", "gc -wfq",
)


def rehearse():
    """Runs the usual commands in a child, in a repository of its own, and loads here what they loaded there."""
    dvc.cli.parser.get_main_parser()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with tempfile.TemporaryDirectory(prefix="rehearsal-") as home:
                repo = os.path.join(home, "repo")
                os.makedirs(os.path.join(repo, "data"))
                os.chdir(repo)
                nothing = os.open(os.devnull, os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(nothing, number)
                os.environ.update(HOME=home, DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=home)
                for name, text in (("data/x", "{\"v\": 1}\n"), ("params.yaml", "a: 1\n")):
                    with open(name, "w") as file:
                        file.write(text)
                subprocess.run(["git", "init", "-q"], check=True)
                for line in REHEARSAL:
                    dvc.cli.main(line.split())
                    if line == "init -q":
                        with open(".dvc/config.local", "w") as file:
                            file.write("[core]\n    remote = r\n['remote \"r\"']\n    url = ../remote\n")
                with os.fdopen(writer, "w") as names:
                    names.write("\n".join(sys.modules))
                os.chdir("/")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as names:
        loaded = names.read().split("\n")
    os.waitpid(child, 0)
    for name in loaded:
        try:
            importlib.import_module(name)
        except Exception:  # a module made on the fly: commands will make it themselves
            pass
    gc.collect()
    gc.freeze()


def answer(connection):
    """Runs the command line of one connection in this process, which ends with it."""
    os.setsid()
    request = json.loads(connection.makefile("rb").readline())
    streams = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in zip((0, 1, 2), (nothing, streams[0].fileno(), streams[1].fileno())):
        os.dup2(stream, number)
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    # a start of DVC does so with the streams that it finds; these are new
    colorama.init()
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = ["dvc", *request["argv"]]
    try:
        code = dvc.cli.main(request["argv"]) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    sys.stdout.flush()
    sys.stderr.flush()
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read().decode("utf-8", "replace"))
    reply = {"code": code & 0xFF, "out": texts[0], "err": texts[1]}
    connection.sendall(json.dumps(reply).encode() + b"\n")


def serve(path):
    """Forks a child for each connection until standard input ends."""
    rehearse()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                listener.close()
                try:
                    answer(connection)
                finally:
                    os._exit(0)
            connection.close()


if __name__ == "__main__":
    serve(sys.argv[1])
