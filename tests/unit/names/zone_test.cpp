#include "userspace/names/zone.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/names/question.h"

namespace cnet::names {
namespace {

using test::query;

Zone zone(bool forwards) {
    const auto ip = [](const char* text) { return *IpAddress::parse(text); };
    ZoneSpec spec;
    spec.network = "Red";
    spec.subnets = {*IpPrefix::parse("10.88.0.0/24"), *IpPrefix::parse("fd00:88::/64")};
    spec.forwards = forwards;
    spec.names = {{"One", {"db", "MAIN"}, {ip("10.88.0.2"), ip("fd00:88::2")}},
                  {"two", {"db"}, {ip("10.88.0.3")}},
                  {"with.dots", {}, {ip("10.88.0.4")}}};
    return Zone(std::move(spec));
}

std::vector<std::string> found(const Zone& zone, std::string_view name, Type type) {
    auto answer = zone.answer(query(name, type));
    if (!answer) return {"forwarded"};
    if (answer->rcode != Rcode::kDone) return {"refused"};
    std::vector<std::string> all = answer->names;
    for (const IpAddress& address : answer->addresses)
        all.push_back(address.to_string());
    std::ranges::sort(all);
    return all;
}

using List = std::vector<std::string>;

TEST(Zone, NamesAndAliasesInAnyLetters) {
    const Zone red = zone(true);
    EXPECT_EQ(found(red, "one", Type::kA), List{"10.88.0.2"});
    EXPECT_EQ(found(red, "ONE.red", Type::kAaaa), List{"fd00:88::2"});
    EXPECT_EQ(found(red, "main", Type::kAny), (List{"10.88.0.2", "fd00:88::2"}));
    EXPECT_EQ(found(red, "db", Type::kA), (List{"10.88.0.2", "10.88.0.3"}));
    EXPECT_EQ(found(red, "two", Type::kAaaa), List{});
    EXPECT_EQ(found(red, "with.dots", Type::kA), List{"10.88.0.4"});
    EXPECT_EQ(found(red, "one.blue", Type::kA), List{"forwarded"});
    EXPECT_EQ(found(zone(false), "one.blue", Type::kA), List{"refused"});
}

TEST(Zone, AddressesOfItsSubnetsAreItsOwn) {
    const Zone red = zone(true);
    EXPECT_EQ(found(red, "2.0.88.10.in-addr.arpa", Type::kPtr), List{"db.red"});
    EXPECT_EQ(found(red, "4.0.88.10.in-addr.arpa", Type::kPtr), List{"with.dots.red"});
    EXPECT_EQ(found(red, "4.0.88.10.in-addr.arpa", Type::kA), List{});
    EXPECT_EQ(found(red, "9.0.88.10.in-addr.arpa", Type::kPtr), List{"refused"});
    EXPECT_EQ(found(red, "9.1.88.10.in-addr.arpa", Type::kPtr), List{"forwarded"});
}

TEST(Zone, EachAddressHasItsTurn) {
    const Zone red = zone(true);
    Query one = query("db", Type::kA);
    const auto first = red.answer(one)->addresses.at(0);
    one.head[1]++;
    EXPECT_NE(red.answer(one)->addresses.at(0), first);
}

TEST(Zone, OtherClassesAreRefused) {
    Query chaos = query("one", Type::kA);
    chaos.klass = 3;
    EXPECT_EQ(zone(true).answer(chaos)->rcode, Rcode::kRefused);
}

} // namespace
} // namespace cnet::names
