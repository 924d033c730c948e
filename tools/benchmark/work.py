"""One run of the work: a server in one namespace, a client in the other, both on one CPU."""

import contextlib
import json
import secrets
import subprocess

from .lab import BenchError, end

# What the worker calls it, where that is not the mode's own name, and with what.
WORDS = {"streams": ("stream", "--connections", "8")}

# What a run may take beyond its measured time before it counts as stuck.
GRACE_S = 10


class Worker:
    """How to run the worker program: its path, its CPU, its nice value."""

    def __init__(self, program, cpu, nice):
        self._program, self._common = program, ["--cpu", cpu, "--nice", nice]

    def run(self, path, mode, seconds, *words, limit_s=0):
        """What the client measured; BenchError unless every byte arrived and came back right.
        `words` are more of the client's options; `limit_s` is what it may take at most, where that is
        more than its seconds say."""
        work, *more = WORDS.get(mode, (mode,))
        common = ["--mode", work, "--token", secrets.token_hex(8), *more, *self._common]
        listen = ["--address", "::"] if ":" in path.address else []
        with self._started(path.server, "server", "--port", path.server_port, *listen, *common) as server:
            if server.stdout.readline().strip() != "ready":
                raise BenchError(f"the server did not start: {server.communicate()[1].strip()}")
            where = ["--address", path.address, "--port", path.port, "--seconds", seconds]
            with self._started(path.client, "client", *where, *words, *common) as client:
                answer = finish(client, "client", max(seconds, limit_s) + GRACE_S)
            finish(server, "server", GRACE_S)
            return json.loads(answer)

    def serve(self, path, mode, token):
        """A server that lasts as long as the caller's `with`."""
        words = ["--port", path.server_port, "--mode", mode, "--token", token, *self._common]
        return self._started(path.server, "server", *words)

    @contextlib.contextmanager
    def _started(self, namespace, *words):
        process = namespace.spawn(
            self._program,
            *words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            end(process)
            process.stdout.close()
            process.stderr.close()


def finish(process, role, limit_s):
    """What it printed; BenchError when it fails or takes longer."""
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{role}: no answer within {limit_s:.0f} s") from None
    if process.returncode != 0:
        raise BenchError(f"{role}: {err.strip() or f'exit status {process.returncode}'}")
    return out
