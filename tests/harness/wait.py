"""Waiting for what must come true; a test never sleeps and hopes."""

import time
from concurrent.futures import ThreadPoolExecutor


def wait_until(condition, timeout=30, what="the condition"):
    """Polls until condition() is truthy and returns that value; AssertionError after `timeout`
    seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what} did not come true within {timeout} s; last value: {value!r}"
            )
        time.sleep(0.01)


def together(**calls):
    """Runs the callables at once, each in a thread, and returns {name: result}: silences overlap"""
    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}
