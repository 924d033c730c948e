// Reservations against real sockets, in a namespace of the test's own.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/unit/control/own_netns.h"
#include "userspace/control/ports.h"

namespace cnet::control {

namespace {

PublishedPort port(BindingId id, uint16_t host_port, uint16_t count = 1, cnet_l4 l4 = CNET_L4_TCP) {
    return {id, 1, std::nullopt, host_port, 80, count, l4};
}

// A process of the host.
class Process {
public:
    Process(const char* address, uint16_t host_port, int type) : fd_(socket(AF_INET, type, 0)) {
        sockaddr_in sa{};
        sa.sin_family = AF_INET;
        sa.sin_port = htons(host_port);
        inet_pton(AF_INET, address, &sa.sin_addr);
        ok_ = bind(fd_.get(), reinterpret_cast<sockaddr*>(&sa), sizeof(sa)) == 0 &&
              (type != SOCK_STREAM || listen(fd_.get(), 1) == 0);
    }
    bool ok() const { return ok_; }

private:
    UniqueFd fd_;
    bool ok_;
};

class Ports : public ::testing::Test {
protected:
    void SetUp() override {
        if (!test::in_own_netns)
            GTEST_SKIP() << "no network namespace of our own: unshare was refused";
    }
    PortReservations reservations;
};

TEST_F(Ports, NobodyElseTakesAReservedPort) {
    ASSERT_TRUE(reservations.reserve(port(1, 8080)));
    EXPECT_FALSE(Process("0.0.0.0", 8080, SOCK_STREAM).ok());
    EXPECT_FALSE(Process("127.0.0.1", 8080, SOCK_STREAM).ok());
    EXPECT_TRUE(Process("0.0.0.0", 8080, SOCK_DGRAM).ok()) << "the other protocol is free";
    reservations.release(1);
    EXPECT_TRUE(Process("0.0.0.0", 8080, SOCK_STREAM).ok());
}

TEST_F(Ports, UdpToo) {
    ASSERT_TRUE(reservations.reserve(port(1, 5353, 1, CNET_L4_UDP)));
    EXPECT_FALSE(Process("127.0.0.1", 5353, SOCK_DGRAM).ok());
    EXPECT_TRUE(Process("127.0.0.1", 5353, SOCK_STREAM).ok());
}

TEST_F(Ports, ConflictInDockersWords) {
    const Process process("0.0.0.0", 8080, SOCK_STREAM);
    ASSERT_TRUE(process.ok());
    auto status = reservations.reserve(port(1, 8080));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message(),
              "failed to bind host port 0.0.0.0:8080/tcp: address already in use");
    EXPECT_EQ(status.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(reservations.held(1), PortReservations::Held::kNone);
}

TEST_F(Ports, ALoopbackListenerIsAConflictForEveryAddress) {
    const Process process("127.0.0.1", 8080, SOCK_STREAM);
    ASSERT_TRUE(process.ok());
    EXPECT_FALSE(reservations.reserve(port(1, 8080)));
}

TEST_F(Ports, SingleAddressesDoNotCollide) {
    PublishedPort one = port(1, 8080);
    one.host_ip = *IpAddress::parse("127.0.0.1");
    PublishedPort two = port(2, 8080);
    two.host_ip = *IpAddress::parse("127.0.0.2");
    EXPECT_TRUE(reservations.reserve(one));
    EXPECT_TRUE(reservations.reserve(two));
    PublishedPort strange = port(3, 8080);
    strange.host_ip = *IpAddress::parse("192.0.2.77");
    auto status = reservations.reserve(strange);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message(),
              "failed to bind host port 192.0.2.77:8080/tcp: cannot assign requested address");
    EXPECT_EQ(status.error().kind(), ErrorKind::kInvalid);
}

TEST_F(Ports, ARangeIsAllOrNothing) {
    {
        const Process process("0.0.0.0", 8005, SOCK_STREAM);
        ASSERT_TRUE(process.ok());
        auto status = reservations.reserve(port(1, 8000, 10));
        ASSERT_FALSE(status);
        EXPECT_NE(status.error().message().find(":8005/tcp"), std::string::npos);
        EXPECT_TRUE(Process("0.0.0.0", 8000, SOCK_STREAM).ok())
            << "what was bound before is free again";
    }
    EXPECT_TRUE(reservations.reserve(port(1, 8000, 10)));
    EXPECT_FALSE(Process("0.0.0.0", 8009, SOCK_STREAM).ok());
}

TEST_F(Ports, BeyondTheLimitOfOpenFiles) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit small{200, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
    auto status = reservations.reserve(port(1, 8000, 1000));
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind(), ErrorKind::kExhausted);
    EXPECT_NE(status.error().message().find("publishing 1000 ports needs as many open files"),
              std::string::npos)
        << status.error().message();
    EXPECT_NE(status.error().message().find("LimitNOFILE"), std::string::npos);
}

TEST_F(Ports, NothingIsEverDelivered) {
    ASSERT_TRUE(reservations.reserve(port(1, 5353, 1, CNET_L4_UDP)));
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in sa{};
    sa.sin_family = AF_INET;
    sa.sin_port = htons(5353);
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&sa), sizeof(sa)), 0);
    ASSERT_EQ(send(fd.get(), "x", 1, 0), 1);
    // Dropped by the filter: neither queued nor refused, which would show as an error on the next
    // send.
    EXPECT_EQ(send(fd.get(), "x", 1, 0), 1);
}

} // namespace

} // namespace cnet::control
