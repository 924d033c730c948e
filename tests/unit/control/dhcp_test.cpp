// What is believed of a DHCP message, and what is not.
#include "userspace/control/dhcp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace cnet::test {

namespace {

using control::DhcpMessage;
using control::parse_dhcp;
using Bytes = std::vector<uint8_t>;

const std::array<uint8_t, 6> kClient = {0x02, 0, 0, 0, 0, 0x0a};

// The fixed part with the cookie, without options.
Bytes fixed(uint8_t op) {
    Bytes bytes(240, 0);
    bytes[0] = op;
    bytes[1] = 1;
    bytes[2] = 6;
    std::ranges::copy(std::array<uint8_t, 4>{10, 88, 0, 50}, bytes.begin() + 12);  // ciaddr
    std::ranges::copy(std::array<uint8_t, 4>{10, 88, 0, 100}, bytes.begin() + 16); // yiaddr
    std::ranges::copy(kClient, bytes.begin() + 28);
    std::ranges::copy(std::array<uint8_t, 4>{99, 130, 83, 99}, bytes.begin() + 236);
    return bytes;
}

Bytes message(uint8_t op, const Bytes& options) {
    Bytes bytes = fixed(op);
    bytes.insert(bytes.end(), options.begin(), options.end());
    return bytes;
}

const Bytes kAckOptions = {53, 1, 5, 54, 4, 10, 88, 0, 1, 51, 4, 0, 0, 0x0e, 0x10, 255};

Bytes ack() {
    return message(2, kAckOptions);
}

Bytes with(Bytes bytes, size_t offset, uint8_t value) {
    bytes[offset] = value;
    return bytes;
}

TEST(Dhcp, AnAckGivesAnAddressForAWhile) {
    const auto parsed = parse_dhcp(ack());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->type, DhcpMessage::Type::kAck);
    EXPECT_EQ(parsed->client, MacAddress(kClient));
    EXPECT_EQ(parsed->address.to_string(), "10.88.0.100");
    EXPECT_EQ(parsed->lease_s, 3600u);
    Bytes padded = ack();
    padded.resize(400, 0);
    EXPECT_TRUE(parse_dhcp(padded)) << "what follows the end is nothing";
    EXPECT_TRUE(parse_dhcp(message(2, {0, 0, 53, 1, 5, 0, 51, 4, 0, 0, 0, 9, 255})));
}

TEST(Dhcp, ANakAndARelease) {
    const auto nak = parse_dhcp(message(2, {53, 1, 6, 255}));
    ASSERT_TRUE(nak);
    EXPECT_EQ(nak->type, DhcpMessage::Type::kNak);
    const auto release = parse_dhcp(message(1, {53, 1, 7, 255}));
    ASSERT_TRUE(release);
    EXPECT_EQ(release->type, DhcpMessage::Type::kRelease);
    EXPECT_EQ(release->address.to_string(), "10.88.0.50");
}

TEST(Dhcp, WhatIsNotToBeBelieved) {
    EXPECT_FALSE(parse_dhcp({}));
    EXPECT_FALSE(parse_dhcp(fixed(2))) << "no options";
    EXPECT_FALSE(parse_dhcp(message(1, kAckOptions))) << "an ack from a client";
    EXPECT_FALSE(parse_dhcp(message(3, kAckOptions)));
    EXPECT_FALSE(parse_dhcp(message(1, {53, 1, 6, 255}))) << "a nak from a client";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 7, 255}))) << "a release from a server";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 2, 51, 4, 0, 0, 0, 9, 255}))) << "an offer";
    EXPECT_FALSE(parse_dhcp(with(ack(), 1, 6))) << "another kind of hardware";
    EXPECT_FALSE(parse_dhcp(with(ack(), 2, 16)));
    EXPECT_FALSE(parse_dhcp(with(ack(), 239, 98))) << "BOOTP alone";
    Bytes inform = ack();
    std::fill_n(inform.begin() + 16, 4, uint8_t{0});
    EXPECT_FALSE(parse_dhcp(inform)) << "gives no address";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 255}))) << "no lease time";
    EXPECT_FALSE(parse_dhcp(message(2, {51, 4, 0, 0, 0, 9, 255}))) << "no type";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 51, 4, 0, 0, 0, 9}))) << "no end";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 51, 4, 0, 0, 0, 0, 255}))) << "over at once";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 2, 5, 5, 51, 4, 0, 0, 0, 9, 255})));
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 51, 3, 0, 0, 9, 255})));
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 53, 1, 6, 51, 4, 0, 0, 0, 9, 255}))) << "twice";
    EXPECT_FALSE(parse_dhcp(message(2, {53, 1, 5, 51, 4, 0, 0, 0, 9, 12, 200, 'x', 255})))
        << "an option that is longer than the rest";
}

TEST(Dhcp, EveryCutIsRefused) {
    const Bytes whole = ack();
    for (size_t size = 0; size < whole.size(); size++)
        EXPECT_FALSE(parse_dhcp(std::span(whole).first(size))) << size;
}

// With the sanitizers: nothing is read beyond the bytes there are.
TEST(Dhcp, AnyBytes) {
    std::mt19937 random(7);
    for (int i = 0; i < 100'000; i++) {
        Bytes bytes = ack();
        bytes.resize(241 + random() % 64, 0);
        for (unsigned changes = random() % 8; changes > 0; changes--)
            bytes[240 + random() % (bytes.size() - 240)] = static_cast<uint8_t>(random());
        const auto parsed = parse_dhcp(bytes);
        EXPECT_TRUE(!parsed || parsed->type != DhcpMessage::Type::kAck || parsed->lease_s != 0);
    }
}

} // namespace

} // namespace cnet::test
