"""What `install` puts where."""

import stat

from machine import install

FILES = {
    "usr/sbin/cnetd": 0o755,
    "usr/bin/cnet-bpf": 0o755,
    "usr/lib/cni/cnet": 0o755,
    "usr/lib/netavark/cnet": 0o755,
    "usr/lib/systemd/system/cnetd.service": 0o644,
    "usr/lib/systemd/system/cnetd.socket": 0o644,
    "usr/lib/systemd/system/cnet-docker.socket": 0o644,
    "usr/lib/sysusers.d/cnet.conf": 0o644,
    "etc/cnet/cnetd.toml": 0o644,
    "usr/share/doc/cnet-bpf/README.md": 0o644,
    "usr/share/doc/cnet-bpf/LICENSE": 0o644,
    "usr/share/man/man8/cnetd.8": 0o644,
    "usr/share/man/man8/cnet-bpf.8": 0o644,
    "usr/share/man/man8/cnet-cni.8": 0o644,
    "usr/share/man/man8/cnet-netavark.8": 0o644,
    "usr/share/man/man5/cnetd.toml.5": 0o644,
    "usr/share/bash-completion/completions/cnet-bpf": 0o644,
    "usr/share/zsh/vendor-completions/_cnet-bpf": 0o644,
    "usr/share/fish/vendor_completions.d/cnet-bpf.fish": 0o644,
}


def test_files_and_modes(tmp_path):
    install(tmp_path)
    found = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
             for path in tmp_path.rglob("*") if path.is_file()}
    missing = {name: mode for name, mode in FILES.items() if found.get(name) != mode}
    assert not missing, f"not there with this mode: {missing}; there is: {sorted(found)}"


def test_unit_names_the_installed_daemon(tmp_path):
    install(tmp_path)
    unit = (tmp_path / "usr/lib/systemd/system/cnetd.service").read_text()
    assert "ExecStart=/usr/sbin/cnetd\n" in unit
