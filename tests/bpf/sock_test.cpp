// Host processes and published ports, by real system calls: the kernel has no test run for these
// programs. This process joins a cgroup of its own; endpoints' addresses are on lo, so that answers
// come from here too.
#include "loader/cgroup.h"
#include "tests/bpf/host.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <fstream>

#include "userspace/base/unique_fd.h"

namespace cnet::test {
namespace {

constexpr char kTarget4[] = "10.9.9.9", kTarget6[] = "fd00:9::9", kLoopback[] = "127.0.0.1";

// An address and port of either family, as the kernel takes and gives them.
struct Place {
    std::string address;
    uint16_t port = 0;

    bool operator==(const Place&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Place& place) {
    return out << place.address << ' ' << place.port;
}

struct SockAddr {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);

    SockAddr() = default;
    explicit SockAddr(const Place& place) {
        const bool v6 = place.address.find(':') != std::string::npos;
        auto* v4_addr = reinterpret_cast<sockaddr_in*>(&storage);
        auto* v6_addr = reinterpret_cast<sockaddr_in6*>(&storage);
        storage.ss_family = v6 ? AF_INET6 : AF_INET;
        size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
        (v6 ? v6_addr->sin6_port : v4_addr->sin_port) = htons(place.port);
        void* to = v6 ? static_cast<void*>(&v6_addr->sin6_addr) : &v4_addr->sin_addr;
        CNET_CHECK(inet_pton(storage.ss_family, place.address.c_str(), to) == 1);
    }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    Place place() const {
        char text[INET6_ADDRSTRLEN] = "";
        const auto* v4_addr = reinterpret_cast<const sockaddr_in*>(&storage);
        const auto* v6_addr = reinterpret_cast<const sockaddr_in6*>(&storage);
        if (storage.ss_family == AF_INET) {
            inet_ntop(AF_INET, &v4_addr->sin_addr, text, sizeof(text));
            return {text, ntohs(v4_addr->sin_port)};
        }
        inet_ntop(AF_INET6, &v6_addr->sin6_addr, text, sizeof(text));
        return {text, ntohs(v6_addr->sin6_port)};
    }
};

class Socket {
public:
    Socket(int family, int type) : fd_(socket(family, type | SOCK_CLOEXEC, 0)) { CNET_CHECK(fd_); }
    static Socket bound(int type, const Place& place) {
        SockAddr address(place);
        Socket made(address.storage.ss_family, type);
        CNET_CHECK(bind(made.fd(), address.get(), address.size) == 0);
        if (type == SOCK_STREAM) CNET_CHECK(listen(made.fd(), 8) == 0);
        return made;
    }

    int fd() const { return fd_.get(); }
    // 0 or errno.
    int connect(const Place& place) {
        SockAddr address(place);
        return ::connect(fd(), address.get(), address.size) == 0 ? 0 : errno;
    }
    int send(const Place& place) {
        SockAddr address(place);
        return sendto(fd(), "x", 1, 0, address.get(), address.size) == 1 ? 0 : errno;
    }
    Place receive() {
        SockAddr from;
        char data[8];
        EXPECT_EQ(recvfrom(fd(), data, sizeof(data), 0, from.get(), &from.size), 1);
        return from.place();
    }
    Place peer() {
        SockAddr address;
        EXPECT_EQ(getpeername(fd(), address.get(), &address.size), 0);
        return address.place();
    }

private:
    UniqueFd fd_;
};

using Counted = std::vector<HookReason>;

Counted sock(std::initializer_list<cnet_reason> reasons) {
    Counted all;
    for (cnet_reason reason : reasons)
        all.emplace_back(CNET_HOOK_SOCK, reason);
    return all;
}

class Sock : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        auto root = loader::find_cgroup2();
        if (!root) GTEST_SKIP() << root.error().message();
        home_ = root->string() + own_cgroup();
        cgroup_ = *root / ("cnet-bpf-test-" + std::to_string(getpid()));
        ASSERT_TRUE(std::filesystem::create_directory(cgroup_));
        enter(cgroup_);
        auto attached = data_path().attach_sock(cgroup_);
        ASSERT_TRUE(attached) << attached.error().message();
        EXPECT_EQ(*attached, 8u);
        shell("ip addr add 10.9.9.9/32 dev lo");
        shell("ip addr add fd00:9::9/128 dev lo nodad");
    }
    void TearDown() override {
        if (!home_.empty()) {
            enter(home_);
            std::filesystem::remove(cgroup_);
        }
        HostTest::TearDown();
    }

