"""The suites of tools/test: what each is, what it needs built, and how long it may take."""

import dataclasses

TOGETHER = 3  # suites that run at once


@dataclasses.dataclass
class Suite:
    name: str
    what: str
    kind: str  # "ctest", "pytest", "vm" or "lint"
    build: str = ""  # variant: "", "asan", "clang", "fuzz", "bpf-clang-14"
    select: str = ""  # ctest: prefix of the tests' names; pytest: path; vm: kernels
    share: tuple = ()  # vm: (1, 8): the first eighth of the files of tests/netns; none: the marked tests
    targets: tuple = ()  # what to build
    built_later: bool = False  # while the suites run that do not need it
    limit_s: int = 600
    at_a_time: int = TOGETHER  # of neighbours in the list that say the same: 1: it measures, 2: it boots a machine
    long_only: bool = False
    valgrind: bool = False
    without: tuple = ()  # ctest: prefixes of the tests that it leaves out; pytest: paths
    env: dict = dataclasses.field(default_factory=dict)


EXECUTABLES = ("cnetd", "cnet-bpf", "cnet-cni", "cnet-netavark")
NETNS_EXECUTABLES = (*EXECUTABLES, "cnet-etcd-driver", "cnet-cluster-churn", "cnet-kill-at", "cnet-clock")

KERNELS = ("6.1", "6.12")
SHARES = 8
ACROSS, PLUGINS = "tests/netns/across", "tests/netns/plugins"
APT = "tests/system/test_apt.py"

SUITES = [
    Suite("lint", "layering, lengths, words, format", "lint"),
    Suite("bpf", "BPF programs by BPF_PROG_TEST_RUN", "ctest", select="bpf",
          targets=("bpf_tests",)),
    Suite("netns", "network namespaces end to end", "pytest", select="tests/netns", without=(ACROSS, PLUGINS),
          targets=NETNS_EXECUTABLES, limit_s=1800),
    Suite("parity", "the same on Linux bridge and iptables, and on us", "pytest",
          select="tests/parity", targets=EXECUTABLES, limit_s=1800),
    Suite("across", "networks across hosts, and etcd", "pytest", select=ACROSS, targets=NETNS_EXECUTABLES,
          limit_s=1800),
    Suite("plugins", "CNI's and netavark's plugins", "pytest", select=PLUGINS, targets=NETNS_EXECUTABLES,
          limit_s=900),
    Suite("engines", "Debian's container engines on our networks", "pytest", select="tests/engines",
          targets=EXECUTABLES, limit_s=900),
    Suite("unit", "unit tests", "ctest", select="unit_", targets=("unit_tests",), built_later=True),
    Suite("bench", "the benchmark measures what it says", "pytest", select="tests/bench",
          targets=(*EXECUTABLES, "cnet-bench-worker"), limit_s=600, at_a_time=1),
    Suite("system", "the units under a real systemd", "pytest", select="tests/system", without=(APT,),
          targets=(*EXECUTABLES, "cnet-bench-worker", "manuals", "completions"), limit_s=600, at_a_time=2),
    Suite("vm", "BPF programs and marked tests on other kernels", "vm", select=" ".join(KERNELS), targets=EXECUTABLES,
          limit_s=900, at_a_time=2),
    Suite("apt", "the Debian package by apt in a fresh Debian 12", "pytest", select=APT,
          targets=(*EXECUTABLES, "manuals", "completions"), limit_s=1200, long_only=True),
    Suite("unit-asan", "unit tests under ASan and UBSan", "ctest", build="asan", select="unit_",
          targets=("unit_tests",), long_only=True),
    Suite("netns-asan", "network namespaces with a sanitized cnetd", "pytest", build="asan",
          select="tests/netns", targets=NETNS_EXECUTABLES, limit_s=3600, long_only=True),
    Suite("unit-clang", "unit tests built by clang", "ctest", build="clang", select="unit_",
          targets=("all",), limit_s=900, long_only=True),
    Suite("fuzz", "parsers under libFuzzer, a minute each", "ctest", build="fuzz", select="fuzz_",
          targets=("fuzz_tests",), limit_s=1800, long_only=True),
    Suite("unit-valgrind", "unit tests under valgrind", "ctest", select="unit_",
          targets=("unit_tests",), limit_s=1800, long_only=True, valgrind=True,
          # Debian's valgrind 3.19 does not know bpf(2)'s link commands: what they return is garbage to it.
          without=("unit_loader",)),
    Suite("clients-1g", "files of 1 GB through the NAT", "pytest", select="tests/netns/test_clients.py",
          targets=EXECUTABLES, limit_s=3600, long_only=True, env={"CNET_FILE_SIZE": "1000000000"}),
    Suite("full-table", "a connection table of a million entries", "pytest",
          select="tests/netns/test_full_table.py", targets=EXECUTABLES, limit_s=1800, long_only=True, at_a_time=1,
          env={"CNET_FULL_TABLE": "1000000"}),
    Suite("crash", "a daemon killed at every step of every command", "pytest", select="tests/netns/test_crash.py",
          targets=NETNS_EXECUTABLES, limit_s=7200, long_only=True, env={"CNET_CRASH": "long"}),
    Suite("crash-cluster", "a cluster's member killed at every step of its commands", "pytest",
          select=f"{ACROSS}/test_cluster_crash.py", targets=NETNS_EXECUTABLES, limit_s=3600, long_only=True,
          env={"CNET_CRASH": "long"}),
    Suite("soak", "half an hour of changes, restarts and upgrades under traffic", "pytest",
          select="tests/netns/test_soak.py", targets=EXECUTABLES, limit_s=3600, long_only=True,
          env={"CNET_SOAK_S": "1800"}),
    Suite("bpf-hostile", "ten million hostile frames through each BPF program", "ctest", select="bpf",
          targets=("bpf_tests",), limit_s=3600, long_only=True,
          env={"CNET_HOSTILE_FRAMES": "10000000", "GTEST_FILTER": "Hostile.*"}),
    Suite("bpf-clang-14", "BPF programs built by clang-14", "ctest", build="bpf-clang-14",
          select="bpf", targets=("bpf_tests",), limit_s=1800, long_only=True),
    Suite("bpf-clang-19", "BPF programs built by clang-19", "ctest", build="bpf-clang-19",
          select="bpf", targets=("bpf_tests",), limit_s=1800, long_only=True),
    *(Suite(f"verifier-{clang}", f"what {clang} built, loaded, attached and within the verifier's budget", "pytest",
            build=f"bpf-{clang}", select="tests/netns/test_kernels.py", targets=EXECUTABLES, long_only=True)
      for clang in ("clang-14", "clang-19")),
    # By emulation: about half an hour each where two run at once on two processors.
    *(Suite(f"vm-{kernel}-{number}", f"tests/netns on Linux {kernel}, {number} of {SHARES}", "vm", select=kernel,
            share=(number, SHARES), targets=NETNS_EXECUTABLES, limit_s=14400, at_a_time=2, long_only=True)
      for number in range(1, SHARES + 1) for kernel in KERNELS),
]
