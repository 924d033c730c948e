"""One run of the work: a server in one namespace, a client in the other, both on one CPU."""

import json
import secrets
import subprocess

from .lab import BenchError, end

# What a run may take beyond its measured time before it counts as stuck.
GRACE_S = 10


class Worker:
    """How to run the worker program: its path, its CPU, its nice value."""

    def __init__(self, program, cpu, nice):
        self._program, self._common = program, ["--cpu", cpu, "--nice", nice]

    def run(self, path, mode, seconds):
        """What the client measured; BenchError unless every byte arrived and came back right."""
        common = ["--mode", mode, "--token", secrets.token_hex(8), *self._common]
        server = path.server.spawn(
            self._program,
            "server",
            "--port",
            path.server_port,
            *common,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = None
        try:
            if server.stdout.readline().strip() != "ready":
                raise BenchError(f"the server did not start: {server.communicate()[1].strip()}")
            client = path.client.spawn(
                self._program,
                "client",
                "--address",
                path.address,
                "--port",
                path.port,
                "--seconds",
                seconds,
                *common,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            answer = self._finish(client, "client", seconds + GRACE_S)
            self._finish(server, "server", GRACE_S)
            return json.loads(answer)
        finally:
            for process in (client, server):
                if process:
                    end(process)
                    process.stdout.close()
                    process.stderr.close()

    @staticmethod
    def _finish(process, role, limit_s):
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{role}: no answer within {limit_s:.0f} s") from None
        if process.returncode != 0:
            raise BenchError(f"{role}: {err.strip() or f'exit status {process.returncode}'}")
        return out