    // Port 8080 of the host to 80 of the endpoint.
    void publish_at(cnet_l4 l4, const char* target4, const char* target6) {
        publish(7, l4, 8080, target4 ? target4 : "0.0.0.0", 80);
        auto binding = **maps().binding.lookup(7);
        if (!target4) binding.target4 = {};
        if (target6) binding.target6 = IpAddress::parse(target6)->to_abi();
        ASSERT_TRUE(maps().binding.update(7, binding));
    }
    void bind_to(cnet_l4 l4, const char* address) {
        uint32_t slot = CNET_SLOT_INDEX(l4, 8080);
        maps().slot.set_binding(slot, CNET_BINDING_BY_ADDR);
        cnet_bind_key key{};
        key.addr = IpAddress::parse(address)->to_abi();
        key.slot = slot;
        ASSERT_TRUE(maps().bind_addr.update(key, 7));
    }

private:
    static std::string own_cgroup() {
        std::ifstream file("/proc/self/cgroup");
        for (std::string line; std::getline(file, line);)
            if (line.starts_with("0::")) return line.substr(3);
        return "/";
    }
    static void enter(const std::filesystem::path& cgroup) {
        std::ofstream procs(cgroup / "cgroup.procs");
        procs << getpid() << std::flush;
        EXPECT_TRUE(procs.good()) << cgroup;
    }

    std::filesystem::path home_;
    std::filesystem::path cgroup_;
};

TEST_F(Sock, ConnectedAndShownAsDialled) {
    publish_at(CNET_L4_TCP, kTarget4, kTarget6);
    auto server4 = Socket::bound(SOCK_STREAM, {kTarget4, 80});
    auto server6 = Socket::bound(SOCK_STREAM, {kTarget6, 80});
    for (const char* address : {kLoopback, "127.1.2.3", kHostAddr, "::1", "::ffff:127.0.0.1"}) {
        Place place{address, 8080};
        Socket client(SockAddr(place).storage.ss_family, SOCK_STREAM);
        EXPECT_EQ(counted_by([&] { EXPECT_EQ(client.connect(place), 0); }),
                  sock({CNET_R_SOCK_DIALLED}));
        EXPECT_EQ(counted_by([&] { EXPECT_EQ(client.peer(), place); }), sock({CNET_R_SOCK_SHOWN}));
    }
}

TEST_F(Sock, DatagramsAndTheirAnswers) {
    publish_at(CNET_L4_UDP, kTarget4, kTarget6);
    auto server4 = Socket::bound(SOCK_DGRAM, {kTarget4, 80});
    auto server6 = Socket::bound(SOCK_DGRAM, {kTarget6, 80});
    for (const char* address : {kLoopback, kHostAddr, "::1", "::ffff:127.0.0.1"}) {
        Place place{address, 8080};
        Socket client(SockAddr(place).storage.ss_family, SOCK_DGRAM);
        Socket& server = place.address == "::1" ? server6 : server4;
        EXPECT_EQ(counted_by([&] { EXPECT_EQ(client.send(place), 0); }),
                  sock({CNET_R_SOCK_DIALLED}));
        Place from = server.receive();
        EXPECT_EQ(server.send(from), 0);
        EXPECT_EQ(counted_by([&] { EXPECT_EQ(client.receive(), place); }),
                  sock({CNET_R_SOCK_SHOWN}));
    }
}

