"""What a new user runs first."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def demonstrate(*options):
    """Runs tools/quickstart to its end; nothing of it is left."""
    process = subprocess.Popen(
        ["tools/quickstart", *options], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        said, _ = process.communicate(timeout=300)
    finally:
        if process.poll() is None:  # its trap removes what it has made
            process.terminate()
            process.wait(timeout=60)
    assert process.returncode == 0, said
    assert "All of it worked" in said and "cleaned up" in said, said
    left = [name for name in os.listdir("/run/netns") if name.startswith(f"cnetqs-{process.pid}-")]
    assert not left and not os.path.exists(f"/run/cnet-quickstart-{process.pid}")
    return said


def test_one_host():
    said = demonstrate()
    assert "no bridge, no iptables rule, no nftables rule" in said


def test_three_hosts():
    said = demonstrate("--hosts", "3")
    assert "with its container and its address" in said
    assert "is endpoint c1 of host h1 already" in said