TEST_F(Sock, NothingPublishedIsLeftAlone) {
    publish_at(CNET_L4_UDP, kTarget4, nullptr);
    for (const Place& place : {Place{kLoopback, 8081}, Place{kWorld, 8080}, Place{kTarget4, 80}}) {
        // Told by the port alone, nothing is counted.
        Counted expected = place.port == 8080 ? sock({CNET_R_NOT_OURS}) : Counted();
        Socket client(AF_INET, SOCK_DGRAM);
        EXPECT_EQ(counted_by([&] {
                      EXPECT_EQ(client.connect(place), 0);
                      EXPECT_EQ(client.peer(), place);
                  }),
                  expected);
    }
    Socket other_protocol(AF_INET, SOCK_STREAM);
    EXPECT_EQ(other_protocol.connect({kLoopback, 8080}), ECONNREFUSED);
}

TEST_F(Sock, BoundToOneAddressOrOneFamily) {
    struct {
        const char* host_ip;
        std::vector<std::string> reached;
    } const kCases[] = {{kLoopback, {kLoopback, "::ffff:127.0.0.1"}},
                        {kHostAddr, {kHostAddr}},
                        {"::1", {"::1"}},
                        {"0.0.0.0", {kLoopback, "127.1.2.3", kHostAddr, "::ffff:127.0.0.1"}},
                        {"::", {"::1"}}};
    for (const auto& one : kCases) {
        publish_at(CNET_L4_UDP, kTarget4, kTarget6);
        bind_to(CNET_L4_UDP, one.host_ip);
        for (const char* address : {kLoopback, "127.1.2.3", kHostAddr, "::1", "::ffff:127.0.0.1"}) {
            Place place{address, 8080};
            Socket client(SockAddr(place).storage.ss_family, SOCK_DGRAM);
            bool reached = std::count(one.reached.begin(), one.reached.end(), address) != 0;
            EXPECT_EQ(counted_by([&] { EXPECT_EQ(client.connect(place), 0); }),
                      sock({reached ? CNET_R_SOCK_DIALLED : CNET_R_NOT_OURS}))
                << one.host_ip << " dialled as " << address;
        }
        cnet_bind_key key{};
        key.addr = IpAddress::parse(one.host_ip)->to_abi();
        key.slot = CNET_SLOT_INDEX(CNET_L4_UDP, 8080);
        ASSERT_TRUE(maps().bind_addr.erase(key));
    }
}

// IP_BIND_ADDRESS_NO_PORT, as curl and proxies bind, leaves the port to connect(); else it is late.
TEST_F(Sock, BoundToLoopback) {
    publish_at(CNET_L4_TCP, kTarget4, kTarget6);
    publish_at(CNET_L4_UDP, kTarget4, kTarget6);
    auto server4 = Socket::bound(SOCK_STREAM, {kTarget4, 80});
    auto server6 = Socket::bound(SOCK_STREAM, {kTarget6, 80});
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        for (const char* address : {kLoopback, "::1", "::ffff:127.0.0.1"}) {
            for (const int no_port : {0, 1}) {
                SockAddr own({address, 0});
                Socket client(own.storage.ss_family, type);
                ASSERT_EQ(setsockopt(client.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &no_port,
                                     sizeof(no_port)),
                          0);
                ASSERT_EQ(bind(client.fd(), own.get(), own.size), 0);
                const Place place{address, 8080};
                EXPECT_EQ(counted_by([&] {
                              EXPECT_EQ(client.connect(place), no_port ? 0 : EADDRNOTAVAIL);
                          }),
                          sock({no_port ? CNET_R_SOCK_DIALLED : CNET_R_SOCK_LOOPBACK_SOURCE}))
                    << address << ' ' << type;
                if (!no_port) continue;
                EXPECT_EQ(client.peer(), place);
            }
        }
    }
}

TEST_F(Sock, EndpointWithOneFamily) {
    publish_at(CNET_L4_UDP, kTarget4, nullptr);
    Socket six(AF_INET6, SOCK_DGRAM);
    EXPECT_EQ(counted_by([&] {
                  EXPECT_EQ(six.send({"::1", 8080}), ECONNREFUSED);
              }),
              sock({CNET_R_SOCK_NO_TARGET}));
    EXPECT_EQ(six.connect({"::1", 8080}), 0);
    EXPECT_EQ(six.peer(), (Place{"::1", 8080}));

    publish_at(CNET_L4_UDP, nullptr, kTarget6);
    Socket four(AF_INET, SOCK_DGRAM);
    EXPECT_EQ(counted_by([&] {
                  EXPECT_EQ(four.connect({kLoopback, 8080}), ECONNREFUSED);
              }),
              sock({CNET_R_SOCK_NO_TARGET}));
    EXPECT_EQ(four.send({kLoopback, 8080}), ECONNREFUSED);
    Socket dual(AF_INET6, SOCK_DGRAM);
    EXPECT_EQ(dual.connect({"::ffff:127.0.0.1", 8080}), 0);
    EXPECT_EQ(dual.peer(), (Place{"::ffff:127.0.0.1", 8080}));
}

TEST_F(Sock, BoundToLoopbackIsRefused) {
    publish_at(CNET_L4_UDP, kTarget4, kTarget6);
    for (const char* address : {kLoopback, "::1", "::ffff:127.0.0.1"}) {
        auto client = Socket::bound(SOCK_DGRAM, {address, 0});
        EXPECT_EQ(counted_by([&] {
                      EXPECT_EQ(client.connect({address, 8080}), EADDRNOTAVAIL);
                      EXPECT_EQ(client.send({address, 8080}), EADDRNOTAVAIL);
                  }),
                  sock({CNET_R_SOCK_LOOPBACK_SOURCE, CNET_R_SOCK_LOOPBACK_SOURCE}));
    }
}

TEST_F(Sock, MorePortsThanAreRemembered) {
    publish(7, CNET_L4_UDP, 8080, kTarget4, 80, 1, CNET_SOCK_PEERS + 1);
    auto first = Socket::bound(SOCK_DGRAM, {kTarget4, 80});
    auto second = Socket::bound(SOCK_DGRAM, {kTarget4, 81});
    Socket client(AF_INET, SOCK_DGRAM);
    for (uint16_t i = 0; i < CNET_SOCK_PEERS; i++)
        EXPECT_EQ(client.send({kLoopback, static_cast<uint16_t>(8080 + i)}), 0);
    EXPECT_EQ(counted_by([&] {
                  client.send({kLoopback, 8080 + CNET_SOCK_PEERS});
              }),
              sock({CNET_R_SOCK_DIALLED, CNET_R_SOCK_PEERS_FULL}));
    Place from = first.receive();
    EXPECT_EQ(first.send(from), 0);
    EXPECT_EQ(client.receive(), (Place{kTarget4, 80})) << "the first is forgotten";
    second.receive();
    EXPECT_EQ(second.send(from), 0);
    EXPECT_EQ(client.receive(), (Place{kLoopback, 8081}));
}

TEST_F(Sock, SocketMadeOneOfIPv4) {
    publish_at(CNET_L4_UDP, kTarget4, nullptr);
    Socket client(AF_INET6, SOCK_DGRAM);
    ASSERT_EQ(client.connect({"::1", 8080}), 0);
    int family = AF_INET;
    ASSERT_EQ(setsockopt(client.fd(), IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof(family)), 0);
    EXPECT_EQ(client.peer(), (Place{kTarget4, 80})) << "an AF_INET socket cannot be shown ::1";
}

TEST_F(Sock, OtherNamespacesAreNotConcerned) {
    publish_at(CNET_L4_UDP, kTarget4, kTarget6);
    auto elsewhere = NetnsGuard::enter_new();
    ASSERT_TRUE(elsewhere) << elsewhere.error().message();
    shell("ip link set lo up");
    Socket client(AF_INET, SOCK_DGRAM);
    EXPECT_EQ(counted_by([&] {
                  EXPECT_EQ(client.connect({kLoopback, 8080}), 0);
                  EXPECT_EQ(client.peer(), (Place{kLoopback, 8080}));
              }),
              Counted());
}

} // namespace
} // namespace cnet::test
